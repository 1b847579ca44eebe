//! The rules of add-checkpoint (`tlog-witness`): state and request in, decision out. Pure.
//!
//! Statuses in the order of the specification: 400 for what cannot be read, 404 for an unknown
//! origin, 403 for signatures, 400 for an old size above the new one, 409 for an old size that is not
//! the stored one, 422 for trees that are not consistent. [`authenticate`] holds what needs no state,
//! [`decide`] what does.

#[cfg(test)]
mod tests;

use sigsum_core::checkpoint::{LogSignature, Origin, SignedCheckpoint};
use sigsum_core::merkle::{ConsistencyClaim, MerkleError};
use sigsum_core::note::{KeyId, KeyName, SignatureLine, Verifier, Vkey};
use sigsum_core::wire::witness::AddCheckpointRequest;
use sigsum_core::{TreeHead, TreeSize};

/// Longest checkpoint text that is cosigned, so that the memory per log is bounded: an origin of 255
/// bytes (most that an ML-DSA-44 cosignature can name), a size of 19 digits, a root hash of 44
/// characters and three newlines are 321 bytes; the rest is for extension lines, which no log should
/// have.
pub const MAX_CHECKPOINT_TEXT_BYTES: usize = 4096;
/// Most keys of one log: an old and a new one of each of two algorithms, and room. It bounds the
/// signature lines that are stored with a checkpoint.
pub const MAX_KEYS_PER_LOG: usize = 16;

/// A log's keys are not usable. The configuration is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogKeysError {
    /// No key, so that nothing could be verified.
    #[error("log {origin} has no key")]
    NoKey {
        /// Which log.
        origin: Origin,
    },
    /// More than [`MAX_KEYS_PER_LOG`].
    #[error("log {origin} has {got} keys, at most {MAX_KEYS_PER_LOG} are taken")]
    TooManyKeys {
        /// Which log.
        origin: Origin,
        /// How many there are.
        got: usize,
    },
    /// Two different keys with the same name and key id: a signature line could be of either.
    #[error("log {origin} has two keys with name {name} and key id {key_id}")]
    AmbiguousKeys {
        /// Which log.
        origin: Origin,
        /// Name of both.
        name: KeyName,
        /// Key id of both.
        key_id: KeyId,
    },
    /// An origin that leaves no room for a checkpoint in [`MAX_CHECKPOINT_TEXT_BYTES`].
    #[error("origin of {got} bytes is too long")]
    OriginTooLong {
        /// Bytes of the origin.
        got: usize,
    },
}

/// A log that is cosigned, and the keys that are trusted for it.
#[derive(Debug, Clone)]
pub struct TrustedLog {
    origin: Origin,
    keys: Vec<Verifier>,
    extensions: Extensions,
}

/// Whether checkpoints may have extension lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extensions {
    /// They are cosigned as part of the text.
    Cosigned,
    /// They are refused: the store has no place for them.
    Refused,
}

impl TrustedLog {
    /// Expands the keys. The same key twice counts once.
    ///
    /// # Errors
    /// [`LogKeysError`].
    pub fn new(
        origin: Origin,
        vkeys: &[Vkey],
        extensions: Extensions,
    ) -> Result<Self, LogKeysError> {
        // Size, root hash and newlines behind the origin.
        const REST_BYTES: usize = 19 + 44 + 3;
        let got = origin.as_str().len();
        if got.saturating_add(REST_BYTES) > MAX_CHECKPOINT_TEXT_BYTES {
            return Err(LogKeysError::OriginTooLong { got });
        }
        let mut keys: Vec<Verifier> = Vec::with_capacity(vkeys.len());
        for vkey in vkeys {
            let same = |k: &&Verifier| k.key_id() == vkey.key_id() && k.vkey().name == vkey.name;
            match keys.iter().find(same) {
                None => keys.push(Verifier::new(vkey)),
                Some(known) if known.vkey() == vkey => {}
                Some(_) => {
                    let (name, key_id) = (vkey.name.clone(), vkey.key_id());
                    return Err(LogKeysError::AmbiguousKeys { origin, name, key_id });
                }
            }
        }
        match keys.len() {
            0 => Err(LogKeysError::NoKey { origin }),
            got if got > MAX_KEYS_PER_LOG => Err(LogKeysError::TooManyKeys { origin, got }),
            _ => Ok(Self { origin, keys, extensions }),
        }
    }

    /// First line of its checkpoints.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The trusted keys.
    pub fn vkeys(&self) -> impl Iterator<Item = &Vkey> {
        self.keys.iter().map(Verifier::vkey)
    }
}

/// Why a checkpoint is not cosigned. The requester is at fault, or behind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400: a text above [`MAX_CHECKPOINT_TEXT_BYTES`].
    #[error("checkpoint text of {got} bytes, at most {MAX_CHECKPOINT_TEXT_BYTES} are cosigned")]
    TextTooLong {
        /// Bytes of the text.
        got: usize,
    },
    /// 400: extension lines where they are refused.
    #[error("checkpoints with extension lines are not cosigned here")]
    Extensions,
    /// 404.
    #[error("unknown log")]
    UnknownOrigin,
    /// 403: no line is of a trusted key.
    #[error("no signature of a trusted key")]
    NoTrustedSignature,
    /// 403: a line has the name and key id of a trusted key and does not verify.
    #[error("the signature with key id {key_id} does not verify")]
    BadSignature {
        /// The id of the trusted key.
        key_id: KeyId,
    },
    /// 400.
    #[error("old size {old} is above the checkpoint's size {size}")]
    OldAboveSize {
        /// Old size of the request.
        old: TreeSize,
        /// Size of the checkpoint.
        size: TreeSize,
    },
    /// 409, with the stored size as the body.
    #[error("old size {old}, but the last cosigned size is {stored}")]
    Conflict {
        /// Old size of the request.
        old: TreeSize,
        /// Size that is stored.
        stored: TreeSize,
    },
    /// 422.
    #[error("a checkpoint of size 0 with a root hash that is not that of the empty tree")]
    EmptyTreeRoot,
    /// 422.
    #[error("a consistency proof of {lines} lines from old size 0, where none is due")]
    ProofFromEmptyTree {
        /// Lines of the proof.
        lines: usize,
    },
    /// 422: the log signed two trees of one size.
    #[error("another root hash than the one cosigned for size {size}")]
    OtherTree {
        /// The size of both.
        size: TreeSize,
    },
    /// 422.
    #[error("consistency proof: {0}")]
    Inconsistent(MerkleError),
}

/// A checkpoint that one of the log's keys signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentic<'a> {
    /// What was asked.
    pub request: &'a AddCheckpointRequest,
    /// One verified signature line per trusted key that signed; at least one.
    pub log_signatures: Vec<SignatureLine>,
}

impl Authentic<'_> {
    /// The checkpoint with the verified lines of the log alone.
    pub fn note(&self) -> SignedCheckpoint {
        SignedCheckpoint {
            checkpoint: self.request.checkpoint.checkpoint.clone(),
            signatures: self.log_signatures.clone(),
        }
    }
}

/// Refuses a checkpoint that is too long to be kept; before its origin is looked up.
///
/// # Errors
/// [`Refusal::TextTooLong`].
pub fn check_length(checkpoint: &SignedCheckpoint) -> Result<(), Refusal> {
    match checkpoint.text().len() {
        got if got > MAX_CHECKPOINT_TEXT_BYTES => Err(Refusal::TextTooLong { got }),
        _ => Ok(()),
    }
}

/// Checks all that does not depend on what was cosigned before.
///
/// # Errors
/// A [`Refusal`] with status 400, 404 or 403.
pub fn authenticate<'a>(
    log: &TrustedLog,
    request: &'a AddCheckpointRequest,
) -> Result<Authentic<'a>, Refusal> {
    let checkpoint = &request.checkpoint;
    if checkpoint.checkpoint.origin != log.origin {
        return Err(Refusal::UnknownOrigin);
    }
    if log.extensions == Extensions::Refused && !checkpoint.checkpoint.extensions().is_empty() {
        return Err(Refusal::Extensions);
    }
    let log_signatures = trusted_signatures(log, checkpoint)?;
    let (old, size) = (request.old_size, checkpoint.checkpoint.tree_head.size);
    if old > size {
        return Err(Refusal::OldAboveSize { old, size });
    }
    Ok(Authentic { request, log_signatures })
}

/// The first line of each trusted key that signed. All lines of trusted keys have to verify; all
/// others are ignored.
///
/// # Errors
/// A [`Refusal`] with status 403.
pub fn trusted_signatures(
    log: &TrustedLog,
    checkpoint: &SignedCheckpoint,
) -> Result<Vec<SignatureLine>, Refusal> {
    let mut verified = Vec::new();
    for key in &log.keys {
        match checkpoint.verify_log_with(key) {
            LogSignature::Missing => {}
            LogSignature::Invalid => return Err(Refusal::BadSignature { key_id: key.key_id() }),
            LogSignature::Valid => {
                let line = checkpoint.signatures.iter().find(|line| key.is_named_in(line));
                verified.extend(line.cloned());
            }
        }
    }
    if verified.is_empty() { Err(Refusal::NoTrustedSignature) } else { Ok(verified) }
}

/// Decides whether the stored head may move to the checkpoint's, or be cosigned again.
///
/// # Errors
/// A [`Refusal`] with status 409 or 422.
pub fn decide(stored: &TreeHead, authentic: &Authentic<'_>) -> Result<TreeHead, Refusal> {
    let AddCheckpointRequest { old_size: old, proof, checkpoint } = authentic.request;
    let new = checkpoint.checkpoint.tree_head;
    if *old != stored.size {
        return Err(Refusal::Conflict { old: *old, stored: stored.size });
    }
    if new.size.0 == 0 && new != TreeHead::empty() {
        return Err(Refusal::EmptyTreeRoot);
    }
    if old.0 == 0 && !proof.is_empty() {
        return Err(Refusal::ProofFromEmptyTree { lines: proof.len() });
    }
    if *old == new.size && stored.root_hash != new.root_hash {
        return Err(Refusal::OtherTree { size: new.size });
    }
    let claim = ConsistencyClaim { old: *stored, new, path: proof };
    claim.verify().map_err(Refusal::Inconsistent)?;
    Ok(new)
}
