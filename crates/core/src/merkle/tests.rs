//! Tests of the Merkle module against the definitions of the RFCs and the draft.

mod exhaustive;
mod large;
mod malformed;
mod naive;
mod ranges;
mod subtrees;
mod vectors;

use super::{ConsistencyClaim, InclusionClaim, MerkleError};
use crate::bytes::Hash;
use crate::tree_head::{LeafIndex, TreeHead, TreeSize};
use naive::NaiveTree;

/// Verifies an inclusion proof in a tree of that size.
fn check_inclusion(
    tree: &NaiveTree,
    index: u64,
    size: u64,
    path: &[Hash],
) -> Result<(), MerkleError> {
    InclusionClaim {
        leaf_hash: tree.leaf(index),
        leaf_index: LeafIndex(index),
        tree: tree.head(size),
        path,
    }
    .verify()
}

/// Verifies a consistency proof between two sizes.
fn check_consistency(
    tree: &NaiveTree,
    old: u64,
    new: u64,
    path: &[Hash],
) -> Result<(), MerkleError> {
    ConsistencyClaim { old: tree.head(old), new: tree.head(new), path }.verify()
}

/// The same hash with one bit flipped; which one depends on `salt`.
fn altered(hash: Hash, salt: usize) -> Hash {
    let mut bytes = *hash.as_bytes();
    bytes[salt % 32] ^= 1 << (salt % 8);
    Hash::new(bytes)
}

/// All versions of a proof with one hash altered, one left out, one doubled.
fn tampered(path: &[Hash]) -> Vec<Vec<Hash>> {
    let mut out = Vec::new();
    for at in 0..path.len() {
        let mut changed = path.to_vec();
        changed[at] = altered(changed[at], at);
        out.push(changed);
        let mut shorter = path.to_vec();
        shorter.remove(at);
        out.push(shorter);
        let mut longer = path.to_vec();
        longer.insert(at, path[at]);
        out.push(longer);
    }
    let mut longer = path.to_vec();
    longer.push(Hash::empty_tree());
    out.push(longer);
    out
}

/// A head with its root altered.
fn other_root(head: TreeHead) -> TreeHead {
    TreeHead { root_hash: altered(head.root_hash, 3), ..head }
}

/// A head with another size.
fn other_size(head: TreeHead, size: u64) -> TreeHead {
    TreeHead { size: TreeSize(size), ..head }
}

use std::vec::Vec;
