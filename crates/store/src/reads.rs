//! What is served out of a store.

use crate::error::StoreError;
use crate::store::Store;
use crate::tiles::Snapshot;
use crate::traits::TreeReader;
use sigsum_core::merkle::tile::Tile;
use sigsum_core::merkle::{ProveError, SizePair, prove_consistency, prove_inclusion};
use sigsum_core::{Hash, Leaf, LeafIndex, TreeSize};

impl TreeReader for Store {
    fn leaves(&self, first: LeafIndex, end: LeafIndex) -> Result<Vec<Leaf>, StoreError> {
        let (mut behind, tiles_end) = {
            let pending = self.shared.pending.read();
            let size = TreeSize(pending.end());
            if end.0 > size.0 {
                return Err(StoreError::OutsideTree { asked: end.0, size });
            }
            (pending.range(first.0.max(pending.first()), end.0).to_vec(), pending.first())
        };
        let mut leaves = Vec::new();
        if first.0 < end.0.min(tiles_end) {
            // What has left the queue is in the tiles, so they reach that far at least.
            self.snapshot().leaves(first.0, end.0.min(tiles_end), &mut leaves)?;
        }
        leaves.append(&mut behind);
        // 128 bytes are always a leaf.
        Ok(leaves.iter().filter_map(|bytes| Leaf::from_bytes(bytes).ok()).collect())
    }

    fn tile(&self, tile: &Tile) -> Result<Option<Vec<u8>>, StoreError> {
        self.snapshot().tile(tile)
    }

    fn root_hash(&self, size: TreeSize) -> Result<Hash, StoreError> {
        self.snapshot().root_hash(size)
    }

    fn inclusion_proof(&self, index: LeafIndex, size: TreeSize) -> Result<Vec<Hash>, StoreError> {
        let snapshot = within(self.snapshot(), size)?;
        Ok(prove_inclusion(&snapshot, index, size)?)
    }

    fn consistency_proof(&self, sizes: SizePair) -> Result<Vec<Hash>, StoreError> {
        let snapshot = within(self.snapshot(), sizes.new)?;
        Ok(prove_consistency(&snapshot, sizes)?)
    }
}

/// Refuses sizes beyond the tree.
fn within(snapshot: Snapshot<'_>, size: TreeSize) -> Result<Snapshot<'_>, StoreError> {
    if size > snapshot.size() {
        return Err(StoreError::OutsideTree { asked: size.0, size: snapshot.size() });
    }
    Ok(snapshot)
}

impl From<ProveError<StoreError>> for StoreError {
    fn from(error: ProveError<StoreError>) -> Self {
        match error {
            ProveError::Asked(error) => Self::Proof(error),
            ProveError::Read(error) => error,
        }
    }
}
