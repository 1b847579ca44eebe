//! Key names, key ids and verifier keys (`signed-note`, sections "Signatures", "Verifier keys").

use super::mldsa44::MlDsa44PublicKey;
use crate::bytes::{self, BytesError, KeyHash, PublicKey};
use alloc::{borrow::ToOwned, boxed::Box, format, string::String, vec::Vec};
use core::{fmt, str::FromStr};

/// Why a text is no key name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyNameError {
    /// No characters.
    #[error("empty key name")]
    Empty,
    /// A Unicode space, a plus or a control character.
    #[error("key name with {0:?}")]
    Character(char),
}

/// Name of a note key: not empty, no Unicode spaces, no plus, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// Checks and wraps a name.
    ///
    /// # Errors
    /// [`KeyNameError`].
    pub fn new(name: &str) -> Result<Self, KeyNameError> {
        if name.is_empty() {
            return Err(KeyNameError::Empty);
        }
        let refused = |c: &char| c.is_whitespace() || *c == '+' || *c < ' ';
        match name.chars().find(refused) {
            Some(character) => Err(KeyNameError::Character(character)),
            None => Ok(Self(name.to_owned())),
        }
    }

    /// The name that the Sigsum log with this key signs under: its origin (`log.md` section 2.2.2).
    pub fn sigsum_log(log: &KeyHash) -> Self {
        Self(crate::tree_head::sigsum_origin(log))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyName {
    type Err = KeyNameError;
    fn from_str(name: &str) -> Result<Self, KeyNameError> {
        Self::new(name)
    }
}

/// The first four bytes of SHA-256 over name, newline, type and public key; a hint, no proof.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bytes::to_hex(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// The signature types that are supported (`signed-note`, "Signature types").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureType {
    /// 0x01, Ed25519 over the note text.
    Ed25519,
    /// 0x04, timestamped Ed25519 cosignature of a checkpoint.
    CosignatureEd25519,
    /// 0x06, timestamped ML-DSA-44 cosignature of a checkpoint or subtree.
    CosignatureMlDsa44,
}

impl SignatureType {
    /// The type identifier byte.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::CosignatureEd25519 => 0x04,
            Self::CosignatureMlDsa44 => 0x06,
        }
    }
}

/// A public key with the type of signature that it is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NoteKey {
    /// Type 1.
    Ed25519(PublicKey),
    /// Type 4.
    CosignatureEd25519(PublicKey),
    /// Type 6.
    CosignatureMlDsa44(Box<MlDsa44PublicKey>),
}

impl NoteKey {
    /// The signature type.
    pub const fn signature_type(&self) -> SignatureType {
        match self {
            Self::Ed25519(_) => SignatureType::Ed25519,
            Self::CosignatureEd25519(_) => SignatureType::CosignatureEd25519,
            Self::CosignatureMlDsa44(_) => SignatureType::CosignatureMlDsa44,
        }
    }

    /// The encoded public key without its type: 32 or 1,312 bytes.
    pub fn public_key_bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(key) | Self::CosignatureEd25519(key) => key.as_bytes(),
            Self::CosignatureMlDsa44(key) => key.as_bytes(),
        }
    }

    /// The Ed25519 key of types 1 and 4.
    pub const fn ed25519(&self) -> Option<&PublicKey> {
        match self {
            Self::Ed25519(key) | Self::CosignatureEd25519(key) => Some(key),
            Self::CosignatureMlDsa44(_) => None,
        }
    }

    /// SHA-256 of the encoded public key, whatever its type.
    pub fn key_hash(&self) -> KeyHash {
        KeyHash::new(crate::crypto::sha256(self.public_key_bytes()))
    }

    /// The key id under a name.
    pub fn key_id(&self, name: &KeyName) -> KeyId {
        let kind = [b'\n', self.signature_type().byte()];
        let parts = [name.as_str().as_bytes(), &kind, self.public_key_bytes()];
        let [a, b, c, d, ..] = crate::crypto::sha256_parts(&parts);
        KeyId([a, b, c, d])
    }
}

/// Why a text is no vkey.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VkeyError {
    /// Not three parts separated by `+`.
    #[error("expected NAME+KEYID+KEY")]
    Form,
    /// The name.
    #[error("{0}")]
    Name(#[from] KeyNameError),
    /// The key id is not eight hex digits.
    #[error("key id: {0}")]
    KeyId(BytesError),
    /// The key is not base64.
    #[error("key: {0}")]
    Key(BytesError),
    /// There is no type byte.
    #[error("no key behind the key id")]
    NoKey,
    /// Another type than 1, 4 or 6.
    #[error("unsupported signature type 0x{0:02x}")]
    Type(u8),
    /// The public key has not the size of its type.
    #[error("public key of {got} bytes, its type has {expected}")]
    KeyLength {
        /// Bytes of a key of that type.
        expected: usize,
        /// Bytes that are there.
        got: usize,
    },
    /// The key id is not the one of this name and key.
    #[error("key id {written} does not belong to this name and key, {computed} does")]
    KeyIdMismatch {
        /// The id in the text.
        written: KeyId,
        /// The id of the name and the key.
        computed: KeyId,
    },
}

/// A verifier key: a name and a key. Its key id follows from the two.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Vkey {
    /// The name in signature lines.
    pub name: KeyName,
    /// The key.
    pub key: NoteKey,
}

impl Vkey {
    /// The vkey of a Sigsum log: type 1, named by its origin.
    pub fn sigsum_log(log: &PublicKey) -> Self {
        Self { name: KeyName::sigsum_log(&log.key_hash()), key: NoteKey::Ed25519(*log) }
    }

    /// The key id in signature lines.
    pub fn key_id(&self) -> KeyId {
        self.key.key_id(&self.name)
    }

    /// Reads a vkey. The key id must be the right one for name and key; its hex may be uppercase.
    ///
    /// # Errors
    /// [`VkeyError`].
    pub fn parse(text: &str) -> Result<Self, VkeyError> {
        let (name, rest) = text.split_once('+').ok_or(VkeyError::Form)?;
        let (key_id, key) = rest.split_once('+').ok_or(VkeyError::Form)?;
        let name = KeyName::new(name)?;
        let mut written = KeyId([0; 4]);
        bytes::hex_into(key_id.as_bytes(), &mut written.0).map_err(VkeyError::KeyId)?;
        let key = parse_key(&bytes::from_base64(key).map_err(VkeyError::Key)?)?;
        let computed = key.key_id(&name);
        if written != computed {
            return Err(VkeyError::KeyIdMismatch { written, computed });
        }
        Ok(Self { name, key })
    }
}

/// Reads a type byte and the public key behind it.
fn parse_key(encoded: &[u8]) -> Result<NoteKey, VkeyError> {
    let (kind, public_key) = encoded.split_first().ok_or(VkeyError::NoKey)?;
    let got = public_key.len();
    let wrong_length = |expected| VkeyError::KeyLength { expected, got };
    let ed25519 = || PublicKey::from_slice(public_key).map_err(|_| wrong_length(PublicKey::LEN));
    match kind {
        0x01 => Ok(NoteKey::Ed25519(ed25519()?)),
        0x04 => Ok(NoteKey::CosignatureEd25519(ed25519()?)),
        0x06 => MlDsa44PublicKey::from_slice(public_key)
            .map(|key| NoteKey::CosignatureMlDsa44(Box::new(key)))
            .map_err(|_| wrong_length(MlDsa44PublicKey::LEN)),
        other => Err(VkeyError::Type(*other)),
    }
}

impl fmt::Display for Vkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = Vec::from([self.key.signature_type().byte()]);
        key.extend_from_slice(self.key.public_key_bytes());
        let text = format!("{}+{}+{}", self.name, self.key_id(), bytes::to_base64(&key));
        f.write_str(&text)
    }
}

impl FromStr for Vkey {
    type Err = VkeyError;
    fn from_str(text: &str) -> Result<Self, VkeyError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests;
