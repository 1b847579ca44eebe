//! The add-checkpoint request body (`tlog-witness`, section "add-checkpoint").

use super::WitnessBodyError;
use crate::bytes::Hash;
use crate::checkpoint::SignedCheckpoint;
use crate::note::MAX_NOTE_BYTES;
use crate::tree_head::TreeSize;
use crate::wire::MAX_INTEGER_DIGITS;
use crate::wire::lines::{Lines, MAX_PROOF_LINES_BYTES, push_hashes};
use alloc::{format, vec::Vec};

/// Largest valid body: the old size, the longest proof, the largest note.
pub const MAX_ADD_CHECKPOINT_BODY_BYTES: usize =
    (4 + MAX_INTEGER_DIGITS + 1) + MAX_PROOF_LINES_BYTES + MAX_NOTE_BYTES;

/// A new checkpoint with the proof that it grew out of the one that the witness cosigned last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpointRequest {
    /// Size of the checkpoint that the witness is thought to have cosigned last; zero if none.
    pub old_size: TreeSize,
    /// Consistency proof from that size (RFC 6962 section 2.1.2).
    pub proof: Vec<Hash>,
    /// The new checkpoint, signed by its log.
    pub checkpoint: SignedCheckpoint,
}

impl AddCheckpointRequest {
    /// Reads a body. Only its syntax is checked here: what the sizes and the proof mean is judged
    /// by the witness, after it has looked at origin and signature.
    ///
    /// # Errors
    /// [`WitnessBodyError`], among others for more than 63 proof lines.
    pub fn parse(body: &[u8]) -> Result<Self, WitnessBodyError> {
        let mut lines = Lines::new(body);
        let old = lines.keyword("old", "expected \"old\", a space and a tree size")?;
        let old_size = TreeSize(lines.integer(old)?);
        let proof = lines.hashes()?;
        let checkpoint = SignedCheckpoint::parse(lines.rest())?;
        Ok(Self { old_size, proof, checkpoint })
    }

    /// The body.
    pub fn to_body(&self) -> Vec<u8> {
        let mut body = format!("old {}\n", self.old_size);
        push_hashes(&mut body, &self.proof);
        let mut body = body.into_bytes();
        body.extend(self.checkpoint.to_bytes());
        body
    }
}

#[cfg(test)]
#[path = "add_checkpoint_tests.rs"]
mod tests;
