//! Sigsum proofs: version 2 read and written, version 1 read (`doc/sigsum-proof.md` of sigsum-go).

use crate::ascii::{AsciiError, Problem, Reader, Writer};
use crate::bytes::{BytesError, Checksum, KeyHash, Signature};
use crate::leaf::Leaf;
use crate::tree_head::CosignedTreeHead;
use crate::wire::log::{InclusionProof, MAX_INCLUSION_PROOF_BODY_BYTES, MAX_TREE_HEAD_BODY_BYTES};
use alloc::string::String;

/// Hex digits of the shortened checksum in version 1.
const SHORT_CHECKSUM_DIGITS: usize = 4;

/// Largest valid proof: `version=`, `log=` and a version 1 `leaf=` line, an empty line, the largest
/// tree head, an empty line, the largest inclusion proof.
pub const MAX_SIGSUM_PROOF_BYTES: usize = (8 + 1 + 1)
    + (4 + 64 + 1)
    + (5 + SHORT_CHECKSUM_DIGITS + 1 + 64 + 1 + 128 + 1)
    + 1
    + MAX_TREE_HEAD_BODY_BYTES
    + 1
    + MAX_INCLUSION_PROOF_BODY_BYTES;

/// Why the text is no Sigsum proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// A line is not what is due there.
    #[error(transparent)]
    Line(#[from] AsciiError),
    /// Neither version 1 nor 2.
    #[error("unknown version {0}, wanted 1 or 2")]
    Version(u64),
    /// The tree head is of the empty tree, which holds no leaf.
    #[error("invalid tree: empty")]
    EmptyTree,
    /// The tree has more than one leaf, and there is no inclusion proof.
    #[error("missing inclusion proof part")]
    MissingInclusion,
    /// The tree has one leaf only, and something follows the tree head.
    #[error("line {line}: unexpected data behind the tree head of size 1")]
    UnexpectedInclusion {
        /// Line number, counted from one.
        line: usize,
    },
}

/// Version of the format that a proof was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofVersion {
    /// With four hex digits of the checksum in front of the leaf, which are not compared.
    V1,
    /// The current one.
    V2,
}

/// The leaf of a proof: all but the checksum, which the verifier computes from the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProofLeaf {
    /// SHA-256 of the submitter's key.
    pub key_hash: KeyHash,
    /// The submitter's signature.
    pub signature: Signature,
}

impl ProofLeaf {
    /// The whole leaf.
    pub fn with_checksum(&self, checksum: Checksum) -> Leaf {
        Leaf { checksum, signature: self.signature, key_hash: self.key_hash }
    }
}

impl From<&Leaf> for ProofLeaf {
    fn from(leaf: &Leaf) -> Self {
        Self { key_hash: leaf.key_hash, signature: leaf.signature }
    }
}

/// A proof that some leaf is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigsumProof {
    /// The version it was read from; [`Self::to_text`] always writes version 2.
    pub version: ProofVersion,
    /// SHA-256 of the log's key.
    pub log: KeyHash,
    /// The leaf without its checksum.
    pub leaf: ProofLeaf,
    /// The tree that holds the leaf, of at least one leaf.
    pub tree_head: CosignedTreeHead,
    /// Where the leaf is in the tree; `None` exactly where the tree has one leaf.
    pub inclusion: Option<InclusionProof>,
}

impl SigsumProof {
    /// Reads a proof of version 1 or 2.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn parse(text: &[u8]) -> Result<Self, ProofError> {
        let mut reader = Reader::new(text)?;
        let version = match reader.integer("version")? {
            1 => ProofVersion::V1,
            2 => ProofVersion::V2,
            other => return Err(ProofError::Version(other)),
        };
        let log = reader.value("log").and_then(|v| reader.bytes(v, KeyHash::from_hex))?;
        let leaf = read_leaf(&mut reader, version)?;
        reader.empty_line()?;
        let tree_head = CosignedTreeHead::read(&mut reader)?;
        let inclusion = read_inclusion(&mut reader, tree_head.signed.tree_head.size.0)?;
        Ok(Self { version, log, leaf, tree_head, inclusion })
    }

    /// Writes version 2.
    pub fn to_text(&self) -> String {
        let mut writer = Writer::new();
        writer.integer("version", 2);
        writer.text("log", &self.log.to_hex());
        writer.words("leaf", &[&self.leaf.key_hash.to_hex(), &self.leaf.signature.to_hex()]);
        writer.empty_line();
        self.tree_head.write(&mut writer);
        if let Some(inclusion) = &self.inclusion {
            writer.empty_line();
            inclusion.write(&mut writer);
        }
        writer.finish()
    }
}

fn read_leaf(reader: &mut Reader<'_>, version: ProofVersion) -> Result<ProofLeaf, AsciiError> {
    let [key_hash, signature] = match version {
        ProofVersion::V1 => {
            let [short, key_hash, signature] = reader.words::<3>("leaf")?;
            reader.bytes(short, short_checksum)?;
            [key_hash, signature]
        }
        ProofVersion::V2 => reader.words::<2>("leaf")?,
    };
    Ok(ProofLeaf {
        key_hash: reader.bytes(key_hash, KeyHash::from_hex)?,
        signature: reader.bytes(signature, Signature::from_hex)?,
    })
}

/// Checks the syntax of version 1's shortened checksum. Its value is no part of the proof: the Go
/// tools never compare it, and the leaf signature says more.
fn short_checksum(digits: &str) -> Result<(), BytesError> {
    let mut ignored = [0u8; SHORT_CHECKSUM_DIGITS / 2];
    crate::bytes::hex_into(digits.as_bytes(), &mut ignored)
}

fn read_inclusion(
    reader: &mut Reader<'_>,
    size: u64,
) -> Result<Option<InclusionProof>, ProofError> {
    match size {
        0 => Err(ProofError::EmptyTree),
        1 if reader.is_at_end() => Ok(None),
        1 => Err(ProofError::UnexpectedInclusion { line: reader.error(Problem::Trailing).line }),
        _ if reader.is_at_end() => Err(ProofError::MissingInclusion),
        _ => {
            reader.empty_line()?;
            let inclusion = InclusionProof::read(reader)?;
            reader.end()?;
            Ok(Some(inclusion))
        }
    }
}

#[cfg(test)]
#[path = "sigsum_tests.rs"]
mod tests;
