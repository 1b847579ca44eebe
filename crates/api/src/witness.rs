//! What a witness does (C2SP `tlog-witness`), and how it fails.

use crate::ErrorStatus;
use async_trait::async_trait;
use sigsum_core::TreeSize;
use sigsum_core::note::SignatureLine;
use sigsum_core::wire::witness::AddCheckpointRequest;

/// A witness: the endpoint that logs use.
#[async_trait]
pub trait WitnessApi: Send + Sync {
    /// Checks that a checkpoint grew out of the last one and cosigns it. The answer has one or more
    /// lines; those of keys that the caller does not know are to be ignored.
    ///
    /// # Errors
    /// [`AddCheckpointError`], one variant a status of the specification.
    async fn add_checkpoint(
        &self,
        request: &AddCheckpointRequest,
    ) -> Result<Vec<SignatureLine>, AddCheckpointError>;
}

/// Why a witness did not cosign.
///
/// `Display` is for the operator's log and names everything; [`Self::public_message`] is what the
/// client reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddCheckpointError {
    /// The request is malformed, or its old size is above the checkpoint's; the text is for the
    /// caller.
    #[error("bad request: {0}")]
    BadRequest(String),
    /// The witness does not follow this log.
    #[error("unknown log")]
    UnknownOrigin,
    /// No valid signature of a key that the witness trusts for the log; the text is for the caller.
    #[error("forbidden: {0}")]
    Forbidden(String),
    /// The old size is not that of the checkpoint that the witness cosigned last.
    #[error("old size must be {size}")]
    Conflict {
        /// Size of the checkpoint that the witness cosigned last.
        size: TreeSize,
    },
    /// The proof does not show that the tree only grew; the text is for the caller.
    #[error("unprocessable: {0}")]
    Unprocessable(String),
    /// The log is over a limit.
    #[error("rate limited: {detail}")]
    RateLimited {
        /// Seconds after which to come back.
        retry_after_s: Option<u64>,
        /// Which limit, for whom; for the caller.
        detail: String,
    },
    /// The witness cannot answer now, and later may.
    #[error("unavailable: {detail}")]
    Unavailable {
        /// Seconds after which to come back.
        retry_after_s: Option<u64>,
        /// What is missing; for the operator.
        detail: String,
    },
    /// The witness failed; the text is for the operator.
    #[error("internal error: {0}")]
    Internal(String),
    /// The witness was not reached, or the connection broke; made by clients.
    #[error("{0}")]
    Transport(String),
    /// The witness answered with a status that the protocol does not have, or with a body that
    /// breaks the protocol; made by clients.
    #[error("unexpected answer with status {status}: {detail}")]
    Peer {
        /// The HTTP status.
        status: u16,
        /// The start of the body, or what is wrong with it.
        detail: String,
    },
}

impl AddCheckpointError {
    /// The status a witness answers with.
    pub const fn status(&self) -> ErrorStatus {
        match self {
            Self::BadRequest(_) => ErrorStatus::BadRequest,
            Self::UnknownOrigin => ErrorStatus::NotFound,
            Self::Forbidden(_) => ErrorStatus::Forbidden,
            Self::Conflict { .. } => ErrorStatus::Conflict,
            Self::Unprocessable(_) => ErrorStatus::UnprocessableEntity,
            Self::RateLimited { .. } => ErrorStatus::TooManyRequests,
            Self::Unavailable { .. } => ErrorStatus::ServiceUnavailable,
            Self::Internal(_) => ErrorStatus::InternalServerError,
            Self::Transport(_) | Self::Peer { .. } => ErrorStatus::BadGateway,
        }
    }

    /// What the client reads: the detail where it is about the request, else only the reason
    /// phrase. The body of a conflict is not this but the size
    /// ([`sigsum_core::wire::witness::conflict_body`]).
    pub fn public_message(&self) -> &str {
        match self {
            Self::BadRequest(text) | Self::Forbidden(text) | Self::Unprocessable(text) => text,
            Self::UnknownOrigin => "unknown log",
            Self::RateLimited { detail, .. } => detail,
            Self::Conflict { .. }
            | Self::Unavailable { .. }
            | Self::Internal(_)
            | Self::Transport(_)
            | Self::Peer { .. } => self.status().reason(),
        }
    }

    /// Value of the `Retry-After` header, in seconds.
    pub const fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after_s, .. } | Self::Unavailable { retry_after_s, .. } => {
                *retry_after_s
            }
            Self::BadRequest(_)
            | Self::UnknownOrigin
            | Self::Forbidden(_)
            | Self::Conflict { .. }
            | Self::Unprocessable(_)
            | Self::Internal(_)
            | Self::Transport(_)
            | Self::Peer { .. } => None,
        }
    }
}
