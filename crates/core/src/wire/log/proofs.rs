//! The get-inclusion-proof and get-consistency-proof response bodies (`log.md` sections 3.2, 3.3).

use crate::ascii::{AsciiError, Problem, Reader, Writer};
use crate::bytes::Hash;
use crate::merkle::MAX_PROOF_HASHES;
use crate::tree_head::LeafIndex;
use crate::wire::MAX_INTEGER_DIGITS;
use alloc::{string::String, vec::Vec};

/// One `node_hash=` line with its newline.
const NODE_HASH_LINE_BYTES: usize = 10 + 64 + 1;

/// Largest valid body: the longest proof, one line a hash.
pub const MAX_CONSISTENCY_PROOF_BODY_BYTES: usize = MAX_PROOF_HASHES * NODE_HASH_LINE_BYTES;

/// Largest valid body: `leaf_index=` with the largest integer, and the longest proof.
pub const MAX_INCLUSION_PROOF_BODY_BYTES: usize =
    11 + MAX_INTEGER_DIGITS + 1 + MAX_PROOF_HASHES * NODE_HASH_LINE_BYTES;

/// Where a leaf is, and the hashes that lead from it to the root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InclusionProof {
    /// Index of the leaf.
    pub leaf_index: LeafIndex,
    /// Siblings from the leaf upwards (RFC 6962 section 2.1.1). Empty for the tree of one leaf,
    /// which is never on the wire.
    pub path: Vec<Hash>,
}

impl InclusionProof {
    /// Reads a body.
    ///
    /// # Errors
    /// [`AsciiError`], among others for no hash and for more than [`MAX_PROOF_HASHES`].
    pub fn parse(body: &[u8]) -> Result<Self, AsciiError> {
        let mut reader = Reader::new(body)?;
        let proof = Self::read(&mut reader)?;
        reader.end()?;
        Ok(proof)
    }

    /// Reads the lines of a body up to the first that is not one of its.
    ///
    /// # Errors
    /// As [`Self::parse`], but for data behind the last hash.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, AsciiError> {
        let leaf_index = LeafIndex(reader.integer("leaf_index")?);
        Ok(Self { leaf_index, path: read_hashes(reader)? })
    }

    /// Writes what [`Self::read`] reads.
    pub fn write(&self, writer: &mut Writer) {
        writer.integer("leaf_index", self.leaf_index.0);
        write_hashes(writer, &self.path);
    }

    /// The body.
    pub fn to_body(&self) -> String {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.finish()
    }
}

/// The hashes that show that one tree is the start of another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConsistencyProof {
    /// Nodes from the leaves upwards (RFC 6962 section 2.1.2). Empty where either tree is empty or
    /// both are equal, which is never on the wire.
    pub path: Vec<Hash>,
}

impl ConsistencyProof {
    /// Reads a body.
    ///
    /// # Errors
    /// [`AsciiError`], among others for no hash and for more than [`MAX_PROOF_HASHES`].
    pub fn parse(body: &[u8]) -> Result<Self, AsciiError> {
        let mut reader = Reader::new(body)?;
        let path = read_hashes(&mut reader)?;
        reader.end()?;
        Ok(Self { path })
    }

    /// The body.
    pub fn to_body(&self) -> String {
        let mut writer = Writer::new();
        write_hashes(&mut writer, &self.path);
        writer.finish()
    }
}

/// One or more `node_hash=` lines.
fn read_hashes(reader: &mut Reader<'_>) -> Result<Vec<Hash>, AsciiError> {
    let mut hashes = Vec::new();
    loop {
        let hash = reader.value("node_hash").and_then(|v| reader.bytes(v, Hash::from_hex))?;
        if hashes.len() >= MAX_PROOF_HASHES {
            return Err(reader.error_before(Problem::TooManyLines));
        }
        hashes.push(hash);
        if !reader.next_is("node_hash") {
            return Ok(hashes);
        }
    }
}

fn write_hashes(writer: &mut Writer, hashes: &[Hash]) {
    for hash in hashes {
        writer.text("node_hash", &hash.to_hex());
    }
}

#[cfg(test)]
#[path = "proofs_tests.rs"]
mod tests;
