//! The sign-subtree request body (`tlog-witness`, section "sign-subtree").

use super::WitnessBodyError;
use crate::ascii::Problem;
use crate::bytes::Hash;
use crate::checkpoint::SignedCheckpoint;
use crate::merkle::Subtree;
use crate::note::MAX_NOTE_BYTES;
use crate::wire::MAX_INTEGER_DIGITS;
use crate::wire::lines::{HASH_LINE_BYTES, Lines, MAX_PROOF_LINES_BYTES, push_hashes};
use alloc::{format, vec::Vec};

/// Largest valid body: the range, the hash, the longest proof, the largest note.
pub const MAX_SIGN_SUBTREE_BODY_BYTES: usize =
    (8 + MAX_INTEGER_DIGITS + 1 + MAX_INTEGER_DIGITS + 1)
        + HASH_LINE_BYTES
        + MAX_PROOF_LINES_BYTES
        + MAX_NOTE_BYTES;

/// A subtree to be cosigned, with the proof that it is part of a checkpoint that this witness
/// cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignSubtreeRequest {
    /// The range of leaves.
    pub subtree: Subtree,
    /// Hash of the subtree.
    pub hash: Hash,
    /// Subtree consistency proof (draft-ietf-plants-merkle-tree-certs section 4.4).
    pub proof: Vec<Hash>,
    /// The reference checkpoint, with the witness's cosignature; at least as large as the subtree's
    /// end.
    pub checkpoint: SignedCheckpoint,
}

impl SignSubtreeRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// [`WitnessBodyError`], among others for a range that is no subtree or ends behind the
    /// checkpoint, for which a witness answers 400 as for bad syntax.
    pub fn parse(body: &[u8]) -> Result<Self, WitnessBodyError> {
        const RANGE: &str = "expected \"subtree\", a start and an end, separated by single spaces";
        let mut lines = Lines::new(body);
        let range = lines.keyword("subtree", RANGE)?;
        let (start, end) =
            range.split_once(' ').ok_or_else(|| lines.error(Problem::Value(RANGE)))?;
        let (start, end) = (lines.integer(start)?, lines.integer(end)?);
        let subtree = Subtree::new(start, end).map_err(WitnessBodyError::Subtree)?;
        let hash = lines.line("expected the hash of the subtree")?;
        let hash = lines.hash(hash)?;
        let proof = lines.hashes()?;
        let checkpoint = SignedCheckpoint::parse(lines.rest())?;
        let size = checkpoint.checkpoint.tree_head.size;
        if end > size.0 {
            return Err(WitnessBodyError::SubtreeBehindCheckpoint { end, size });
        }
        Ok(Self { subtree, hash, proof, checkpoint })
    }

    /// The body.
    pub fn to_body(&self) -> Vec<u8> {
        let (start, end) = (self.subtree.start(), self.subtree.end());
        let mut body = format!("subtree {start} {end}\n{}\n", self.hash.to_base64());
        push_hashes(&mut body, &self.proof);
        let mut body = body.into_bytes();
        body.extend(self.checkpoint.to_bytes());
        body
    }
}

#[cfg(test)]
#[path = "sign_subtree_tests.rs"]
mod tests;
