//! Private key files: OpenSSH's format without encryption (`PROTOCOL.key`), or 64 hex digits.
//!
//! Exactly one layout is accepted: cipher and key derivation `none`, one Ed25519 key whose public
//! half stands three times and must be the same each time, equal check-ints, and a private part of
//! a multiple of eight bytes. As in the Go tools, comment and padding are not looked at.

use crate::pem::{self, Found};
use crate::seed::{RandomError, SigningSeed, fill_random};
use crate::signer::Ed25519Signer;
use crate::wire::{BlobError, Reader, parse_public_key_blob, public_key_blob, put_string, shown};
use zeroize::Zeroizing;

const MAGIC: &[u8] = b"openssh-key-v1\0";
/// Block size of the cipher `none` (`PROTOCOL.key`, section 3).
const BLOCK_BYTES: usize = 8;
/// Size of what [`write_private_key`] encodes: 15 magic, 8 + 8 + 4 for no cipher, 4 key count,
/// 55 public key, 4 length, 136 private part.
const FILE_BYTES: usize = 234;

/// Why a private key file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrivateKeyError {
    /// Neither PEM nor 64 hex digits.
    #[error("neither an OpenSSH key nor a private key of 64 hex digits")]
    NotAKey,
    /// A PEM file of another kind, such as an RSA key in the old format.
    #[error(
        "unexpected PEM tag: {0:?}, expected \"OPENSSH PRIVATE KEY\"; \
         make an Ed25519 key with 'ssh-keygen -t ed25519'"
    )]
    PemLabel(String),
    /// The PEM block has no end, or its base64 is invalid.
    #[error("invalid private key, malformed PEM block")]
    Pem,
    /// The key is encrypted.
    #[error(
        "the private key is encrypted (cipher {cipher}); load it into an ssh-agent with 'ssh-add' \
         and give the public key file instead, or remove the passphrase with 'ssh-keygen -p'"
    )]
    Encrypted {
        /// Name of the cipher, escaped.
        cipher: String,
    },
    /// The file holds no key, or several.
    #[error("invalid private key, the file holds {0} keys, expected one")]
    KeyCount(u32),
    /// A key of another type than Ed25519.
    #[error("unsupported private key type: {0}; make an Ed25519 key with 'ssh-keygen -t ed25519'")]
    KeyType(String),
    /// The bytes end too soon, are too many, or have another layout.
    #[error("invalid private key, malformed {0}")]
    Malformed(&'static str),
    /// The two check-ints differ.
    #[error("invalid private key, the two check numbers differ")]
    CheckInts,
    /// The public keys in the file differ, or do not belong to the private key.
    #[error("invalid private key, inconsistent public key")]
    PublicKey,
}

impl From<BlobError> for PrivateKeyError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::KeyType(name) => Self::KeyType(name),
            BlobError::Malformed => Self::Malformed("public key"),
        }
    }
}

/// Reads a private key: OpenSSH's PEM format, or (deprecated) a seed of 64 hex digits; white space
/// around either is ignored.
///
/// # Errors
/// [`PrivateKeyError`].
pub fn parse_private_key(text: &[u8]) -> Result<Ed25519Signer, PrivateKeyError> {
    match pem::decode(text) {
        Found::Block(blob) => parse_blob(&blob),
        Found::NoPem => Ok(Ed25519Signer::from_seed(&SigningSeed::from_hex(text.trim_ascii())?)),
        Found::OtherLabel(label) => Err(PrivateKeyError::PemLabel(label)),
        Found::Malformed => Err(PrivateKeyError::Pem),
    }
}

fn parse_blob(blob: &[u8]) -> Result<Ed25519Signer, PrivateKeyError> {
    let header = PrivateKeyError::Malformed("header");
    let mut reader = Reader::new(blob.strip_prefix(MAGIC).ok_or_else(|| header.clone())?);
    let cipher = reader.string().ok_or_else(|| header.clone())?;
    let kdf = reader.string().ok_or_else(|| header.clone())?;
    let kdf_options = reader.string().ok_or_else(|| header.clone())?;
    if cipher != b"none" || kdf != b"none" {
        return Err(PrivateKeyError::Encrypted { cipher: shown(cipher) });
    }
    let keys = reader.uint32().ok_or_else(|| header.clone())?;
    if !kdf_options.is_empty() {
        return Err(header);
    }
    if keys != 1 {
        return Err(PrivateKeyError::KeyCount(keys));
    }
    let public_blob = reader.string().ok_or(PrivateKeyError::Malformed("public key"))?;
    parse_public_key_blob(public_blob)?;
    let private = reader.string().ok_or(PrivateKeyError::Malformed("length"))?;
    if !reader.rest().is_empty() || !private.len().is_multiple_of(BLOCK_BYTES) {
        return Err(PrivateKeyError::Malformed("length"));
    }
    parse_private_part(private, public_blob)
}

/// Reads check-ints, public key again, and the pair of seed and public key. Comment and padding
/// behind them are not checked.
fn parse_private_part(
    private: &[u8],
    public_blob: &[u8],
) -> Result<Ed25519Signer, PrivateKeyError> {
    let short = PrivateKeyError::Malformed("private part");
    let mut reader = Reader::new(private);
    let (first, second) = (reader.uint32(), reader.uint32());
    if second.is_none() {
        return Err(short);
    }
    if first != second {
        return Err(PrivateKeyError::CheckInts);
    }
    if reader.take(public_blob.len()).ok_or_else(|| short.clone())? != public_blob {
        return Err(PrivateKeyError::PublicKey);
    }
    let pair = reader.string().ok_or_else(|| short.clone())?;
    let (seed, public) = pair.split_at_checked(32).ok_or_else(|| short.clone())?;
    if public.len() != 32 {
        return Err(short);
    }
    let signer = Ed25519Signer::from_seed(&SigningSeed::from_slice(seed).ok_or(short)?);
    let blob_key = parse_public_key_blob(public_blob)?;
    if signer.public_key() != blob_key || public != blob_key.as_bytes() {
        return Err(PrivateKeyError::PublicKey);
    }
    Ok(signer)
}

/// Writes a key in OpenSSH's format: not encrypted, with an empty comment; `ssh-add` loads it.
///
/// # Errors
/// [`RandomError`]: the check number is random.
pub fn write_private_key(signer: &Ed25519Signer) -> Result<Zeroizing<String>, RandomError> {
    let mut check = [0u8; 4];
    fill_random(&mut check)?;
    Ok(write_with_check(signer, check))
}

fn write_with_check(signer: &Ed25519Signer, check: [u8; 4]) -> Zeroizing<String> {
    let public = signer.public_key();
    let public_blob = public_key_blob(&public);
    // Both reserved in full, so that growing leaves no copy of the secret behind.
    let mut private = Zeroizing::new(Vec::with_capacity(FILE_BYTES));
    private.extend_from_slice(&check);
    private.extend_from_slice(&check);
    private.extend_from_slice(&public_blob);
    let mut pair = Zeroizing::new(Vec::with_capacity(64));
    pair.extend_from_slice(signer.seed().expose());
    pair.extend_from_slice(public.as_bytes());
    put_string(&mut private, &pair);
    put_string(&mut private, b""); // comment
    let padding_bytes = private.len().wrapping_neg() % BLOCK_BYTES;
    private.extend((1u8..).take(padding_bytes));

    let mut out = Zeroizing::new(Vec::with_capacity(FILE_BYTES));
    out.extend_from_slice(MAGIC);
    put_string(&mut out, b"none"); // cipher
    put_string(&mut out, b"none"); // key derivation
    put_string(&mut out, b""); // its options
    out.extend_from_slice(&1u32.to_be_bytes());
    put_string(&mut out, &public_blob);
    put_string(&mut out, &private);
    pem::encode(&out)
}

#[cfg(test)]
#[path = "private_tests.rs"]
mod tests;
