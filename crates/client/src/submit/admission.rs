//! Whether a log is to be asked for anything now, by what it said last.
//!
//! One leaf's bad experience spares the others: what a log says of rate limits or of its health
//! holds for the whole batch.

use super::later;
use sigsum_api::ApiError;
use std::time::Duration;
use tokio::time::Instant;

/// Failed attempts after which a log that never took a leaf counts as down. They are spaced by
/// [`FIRST_PAUSE`] and more, so that a restart of the log or its proxy may fall in between.
const MAX_FAILURES: u32 = 3;
/// Pause after the first failed attempt; doubled with each, up to [`LAST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause after failed attempts.
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// When to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// Not for this leaf: the answer would be the same.
    Never,
    /// Not before this time.
    At {
        when: Instant,
        /// Whether the log failed so often that only a leaf it took before is worth waiting.
        is_down: bool,
    },
}

/// A log that is not to be asked now: its last answer, and when to ask again.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) error: ApiError,
    pub(super) retry: Retry,
    /// How long the log itself asked to wait.
    pub(super) retry_after: Option<Duration>,
}

/// What one log said last.
#[derive(Debug, Default)]
pub(super) struct Admission {
    /// Holds until it is over, or for good.
    refusal: Option<Refusal>,
    failures: u32,
}

impl Admission {
    /// Whether the log may be asked at this time.
    pub(super) fn check(&self, now: Instant) -> Result<(), Refusal> {
        match &self.refusal {
            Some(refusal) => match refusal.retry {
                Retry::At { when, .. } if when <= now => Ok(()),
                Retry::At { .. } | Retry::Never => Err(refusal.clone()),
            },
            None => Ok(()),
        }
    }

    /// The log did what it was asked. A limit that another request met meanwhile still holds.
    pub(super) fn succeeded(&mut self, now: Instant) {
        self.failures = 0;
        self.refusal.take_if(|refusal| match refusal.retry {
            Retry::Never => false,
            Retry::At { when, .. } => refusal.retry_after.is_none() || when <= now,
        });
    }

    /// The log did not take a leaf.
    pub(super) fn failed(&mut self, error: ApiError, now: Instant) -> Refusal {
        match error {
            // Of this leaf alone.
            ApiError::BadRequest(_) | ApiError::Forbidden(_) | ApiError::NotFound(_) => {
                Refusal { error, retry: Retry::Never, retry_after: None }
            }
            // Limits count by days, so a log that names no time means none that is near.
            ApiError::RateLimited { retry_after_s: None, .. } => {
                self.remember(Refusal { error, retry: Retry::Never, retry_after: None })
            }
            ApiError::RateLimited { retry_after_s: Some(seconds), .. }
            | ApiError::Unavailable { retry_after_s: Some(seconds), .. } => {
                let wait = Duration::from_secs(seconds);
                let retry = match now.checked_add(wait) {
                    Some(when) => Retry::At { when, is_down: false },
                    None => Retry::Never,
                };
                self.remember(Refusal { error, retry, retry_after: Some(wait) })
            }
            ApiError::Unavailable { retry_after_s: None, .. }
            | ApiError::Internal(_)
            | ApiError::Transport(_)
            | ApiError::Peer { .. } => self.broke(error, now),
        }
    }

    /// The log, or the way to it, is broken. Requests that were under way together count once.
    fn broke(&mut self, error: ApiError, now: Instant) -> Refusal {
        if let Some(Refusal { retry: Retry::At { when, is_down }, .. }) = &self.refusal
            && now < *when
        {
            let retry = Retry::At { when: *when, is_down: *is_down };
            return Refusal { error, retry, retry_after: None };
        }
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let when = later(now, doubled.min(LAST_PAUSE));
        let retry = Retry::At { when, is_down: self.failures >= MAX_FAILURES };
        self.remember(Refusal { error, retry, retry_after: None })
    }

    /// Keeps a refusal unless one that lasts longer is known.
    fn remember(&mut self, refusal: Refusal) -> Refusal {
        let lasts_longer = match (self.refusal.as_ref().map(|r| r.retry), refusal.retry) {
            (None, _) | (Some(Retry::At { .. }), Retry::Never) => true,
            (Some(Retry::Never), _) => false,
            (Some(Retry::At { when: old, .. }), Retry::At { when: new, .. }) => new >= old,
        };
        if lasts_longer {
            self.refusal = Some(refusal.clone());
        }
        refusal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken() -> ApiError {
        ApiError::Transport("refused".to_owned())
    }

    fn limited(retry_after_s: Option<u64>) -> ApiError {
        ApiError::RateLimited { retry_after_s, detail: "quota".to_owned() }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_until_the_log_counts_as_down() {
        let mut admission = Admission::default();
        let mut now = Instant::now();
        for (millis, down) in [(250, false), (500, false), (1000, true), (2000, true)] {
            let refusal = admission.failed(broken(), now);
            let when = now + Duration::from_millis(millis);
            assert_eq!(refusal.retry, Retry::At { when, is_down: down });
            assert!(admission.check(when - Duration::from_millis(1)).is_err());
            assert!(admission.check(when).is_ok());
            now = when;
        }
        admission.succeeded(now);
        let when = now + FIRST_PAUSE;
        let refusal = admission.failed(broken(), now);
        assert_eq!(refusal.retry, Retry::At { when, is_down: false });
    }

    #[tokio::test(start_paused = true)]
    async fn failures_at_the_same_time_count_once() {
        let mut admission = Admission::default();
        let now = Instant::now();
        for _ in 0..64 {
            let refusal = admission.failed(broken(), now);
            assert_eq!(refusal.retry, Retry::At { when: now + FIRST_PAUSE, is_down: false });
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_log_asks_for_is_obeyed_and_is_no_failure() {
        let mut admission = Admission::default();
        let now = Instant::now();
        let when = now + Duration::from_secs(7);
        for _ in 0..10 {
            let refusal = admission.failed(limited(Some(7)), now);
            assert_eq!(refusal.retry, Retry::At { when, is_down: false });
        }
        assert!(admission.check(now + Duration::from_secs(6)).is_err());
        assert!(admission.check(when).is_ok());
        admission.failed(limited(Some(1)), now);
        assert!(admission.check(now + Duration::from_secs(6)).is_err(), "the longer time holds");
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_without_a_time_ends_it_for_the_whole_batch() {
        let mut admission = Admission::default();
        let now = Instant::now();
        assert_eq!(admission.failed(limited(None), now).retry, Retry::Never);
        let later = now + Duration::from_secs(3600);
        assert_eq!(admission.check(later).unwrap_err().retry, Retry::Never);
        assert_eq!(admission.failed(limited(Some(u64::MAX)), now).retry, Retry::Never);
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_under_way_lifts_no_limit() {
        let now = Instant::now();
        for seconds in [None, Some(7)] {
            let mut admission = Admission::default();
            admission.failed(limited(seconds), now);
            admission.succeeded(now);
            assert!(admission.check(now).is_err(), "{seconds:?}");
        }
        let mut admission = Admission::default();
        admission.failed(broken(), now);
        admission.succeeded(now);
        assert!(admission.check(now).is_ok(), "it is not broken after all");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_wrong_with_one_leaf_holds_for_that_leaf_only() {
        let mut admission = Admission::default();
        let now = Instant::now();
        let text = || "x".to_owned();
        for error in
            [ApiError::BadRequest(text()), ApiError::Forbidden(text()), ApiError::NotFound(text())]
        {
            assert_eq!(admission.failed(error, now).retry, Retry::Never);
            assert!(admission.check(now).is_ok());
        }
    }
}
