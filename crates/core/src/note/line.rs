//! Signature lines: em dash, key name, base64 of key id and signature (`signed-note`, "Format").

use super::key::{KeyId, KeyName, KeyNameError, NoteKey, Vkey};
use crate::bytes;
use alloc::vec::Vec;
use core::{fmt, str::FromStr};

/// What a signature line starts with: em dash (U+2014) and space.
const PREFIX: &str = "\u{2014} ";

/// Why a text is no signature line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureLineError {
    /// The line does not start with an em dash and a space.
    #[error("does not start with an em dash and a space")]
    NoEmDash,
    /// There is no space behind the name.
    #[error("expected a key name and a signature")]
    NoSignature,
    /// The name.
    #[error("{0}")]
    Name(#[from] KeyNameError),
    /// Not canonical base64.
    #[error("signature is not standard base64")]
    NotBase64,
    /// Fewer than the four bytes of a key id.
    #[error("signature of {got} bytes, too short for a key id")]
    ShortKeyId {
        /// Bytes that are there.
        got: usize,
    },
    /// Nothing behind the key id.
    #[error("no signature behind the key id")]
    EmptySignature,
}

/// One signature line, whatever key and algorithm it is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SignatureLine {
    /// Name of the key.
    pub name: KeyName,
    /// Id of the key.
    pub key_id: KeyId,
    /// The bytes behind the key id; at least one.
    pub signature: Vec<u8>,
}

impl SignatureLine {
    /// A line of this key, with the right key id.
    pub fn new(vkey: &Vkey, signature: Vec<u8>) -> Self {
        Self { name: vkey.name.clone(), key_id: vkey.key_id(), signature }
    }

    /// Reads a line without its newline.
    ///
    /// # Errors
    /// [`SignatureLineError`].
    pub fn parse(line: &str) -> Result<Self, SignatureLineError> {
        let rest = line.strip_prefix(PREFIX).ok_or(SignatureLineError::NoEmDash)?;
        let (name, encoded) = rest.split_once(' ').ok_or(SignatureLineError::NoSignature)?;
        let name = KeyName::new(name)?;
        let decoded = bytes::from_base64(encoded).map_err(|_| SignatureLineError::NotBase64)?;
        let (key_id, signature) = decoded
            .split_first_chunk::<4>()
            .ok_or(SignatureLineError::ShortKeyId { got: decoded.len() })?;
        if signature.is_empty() {
            return Err(SignatureLineError::EmptySignature);
        }
        Ok(Self { name, key_id: KeyId(*key_id), signature: signature.to_vec() })
    }

    /// Whether name and key id are those of this key.
    pub fn is_of(&self, vkey: &Vkey) -> bool {
        self.name == vkey.name && self.key_id == vkey.key_id()
    }

    /// Whether the key id is that of this key under the line's own name, for keys whose name is not
    /// known: Sigsum policies name witnesses freely, and logs take a witness's line by its key.
    pub fn is_of_key(&self, key: &NoteKey) -> bool {
        self.key_id == key.key_id(&self.name)
    }

    /// Size in a note, with the newline.
    pub fn len_bytes(&self) -> usize {
        let encoded = self.signature.len().saturating_add(4).div_ceil(3).saturating_mul(4);
        // two spaces less one are in the prefix; a space and a newline remain
        let fixed = PREFIX.len().saturating_add(2);
        fixed.saturating_add(self.name.as_str().len()).saturating_add(encoded)
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = bytes::to_base64(&[&self.key_id.0, self.signature.as_slice()].concat());
        write!(f, "{PREFIX}{} {encoded}", self.name)
    }
}

impl FromStr for SignatureLine {
    type Err = SignatureLineError;
    fn from_str(line: &str) -> Result<Self, SignatureLineError> {
        Self::parse(line)
    }
}

#[cfg(test)]
mod tests;
