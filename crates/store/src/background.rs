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
use std::time::Duration;

/// Pause before what the disk did not give is asked for again, at first. A try reads all full tiles of
/// hashes: what a fault of a moment costs submitters is this pause, and reading 32 bytes a leaf.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The pause doubles up to this: each try may read all hashes of a large log.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The index, once it is there.
#[derive(Debug, Default)]
pub(crate) struct IndexCell {
    index: OnceLock<HashIndex>,
    /// The last attempt to build it.
    build: Mutex<Option<Arc<Build>>>,
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
                let build = lock(&self.build);
                let (done, total) = build.as_ref().map_or((0, 0), |build| build.progress());
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
        let has_failed = matches!(phase, Phase::Failed(_));
        let mut current = lock(&self.phase);
        *current = phase;
        self.failed.store(has_failed, Ordering::Release);
        self.changed.notify_all();
    }

    /// Ends the thread soon.
    pub(crate) fn close(&self) {
        let _phase = lock(&self.phase); // so that nobody begins to wait meanwhile
        self.stop.store(true, Ordering::Release);
        self.changed.notify_all();
    }

    /// Waits; true where the store is closed before the time is over.
    fn is_closed_within(&self, pause: Duration) -> bool {
        let is_open = |_: &mut Phase| !self.stop.load(Ordering::Acquire);
        drop(self.changed.wait_timeout_while(lock(&self.phase), pause, is_open));
        self.stop.load(Ordering::Acquire)
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

/// The whole life of the thread. What cannot be read now may be readable later, so that is tried
/// again; damage stays damage.
pub(crate) fn run(shared: &Shared, known: &Known) {
    let cell = &shared.index;
    let mut pause = FIRST_PAUSE;
    while let Err(error) = build_and_look_over(shared, known) {
        let may_pass = error.may_pass();
        cell.enter(Phase::Failed(Arc::new(error)));
        if !may_pass || cell.is_closed_within(pause) {
            return;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Builds the index where it is not there yet, and looks over the tiles. An attempt that fails may be
/// repeated: without the index nothing is committed, so that what was known at the start still is all
/// there is to know.
fn build_and_look_over(shared: &Shared, known: &Known) -> Result<(), StoreError> {
    let cell = &shared.index;
    if cell.index.get().is_none() {
        cell.enter(Phase::Building);
        let Some(index) = build(shared, known)? else { return Ok(()) };
        let _ = cell.index.set(index); // nobody else sets it
        cell.enter(Phase::Ready);
    }
    shared.look_over()?;
    cell.enter(Phase::Ready); // also where the last look failed
    Ok(())
}

/// None where the store is closed meanwhile.
fn build(shared: &Shared, known: &Known) -> Result<Option<HashIndex>, StoreError> {
    let mixer = Mixer::random().map_err(StoreError::Random)?;
    let leaves = known.full_tiles * CHUNK_LEAVES + known.rest.len() as u64;
    let build = Arc::new(Build::new(mixer, known.full_tiles, leaves));
    *lock(&shared.index.build) = Some(Arc::clone(&build));
    let source = LeafTiles { tiles: &shared.tiles, stop: &shared.index.stop, build: &build };
    let index = build.run(&source)?;
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
