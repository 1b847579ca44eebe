//! The words in which the head engine and its caller speak: what is due, what is asked, what came
//! of it, what happened.

use super::cosigned::{CosignedHead, Verified, WitnessId};
use super::guard::{GuardRules, Party, Refusal};
use super::peer::Condition;
use crate::config::Config;
use sigsum_core::{SignedTreeHead, TreeSize};
use std::time::Duration;

/// What the operator decides.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Time between two refreshes of an idle log, and the longest round.
    pub interval: Duration,
    /// Shortest time between the starts of two rounds.
    pub min_interval: Duration,
    /// Requests that each witness is sent in a day at most; `None` for no limit.
    pub requests_per_day: Option<u64>,
    /// Publish at the end of a round even without a quorum, as log-go does.
    pub publish_without_quorum: bool,
}

impl Rules {
    /// Those of a configuration.
    pub fn of(config: &Config) -> Self {
        Self {
            interval: config.interval,
            min_interval: config.min_interval,
            requests_per_day: config.witness_requests_per_day,
            publish_without_quorum: config.publish_without_quorum,
        }
    }
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Say [`signing`], integrate and sign, and report [`head_signed`] or [`signing_failed`].
    ///
    /// [`signing`]: super::head::HeadEngine::signing
    /// [`head_signed`]: super::head::HeadEngine::head_signed
    /// [`signing_failed`]: super::head::HeadEngine::signing_failed
    Sign,
    /// Ask the witnesses again for the head that is signed: say [`refresh`].
    ///
    /// [`refresh`]: super::head::HeadEngine::refresh
    Refresh,
    /// Nothing before this time, unless a leaf or an answer comes.
    At(Duration),
}

/// A request to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Whom to ask.
    pub witness: WitnessId,
    /// The head to cosign.
    pub head: SignedTreeHead,
    /// The size that the consistency proof starts from.
    pub old_size: TreeSize,
    /// Goes back with the answer.
    pub round: u64,
    /// Whether this follows a 409 to another request of the round.
    pub retried: bool,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A cosignature that verified.
    Cosigned(Verified),
    /// 409 with the size that the witness has.
    Conflict(TreeSize),
    /// It does not follow this log, or not with this key.
    Unknown,
    /// It knows another tree than the head that was shown.
    OtherTree,
    /// Told to come back after this time.
    Busy(Duration),
    /// Anything else.
    Failed,
}

/// What happened; the caller persists, serves, counts and logs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// This head is to be served from now on; durable first.
    Publish {
        /// The head with all cosignatures so far.
        head: CosignedHead,
        /// Whether it has the policy's quorum.
        quorum: bool,
        /// Whether another head was served before.
        is_new: bool,
    },
    /// A round ended without a quorum of fresh cosignatures; the last good head stays. Once until
    /// [`Event::QuorumMet`].
    QuorumMissing {
        /// Size of the head that was to be cosigned.
        size: TreeSize,
        /// The policy's reasons, in words.
        report: String,
    },
    /// A head has a quorum again.
    QuorumMet,
    /// Too few have answered yet whether they know more; once until [`Event::GuardPassed`].
    GuardWaits {
        /// Whether the quorum of witnesses is what is missing.
        quorum_missing: bool,
        /// Followers that have answered.
        followers: usize,
        /// Followers that must.
        required_followers: usize,
    },
    /// Nobody who answered knows more: heads are signed and leaves taken from now on.
    GuardPassed {
        /// Time since the first of them was asked.
        took: Duration,
        /// Who did not answer.
        silent: Vec<Party>,
    },
    /// Somebody knows a tree that this log would contradict: it must stop.
    Refused(Refusal),
    /// A round is over.
    RoundEnded {
        /// Whether a quorum cosigned in it.
        quorum: bool,
        /// Time since its start.
        took: Duration,
    },
    /// A witness answers otherwise than before.
    Witness {
        /// Which.
        witness: WitnessId,
        /// How it answers now.
        condition: Condition,
    },
}

/// What was known before this process started.
#[derive(Debug, Default)]
pub struct Restored {
    /// The head that was served last. Its cosignatures also tell which witnesses know its size;
    /// what the others know, their first 409 tells.
    pub published: Option<CosignedHead>,
    /// What must be known before another head is signed; `None` for nothing.
    pub guard: Option<GuardRules>,
    /// No smaller head is served: clients of the node that this one replaced may have seen one of
    /// this size.
    pub floor: TreeSize,
}
