//! Full tiles that were asked for lately: a crowd of monitors reads the same new ones, and reading
//! a file is a fifth of what it costs to serve a tile.
//!
//! What is here was checked when it was read and never changes.

use bytes::Bytes;
use sigsum_core::merkle::tile::Tile;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes in a generation, of which there are two: both together hold the hashes of 2 million leaves,
/// or half a million leaves themselves, and are half of what the leaf index of 10 million takes.
const GENERATION_BYTES: usize = 32 << 20;

/// The cache. What was used since a generation was begun is in the younger one; the older one goes
/// when the younger one is full.
#[derive(Debug, Default)]
pub(crate) struct TileCache {
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Tile, Bytes>,
    young_bytes: usize,
    old: HashMap<Tile, Bytes>,
}

impl TileCache {
    pub(crate) fn get(&self, tile: &Tile) -> Option<Bytes> {
        let mut generations = self.lock();
        if let Some(bytes) = generations.young.get(tile) {
            return Some(bytes.clone());
        }
        let bytes = generations.old.remove(tile)?;
        generations.put(*tile, bytes.clone());
        Some(bytes)
    }

    /// Keeps a tile, if it is full; others may be cut from larger ones tomorrow.
    pub(crate) fn put(&self, tile: &Tile, bytes: &Bytes) {
        if tile.is_full() {
            self.lock().put(*tile, bytes.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn put(&mut self, tile: Tile, bytes: Bytes) {
        if self.young_bytes >= GENERATION_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        let length = bytes.len();
        if self.young.insert(tile, bytes).is_none() {
            self.young_bytes = self.young_bytes.saturating_add(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigsum_core::merkle::tile::TileLevel;

    const BUNDLE_BYTES: usize = 33_280;

    fn tile(index: u64, width: u16) -> Tile {
        Tile::new(TileLevel::Entries, index, width).unwrap()
    }

    fn held(cache: &TileCache) -> usize {
        let generations = cache.lock();
        let of = |tiles: &HashMap<Tile, Bytes>| tiles.values().map(Bytes::len).sum::<usize>();
        of(&generations.young) + of(&generations.old)
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_used_stays() {
        let cache = TileCache::default();
        let bytes = Bytes::from(vec![7; BUNDLE_BYTES]);
        cache.put(&tile(0, 256), &bytes);
        for index in 1..4000 {
            cache.put(&tile(index, 256), &bytes);
            assert_eq!(cache.get(&tile(0, 256)).as_ref(), Some(&bytes), "gone at {index}");
            assert!(held(&cache) <= 2 * (GENERATION_BYTES + BUNDLE_BYTES));
        }
        assert_eq!(cache.get(&tile(1, 256)), None);
    }

    #[test]
    fn partial_tiles_are_not_kept() {
        let cache = TileCache::default();
        cache.put(&tile(3, 255), &Bytes::from_static(b"part"));
        assert_eq!((cache.get(&tile(3, 255)), cache.get(&tile(3, 256))), (None, None));
    }

    #[test]
    fn the_same_tile_twice_takes_its_room_once() {
        let cache = TileCache::default();
        let bytes = Bytes::from(vec![7; BUNDLE_BYTES]);
        (0..4000).for_each(|_| cache.put(&tile(5, 256), &bytes));
        cache.put(&tile(6, 256), &bytes);
        assert_eq!(held(&cache), 2 * BUNDLE_BYTES);
        assert!(cache.get(&tile(5, 256)).is_some());
    }
}
