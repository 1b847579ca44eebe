//! Time as an argument: the one place that reads the system clock, and a clock that tests set.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells unix time. Pass it as `Arc<dyn Clock>`; nothing else reads the system clock.
///
/// Durations are measured with [`std::time::Instant`] instead: a wall clock can be set back.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> u64;

    /// Whole seconds since 1970-01-01T00:00:00Z, as in cosignatures.
    fn now_s(&self) -> u64 {
        self.now_ms() / 1000
    }
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now_ms(&self) -> u64 {
        // A clock before 1970 is read as 1970: a witness then signs with time 0, which no verifier
        // takes for fresh.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A clock that stands still until it is moved; for tests and simulations.
#[derive(Debug, Default)]
pub struct ManualClock {
    now_ms: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `now_s` seconds since 1970.
    #[must_use]
    pub fn at_s(now_s: u64) -> Self {
        Self { now_ms: AtomicU64::new(now_s.saturating_mul(1000)) }
    }

    /// Shows `now_ms` from here on; it may lie in the past.
    pub fn set_ms(&self, now_ms: u64) {
        self.now_ms.store(now_ms, Ordering::SeqCst);
    }

    /// Moves forward by `by_ms`.
    pub fn advance_ms(&self, by_ms: u64) {
        self.now_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::SeqCst)
    }
}

/// A unix time in seconds for people: `2026-11-22 18:26:02 UTC`. The epoch for one beyond year 9999.
#[must_use]
pub fn utc_text(unix_s: u64) -> String {
    let seconds = i64::try_from(unix_s).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_shows_what_it_was_set_to() {
        let clock = ManualClock::at_s(1_700_000_000);
        assert_eq!((clock.now_s(), clock.now_ms()), (1_700_000_000, 1_700_000_000_000));
        clock.advance_ms(1999);
        assert_eq!(clock.now_s(), 1_700_000_001);
        clock.set_ms(5);
        assert_eq!((clock.now_s(), clock.now_ms()), (0, 5));
    }

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(utc_text(1_750_000_000), "2025-06-15 15:06:40 UTC");
        assert_eq!(utc_text(u64::MAX), "1970-01-01 00:00:00 UTC");
    }

    #[test]
    fn the_system_clock_is_past_2025() {
        assert!(SystemClock.now_s() > 1_735_689_600);
    }
}
