//! How fast the log grows: sizes remembered over a day.

use serde::Serialize;
use std::collections::VecDeque;

/// A size is remembered every so often.
const SPACING_S: u64 = 600;
/// Sizes are remembered for so long.
const SPAN_S: u64 = 86_400;
/// A rate over less than this would say little.
const SHORTEST_S: u64 = 3600;

/// How many leaves came lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Growth {
    /// Leaves that came,
    pub leaves: u64,
    /// within so many seconds: a day, or since the log's start where that is shorter.
    pub seconds: u64,
    /// Leaves in a day at that rate; `None` within the first hour.
    pub per_day: Option<u64>,
}

/// Sizes of the tree, with the time of each.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    known: VecDeque<(u64, u64)>,
}

impl Samples {
    /// Notes the size, if it is time for that.
    pub(crate) fn note(&mut self, now_s: u64, size: u64) {
        let is_due = |(last_s, _): &(u64, u64)| now_s >= last_s.saturating_add(SPACING_S);
        if self.known.back().is_none_or(is_due) {
            self.known.push_back((now_s, size));
        }
        // One that is older than the span is kept, so that the whole span is covered.
        while self.known.get(1).is_some_and(|(s, _)| s.saturating_add(SPAN_S) <= now_s) {
            self.known.pop_front();
        }
    }

    /// The growth until now.
    pub(crate) fn growth(&self, now_s: u64, size: u64) -> Growth {
        let (first_s, first) = self.known.front().copied().unwrap_or((now_s, size));
        let seconds = now_s.saturating_sub(first_s);
        let leaves = size.saturating_sub(first);
        let a_day = u128::from(leaves) * u128::from(SPAN_S);
        let per_day = (seconds >= SHORTEST_S).then(|| a_day / u128::from(seconds.max(1)));
        let per_day = per_day.map(|leaves| u64::try_from(leaves).unwrap_or(u64::MAX));
        Growth { leaves, seconds, per_day }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_just_started_has_no_rate_yet() {
        let mut samples = Samples::default();
        assert_eq!(samples.growth(5, 100), Growth { leaves: 0, seconds: 0, per_day: None });
        samples.note(0, 100);
        let after = samples.growth(3599, 110);
        assert_eq!(after, Growth { leaves: 10, seconds: 3599, per_day: None });
        assert_eq!(samples.growth(3600, 110).per_day, Some(240));
    }

    #[test]
    fn a_day_back_is_remembered_and_not_much_more() {
        let mut samples = Samples::default();
        for second in (0..10 * SPAN_S).step_by(10) {
            samples.note(second, second); // a leaf a second
        }
        let growth = samples.growth(10 * SPAN_S, 10 * SPAN_S);
        assert!((SPAN_S..=SPAN_S + SPACING_S).contains(&growth.seconds), "{growth:?}");
        assert_eq!(growth.per_day, Some(SPAN_S));
        assert!(samples.known.len() <= 146, "{}", samples.known.len());
    }

    #[test]
    fn a_clock_that_is_set_back_does_no_harm() {
        let mut samples = Samples::default();
        samples.note(1_000_000, 50);
        samples.note(10, 60);
        assert_eq!(samples.growth(10, 60), Growth { leaves: 10, seconds: 0, per_day: None });
    }
}
