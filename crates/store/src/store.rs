//! The store of one log: what its parts are and how leaves move through them.

use crate::background::IndexCell;
use crate::durable::LockFile;
use crate::error::StoreError;
use crate::heads::Heads;
use crate::index::{HashIndex, MAX_LEAVES};
use crate::journal::{Journal, LeafBytes};
use crate::partials;
use crate::pending::Pending;
use crate::place::Place;
use crate::state;
use crate::tiles::{Snapshot, Tiles};
use crate::traits::LeafLog;
use crate::types::{Committed, IndexState, Recovery, Role};
use crate::writer::TileWriter;
use sigsum_core::merkle::{CompactRange, NodeReader, hash_leaf};
use sigsum_core::{Hash, Leaf, LeafIndex, PublicKey, TreeHead, TreeSize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Most leaves that are integrated in one go: bounds the memory that takes to some 30 MiB however
/// many wait.
const MAX_INTEGRATE_LEAVES: usize = 1 << 16;

/// The store of one log: a data directory with its only writer.
///
/// Opened by [`Store::open`]. Dropping it ends the thread that builds the index and gives the
/// directory free; nothing that was promised has to be saved then.
#[derive(Debug)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
    pub(crate) worker: Option<JoinHandle<()>>,
}

/// What the store and its thread share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) log_key: PublicKey,
    pub(crate) tiles: Tiles,
    pub(crate) pending: Pending,
    pub(crate) journal: Mutex<Journal>,
    pub(crate) index: IndexCell,
    pub(crate) heads: Heads,
    /// Held by whoever changes tiles or state files.
    pub(crate) writing: Mutex<()>,
    pub(crate) role: Mutex<Role>,
    pub(crate) recovery: Recovery,
    pub(crate) _lock: LockFile,
}

/// Takes a lock. A thread that panicked while it had it leaves nothing half done: what it guards is
/// changed only by steps that cannot fail, after all that can.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// What opening it had to repair.
    pub fn recovery(&self) -> &Recovery {
        &self.shared.recovery
    }

    /// How far the leaf index is.
    pub fn index_state(&self) -> IndexState {
        self.shared.index.state()
    }

    /// Waits until the leaf index is in use.
    ///
    /// # Errors
    /// The reason why it cannot be built. Where that [may pass](StoreError::may_pass), it is tried again
    /// by itself, and so may this be.
    pub fn wait_for_index(&self) -> Result<(), StoreError> {
        self.shared.index.wait()
    }

    /// The nodes of the integrated tree, as it is now.
    pub fn node_reader(&self) -> impl NodeReader<Error = StoreError> + '_ {
        self.shared.tiles.snapshot()
    }

    /// Reads every file and checks every byte that is served against the tree. Long: it reads the
    /// whole data directory.
    ///
    /// # Errors
    /// The first damage that is found.
    pub fn verify(&self) -> Result<(), StoreError> {
        self.shared.verify_everything()
    }

    pub(crate) fn snapshot(&self) -> Snapshot<'_> {
        self.shared.tiles.snapshot()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.shared.index.close();
        if let Some(worker) = self.worker.take() {
            let _ = worker.join(); // if it panicked, that was printed
        }
        lock(&self.shared.journal).close();
    }
}

impl Shared {
    pub(crate) fn place(&self) -> &Place {
        self.tiles.place()
    }

    /// The index of the leaf with this hash.
    fn find(&self, index: &HashIndex, hash: &Hash) -> Result<Option<u64>, StoreError> {
        for candidate in index.candidates(hash) {
            if self.leaf_hash(candidate)? == *hash {
                return Ok(Some(candidate));
            }
        }
        Ok(None)
    }

    /// The hash of a committed leaf.
    fn leaf_hash(&self, index: u64) -> Result<Hash, StoreError> {
        // In this order: what has left the queue is in the tiles already.
        match self.pending.read().hash(index) {
            Some(hash) => Ok(hash),
            None => self.tiles.snapshot().leaf_hash(index),
        }
    }

    /// Appends what is new of a batch.
    fn commit(&self, leaves: &[Leaf]) -> Result<Vec<Committed>, StoreError> {
        let index = self.index.get()?;
        let batch: Vec<LeafBytes> = leaves.iter().map(Leaf::to_bytes).collect();
        let hashes: Vec<Hash> = batch.iter().map(|leaf| hash_leaf(leaf)).collect();
        let mut journal = lock(&self.journal);
        let first = journal.next();
        let (mut new_leaves, mut new_hashes) = (Vec::new(), Vec::new());
        let mut seen = HashMap::new();
        let mut committed = Vec::with_capacity(batch.len());
        for (leaf, hash) in batch.iter().zip(&hashes) {
            let known = match seen.get(hash) {
                Some(known) => Some(*known),
                None => self.find(index, hash)?,
            };
            let place = known.unwrap_or(first + new_leaves.len() as u64);
            if known.is_none() {
                new_leaves.push(*leaf);
                new_hashes.push(*hash);
                seen.insert(*hash, place);
            }
            committed.push(Committed { index: LeafIndex(place), is_new: known.is_none() });
        }
        if first + new_leaves.len() as u64 > MAX_LEAVES {
            return Err(StoreError::Full);
        }
        let (durable, result) = journal.append(&new_leaves);
        // Also what an error did not keep from being durable is in the log now.
        let (durable_leaves, durable_hashes) = (&new_leaves[..durable], &new_hashes[..durable]);
        self.pending.push(durable_leaves, durable_hashes, || {
            (first..).zip(durable_hashes).for_each(|(place, hash)| index.insert(hash, place));
        });
        result?;
        Ok(committed)
    }

    fn integrate(&self) -> Result<TreeHead, StoreError> {
        let _writing = lock(&self.writing);
        // What is committed from now on need not get in: under load, waiting for all of it would
        // never end.
        let end = self.pending.read().end();
        loop {
            let snapshot = self.tiles.snapshot();
            let state = snapshot.state();
            let (leaves, hashes) = {
                let pending = self.pending.read();
                let (leaves, hashes) = pending.front(MAX_INTEGRATE_LEAVES);
                (leaves.to_vec(), hashes.to_vec())
            };
            if leaves.is_empty() || state.size().0 >= end {
                return Ok(state.head());
            }
            let mut writer = TileWriter::new(self.place());
            let grown = state.grow(&leaves, &hashes, |tile, bytes| writer.write(&tile, bytes))?;
            writer.finish()?;
            // The moment from which on the leaves are in the tree, also after a crash.
            state::store_tree(self.place(), &grown.head())?;
            let (old, new) = (state.size(), grown.size());
            self.tiles.advance(grown);
            self.pending.drop_front(leaves.len());
            partials::remove_filled(self.place(), old, new, &self.heads.sizes())?;
            lock(&self.journal).forget(new.0)?;
            self.prepare_journal()?;
        }
    }

    /// Makes a spare journal segment ahead of need, while commits go on.
    fn prepare_journal(&self) -> Result<(), StoreError> {
        if lock(&self.journal).wants_spare() {
            Journal::make_spare(self.place())?;
            lock(&self.journal).spare_made();
        }
        Ok(())
    }
}

impl LeafLog for Store {
    fn commit(&self, leaves: &[Leaf]) -> Result<Vec<Committed>, StoreError> {
        self.shared.commit(leaves)
    }

    fn index_of(&self, leaf_hash: &Hash) -> Result<Option<LeafIndex>, StoreError> {
        let index = self.shared.index.get()?;
        Ok(self.shared.find(index, leaf_hash)?.map(LeafIndex))
    }

    fn committed_size(&self) -> TreeSize {
        TreeSize(self.shared.pending.read().end())
    }

    fn integrate(&self) -> Result<TreeHead, StoreError> {
        self.shared.integrate()
    }

    fn integrated(&self) -> TreeHead {
        self.snapshot().state().head()
    }

    fn compact_range(&self) -> CompactRange {
        self.snapshot().state().range().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Mixer;
    use sigsum_core::{Checksum, KeyHash, Signature};

    fn leaf(n: u8) -> Leaf {
        Leaf {
            checksum: Checksum::new([n; 32]),
            signature: Signature::new([n; 64]),
            key_hash: KeyHash::new([n; 32]),
        }
    }

    #[test]
    fn leaves_are_told_apart_by_their_whole_hash() {
        let place = Place::memory();
        let key = PublicKey::new([1; 32]);
        Store::init(&place, &key).unwrap();
        let store = Store::open(&place, &key).unwrap();
        store.wait_for_index().unwrap();
        let leaves: Vec<Leaf> = (0..200).map(leaf).collect();
        store.commit(&leaves[..100]).unwrap();
        store.integrate().unwrap();
        store.commit(&leaves[100..]).unwrap();
        // One bucket, one tag for all of them.
        let index = HashIndex::new(Mixer::new(&[0; Mixer::SECRET_BYTES]), 0);
        (0..).zip(&leaves).for_each(|(place, leaf)| index.insert(&leaf.hash(), place));
        for (place, leaf) in (0..).zip(&leaves) {
            assert_eq!(store.shared.find(&index, &leaf.hash()).unwrap(), Some(place));
        }
        assert_eq!(store.shared.find(&index, &leaf(200).hash()).unwrap(), None);
    }
}
