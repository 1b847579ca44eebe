//! Now, as the next process will be able to tell how long ago it was.

use sigsum_limits::{Boot, Moment};
use sigsum_service::clock::Clock;
use sigsum_store::durable::SmallFile;

/// Linux: seconds since the machine was started, with hundredths, and something else.
const UPTIME: &str = "/proc/uptime";
/// Linux: a number of this start of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// More than either file has.
const MAX_BYTES: usize = 128;

/// Reads the clocks.
pub(super) fn now(clock: &dyn Clock) -> Moment {
    let boot = word(BOOT_ID).zip(word(UPTIME).and_then(|seconds| milliseconds(&seconds)));
    let boot = boot.map(|(id, uptime_ms)| Boot { id, uptime_ms });
    Moment { wall_ms: clock.now_ms(), boot }
}

/// The first word of a file.
fn word(path: &str) -> Option<String> {
    let bytes = SmallFile::new(path).read(MAX_BYTES).ok()??;
    let text = String::from_utf8(bytes).ok()?;
    text.split_ascii_whitespace().next().map(str::to_owned)
}

/// `12.34` seconds.
fn milliseconds(text: &str) -> Option<u64> {
    let (seconds, hundredths) = text.split_once('.')?;
    let hundredths = hundredths.parse::<u64>().ok().filter(|_| hundredths.len() == 2)?;
    Some(seconds.parse::<u64>().ok()?.checked_mul(1000)? + hundredths * 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigsum_service::clock::SystemClock;

    #[test]
    fn uptime_is_read_in_milliseconds() {
        assert_eq!(milliseconds("12.34"), Some(12_340));
        for text in ["12", "12.3", "12.345", "x.00", "-1.00", "99999999999999999999.00"] {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }

    #[test]
    fn the_machine_knows_since_when_it_is_on() {
        let (first, second) = (now(&SystemClock), now(&SystemClock));
        let Some((first, second)) = first.boot.zip(second.boot) else {
            eprintln!("skipped: this machine does not say when it was started");
            return;
        };
        assert_eq!(first.id, second.id);
        assert!(first.uptime_ms <= second.uptime_ms);
    }
}
