//! Reading the tree out of its tiles: never a byte that was not checked.
//!
//! A full tile is checked against the tile above it, and so on up to the right edge, which is in
//! memory and was checked against the root hash at start. That is done when a tile is read first;
//! its CRC-32C is remembered, 4 bytes a tile, so that a later read finds any change for half a
//! microsecond. An entry bundle is checked against its tile of level 0.

mod cache;

use crate::error::{Damage, StoreError};
use crate::journal::LeafBytes;
use crate::place::Place;
use crate::tree::{ENTRY_BYTES, ENTRY_PREFIX, TILE_BYTES, TreeState, write_bundle};
use cache::{Marks, NodeCache};
use sigsum_core::merkle::tile::{TILE_WIDTH, Tile, TileLevel, TileNodes, TileSlot};
use sigsum_core::merkle::{NodeId, NodeReader, hash_leaf};
use sigsum_core::{Hash, Leaf, LeafIndex, TreeSize};
use std::sync::{Arc, PoisonError, RwLock};

/// Leaves of a full entry bundle, as an index type.
const WIDTH: u64 = TILE_WIDTH as u64;
/// Bytes of a full entry bundle.
const BUNDLE_BYTES: usize = TILE_WIDTH as usize * ENTRY_BYTES;

/// The tiles of a store.
#[derive(Debug)]
pub(crate) struct Tiles {
    place: Place,
    state: RwLock<Arc<TreeState>>,
    marks: Marks,
    cache: NodeCache,
}

impl Tiles {
    /// The tiles of a tree whose edge was checked.
    pub(crate) fn new(place: Place, state: TreeState) -> Self {
        let state = RwLock::new(Arc::new(state));
        Self { place, state, marks: Marks::default(), cache: NodeCache::default() }
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
                (self.full_tile(level, tile.index())?.0, Hash::LEN)
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
                let (entries, _) = bundle.as_chunks::<ENTRY_BYTES>();
                out.extend(entries.get(from..until).into_iter().flatten().map(entry_leaf));
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
        let mut bytes = Vec::new();
        self.tiles.read_file(&tile, BUNDLE_BYTES, &mut bytes)?;
        let sum = crc32c::crc32c(&bytes);
        match self.tiles.marks.get(TileLevel::Entries, index) {
            Some(known) if known == sum => return Ok(bytes),
            Some(_) => return Err(self.tiles.damaged(&tile, Damage::Changed)),
            None => (),
        }
        let (entries, _) = bytes.as_chunks::<ENTRY_BYTES>();
        let nodes = self.nodes_of(0, index)?;
        check_entries(entries, index * WIDTH, &nodes).map_err(|damage| {
            let other = || full(TileLevel::Hashes(0), index).map_or(String::new(), |t| t.path());
            self.tiles.damaged(&tile, damage.with_other(other))
        })?;
        self.tiles.marks.set(TileLevel::Entries, index, sum);
        Ok(bytes)
    }

    /// A full tile of hashes, checked; and its nodes, where checking made them.
    fn full_tile(&self, level: u8, index: u64) -> Result<(Vec<u8>, Option<TileNodes>), StoreError> {
        let tile = full(TileLevel::Hashes(level), index)?;
        let mut bytes = Vec::new();
        self.tiles.read_file(&tile, TILE_BYTES, &mut bytes)?;
        let sum = crc32c::crc32c(&bytes);
        match self.tiles.marks.get(tile.level(), index) {
            Some(known) if known == sum => return Ok((bytes, None)),
            Some(_) => return Err(self.tiles.damaged(&tile, Damage::Changed)),
            None => (),
        }
        let nodes = TileNodes::new(&bytes);
        let above = self.nodes_of(level + 1, index / WIDTH)?;
        let slot = (index % WIDTH) as usize;
        let first = slot as u16;
        let due = above.get(&TileSlot { level: level + 1, index: index / WIDTH, first, height: 0 });
        let root = nodes.as_ref().and_then(TileNodes::root);
        if root.is_none() || root != due {
            let above = Tile::within(TileLevel::Hashes(level + 1), index / WIDTH, self.size());
            let other = above.map_or(String::new(), |tile| tile.path());
            return Err(self.tiles.damaged(&tile, Damage::TileHash { other, slot }));
        }
        self.tiles.marks.set(tile.level(), index, sum);
        Ok((bytes, nodes))
    }

    /// The nodes of a tile that the tree has, full or at the edge.
    pub(crate) fn nodes_of(&self, level: u8, index: u64) -> Result<Arc<TileNodes>, StoreError> {
        let present = Tile::within(TileLevel::Hashes(level), index, self.size());
        let size = self.size();
        let present = present.ok_or(StoreError::OutsideTree { asked: index, size })?;
        if !present.is_full() {
            let edge = self.state.edge(level).map(|edge| Arc::clone(&edge.nodes));
            return edge.ok_or(StoreError::OutsideTree { asked: index, size });
        }
        if let Some(nodes) = self.tiles.cache.get(level, index) {
            return Ok(nodes);
        }
        let (bytes, nodes) = self.full_tile(level, index)?;
        let nodes = nodes.or_else(|| TileNodes::new(&bytes));
        let nodes = nodes.ok_or_else(|| self.tiles.damaged(&present, Damage::Missing))?;
        let nodes = Arc::new(nodes);
        self.tiles.cache.put(level, index, Arc::clone(&nodes));
        Ok(nodes)
    }
}

impl NodeReader for Snapshot<'_> {
    type Error = StoreError;

    fn node(&self, id: NodeId) -> Result<Hash, StoreError> {
        let slot = TileSlot::of(id);
        let node = self.nodes_of(slot.level, slot.index)?.get(&slot);
        node.ok_or(StoreError::OutsideTree { asked: id.index, size: self.size() })
    }

    fn nodes(&self, ids: &[NodeId]) -> Result<Vec<Hash>, StoreError> {
        // Ids of one tile mostly come one after the other.
        let mut last: Option<(u8, u64, Arc<TileNodes>)> = None;
        let mut hashes = Vec::with_capacity(ids.len());
        for id in ids {
            let slot = TileSlot::of(*id);
            let nodes = match last.take() {
                Some((level, index, nodes)) if (level, index) == (slot.level, slot.index) => nodes,
                _ => self.nodes_of(slot.level, slot.index)?,
            };
            let outside = StoreError::OutsideTree { asked: id.index, size: self.size() };
            hashes.push(nodes.get(&slot).ok_or(outside)?);
            last = Some((slot.level, slot.index, nodes));
        }
        Ok(hashes)
    }
}

/// The full tile at a place.
pub(crate) fn full(level: TileLevel, index: u64) -> Result<Tile, StoreError> {
    let outside = StoreError::OutsideTree { asked: index, size: TreeSize(index) };
    Tile::new(level, index, TILE_WIDTH).map_err(|_| outside)
}

/// The leaf of an entry.
pub(crate) fn entry_leaf(entry: &[u8; ENTRY_BYTES]) -> LeafBytes {
    let mut leaf = [0; Leaf::LEN];
    leaf.copy_from_slice(&entry[ENTRY_PREFIX.len()..]);
    leaf
}

/// What may be wrong with an entry; the damage without the name of the tile it was held against.
pub(crate) enum EntryDamage {
    Length(LeafIndex),
    Hash(LeafIndex),
}

impl EntryDamage {
    pub(crate) fn with_other(self, other: impl FnOnce() -> String) -> Damage {
        match self {
            Self::Length(index) => Damage::EntryLength { index },
            Self::Hash(index) => Damage::LeafHash { index, other: other() },
        }
    }
}

/// Whether entries have the length of leaves and the hashes of the tile beside them.
pub(crate) fn check_entries(
    entries: &[[u8; ENTRY_BYTES]],
    first: u64,
    nodes: &TileNodes,
) -> Result<(), EntryDamage> {
    for (number, entry) in (0u16..).zip(entries) {
        let index = LeafIndex(first + u64::from(number));
        let Some((&ENTRY_PREFIX, leaf)) = entry.split_first_chunk() else {
            return Err(EntryDamage::Length(index));
        };
        let slot = TileSlot { level: 0, index: index.0 / WIDTH, first: number, height: 0 };
        if nodes.get(&slot) != Some(hash_leaf(leaf)) {
            return Err(EntryDamage::Hash(index));
        }
    }
    Ok(())
}
