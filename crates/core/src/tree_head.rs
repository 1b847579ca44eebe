//! Tree heads: bare, signed by the log, cosigned by witnesses (`log.md` sections 2.2.2, 2.2.3, 3.1).

use crate::ascii::{AsciiError, Reader, Writer};
use crate::bytes::{Hash, KeyHash, PublicKey, Signature};
use alloc::{format, string::String, vec::Vec};
use core::fmt;

#[cfg(test)]
mod tests;

/// Number of leaves of a tree; at most 2^63-1 (`log.md` section 2.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TreeSize(pub u64);

/// Position of a leaf, counted from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LeafIndex(pub u64);

impl fmt::Display for TreeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LeafIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Prefix of the origin line of every Sigsum log (`log.md` section 2.2.2).
pub const SIGSUM_ORIGIN_PREFIX: &str = "sigsum.org/v1/tree/";

/// The checkpoint origin of the Sigsum log with this key: prefix and lowercase key hash.
pub fn sigsum_origin(log: &KeyHash) -> String {
    format!("{SIGSUM_ORIGIN_PREFIX}{log}")
}

/// Size and root hash of a Merkle tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TreeHead {
    /// Number of leaves.
    pub size: TreeSize,
    /// Root of the tree with that many leaves.
    pub root_hash: Hash,
}

impl TreeHead {
    /// The tree without leaves.
    pub fn empty() -> Self {
        Self { size: TreeSize(0), root_hash: Hash::empty_tree() }
    }

    /// The checkpoint text without extension lines: three lines that a log signs and, behind a
    /// header, a witness too (`log.md` section 2.2.2, `tlog-checkpoint`).
    pub fn checkpoint_text(&self, origin: &str) -> String {
        format!("{origin}\n{}\n{}\n", self.size, self.root_hash.to_base64())
    }

    /// The bytes that the Sigsum log with this key signs.
    pub fn sigsum_signing_bytes(&self, log: &KeyHash) -> Vec<u8> {
        self.checkpoint_text(&sigsum_origin(log)).into_bytes()
    }
}

/// A tree head with the log's Ed25519 signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedTreeHead {
    /// What was signed.
    pub tree_head: TreeHead,
    /// The log's signature over [`TreeHead::sigsum_signing_bytes`].
    pub signature: Signature,
}

impl SignedTreeHead {
    /// Whether the log with this key signed the head.
    #[must_use]
    pub fn verify(&self, log_key: &PublicKey) -> bool {
        let bytes = self.tree_head.sigsum_signing_bytes(&log_key.key_hash());
        log_key.verify(&bytes, &self.signature)
    }

    /// Reads `size`, `root_hash` and `signature` lines.
    ///
    /// # Errors
    /// [`AsciiError`] for anything else.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, AsciiError> {
        let size = TreeSize(reader.integer("size")?);
        let root_hash = reader.hex("root_hash").and_then(|h| reader.bytes(h, Hash::from_hex))?;
        let signature =
            reader.hex("signature").and_then(|h| reader.bytes(h, Signature::from_hex))?;
        Ok(Self { tree_head: TreeHead { size, root_hash }, signature })
    }

    /// Writes what [`Self::read`] reads.
    pub fn write(&self, writer: &mut Writer) {
        writer.integer("size", self.tree_head.size.0);
        writer.text("root_hash", &self.tree_head.root_hash.to_hex());
        writer.text("signature", &self.signature.to_hex());
    }
}

/// One witness's cosignature as the Sigsum log protocol carries it (`log.md` section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cosignature {
    /// SHA-256 of the witness's public key.
    pub key_hash: KeyHash,
    /// Seconds since the Unix epoch; at most 2^63-1.
    pub timestamp_s: u64,
    /// Ed25519 signature over [`Cosignature::signing_bytes`].
    pub signature: Signature,
}

impl Cosignature {
    /// The bytes a witness signs: `cosignature/v1`, the time, the whole checkpoint text
    /// (`tlog-cosignature`, "Ed25519 signed message").
    pub fn signing_bytes(timestamp_s: u64, checkpoint_text: &str) -> Vec<u8> {
        format!("cosignature/v1\ntime {timestamp_s}\n{checkpoint_text}").into_bytes()
    }

    /// Whether the witness with this key made the cosignature over that text.
    #[must_use]
    pub fn verify(&self, witness_key: &PublicKey, checkpoint_text: &str) -> bool {
        self.key_hash == witness_key.key_hash()
            && witness_key
                .verify(&Self::signing_bytes(self.timestamp_s, checkpoint_text), &self.signature)
    }
}

/// A signed tree head with cosignatures; no two from the same key hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CosignedTreeHead {
    /// The head that was cosigned.
    pub signed: SignedTreeHead,
    /// In the order they came; key hashes are distinct.
    cosignatures: Vec<Cosignature>,
}

impl CosignedTreeHead {
    /// Upper bound on cosignatures that are read. The specifications ask for at least 16
    /// (`signed-note`) and 32 witnesses a policy; a line is 226 bytes at most, so 256 lines stay
    /// below 64 KiB.
    pub const MAX_COSIGNATURES: usize = 256;

    /// A head without cosignatures.
    pub fn new(signed: SignedTreeHead) -> Self {
        Self { signed, cosignatures: Vec::new() }
    }

    /// The cosignatures.
    pub fn cosignatures(&self) -> &[Cosignature] {
        &self.cosignatures
    }

    /// Adds a cosignature; one with the same key hash is replaced, in place.
    pub fn insert(&mut self, cosignature: Cosignature) {
        let same = |c: &&mut Cosignature| c.key_hash == cosignature.key_hash;
        match self.cosignatures.iter_mut().find(same) {
            Some(known) => *known = cosignature,
            None => self.cosignatures.push(cosignature),
        }
    }

    /// Reads the body of a get-tree-head response, up to the first line that is not one of its.
    ///
    /// # Errors
    /// [`AsciiError`], among others for a second cosignature with the same key hash.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, AsciiError> {
        let mut head = Self::new(SignedTreeHead::read(reader)?);
        while reader.next_is("cosignature") {
            let [key_hash, time, signature] = reader.words::<3>("cosignature")?;
            let cosignature = Cosignature {
                key_hash: reader.bytes(key_hash, KeyHash::from_hex)?,
                timestamp_s: reader.number(time)?,
                signature: reader.bytes(signature, Signature::from_hex)?,
            };
            if head.cosignatures.iter().any(|c| c.key_hash == cosignature.key_hash) {
                return Err(reader.error_before(crate::ascii::Problem::DuplicateCosignature));
            }
            if head.cosignatures.len() >= Self::MAX_COSIGNATURES {
                return Err(reader.error_before(crate::ascii::Problem::TooManyLines));
            }
            head.cosignatures.push(cosignature);
        }
        Ok(head)
    }

    /// Writes what [`Self::read`] reads.
    pub fn write(&self, writer: &mut Writer) {
        self.signed.write(writer);
        for c in &self.cosignatures {
            writer.words(
                "cosignature",
                &[&c.key_hash.to_hex(), &format!("{}", c.timestamp_s), &c.signature.to_hex()],
            );
        }
    }
}
