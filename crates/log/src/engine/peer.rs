//! What the log knows of one witness, and when it asks it next.

use sigsum_core::TreeSize;
use std::time::Duration;

/// Pause after a witness's first failure; doubles with each further one, up to the interval or
/// [`LONGEST_PAUSE`], whichever is shorter.
pub const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Longest pause after failures that nobody asked for. A witness, or the signer, that is back is
/// asked again within half of the ten seconds in which a log goes on after its last part came up.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Longest pause that a witness may ask for. One that is needed for the quorum, or for a start, could
/// otherwise stop the log, as could a proxy in front of one that asks for an hour while the witness is
/// away for seconds; and a request a minute is no load.
pub const LONGEST_ASKED_PAUSE: Duration = Duration::from_secs(60);

/// Nine tenths of a budget are spread over the day, the last tenth may be spent at once: a window of
/// a day then holds no more than the whole, wherever it begins.
const DAY_PER_NINE_TENTHS: Duration = Duration::from_secs(96_000);

/// How many requests a witness may be sent (`qpd` in the public lists of logs). Kept in memory: a
/// restart gives back the tenth that may be spent at once.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Time that one request pays for.
    spacing: Duration,
    /// How far requests may run ahead of that.
    ahead: Duration,
}

impl Budget {
    /// At most so many requests in any day; at least one.
    pub fn per_day(requests: u64) -> Self {
        let requests = u32::try_from(requests.max(1)).unwrap_or(u32::MAX);
        let spacing = DAY_PER_NINE_TENTHS / requests;
        Self { spacing, ahead: spacing.saturating_mul((requests / 10).saturating_sub(1)) }
    }
}

/// How a witness answers at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Not asked yet.
    Unknown,
    /// Its last answer was a valid cosignature.
    Good,
    /// Its last answer was none, an error, or did not verify.
    Failing,
    /// It knows a larger tree than this log ever signed.
    Ahead {
        /// The size it named.
        size: TreeSize,
    },
}

impl Condition {
    /// Whether it may be expected to cosign when asked.
    pub fn is_answering(self) -> bool {
        match self {
            Self::Unknown | Self::Good => true,
            Self::Failing | Self::Ahead { .. } => false,
        }
    }
}

/// One witness.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The size it cosigned last, as far as the log knows: `old` of the next request.
    pub known_size: TreeSize,
    /// How it answers.
    pub condition: Condition,
    /// When it last cosigned, on the engine's clock.
    pub last_success: Option<Duration>,
    in_flight: bool,
    failures: u32,
    budget: Option<Budget>,
    /// Up to when requests are paid for.
    paid_until: Duration,
    not_before: Duration,
    /// The last round it answered with a cosignature.
    done_round: u64,
    /// The last round in which it failed; a round does not wait for it.
    failed_round: u64,
    /// The last round in which its 409 was obeyed; a second one in that round is a failure.
    resized_round: u64,
    /// The last round whose head is smaller than the one it knows.
    later_round: u64,
}

impl Peer {
    /// A witness that cosigned this size before, or 0.
    pub fn new(known_size: TreeSize, budget: Option<Budget>) -> Self {
        Self {
            known_size,
            condition: Condition::Unknown,
            last_success: None,
            in_flight: false,
            failures: 0,
            budget,
            paid_until: Duration::ZERO,
            not_before: Duration::ZERO,
            done_round: 0,
            failed_round: 0,
            resized_round: 0,
            later_round: 0,
        }
    }

    /// The same with another budget, of which nothing is spent.
    pub fn with_budget(&self, budget: Option<Budget>) -> Self {
        Self { budget, paid_until: Duration::ZERO, ..self.clone() }
    }

    /// Whether a request to it is on its way.
    pub fn is_busy(&self) -> bool {
        self.in_flight
    }

    /// When it may be asked for this round's head; `None` when it need not be, or is busy.
    pub fn due(&self, round: u64) -> Option<Duration> {
        let wants = self.done_round.max(self.later_round) < round && !self.in_flight;
        wants.then(|| self.not_before.max(self.affordable()))
    }

    /// When its budget allows the next request.
    pub fn affordable(&self) -> Duration {
        self.budget.map_or(Duration::ZERO, |budget| self.paid_until.saturating_sub(budget.ahead))
    }

    /// Whether the round may still get its first answer from this witness.
    pub fn is_pending(&self, round: u64) -> bool {
        self.done_round < round && self.failed_round < round
    }

    /// A request goes out.
    pub fn asked(&mut self, now: Duration) {
        self.in_flight = true;
        if let Some(budget) = self.budget {
            self.paid_until = self.paid_until.max(now).saturating_add(budget.spacing);
        }
    }

    /// It cosigned a head of this size in answer to this round's request.
    pub fn cosigned(&mut self, asked: Asked, size: TreeSize) {
        self.in_flight = false;
        self.failures = 0;
        self.not_before = Duration::ZERO;
        self.known_size = size;
        self.condition = Condition::Good;
        self.last_success = Some(asked.now);
        self.done_round = self.done_round.max(asked.round);
    }

    /// Whether it cosigned in answer to this round's request.
    pub fn is_done(&self, round: u64) -> bool {
        self.done_round >= round
    }

    /// Whether a 409 was obeyed in this round.
    pub fn was_resized(&self, round: u64) -> bool {
        self.resized_round >= round
    }

    /// It answered 409 with its size, to a request of this round. True where it is to be asked
    /// again at once; false where that was a failure: a second 409 in the round, or a size that
    /// the log never signed (`largest` is the largest it did).
    pub fn conflicted(&mut self, asked: Asked, size: TreeSize, largest: TreeSize) -> bool {
        self.in_flight = false;
        if size > largest {
            self.known_size = largest;
            self.pause(asked, Condition::Ahead { size });
            return false;
        }
        self.known_size = size;
        if self.resized_round >= asked.round {
            self.pause(asked, Condition::Failing);
            return false;
        }
        self.resized_round = asked.round;
        true
    }

    /// It knows a later head of this log than the one it was asked about in this round, so that it
    /// can only cosign the next one.
    pub fn knows_later(&mut self, asked: Asked, size: TreeSize) {
        self.in_flight = false;
        self.failures = 0;
        self.not_before = Duration::ZERO;
        self.known_size = size;
        self.failed_round = self.failed_round.max(asked.round);
        self.later_round = self.later_round.max(asked.round);
    }

    /// It answered with an error, nothing in time, or nothing that verified; it asked to be left
    /// alone for so long.
    pub fn failed(&mut self, asked: Asked, pause: Duration) {
        self.in_flight = false;
        self.pause(asked, Condition::Failing);
        let until = asked.now.saturating_add(pause.min(LONGEST_ASKED_PAUSE));
        self.not_before = self.not_before.max(until);
    }

    fn pause(&mut self, asked: Asked, condition: Condition) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        self.not_before = asked.now.saturating_add(pause.min(asked.longest_pause));
        self.failed_round = self.failed_round.max(asked.round);
        self.condition = condition;
    }
}

/// The request that an answer belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// When the answer came.
    pub now: Duration,
    /// The round of the request.
    pub round: u64,
    /// The longest pause after failures.
    pub longest_pause: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    /// When a witness is asked that is asked whenever that is allowed.
    fn requests(budget: u64, days: u32) -> Vec<Duration> {
        let mut peer = Peer::new(TreeSize(0), Some(Budget::per_day(budget)));
        let mut now = Duration::from_secs(5);
        let mut out = Vec::new();
        for round in 1.. {
            now = now.max(peer.due(round).expect("not busy"));
            if now > DAY * days {
                return out;
            }
            out.push(now);
            peer.asked(now);
            peer.cosigned(Asked { now, round, longest_pause: DAY }, TreeSize(0));
        }
        out
    }

    #[test]
    fn no_day_holds_more_requests_than_its_budget() {
        for budget in [1, 2, 9, 10, 11, 100, 8640, 10_000] {
            let asked = requests(budget, 3);
            for (at, first) in asked.iter().enumerate() {
                let within = asked[at..].partition_point(|t| *t < *first + DAY);
                assert!(within as u64 <= budget, "{within} of {budget}");
            }
            let used = asked.len() as u64;
            assert!(used >= budget * 3 * 8 / 10, "{used} of {budget} in three days");
        }
    }

    #[test]
    fn a_tenth_of_the_budget_may_be_spent_at_once() {
        let asked = requests(8640, 1);
        assert_eq!(asked.iter().take_while(|t| **t == asked[0]).count(), 864);
    }

    #[test]
    fn a_witness_that_asks_for_a_pause_gets_it_within_reason() {
        let mut peer = Peer::new(TreeSize(0), None);
        let interval = Duration::from_secs(10);
        let asked = Asked { now: Duration::ZERO, round: 1, longest_pause: interval };
        peer.asked(Duration::ZERO);
        peer.failed(asked, Duration::from_secs(30));
        assert_eq!(peer.due(1), Some(Duration::from_secs(30)));
        peer.failed(asked, DAY * 365);
        assert_eq!(peer.due(1), Some(LONGEST_ASKED_PAUSE));
    }
}
