//! SSH's binary encoding: big-endian integers and strings with a length (RFC 4251 section 5).

use sigsum_core::PublicKey;

/// The type name of Ed25519 keys and signatures (RFC 8709).
pub(crate) const ED25519: &[u8] = b"ssh-ed25519";

/// Reads values in order; `None` where the bytes end too soon.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What is left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(taken)
    }

    pub(crate) fn uint32(&mut self) -> Option<u32> {
        let bytes = self.take(4)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    }

    pub(crate) fn string(&mut self) -> Option<&'a [u8]> {
        let bytes = usize::try_from(self.uint32()?).ok()?;
        self.take(bytes)
    }
}

/// Appends a string with its length. Nothing written here comes near 4 GiB; a longer one would
/// carry a wrong length, and whoever reads it would refuse it.
pub(crate) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// The public key blob: type name and the 32 bytes (RFC 8709 section 4); 51 bytes.
pub(crate) fn public_key_blob(key: &PublicKey) -> Vec<u8> {
    let mut out = Vec::with_capacity(51);
    put_string(&mut out, ED25519);
    put_string(&mut out, key.as_bytes());
    out
}

/// Why a public key blob was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// Another key type; the name is shown escaped.
    #[error("unsupported public key type: {0}")]
    KeyType(String),
    /// The blob is cut short, has another key length, or bytes behind the key.
    #[error("malformed public key blob")]
    Malformed,
}

/// Reads what [`public_key_blob`] writes.
pub(crate) fn parse_public_key_blob(blob: &[u8]) -> Result<PublicKey, BlobError> {
    let mut reader = Reader::new(blob);
    let name = reader.string().ok_or(BlobError::Malformed)?;
    if name != ED25519 {
        return Err(BlobError::KeyType(shown(name)));
    }
    let key = reader.string().ok_or(BlobError::Malformed)?;
    if !reader.rest().is_empty() {
        return Err(BlobError::Malformed);
    }
    PublicKey::from_slice(key).map_err(|_| BlobError::Malformed)
}

/// Longest word that messages repeat. The longest key type has 42 characters; a private key in hex
/// or a line of a PEM file, put where a public key is due, has 64 or more and must not be shown.
const MAX_SHOWN_BYTES: usize = 48;

/// A word of a file as text for messages: escaped, or only its length where it is long.
pub(crate) fn shown(word: &[u8]) -> String {
    if word.len() > MAX_SHOWN_BYTES {
        return format!("(a word of {} bytes)", word.len());
    }
    word.escape_ascii().to_string()
}
