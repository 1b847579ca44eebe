//! Some nodes of every tile of level 0.

use sigsum_core::Hash;
use sigsum_core::merkle::tile::{TileNodes, TileSlot};
use std::sync::{Arc, PoisonError, RwLock};

/// Height of the nodes that are kept: with them, and the bytes of the tile, any path through the
/// tile takes 22 hashes instead of 247.
const HEIGHT: u8 = 4;
/// Nodes of that height in a full tile.
const COUNT: usize = 256 >> HEIGHT;

/// The nodes half way up a full tile of level 0: two bytes a leaf.
#[derive(Debug)]
pub(crate) struct Waypoints([u8; COUNT * Hash::LEN]);

impl Waypoints {
    /// Out of all nodes; none where the tile is partial.
    pub(crate) fn new(nodes: &TileNodes) -> Option<Self> {
        let mut all = [0; COUNT * Hash::LEN];
        let places = (0..).step_by(1 << HEIGHT);
        for (first, to) in places.zip(all.as_chunks_mut::<{ Hash::LEN }>().0) {
            *to = *nodes.get(&TileSlot { level: 0, index: 0, first, height: HEIGHT })?.as_bytes();
        }
        Some(Self(all))
    }

    /// A node of the tile with these bytes.
    pub(crate) fn node(&self, tile: &[u8], slot: &TileSlot) -> Option<Hash> {
        match slot.height.checked_sub(HEIGHT) {
            None => slot.hash(tile),
            Some(height) => TileSlot { first: slot.first >> HEIGHT, height, ..*slot }.hash(&self.0),
        }
    }
}

/// Those of all tiles that were checked.
#[derive(Debug, Default)]
pub(crate) struct AllWaypoints {
    tiles: RwLock<Vec<Option<Arc<Waypoints>>>>,
}

impl AllWaypoints {
    pub(crate) fn get(&self, index: u64) -> Option<Arc<Waypoints>> {
        let tiles = self.tiles.read().unwrap_or_else(PoisonError::into_inner);
        tiles.get(usize::try_from(index).ok()?)?.clone()
    }

    pub(crate) fn set(&self, index: u64, waypoints: Option<Waypoints>) {
        let Ok(index) = usize::try_from(index) else { return };
        let mut tiles = self.tiles.write().unwrap_or_else(PoisonError::into_inner);
        if tiles.len() <= index {
            tiles.resize(index + 1, None);
        }
        if let Some(tile) = tiles.get_mut(index) {
            *tile = waypoints.map(Arc::new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_of_a_tile_is_that_of_all_nodes() {
        let tile: Vec<u8> =
            (0..256u32).flat_map(|n| sigsum_core::crypto::sha256(&n.to_be_bytes())).collect();
        let nodes = TileNodes::new(&tile).unwrap();
        let waypoints = Waypoints::new(&nodes).unwrap();
        for height in 0..8 {
            for first in (0..256).step_by(1 << height) {
                let slot = TileSlot { level: 0, index: 7, first, height };
                assert_eq!(waypoints.node(&tile, &slot), nodes.get(&slot), "{slot:?}");
                assert!(nodes.get(&slot).is_some());
            }
        }
    }

    #[test]
    fn a_partial_tile_has_none() {
        assert!(Waypoints::new(&TileNodes::new(&[1; 255 * 32]).unwrap()).is_none());
    }
}
