//! Tree leaves: what a log stores of a submission (`log.md` section 2.2.4).

use crate::ascii::{AsciiError, Reader, Writer};
use crate::bytes::{BytesError, Checksum, Hash, KeyHash, PublicKey, Signature};
use alloc::vec::Vec;

#[cfg(test)]
mod tests;

/// Namespace of leaf signatures, with the NUL that separates it from the checksum.
const LEAF_NAMESPACE: &[u8] = b"sigsum.org/v1/tree-leaf\0";

/// The bytes that a submitter signs: namespace, NUL, checksum; 56 bytes.
pub fn leaf_signing_bytes(checksum: &Checksum) -> Vec<u8> {
    [LEAF_NAMESPACE, checksum.as_bytes()].concat()
}

/// A leaf: checksum, signature, hash of the submitter's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Leaf {
    /// SHA-256 of the submitted message.
    pub checksum: Checksum,
    /// The submitter's signature over [`leaf_signing_bytes`].
    pub signature: Signature,
    /// SHA-256 of the submitter's public key.
    pub key_hash: KeyHash,
}

impl Leaf {
    /// Size of the binary form: 32 + 64 + 32.
    pub const LEN: usize = 128;

    /// The binary form: checksum, signature, key hash.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut out = [0u8; Self::LEN];
        let parts = self.checksum.as_bytes().iter().chain(self.signature.as_bytes());
        for (to, from) in out.iter_mut().zip(parts.chain(self.key_hash.as_bytes())) {
            *to = *from;
        }
        out
    }

    /// Reads the binary form.
    ///
    /// # Errors
    /// [`BytesError::Length`] unless there are exactly 128 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BytesError> {
        let wrong = BytesError::Length { expected: Self::LEN, got: bytes.len() };
        let (checksum, rest) = bytes.split_at_checked(32).ok_or(wrong)?;
        let (signature, key_hash) = rest.split_at_checked(64).ok_or(wrong)?;
        Ok(Self {
            checksum: Checksum::from_slice(checksum).map_err(|_| wrong)?,
            signature: Signature::from_slice(signature).map_err(|_| wrong)?,
            key_hash: KeyHash::from_slice(key_hash).map_err(|_| wrong)?,
        })
    }

    /// The Merkle leaf hash: SHA-256 of 0x00 and the binary form (RFC 6962 section 2.1).
    pub fn hash(&self) -> Hash {
        crate::merkle::hash_leaf(&self.to_bytes())
    }

    /// Whether this key made the leaf: both its hash and its signature.
    #[must_use]
    pub fn verify(&self, key: &PublicKey) -> bool {
        self.key_hash == key.key_hash()
            && key.verify(&leaf_signing_bytes(&self.checksum), &self.signature)
    }

    /// Reads one `leaf=CHECKSUM SIGNATURE KEYHASH` line (`log.md` section 3.4).
    ///
    /// # Errors
    /// [`AsciiError`].
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, AsciiError> {
        let [checksum, signature, key_hash] = reader.words::<3>("leaf")?;
        Ok(Self {
            checksum: reader.bytes(checksum, Checksum::from_hex)?,
            signature: reader.bytes(signature, Signature::from_hex)?,
            key_hash: reader.bytes(key_hash, KeyHash::from_hex)?,
        })
    }

    /// Writes what [`Self::read`] reads.
    pub fn write(&self, writer: &mut Writer) {
        let words = [self.checksum.to_hex(), self.signature.to_hex(), self.key_hash.to_hex()];
        writer.words("leaf", &[&words[0], &words[1], &words[2]]);
    }
}
