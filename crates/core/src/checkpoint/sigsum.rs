//! Between checkpoints and Sigsum's form of a signed tree head (`log.md` sections 2.2.2, 3.1).

use super::{Checkpoint, Origin, SignedCheckpoint};
use crate::bytes::{PublicKey, Signature};
use crate::note::{SignatureLine, Vkey};
use crate::tree_head::SignedTreeHead;

/// Why a checkpoint has no Sigsum form for a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigsumError {
    /// The origin is not that of the log with this key.
    #[error("origin \"{found}\" is not that of this log")]
    OtherOrigin {
        /// The origin of the checkpoint.
        found: Origin,
    },
    /// There are extension lines, which the Sigsum form cannot carry.
    #[error("the checkpoint has extension lines")]
    Extensions,
    /// No line has the log's name and key id.
    #[error("no signature line of this log")]
    NoLogSignature,
    /// The log's line is no Ed25519 signature.
    #[error("log signature of {got} bytes, expected 64")]
    SignatureLength {
        /// Bytes that are there.
        got: usize,
    },
}

impl SignedCheckpoint {
    /// The checkpoint of a Sigsum log: its head under its origin, and its one signature line.
    pub fn from_sigsum(head: &SignedTreeHead, log: &PublicKey) -> Self {
        let line = SignatureLine::new(&Vkey::sigsum_log(log), head.signature.as_bytes().to_vec());
        Self {
            checkpoint: Checkpoint::new(Origin::sigsum(&log.key_hash()), head.tree_head),
            signatures: alloc::vec![line],
        }
    }

    /// The Sigsum form, with the signature of the first line of this log's key. The signature is
    /// not verified; [`SignedTreeHead::verify`] does that.
    ///
    /// # Errors
    /// [`SigsumError`].
    pub fn to_sigsum(&self, log: &PublicKey) -> Result<SignedTreeHead, SigsumError> {
        let vkey = Vkey::sigsum_log(log);
        if self.checkpoint.origin.as_str() != vkey.name.as_str() {
            return Err(SigsumError::OtherOrigin { found: self.checkpoint.origin.clone() });
        }
        if !self.checkpoint.extensions().is_empty() {
            return Err(SigsumError::Extensions);
        }
        let mut lines = self.signatures.iter();
        let line = lines.find(|line| line.is_of(&vkey)).ok_or(SigsumError::NoLogSignature)?;
        let signature = Signature::from_slice(&line.signature)
            .map_err(|_| SigsumError::SignatureLength { got: line.signature.len() })?;
        Ok(SignedTreeHead { tree_head: self.checkpoint.tree_head, signature })
    }
}
