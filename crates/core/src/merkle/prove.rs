//! Roots and proofs, made out of nodes that somebody else keeps.

use super::compact::fold_right;
use super::subtree::{Place, Steps, Subtree};
use super::{MerkleError, check_size};
use crate::bytes::Hash;
use crate::tree_head::{LeafIndex, TreeSize};
use alloc::vec::Vec;

/// A perfect subtree: the node over the leaves `[index << level, (index + 1) << level)`. Its hash
/// never changes as the tree grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// Height above the leaves, 0 to 63.
    pub level: u8,
    /// Position among the nodes of that level.
    pub index: u64,
}

/// Where the nodes of a tree are kept.
pub trait NodeReader {
    /// Why a node cannot be read.
    type Error;

    /// The hash of one node.
    ///
    /// # Errors
    /// Those of the implementation, also where the node is not in the tree.
    fn node(&self, id: NodeId) -> Result<Hash, Self::Error>;

    /// The hashes of several nodes, in the order of `ids`. Proofs ask once for all they need (at
    /// most 126), so that an implementation can read every tile once.
    ///
    /// # Errors
    /// As [`Self::node`].
    fn nodes(&self, ids: &[NodeId]) -> Result<Vec<Hash>, Self::Error> {
        ids.iter().map(|id| self.node(*id)).collect()
    }
}

impl<R: NodeReader + ?Sized> NodeReader for &R {
    type Error = R::Error;

    fn node(&self, id: NodeId) -> Result<Hash, Self::Error> {
        (**self).node(id)
    }

    fn nodes(&self, ids: &[NodeId]) -> Result<Vec<Hash>, Self::Error> {
        (**self).nodes(ids)
    }
}

/// Why no proof could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProveError<E> {
    /// No such proof: the sizes or indices that were asked for are wrong.
    #[error("{0}")]
    Asked(#[from] MerkleError),
    /// A node could not be read.
    #[error("reading tree nodes: {0}")]
    Read(E),
}

/// Which nodes a proof needs and how its hashes come out of them: for readers that are
/// asynchronous or want to fetch tiles first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProofPlan {
    /// Nodes to read: those of the first hash, then those of the second, and so on.
    nodes: Vec<NodeId>,
    /// How many of the nodes make up each hash of the proof.
    groups: Vec<usize>,
}

impl ProofPlan {
    /// The inclusion proof of a leaf (RFC 6962 section 2.1.1).
    ///
    /// # Errors
    /// [`MerkleError::IndexOutsideTree`], [`MerkleError::SizeTooLarge`].
    pub fn inclusion(index: LeafIndex, size: TreeSize) -> Result<Self, MerkleError> {
        check_size(size)?;
        if index.0 >= size.0 {
            return Err(MerkleError::IndexOutsideTree { index, size });
        }
        Self::subtree_consistency(Subtree::new(index.0, index.0.saturating_add(1))?, size)
    }

    /// The consistency proof between two sizes (RFC 6962 section 2.1.2); empty where they are
    /// equal or the old one is 0.
    ///
    /// # Errors
    /// [`MerkleError::OldAboveNew`], [`MerkleError::SizeTooLarge`].
    pub fn consistency(old: TreeSize, new: TreeSize) -> Result<Self, MerkleError> {
        check_size(new)?;
        if old > new {
            return Err(MerkleError::OldAboveNew { old, new });
        }
        if old.0 == 0 {
            return Ok(Self::default());
        }
        Self::subtree_consistency(Subtree::new(0, old.0)?, new)
    }

    /// The consistency proof of a subtree (draft-ietf-plants-merkle-tree-certs section 4.4.1).
    ///
    /// # Errors
    /// [`MerkleError::SubtreeOutsideTree`], [`MerkleError::SizeTooLarge`].
    pub fn subtree_consistency(subtree: Subtree, size: TreeSize) -> Result<Self, MerkleError> {
        subtree.check_within(size)?;
        let mut plan = Self::default();
        for place in Steps::new(subtree, size) {
            plan.push(place, size);
        }
        Ok(plan)
    }

    /// The root hash of a tree, as a proof of one hash; of none for the empty tree.
    ///
    /// # Errors
    /// [`MerkleError::SizeTooLarge`].
    pub fn root(size: TreeSize) -> Result<Self, MerkleError> {
        if size.0 == 0 {
            return Ok(Self::default());
        }
        Ok(Self::subtree_root(Subtree::new(0, size.0)?))
    }

    /// The root hash of a subtree, as a proof of one hash.
    pub fn subtree_root(subtree: Subtree) -> Self {
        let mut plan = Self::default();
        plan.push_span(subtree.start(), subtree.end());
        plan
    }

    /// The nodes to read.
    pub fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    /// The hashes of the proof, out of the hashes of [`Self::nodes`] in the same order.
    ///
    /// # Errors
    /// [`MerkleError::HashCount`].
    pub fn assemble(&self, hashes: &[Hash]) -> Result<Vec<Hash>, MerkleError> {
        let count = MerkleError::HashCount { expected: self.nodes.len(), got: hashes.len() };
        if hashes.len() != self.nodes.len() {
            return Err(count);
        }
        let mut rest = hashes;
        let mut proof = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let (now, later) = rest.split_at_checked(*group).ok_or(count.clone())?;
            proof.push(fold_right(now).ok_or(count.clone())?);
            rest = later;
        }
        Ok(proof)
    }

    /// Reads the nodes and makes the proof.
    ///
    /// # Errors
    /// [`ProveError::Read`]; [`ProveError::Asked`] where the reader gives another number of hashes.
    pub fn read<R: NodeReader>(&self, reader: &R) -> Result<Vec<Hash>, ProveError<R::Error>> {
        let hashes = reader.nodes(&self.nodes).map_err(ProveError::Read)?;
        Ok(self.assemble(&hashes)?)
    }

    /// Adds the node at that place, cut off where the tree ends.
    fn push(&mut self, place: Place, size: TreeSize) {
        // A node on the path to the root begins within the tree, so the start fits; its end may
        // lie behind the tree, at 2^63 at most.
        let level = u32::from(place.level);
        let start = place.index.checked_shl(level).unwrap_or(u64::MAX);
        let width = 1u64.checked_shl(level).unwrap_or(u64::MAX);
        self.push_span(start, start.saturating_add(width).min(size.0));
    }

    /// Adds one hash for the leaves `[start, end)`, where start is aligned: perfect subtrees from
    /// the largest down.
    fn push_span(&mut self, start: u64, end: u64) {
        let (mut at, mut count) = (start, 0usize);
        while let Some(level) = end.saturating_sub(at).checked_ilog2() {
            let index = at.checked_shr(level).unwrap_or(0);
            // ilog2 of a u64 is at most 63.
            self.nodes.push(NodeId { level: u8::try_from(level).unwrap_or(63), index });
            count = count.saturating_add(1);
            at = at.saturating_add(1u64.checked_shl(level).unwrap_or(u64::MAX));
        }
        self.groups.push(count);
    }
}

/// The root hash of the tree of that size.
///
/// # Errors
/// [`ProveError`].
pub fn root<R: NodeReader>(reader: &R, size: TreeSize) -> Result<Hash, ProveError<R::Error>> {
    let proof = ProofPlan::root(size)?.read(reader)?;
    Ok(proof.first().copied().unwrap_or_else(Hash::empty_tree))
}

/// The inclusion proof of a leaf in the tree of that size: siblings from the leaf upwards.
///
/// # Errors
/// [`ProveError`]; [`MerkleError::IndexOutsideTree`] where the tree has no such leaf.
pub fn prove_inclusion<R: NodeReader>(
    reader: &R,
    index: LeafIndex,
    size: TreeSize,
) -> Result<Vec<Hash>, ProveError<R::Error>> {
    ProofPlan::inclusion(index, size)?.read(reader)
}

/// Two sizes of a growing tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizePair {
    /// The smaller one, or an equal one.
    pub old: TreeSize,
    /// The larger one.
    pub new: TreeSize,
}

/// The consistency proof between two sizes of the tree.
///
/// # Errors
/// [`ProveError`]; [`MerkleError::OldAboveNew`] where they are the wrong way round.
pub fn prove_consistency<R: NodeReader>(
    reader: &R,
    sizes: SizePair,
) -> Result<Vec<Hash>, ProveError<R::Error>> {
    ProofPlan::consistency(sizes.old, sizes.new)?.read(reader)
}

/// The proof that a subtree is consistent with the tree of that size.
///
/// # Errors
/// [`ProveError`]; [`MerkleError::SubtreeOutsideTree`].
pub fn prove_subtree_consistency<R: NodeReader>(
    reader: &R,
    subtree: Subtree,
    size: TreeSize,
) -> Result<Vec<Hash>, ProveError<R::Error>> {
    ProofPlan::subtree_consistency(subtree, size)?.read(reader)
}
