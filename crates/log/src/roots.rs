//! Root hashes of the committed tree, which reaches further than the tiles do.

use sigsum_core::merkle::CompactRange;
use sigsum_core::{Hash, LeafIndex, TreeSize};
use sigsum_store::{LogStore, StoreError};
use std::sync::Arc;

/// Leaves that are read at once: a quarter of a megabyte.
const CHUNK_LEAVES: u64 = 2048;

/// Root hashes at any committed size. Cheap for sizes that only grow: each leaf is hashed once.
pub(crate) struct CommittedRoots {
    store: Arc<dyn LogStore>,
    /// A tree of ours of some size.
    range: CompactRange,
}

impl CommittedRoots {
    pub(crate) fn new(store: Arc<dyn LogStore>) -> Self {
        Self { store, range: CompactRange::new() }
    }

    /// The root hash at this size.
    ///
    /// # Errors
    /// [`StoreError::OutsideTree`]; damage.
    pub(crate) fn at(&mut self, size: TreeSize) -> Result<Hash, StoreError> {
        let reached = self.range.size();
        if reached > size || reached < self.store.integrated().size {
            self.range = self.store.compact_range();
        }
        if self.range.size() > size {
            return self.store.root_hash(size);
        }
        while self.range.size() < size {
            let from = self.range.size().0;
            let to = size.0.min(from.saturating_add(CHUNK_LEAVES));
            let leaves = self.store.leaves(LeafIndex(from), LeafIndex(to))?;
            self.range.append_many(leaves.iter().map(sigsum_core::Leaf::hash));
        }
        Ok(self.range.root_hash())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigsum_core::{Checksum, KeyHash, Leaf, PublicKey, Signature};
    use sigsum_store::{LeafLog as _, Place, Store};

    fn leaf(n: u16) -> Leaf {
        let mut checksum = [0; 32];
        checksum[..2].copy_from_slice(&n.to_be_bytes());
        Leaf {
            checksum: Checksum::new(checksum),
            signature: Signature::new([1; 64]),
            key_hash: KeyHash::new([2; 32]),
        }
    }

    #[test]
    fn roots_are_those_of_the_leaves_in_tiles_or_not_and_in_any_order() {
        let (place, key) = (Place::memory(), PublicKey::new([1; 32]));
        Store::init(&place, &key).expect("new");
        let store = Arc::new(Store::open(&place, &key).expect("opens"));
        store.wait_for_index().expect("no leaves");
        let leaves: Vec<Leaf> = (0..5000).map(leaf).collect();
        let root = |size: usize| {
            let mut range = CompactRange::new();
            range.append_many(leaves[..size].iter().map(Leaf::hash));
            range.root_hash()
        };
        let mut roots = CommittedRoots::new(store.clone());
        let mut check = |sizes: &[usize]| {
            for size in sizes {
                let found = roots.at(TreeSize(*size as u64)).expect("committed");
                assert_eq!(found, root(*size), "{size}");
            }
        };
        check(&[0]);
        store.commit(&leaves[..3000]).expect("commits");
        check(&[1, 3000, 2999, 3000]);
        store.integrate().expect("integrates");
        check(&[1, 3000, 7]);
        store.commit(&leaves[3000..]).expect("commits");
        check(&[3001, 5000, 2000, 4999]);
        assert!(matches!(roots.at(TreeSize(5001)), Err(StoreError::OutsideTree { .. })));
    }
}
