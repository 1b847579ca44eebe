//! Signed notes, their signature lines and verifier keys (C2SP `signed-note`).
//!
//! # In scope
//! Reading and writing notes, signature lines and vkeys of types 1, 4 and 6, and choosing the lines
//! that belong to a key. What is read is written back byte for byte.
//!
//! # Rules where the specification leaves a choice
//! - Lines of unknown keys, types and signature sizes are kept as they are and never an error.
//! - The same line, or several lines of one key, may be there more than once: nothing forbids it,
//!   and all are kept. Every line of a known key has to verify, so one bad line among them spoils
//!   the note (section "Signatures": a signature from a known key MUST be verified).
//! - A signature of zero bytes behind the key id is refused, as Go's `sumdb/note` does.
//! - Base64 has to be canonical, in lines of unknown keys too: Go's `sumdb/note` takes stray bits
//!   under the padding and, in vkeys, newlines. Nobody writes them, and they would not be written
//!   back as they came.

mod key;
mod line;
mod mldsa44;
mod verifier;

pub use key::{KeyId, KeyName, KeyNameError, NoteKey, SignatureType, Vkey, VkeyError};
pub use line::{SignatureLine, SignatureLineError};
pub use mldsa44::{MlDsa44PublicKey, MlDsa44Signature, MlDsa44VerifyingKey};
pub(crate) use verifier::PreparedKey;
pub use verifier::{NoteSignature, Verifier};

use crate::tree_head::CosignedTreeHead;
use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::fmt;

/// Most signature lines of a note. The specification asks for 16. A log's checkpoint has as many
/// cosignatures as its tree head, and the log's own signature with up to two algorithms.
pub const MAX_SIGNATURES: usize = CosignedTreeHead::MAX_COSIGNATURES + 2;

/// Longest signature line that the sizes below reckon with: em dash, two spaces, newline (6 bytes),
/// a name of 255 bytes (most that a cosigner name may have, `tlog-cosignature`) and the base64 of
/// 5,000 bytes ("up to nearly 5kB", `signed-note`). Not a limit by itself.
const LARGE_LINE_BYTES: usize = 6 + 255 + 5_000_usize.div_ceil(3) * 4;

/// Longest line of an Ed25519 cosignature: key id, time and 64 bytes in base64.
const ED25519_LINE_BYTES: usize = 6 + 255 + (4 + 8 + 64_usize).div_ceil(3) * 4;

/// Longest line of an ML-DSA-44 cosignature: key id, time and 2,420 bytes in base64.
const ML_DSA_44_LINE_BYTES: usize = 6 + 255 + (4 + 8 + 2_420_usize).div_ceil(3) * 4;

/// Largest note that is read, with its signatures. Holds a text of 64 KiB with 16 of the largest
/// signatures; a checkpoint of 16 KiB with [`MAX_SIGNATURES`] of Ed25519; and one that each of 32
/// witnesses (the least that a policy has to support) and the log signed with Ed25519 and ML-DSA-44.
pub const MAX_NOTE_BYTES: usize = 256 * 1024;

const _: () = assert!(64 * 1024 + 16 * LARGE_LINE_BYTES <= MAX_NOTE_BYTES);
const _: () = assert!(16 * 1024 + MAX_SIGNATURES * ED25519_LINE_BYTES <= MAX_NOTE_BYTES);
const _: () =
    assert!(16 * 1024 + 33 * (ED25519_LINE_BYTES + ML_DSA_44_LINE_BYTES) <= MAX_NOTE_BYTES);

/// Why bytes are no signed note.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Larger than [`MAX_NOTE_BYTES`].
    #[error("note of {got} bytes, at most {MAX_NOTE_BYTES} are read")]
    TooLarge {
        /// Size of what was given.
        got: usize,
    },
    /// Not UTF-8.
    #[error("not UTF-8 at byte {at}")]
    NotUtf8 {
        /// Offset of the first bad byte.
        at: usize,
    },
    /// A control character below U+0020 that is no newline; a carriage return, for one.
    #[error("control character 0x{byte:02x} at byte {at}")]
    ControlCharacter {
        /// The character.
        byte: u8,
        /// Its offset.
        at: usize,
    },
    /// The last line does not end in a newline.
    #[error("the last line does not end in a newline")]
    NoFinalNewline,
    /// No empty line between the text and the signatures.
    #[error("no empty line between text and signatures")]
    NoBlankLine,
    /// Nothing behind the last empty line.
    #[error("no signature lines")]
    NoSignatures,
    /// More than [`MAX_SIGNATURES`] lines.
    #[error("more than {MAX_SIGNATURES} signature lines")]
    TooManySignatures,
    /// A line behind the last empty line that is no signature line.
    #[error("signature line {index}: {error}")]
    SignatureLine {
        /// Position among the signature lines, counted from one.
        index: usize,
        /// What is wrong with it.
        error: SignatureLineError,
    },
    /// A text that cannot be the text of a note: it does not end in a newline.
    #[error("the text does not end in a newline")]
    TextWithoutNewline,
}

/// A text and the signature lines under it. None of them has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<SignatureLine>,
}

impl SignedNote {
    /// Puts a note together. A note that is to be read by others needs at least one signature.
    ///
    /// # Errors
    /// A text that does not end in a newline or has a control character, too many signatures, or
    /// too large in all.
    pub fn new(text: &str, signatures: Vec<SignatureLine>) -> Result<Self, NoteError> {
        check_characters(text.as_bytes())?;
        if !text.ends_with('\n') {
            return Err(NoteError::TextWithoutNewline);
        }
        if signatures.len() > MAX_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        let lines: usize = signatures.iter().map(SignatureLine::len_bytes).sum();
        let got = text.len().saturating_add(lines).saturating_add(1);
        if got > MAX_NOTE_BYTES {
            return Err(NoteError::TooLarge { got });
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Reads a note (`signed-note`, section "Format").
    ///
    /// # Errors
    /// [`NoteError`]; its variants are the ways of being malformed.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLarge { got: bytes.len() });
        }
        let note = core::str::from_utf8(bytes)
            .map_err(|error| NoteError::NotUtf8 { at: error.valid_up_to() })?;
        check_characters(bytes)?;
        if !note.ends_with('\n') {
            return Err(NoteError::NoFinalNewline);
        }
        let (text_without_newline, lines) =
            note.rsplit_once("\n\n").ok_or(NoteError::NoBlankLine)?;
        if lines.is_empty() {
            return Err(NoteError::NoSignatures);
        }
        let text = note.get(..text_without_newline.len().saturating_add(1)).unwrap_or_default();
        Ok(Self { text: text.to_owned(), signatures: parse_lines(lines)? })
    }

    /// The signed text, with its final newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines, in order.
    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// Takes the note apart: text and signature lines.
    pub fn into_parts(self) -> (String, Vec<SignatureLine>) {
        (self.text, self.signatures)
    }

    /// What the note says of this key; the message of type 4 and 6 keys is not the note text alone,
    /// see [`crate::checkpoint::SignedCheckpoint::verify_log`].
    pub fn verify(&self, verifier: &Verifier) -> NoteSignature {
        verifier.verify_note(&self.text, &self.signatures)
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Reads signature lines that stand alone, each with its newline, as in a witness's answer
/// (`tlog-witness`, "add-checkpoint"). No bytes are no lines.
///
/// # Errors
/// As [`SignedNote::parse`].
pub fn parse_signature_lines(bytes: &[u8]) -> Result<Vec<SignatureLine>, NoteError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    if bytes.len() > MAX_NOTE_BYTES {
        return Err(NoteError::TooLarge { got: bytes.len() });
    }
    let lines = core::str::from_utf8(bytes)
        .map_err(|error| NoteError::NotUtf8 { at: error.valid_up_to() })?;
    check_characters(bytes)?;
    if !lines.ends_with('\n') {
        return Err(NoteError::NoFinalNewline);
    }
    parse_lines(lines)
}

/// Reads lines that end in newlines, at least one.
fn parse_lines(lines: &str) -> Result<Vec<SignatureLine>, NoteError> {
    let mut signatures = Vec::new();
    for (line, index) in lines.split_terminator('\n').zip(1_usize..) {
        if index > MAX_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        let parsed = SignatureLine::parse(line);
        signatures.push(parsed.map_err(|error| NoteError::SignatureLine { index, error })?);
    }
    Ok(signatures)
}

/// Refuses control characters other than newline.
fn check_characters(bytes: &[u8]) -> Result<(), NoteError> {
    match bytes.iter().zip(0_usize..).find(|(byte, _)| **byte < 0x20 && **byte != b'\n') {
        Some((byte, at)) => Err(NoteError::ControlCharacter { byte: *byte, at }),
        None => Ok(()),
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
