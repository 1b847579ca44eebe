//! Claims about single trees and pairs of trees, verified by a path of hashes.

use super::subtree::{Subtree, check_length, walk};
use super::{MerkleError, check_path, check_size};
use crate::bytes::Hash;
use crate::tree_head::{LeafIndex, TreeHead};

/// The claim that a leaf is at an index of a tree.
#[derive(Debug, Clone, Copy)]
pub struct InclusionClaim<'a> {
    /// Hash of the leaf.
    pub leaf_hash: Hash,
    /// Where it is said to be.
    pub leaf_index: LeafIndex,
    /// The tree it is said to be in.
    pub tree: TreeHead,
    /// Sibling hashes from the leaf upwards.
    pub path: &'a [Hash],
}

impl InclusionClaim<'_> {
    /// Verifies the proof (RFC 9162 section 2.1.3.2).
    ///
    /// # Errors
    /// [`MerkleError`]: index outside of the tree, path of the wrong length, another root.
    pub fn verify(&self) -> Result<(), MerkleError> {
        check_path(self.path)?;
        let (index, size) = (self.leaf_index, self.tree.size);
        check_size(size)?;
        if index.0 >= size.0 {
            return Err(MerkleError::IndexOutsideTree { index, size });
        }
        let leaf = Subtree::new(index.0, index.0.saturating_add(1))?;
        if walk(leaf, size, self.leaf_hash, self.path)?.tree != self.tree.root_hash {
            return Err(MerkleError::RootMismatch);
        }
        Ok(())
    }
}

/// The claim that a tree grew out of an older one by appending only.
#[derive(Debug, Clone, Copy)]
pub struct ConsistencyClaim<'a> {
    /// The older tree.
    pub old: TreeHead,
    /// The newer tree.
    pub new: TreeHead,
    /// Hashes of the proof, lowest first; none where the old tree is empty or as large as the new.
    pub path: &'a [Hash],
}

impl ConsistencyClaim<'_> {
    /// Verifies the proof (RFC 9162 section 2.1.4.2). An empty tree must have the empty tree's
    /// root hash.
    ///
    /// # Errors
    /// [`MerkleError`]: sizes the wrong way round, path of the wrong length, other roots.
    pub fn verify(&self) -> Result<(), MerkleError> {
        check_path(self.path)?;
        let (old, new) = (self.old.size, self.new.size);
        check_size(new)?;
        if old > new {
            return Err(MerkleError::OldAboveNew { old, new });
        }
        if [self.old, self.new].iter().any(|t| t.size.0 == 0 && *t != TreeHead::empty()) {
            return Err(MerkleError::EmptyTreeRoot);
        }
        if old.0 == 0 || old == new {
            check_length(0, self.path)?;
            let forked = old == new && self.old.root_hash != self.new.root_hash;
            return if forked { Err(MerkleError::SameSizeRootsDiffer) } else { Ok(()) };
        }
        let walked = walk(Subtree::new(0, old.0)?, new, self.old.root_hash, self.path)?;
        if walked.subtree != self.old.root_hash {
            return Err(MerkleError::OldRootMismatch);
        }
        if walked.tree != self.new.root_hash {
            return Err(MerkleError::RootMismatch);
        }
        Ok(())
    }
}
