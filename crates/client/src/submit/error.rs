//! Why a leaf has no proof.

use sigsum_api::ApiError;
use sigsum_core::merkle::MerkleError;
use std::time::Duration;

/// What one log did not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url}: {error}{}", match .retry_after {
    Some(wait) => format!(" (asks to wait for {} s)", wait.as_secs()),
    None => String::new(),
})]
pub struct LogFailure {
    /// Where the log is.
    pub url: String,
    /// Its last answer.
    pub error: ApiError,
    /// How long it asks to wait.
    pub retry_after: Option<Duration>,
}

/// Why a leaf has no proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The request's own signature does not verify, so no log would take it.
    #[error("verifying leaf request failed: invalid signature")]
    InvalidRequest,
    /// There is no log to submit to.
    #[error("no logs defined in policy")]
    NoLogs,
    /// No log took the leaf, and none is going to before the deadline.
    #[error("all logs failed, giving up: {}", list(.0))]
    AllLogsFailed(Vec<LogFailure>),
    /// A log proved the leaf's inclusion wrongly: it is broken, or lies.
    #[error("invalid inclusion proof from log {url}: {error}")]
    InvalidProof {
        /// Where the log is.
        url: String,
        /// What is wrong with the proof.
        error: MerkleError,
    },
    /// The deadline came first.
    #[error("no proof within {} s: {state}", .timeout.as_secs_f64())]
    Deadline {
        /// Time from start to deadline.
        timeout: Duration,
        /// How far it had come.
        state: String,
    },
}

fn list(failures: &[LogFailure]) -> String {
    let texts: Vec<String> = failures.iter().map(ToString::to_string).collect();
    texts.join("; ")
}
