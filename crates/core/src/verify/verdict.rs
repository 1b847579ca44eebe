//! What verification found out, part by part.

use super::VerifyFailure;
use crate::bytes::{Hash, KeyHash};
use crate::merkle::MerkleError;
use crate::policy::{PolicyText, QuorumReport};
use crate::tree_head::{LeafIndex, TreeHead};
use alloc::{string::String, vec::Vec};

/// Whether a key is known, and its signature good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignerState {
    /// No known key has the key hash; the signature could not be checked.
    UnknownKey,
    /// The key is known and did not make this signature.
    InvalidSignature,
    /// The key is known and made the signature.
    Valid,
}

/// The leaf and its submitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeafVerdict {
    /// SHA-256 of the submitter's key, as the proof has it.
    pub key_hash: KeyHash,
    /// Merkle leaf hash, for the input that was given.
    pub hash: Hash,
    /// Whether one of the given keys signed the checksum.
    pub state: SignerState,
}

/// The log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogVerdict {
    /// SHA-256 of the log's key, as the proof has it.
    pub key_hash: KeyHash,
    /// Its URL in the policy.
    pub url: Option<String>,
    /// Whether a log of the policy signed the tree head.
    pub state: SignerState,
}

/// The tree and the leaf's place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeVerdict {
    /// The tree head of the proof.
    pub tree_head: TreeHead,
    /// Index of the leaf, as the proof has it.
    pub leaf_index: LeafIndex,
    /// Whether the path leads from the leaf to the root, or why not.
    pub inclusion: Result<(), MerkleError>,
}

/// What became of a witness's cosignature. Times are seconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WitnessState {
    /// The policy has the witness, and it cosigned.
    Valid {
        /// When, as the witness says.
        time_s: u64,
    },
    /// The policy has the witness, and its cosignature does not verify.
    Invalid {
        /// When, as the proof says.
        time_s: u64,
    },
    /// The policy has the witness, and the proof has no cosignature of it.
    Absent,
    /// The policy does not have the witness; the cosignature counts for nothing and is not checked.
    Unknown {
        /// When, as the proof says.
        time_s: u64,
    },
}

impl WitnessState {
    /// The time in the cosignature, verified or not.
    pub const fn time_s(self) -> Option<u64> {
        match self {
            Self::Valid { time_s } | Self::Invalid { time_s } | Self::Unknown { time_s } => {
                Some(time_s)
            }
            Self::Absent => None,
        }
    }
}

/// A witness of the policy or of the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessVerdict {
    /// Its name in the policy; `None` for one that the policy does not have.
    pub name: Option<PolicyText>,
    /// SHA-256 of its key.
    pub key_hash: KeyHash,
    /// What became of its cosignature.
    pub state: WitnessState,
}

/// The result of every check of a proof. `Display` explains it to people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Verdict {
    pub(super) leaf: LeafVerdict,
    pub(super) log: LogVerdict,
    pub(super) tree: TreeVerdict,
    pub(super) witnesses: Vec<WitnessVerdict>,
    pub(super) quorum: QuorumReport,
    pub(super) quorum_time_s: Option<u64>,
}

impl Verdict {
    /// Whether the proof is good under the policy: no check failed.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.first_failure().is_none()
    }

    /// What `sigsum-verify` would have reported; `None` if the proof is good.
    pub fn first_failure(&self) -> Option<VerifyFailure> {
        self.failures().into_iter().next()
    }

    /// All that is wrong, in the order in which `sigsum-verify` looks.
    pub fn failures(&self) -> Vec<VerifyFailure> {
        let leaf = match self.leaf.state {
            SignerState::UnknownKey => Some(VerifyFailure::UnknownLeafKey),
            SignerState::InvalidSignature => Some(VerifyFailure::LeafSignature),
            SignerState::Valid => None,
        };
        let log = match self.log.state {
            SignerState::UnknownKey => Some(VerifyFailure::UnknownLog),
            SignerState::InvalidSignature => Some(VerifyFailure::LogSignature),
            SignerState::Valid => None,
        };
        let quorum = (!self.quorum.is_satisfied()).then(|| self.too_few_cosignatures());
        let inclusion = self.tree.inclusion.clone().err().map(VerifyFailure::Inclusion);
        [leaf, log, quorum, inclusion].into_iter().flatten().collect()
    }

    fn too_few_cosignatures(&self) -> VerifyFailure {
        let count = |wanted: fn(&WitnessState) -> bool| {
            self.witnesses.iter().filter(|witness| wanted(&witness.state)).count()
        };
        VerifyFailure::Quorum {
            total: count(|state| !matches!(state, WitnessState::Absent)),
            verified: count(|state| matches!(state, WitnessState::Valid { .. })),
            failed: count(|state| matches!(state, WitnessState::Invalid { .. })),
        }
    }

    /// The leaf and its submitter.
    pub fn leaf(&self) -> &LeafVerdict {
        &self.leaf
    }

    /// The log.
    pub fn log(&self) -> &LogVerdict {
        &self.log
    }

    /// The tree and the leaf's place in it.
    pub fn tree(&self) -> &TreeVerdict {
        &self.tree
    }

    /// First the policy's witnesses in its order, then the unknown ones in the proof's order.
    pub fn witnesses(&self) -> &[WitnessVerdict] {
        &self.witnesses
    }

    /// Whether the valid cosignatures suffice, and why.
    pub fn quorum(&self) -> &QuorumReport {
        &self.quorum
    }

    /// The latest time, in seconds since the Unix epoch, such that the cosignatures made then or
    /// later suffice: the proof is at least that young. `None` where the quorum is not met, or asks
    /// for no cosignatures.
    pub fn quorum_time_s(&self) -> Option<u64> {
        self.quorum_time_s
    }
}
