//! Random trees of up to 2^40 and 2^63-1 leaves.

use super::naive::NaiveTree;
use super::{altered, check_consistency, check_inclusion};
use crate::merkle::{
    CompactRange, MAX_PROOF_HASHES, MAX_TREE_SIZE, MerkleError, NodeReader as _, ProofPlan,
    SizePair, prove_consistency, prove_inclusion, root,
};
use crate::tree_head::{LeafIndex, TreeSize};
use proptest::prelude::*;
use std::vec::Vec;

/// A size up to 2^`bits`, as likely small as large, with two smaller numbers.
fn sizes(bits: u32) -> impl Strategy<Value = (u64, u64, u64)> {
    (0..=bits, any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(bits, a, b, c)| {
        let size = (a & ((1 << bits) - 1)) + 1;
        (size, b % size, c % size)
    })
}

fn verifies((size, a, b): (u64, u64, u64), special: &[u64]) -> Result<(), TestCaseError> {
    let mut places: Vec<u64> = special.iter().map(|s| s % size).collect();
    places.extend([a, b, size - 1]);
    let tree = NaiveTree::sparse(&places);
    prop_assert_eq!(root(&tree, TreeSize(size)).unwrap(), tree.mth(0, size));

    let path = prove_inclusion(&tree, LeafIndex(a), TreeSize(size)).unwrap();
    prop_assert_eq!(&path, &tree.path(a, 0, size));
    prop_assert_eq!(check_inclusion(&tree, a, size, &path), Ok(()));
    let refused = check_inclusion(&tree, a ^ 1, size, &path).is_err();
    prop_assert!(refused || tree.leaf(a ^ 1) == tree.leaf(a));

    let old = b + 1;
    let plan = ProofPlan::consistency(TreeSize(old), TreeSize(size)).unwrap();
    prop_assert!(plan.nodes().len() <= 126);
    let path = plan.read(&tree).unwrap();
    prop_assert_eq!(&path, &tree.proof(old, size));
    prop_assert_eq!(check_consistency(&tree, old, size, &path), Ok(()));
    if let Some(last) = path.len().checked_sub(1) {
        let mut wrong = path;
        let at = (a % 64) as usize % (last + 1);
        wrong[at] = altered(wrong[at], at);
        prop_assert!(check_consistency(&tree, old, size, &wrong).is_err());
    }
    Ok(())
}

proptest! {
    #[test]
    fn proofs_of_trees_up_to_2_to_the_40_agree_with_the_definition(
        sizes in sizes(40),
        special in prop::collection::vec(any::<u64>(), 0..8),
    ) {
        verifies(sizes, &special)?;
    }

    #[test]
    fn proofs_of_trees_up_to_2_to_the_62_agree_with_the_definition(
        sizes in sizes(62),
        special in prop::collection::vec(any::<u64>(), 0..4),
    ) {
        verifies(sizes, &special)?;
    }

    #[test]
    fn a_compact_range_grows_from_any_size(
        (size, a, b) in sizes(62),
        more in 1u64..20,
    ) {
        let tree = NaiveTree::sparse(&[a, b, size, size + 1]);
        let plan = ProofPlan::root(TreeSize(size)).unwrap();
        let hashes = tree.nodes(plan.nodes()).unwrap();
        let mut range = CompactRange::from_hashes(TreeSize(size), hashes).unwrap();
        prop_assert_eq!(range.tree_head(), tree.head(size));
        range.append_many((size..size + more).map(|i| tree.leaf(i)));
        prop_assert_eq!(range.tree_head(), tree.head(size + more));
    }
}

#[test]
fn the_largest_tree_has_inclusion_proofs_of_63_hashes() {
    let size = MAX_TREE_SIZE;
    let tree = NaiveTree::sparse(&[0, 12_345, size - 1]);
    for index in [0, 1, 12_345, size / 2, size - 2, size - 1] {
        let path = prove_inclusion(&tree, LeafIndex(index), TreeSize(size)).unwrap();
        assert!(path.len() <= MAX_PROOF_HASHES);
        assert_eq!(check_inclusion(&tree, index, size, &path), Ok(()));
    }
    let first = prove_inclusion(&tree, LeafIndex(0), TreeSize(size)).unwrap();
    assert_eq!(first.len(), MAX_PROOF_HASHES);
}

#[test]
fn the_largest_tree_is_consistent_with_smaller_ones() {
    let new = MAX_TREE_SIZE;
    let tree = NaiveTree::sparse(&[0, 7, new - 1]);
    for old in [1, 2, 1 << 32, 1 << 62, new - 1, new] {
        let sizes = SizePair { old: TreeSize(old), new: TreeSize(new) };
        let path = prove_consistency(&tree, sizes).unwrap();
        assert_eq!(check_consistency(&tree, old, new, &path), Ok(()), "old size {old}");
    }
}

#[test]
fn a_consistency_proof_that_needs_64_hashes_is_refused() {
    let new = MAX_TREE_SIZE;
    let tree = NaiveTree::sparse(&[0, 7, new - 1]);
    let sizes = SizePair { old: TreeSize(3), new: TreeSize(new) };
    let path = prove_consistency(&tree, sizes).unwrap();
    assert_eq!(path.len(), 64);
    let refused = check_consistency(&tree, 3, new, &path);
    assert_eq!(refused, Err(MerkleError::TooManyHashes(64)));
}
