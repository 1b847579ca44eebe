//! When an authority is asked: in time before the certificate expires, not too often, and later and
//! later while it refuses. State and time in, time out; no I/O.

use crate::tls::Validity;

/// The part of its lifetime after which a certificate is renewed, as Let's Encrypt recommends: of 90
/// days the last 30 are there for an authority or an operator that is away.
const RENEWED_AFTER: (u64, u64) = (2, 3);

/// Renewals are spread over this part of the lifetime before that, so that servers which were started
/// together do not ask together: of 90 days not quite four.
const SPREAD: u64 = 24;

/// Orders in any hour: an account that fails five times in an hour for one name has to wait at Let's
/// Encrypt. A certificate takes one.
pub(super) const MAX_ORDERS_AN_HOUR: usize = 5;

const HOUR_S: u64 = 3600;

/// Longest pause after a failure, unless the authority asks for a longer one: what was mended is
/// noticed within it.
const LONGEST_PAUSE_S: u64 = HOUR_S;

/// Longest pause that an authority can ask for: it may be full for a day, and a mistaken date must not
/// stop renewal for good.
const LONGEST_WISH_S: u64 = 24 * HOUR_S;

/// What a failure is about, which tells how soon trying again makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// No answer, or one that blames the authority itself.
    Unreachable,
    /// The authority does not do what it is asked, or cannot see that a name leads here.
    Refused,
    /// It was asked too often.
    Limited,
    /// What came cannot be used.
    Unusable,
    /// This machine: the directory, or a key that cannot be made.
    Own,
}

impl Cause {
    /// The pause after the first failure; it doubles with each that follows. Where nobody was
    /// reached, as long as a restart may take. Where an order was refused, so that the orders of an
    /// hour last for half of it, in which an operator may be mending things.
    fn first_pause_s(self) -> u64 {
        match self {
            Self::Unreachable => 2,
            Self::Refused | Self::Unusable | Self::Own => 60,
            Self::Limited => LONGEST_PAUSE_S,
        }
    }
}

/// What was asked, and how it ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Schedule {
    /// Unix times of orders, the last ones.
    orders_s: Vec<u64>,
    failed: Option<Failed>,
    /// A random number that stays, for all that is spread.
    spread: u16,
}

#[derive(Clone, Copy, Debug)]
struct Failed {
    cause: Cause,
    times: u32,
    at_s: u64,
    pause_s: u64,
}

impl Schedule {
    /// With the orders of an earlier process. `spread` is random.
    pub(super) fn new(orders_s: Vec<u64>, spread: u16) -> Self {
        Self { orders_s, failed: None, spread }
    }

    /// The Unix time at which the authority is to be asked; `now_s` or before where that is now.
    /// `certificate` is what clients are shown, if it is the right one. The times of what happened
    /// after `now_s` do not count: the clock was set back since.
    pub(super) fn due_s(&self, certificate: Option<&Validity>, now_s: u64) -> u64 {
        let renewal_s = certificate.map_or(0, |validity| self.renewal_s(validity));
        let pause = self.failed.filter(|failed| failed.at_s <= now_s);
        let pause_s = pause.map_or(0, |failed| failed.at_s.saturating_add(failed.pause_s));
        renewal_s.max(pause_s).max(self.next_order_s(now_s))
    }

    /// When a certificate is to be renewed.
    fn renewal_s(&self, validity: &Validity) -> u64 {
        let second = |time_s| u64::try_from(time_s).unwrap_or(0);
        let from_s = second(validity.not_before_s);
        let life_s = second(validity.not_after_s).saturating_sub(from_s);
        let (part, of) = RENEWED_AFTER;
        let latest_s = from_s.saturating_add((life_s / of).saturating_mul(part));
        latest_s.saturating_sub(self.spread(life_s / SPREAD))
    }

    /// Up to so many seconds, the same share at each call.
    fn spread(&self, most_s: u64) -> u64 {
        most_s.saturating_mul(self.spread.into()) / u64::from(u16::MAX)
    }

    /// When one more order does not make too many.
    fn next_order_s(&self, now_s: u64) -> u64 {
        let mut recent: Vec<u64> = self.recent(now_s).collect();
        recent.sort_unstable_by(|a, b| b.cmp(a));
        let oldest_that_counts = recent.get(MAX_ORDERS_AN_HOUR.saturating_sub(1));
        oldest_that_counts.map_or(0, |at_s| at_s.saturating_add(HOUR_S))
    }

    fn recent(&self, now_s: u64) -> impl Iterator<Item = u64> {
        let is_recent = move |at_s: &u64| *at_s <= now_s && now_s - *at_s < HOUR_S;
        self.orders_s.iter().copied().filter(is_recent)
    }

    /// An order is about to be made. Returns all that have to be remembered.
    pub(super) fn order(&mut self, now_s: u64) -> &[u64] {
        self.orders_s = self.recent(now_s).chain([now_s]).collect();
        &self.orders_s
    }

    /// It did not work. `wish_s` is the pause that the authority asks for.
    pub(super) fn fail(&mut self, cause: Cause, wish_s: Option<u64>, now_s: u64) {
        // What comes after an outage is new, and its pauses begin anew.
        let before = self.failed.filter(|it| it.cause != Cause::Unreachable || cause == it.cause);
        let times = before.map_or(0, |failed| failed.times).saturating_add(1);
        let factor = 1_u64.checked_shl(times - 1).unwrap_or(u64::MAX);
        let pause_s = cause.first_pause_s().saturating_mul(factor).min(LONGEST_PAUSE_S);
        let pause_s = pause_s.saturating_add(self.spread(pause_s / 4));
        let wish_s = wish_s.unwrap_or(0).min(LONGEST_WISH_S);
        self.failed = Some(Failed { cause, times, at_s: now_s, pause_s: pause_s.max(wish_s) });
    }

    /// There is a certificate. Where it is due for renewal already, as with a clock that is far ahead,
    /// asking again would bring the same, so that it is like a failure.
    pub(super) fn succeed(&mut self, validity: &Validity, now_s: u64) {
        self.failed = None;
        if self.renewal_s(validity) <= now_s {
            self.fail(Cause::Limited, None, now_s);
        }
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
