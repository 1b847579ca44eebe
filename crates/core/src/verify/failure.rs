//! What is wrong with a proof, in the words of `sigsum-verify` and in plain ones.

use crate::merkle::MerkleError;
use core::fmt;

/// A check that failed. `Display` is what `sigsum-verify` prints behind
/// `Sigsum proof failed to verify: `; scripts compare it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifyFailure {
    /// None of the given keys has the leaf's key hash.
    UnknownLeafKey,
    /// The submitter's key did not sign this checksum.
    LeafSignature,
    /// The policy does not have the log.
    UnknownLog,
    /// The log's key did not sign the tree head.
    LogSignature,
    /// The valid cosignatures do not make a quorum.
    Quorum {
        /// Cosignatures in the proof.
        total: usize,
        /// Of these, valid ones of known witnesses.
        verified: usize,
        /// Of these, invalid ones of known witnesses.
        failed: usize,
    },
    /// The path does not lead from the leaf to the root.
    Inclusion(MerkleError),
}

impl core::error::Error for VerifyFailure {}

impl fmt::Display for VerifyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownLeafKey => f.write_str("unknown leaf key hash"),
            Self::LeafSignature => f.write_str("leaf signature not valid"),
            Self::UnknownLog => f.write_str("unknown log"),
            Self::LogSignature => f.write_str("invalid log signature"),
            Self::Quorum { total, verified, failed } => write!(
                f,
                "not enough cosignatures, total: {total}, verified: {verified}, \
                 failed to verify: {failed}"
            ),
            Self::Inclusion(error) => match error {
                MerkleError::RootMismatch => f.write_str("invalid proof: root mismatch"),
                MerkleError::IndexOutsideTree { .. } => {
                    f.write_str("proof input is malformed: index out of range")
                }
                MerkleError::PathLength { expected, got } => {
                    write!(f, "proof input is malformed: path length {got}, should be {expected}")
                }
                other => write!(f, "proof input is malformed: {other}"),
            },
        }
    }
}

impl VerifyFailure {
    /// The failure in a sentence, and what commonly causes it.
    pub const fn explanation(&self) -> &'static str {
        match self {
            Self::UnknownLeafKey => {
                "The proof is about a leaf of another submitter: none of the given public keys has \
                 the key hash of its leaf."
            }
            Self::LeafSignature => {
                "The submitter's key did not sign this data: the data is not what was logged, or \
                 the leaf in the proof was altered."
            }
            Self::UnknownLog => "The policy does not list the log that the proof is from.",
            Self::LogSignature => {
                "The log did not sign this tree head: the tree head in the proof was altered."
            }
            Self::Quorum { .. } => {
                "Too few witnesses of the policy cosigned the tree head: the proof was made under \
                 another policy, or cosignatures are missing or were altered."
            }
            Self::Inclusion(_) => {
                "The inclusion proof does not lead from the leaf to the root of the tree: the data \
                 is not what was logged, or the proof was altered."
            }
        }
    }
}
