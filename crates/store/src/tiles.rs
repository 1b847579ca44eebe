//! Reading the tree out of its tiles: never a byte that was not checked.
//!
//! A full tile is checked against the tile above it, and so on up to the right edge, which is in
//! memory and was checked against the root hash at start. That is done when a tile is read first;
//! its CRC-32C is remembered, 4 bytes a tile, so that a later read finds any change for half a
//! microsecond. An entry bundle is checked against its tile of level 0.
//!
//! Tiles above level 0 are few and kept with all their nodes. Of a tile of level 0, sixteen nodes
//! are kept, so that a proof takes one read and two dozen hashes.

mod cache;
mod waypoints;

use crate::bundle::{BUNDLE_BYTES, ENTRY_BYTES, check_entries, entries, entry_leaf, write_bundle};
use crate::error::{Damage, StoreError};
use crate::journal::LeafBytes;
use crate::place::Place;
use crate::tree::{TILE_BYTES, TreeState};
use cache::{Marks, NodeCache};
use sigsum_core::merkle::tile::{TILE_WIDTH, Tile, TileLevel, TileNodes, TileSlot};
use sigsum_core::merkle::{NodeId, NodeReader};
use sigsum_core::{Hash, TreeSize};
use std::sync::{Arc, PoisonError, RwLock};
use waypoints::{AllWaypoints, Waypoints};

/// Hashes of a full tile.
const WIDTH: u64 = TILE_WIDTH as u64;

/// The tiles of a store.
#[derive(Debug)]
pub(crate) struct Tiles {
    place: Place,
    state: RwLock<Arc<TreeState>>,
    marks: Marks,
    cache: NodeCache,
    waypoints: AllWaypoints,
}

impl Tiles {
    /// The tiles of a tree whose edge was checked.
    pub(crate) fn new(place: Place, state: TreeState) -> Self {
        let state = RwLock::new(Arc::new(state));
        let (marks, cache) = (Marks::default(), NodeCache::default());
        Self { place, state, marks, cache, waypoints: AllWaypoints::default() }
    }

    /// The tree at this moment. All full tiles of it are on disk.
    pub(crate) fn snapshot(&self) -> Snapshot<'_> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        Snapshot { tiles: self, state: Arc::clone(&state) }
    }

    /// Makes a grown tree the present one; its tiles are on disk.
    pub(crate) fn advance(&self, state: TreeState) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The bytes of a full tile's file, of the right length but otherwise not checked.
    pub(crate) fn read_file(
        &self,
        tile: &Tile,
        expected: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        let name = tile.path();
        let damage = if !self.place.read_into(&name, expected + 1, buffer)? {
            Damage::Missing
        } else if buffer.len() != expected {
            Damage::Length { expected, got: buffer.len() }
        } else {
            return Ok(());
        };
        Err(self.damaged(tile, damage))
    }

    fn damaged(&self, tile: &Tile, damage: Damage) -> StoreError {
        StoreError::damaged(self.place.join(tile.path()), damage)
    }
}

/// A tree of one moment and the tiles to read it from.
#[derive(Debug)]
pub(crate) struct Snapshot<'a> {
    tiles: &'a Tiles,
    state: Arc<TreeState>,
}

impl Snapshot<'_> {
    pub(crate) fn state(&self) -> &TreeState {
        &self.state
    }

    pub(crate) fn size(&self) -> TreeSize {
        self.state.size()
    }

    pub(crate) fn place(&self) -> &Place {
        self.tiles.place()
    }

    /// The bytes of a tile as served; none where the tree does not reach it. A partial tile comes
    /// out of whatever holds its hashes.
    pub(crate) fn tile(&self, tile: &Tile) -> Result<Option<Vec<u8>>, StoreError> {
        let present = Tile::within(tile.level(), tile.index(), self.size());
        let Some(present) = present.filter(|present| present.width() >= tile.width()) else {
            return Ok(None);
        };
        let width = usize::from(tile.width());
        let (mut bytes, unit) = match tile.level() {
            TileLevel::Entries if present.is_full() => (self.bundle(tile.index())?, ENTRY_BYTES),
            TileLevel::Entries => (write_bundle(self.state.edge_entries()), ENTRY_BYTES),
            TileLevel::Hashes(level) if present.is_full() => {
                (self.read_checked(level, tile.index())?.0, Hash::LEN)
            }
            TileLevel::Hashes(level) => {
                let edge = self.state.edge(level).map(|edge| edge.bytes.clone());
                (edge.unwrap_or_default(), Hash::LEN)
            }
        };
        bytes.truncate(width * unit);
        Ok(Some(bytes))
    }

    /// Appends the leaves from `first` up to `end`, which must be in the tree.
    pub(crate) fn leaves(
        &self,
        first: u64,
        end: u64,
        out: &mut Vec<LeafBytes>,
    ) -> Result<(), StoreError> {
        if end > self.size().0 {
            return Err(StoreError::OutsideTree { asked: end, size: self.size() });
        }
        let mut at = first;
        while at < end {
            let (index, from) = (at / WIDTH, (at % WIDTH) as usize);
            let until = (end - index * WIDTH).min(WIDTH) as usize;
            if (index + 1) * WIDTH <= self.size().0 {
                let bundle = self.bundle(index)?;
                let part = entries(&bundle).get(from..until);
                out.extend(part.into_iter().flatten().map(entry_leaf));
            } else {
                let edge = self.state.edge_entries();
                out.extend_from_slice(edge.get(from..until).unwrap_or_default());
            }
            at = index * WIDTH + until as u64;
        }
        Ok(())
    }

    /// The hash of a leaf of the tree.
    pub(crate) fn leaf_hash(&self, index: u64) -> Result<Hash, StoreError> {
        self.node(NodeId { level: 0, index })
    }

    /// A full entry bundle, checked.
    pub(crate) fn bundle(&self, index: u64) -> Result<Vec<u8>, StoreError> {
        let tile = full(TileLevel::Entries, index)?;
        let (bytes, sum) = self.read_full(&tile, BUNDLE_BYTES)?;
        if let Some(sum) = sum {
            let hashes = self.read_checked(0, index)?.0;
            check_entries(entries(&bytes), index * WIDTH, &hashes).map_err(|damage| {
                let other = full(TileLevel::Hashes(0), index).map(|tile| tile.path());
                self.tiles.damaged(&tile, damage.with_other(|| other.unwrap_or_default()))
            })?;
            self.tiles.marks.set(TileLevel::Entries, index, sum);
        }
        Ok(bytes)
    }

    /// A full tile or bundle; with its checksum where it has still to be checked.
    fn read_full(&self, tile: &Tile, length: usize) -> Result<(Vec<u8>, Option<u32>), StoreError> {
        let mut bytes = Vec::new();
        self.tiles.read_file(tile, length, &mut bytes)?;
        let sum = crc32c::crc32c(&bytes);
        match self.tiles.marks.get(tile.level(), tile.index()) {
            Some(known) if known != sum => Err(self.tiles.damaged(tile, Damage::Changed)),
            Some(_) => Ok((bytes, None)),
            None => Ok((bytes, Some(sum))),
        }
    }

    /// A full tile of hashes, checked; and its nodes, where checking made them.
    fn read_checked(
        &self,
        level: u8,
        index: u64,
    ) -> Result<(Vec<u8>, Option<TileNodes>), StoreError> {
        let tile = full(TileLevel::Hashes(level), index)?;
        let (bytes, sum) = self.read_full(&tile, TILE_BYTES)?;
        let Some(sum) = sum else { return Ok((bytes, None)) };
        let nodes = TileNodes::new(&bytes);
        let (above, slot) = (index / WIDTH, index % WIDTH);
        let place = TileSlot { level: level + 1, index: above, first: slot as u16, height: 0 };
        let due = self.source(level + 1, above)?.get(&place);
        let root = nodes.as_ref().and_then(TileNodes::root);
        if root.is_none() || root != due {
            let above = Tile::within(TileLevel::Hashes(level + 1), above, self.size());
            let other = above.map_or(String::new(), |tile| tile.path());
            let damage = Damage::TileHash { other, slot: slot as usize };
            return Err(self.tiles.damaged(&tile, damage));
        }
        if level == 0 {
            self.tiles.waypoints.set(index, nodes.as_ref().and_then(Waypoints::new));
        }
        self.tiles.marks.set(tile.level(), index, sum);
        Ok((bytes, nodes))
    }

    /// What gives the nodes of a tile that the tree has, full or at the edge.
    fn source(&self, level: u8, index: u64) -> Result<Source, StoreError> {
        let size = self.size();
        let outside = StoreError::OutsideTree { asked: index, size };
        let Some(present) = Tile::within(TileLevel::Hashes(level), index, size) else {
            return Err(outside);
        };
        if !present.is_full() {
            let edge = self.state.edge(level).map(|edge| Arc::clone(&edge.nodes));
            return edge.map(Source::Nodes).ok_or(outside);
        }
        if let Some(nodes) = self.tiles.cache.get(level, index) {
            return Ok(Source::Nodes(nodes));
        }
        let (bytes, nodes) = self.read_checked(level, index)?;
        if level == 0
            && let Some(waypoints) = self.tiles.waypoints.get(index)
        {
            return Ok(Source::Leaves { bytes, waypoints });
        }
        let nodes = nodes.or_else(|| TileNodes::new(&bytes)).map(Arc::new).ok_or(outside)?;
        if level > 0 {
            self.tiles.cache.put(level, index, Arc::clone(&nodes));
        }
        Ok(Source::Nodes(nodes))
    }
}

/// What gives the nodes of a tile.
#[derive(Debug)]
enum Source {
    /// All of them, computed.
    Nodes(Arc<TileNodes>),
    /// A full tile of level 0.
    Leaves { bytes: Vec<u8>, waypoints: Arc<Waypoints> },
}

impl Source {
    fn get(&self, slot: &TileSlot) -> Option<Hash> {
        match self {
            Self::Nodes(nodes) => nodes.get(slot),
            Self::Leaves { bytes, waypoints } => waypoints.node(bytes, slot),
        }
    }
}

impl NodeReader for Snapshot<'_> {
    type Error = StoreError;

    fn node(&self, id: NodeId) -> Result<Hash, StoreError> {
        let slot = TileSlot::of(id);
        let node = self.source(slot.level, slot.index)?.get(&slot);
        node.ok_or(StoreError::OutsideTree { asked: id.index, size: self.size() })
    }

    fn nodes(&self, ids: &[NodeId]) -> Result<Vec<Hash>, StoreError> {
        // Ids of one tile mostly come one after the other.
        let mut last: Option<(u8, u64, Source)> = None;
        let mut hashes = Vec::with_capacity(ids.len());
        for id in ids {
            let slot = TileSlot::of(*id);
            let source = match last.take() {
                Some((level, index, known)) if (level, index) == (slot.level, slot.index) => known,
                _ => self.source(slot.level, slot.index)?,
            };
            let outside = StoreError::OutsideTree { asked: id.index, size: self.size() };
            hashes.push(source.get(&slot).ok_or(outside)?);
            last = Some((slot.level, slot.index, source));
        }
        Ok(hashes)
    }
}

/// The full tile at a place.
pub(crate) fn full(level: TileLevel, index: u64) -> Result<Tile, StoreError> {
    let outside = StoreError::OutsideTree { asked: index, size: TreeSize(index) };
    Tile::new(level, index, TILE_WIDTH).map_err(|_| outside)
}
