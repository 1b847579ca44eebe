//! Every proof of every tree of up to 300 leaves, against the definitions.

use super::naive::NaiveTree;
use super::{check_consistency, check_inclusion, other_root, tampered};
use crate::merkle::{
    CompactRange, ConsistencyClaim, InclusionClaim, SizePair, prove_consistency, prove_inclusion,
    root,
};
use crate::tree_head::{LeafIndex, TreeSize};
use std::collections::HashSet;

const LEAVES: u64 = 300;
/// Sizes for which every way of tampering is tried: all small ones, some round and odd ones.
const TAMPER: [u64; 10] = [64, 65, 100, 127, 128, 129, 200, 255, 256, 257];

fn tamper_with(size: u64) -> bool {
    size <= 17 || TAMPER.contains(&size)
}

#[test]
fn roots_and_compact_ranges_are_those_of_the_definition() {
    let tree = NaiveTree::counting(LEAVES);
    let mut range = CompactRange::new();
    for size in 0..=LEAVES {
        assert_eq!(range.tree_head(), tree.head(size));
        assert_eq!(root(&tree, TreeSize(size)).unwrap(), tree.mth(0, size));
        let taken_up = CompactRange::from_hashes(TreeSize(size), range.hashes().to_vec());
        assert_eq!(taken_up.as_ref(), Ok(&range));
        range.append(tree.leaf(size));
    }
}

#[test]
fn a_reversed_inclusion_path_is_the_compact_range_before_the_last_leaf() {
    let tree = NaiveTree::counting(LEAVES);
    for size in 1..=LEAVES {
        let mut path = tree.path(size - 1, 0, size);
        path.reverse();
        let mut range = CompactRange::from_hashes(TreeSize(size - 1), path).unwrap();
        range.append(tree.leaf(size - 1));
        assert_eq!(range.tree_head(), tree.head(size));
    }
}

#[test]
fn every_inclusion_proof_is_that_of_the_definition_and_verifies() {
    let tree = NaiveTree::counting(LEAVES);
    for size in 1..=LEAVES {
        for index in 0..size {
            let path = prove_inclusion(&tree, LeafIndex(index), TreeSize(size)).unwrap();
            assert_eq!(path, tree.path(index, 0, size), "leaf {index} of {size}");
            assert_eq!(check_inclusion(&tree, index, size, &path), Ok(()));
        }
    }
}

#[test]
fn every_consistency_proof_is_that_of_the_definition_and_verifies() {
    let tree = NaiveTree::counting(LEAVES);
    for new in 0..=LEAVES {
        for old in 0..=new {
            let sizes = SizePair { old: TreeSize(old), new: TreeSize(new) };
            let path = prove_consistency(&tree, sizes).unwrap();
            assert_eq!(path, tree.proof(old, new), "{old} to {new}");
            assert_eq!(check_consistency(&tree, old, new, &path), Ok(()));
        }
    }
}

#[test]
fn a_proof_asks_its_reader_once() {
    let tree = NaiveTree::counting(LEAVES);
    prove_inclusion(&tree, LeafIndex(77), TreeSize(299)).unwrap();
    assert_eq!(tree.batches.get(), 1);
    prove_consistency(&tree, SizePair { old: TreeSize(77), new: TreeSize(299) }).unwrap();
    assert_eq!(tree.batches.get(), 2);
}

#[test]
fn tampered_inclusion_proofs_are_refused() {
    let tree = NaiveTree::counting(LEAVES);
    for size in (1..=LEAVES).filter(|size| tamper_with(*size)) {
        for index in 0..size {
            let path = tree.path(index, 0, size);
            for wrong in tampered(&path) {
                assert!(check_inclusion(&tree, index, size, &wrong).is_err());
            }
            let claim = InclusionClaim {
                leaf_hash: tree.leaf(index),
                leaf_index: LeafIndex(index),
                tree: tree.head(size),
                path: &path,
            };
            assert!(InclusionClaim { tree: other_root(claim.tree), ..claim }.verify().is_err());
            let leaf_hash = super::altered(claim.leaf_hash, 5);
            assert!(InclusionClaim { leaf_hash, ..claim }.verify().is_err());
        }
    }
}

#[test]
fn no_leaf_verifies_at_another_index() {
    let tree = NaiveTree::counting(256);
    for size in (1..=256).filter(|size| tamper_with(*size)) {
        // Neighbours and the mirror image, not all pairs: the cost grows with the cube.
        for index in 0..size {
            let path = tree.path(index, 0, size);
            let others = [index ^ 1, index + 1, size - 1 - index, size];
            let others: HashSet<u64> = others.into_iter().filter(|o| *o != index).collect();
            for other in others {
                let claim = InclusionClaim {
                    leaf_hash: tree.leaf(index),
                    leaf_index: LeafIndex(other),
                    tree: tree.head(size),
                    path: &path,
                };
                assert!(claim.verify().is_err(), "leaf {index} of {size} as {other}");
            }
        }
    }
}

#[test]
fn tampered_consistency_proofs_are_refused() {
    let tree = NaiveTree::counting(LEAVES);
    for new in (1..=LEAVES).filter(|size| tamper_with(*size)) {
        for old in 1..new {
            let path = tree.proof(old, new);
            for wrong in tampered(&path) {
                assert!(check_consistency(&tree, old, new, &wrong).is_err());
            }
            let claim = ConsistencyClaim { old: tree.head(old), new: tree.head(new), path: &path };
            assert!(ConsistencyClaim { old: other_root(claim.old), ..claim }.verify().is_err());
            assert!(ConsistencyClaim { new: other_root(claim.new), ..claim }.verify().is_err());
        }
    }
}
