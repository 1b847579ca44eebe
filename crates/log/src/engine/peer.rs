//! What the log knows of one witness, and when it asks it next.

use sigsum_core::TreeSize;
use std::time::Duration;

/// Pause after a witness's first failure; doubles with each further one, up to the interval.
pub const FIRST_PAUSE: Duration = Duration::from_millis(500);

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
    not_before: Duration,
    /// The last round it answered with a cosignature.
    done_round: u64,
    /// The last round in which it failed; a round does not wait for it.
    failed_round: u64,
    /// The last round in which its 409 was obeyed; a second one in that round is a failure.
    resized_round: u64,
}

impl Peer {
    /// A witness that cosigned this size before, or 0.
    pub fn new(known_size: TreeSize) -> Self {
        Self {
            known_size,
            condition: Condition::Unknown,
            last_success: None,
            in_flight: false,
            failures: 0,
            not_before: Duration::ZERO,
            done_round: 0,
            failed_round: 0,
            resized_round: 0,
        }
    }

    /// Whether a request to it is on its way.
    pub fn is_busy(&self) -> bool {
        self.in_flight
    }

    /// When it may be asked for this round's head; `None` when it need not be, or is busy.
    pub fn due(&self, round: u64) -> Option<Duration> {
        let wants = self.done_round < round && !self.in_flight;
        wants.then_some(self.not_before)
    }

    /// Whether the round may still get its first answer from this witness.
    pub fn is_pending(&self, round: u64) -> bool {
        self.done_round < round && self.failed_round < round
    }

    /// A request goes out.
    pub fn asked(&mut self) {
        self.in_flight = true;
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

    /// It answered with an error, nothing in time, or nothing that verified.
    pub fn failed(&mut self, asked: Asked) {
        self.in_flight = false;
        self.pause(asked, Condition::Failing);
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
