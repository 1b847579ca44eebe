//! The accumulated test vectors of draft-ietf-plants-merkle-tree-certs, appendix "Subtree Test
//! Vectors": one SHA-256 over the outputs for all inputs in trees of up to 130 leaves. The draft
//! counts `[x, x)` as a subtree; those lines are written here, as this crate has no such subtrees.

use super::naive::NaiveTree;
use crate::bytes::Hash;
use crate::merkle::{NodeReader as _, ProofPlan, Subtree, hash_leaf};
use crate::tree_head::{LeafIndex, TreeSize};
use core::fmt::Write as _;
use sha2::{Digest as _, Sha256};
use std::string::String;
use std::vec::Vec;

const LEAVES: u64 = 130;

fn hex(hashes: &[Hash]) -> String {
    let mut out = String::new();
    for hash in hashes {
        write!(out, " {hash}").unwrap();
    }
    out
}

/// SHA-256 over what is written for every interval with `end <= size` that the draft calls a
/// subtree; the subtree is none where that is empty.
fn accumulate(size: u64, hasher: &mut Sha256, line: impl Fn(u64, u64, Option<Subtree>) -> String) {
    for end in 0..=size {
        for start in 0..=end {
            let subtree = Subtree::new(start, end).ok();
            if start == end || subtree.is_some() {
                hasher.update(line(start, end, subtree));
            }
        }
    }
}

fn finish(hasher: Sha256) -> String {
    crate::bytes::to_hex(&hasher.finalize())
}

#[test]
fn subtree_hashes() {
    let tree = NaiveTree::counting(LEAVES);
    let mut hasher = Sha256::new();
    accumulate(LEAVES, &mut hasher, |start, end, subtree| {
        let read = |subtree| ProofPlan::subtree_root(subtree).read(&tree).unwrap();
        let hash = subtree.map_or_else(|| [Hash::empty_tree()].to_vec(), read);
        std::format!("[{start}, {end}){}\n", hex(&hash))
    });
    let expected = "b82806ad4265bb151c1119c0f4db437bb4d1a1f887b3a7fba1cd4ebf552e3e81";
    assert_eq!(finish(hasher), expected);
}

#[test]
fn subtree_inclusion_proofs() {
    let leaves: Vec<Hash> = (0..LEAVES).map(|i| hash_leaf(&[i.to_le_bytes()[0]])).collect();
    let mut hasher = Sha256::new();
    accumulate(LEAVES, &mut hasher, |start, end, subtree| {
        let mut lines = String::new();
        let Some(subtree) = subtree else { return lines };
        // Within the subtree as a tree of its own.
        let shifted = Shifted { leaves: &leaves[start as usize..end as usize] };
        for index in start..end {
            let size = TreeSize(subtree.end() - subtree.start());
            let plan = ProofPlan::inclusion(LeafIndex(index - start), size).unwrap();
            let hashes: Vec<Hash> = shifted.nodes(plan.nodes()).unwrap();
            let path = plan.assemble(&hashes).unwrap();
            writeln!(lines, "{index} [{start}, {end}){}", hex(&path)).unwrap();
        }
        lines
    });
    let expected = "ac2a8f989e44d99e399db448050ff5f19757df53cfb716aa81015d3955d8163f";
    assert_eq!(finish(hasher), expected);
}

#[test]
fn subtree_consistency_proofs() {
    let tree = NaiveTree::counting(LEAVES);
    let mut hasher = Sha256::new();
    for size in 0..=LEAVES {
        accumulate(size, &mut hasher, |start, end, subtree| {
            let plan = |s| ProofPlan::subtree_consistency(s, TreeSize(size)).unwrap();
            let path = subtree.map_or_else(Vec::new, |s| plan(s).read(&tree).unwrap());
            std::format!("[{start}, {end}) {size}{}\n", hex(&path))
        });
    }
    let expected = "10fa99b37bf9bf9ffa26b412fbd98bd75363256d0b75d61bc4538b9c9c5a0a74";
    assert_eq!(finish(hasher), expected);
}

/// Some leaves as a tree of their own, through the reader's default `nodes`.
struct Shifted<'a> {
    leaves: &'a [Hash],
}

impl crate::merkle::NodeReader for Shifted<'_> {
    type Error = core::convert::Infallible;

    fn node(&self, id: crate::merkle::NodeId) -> Result<Hash, Self::Error> {
        let (start, end) = ((id.index << id.level) as usize, ((id.index + 1) << id.level) as usize);
        let mut range = crate::merkle::CompactRange::new();
        range.append_many(self.leaves[start..end].iter().copied());
        Ok(range.root_hash())
    }
}
