//! Evidence against a log, in the operator's log: whole where there is little of it, counted where
//! there is much. A log that signs ever more contradicting heads proves nothing new with each, and
//! must not fill the witness's disk.

use std::sync::{Mutex, PoisonError};

/// Contradicting heads of one log that are written out in an hour; each is a few hundred bytes.
const MOST_IN_AN_HOUR: u32 = 10;
const HOUR_S: u64 = 3600;

/// What was written lately of one log.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    state: Mutex<State>,
}

#[derive(Debug, Default, Clone, Copy)]
struct State {
    began_s: u64,
    told: u32,
    left_out: u64,
}

impl Evidence {
    /// Whether another contradicting head is to be written out; `Some` gives the number of those
    /// that were left out before it.
    pub(super) fn tell(&self, now_s: u64) -> Option<u64> {
        // Each change is one assignment: a panic cannot leave half of one.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Also where the clock was set back.
        if now_s.abs_diff(state.began_s) >= HOUR_S {
            *state = State { began_s: now_s, told: 0, left_out: state.left_out };
        }
        if state.told >= MOST_IN_AN_HOUR {
            state.left_out = state.left_out.saturating_add(1);
            return None;
        }
        state.told = state.told.saturating_add(1);
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_in_an_hour_are_told_and_the_rest_is_counted() {
        let evidence = Evidence::default();
        let told = |now_s| (0..1000).filter(|_| evidence.tell(now_s).is_some()).count();
        assert_eq!(told(1_000_000), 10);
        assert_eq!(told(1_000_000 + HOUR_S - 1), 0);
        assert_eq!(evidence.tell(1_000_000 + HOUR_S), Some(1990));
        assert_eq!(evidence.tell(1_000_000 + HOUR_S), Some(0));
        assert_eq!(told(1_000_000 + HOUR_S), 8);
        assert!(evidence.tell(5).is_some(), "the clock was set back");
    }
}
