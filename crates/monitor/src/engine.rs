//! Decisions of the monitor about one log: is a head acceptable, do leaves add up to it. Pure.
//!
//! The monitor keeps a compact range over all leaves that it has read. A head is proven consistent
//! with the one before it when it comes, and the leaves are proven to be the head's when the range
//! has grown to it (or, between, by a consistency proof from the range to the head), so no
//! inclusion proofs are needed and no leaf is taken on trust.

use crate::report::{Alert, Match};
use crate::watch::{Sighting, WatchList};
use sigsum_core::merkle::{CompactRange, ConsistencyClaim};
use sigsum_core::policy::Policy;
use sigsum_core::tree_head::sigsum_origin;
use sigsum_core::{
    CosignedTreeHead, Hash, Leaf, LeafIndex, PublicKey, SignedTreeHead, TreeHead, TreeSize,
};

/// What the monitor knows of one log.
#[derive(Debug, Clone)]
pub struct LogView {
    /// The newest head that was accepted; none before the first.
    pub head: Option<SignedTreeHead>,
    /// Range over the leaves that were read, verified and reported.
    pub range: CompactRange,
}

impl LogView {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self { head: None, range: CompactRange::new() }
    }

    /// The size of the accepted head.
    pub fn head_size(&self) -> TreeSize {
        self.head.map_or(TreeSize(0), |h| h.tree_head.size)
    }

    /// The next leaf to read.
    pub fn next_leaf(&self) -> LeafIndex {
        LeafIndex(self.range.size().0)
    }

    /// Leaves of the accepted head that are still to be read.
    pub fn leaves_behind(&self) -> u64 {
        self.head_size().0.saturating_sub(self.range.size().0)
    }
}

impl Default for LogView {
    fn default() -> Self {
        Self::new()
    }
}

/// What to do with a head that the log served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadStep {
    /// The same tree as before.
    Unchanged,
    /// A larger tree: fetch a consistency proof from the accepted head, then call
    /// [`accept_head`]. `None` where the accepted tree is empty and no proof is needed.
    Grown {
        /// The head to prove from.
        from: Option<TreeHead>,
    },
}

/// First look at a served head: signature, size, equal roots at equal size.
///
/// # Errors
/// The alert to raise.
pub fn inspect_head(
    view: &LogView,
    log_key: &PublicKey,
    served: &SignedTreeHead,
) -> Result<HeadStep, Alert> {
    let new = served.tree_head;
    if !served.verify(log_key) {
        return Err(Alert::InvalidSignature { size: new.size });
    }
    let old = match view.head {
        Some(head) => head.tree_head,
        None => TreeHead::empty(),
    };
    if new.size < old.size {
        let text = format!("monitored log has shrunk from size {} to {}", old.size, new.size);
        return Err(Alert::Inconsistent(text));
    }
    if new.size == old.size {
        if new.root_hash != old.root_hash {
            let (size, a, b) = (new.size, old.root_hash, new.root_hash);
            return Err(Alert::Inconsistent(format!("two roots at size {size}: {a} and {b}")));
        }
        return Ok(HeadStep::Unchanged);
    }
    Ok(HeadStep::Grown { from: (old.size.0 > 0).then_some(old) })
}

/// Checks the consistency proof and makes the served head the accepted one.
///
/// # Errors
/// The alert to raise; the view stays as it was.
pub fn accept_head(
    view: &mut LogView,
    served: &SignedTreeHead,
    consistency: &[Hash],
) -> Result<(), Alert> {
    let old = view.head.map_or_else(TreeHead::empty, |h| h.tree_head);
    let new = served.tree_head;
    ConsistencyClaim { old, new, path: consistency }.verify().map_err(|e| {
        Alert::Inconsistent(format!("from size {} to size {}: {e}", old.size, new.size))
    })?;
    view.head = Some(*served);
    Ok(())
}

/// Checks quorum and age of the cosignatures of an accepted head.
///
/// # Errors
/// [`Alert::NoQuorum`] or [`Alert::Stale`]; the head stays accepted, for these are warnings.
pub fn check_cosignatures(
    policy: &Policy,
    log_key: &PublicKey,
    head: &CosignedTreeHead,
    now_s: u64,
    max_age_s: u64,
) -> Result<(), Alert> {
    let text = head.signed.tree_head.checkpoint_text(&sigsum_origin(&log_key.key_hash()));
    let times_s: Vec<Option<u64>> = policy
        .witnesses()
        .iter()
        .map(|witness| {
            let key_hash = witness.key_hash();
            let cosignature = head.cosignatures().iter().find(|c| c.key_hash == key_hash)?;
            let is_valid = witness.public_key().is_some_and(|key| cosignature.verify(key, &text));
            is_valid.then_some(cosignature.timestamp_s)
        })
        .collect();
    let time_s = |index: usize| times_s.get(index).copied().flatten();
    let report = policy.quorum().evaluate(&|index| time_s(index).is_some());
    if !report.is_satisfied() {
        return Err(Alert::NoQuorum(report.to_string()));
    }
    let newest_s = policy.quorum().time_s(&time_s);
    let age_s = newest_s.map_or(0, |newest_s| now_s.saturating_sub(newest_s));
    if age_s > max_age_s {
        return Err(Alert::Stale { age_s, limit_s: max_age_s });
    }
    Ok(())
}

/// Leaves with their hashes, which the fetching tasks compute side by side.
#[derive(Debug, Clone, Default)]
pub struct HashedLeaves {
    leaves: Vec<Leaf>,
    hashes: Vec<Hash>,
}

impl HashedLeaves {
    /// Hashes the leaves.
    pub fn new(leaves: Vec<Leaf>) -> Self {
        let hashes = leaves.iter().map(Leaf::hash).collect();
        Self { leaves, hashes }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }
}

/// Leaves that were read but are not yet proven to be in the tree.
#[derive(Debug, Clone)]
pub struct Pending {
    /// The range with those leaves.
    pub range: CompactRange,
    /// Leaves of watched keys among them.
    pub matches: Vec<Match>,
    /// Leaves under watched key hashes with bad signatures.
    pub forged: Vec<LeafIndex>,
}

impl Pending {
    /// Starts from what is proven.
    pub fn new(view: &LogView) -> Self {
        Self { range: view.range.clone(), matches: Vec::new(), forged: Vec::new() }
    }

    /// Takes the next leaves, at most up to the accepted head.
    pub fn add(&mut self, batch: &HashedLeaves, watch: &WatchList) {
        for (leaf, hash) in batch.leaves.iter().zip(&batch.hashes) {
            let index = LeafIndex(self.range.size().0);
            match watch.sight(leaf) {
                Sighting::Other => {}
                Sighting::Signed | Sighting::Unchecked => {
                    self.matches.push(Match { index, leaf: *leaf });
                }
                Sighting::Forged => self.forged.push(index),
            }
            self.range.append(*hash);
        }
    }

    /// Whether the leaves are proven by the range alone: it has reached the head.
    pub fn reaches(&self, view: &LogView) -> bool {
        self.range.size() == view.head_size()
    }

    /// Proves the leaves: equal roots where the range has reached the head, else a consistency
    /// proof from the range to the head. Then they become part of the view.
    ///
    /// # Errors
    /// [`Alert::Inconsistent`]: the served leaves are not those of the head.
    pub fn prove(&self, view: &mut LogView, consistency: &[Hash]) -> Result<(), Alert> {
        let Some(head) = view.head else { return Ok(()) };
        let old = self.range.tree_head();
        ConsistencyClaim { old, new: head.tree_head, path: consistency }.verify().map_err(|e| {
            let (read, size) = (old.size, head.tree_head.size);
            Alert::Inconsistent(format!(
                "the first {read} leaves served are not those of the head of size {size}: {e}"
            ))
        })?;
        view.range = self.range.clone();
        Ok(())
    }
}
