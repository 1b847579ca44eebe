//! What happens during a submission, for whoever shows progress.

use super::{LogFailure, SubmitError};
use sigsum_api::AddLeafStatus;
use sigsum_core::TreeSize;
use sigsum_core::policy::QuorumReport;
use sigsum_core::proof::SigsumProof;
use std::sync::Arc;
use std::time::Duration;

/// Something happened. `leaf` is the index of the request in the batch.
#[derive(Debug, Clone)]
pub enum Event {
    /// A leaf is on its way to a log.
    Submitting {
        /// Which leaf.
        leaf: usize,
        /// Where the log is.
        url: Arc<str>,
    },
    /// A log took a leaf.
    Taken {
        /// Which leaf.
        leaf: usize,
        /// Where the log is.
        url: Arc<str>,
        /// Whether it is committed to it yet.
        status: AddLeafStatus,
    },
    /// A log did not take a leaf; the next one is tried.
    Refused {
        /// Which leaf.
        leaf: usize,
        /// The log and its answer.
        failure: LogFailure,
    },
    /// No log takes a leaf now; the next attempt follows later.
    Waiting {
        /// Which leaf.
        leaf: usize,
        /// Time until the next attempt.
        delay: Duration,
    },
    /// A log took a leaf and does not prove it; the next one is tried.
    GaveUpOn {
        /// Which leaf.
        leaf: usize,
        /// Where the log is.
        url: Arc<str>,
        /// What it lacks.
        reason: String,
    },
    /// A log published another tree head, or more cosignatures of the last one.
    TreeHead {
        /// Where the log is.
        url: Arc<str>,
        /// Size of the tree.
        size: TreeSize,
        /// Which of the policy's witnesses cosigned.
        quorum: QuorumReport,
    },
    /// A log gave no usable tree head.
    NoTreeHead {
        /// Where the log is.
        url: Arc<str>,
        /// Why not.
        reason: String,
    },
    /// A leaf is done.
    Done {
        /// Which leaf.
        leaf: usize,
        /// What [`super::Submitter::submit`] will return for it.
        result: Box<Result<SigsumProof, SubmitError>>,
    },
}
