//! The tail of a tree: the leaves that were added since a batch began. Their inclusion proofs can be
//! computed from the leaves themselves and one proof of the log, instead of being asked for one by
//! one: three requests for a batch of five hundred leaves, not five hundred.
//!
//! Nothing here is trusted: whoever uses a computed proof verifies it against the tree head, as it
//! would verify the log's.

use sigsum_core::merkle::{MAX_PROOF_HASHES, NodeId, NodeReader, hash_children, prove_inclusion};
use sigsum_core::wire::log::InclusionProof;
use sigsum_core::{Hash, LeafIndex, TreeSize};
use std::cell::RefCell;
use std::collections::HashMap;

/// A node that cannot be computed from the tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unknown;

/// The leaves of a tree from one index to its end, and what of the tree before them their proofs
/// need.
#[derive(Debug)]
pub(super) struct Tail {
    size: TreeSize,
    start: LeafIndex,
    hashes: Vec<Hash>,
    indices: HashMap<Hash, LeafIndex>,
    nodes: RefCell<HashMap<NodeId, Hash>>,
}

impl Tail {
    /// Takes the hashes of the leaves from `start` to the end of a tree, and the log's inclusion
    /// path of the first of them (empty where the tail is the whole tree). `None` where these do
    /// not fit each other.
    pub(super) fn new(
        size: TreeSize,
        start: LeafIndex,
        hashes: Vec<Hash>,
        first_path: &[Hash],
    ) -> Option<Self> {
        let end = start.0.checked_add(u64::try_from(hashes.len()).ok()?)?;
        if end != size.0 || hashes.is_empty() || first_path.len() > MAX_PROOF_HASHES {
            return None;
        }
        let nodes = match start.0 {
            0 => HashMap::new(),
            _ => left_nodes(start, size, first_path)?,
        };
        let indices = hashes.iter().copied().zip((start.0..end).map(LeafIndex)).collect();
        Some(Self { size, start, hashes, indices, nodes: RefCell::new(nodes) })
    }

    /// The size of the tree.
    pub(super) fn size(&self) -> TreeSize {
        self.size
    }

    /// The inclusion proof of a leaf of the tail; `None` for any other.
    pub(super) fn proof(&self, leaf_hash: &Hash) -> Option<InclusionProof> {
        let leaf_index = *self.indices.get(leaf_hash)?;
        let path = prove_inclusion(self, leaf_index, self.size).ok()?;
        Some(InclusionProof { leaf_index, path })
    }

    fn compute(&self, id: NodeId) -> Option<Hash> {
        if let Some(known) = self.nodes.borrow().get(&id) {
            return Some(*known);
        }
        let Some(below) = id.level.checked_sub(1) else {
            let at = id.index.checked_sub(self.start.0)?;
            return self.hashes.get(usize::try_from(at).ok()?).copied();
        };
        // What lies before the tail as a whole is known or never will be.
        let end = id.index.checked_add(1)?.checked_shl(id.level.into())?;
        if end <= self.start.0 {
            return None;
        }
        let left = id.index.checked_mul(2)?;
        let left_hash = self.compute(NodeId { level: below, index: left })?;
        let right_hash = self.compute(NodeId { level: below, index: left.checked_add(1)? })?;
        let hash = hash_children(&left_hash, &right_hash);
        self.nodes.borrow_mut().insert(id, hash);
        Some(hash)
    }
}

impl NodeReader for Tail {
    type Error = Unknown;

    fn node(&self, id: NodeId) -> Result<Hash, Unknown> {
        self.compute(id).ok_or(Unknown)
    }
}

/// The perfect subtrees that make up the tree before a leaf: the left siblings in its inclusion
/// path, from the leaf up (RFC 6962 section 2.1.1).
fn left_nodes(leaf: LeafIndex, size: TreeSize, path: &[Hash]) -> Option<HashMap<NodeId, Hash>> {
    let mut nodes = HashMap::new();
    let (mut index, mut last) = (leaf.0, size.0.checked_sub(1)?);
    let mut level: u8 = 0;
    for hash in path {
        if last == 0 {
            return None;
        }
        if index % 2 == 1 || index == last {
            // Where the right edge is incomplete, levels without a sibling are passed over.
            while index.is_multiple_of(2) {
                if index == 0 {
                    return None;
                }
                (index, last, level) = (index >> 1, last >> 1, level.checked_add(1)?);
            }
            nodes.insert(NodeId { level, index: index.checked_sub(1)? }, *hash);
        }
        (index, last, level) = (index >> 1, last >> 1, level.checked_add(1)?);
    }
    Some(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigsum_core::TreeHead;
    use sigsum_core::merkle::{CompactRange, InclusionClaim};

    fn leaf_hash(n: u64) -> Hash {
        sigsum_core::merkle::hash_leaf(&n.to_be_bytes())
    }

    /// A whole tree, for the log's side.
    fn whole(size: u64) -> Tail {
        let hashes = (0..size).map(leaf_hash).collect();
        Tail::new(TreeSize(size), LeafIndex(0), hashes, &[]).unwrap()
    }

    fn tree_head(size: u64) -> TreeHead {
        let mut range = CompactRange::new();
        range.append_many((0..size).map(leaf_hash));
        range.tree_head()
    }

    fn tail(size: u64, start: u64) -> Tail {
        let first = whole(size).proof(&leaf_hash(start)).unwrap();
        let hashes = (start..size).map(leaf_hash).collect();
        Tail::new(TreeSize(size), LeafIndex(start), hashes, &first.path).unwrap()
    }

    #[test]
    fn every_leaf_of_every_tail_of_every_small_tree_is_proven() {
        for size in 2..70 {
            let tree = tree_head(size);
            for start in 0..size {
                let tail = tail(size, start);
                for n in start..size {
                    let proof = tail.proof(&leaf_hash(n)).unwrap();
                    let (leaf_hash, leaf_index) = (leaf_hash(n), proof.leaf_index);
                    let claim = InclusionClaim { leaf_hash, leaf_index, tree, path: &proof.path };
                    assert_eq!(claim.verify(), Ok(()), "{n} of {size}, tail from {start}");
                }
            }
        }
    }

    #[test]
    fn a_leaf_before_the_tail_is_not_proven() {
        let tail = tail(20, 7);
        assert_eq!(tail.proof(&leaf_hash(6)), None);
    }

    #[test]
    fn too_few_or_too_many_leaves_are_refused() {
        let path = whole(20).proof(&leaf_hash(7)).unwrap().path;
        for hashes in [vec![], vec![leaf_hash(7); 12], vec![leaf_hash(7); 14]] {
            assert!(Tail::new(TreeSize(20), LeafIndex(7), hashes, &path).is_none());
        }
    }

    #[test]
    fn a_path_of_another_length_is_refused_or_proves_nothing() {
        let path = whole(20).proof(&leaf_hash(7)).unwrap().path;
        let hashes: Vec<Hash> = (7..20).map(leaf_hash).collect();
        for wrong in [vec![], path[1..].to_vec(), vec![path[0]; 64]] {
            let tail = Tail::new(TreeSize(20), LeafIndex(7), hashes.clone(), &wrong);
            let proof = tail.and_then(|tail| tail.proof(&leaf_hash(7)));
            let claim = proof.as_ref().map(|proof| InclusionClaim {
                leaf_hash: leaf_hash(7),
                leaf_index: proof.leaf_index,
                tree: tree_head(20),
                path: &proof.path,
            });
            assert!(claim.is_none_or(|claim| claim.verify().is_err()));
        }
    }
}
