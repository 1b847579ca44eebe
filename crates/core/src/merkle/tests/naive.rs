//! Trees as RFC 6962 section 2.1 defines them, by recursion and nothing else; and a reader of
//! perfect subtrees over the same leaves.

use crate::bytes::Hash;
use crate::merkle::{NodeId, NodeReader, hash_children, hash_leaf};
use crate::tree_head::{TreeHead, TreeSize};
use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use std::collections::{BTreeMap, HashMap};
use std::vec::Vec;

/// Leaves without end, all alike but for some.
pub(super) struct NaiveTree {
    special: BTreeMap<u64, Hash>,
    plain: Hash,
    known: RefCell<HashMap<(Option<u64>, u64), Hash>>,
    /// How often `nodes` was called.
    pub(super) batches: Cell<usize>,
}

impl NaiveTree {
    /// The leaves `0, 1, ...` of one byte each up to `count`, as the draft's vectors have them.
    pub(super) fn counting(count: u64) -> Self {
        let leaf = |i: u64| hash_leaf(&[i.to_le_bytes()[0]]);
        Self::with((0..count).map(|i| (i, leaf(i))))
    }

    /// Leaves that are alike but for those at the given places.
    pub(super) fn sparse(places: &[u64]) -> Self {
        Self::with(places.iter().map(|i| (*i, hash_leaf(&i.to_le_bytes()))))
    }

    fn with(special: impl Iterator<Item = (u64, Hash)>) -> Self {
        let (known, batches) = (RefCell::default(), Cell::default());
        Self { special: special.collect(), plain: hash_leaf(b"plain"), known, batches }
    }

    pub(super) fn leaf(&self, index: u64) -> Hash {
        self.special.get(&index).copied().unwrap_or(self.plain)
    }

    /// `MTH(D[start:end])`.
    pub(super) fn mth(&self, start: u64, end: u64) -> Hash {
        match end - start {
            0 => return Hash::empty_tree(),
            1 => return self.leaf(start),
            _ => {}
        }
        // Without special leaves only the number of leaves counts.
        let uniform = self.special.range(start..end).next().is_none();
        let key = if uniform { (None, end - start) } else { (Some(start), end) };
        if let Some(hash) = self.known.borrow().get(&key) {
            return *hash;
        }
        let k = start + split(end - start);
        let hash = hash_children(&self.mth(start, k), &self.mth(k, end));
        self.known.borrow_mut().insert(key, hash);
        hash
    }

    pub(super) fn head(&self, size: u64) -> TreeHead {
        TreeHead { size: TreeSize(size), root_hash: self.mth(0, size) }
    }

    /// `PATH(m - start, D[start:end])`, lowest first.
    pub(super) fn path(&self, m: u64, start: u64, end: u64) -> Vec<Hash> {
        if end - start == 1 {
            return Vec::new();
        }
        let k = start + split(end - start);
        let (mut path, sibling) = if m < k {
            (self.path(m, start, k), self.mth(k, end))
        } else {
            (self.path(m, k, end), self.mth(start, k))
        };
        path.push(sibling);
        path
    }

    /// `PROOF(m, D[0:n])` of RFC 6962 section 2.1.2.
    pub(super) fn proof(&self, m: u64, n: u64) -> Vec<Hash> {
        if m == 0 || m == n { Vec::new() } else { self.subproof(m, 0, n, true) }
    }

    /// `SUBPROOF(m - start, D[start:end], known)`.
    fn subproof(&self, m: u64, start: u64, end: u64, known: bool) -> Vec<Hash> {
        if m == end {
            return if known { Vec::new() } else { [self.mth(start, end)].to_vec() };
        }
        let k = start + split(end - start);
        let (mut path, sibling) = if m <= k {
            (self.subproof(m, start, k, known), self.mth(k, end))
        } else {
            (self.subproof(m, k, end, false), self.mth(start, k))
        };
        path.push(sibling);
        path
    }

    /// `SUBTREE_SUBPROOF` of section 4.4.1 of the draft for the subtree `[from, to)` within
    /// `[start, end)`.
    pub(super) fn subtree_proof(
        &self,
        (from, to): (u64, u64),
        (start, end): (u64, u64),
        known: bool,
    ) -> Vec<Hash> {
        if (from, to) == (start, end) {
            return if known { Vec::new() } else { [self.mth(start, end)].to_vec() };
        }
        let k = start + split(end - start);
        let (mut path, sibling) = if to <= k {
            (self.subtree_proof((from, to), (start, k), known), self.mth(k, end))
        } else if k <= from {
            (self.subtree_proof((from, to), (k, end), known), self.mth(start, k))
        } else {
            (self.subtree_proof((k, to), (k, end), false), self.mth(start, k))
        };
        path.push(sibling);
        path
    }
}

/// The largest power of two below `n`, which is above one.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

impl NodeReader for NaiveTree {
    type Error = Infallible;

    fn node(&self, id: NodeId) -> Result<Hash, Infallible> {
        Ok(self.mth(id.index << id.level, (id.index + 1) << id.level))
    }

    fn nodes(&self, ids: &[NodeId]) -> Result<Vec<Hash>, Infallible> {
        self.batches.set(self.batches.get() + 1);
        ids.iter().map(|id| self.node(*id)).collect()
    }
}
