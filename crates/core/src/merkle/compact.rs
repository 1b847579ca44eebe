//! The compact range: all that is needed of a tree to append to it and to know its root.

use super::{MerkleError, check_size, hash_children};
use crate::bytes::Hash;
use crate::tree_head::{TreeHead, TreeSize};
use alloc::vec::Vec;

/// The roots of the perfect subtrees that a tree from leaf 0 consists of, largest first: one for
/// every bit that is set in its size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CompactRange {
    size: u64,
    hashes: Vec<Hash>,
}

impl CompactRange {
    /// The tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes up a tree of `size` leaves. `hashes` are largest subtree first, as [`Self::hashes`]
    /// gives them; that is also the inclusion path of leaf `size` in the tree of `size + 1`
    /// leaves, reversed.
    ///
    /// # Errors
    /// [`MerkleError::HashCount`] unless there is one hash for every bit set in `size`,
    /// [`MerkleError::SizeTooLarge`].
    pub fn from_hashes(size: TreeSize, hashes: Vec<Hash>) -> Result<Self, MerkleError> {
        check_size(size)?;
        let expected = size.0.count_ones() as usize;
        if hashes.len() != expected {
            return Err(MerkleError::HashCount { expected, got: hashes.len() });
        }
        Ok(Self { size: size.0, hashes })
    }

    /// Number of leaves.
    pub fn size(&self) -> TreeSize {
        TreeSize(self.size)
    }

    /// Roots of the perfect subtrees, largest first.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Adds a leaf by its hash.
    pub fn append(&mut self, leaf_hash: Hash) {
        let mut hash = leaf_hash;
        // Every low bit set in the size is a subtree as large as what we carry.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.hashes.pop() {
                hash = hash_children(&left, &hash);
            }
        }
        self.hashes.push(hash);
        // Cannot saturate: from_hashes starts below 2^63, and nobody appends 2^63 leaves.
        self.size = self.size.saturating_add(1);
    }

    /// Adds leaves in order.
    pub fn append_many(&mut self, leaf_hashes: impl IntoIterator<Item = Hash>) {
        for hash in leaf_hashes {
            self.append(hash);
        }
    }

    /// The root hash; SHA-256 of nothing for the empty tree.
    pub fn root_hash(&self) -> Hash {
        fold_right(&self.hashes).unwrap_or_else(Hash::empty_tree)
    }

    /// Size and root hash.
    pub fn tree_head(&self) -> TreeHead {
        TreeHead { size: self.size(), root_hash: self.root_hash() }
    }
}

/// The root over perfect subtrees of falling size; none for no subtrees.
pub(super) fn fold_right(subtrees: &[Hash]) -> Option<Hash> {
    let (last, rest) = subtrees.split_last()?;
    Some(rest.iter().rev().fold(*last, |right, left| hash_children(left, &right)))
}
