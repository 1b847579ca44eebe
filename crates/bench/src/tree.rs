//! A tree with all its nodes in memory: for logs that this process plays, and for checks.

use crate::failure::Failure;
use sigsum_core::merkle::{NodeId, NodeReader, SizePair, hash_children, prove_consistency, root};
use sigsum_core::{Hash, TreeHead, TreeSize};

/// Hashes by level, leaves first; of perfect subtrees only.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryTree {
    levels: Vec<Vec<Hash>>,
}

/// A node that the tree does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tree has no node {0:?}")]
pub(crate) struct NoNode(NodeId);

impl NodeReader for MemoryTree {
    type Error = NoNode;

    fn node(&self, id: NodeId) -> Result<Hash, NoNode> {
        let level = self.levels.get(usize::from(id.level));
        let index = usize::try_from(id.index).unwrap_or(usize::MAX);
        level.and_then(|level| level.get(index)).copied().ok_or(NoNode(id))
    }
}

impl MemoryTree {
    /// Number of leaves.
    pub(crate) fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Adds a leaf by its hash.
    pub(crate) fn append(&mut self, leaf_hash: Hash) {
        let mut hash = leaf_hash;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let Some(nodes) = self.levels.get_mut(level) else { return };
            nodes.push(hash);
            match nodes.as_slice() {
                [.., left, right] if nodes.len().is_multiple_of(2) => {
                    hash = hash_children(left, right);
                }
                _ => return,
            }
        }
    }

    /// Cuts the tree back to that many leaves.
    pub(crate) fn truncate(&mut self, size: u64) {
        let mut size = usize::try_from(size).unwrap_or(usize::MAX);
        for level in &mut self.levels {
            level.truncate(size);
            size /= 2;
        }
    }

    /// The head at any size up to its own.
    pub(crate) fn head(&self, size: u64) -> Result<TreeHead, Failure> {
        let size = TreeSize(size);
        let root_hash = root(self, size).map_err(Failure::preparing("a root hash"))?;
        Ok(TreeHead { size, root_hash })
    }

    /// The consistency proof between two sizes.
    pub(crate) fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, Failure> {
        let sizes = SizePair { old: TreeSize(old), new: TreeSize(new) };
        prove_consistency(self, sizes).map_err(Failure::preparing("a consistency proof"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use sigsum_core::merkle::{CompactRange, ConsistencyClaim};

    #[test]
    fn heads_and_proofs_are_those_of_the_leaves() {
        let (mut tree, mut range) = (MemoryTree::default(), CompactRange::new());
        let mut random = Random::new(1);
        let mut heads = vec![range.tree_head()];
        for _ in 0..70 {
            let leaf = Hash::new(random.bytes());
            tree.append(leaf);
            range.append(leaf);
            heads.push(range.tree_head());
        }
        assert_eq!(tree.size(), 70);
        for (size, head) in heads.iter().enumerate() {
            assert_eq!(tree.head(size as u64).unwrap(), *head);
            let path = tree.consistency(size as u64, 70).unwrap();
            ConsistencyClaim { old: *head, new: heads[70], path: &path }.verify().unwrap();
        }
        assert!(tree.head(71).is_err());
    }

    #[test]
    fn a_tree_that_was_cut_back_grows_again() {
        let mut tree = MemoryTree::default();
        (0..13).for_each(|n| tree.append(Hash::new([n; 32])));
        let head = tree.head(13).unwrap();
        for size in [8, 5, 0] {
            tree.truncate(size);
            assert_eq!(tree.size(), size);
            (size..13).for_each(|n| tree.append(Hash::new([n as u8; 32])));
            assert_eq!(tree.head(13).unwrap(), head);
        }
    }
}
