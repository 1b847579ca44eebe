//! Inclusion of consecutive leaves, shown by the inclusion proofs of the first and the last.

use super::subtree::{Steps, Subtree, check_length};
use super::{MerkleError, check_path, check_size, hash_children};
use crate::bytes::Hash;
use crate::tree_head::{LeafIndex, TreeHead, TreeSize};
use alloc::vec::Vec;

/// The claim that some leaves are in a tree one behind the other.
#[derive(Debug, Clone, Copy)]
pub struct RangeInclusionClaim<'a> {
    /// Index of the first leaf.
    pub start: LeafIndex,
    /// Hashes of the leaves, at least one.
    pub leaf_hashes: &'a [Hash],
    /// The tree they are said to be in.
    pub tree: TreeHead,
    /// Inclusion path of the first leaf.
    pub first_path: &'a [Hash],
    /// Inclusion path of the last leaf; the same path where there is one leaf.
    pub last_path: &'a [Hash],
}

impl RangeInclusionClaim<'_> {
    /// Computes the tree's root from the leaves and what is left and right of them. Hashes of the
    /// two paths that the leaves determine must agree with them, so that there is one proof only.
    ///
    /// # Errors
    /// [`MerkleError`]: no leaves, leaves outside of the tree, paths of the wrong length,
    /// paths that disagree, another root.
    pub fn verify(&self) -> Result<(), MerkleError> {
        check_path(self.first_path)?;
        check_path(self.last_path)?;
        check_size(self.tree.size)?;
        let (first, last) = self.ends()?;
        check_length(path_length(first, self.tree.size)?, self.first_path)?;
        check_length(path_length(last, self.tree.size)?, self.last_path)?;
        if self.fold(first, last)? == Some(self.tree.root_hash) {
            return Ok(());
        }
        Err(MerkleError::RootMismatch)
    }

    /// Indices of the first and last leaf.
    fn ends(&self) -> Result<(u64, u64), MerkleError> {
        let more = self.leaf_hashes.len().checked_sub(1).ok_or(MerkleError::EmptyRange)?;
        let outside = MerkleError::IndexOutsideTree { index: self.start, size: self.tree.size };
        let last = u64::try_from(more).ok().and_then(|more| self.start.0.checked_add(more));
        match last {
            Some(last) if last < self.tree.size.0 => Ok((self.start.0, last)),
            Some(last) => {
                Err(MerkleError::IndexOutsideTree { index: LeafIndex(last), size: self.tree.size })
            }
            None => Err(outside),
        }
    }

    /// Goes up level by level with all nodes above the leaves.
    fn fold(&self, mut first: u64, mut last: u64) -> Result<Option<Hash>, MerkleError> {
        let (mut first_path, mut last_path) = (self.first_path.iter(), self.last_path.iter());
        let mut tree_last = self.tree.size.0.saturating_sub(1);
        let mut nodes: Vec<Hash> = self.leaf_hashes.to_vec();
        while tree_last > 0 {
            if first & 1 == 1 {
                nodes.insert(0, *first_path.next().ok_or(MerkleError::RangeDisagrees)?);
            }
            if last & 1 == 0 && last < tree_last {
                nodes.push(*last_path.next().ok_or(MerkleError::RangeDisagrees)?);
            }
            // The other sibling of each end is known by now.
            if first & 1 == 0 && first < tree_last {
                agree(first_path.next(), nodes.get(1))?;
            }
            if last & 1 == 1 {
                agree(last_path.next(), nodes.get(nodes.len().saturating_sub(2)))?;
            }
            nodes = nodes.chunks(2).filter_map(pair).collect();
            (first, last, tree_last) = (first >> 1, last >> 1, tree_last >> 1);
        }
        Ok(nodes.first().copied())
    }
}

/// Two nodes become their parent; a last one alone moves up as it is.
fn pair(nodes: &[Hash]) -> Option<Hash> {
    match nodes {
        [left, right] => Some(hash_children(left, right)),
        [alone] => Some(*alone),
        _ => None,
    }
}

fn agree(path: Option<&Hash>, node: Option<&Hash>) -> Result<(), MerkleError> {
    if path.is_some() && path == node { Ok(()) } else { Err(MerkleError::RangeDisagrees) }
}

/// Hashes in the inclusion path of a leaf that is in the tree.
fn path_length(index: u64, size: TreeSize) -> Result<usize, MerkleError> {
    let leaf = Subtree::new(index, index.saturating_add(1))?;
    Ok(Steps::new(leaf, size).count())
}
