//! Offline verification of Sigsum proofs (`doc/sigsum-proof.md` of sigsum-go, "Verifying a proof").
//!
//! [`verify_sigsum`] checks everything there is to check and reports each result in a [`Verdict`];
//! whether the proof is accepted follows from it. The checks, their order and the texts of failures
//! are those of `sigsum-verify`; checks that its order would leave out are still made.
//!
//! # Out of scope
//! How old a cosignature may be: [`Verdict::quorum_time_s`] is for the caller to compare.

mod display;
mod failure;
mod verdict;

pub use failure::VerifyFailure;
pub use verdict::{
    LeafVerdict, LogVerdict, SignerState, TreeVerdict, Verdict, WitnessState, WitnessVerdict,
};

use crate::bytes::{Checksum, Message, PublicKey};
use crate::leaf::Leaf;
use crate::merkle::InclusionClaim;
use crate::policy::{Policy, PolicyWitness};
use crate::proof::SigsumProof;
use crate::tree_head::{Cosignature, LeafIndex, sigsum_origin};
use alloc::{borrow::ToOwned, vec::Vec};

/// What the leaf is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The message, whose hash the leaf records.
    Message(Message),
    /// The checksum that the leaf records.
    Checksum(Checksum),
}

impl Input {
    /// The usual input: the message is the SHA-256 of some data.
    pub fn data(data: &[u8]) -> Self {
        Self::Message(Message::of_data(data))
    }

    /// The checksum.
    pub fn checksum(&self) -> Checksum {
        match self {
            Self::Message(message) => message.checksum(),
            Self::Checksum(checksum) => *checksum,
        }
    }
}

/// Checks a proof against the submitters' keys and a policy.
pub fn verify_sigsum(
    input: &Input,
    keys: &[PublicKey],
    policy: &Policy,
    proof: &SigsumProof,
) -> Verdict {
    let leaf = proof.leaf.with_checksum(input.checksum());
    let tree_head = proof.tree_head.signed.tree_head;
    let witnesses = witness_verdicts(policy, proof);
    let time_s = |index: usize| match witnesses.get(index).map(|w| w.state) {
        Some(WitnessState::Valid { time_s }) => Some(time_s),
        _ => None,
    };
    let quorum = policy.quorum().evaluate(&|index| time_s(index).is_some());
    let quorum_time_s = policy.quorum().time_s(&time_s);
    let (leaf_index, path) = match &proof.inclusion {
        Some(inclusion) => (inclusion.leaf_index, inclusion.path.as_slice()),
        None => (LeafIndex(0), [].as_slice()),
    };
    let leaf_hash = leaf.hash();
    let inclusion = InclusionClaim { leaf_hash, leaf_index, tree: tree_head, path }.verify();
    Verdict {
        leaf: LeafVerdict {
            key_hash: leaf.key_hash,
            hash: leaf_hash,
            state: leaf_state(&leaf, keys),
        },
        log: log_verdict(policy, proof),
        tree: TreeVerdict { tree_head, leaf_index, inclusion },
        witnesses,
        quorum,
        quorum_time_s,
    }
}

fn leaf_state(leaf: &Leaf, keys: &[PublicKey]) -> SignerState {
    match keys.iter().find(|key| key.key_hash() == leaf.key_hash) {
        None => SignerState::UnknownKey,
        Some(key) if leaf.verify(key) => SignerState::Valid,
        Some(_) => SignerState::InvalidSignature,
    }
}

fn log_verdict(policy: &Policy, proof: &SigsumProof) -> LogVerdict {
    let log = policy.sigsum_log(&proof.log);
    let state = match log {
        None => SignerState::UnknownKey,
        Some(log) if log.public_key().is_some_and(|key| proof.tree_head.signed.verify(key)) => {
            SignerState::Valid
        }
        Some(_) => SignerState::InvalidSignature,
    };
    let url = log.and_then(|log| log.url()).map(ToOwned::to_owned);
    LogVerdict { key_hash: proof.log, url, state }
}

/// First the policy's witnesses, at their indices, then the cosignatures of unknown ones.
fn witness_verdicts(policy: &Policy, proof: &SigsumProof) -> Vec<WitnessVerdict> {
    let cosignatures = proof.tree_head.cosignatures();
    // The origin follows from the key hash in the proof, so that cosignatures can be checked even
    // where the log is unknown.
    let text = proof.tree_head.signed.tree_head.checkpoint_text(&sigsum_origin(&proof.log));
    let known = |witness: &PolicyWitness| {
        let key_hash = witness.key_hash();
        let cosignature = cosignatures.iter().find(|c| c.key_hash == key_hash);
        WitnessVerdict {
            name: Some(witness.name().clone()),
            key_hash,
            state: cosignature.map_or(WitnessState::Absent, |c| {
                cosignature_state(c, witness.public_key(), &text)
            }),
        }
    };
    let unknown = |c: &&Cosignature| policy.witness_by_key_hash(&c.key_hash).is_none();
    let of_unknown = |c: &Cosignature| WitnessVerdict {
        name: None,
        key_hash: c.key_hash,
        state: WitnessState::Unknown { time_s: c.timestamp_s },
    };
    let mut verdicts: Vec<WitnessVerdict> = policy.witnesses().iter().map(known).collect();
    verdicts.extend(cosignatures.iter().filter(unknown).map(of_unknown));
    verdicts
}

fn cosignature_state(
    cosignature: &Cosignature,
    key: Option<&PublicKey>,
    text: &str,
) -> WitnessState {
    let time_s = cosignature.timestamp_s;
    if key.is_some_and(|key| cosignature.verify(key, text)) {
        WitnessState::Valid { time_s }
    } else {
        WitnessState::Invalid { time_s }
    }
}

#[cfg(test)]
#[path = "verify/public_proof_tests.rs"]
mod public_proof;
#[cfg(test)]
mod tests;
