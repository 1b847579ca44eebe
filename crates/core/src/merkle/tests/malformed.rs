//! One named case for every way in which a claim or a question can be wrong.

use super::naive::NaiveTree;
use super::{altered, other_root, other_size};
use crate::bytes::Hash;
use crate::merkle::{
    CompactRange, ConsistencyClaim, InclusionClaim, MerkleError, NodeId, NodeReader, ProofPlan,
    ProveError, SizePair, prove_consistency, prove_inclusion, root,
};
use crate::tree_head::{LeafIndex, TreeHead, TreeSize};
use std::vec::Vec;

const SIZE: u64 = 11;
const TOO_LARGE: u64 = 1 << 63;

fn tree() -> NaiveTree {
    NaiveTree::counting(SIZE)
}

/// What the verifier says to the proof of leaf 4 of 11 after a change.
fn inclusion(change: impl FnOnce(&mut InclusionClaim<'_>)) -> Result<(), MerkleError> {
    let (tree, index) = (tree(), 4);
    let path = tree.path(index, 0, SIZE);
    let mut claim = InclusionClaim {
        leaf_hash: tree.leaf(index),
        leaf_index: LeafIndex(index),
        tree: tree.head(SIZE),
        path: &path,
    };
    change(&mut claim);
    claim.verify()
}

/// What the verifier says to the proof from 6 to 11 leaves after a change.
fn consistency(change: impl FnOnce(&mut ConsistencyClaim<'_>)) -> Result<(), MerkleError> {
    let tree = tree();
    let path = tree.proof(6, SIZE);
    let mut claim = ConsistencyClaim { old: tree.head(6), new: tree.head(SIZE), path: &path };
    change(&mut claim);
    claim.verify()
}

fn outside(index: u64, size: u64) -> Result<(), MerkleError> {
    Err(MerkleError::IndexOutsideTree { index: LeafIndex(index), size: TreeSize(size) })
}

fn length(expected: usize, got: usize) -> Result<(), MerkleError> {
    Err(MerkleError::PathLength { expected, got })
}

#[test]
fn the_unchanged_claims_hold() {
    assert_eq!(inclusion(|_| ()), Ok(()));
    assert_eq!(consistency(|_| ()), Ok(()));
}

#[test]
fn inclusion_path_of_64_hashes() {
    let path = [Hash::empty_tree(); 64];
    let refused = InclusionClaim {
        leaf_hash: Hash::empty_tree(),
        leaf_index: LeafIndex(0),
        tree: TreeHead { size: TreeSize(TOO_LARGE - 1), root_hash: Hash::empty_tree() },
        path: &path,
    };
    assert_eq!(refused.verify(), Err(MerkleError::TooManyHashes(64)));
}

#[test]
fn inclusion_path_too_short() {
    assert_eq!(inclusion(|c| c.path = &c.path[..3]), length(4, 3));
}

#[test]
fn inclusion_path_empty() {
    assert_eq!(inclusion(|c| c.path = &[]), length(4, 0));
}

#[test]
fn inclusion_path_too_long() {
    let tree = tree();
    let mut path = tree.path(4, 0, SIZE);
    path.push(tree.mth(0, SIZE));
    let claim = InclusionClaim {
        leaf_hash: tree.leaf(4),
        leaf_index: LeafIndex(4),
        tree: tree.head(SIZE),
        path: &path,
    };
    assert_eq!(claim.verify(), length(4, 5));
}

#[test]
fn inclusion_at_the_wrong_index() {
    assert_eq!(inclusion(|c| c.leaf_index = LeafIndex(5)), Err(MerkleError::RootMismatch));
}

#[test]
fn inclusion_at_an_index_with_another_path_length() {
    assert_eq!(inclusion(|c| c.leaf_index = LeafIndex(9)), length(3, 4));
}

#[test]
fn inclusion_at_the_size() {
    assert_eq!(inclusion(|c| c.leaf_index = LeafIndex(SIZE)), outside(SIZE, SIZE));
}

#[test]
fn inclusion_at_the_largest_number() {
    assert_eq!(inclusion(|c| c.leaf_index = LeafIndex(u64::MAX)), outside(u64::MAX, SIZE));
}

#[test]
fn inclusion_in_a_tree_of_size_0() {
    let changed = |c: &mut InclusionClaim<'_>| {
        c.tree = TreeHead::empty();
        c.leaf_index = LeafIndex(0);
        c.path = &[];
    };
    assert_eq!(inclusion(changed), outside(0, 0));
}

#[test]
fn inclusion_in_a_tree_of_size_1_with_a_path() {
    let changed = |c: &mut InclusionClaim<'_>| {
        c.tree = TreeHead { size: TreeSize(1), root_hash: c.leaf_hash };
        c.leaf_index = LeafIndex(0);
        c.path = &c.path[..1];
    };
    assert_eq!(inclusion(changed), length(0, 1));
}

#[test]
fn inclusion_in_a_tree_of_size_1_needs_no_path() {
    let changed = |c: &mut InclusionClaim<'_>| {
        c.tree = TreeHead { size: TreeSize(1), root_hash: c.leaf_hash };
        c.leaf_index = LeafIndex(0);
        c.path = &[];
    };
    assert_eq!(inclusion(changed), Ok(()));
}

#[test]
fn inclusion_in_a_tree_of_2_to_the_63() {
    let refused = Err(MerkleError::SizeTooLarge(TreeSize(TOO_LARGE)));
    assert_eq!(inclusion(|c| c.tree.size = TreeSize(TOO_LARGE)), refused);
}

#[test]
fn inclusion_in_a_tree_of_the_largest_number() {
    let refused = Err(MerkleError::SizeTooLarge(TreeSize(u64::MAX)));
    assert_eq!(inclusion(|c| c.tree.size = TreeSize(u64::MAX)), refused);
}

#[test]
fn inclusion_of_another_leaf() {
    let refused = Err(MerkleError::RootMismatch);
    assert_eq!(inclusion(|c| c.leaf_hash = altered(c.leaf_hash, 0)), refused);
}

#[test]
fn inclusion_under_another_root() {
    assert_eq!(inclusion(|c| c.tree = other_root(c.tree)), Err(MerkleError::RootMismatch));
}

#[test]
fn inclusion_of_an_inner_node_as_a_leaf() {
    // Height is fixed by index and size, so the path must be shorter than any leaf's.
    let tree = tree();
    let path = tree.path(4, 0, SIZE);
    let claim = InclusionClaim {
        leaf_hash: tree.mth(4, 6),
        leaf_index: LeafIndex(4),
        tree: tree.head(SIZE),
        path: &path[1..],
    };
    assert_eq!(claim.verify(), length(4, 3));
}

#[test]
fn consistency_path_of_64_hashes() {
    let path = [Hash::empty_tree(); 64];
    let tree = tree();
    let claim = ConsistencyClaim { old: tree.head(6), new: tree.head(SIZE), path: &path };
    assert_eq!(claim.verify(), Err(MerkleError::TooManyHashes(64)));
}

#[test]
fn consistency_path_too_short() {
    assert_eq!(consistency(|c| c.path = &c.path[1..]), length(4, 3));
}

#[test]
fn consistency_path_empty() {
    assert_eq!(consistency(|c| c.path = &[]), length(4, 0));
}

#[test]
fn consistency_path_too_long() {
    let tree = tree();
    let mut path = tree.proof(6, SIZE);
    path.push(tree.mth(0, SIZE));
    let claim = ConsistencyClaim { old: tree.head(6), new: tree.head(SIZE), path: &path };
    assert_eq!(claim.verify(), length(4, 5));
}

#[test]
fn consistency_with_the_old_size_above_the_new() {
    let refused = consistency(|c| core::mem::swap(&mut c.old, &mut c.new));
    let (old, new) = (TreeSize(SIZE), TreeSize(6));
    assert_eq!(refused, Err(MerkleError::OldAboveNew { old, new }));
}

#[test]
fn consistency_with_another_old_root() {
    let refused = Err(MerkleError::OldRootMismatch);
    assert_eq!(consistency(|c| c.old = other_root(c.old)), refused);
}

#[test]
fn consistency_with_another_old_root_where_the_old_tree_is_a_node() {
    let tree = tree();
    let path = tree.proof(8, SIZE);
    let old = other_root(tree.head(8));
    let refused = ConsistencyClaim { old, new: tree.head(SIZE), path: &path }.verify();
    assert_eq!(refused, Err(MerkleError::RootMismatch));
}

#[test]
fn consistency_with_another_new_root() {
    assert_eq!(consistency(|c| c.new = other_root(c.new)), Err(MerkleError::RootMismatch));
}

#[test]
fn consistency_with_another_old_size() {
    let refused = consistency(|c| c.old = other_size(c.old, 5));
    assert!(refused.is_err());
}

#[test]
fn consistency_from_an_empty_tree_needs_no_path() {
    let empty = |c: &mut ConsistencyClaim<'_>| {
        c.old = TreeHead::empty();
        c.path = &[];
    };
    assert_eq!(consistency(empty), Ok(()));
}

#[test]
fn consistency_from_an_empty_tree_with_a_path() {
    assert_eq!(consistency(|c| c.old = TreeHead::empty()), length(0, 4));
}

#[test]
fn consistency_from_an_empty_tree_with_another_root() {
    let changed = |c: &mut ConsistencyClaim<'_>| {
        c.old = other_size(c.old, 0);
        c.path = &[];
    };
    assert_eq!(consistency(changed), Err(MerkleError::EmptyTreeRoot));
}

#[test]
fn consistency_of_two_empty_trees_with_other_roots() {
    let head = other_root(TreeHead::empty());
    let claim = ConsistencyClaim { old: head, new: head, path: &[] };
    assert_eq!(claim.verify(), Err(MerkleError::EmptyTreeRoot));
}

#[test]
fn consistency_of_equal_sizes_with_a_path() {
    assert_eq!(consistency(|c| c.new = c.old), length(0, 4));
}

#[test]
fn consistency_of_equal_sizes_with_other_roots() {
    let changed = |c: &mut ConsistencyClaim<'_>| {
        c.new = other_root(c.old);
        c.path = &[];
    };
    assert_eq!(consistency(changed), Err(MerkleError::SameSizeRootsDiffer));
}

#[test]
fn consistency_with_a_tree_of_2_to_the_63() {
    let refused = Err(MerkleError::SizeTooLarge(TreeSize(TOO_LARGE)));
    assert_eq!(consistency(|c| c.new.size = TreeSize(TOO_LARGE)), refused);
}

#[test]
fn consistency_of_two_trees_of_the_largest_number() {
    let changed = |c: &mut ConsistencyClaim<'_>| {
        c.old.size = TreeSize(u64::MAX);
        c.new.size = TreeSize(u64::MAX);
        c.path = &[];
    };
    assert_eq!(consistency(changed), Err(MerkleError::SizeTooLarge(TreeSize(u64::MAX))));
}

#[test]
fn compact_range_with_a_hash_missing() {
    let refused = CompactRange::from_hashes(TreeSize(3), [Hash::empty_tree()].to_vec());
    assert_eq!(refused, Err(MerkleError::HashCount { expected: 2, got: 1 }));
}

#[test]
fn compact_range_with_a_hash_too_many() {
    let refused = CompactRange::from_hashes(TreeSize(0), [Hash::empty_tree()].to_vec());
    assert_eq!(refused, Err(MerkleError::HashCount { expected: 0, got: 1 }));
}

#[test]
fn compact_range_of_2_to_the_63() {
    let refused = CompactRange::from_hashes(TreeSize(TOO_LARGE), [Hash::empty_tree()].to_vec());
    assert_eq!(refused, Err(MerkleError::SizeTooLarge(TreeSize(TOO_LARGE))));
}

#[test]
fn asking_for_the_inclusion_of_a_leaf_behind_the_tree() {
    let refused = prove_inclusion(&tree(), LeafIndex(SIZE), TreeSize(SIZE));
    let (index, size) = (LeafIndex(SIZE), TreeSize(SIZE));
    assert_eq!(refused, Err(ProveError::Asked(MerkleError::IndexOutsideTree { index, size })));
}

#[test]
fn asking_for_consistency_with_the_old_size_above_the_new() {
    let (old, new) = (TreeSize(7), TreeSize(6));
    let refused = prove_consistency(&tree(), SizePair { old, new });
    assert_eq!(refused, Err(ProveError::Asked(MerkleError::OldAboveNew { old, new })));
}

#[test]
fn asking_for_anything_of_2_to_the_63() {
    let size = TreeSize(TOO_LARGE);
    let refused = Err(MerkleError::SizeTooLarge(size));
    assert_eq!(ProofPlan::root(size), refused);
    assert_eq!(ProofPlan::inclusion(LeafIndex(0), size), refused);
    assert_eq!(ProofPlan::consistency(TreeSize(1), size), refused);
}

struct Broken;

impl NodeReader for Broken {
    type Error = &'static str;

    fn node(&self, _: NodeId) -> Result<Hash, &'static str> {
        Err("disk on fire")
    }
}

#[test]
fn a_reader_that_fails_is_reported() {
    assert_eq!(root(&Broken, TreeSize(SIZE)), Err(ProveError::Read("disk on fire")));
}

struct Forgetful;

impl NodeReader for Forgetful {
    type Error = &'static str;

    fn node(&self, _: NodeId) -> Result<Hash, &'static str> {
        Ok(Hash::empty_tree())
    }

    fn nodes(&self, _: &[NodeId]) -> Result<Vec<Hash>, &'static str> {
        Ok([Hash::empty_tree()].to_vec())
    }
}

#[test]
fn a_reader_that_gives_too_few_hashes_is_reported() {
    let refused = Err(ProveError::Asked(MerkleError::HashCount { expected: 3, got: 1 }));
    assert_eq!(root(&Forgetful, TreeSize(SIZE)), refused);
}
