//! Fuzzing of the Merkle claims and proofs, by numbers and hashes out of the input.

use crate::bytes::Hash;
use crate::merkle::{
    ConsistencyClaim, InclusionClaim, MAX_PROOF_HASHES, MerkleError, NodeId, NodeReader,
    RangeInclusionClaim, SizePair, Subtree, SubtreeConsistencyClaim, hash_children,
    prove_consistency, prove_inclusion, prove_subtree_consistency, root,
};
use crate::tree_head::{LeafIndex, TreeHead, TreeSize};
use alloc::vec::Vec;

/// A tree of any size whose leaves are all alike: the hash of a node, by level.
struct Uniform {
    levels: Vec<Hash>,
}

impl Uniform {
    fn new() -> Self {
        let above = |hash: &Hash| Some(hash_children(hash, hash));
        Self { levels: core::iter::successors(Some(Hash::empty_tree()), above).take(64).collect() }
    }

    fn head(&self, size: TreeSize) -> Option<TreeHead> {
        root(self, size).ok().map(|root_hash| TreeHead { size, root_hash })
    }
}

impl NodeReader for Uniform {
    type Error = NodeId;

    fn node(&self, id: NodeId) -> Result<Hash, NodeId> {
        self.levels.get(usize::from(id.level)).copied().ok_or(id)
    }
}

/// Two sizes, an index and hashes: claims about them must not panic, and what is proven must
/// verify.
pub fn merkle_proofs(data: &[u8]) {
    let Some((a, data)) = number(data) else { return };
    let Some((b, data)) = number(data) else { return };
    let Some((c, data)) = number(data) else { return };
    let (chunks, _) = data.as_chunks::<{ Hash::LEN }>();
    let hashes: Vec<Hash> = chunks.iter().copied().map(Hash::new).collect();
    any_claims([a, b, c], &hashes);
    own_proofs(TreeSize(a), TreeSize(b), LeafIndex(c));
}

fn number(data: &[u8]) -> Option<(u64, &[u8])> {
    let (bytes, rest) = data.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*bytes), rest))
}

/// Nothing is known of the answers but that hashes out of the blue prove nothing; trees of at most
/// one leaf need no proof.
fn any_claims([a, b, c]: [u64; 3], hashes: &[Hash]) {
    let hash = hashes.first().copied().unwrap_or_else(Hash::empty_tree);
    let head = |size| TreeHead { size: TreeSize(size), root_hash: hash };
    let claim = ConsistencyClaim { old: head(a), new: head(b), path: hashes };
    let _ = claim.verify();
    let tree = head(a);
    let (leaf_index, leaf_hash) = (LeafIndex(b), hash);
    let _ = InclusionClaim { leaf_hash, leaf_index, tree, path: hashes }.verify();
    for cut in [0, 1, 2] {
        let (leaf_hashes, paths) = hashes.split_at_checked(cut).unwrap_or((hashes, &[]));
        let (first_path, last_path) =
            paths.split_at_checked(usize::try_from(c % 64).unwrap_or(0)).unwrap_or((paths, paths));
        let start = LeafIndex(b);
        let claim = RangeInclusionClaim { start, leaf_hashes, tree, first_path, last_path };
        let _ = claim.verify();
    }
    if let Ok(subtree) = Subtree::new(b, c) {
        let claim = SubtreeConsistencyClaim { subtree, subtree_hash: hash, tree, path: hashes };
        let _ = claim.verify();
    }
}

fn own_proofs(size: TreeSize, other: TreeSize, index: LeafIndex) {
    let uniform = Uniform::new();
    let Some(tree) = uniform.head(size) else { return };
    if let Ok(path) = prove_inclusion(&uniform, index, size) {
        let leaf_hash = Hash::empty_tree();
        let claim = InclusionClaim { leaf_hash, leaf_index: index, tree, path: &path };
        assert_eq!(claim.verify(), Ok(()));
    }
    let Some(old) = uniform.head(other) else { return };
    if let Ok(path) = prove_consistency(&uniform, SizePair { old: other, new: size }) {
        verifies(ConsistencyClaim { old, new: tree, path: &path }.verify(), path.len());
    }
    let Ok(subtree) = Subtree::new(index.0, other.0) else { return };
    if let Ok(path) = prove_subtree_consistency(&uniform, subtree, size) {
        let length = TreeSize(other.0.saturating_sub(index.0));
        let Some(TreeHead { root_hash: subtree_hash, .. }) = uniform.head(length) else { return };
        let claim = SubtreeConsistencyClaim { subtree, subtree_hash, tree, path: &path };
        verifies(claim.verify(), path.len());
    }
}

/// Proofs of trees above 2^62 leaves may be one hash too long to be accepted.
fn verifies(verdict: Result<(), MerkleError>, hashes: usize) {
    if hashes > MAX_PROOF_HASHES {
        assert_eq!(verdict, Err(MerkleError::TooManyHashes(hashes)));
    } else {
        assert_eq!(verdict, Ok(()));
    }
}
