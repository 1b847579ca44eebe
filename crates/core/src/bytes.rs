//! Fixed-size byte strings as distinct types: hashes, keys, signatures, messages, checksums.
//!
//! Hex is read in any case and written in lowercase (`log.md` section 2.2.1).

use alloc::string::{String, ToString};
use core::fmt;

#[cfg(test)]
mod tests;

/// Why a hex or base64 value was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BytesError {
    /// The text or slice has another length than the type needs.
    #[error("expected {expected} bytes, got {got}")]
    Length {
        /// Bytes the type needs.
        expected: usize,
        /// Bytes that were given.
        got: usize,
    },
    /// Not hex digits, or an odd number of them.
    #[error("not hexadecimal")]
    NotHex,
    /// Not canonical standard base64 with padding.
    #[error("not standard base64")]
    NotBase64,
}

/// Reads hex of any case into a buffer of exactly the right size.
pub(crate) fn hex_into(text: &[u8], out: &mut [u8]) -> Result<(), BytesError> {
    let expected = out.len();
    if !text.len().is_multiple_of(2) {
        return Err(BytesError::NotHex);
    }
    if text.len() / 2 != expected {
        let got = text.len() / 2;
        return Err(BytesError::Length { expected, got });
    }
    base16ct::mixed::decode(text, out).map_err(|_| BytesError::NotHex)?;
    Ok(())
}

/// Lowercase hex of any bytes.
pub fn to_hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

/// Standard base64 (RFC 4648 section 4) with padding.
pub fn to_base64(bytes: &[u8]) -> String {
    use base64ct::Encoding as _;
    base64ct::Base64::encode_string(bytes)
}

/// Reads canonical standard base64 with padding; nothing else, not even white space.
///
/// # Errors
/// [`BytesError::NotBase64`].
pub fn from_base64(text: &str) -> Result<alloc::vec::Vec<u8>, BytesError> {
    use base64ct::Encoding as _;
    base64ct::Base64::decode_vec(text).map_err(|_| BytesError::NotBase64)
}

macro_rules! byte_string {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Size in bytes.
            pub const LEN: usize = $len;

            /// Wraps the bytes as they are.
            pub const fn new(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Takes a slice of exactly [`Self::LEN`] bytes.
            ///
            /// # Errors
            /// [`BytesError::Length`].
            pub fn from_slice(bytes: &[u8]) -> Result<Self, BytesError> {
                match bytes.try_into() {
                    Ok(array) => Ok(Self(array)),
                    Err(_) => Err(BytesError::Length { expected: $len, got: bytes.len() }),
                }
            }

            /// Reads hex of any case, exactly twice [`Self::LEN`] digits.
            ///
            /// # Errors
            /// [`BytesError::NotHex`] or [`BytesError::Length`].
            pub fn from_hex(text: &str) -> Result<Self, BytesError> {
                let mut out = [0u8; $len];
                hex_into(text.as_bytes(), &mut out)?;
                Ok(Self(out))
            }

            /// Lowercase hex.
            pub fn to_hex(&self) -> String {
                to_hex(&self.0)
            }

            /// Reads canonical padded base64 of exactly [`Self::LEN`] bytes.
            ///
            /// # Errors
            /// [`BytesError::NotBase64`] or [`BytesError::Length`].
            pub fn from_base64(text: &str) -> Result<Self, BytesError> {
                Self::from_slice(&from_base64(text)?)
            }

            /// Standard base64 with padding.
            pub fn to_base64(&self) -> String {
                to_base64(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.to_hex())
            }
        }

        impl core::str::FromStr for $name {
            type Err = BytesError;
            fn from_str(text: &str) -> Result<Self, BytesError> {
                Self::from_hex(text)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
    };
}

byte_string!(
    /// A SHA-256 value: a node, leaf or root hash of a Merkle tree (RFC 6962 section 2.1).
    Hash, 32);
byte_string!(
    /// SHA-256 of an Ed25519 public key; names a log, a witness or a submitter.
    KeyHash, 32);
byte_string!(
    /// SHA-256 of a [`Message`]; what a leaf carries and its signature covers.
    Checksum, 32);
byte_string!(
    /// The 32 bytes that a submitter logs, by convention SHA-256 of the data.
    Message, 32);
byte_string!(
    /// An Ed25519 public key as encoded by RFC 8032 section 5.1.2; not checked to be a point.
    PublicKey, 32);
byte_string!(
    /// An Ed25519 signature (RFC 8032); any 64 bytes.
    Signature, 64);

impl Message {
    /// The message for some data: its SHA-256.
    pub fn of_data(data: &[u8]) -> Self {
        Self(crate::crypto::sha256(data))
    }

    /// What the leaf records of this message: SHA-256 of it (`log.md` section 2.2.4).
    pub fn checksum(&self) -> Checksum {
        Checksum(crate::crypto::sha256(&self.0))
    }
}

impl PublicKey {
    /// SHA-256 of the key.
    pub fn key_hash(&self) -> KeyHash {
        KeyHash(crate::crypto::sha256(&self.0))
    }
}

impl Hash {
    /// The root of the empty tree: SHA-256 of no bytes (RFC 6962 section 2.1).
    pub fn empty_tree() -> Self {
        Self(crate::crypto::sha256(b""))
    }
}

/// Text for messages: shows bytes that may not be printable.
pub(crate) fn printable(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
