//! Inclusion of consecutive leaves.

use super::naive::NaiveTree;
use super::{altered, other_root, tampered};
use crate::bytes::Hash;
use crate::merkle::{MerkleError, RangeInclusionClaim};
use crate::tree_head::{LeafIndex, TreeSize};
use proptest::prelude::*;
use std::vec::Vec;

/// A range of leaves with the two paths that prove it.
struct Range {
    start: u64,
    leaves: Vec<Hash>,
    first: Vec<Hash>,
    last: Vec<Hash>,
}

impl Range {
    fn of(tree: &NaiveTree, size: u64, start: u64, end: u64) -> Self {
        Self {
            start,
            leaves: (start..end).map(|i| tree.leaf(i)).collect(),
            first: tree.path(start, 0, size),
            last: tree.path(end - 1, 0, size),
        }
    }

    fn verify(&self, tree: &NaiveTree, size: u64) -> Result<(), MerkleError> {
        RangeInclusionClaim {
            start: LeafIndex(self.start),
            leaf_hashes: &self.leaves,
            tree: tree.head(size),
            first_path: &self.first,
            last_path: &self.last,
        }
        .verify()
    }
}

#[test]
fn every_range_of_small_trees_verifies() {
    let tree = NaiveTree::counting(40);
    for size in 1..=40 {
        for start in 0..size {
            for end in start + 1..=size {
                let range = Range::of(&tree, size, start, end);
                assert_eq!(range.verify(&tree, size), Ok(()), "[{start}, {end}) of {size}");
            }
        }
    }
}

#[test]
fn ranges_with_anything_altered_are_refused() {
    let size = 21;
    let tree = NaiveTree::counting(size + 1);
    for start in 0..size {
        for end in start + 1..=size {
            let check = |change: &dyn Fn(&mut Range)| {
                let mut range = Range::of(&tree, size, start, end);
                change(&mut range);
                assert!(range.verify(&tree, size).is_err(), "[{start}, {end})");
            };
            let good = Range::of(&tree, size, start, end);
            for wrong in tampered(&good.first) {
                check(&|range| range.first.clone_from(&wrong));
            }
            for wrong in tampered(&good.last) {
                check(&|range| range.last.clone_from(&wrong));
            }
            for at in 0..good.leaves.len() {
                check(&|range| range.leaves[at] = altered(range.leaves[at], at));
            }
            check(&|range| range.start += 1);
            check(&|range| range.leaves.push(tree.leaf(end)));
            check(&|range| range.leaves.truncate(range.leaves.len() - 1));
        }
    }
}

proptest! {
    #[test]
    fn ranges_of_large_trees_verify(
        size in 300u64..1 << 40,
        at in any::<u64>(),
        length in 1u64..300,
    ) {
        let start = at % (size - length + 1);
        let tree = NaiveTree::sparse(&[start, start + length - 1, start + length / 2, size - 1]);
        let mut range = Range::of(&tree, size, start, start + length);
        prop_assert_eq!(range.verify(&tree, size), Ok(()));
        let at = (at % length) as usize;
        range.leaves[at] = altered(range.leaves[at], at);
        prop_assert!(range.verify(&tree, size).is_err());
    }
}

fn example() -> (NaiveTree, Range) {
    let tree = NaiveTree::counting(21);
    let range = Range::of(&tree, 21, 5, 9);
    (tree, range)
}

#[test]
fn range_without_leaves() {
    let (tree, mut range) = example();
    range.leaves.clear();
    assert_eq!(range.verify(&tree, 21), Err(MerkleError::EmptyRange));
}

#[test]
fn range_that_ends_behind_the_tree() {
    let (tree, mut range) = example();
    range.start = 18;
    let (index, size) = (LeafIndex(21), TreeSize(21));
    assert_eq!(range.verify(&tree, 21), Err(MerkleError::IndexOutsideTree { index, size }));
}

#[test]
fn range_that_starts_at_the_largest_number() {
    let (tree, mut range) = example();
    range.start = u64::MAX;
    let (index, size) = (LeafIndex(u64::MAX), TreeSize(21));
    assert_eq!(range.verify(&tree, 21), Err(MerkleError::IndexOutsideTree { index, size }));
}

#[test]
fn range_in_an_empty_tree() {
    let (tree, range) = example();
    let (index, size) = (LeafIndex(8), TreeSize(0));
    assert_eq!(range.verify(&tree, 0), Err(MerkleError::IndexOutsideTree { index, size }));
}

#[test]
fn range_under_another_root() {
    let (tree, range) = example();
    let claim = RangeInclusionClaim {
        start: LeafIndex(range.start),
        leaf_hashes: &range.leaves,
        tree: other_root(tree.head(21)),
        first_path: &range.first,
        last_path: &range.last,
    };
    assert_eq!(claim.verify(), Err(MerkleError::RootMismatch));
}

#[test]
fn range_of_one_leaf_with_two_paths_that_differ() {
    let tree = NaiveTree::counting(21);
    let mut range = Range::of(&tree, 21, 5, 6);
    range.last[0] = altered(range.last[0], 0);
    assert_eq!(range.verify(&tree, 21), Err(MerkleError::RangeDisagrees));
}

#[test]
fn range_with_the_paths_swapped() {
    let (tree, mut range) = example();
    core::mem::swap(&mut range.first, &mut range.last);
    assert!(range.verify(&tree, 21).is_err());
}

#[test]
fn range_with_a_path_of_64_hashes() {
    let (tree, mut range) = example();
    range.last = [Hash::empty_tree(); 64].to_vec();
    assert_eq!(range.verify(&tree, 21), Err(MerkleError::TooManyHashes(64)));
}

#[test]
fn range_with_a_first_path_too_short() {
    let (tree, mut range) = example();
    range.first.pop();
    let refused = MerkleError::PathLength { expected: 5, got: 4 };
    assert_eq!(range.verify(&tree, 21), Err(refused));
}

#[test]
fn range_with_a_last_path_too_long() {
    let (tree, mut range) = example();
    range.last.push(Hash::empty_tree());
    let refused = MerkleError::PathLength { expected: 5, got: 6 };
    assert_eq!(range.verify(&tree, 21), Err(refused));
}
