//! The thread that builds the leaf index at start, and looks over the tiles afterwards.

use crate::error::StoreError;
use crate::index::{Build, CHUNK_LEAVES, HashIndex, HashSource, Mixer};
use crate::store::{Shared, lock};
use crate::tiles::{Tiles, full};
use crate::tree::TILE_BYTES;
use crate::types::IndexState;
use sigsum_core::Hash;
use sigsum_core::merkle::tile::TileLevel;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

/// The index, once it is there.
#[derive(Debug, Default)]
pub(crate) struct IndexCell {
    index: OnceLock<HashIndex>,
    build: OnceLock<Build>,
    /// Set when the store is closed.
    pub(crate) stop: AtomicBool,
    failed: AtomicBool,
    phase: Mutex<Phase>,
    changed: Condvar,
}

#[derive(Debug, Clone, Default)]
enum Phase {
    #[default]
    Building,
    Ready,
    Failed(Arc<StoreError>),
}

impl IndexCell {
    /// The index, for use.
    pub(crate) fn get(&self) -> Result<&HashIndex, StoreError> {
        if self.failed.load(Ordering::Acquire)
            && let Phase::Failed(error) = &*lock(&self.phase)
        {
            return Err(StoreError::Earlier(Arc::clone(error)));
        }
        self.index.get().ok_or(StoreError::IndexBuilding)
    }

    pub(crate) fn state(&self) -> IndexState {
        match &*lock(&self.phase) {
            Phase::Building => {
                let build = self.build.get();
                let (done, total) = build.map_or((0, 0), Build::progress);
                let leaves = |chunks: u64| chunks.saturating_mul(CHUNK_LEAVES);
                IndexState::Building { done: leaves(done), total: leaves(total) }
            }
            Phase::Ready => IndexState::Ready,
            Phase::Failed(error) => IndexState::Failed(Arc::clone(error)),
        }
    }

    pub(crate) fn wait(&self) -> Result<(), StoreError> {
        let mut phase = lock(&self.phase);
        loop {
            match &*phase {
                Phase::Building => (),
                Phase::Ready => return Ok(()),
                Phase::Failed(error) => return Err(StoreError::Earlier(Arc::clone(error))),
            }
            phase = self.changed.wait(phase).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn enter(&self, phase: Phase) {
        if matches!(phase, Phase::Failed(_)) {
            self.failed.store(true, Ordering::Release);
        }
        *lock(&self.phase) = phase;
        self.changed.notify_all();
    }
}

/// The leaf hashes of a tree: those in full tiles, and the rest.
#[derive(Debug)]
pub(crate) struct Known {
    /// Full tiles of level 0.
    pub(crate) full_tiles: u64,
    /// Hashes behind those: of the edge, and of leaves in the journal.
    pub(crate) rest: Vec<Hash>,
}

/// The whole life of the thread.
pub(crate) fn run(shared: &Shared, known: &Known) {
    let cell = &shared.index;
    match build(shared, known) {
        Ok(Some(index)) => {
            let _ = cell.index.set(index); // nobody else sets it
            cell.enter(Phase::Ready);
        }
        Ok(None) => return,
        Err(error) => return cell.enter(Phase::Failed(Arc::new(error))),
    }
    if let Err(error) = shared.look_over() {
        cell.enter(Phase::Failed(Arc::new(error)));
    }
}

fn build(shared: &Shared, known: &Known) -> Result<Option<HashIndex>, StoreError> {
    let mixer = Mixer::random().map_err(StoreError::Random)?;
    let leaves = known.full_tiles * CHUNK_LEAVES + known.rest.len() as u64;
    let build = shared.index.build.get_or_init(|| Build::new(mixer, known.full_tiles, leaves));
    let index = build.run(&LeafTiles { tiles: &shared.tiles, stop: &shared.index.stop, build })?;
    if let Some(index) = &index {
        for (place, hash) in (known.full_tiles * CHUNK_LEAVES..).zip(&known.rest) {
            index.insert(hash, place);
        }
    }
    Ok(index)
}

/// The full tiles of level 0 as a source of leaf hashes. They are not checked here, which would
/// double the time: what is found by them is compared with checked tiles, and what a damaged tile
/// hides is found when [`Shared::look_over`] comes to it.
struct LeafTiles<'a> {
    tiles: &'a Tiles,
    stop: &'a AtomicBool,
    build: &'a Build,
}

impl HashSource for LeafTiles<'_> {
    type Error = StoreError;

    fn read_chunk(&self, chunk: u64, buffer: &mut Vec<u8>) -> Result<(), StoreError> {
        if self.stop.load(Ordering::Relaxed) {
            self.build.stop.store(true, Ordering::Relaxed);
        }
        self.tiles.read_file(&full(TileLevel::Hashes(0), chunk)?, TILE_BYTES, buffer)
    }
}
