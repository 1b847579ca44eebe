//! Cosignatures of checkpoints and subtrees: Ed25519 and ML-DSA-44 (C2SP `tlog-cosignature`).
//!
//! # In scope
//! The messages that cosigners sign, signature lines made and read, verification.
//!
//! # Out of scope
//! Signing; whether a time is in the future or too old, which needs a clock; whether a subtree is
//! a valid one, see [`crate::merkle`].
//!
//! A time of zero says that the cosigner makes no statement about the largest tree. It is for the
//! reader to refuse that where it matters: a witness's answer to add-checkpoint never has it.

mod message;

pub use crate::note::{MlDsa44PublicKey, MlDsa44Signature};
pub use message::{CosignedMessage, MAX_COSIGNED_TEXT_BYTES, MessageError, ed25519_message};

use crate::bytes::{PublicKey, Signature};
use crate::checkpoint::{Checkpoint, Origin};
use crate::note::{KeyName, NoteKey, PreparedKey, SignatureLine, Verifier, Vkey};
use crate::tree_head::Cosignature;
use alloc::{boxed::Box, vec::Vec};
use core::fmt;

/// Bytes of the time in front of the signature.
const TIMESTAMP_BYTES: usize = 8;

/// Seconds since the Unix epoch, at most 2^63-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// No statement about the time: subtree cosignatures have it.
    pub const NONE: Self = Self(0);

    /// Wraps seconds; `None` above 2^63-1.
    pub const fn new(seconds: u64) -> Option<Self> {
        if seconds <= crate::ascii::MAX_INTEGER { Some(Self(seconds)) } else { None }
    }

    /// The seconds.
    pub const fn as_s(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a signature line is no cosignature of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CosignatureError {
    /// Name or key id are of another key; such a line is to be ignored.
    #[error("the line is of another key")]
    OtherKey,
    /// The key is of type 1, which makes no cosignatures.
    #[error("not a cosigner's key")]
    NotACosignerKey,
    /// Subtrees cannot be cosigned with Ed25519.
    #[error("Ed25519 keys do not cosign subtrees")]
    SubtreeWithEd25519,
    /// Time and signature have another size.
    #[error("time and signature of {got} bytes, expected {expected}")]
    Length {
        /// Bytes of this type of cosignature.
        expected: usize,
        /// Bytes that are there.
        got: usize,
    },
    /// The time is above 2^63-1.
    #[error("time above 2^63-1")]
    Time,
    /// There is no message that the cosigner could have signed.
    #[error("{0}")]
    Message(#[from] MessageError),
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Invalid,
}

/// Checks one line against a cosigner's key and gives the time of the cosignature.
///
/// # Errors
/// [`CosignatureError`]; [`CosignatureError::OtherKey`] where name or key id do not match.
pub fn verify_line(
    line: &SignatureLine,
    key: &Vkey,
    checkpoint: &Checkpoint,
) -> Result<Timestamp, CosignatureError> {
    if !line.is_of(key) {
        return Err(CosignatureError::OtherKey);
    }
    verify(line, &PreparedKey::new(&key.key), checkpoint)
}

/// As [`verify_line`], with a key made ready.
///
/// # Errors
/// As [`verify_line`].
pub fn verify_line_with(
    line: &SignatureLine,
    key: &Verifier,
    checkpoint: &Checkpoint,
) -> Result<Timestamp, CosignatureError> {
    if !key.is_named_in(line) {
        return Err(CosignatureError::OtherKey);
    }
    verify(line, &key.key, checkpoint)
}

/// As [`verify_line`], for a key whose name is not known: the key id must be that of the key under
/// the line's own name.
///
/// # Errors
/// As [`verify_line`].
pub fn verify_line_by_key(
    line: &SignatureLine,
    key: &NoteKey,
    checkpoint: &Checkpoint,
) -> Result<Timestamp, CosignatureError> {
    if !line.is_of_key(key) {
        return Err(CosignatureError::OtherKey);
    }
    verify(line, &PreparedKey::new(key), checkpoint)
}

/// Checks a line that is known to be of the key.
fn verify(
    line: &SignatureLine,
    key: &PreparedKey,
    checkpoint: &Checkpoint,
) -> Result<Timestamp, CosignatureError> {
    match key {
        PreparedKey::Ed25519(_) => Err(CosignatureError::NotACosignerKey),
        PreparedKey::CosignatureEd25519(key) => {
            let (time, signature) = split(line, Signature::LEN, Signature::from_slice)?;
            let message = ed25519_message(time, checkpoint);
            let valid = key.as_ref().is_some_and(|key| key.verify(&message, &signature));
            if valid { Ok(time) } else { Err(CosignatureError::Invalid) }
        }
        PreparedKey::CosignatureMlDsa44(key) => {
            let (time, signature) =
                split(line, MlDsa44Signature::LEN, MlDsa44Signature::from_slice)?;
            let message = CosignedMessage::checkpoint(&line.name, time, checkpoint).to_bytes()?;
            if key.verify(&message, &signature) { Ok(time) } else { Err(CosignatureError::Invalid) }
        }
    }
}

/// Checks one line against a cosigner's ML-DSA-44 key and a subtree of the log with this origin;
/// `end` is exclusive. Gives the time, which is zero unless `start` is.
///
/// # Errors
/// As [`verify_line`].
pub fn verify_subtree_line(
    line: &SignatureLine,
    key: &Verifier,
    subtree: &SubtreeStatement<'_>,
) -> Result<Timestamp, CosignatureError> {
    if !key.is_named_in(line) {
        return Err(CosignatureError::OtherKey);
    }
    let PreparedKey::CosignatureMlDsa44(key) = &key.key else {
        return Err(CosignatureError::SubtreeWithEd25519);
    };
    let (time, signature) = split(line, MlDsa44Signature::LEN, MlDsa44Signature::from_slice)?;
    let message = CosignedMessage {
        cosigner_name: &line.name,
        timestamp: time,
        log_origin: subtree.origin,
        start: subtree.start,
        end: subtree.end,
        hash: subtree.hash,
    };
    let valid = key.verify(&message.to_bytes()?, &signature);
    if valid { Ok(time) } else { Err(CosignatureError::Invalid) }
}

/// A subtree of a log, as a cosigner speaks of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubtreeStatement<'a> {
    /// Which log.
    pub origin: &'a Origin,
    /// Index of the first leaf.
    pub start: u64,
    /// Index behind the last leaf.
    pub end: u64,
    /// Root hash of the subtree.
    pub hash: crate::Hash,
}

/// Takes time and signature out of a line.
fn split<S, E>(
    line: &SignatureLine,
    signature_len: usize,
    decode: impl FnOnce(&[u8]) -> Result<S, E>,
) -> Result<(Timestamp, S), CosignatureError> {
    let expected = TIMESTAMP_BYTES.saturating_add(signature_len);
    let wrong_length = || CosignatureError::Length { expected, got: line.signature.len() };
    let (time, signature) = line.signature.split_first_chunk().ok_or_else(wrong_length)?;
    let signature = decode(signature).map_err(|_| wrong_length())?;
    let time = Timestamp::new(u64::from_be_bytes(*time)).ok_or(CosignatureError::Time)?;
    Ok((time, signature))
}

/// The signature line of an Ed25519 cosignature.
pub fn ed25519_line(
    name: &KeyName,
    key: &PublicKey,
    time: Timestamp,
    signature: &Signature,
) -> SignatureLine {
    line(name, NoteKey::CosignatureEd25519(*key), time, signature.as_bytes())
}

/// The signature line of an ML-DSA-44 cosignature.
pub fn mldsa44_line(
    name: &KeyName,
    key: &MlDsa44PublicKey,
    time: Timestamp,
    signature: &MlDsa44Signature,
) -> SignatureLine {
    line(name, NoteKey::CosignatureMlDsa44(Box::new(key.clone())), time, signature.as_bytes())
}

/// A signature line: key id, time, signature.
fn line(name: &KeyName, key: NoteKey, time: Timestamp, signature: &[u8]) -> SignatureLine {
    let timestamped: Vec<u8> = [time.as_s().to_be_bytes().as_slice(), signature].concat();
    SignatureLine::new(&Vkey { name: name.clone(), key }, timestamped)
}

/// The Sigsum form of a line, where it is an Ed25519 cosignature line of this witness. The witness's
/// name is free: the key id is computed from the line's own name. The signature is not verified;
/// [`Cosignature::verify`] does that.
pub fn from_line(line: &SignatureLine, key: &PublicKey) -> Option<Cosignature> {
    if !line.is_of_key(&NoteKey::CosignatureEd25519(*key)) {
        return None;
    }
    let (time, signature) = split(line, Signature::LEN, Signature::from_slice).ok()?;
    Some(Cosignature { key_hash: key.key_hash(), timestamp_s: time.as_s(), signature })
}

#[cfg(test)]
mod tests;
