//! When another node of the log is asked again: at once where it keeps answers back until there is
//! something new, else after a while; later and later where it fails.

use std::time::Duration;

/// How long a node is asked to keep its answer back. Half of log-go's limit on a request, so that an
/// answer that stays out is noticed within that limit.
pub const WAIT: Duration = Duration::from_secs(5);
/// First pause after a failure; it doubles.
pub const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause after failures: a node that is back is found this soon, and a request a second to
/// one that is not costs nothing.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A node that says it waits and answers sooner than this with nothing new is not asked at once.
pub const SHORTEST_WAIT: Duration = Duration::from_millis(100);

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Something new.
    News,
    /// Nothing new.
    Nothing {
        /// Whether the node keeps answers back.
        waits: bool,
    },
    /// No answer that counts.
    Failure,
}

/// The pace of the requests to one node.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    interval: Duration,
    failures: u32,
}

impl Pace {
    /// `interval` is for nodes that do not keep answers back.
    pub fn new(interval: Duration) -> Self {
        Self { interval, failures: 0 }
    }

    /// The pause before the next request, after one that took so long.
    pub fn pause(&mut self, heard: Heard, took: Duration) -> Duration {
        if heard == Heard::Failure {
            let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16));
            self.failures = self.failures.saturating_add(1);
            return pause.min(LONGEST_PAUSE);
        }
        self.failures = 0;
        match heard {
            Heard::Nothing { waits: false } => self.interval.saturating_sub(took),
            Heard::Nothing { waits: true } => SHORTEST_WAIT.saturating_sub(took),
            Heard::News | Heard::Failure => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);
    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_node_that_waits_is_asked_at_once() {
        let mut pace = Pace::new(INTERVAL);
        assert_eq!(pace.pause(Heard::Nothing { waits: true }, WAIT), Duration::ZERO);
        assert_eq!(pace.pause(Heard::News, MS), Duration::ZERO);
    }

    #[test]
    fn a_node_that_only_says_it_waits_does_not_make_a_busy_loop() {
        let mut pace = Pace::new(INTERVAL);
        assert_eq!(pace.pause(Heard::Nothing { waits: true }, MS), SHORTEST_WAIT - MS);
    }

    #[test]
    fn a_node_that_does_not_wait_is_asked_once_an_interval() {
        let mut pace = Pace::new(INTERVAL);
        assert_eq!(pace.pause(Heard::Nothing { waits: false }, MS), INTERVAL - MS);
        assert_eq!(pace.pause(Heard::News, MS), Duration::ZERO, "there may be more");
    }

    #[test]
    fn pauses_after_failures_grow_to_a_second_and_begin_anew_after_an_answer() {
        let mut pace = Pace::new(INTERVAL);
        let pauses: Vec<_> = (0..7).map(|_| pace.pause(Heard::Failure, MS).as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
        pace.pause(Heard::News, MS);
        assert_eq!(pace.pause(Heard::Failure, MS), FIRST_PAUSE);
    }
}
