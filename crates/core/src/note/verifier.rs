//! A verifier key made ready to check many signatures.

use super::key::{KeyId, NoteKey, Vkey};
use super::line::SignatureLine;
use super::mldsa44::MlDsa44VerifyingKey;
use crate::bytes::Signature;
use crate::checkpoint::Checkpoint;
use crate::crypto::VerifyingKey;
use alloc::vec::Vec;

/// What a note says of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum NoteSignature {
    /// At least one line is of this key, and all that are verify.
    Valid,
    /// No line is of this key.
    Missing,
    /// A line has name and id of this key and does not verify: the note is malformed.
    Invalid,
}

/// A vkey with its key id computed and its key expanded.
#[derive(Debug, Clone)]
pub struct Verifier {
    vkey: Vkey,
    key_id: KeyId,
    pub(crate) key: PreparedKey,
}

/// Keys ready to verify; `None` where the bytes are no curve point, so that nothing verifies.
#[derive(Debug, Clone)]
pub(crate) enum PreparedKey {
    /// Type 1.
    Ed25519(Option<VerifyingKey>),
    /// Type 4.
    CosignatureEd25519(Option<VerifyingKey>),
    /// Type 6.
    CosignatureMlDsa44(MlDsa44VerifyingKey),
}

impl PreparedKey {
    /// Expands a key.
    pub(crate) fn new(key: &NoteKey) -> Self {
        match key {
            NoteKey::Ed25519(key) => Self::Ed25519(VerifyingKey::new(key)),
            NoteKey::CosignatureEd25519(key) => Self::CosignatureEd25519(VerifyingKey::new(key)),
            NoteKey::CosignatureMlDsa44(key) => {
                Self::CosignatureMlDsa44(MlDsa44VerifyingKey::new(key))
            }
        }
    }
}

impl Verifier {
    /// Expands a vkey.
    pub fn new(vkey: &Vkey) -> Self {
        Self { vkey: vkey.clone(), key_id: vkey.key_id(), key: PreparedKey::new(&vkey.key) }
    }

    /// The vkey.
    pub fn vkey(&self) -> &Vkey {
        &self.vkey
    }

    /// Its key id.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// Whether name and key id of the line are those of this key.
    pub fn is_named_in(&self, line: &SignatureLine) -> bool {
        line.key_id == self.key_id && line.name == self.vkey.name
    }

    /// Judges the lines of a note with this text. Keys of types 4 and 6 sign checkpoints, so a text
    /// that is none has no valid signature of theirs.
    pub(crate) fn verify_note(&self, text: &str, lines: &[SignatureLine]) -> NoteSignature {
        match &self.key {
            PreparedKey::Ed25519(key) => self.judge(lines, |line| {
                let signature = Signature::from_slice(&line.signature).ok();
                key.as_ref()
                    .zip(signature)
                    .is_some_and(|(key, signature)| key.verify(text.as_bytes(), &signature))
            }),
            PreparedKey::CosignatureEd25519(_) | PreparedKey::CosignatureMlDsa44(_) => {
                let checkpoint = Checkpoint::parse(text).ok();
                self.judge(lines, |line| {
                    checkpoint.as_ref().is_some_and(|c| {
                        crate::cosignature::verify_line_with(line, self, c).is_ok()
                    })
                })
            }
        }
    }

    /// Valid where at least one line is of this key and all that are pass. Anyone can repeat a good
    /// line, so the same signature is checked once.
    fn judge(
        &self,
        lines: &[SignatureLine],
        pass: impl Fn(&SignatureLine) -> bool,
    ) -> NoteSignature {
        let mut good: Vec<&[u8]> = Vec::new();
        for line in lines.iter().filter(|line| self.is_named_in(line)) {
            if good.contains(&line.signature.as_slice()) {
                continue;
            }
            if !pass(line) {
                return NoteSignature::Invalid;
            }
            good.push(&line.signature);
        }
        if good.is_empty() { NoteSignature::Missing } else { NoteSignature::Valid }
    }
}

#[cfg(test)]
mod tests;
