//! Subtrees and their consistency proofs.

use super::naive::NaiveTree;
use super::{altered, other_root, tampered};
use crate::merkle::{
    MAX_TREE_SIZE, MerkleError, ProofPlan, ProveError, Subtree, SubtreeConsistencyClaim,
    prove_subtree_consistency,
};
use crate::tree_head::TreeSize;
use proptest::prelude::*;

#[test]
fn exactly_the_aligned_intervals_are_subtrees() {
    for end in 0..70u64 {
        for start in 0..70u64 {
            // Alignment as the draft says it, the power of two found by trial.
            let aligned = start < end && {
                let mut width = 1;
                while width < end - start {
                    width *= 2;
                }
                start % width == 0
            };
            assert_eq!(Subtree::new(start, end).is_ok(), aligned, "[{start}, {end})");
        }
    }
}

fn refused(start: u64, end: u64) -> MerkleError {
    Subtree::new(start, end).expect_err("no subtree")
}

#[test]
fn subtree_without_leaves() {
    assert_eq!(refused(8, 8), MerkleError::NotASubtree { start: 8, end: 8 });
}

#[test]
fn subtree_backwards() {
    assert_eq!(refused(8, 4), MerkleError::NotASubtree { start: 8, end: 4 });
}

#[test]
fn subtree_not_aligned() {
    assert_eq!(refused(2, 5), MerkleError::NotASubtree { start: 2, end: 5 });
}

#[test]
fn subtree_that_ends_above_2_to_the_63() {
    let end = MAX_TREE_SIZE + 1;
    assert_eq!(refused(0, end), MerkleError::SizeTooLarge(TreeSize(end)));
    assert_eq!(refused(u64::MAX, u64::MAX), MerkleError::SizeTooLarge(TreeSize(u64::MAX)));
}

#[test]
fn the_largest_subtrees_are_valid() {
    assert!(Subtree::new(0, MAX_TREE_SIZE).is_ok());
    assert!(Subtree::new(1 << 62, MAX_TREE_SIZE).is_ok());
    assert!(Subtree::new(1 << 61, MAX_TREE_SIZE).is_err());
    assert!(Subtree::new(MAX_TREE_SIZE - 1, MAX_TREE_SIZE).is_ok());
}

#[test]
fn every_subtree_proof_of_small_trees_is_that_of_the_draft_and_verifies() {
    let tree = NaiveTree::counting(70);
    for size in 1..=70 {
        for subtree in all_subtrees(size) {
            let path = prove_subtree_consistency(&tree, subtree, TreeSize(size)).unwrap();
            let ends = (subtree.start(), subtree.end());
            assert_eq!(path, tree.subtree_proof(ends, (0, size), true), "{subtree} of {size}");
            let claim = SubtreeConsistencyClaim {
                subtree,
                subtree_hash: tree.mth(subtree.start(), subtree.end()),
                tree: tree.head(size),
                path: &path,
            };
            assert_eq!(claim.verify(), Ok(()), "{subtree} of {size}");
            let root = ProofPlan::subtree_root(subtree).read(&tree).unwrap();
            assert_eq!(root, [claim.subtree_hash]);
        }
    }
}

#[test]
fn tampered_subtree_proofs_are_refused() {
    let tree = NaiveTree::counting(40);
    for size in [1, 2, 7, 13, 16, 33, 40] {
        for subtree in all_subtrees(size) {
            let path = tree.subtree_proof((subtree.start(), subtree.end()), (0, size), true);
            let claim = SubtreeConsistencyClaim {
                subtree,
                subtree_hash: tree.mth(subtree.start(), subtree.end()),
                tree: tree.head(size),
                path: &path,
            };
            for wrong in tampered(&path) {
                let claim = SubtreeConsistencyClaim { path: &wrong, ..claim };
                assert!(claim.verify().is_err(), "{subtree} of {size}");
            }
            let subtree_hash = altered(claim.subtree_hash, 9);
            assert!(SubtreeConsistencyClaim { subtree_hash, ..claim }.verify().is_err());
            let tree = other_root(claim.tree);
            assert!(SubtreeConsistencyClaim { tree, ..claim }.verify().is_err());
        }
    }
}

pub(super) fn all_subtrees(size: u64) -> impl Iterator<Item = Subtree> {
    (0..size).flat_map(move |start| {
        (start + 1..=size).filter_map(move |end| Subtree::new(start, end).ok())
    })
}

proptest! {
    #[test]
    fn subtrees_of_large_trees_verify(
        level in 0u32..40,
        index in 0u64..1 << 22,
        width in any::<u64>(),
        more in 0u64..1 << 40,
    ) {
        let start = index << level;
        let end = start + 1 + (width & ((1 << level) - 1));
        let size = end + more;
        let subtree = Subtree::new(start, end).unwrap();
        let tree = NaiveTree::sparse(&[start, end - 1, end, size - 1]);
        let path = prove_subtree_consistency(&tree, subtree, TreeSize(size)).unwrap();
        prop_assert_eq!(&path, &tree.subtree_proof((start, end), (0, size), true));
        let subtree_hash = tree.mth(start, end);
        let claim =
            SubtreeConsistencyClaim { subtree, subtree_hash, tree: tree.head(size), path: &path };
        prop_assert_eq!(claim.verify(), Ok(()));
    }
}

/// The claim of [8, 13) in a tree of 14, the draft's example, after a change.
fn example(change: impl FnOnce(&mut SubtreeConsistencyClaim<'_>)) -> Result<(), MerkleError> {
    let tree = NaiveTree::counting(14);
    let path = tree.subtree_proof((8, 13), (0, 14), true);
    let mut claim = SubtreeConsistencyClaim {
        subtree: Subtree::new(8, 13)?,
        subtree_hash: tree.mth(8, 13),
        tree: tree.head(14),
        path: &path,
    };
    change(&mut claim);
    claim.verify()
}

#[test]
fn the_drafts_example_has_four_hashes() {
    assert_eq!(example(|c| assert_eq!(c.path.len(), 4)), Ok(()));
}

#[test]
fn subtree_proof_too_short() {
    let refused = MerkleError::PathLength { expected: 4, got: 3 };
    assert_eq!(example(|c| c.path = &c.path[..3]), Err(refused));
}

#[test]
fn subtree_proof_of_64_hashes() {
    let path = [crate::Hash::empty_tree(); 64];
    let tree = NaiveTree::counting(14);
    let claim = SubtreeConsistencyClaim {
        subtree: Subtree::new(8, 13).unwrap(),
        subtree_hash: tree.mth(8, 13),
        tree: tree.head(14),
        path: &path,
    };
    assert_eq!(claim.verify(), Err(MerkleError::TooManyHashes(64)));
}

#[test]
fn subtree_that_ends_behind_the_tree() {
    let refused = MerkleError::SubtreeOutsideTree { end: 13, size: TreeSize(12) };
    assert_eq!(example(|c| c.tree.size = TreeSize(12)), Err(refused));
}

#[test]
fn subtree_with_another_hash() {
    let refused = Err(MerkleError::OldRootMismatch);
    assert_eq!(example(|c| c.subtree_hash = altered(c.subtree_hash, 1)), refused);
}

#[test]
fn subtree_under_another_root() {
    assert_eq!(example(|c| c.tree = other_root(c.tree)), Err(MerkleError::RootMismatch));
}

#[test]
fn asking_for_a_subtree_behind_the_tree() {
    let subtree = Subtree::new(8, 13).unwrap();
    let refused = prove_subtree_consistency(&NaiveTree::counting(14), subtree, TreeSize(12));
    let why = MerkleError::SubtreeOutsideTree { end: 13, size: TreeSize(12) };
    assert_eq!(refused, Err(ProveError::Asked(why)));
}
