//! Making a store and opening one: recovery from crashes, refusal of damage.

use crate::background::{self, IndexCell, Known};
use crate::bundle::{ENTRY_BYTES, check_entries, entries, entry_leaf};
use crate::durable::{LockError, LockFile};
use crate::error::{Damage, StoreError};
use crate::fs::{PUBLIC_DIR, PUBLIC_FILE};
use crate::heads::{CHECKPOINT, Heads};
use crate::journal::{self, Journal, LeafBytes};
use crate::partials;
use crate::pending::Pending;
use crate::place::Place;
use crate::role;
use crate::state::{self, Kind, MAX_STATE_BYTES};
use crate::store::{Shared, Store};
use crate::tiles::{Tiles, full};
use crate::traits::HeadStore as _;
use crate::tree::{Edge, TILE_BYTES, TreeState};
use crate::types::{Recovery, Role};
use crate::writer;
use sigsum_core::merkle::tile::{TILE_WIDTH, Tile, TileLevel, TileNodes, TileSlot};
use sigsum_core::{Hash, PublicKey, TreeHead, TreeSize};
use std::sync::{Arc, Mutex};
use std::thread;

/// Name of the lock file.
const LOCK: &str = "LOCK";

impl Store {
    /// Makes an empty store for the log with this key. The directory may exist; what is above it
    /// must. Made again from the start where an earlier attempt was cut short.
    ///
    /// Only for a log that never signed anything: an empty store under a key that did forks the log.
    ///
    /// # Errors
    /// [`StoreError::AlreadyInitialised`], [`StoreError::Locked`], [`StoreError::File`].
    pub fn init(place: &Place, log_key: &PublicKey) -> Result<(), StoreError> {
        Self::init_as(Role::Primary, place, log_key)
    }

    /// Makes an empty store for a node that is to hold a copy of the log with this key. As
    /// [`Self::init`], but harmless also for a log that has run: a follower signs nothing for it.
    ///
    /// # Errors
    /// As [`Self::init`].
    pub fn init_follower(place: &Place, log_key: &PublicKey) -> Result<(), StoreError> {
        Self::init_as(Role::Follower, place, log_key)
    }

    fn init_as(role: Role, place: &Place, log_key: &PublicKey) -> Result<(), StoreError> {
        place.ensure_self()?;
        let _lock = take_lock(place)?;
        if is_in_use(place)? {
            return Err(StoreError::AlreadyInitialised { dir: place.path().to_owned() });
        }
        Journal::init(place)?;
        place.ensure_dir(writer::DIR, PUBLIC_DIR)?;
        state::store_tree(place, &TreeHead::empty())?;
        match role {
            // An attempt to make a follower may have been cut short here.
            Role::Primary => place.remove_file(Kind::Role.name())?,
            Role::Follower | Role::Frozen => state::store_role(place, role, log_key)?,
        }
        // Last, as this is what makes it a store; it also makes the names before it durable.
        state::store_identity(place, &log_key.key_hash())?;
        Ok(())
    }

    /// Opens the store of the log with this key: takes its lock, repairs what a crash leaves
    /// behind, checks the rest as far as can be done at once, and begins to build the leaf index
    /// in a thread. Reads are served at once, `commit` when the index is there.
    ///
    /// # Errors
    /// [`StoreError::NotInitialised`], [`StoreError::Locked`], [`StoreError::OtherLog`],
    /// [`StoreError::Damaged`], [`StoreError::File`].
    pub fn open(place: &Place, log_key: &PublicKey) -> Result<Self, StoreError> {
        let not_initialised = || StoreError::NotInitialised { dir: place.path().to_owned() };
        if state::load_identity(place)?.is_none() && !is_in_use(place)? {
            return Err(not_initialised());
        }
        let lock = take_lock(place)?;
        check_identity(place, log_key)?;
        let role = role::load(place, log_key)?;
        // The last process may have died between a rename and the sync behind it.
        place.sync_dir("")?;
        let recorded = state::load_tree(place)?;
        let recorded =
            recorded.ok_or_else(|| damaged(place, Kind::Tree.name(), Damage::Missing))?;
        let tiles = Tiles::new(place.clone(), load_edges(place, recorded)?);
        check_root(&tiles, recorded)?;
        let (journal, recovered) = Journal::recover(place, recorded.size.0)?;
        let heads = Heads::load(&tiles.snapshot(), log_key)?;
        let recovery = Recovery {
            recovered_leaves: recovered.leaves.len() as u64,
            torn_journal_bytes: recovered.torn_bytes,
            rewritten: Vec::new(),
        };
        let pending = Pending::new(recorded.size.0, recovered.leaves);
        let known = known_hashes(&tiles, &pending);
        let shared = Shared {
            log_key: *log_key,
            tiles,
            pending,
            journal: Mutex::new(journal),
            index: IndexCell::default(),
            heads,
            writing: Mutex::new(()),
            role: Mutex::new(role),
            recovery,
            _lock: lock,
        };
        let mut store = Self { shared: Arc::new(shared), worker: None };
        store.repair_checkpoint()?;
        let shared = Arc::clone(&store.shared);
        let worker = thread::Builder::new().name("leaf-index".into());
        let worker = worker.spawn(move || background::run(&shared, &known));
        store.worker = Some(worker.map_err(StoreError::Thread)?);
        Ok(store)
    }

    /// The checkpoint file is a copy for static servers; a crash may have left the one before.
    fn repair_checkpoint(&mut self) -> Result<(), StoreError> {
        let Some(published) = self.load_published() else { return Ok(()) };
        let place = self.shared.place();
        let found = place.read(CHECKPOINT, MAX_STATE_BYTES)?;
        if found.as_ref() == Some(&published.checkpoint) {
            return Ok(());
        }
        place.replace(CHECKPOINT, &published.checkpoint, PUBLIC_FILE)?;
        let path = place.join(CHECKPOINT);
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.recovery.rewritten.push(path);
        }
        Ok(())
    }
}

fn damaged(place: &Place, name: &str, damage: Damage) -> StoreError {
    StoreError::damaged(place.join(name), damage)
}

pub(crate) fn take_lock(place: &Place) -> Result<LockFile, StoreError> {
    LockFile::acquire_on(place.fs(), &place.join(LOCK)).map_err(|error| match error {
        LockError::Held { .. } => StoreError::Locked { dir: place.path().to_owned() },
        LockError::File(error) => StoreError::File(error),
    })
}

/// Whether a directory holds more than what a cut short initialisation leaves.
pub(crate) fn is_in_use(place: &Place) -> Result<bool, StoreError> {
    for kind in [Kind::Identity, Kind::Head, Kind::Published] {
        if place.len(kind.name())?.is_some() {
            return Ok(true);
        }
    }
    let tiles = !place.list(writer::DIR)?.is_empty();
    let segments = place.list(journal::DIR)?;
    let leaves = segments.iter().any(|name| name.bytes().any(|b| b.is_ascii_digit() && b != b'0'));
    Ok(tiles || leaves || state::load_tree(place)?.is_some_and(|tree| tree.size.0 > 0))
}

fn check_identity(place: &Place, log_key: &PublicKey) -> Result<(), StoreError> {
    let found = state::load_identity(place)?;
    let found = found.ok_or_else(|| damaged(place, Kind::Identity.name(), Damage::Missing))?;
    let expected = log_key.key_hash();
    if found != expected {
        return Err(StoreError::OtherLog { dir: place.path().to_owned(), expected, found });
    }
    Ok(())
}

/// Reads the partial tiles at the right edge, and holds the last leaves against their hashes.
pub(crate) fn load_edges(place: &Place, recorded: TreeHead) -> Result<TreeState, StoreError> {
    let size = recorded.size;
    let mut edges: Vec<Option<Edge>> = TileLevel::hash_levels(size).map(|_| None).collect();
    let mut bundle = Vec::new();
    for tile in partials::of(size) {
        let name = tile.path();
        let expected = tile.hash_bytes().unwrap_or(usize::from(tile.width()) * ENTRY_BYTES);
        let bytes = place.read(&name, expected + 1)?;
        let bytes = bytes.ok_or_else(|| damaged(place, &name, Damage::Missing))?;
        if bytes.len() != expected {
            let got = bytes.len();
            return Err(damaged(place, &name, Damage::Length { expected, got }));
        }
        match tile.level() {
            TileLevel::Entries => bundle = bytes,
            TileLevel::Hashes(level) => {
                if let Some(edge) = edges.get_mut(usize::from(level)) {
                    *edge = Edge::new(&bytes);
                }
            }
        }
    }
    let entries = entries(&bundle);
    if let Some(Some(edge)) = edges.first() {
        let first = size.0 - size.0 % u64::from(TILE_WIDTH);
        let of = |level| Tile::within(level, first / u64::from(TILE_WIDTH), size);
        let path = |level| of(level).map_or(String::new(), |tile| tile.path());
        check_entries(entries, first, &edge.bytes).map_err(|damage| {
            let damage = damage.with_other(|| path(TileLevel::Hashes(0)));
            damaged(place, &path(TileLevel::Entries), damage)
        })?;
    }
    let entries: Vec<LeafBytes> = entries.iter().map(entry_leaf).collect();
    // Every edge that the size asks for was read above.
    let state = TreeState::new(size, entries, edges);
    state.ok_or_else(|| damaged(place, writer::DIR, Damage::Missing))
}

/// Whether the edge leads to the recorded root hash; else finds the tile that does not fit.
pub(crate) fn check_root(tiles: &Tiles, recorded: TreeHead) -> Result<(), StoreError> {
    let snapshot = tiles.snapshot();
    let computed = snapshot.state().head().root_hash;
    if computed == recorded.root_hash {
        return Ok(());
    }
    let width = u64::from(TILE_WIDTH);
    for tile in partials::of(recorded.size) {
        let TileLevel::Hashes(level @ 1..) = tile.level() else { continue };
        for slot in 0..tile.width() {
            let below = full(TileLevel::Hashes(level - 1), tile.index() * width + u64::from(slot))?;
            let mut bytes = Vec::new();
            tiles.read_file(&below, TILE_BYTES, &mut bytes)?;
            let root = TileNodes::new(&bytes).and_then(|nodes| nodes.root());
            let place = TileSlot { level, index: tile.index(), first: slot, height: 0 };
            let due = snapshot.state().edge(level).and_then(|edge| edge.nodes.get(&place));
            if root != due {
                let damage = Damage::TileHash { other: tile.path(), slot: usize::from(slot) };
                return Err(damaged(tiles.place(), &below.path(), damage));
            }
        }
    }
    let TreeHead { size, root_hash: recorded } = recorded;
    let damage = Damage::Root { size, computed, recorded };
    Err(damaged(tiles.place(), Kind::Tree.name(), damage))
}

/// What the index is to be built of.
fn known_hashes(tiles: &Tiles, pending: &Pending) -> Known {
    let snapshot = tiles.snapshot();
    let TreeSize(size) = snapshot.size();
    let full_tiles = size / u64::from(TILE_WIDTH);
    let edge = snapshot.state().edge(0).map(|edge| edge.bytes.as_slice()).unwrap_or_default();
    let (edge, _) = edge.as_chunks::<{ Hash::LEN }>();
    let queue = pending.read();
    let (_, waiting) = queue.front(usize::MAX);
    let rest = edge.iter().copied().map(Hash::new).chain(waiting.iter().copied());
    Known { full_tiles, rest: rest.collect() }
}
