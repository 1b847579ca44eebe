//! Subtrees and their consistency with the tree (draft-ietf-plants-merkle-tree-certs section 4).
//!
//! The walk in this file verifies all three kinds of proof: an inclusion proof is the proof of the
//! subtree of one leaf, a consistency proof that of the subtree that begins at leaf 0 (section
//! 4.4.1 of the draft).

use super::{MerkleError, check_path, check_size, hash_children};
use crate::bytes::Hash;
use crate::tree_head::{TreeHead, TreeSize};
use core::fmt;

/// An interval of leaves `[start, end)` that is a Merkle tree of its own and can be proven
/// consistent with the whole: `start` is a multiple of the smallest power of two that is not
/// below `end - start`. Never empty (section 4.1 of draft 03, to which `tlog-witness` holds; later
/// drafts let `[x, x)` pass, for which there is nothing to prove).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subtree {
    start: u64,
    end: u64,
}

impl Subtree {
    /// Checks the interval.
    ///
    /// # Errors
    /// [`MerkleError::NotASubtree`], [`MerkleError::SizeTooLarge`] for an end above 2^63-1.
    pub fn new(start: u64, end: u64) -> Result<Self, MerkleError> {
        check_size(TreeSize(end))?;
        let wrong = MerkleError::NotASubtree { start, end };
        let Some(len) = end.checked_sub(start).filter(|len| *len > 0) else { return Err(wrong) };
        // Up to 2^63, which u64 holds, because the end is below that.
        let width = len.checked_next_power_of_two().unwrap_or(u64::MAX);
        if start.checked_rem(width) == Some(0) { Ok(Self { start, end }) } else { Err(wrong) }
    }

    /// First leaf.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The leaf behind the last.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Refuses a subtree that is not within the tree.
    pub(super) fn check_within(&self, size: TreeSize) -> Result<(), MerkleError> {
        check_size(size)?;
        if self.end > size.0 {
            return Err(MerkleError::SubtreeOutsideTree { end: self.end, size });
        }
        Ok(())
    }
}

impl fmt::Display for Subtree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.start, self.end)
    }
}

/// The claim that a subtree's leaves are those of the tree at the same places.
#[derive(Debug, Clone, Copy)]
pub struct SubtreeConsistencyClaim<'a> {
    /// Which leaves.
    pub subtree: Subtree,
    /// Root hash of the subtree.
    pub subtree_hash: Hash,
    /// The tree that has them.
    pub tree: TreeHead,
    /// Hashes of the proof, lowest first.
    pub path: &'a [Hash],
}

impl SubtreeConsistencyClaim<'_> {
    /// Verifies the proof (section 4.4.3 of the draft).
    ///
    /// # Errors
    /// [`MerkleError`]; [`MerkleError::OldRootMismatch`] means the subtree's hash.
    pub fn verify(&self) -> Result<(), MerkleError> {
        check_path(self.path)?;
        self.subtree.check_within(self.tree.size)?;
        let walked = walk(self.subtree, self.tree.size, self.subtree_hash, self.path)?;
        if walked.subtree != self.subtree_hash {
            return Err(MerkleError::OldRootMismatch);
        }
        if walked.tree != self.tree.root_hash {
            return Err(MerkleError::RootMismatch);
        }
        Ok(())
    }
}

/// Refuses another number of hashes.
pub(super) fn check_length(expected: usize, path: &[Hash]) -> Result<(), MerkleError> {
    if path.len() == expected {
        return Ok(());
    }
    Err(MerkleError::PathLength { expected, got: path.len() })
}

/// One hash of a subtree's proof, and what it is combined with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The node both hashes start from, because the subtree's own root is no node of the tree.
    Seed,
    /// Left sibling within the subtree: goes into both hashes.
    LeftOfBoth,
    /// Left sibling outside of the subtree: goes into the tree's hash.
    LeftOfTree,
    /// Right sibling: goes into the tree's hash.
    RightOfTree,
}

/// A [`Step`] with its place in the tree, in units of `1 << level` leaves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// How the hash is used.
    pub(super) step: Step,
    /// Level of the node, leaves being 0.
    pub(super) level: u8,
    /// Index of the node within its level.
    pub(super) index: u64,
}

/// The steps of the proof of a subtree within a tree of `size >= end` leaves, in the
/// order of the hashes.
///
/// Follows three nodes of one level upwards, as section 4.4.3 of the draft does: those above the
/// subtree's first leaf, above its last leaf, and above the tree's last leaf.
pub(super) struct Steps {
    first: u64,
    last: u64,
    tree_last: u64,
    level: u8,
    seeded: bool,
}

impl Steps {
    /// Starts at the highest node that ends where the subtree ends and is within it.
    pub(super) fn new(subtree: Subtree, size: TreeSize) -> Self {
        let mut steps = Self {
            first: subtree.start,
            last: subtree.end.saturating_sub(1),
            tree_last: size.0.saturating_sub(1),
            level: 0,
            seeded: false,
        };
        let ends_with_tree = steps.last == steps.tree_last;
        while steps.first != steps.last && (ends_with_tree || steps.last & 1 == 1) {
            steps.up();
        }
        steps
    }

    fn up(&mut self) {
        self.first >>= 1;
        self.last >>= 1;
        self.tree_last >>= 1;
        self.level = self.level.saturating_add(1); // ends at 63, when all three are 0
    }

    fn place(&self, step: Step, index: u64) -> Place {
        Place { step, level: self.level, index }
    }
}

impl Iterator for Steps {
    type Item = Place;

    fn next(&mut self) -> Option<Place> {
        if !self.seeded {
            self.seeded = true;
            if self.first != self.last {
                return Some(self.place(Step::Seed, self.last));
            }
        }
        while self.tree_last > 0 {
            let sibling = self.last ^ 1;
            let place = if self.last & 1 == 1 {
                let within = self.first < self.last;
                Some(self.place(if within { Step::LeftOfBoth } else { Step::LeftOfTree }, sibling))
            } else if self.last < self.tree_last {
                Some(self.place(Step::RightOfTree, sibling))
            } else {
                None // the right edge: nothing to its right on this level
            };
            self.up();
            if place.is_some() {
                return place;
            }
        }
        None
    }
}

/// What a proof leads to.
pub(super) struct Walked {
    /// Hash of the subtree.
    pub(super) subtree: Hash,
    /// Hash of the tree.
    pub(super) tree: Hash,
}

/// Computes both hashes from a proof. `known` stands for the subtree's hash where that is a node
/// of the tree. The subtree is within the tree.
pub(super) fn walk(
    subtree: Subtree,
    size: TreeSize,
    known: Hash,
    path: &[Hash],
) -> Result<Walked, MerkleError> {
    check_length(Steps::new(subtree, size).count(), path)?;
    let mut out = Walked { subtree: known, tree: known };
    for (place, hash) in Steps::new(subtree, size).zip(path) {
        match place.step {
            Step::Seed => out = Walked { subtree: *hash, tree: *hash },
            Step::LeftOfBoth => {
                out.subtree = hash_children(hash, &out.subtree);
                out.tree = hash_children(hash, &out.tree);
            }
            Step::LeftOfTree => out.tree = hash_children(hash, &out.tree),
            Step::RightOfTree => out.tree = hash_children(&out.tree, hash),
        }
    }
    Ok(out)
}
