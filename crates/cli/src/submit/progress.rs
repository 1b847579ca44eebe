//! What `submit` says while it works, in the words of sigsum-submit where it has them.

use super::Level;
use sigsum_client::Event;

/// Says something, where the user wants to hear it.
pub(super) fn say_at(wanted: Level, level: Level, text: &str) {
    let tag = match level {
        Level::Debug => "DEBU",
        Level::Info => "INFO",
        Level::Warning => "WARN",
        Level::Error => "ERRO",
        Level::Fatal => "FATA",
    };
    if wanted <= level {
        crate::say(&format!("[{tag}] {text}"));
    }
}

/// Tells what happens, as far as the user wants to hear it.
pub(super) fn tell(level: Level, event: &Event) {
    let (needed, text) = match event {
        Event::Submitting { leaf, url } => {
            (Level::Info, format!("Attempting to submit checksum#{} to log: {url}", leaf + 1))
        }
        Event::Taken { leaf, url, status } => {
            (Level::Debug, format!("checksum#{}: {status:?} by {url}", leaf + 1))
        }
        Event::Refused { leaf: _, failure } => (Level::Error, failure.to_string()),
        Event::Waiting { leaf, delay } => (
            Level::Info,
            format!("checksum#{}: trying again in {:.1} s", leaf + 1, delay.as_secs_f64()),
        ),
        Event::GaveUpOn { leaf, url, reason } => {
            (Level::Error, format!("checksum#{}: giving up on {url}: {reason}", leaf + 1))
        }
        Event::TreeHead { url, size, quorum } if quorum.is_satisfied() => {
            (Level::Debug, format!("{url}: tree of size {size} with quorum"))
        }
        Event::TreeHead { url, size, quorum } => {
            (Level::Info, format!("{url}: tree of size {size}, no quorum yet: {quorum}"))
        }
        Event::NoTreeHead { url, reason } => {
            (Level::Debug, format!("{url}: no tree head: {reason}"))
        }
        Event::Done { leaf, result } => {
            let outcome = if result.is_ok() { "proven" } else { "failed" };
            (Level::Debug, format!("checksum#{}: {outcome}", leaf + 1))
        }
    };
    say_at(level, needed, &text);
}
