//! Between Sigsum proofs and `tlog-proof`.
//!
//! What a Sigsum verifier needs and a `tlog-proof` has no place for, the submitter's key hash and
//! the leaf signature, goes into the extra data: 32 and 64 bytes, in that order.
//!
//! Only cosignatures that verify are carried over: in a signed note one bad line of a known key
//! spoils all, and in a Sigsum proof it counts for nothing.

use super::{ProofLeaf, ProofVersion, SigsumProof, TlogProof};
use crate::bytes::{KeyHash, PublicKey, Signature};
use crate::checkpoint::{LogSignature, Origin, SignedCheckpoint, SigsumError};
use crate::cosignature::{Timestamp, ed25519_line, from_line};
use crate::note::{KeyId, KeyName, SignatureLine, Vkey};
use crate::policy::{Policy, PolicyWitness, UnknownKeyNames};
use crate::tree_head::{Cosignature, CosignedTreeHead, LeafIndex};
use crate::wire::log::InclusionProof;
use alloc::vec::Vec;

/// Extra data of a Sigsum leaf in a `tlog-proof`: key hash and signature.
pub const SIGSUM_EXTRA_BYTES: usize = KeyHash::LEN + Signature::LEN;

/// Why a proof has no counterpart in the other format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// The policy does not have the log with this key hash, whose key is needed.
    #[error("the policy does not have the log {0}, whose key is needed")]
    UnknownLog(KeyHash),
    /// The policy does not have a Sigsum log with this origin, whose key is needed.
    #[error("the policy does not have a Sigsum log with origin \"{0}\", whose key is needed")]
    UnknownOrigin(Origin),
    /// The log's signature does not verify.
    #[error("the log's signature does not verify")]
    LogSignature,
    /// The checkpoint has no Sigsum form.
    #[error("checkpoint: {0}")]
    Checkpoint(SigsumError),
    /// The extra data is not that of a Sigsum leaf.
    #[error("{got} bytes of extra data, a Sigsum leaf has {SIGSUM_EXTRA_BYTES}")]
    Extra {
        /// Bytes that are there.
        got: usize,
    },
    /// The tree is empty.
    #[error("invalid tree: empty")]
    EmptyTree,
    /// A tree of one leaf has no path and no other index than zero.
    #[error("a tree of one leaf with another index or with a path")]
    PathInTreeOfOne,
    /// A larger tree needs a path.
    #[error("missing inclusion proof part")]
    MissingPath,
}

/// Who made a cosignature that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cosigner {
    /// As a Sigsum proof names it.
    KeyHash(KeyHash),
    /// As a signature line names it.
    Line {
        /// The key name.
        name: KeyName,
        /// The key id.
        key_id: KeyId,
    },
}

/// Why a cosignature was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DropReason {
    /// The policy does not have the witness, whose key or name is needed.
    #[error("the policy does not have this key")]
    UnknownKey,
    /// The policy does not tell the witness's key name, or its own name for it cannot be one.
    #[error("the key name of the witness is not known")]
    NoKeyName,
    /// Sigsum proofs carry Ed25519 cosignatures only.
    #[error("not an Ed25519 cosignature")]
    NotEd25519,
    /// It does not verify.
    #[error("the signature does not verify")]
    Invalid,
    /// Another one of the same witness was taken.
    #[error("second cosignature of the same witness")]
    Duplicate,
}

/// A cosignature that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedCosignature {
    /// Whose.
    pub cosigner: Cosigner,
    /// Why.
    pub reason: DropReason,
}

/// A converted proof, and what it lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted<P> {
    /// The proof in the other format.
    pub proof: P,
    /// Cosignatures that are not in it.
    pub dropped: Vec<DroppedCosignature>,
}

impl SigsumProof {
    /// The proof as `tlog-proof`. Lost are cosignatures of witnesses that are not in the policy or
    /// whose key name is not known (`names` says whether to take the policy's name for it), and
    /// those that do not verify.
    ///
    /// # Errors
    /// [`ConvertError`] for a log that is not in the policy, a bad log signature, an empty tree.
    pub fn to_tlog(
        &self,
        policy: &Policy,
        names: UnknownKeyNames,
    ) -> Result<Converted<TlogProof>, ConvertError> {
        let log = policy.sigsum_log(&self.log).and_then(|log| log.public_key());
        let log = log.ok_or(ConvertError::UnknownLog(self.log))?;
        let signed = &self.tree_head.signed;
        if !signed.verify(log) {
            return Err(ConvertError::LogSignature);
        }
        let (index, path) = match &self.inclusion {
            Some(inclusion) => (inclusion.leaf_index, inclusion.path.clone()),
            None => (LeafIndex(0), Vec::new()),
        };
        check_path(signed.tree_head.size.0, index, path.is_empty())?;
        let mut checkpoint = SignedCheckpoint::from_sigsum(signed, log);
        let text = checkpoint.text();
        let mut dropped = Vec::new();
        for cosignature in self.tree_head.cosignatures() {
            match to_line(cosignature, policy, names, &text) {
                Ok(line) => checkpoint.signatures.push(line),
                Err(reason) => dropped.push(DroppedCosignature {
                    cosigner: Cosigner::KeyHash(cosignature.key_hash),
                    reason,
                }),
            }
        }
        let extra = [self.leaf.key_hash.as_bytes().as_slice(), self.leaf.signature.as_bytes()];
        Ok(Converted {
            proof: TlogProof { extra: extra.concat(), index, path, checkpoint },
            dropped,
        })
    }
}

fn to_line(
    cosignature: &Cosignature,
    policy: &Policy,
    names: UnknownKeyNames,
    text: &str,
) -> Result<SignatureLine, DropReason> {
    let (_, witness) =
        policy.witness_by_key_hash(&cosignature.key_hash).ok_or(DropReason::UnknownKey)?;
    let key = witness.public_key().ok_or(DropReason::NotEd25519)?;
    let time = Timestamp::new(cosignature.timestamp_s).ok_or(DropReason::Invalid)?;
    if !cosignature.verify(key, text) {
        return Err(DropReason::Invalid);
    }
    let name = key_name(witness, names).ok_or(DropReason::NoKeyName)?;
    Ok(ed25519_line(&name, key, time, &cosignature.signature))
}

fn key_name(witness: &PolicyWitness, names: UnknownKeyNames) -> Option<KeyName> {
    match (witness.key_name(), names) {
        (Some(name), _) => Some(name.clone()),
        (None, UnknownKeyNames::Refuse) => None,
        (None, UnknownKeyNames::TakePolicyName) => KeyName::new(witness.name().as_str()?).ok(),
    }
}

impl TlogProof {
    /// The proof in Sigsum's format, for a Sigsum log of the policy. Lost are key names,
    /// cosignatures of witnesses that are not in the policy or not Ed25519, all but one of a
    /// witness, and those that do not verify.
    ///
    /// # Errors
    /// [`ConvertError`] where log, extra data or path are not those of a Sigsum proof.
    pub fn to_sigsum(&self, policy: &Policy) -> Result<Converted<SigsumProof>, ConvertError> {
        let log = self.sigsum_log(policy)?;
        let signed = self.checkpoint.to_sigsum(log).map_err(ConvertError::Checkpoint)?;
        let log_line = Vkey::sigsum_log(log);
        if self.checkpoint.verify_log(&log_line) != LogSignature::Valid {
            return Err(ConvertError::LogSignature);
        }
        let size = signed.tree_head.size.0;
        check_path(size, self.index, self.path.is_empty())?;
        let inclusion =
            (size > 1).then(|| InclusionProof { leaf_index: self.index, path: self.path.clone() });
        let leaf = read_extra(&self.extra).ok_or(ConvertError::Extra { got: self.extra.len() })?;
        let mut tree_head = CosignedTreeHead::new(signed);
        let mut dropped = Vec::new();
        let text = self.checkpoint.text();
        for line in self.checkpoint.signatures.iter().filter(|line| !line.is_of(&log_line)) {
            match to_cosignature(line, policy, &text, &tree_head) {
                Ok(cosignature) => tree_head.insert(cosignature),
                Err(reason) => dropped.push(DroppedCosignature {
                    cosigner: Cosigner::Line { name: line.name.clone(), key_id: line.key_id },
                    reason,
                }),
            }
        }
        let log = log.key_hash();
        let proof = SigsumProof { version: ProofVersion::V2, log, leaf, tree_head, inclusion };
        Ok(Converted { proof, dropped })
    }

    fn sigsum_log<'a>(&'a self, policy: &'a Policy) -> Result<&'a PublicKey, ConvertError> {
        let origin = &self.checkpoint.checkpoint.origin;
        let log = policy.logs_by_origin(origin.as_str()).find(|log| log.is_sigsum());
        let key = log.and_then(|log| log.public_key());
        key.ok_or_else(|| ConvertError::UnknownOrigin(origin.clone()))
    }
}

fn to_cosignature(
    line: &SignatureLine,
    policy: &Policy,
    text: &str,
    taken: &CosignedTreeHead,
) -> Result<Cosignature, DropReason> {
    let mut witnesses = policy.witnesses().iter();
    let witness = witnesses.find(|w| w.is_named_in(line)).ok_or(DropReason::UnknownKey)?;
    let key = witness.public_key().ok_or(DropReason::NotEd25519)?;
    let cosignature = from_line(line, key).ok_or(DropReason::Invalid)?;
    if !cosignature.verify(key, text) {
        return Err(DropReason::Invalid);
    }
    if taken.cosignatures().iter().any(|c| c.key_hash == cosignature.key_hash) {
        return Err(DropReason::Duplicate);
    }
    Ok(cosignature)
}

/// Refuses what the other format could not say.
fn check_path(size: u64, index: LeafIndex, path_is_empty: bool) -> Result<(), ConvertError> {
    match (size, path_is_empty) {
        (0, _) => Err(ConvertError::EmptyTree),
        (1, true) if index.0 == 0 => Ok(()),
        (1, _) => Err(ConvertError::PathInTreeOfOne),
        (_, true) => Err(ConvertError::MissingPath),
        (_, false) => Ok(()),
    }
}

fn read_extra(extra: &[u8]) -> Option<ProofLeaf> {
    let (key_hash, signature) = extra.split_at_checked(KeyHash::LEN)?;
    Some(ProofLeaf {
        key_hash: KeyHash::from_slice(key_hash).ok()?,
        signature: Signature::from_slice(signature).ok()?,
    })
}

#[cfg(test)]
#[path = "convert_tests.rs"]
mod tests;
