//! Merkle trees of RFC 6962 section 2.1: hashes, roots, proofs, subtrees and tiles.
//!
//! # In scope
//! Everything that follows from sizes and hashes: leaf and node hashes, the compact range of a
//! growing tree, inclusion and consistency proofs made and verified, proofs for ranges of leaves
//! and for subtrees (draft-ietf-plants-merkle-tree-certs section 4), tile coordinates
//! (`tlog-tiles`). Sizes go up to 2^63-1; nothing here overflows for any input.
//!
//! # Out of scope
//! Where nodes are kept. Proofs are made out of a [`NodeReader`], or in two steps out of a
//! [`ProofPlan`] where reading is asynchronous.

mod claims;
mod compact;
mod prove;
mod range;
mod subtree;
pub mod tile;

#[cfg(test)]
mod tests;

pub use claims::{ConsistencyClaim, InclusionClaim};
pub use compact::CompactRange;
pub use prove::{
    NodeId, NodeReader, ProofPlan, ProveError, SizePair, prove_consistency, prove_inclusion,
    prove_subtree_consistency, root,
};
pub use range::RangeInclusionClaim;
pub use subtree::{Subtree, SubtreeConsistencyClaim};

use crate::bytes::Hash;
use crate::crypto::sha256_parts;
use crate::tree_head::{LeafIndex, TreeSize};

/// Hashes in the longest proof that is accepted: trees of up to 2^63-1 leaves (`log.md` section
/// 2.2.1) have 63 levels below the root. Consistency proofs of trees above 2^62 leaves may need one
/// more; `tlog-witness` caps at 63 all the same.
pub const MAX_PROOF_HASHES: usize = 63;

/// Largest tree: 2^63-1 leaves (`log.md` section 2.2.1).
pub const MAX_TREE_SIZE: u64 = crate::ascii::MAX_INTEGER;

/// The hash of a leaf: SHA-256 of 0x00 and the leaf's bytes (RFC 6962 section 2.1).
pub fn hash_leaf(leaf: &[u8]) -> Hash {
    Hash::new(sha256_parts(&[&[0], leaf]))
}

/// The hash of an inner node: SHA-256 of 0x01 and the hashes of its two children (RFC 6962
/// section 2.1).
pub fn hash_children(left: &Hash, right: &Hash) -> Hash {
    let mut input = [1u8; 65];
    input[1..33].copy_from_slice(left.as_bytes());
    input[33..].copy_from_slice(right.as_bytes());
    Hash::new(crate::crypto::sha256(&input))
}

/// Why a proof or a claim about a tree was refused. The numbers and hashes come from the peer who
/// made the claim, so it is the peer's fault; where the caller chose them, the caller's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MerkleError {
    /// The tree is larger than any can be.
    #[error("tree size {0} is above 2^63-1")]
    SizeTooLarge(TreeSize),
    /// The leaf is not in a tree of that size.
    #[error("leaf index {index} is outside of a tree of size {size}")]
    IndexOutsideTree {
        /// Index that was asked for.
        index: LeafIndex,
        /// Size of the tree.
        size: TreeSize,
    },
    /// The old tree is larger than the new one.
    #[error("old size {old} is above new size {new}")]
    OldAboveNew {
        /// Size of the old tree.
        old: TreeSize,
        /// Size of the new tree.
        new: TreeSize,
    },
    /// The interval is backwards, or not aligned to its size.
    #[error("[{start}, {end}) is not a subtree")]
    NotASubtree {
        /// First leaf.
        start: u64,
        /// The leaf behind the last.
        end: u64,
    },
    /// The subtree ends behind the tree.
    #[error("subtree end {end} is outside of a tree of size {size}")]
    SubtreeOutsideTree {
        /// The leaf behind the last of the subtree.
        end: u64,
        /// Size of the tree.
        size: TreeSize,
    },
    /// A range of no leaves.
    #[error("the range has no leaves")]
    EmptyRange,
    /// More hashes than any proof has.
    #[error("proof of {0} hashes; no proof has more than {MAX_PROOF_HASHES}")]
    TooManyHashes(usize),
    /// Another number of hashes than this proof has.
    #[error("proof of {got} hashes instead of {expected}")]
    PathLength {
        /// Hashes that the sizes and indices make necessary.
        expected: usize,
        /// Hashes that were given.
        got: usize,
    },
    /// Another number of hashes than was asked for, or than a compact range of that size has.
    #[error("{got} hashes instead of {expected}")]
    HashCount {
        /// Hashes that are due.
        expected: usize,
        /// Hashes that were given.
        got: usize,
    },
    /// The empty tree or subtree has another hash than SHA-256 of nothing.
    #[error("wrong root hash of an empty tree")]
    EmptyTreeRoot,
    /// The proof leads to another root hash than that of the tree.
    #[error("the proof does not lead to the root hash")]
    RootMismatch,
    /// The proof leads to another root hash than that of the old tree or of the subtree.
    #[error("the proof does not lead to the old root hash")]
    OldRootMismatch,
    /// Two trees of the same size have different root hashes: a fork.
    #[error("two root hashes for the same tree size")]
    SameSizeRootsDiffer,
    /// The proofs of the first and last leaf of a range disagree with each other or with the leaves
    /// between.
    #[error("the proofs of the range's ends disagree with its leaves")]
    RangeDisagrees,
}

/// Refuses sizes above [`MAX_TREE_SIZE`].
fn check_size(size: TreeSize) -> Result<(), MerkleError> {
    if size.0 > MAX_TREE_SIZE { Err(MerkleError::SizeTooLarge(size)) } else { Ok(()) }
}

/// Refuses paths above [`MAX_PROOF_HASHES`], before anything is computed.
fn check_path(path: &[Hash]) -> Result<(), MerkleError> {
    if path.len() > MAX_PROOF_HASHES {
        return Err(MerkleError::TooManyHashes(path.len()));
    }
    Ok(())
}
