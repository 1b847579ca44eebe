//! Which tile has a node of the tree, and the node's hash out of the tile's bytes.

use super::{TILE_HEIGHT, TileLevel};
use crate::bytes::Hash;
use crate::merkle::{NodeId, hash_children};
use alloc::vec::Vec;

/// Where the hashes under a node of the tree are: a run within one tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TileSlot {
    /// Level of the tile, as in its path.
    pub level: u8,
    /// Index of the tile.
    pub index: u64,
    /// First hash of the run.
    pub first: u16,
    /// Height of the node above the tile's hashes, 0 to 7; the run has `1 << height` hashes.
    pub height: u8,
}

impl TileSlot {
    /// The place of a node. The tile must have [`Self::end`] hashes at least, so a node of a tree
    /// is in the tile as it is [within](super::Tile::within) that tree.
    pub fn of(node: NodeId) -> Self {
        let height = node.level % TILE_HEIGHT;
        let above = TILE_HEIGHT.saturating_sub(height); // 1 to 8
        let index = node.index.checked_shr(u32::from(above)).unwrap_or(0);
        let within = node.index & low_bits(above);
        let first = within.checked_shl(u32::from(height)).unwrap_or(0);
        Self {
            level: node.level / TILE_HEIGHT,
            index,
            first: u16::try_from(first).unwrap_or(0), // below 256
            height,
        }
    }

    /// The level of the tile.
    pub fn tile_level(&self) -> TileLevel {
        TileLevel::Hashes(self.level)
    }

    /// The position behind the last hash of the run, 1 to 256: the least width of the tile.
    pub fn end(&self) -> u16 {
        self.first.saturating_add(1u16.checked_shl(u32::from(self.height)).unwrap_or(0))
    }

    /// The node's hash, out of the bytes of the tile; none where the tile is too short. Makes
    /// `(1 << height) - 1` hashes; [`TileNodes`] remembers them.
    pub fn hash(&self, tile: &[u8]) -> Option<Hash> {
        let bytes = |hashes: u16| usize::from(hashes).saturating_mul(Hash::LEN);
        let run = tile.get(bytes(self.first)..bytes(self.end()))?;
        let mut nodes = read_hashes(run)?;
        while nodes.len() > 1 {
            nodes = parents(&nodes);
        }
        nodes.first().copied()
    }
}

fn low_bits(count: u8) -> u64 {
    1u64.checked_shl(u32::from(count)).map_or(u64::MAX, |bit| bit.saturating_sub(1))
}

fn read_hashes(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<{ Hash::LEN }>();
    rest.is_empty().then(|| hashes.iter().copied().map(Hash::new).collect())
}

/// Hashes of the pairs; an odd last one has no parent yet.
fn parents(nodes: &[Hash]) -> Vec<Hash> {
    let (pairs, _) = nodes.as_chunks::<2>();
    pairs.iter().map(|[left, right]| hash_children(left, right)).collect()
}

/// All nodes that a tile determines, so that asking for several, or often, costs no hashing:
/// 255 hashes made and 16 KiB held for a full tile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileNodes {
    /// By height: the tile's own hashes first.
    heights: Vec<Vec<Hash>>,
}

impl TileNodes {
    /// Computes them from the bytes of a tile; none where those are not 1 to 256 whole hashes.
    pub fn new(tile: &[u8]) -> Option<Self> {
        let hashes = read_hashes(tile)?;
        if hashes.is_empty() || hashes.len() > usize::from(super::TILE_WIDTH) {
            return None;
        }
        let mut heights = Vec::with_capacity(usize::from(TILE_HEIGHT).saturating_add(1));
        let mut above = parents(&hashes);
        heights.push(hashes);
        while !above.is_empty() {
            let next = parents(&above);
            heights.push(above);
            above = next;
        }
        Some(Self { heights })
    }

    /// The hash of a node in this tile; none where the tile is too short. The caller has taken
    /// the tile that the slot names.
    pub fn get(&self, slot: &TileSlot) -> Option<Hash> {
        let index = slot.first.checked_shr(u32::from(slot.height))?;
        self.heights.get(usize::from(slot.height))?.get(usize::from(index)).copied()
    }

    /// The root of a full tile: the hash that stands for it in the level above; none for a partial
    /// one.
    pub fn root(&self) -> Option<Hash> {
        self.heights.get(usize::from(TILE_HEIGHT))?.first().copied()
    }
}
