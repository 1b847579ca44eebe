//! The witness protocol: add-checkpoint and sign-subtree, requests and responses (C2SP
//! `tlog-witness`).

mod add_checkpoint;
mod response;
mod sign_subtree;

pub use add_checkpoint::{AddCheckpointRequest, MAX_ADD_CHECKPOINT_BODY_BYTES};
pub use response::{
    CONFLICT_CONTENT_TYPE, MAX_CONFLICT_BODY_BYTES, MAX_RESPONSE_SIGNATURES,
    MAX_SIGNATURE_LINES_BODY_BYTES, conflict_body, parse_conflict, parse_signature_lines,
    signature_lines_body,
};
pub use sign_subtree::{MAX_SIGN_SUBTREE_BODY_BYTES, SignSubtreeRequest};

use crate::ascii::AsciiError;
use crate::checkpoint::CheckpointError;
use crate::merkle::MerkleError;
use crate::note::NoteError;
use crate::tree_head::TreeSize;

/// Names of the endpoints, as they follow the submission prefix.
pub mod endpoint {
    /// POST, section "add-checkpoint".
    pub const ADD_CHECKPOINT: &str = "add-checkpoint";
    /// POST, section "sign-subtree".
    pub const SIGN_SUBTREE: &str = "sign-subtree";
}

/// Why a body of the witness protocol was refused. The sender is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessBodyError {
    /// A line in front of the checkpoint, or of a response.
    #[error(transparent)]
    Line(#[from] AsciiError),
    /// The checkpoint.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The signature lines of a response.
    #[error("{0}")]
    Signatures(NoteError),
    /// A response without signature lines.
    #[error("no signature lines")]
    NoSignatures,
    /// A response with more than [`MAX_RESPONSE_SIGNATURES`] lines.
    #[error("{got} signature lines, at most {MAX_RESPONSE_SIGNATURES} are read")]
    TooManySignatures {
        /// Lines that are there.
        got: usize,
    },
    /// The range is no subtree (draft-ietf-plants-merkle-tree-certs section 4.1).
    #[error("line 1: {0}")]
    Subtree(MerkleError),
    /// The subtree ends behind the checkpoint.
    #[error("line 1: subtree end {end} is above the checkpoint size {size}")]
    SubtreeBehindCheckpoint {
        /// End of the subtree.
        end: u64,
        /// Size of the checkpoint.
        size: TreeSize,
    },
}
