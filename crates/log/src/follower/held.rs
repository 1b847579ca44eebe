//! What a follower holds: durable leaves in order, and the root hash over all of them.

use crate::engine::follow::Contradiction;
use crate::replication::INTEGRATE_AFTER;
use sigsum_core::merkle::CompactRange;
use sigsum_core::{Hash, Leaf, LeafIndex, TreeHead, TreeSize};
use sigsum_store::{LeafLog as _, Store, StoreError, TreeReader as _};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Leaves outside of tiles at which copying waits for integration: 40 MB in memory.
const MOST_PENDING: u64 = 4 * INTEGRATE_AFTER;
/// Leaves that are read at once to find the root hash at the start.
const CHUNK_LEAVES: u64 = 2048;

/// Why leaves were not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HoldError {
    /// The disk, or we.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The primary's tree is not ours.
    #[error(transparent)]
    Contradiction(Box<Contradiction>),
}

/// The copy. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) store: Arc<Store>,
    range: Arc<Mutex<CompactRange>>,
    head: Arc<watch::Sender<TreeHead>>,
    /// The same, for those who wait for a size.
    size: Arc<watch::Sender<TreeSize>>,
}

impl Held {
    /// What a store holds. Blocks.
    pub(crate) fn new(store: Arc<Store>) -> Result<Self, StoreError> {
        let mut range = store.compact_range();
        let committed = store.committed_size();
        while range.size() < committed {
            let from = range.size().0;
            let to = committed.0.min(from.saturating_add(CHUNK_LEAVES));
            let leaves = store.leaves(LeafIndex(from), LeafIndex(to))?;
            range.append_many(leaves.iter().map(Leaf::hash));
        }
        let head = range.tree_head();
        Ok(Self {
            store,
            range: Arc::new(Mutex::new(range)),
            head: Arc::new(watch::Sender::new(head)),
            size: Arc::new(watch::Sender::new(head.size)),
        })
    }

    /// Leaves that are durable.
    pub(crate) fn size(&self) -> TreeSize {
        self.head().size
    }

    /// The tree of all of them.
    pub(crate) fn head(&self) -> TreeHead {
        *self.head.borrow()
    }

    /// The size as it grows.
    pub(crate) fn sizes(&self) -> watch::Receiver<TreeSize> {
        self.size.subscribe()
    }

    /// Stores the leaves that follow on what is held; durable when this returns. Blocks.
    pub(crate) fn append(&self, leaves: &[Leaf]) -> Result<(), HoldError> {
        let mut range = self.range.lock().unwrap_or_else(PoisonError::into_inner);
        let hashes: Vec<Hash> = leaves.iter().map(Leaf::hash).collect();
        self.check_new(range.size(), &hashes)?;
        let stored = self.store.commit(leaves);
        // Also what an error did not keep from being durable is here now.
        let durable = self.store.committed_size().0.saturating_sub(range.size().0);
        let durable = usize::try_from(durable).unwrap_or(usize::MAX);
        range.append_many(hashes.into_iter().take(durable));
        let head = range.tree_head();
        drop(range);
        self.head.send_replace(head);
        self.size.send_replace(head.size);
        stored?;
        if head.size.0.saturating_sub(self.store.integrated().size.0) >= MOST_PENDING {
            self.store.integrate()?;
        }
        Ok(())
    }

    /// A leaf that is there already would get another index than at the primary, and all that follow
    /// with it.
    fn check_new(&self, size: TreeSize, hashes: &[Hash]) -> Result<(), HoldError> {
        let mut seen = HashSet::with_capacity(hashes.len());
        for (index, hash) in (size.0..).zip(hashes) {
            if self.store.contains(hash)? || !seen.insert(hash) {
                let twice = Contradiction::LeafTwice(LeafIndex(index));
                return Err(HoldError::Contradiction(Box::new(twice)));
            }
        }
        Ok(())
    }

    /// The root hash at a size that is held; takes leaves into tiles where it has to. Blocks.
    pub(crate) fn root_hash(&self, size: TreeSize) -> Result<Hash, StoreError> {
        if size > self.store.integrated().size {
            self.store.integrate()?;
        }
        self.store.root_hash(size)
    }

    /// The last leaf, none where there is none.
    pub(crate) fn last_leaf(&self) -> Result<Option<(LeafIndex, Leaf)>, StoreError> {
        let Some(last) = self.size().0.checked_sub(1) else { return Ok(None) };
        let leaves = self.store.leaves(LeafIndex(last), LeafIndex(last.saturating_add(1)))?;
        Ok(leaves.first().map(|leaf| (LeafIndex(last), *leaf)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigsum_core::{Checksum, KeyHash, PublicKey, Signature};
    use sigsum_store::Place;

    fn leaf(n: u8) -> Leaf {
        Leaf {
            checksum: Checksum::new([n; 32]),
            signature: Signature::new([n; 64]),
            key_hash: KeyHash::new([n; 32]),
        }
    }

    fn open(place: &Place) -> Held {
        let store = Store::open(place, &PublicKey::new([1; 32])).expect("opens");
        store.wait_for_index().expect("indexed");
        Held::new(Arc::new(store)).expect("reads")
    }

    fn held() -> (Place, Held) {
        let place = Place::memory();
        Store::init_follower(&place, &PublicKey::new([1; 32])).expect("new");
        let held = open(&place);
        (place, held)
    }

    fn tree(leaves: impl Iterator<Item = u8>) -> TreeHead {
        let mut range = CompactRange::new();
        range.append_many(leaves.map(|n| leaf(n).hash()));
        range.tree_head()
    }

    #[test]
    fn the_head_covers_what_is_durable_in_tiles_or_not_and_after_a_restart() {
        let (place, held) = held();
        assert_eq!(held.head(), TreeHead::empty());
        held.append(&[leaf(1), leaf(2)]).expect("stored");
        held.store.integrate().expect("integrated");
        held.append(&[leaf(3)]).expect("stored");
        assert_eq!(held.head(), tree(1..=3));
        assert_eq!(*held.sizes().borrow(), TreeSize(3));
        assert_eq!(held.last_leaf().expect("reads"), Some((LeafIndex(2), leaf(3))));
        drop(held);
        assert_eq!(open(&place).head(), tree(1..=3));
    }

    #[test]
    fn a_leaf_that_comes_again_is_refused_with_all_that_came_with_it() {
        for (batch, index) in [(vec![leaf(2), leaf(1), leaf(3)], 2), (vec![leaf(2), leaf(2)], 2)] {
            let (_place, held) = held();
            held.append(&[leaf(1)]).expect("stored");
            match held.append(&batch) {
                Err(HoldError::Contradiction(found)) => {
                    assert_eq!(*found, Contradiction::LeafTwice(LeafIndex(index)));
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(held.head(), tree(1..=1), "nothing was stored");
        }
    }
}
