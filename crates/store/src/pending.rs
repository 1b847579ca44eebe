//! Committed leaves that are not in tiles yet, in memory; the journal has them too.

use crate::journal::LeafBytes;
use sigsum_core::Hash;
use sigsum_core::merkle::hash_leaf;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The leaves behind those in tiles.
#[derive(Debug)]
pub(crate) struct Pending {
    queue: RwLock<Queue>,
}

/// Leaves in a row, with their hashes.
#[derive(Debug)]
pub(crate) struct Queue {
    first: u64,
    leaves: Vec<LeafBytes>,
    hashes: Vec<Hash>,
}

impl Pending {
    /// Starts with these leaves, of which the first has that index.
    pub(crate) fn new(first: u64, leaves: Vec<LeafBytes>) -> Self {
        let hashes = leaves.iter().map(|leaf| hash_leaf(leaf)).collect();
        Self { queue: RwLock::new(Queue { first, leaves, hashes }) }
    }

    fn write(&self) -> RwLockWriteGuard<'_, Queue> {
        self.queue.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A look at the leaves, which nobody changes meanwhile.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Queue> {
        self.queue.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds leaves that were made durable. Nobody sees them before `also` has been done.
    pub(crate) fn push(&self, leaves: &[LeafBytes], hashes: &[Hash], also: impl FnOnce()) {
        let mut queue = self.write();
        queue.leaves.extend_from_slice(leaves);
        queue.hashes.extend_from_slice(hashes);
        also();
    }

    /// Drops the first so many leaves, which are in tiles now.
    pub(crate) fn drop_front(&self, count: usize) {
        let mut queue = self.write();
        let count = count.min(queue.leaves.len());
        queue.leaves.drain(..count);
        queue.hashes.drain(..count);
        queue.first += count as u64;
    }
}

impl Queue {
    /// Index of the first leaf; all before are in tiles.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Index behind the last leaf.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.leaves.len() as u64
    }

    /// The first leaves, so many at most.
    pub(crate) fn front(&self, limit: usize) -> (&[LeafBytes], &[Hash]) {
        let count = limit.min(self.leaves.len());
        (self.leaves.get(..count).unwrap_or_default(), self.hashes.get(..count).unwrap_or_default())
    }

    /// The leaves from one index up to another, as far as they are here.
    pub(crate) fn range(&self, first: u64, end: u64) -> &[LeafBytes] {
        let place = |index: u64| {
            let index = usize::try_from(index.saturating_sub(self.first)).unwrap_or(usize::MAX);
            index.min(self.leaves.len())
        };
        self.leaves.get(place(first)..place(end)).unwrap_or_default()
    }

    /// The hash of a leaf, if it is here.
    pub(crate) fn hash(&self, index: u64) -> Option<Hash> {
        let place = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.hashes.get(place).copied()
    }
}
