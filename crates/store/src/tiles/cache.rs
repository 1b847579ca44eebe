//! What is remembered of tiles that were read.

use crate::store::lock;
use sigsum_core::merkle::tile::{TileLevel, TileNodes};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// CRC-32C of every full tile that was checked.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    entries: RwLock<Vec<u32>>,
    levels: [RwLock<Vec<u32>>; 8],
}

impl Marks {
    fn of(&self, level: TileLevel) -> Option<&RwLock<Vec<u32>>> {
        match level {
            TileLevel::Entries => Some(&self.entries),
            TileLevel::Hashes(level) => self.levels.get(usize::from(level)),
        }
    }

    /// The checksum of a tile, if it was checked. A checksum of zero counts as none, which costs
    /// one tile in four thousand million another check.
    pub(crate) fn get(&self, level: TileLevel, index: u64) -> Option<u32> {
        let marks = self.of(level)?.read().unwrap_or_else(PoisonError::into_inner);
        let mark = marks.get(usize::try_from(index).ok()?).copied()?;
        (mark != 0).then_some(mark)
    }

    /// Remembers the checksum of a tile that was checked.
    pub(crate) fn set(&self, level: TileLevel, index: u64, sum: u32) {
        let (Some(marks), Ok(index)) = (self.of(level), usize::try_from(index)) else { return };
        let mut marks = marks.write().unwrap_or_else(PoisonError::into_inner);
        if marks.len() <= index {
            marks.resize(index + 1, 0);
        }
        if let Some(mark) = marks.get_mut(index) {
            *mark = sum;
        }
    }
}

/// Tiles in a generation: all of those of 67 million leaves, in 16 MiB.
const TILES: usize = 1024;

/// The nodes of full tiles above level 0 that were used lately.
#[derive(Debug, Default)]
pub(crate) struct NodeCache {
    generations: Mutex<Generations>,
}

/// What was used since a generation was begun, and what was used in the one before: the older one
/// goes when the younger one is full.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<(u8, u64), Arc<TileNodes>>,
    old: HashMap<(u8, u64), Arc<TileNodes>>,
}

impl NodeCache {
    pub(crate) fn get(&self, level: u8, index: u64) -> Option<Arc<TileNodes>> {
        let mut generations = lock(&self.generations);
        let key = (level, index);
        if let Some(nodes) = generations.young.get(&key) {
            return Some(Arc::clone(nodes));
        }
        let nodes = generations.old.remove(&key)?;
        generations.put(key, Arc::clone(&nodes));
        Some(nodes)
    }

    pub(crate) fn put(&self, level: u8, index: u64, nodes: Arc<TileNodes>) {
        lock(&self.generations).put((level, index), nodes);
    }
}

impl Generations {
    fn put(&mut self, key: (u8, u64), nodes: Arc<TileNodes>) {
        if self.young.len() >= TILES {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, nodes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(n: u8) -> Arc<TileNodes> {
        Arc::new(TileNodes::new(&[n; 32]).unwrap())
    }

    #[test]
    fn a_cache_stays_within_two_generations_and_keeps_what_is_used() {
        let cache = NodeCache::default();
        for index in 0..10 * TILES as u64 {
            cache.put(1, index, nodes(1));
            if index > 0 {
                assert!(cache.get(1, 0).is_some(), "used all the time, gone at {index}");
            }
        }
        let kept = (0..10 * TILES as u64).filter(|i| cache.get(1, *i).is_some()).count();
        assert!(kept <= 2 * TILES, "{kept}");
    }

    #[test]
    fn levels_do_not_mix() {
        let cache = NodeCache::default();
        cache.put(1, 5, nodes(1));
        cache.put(2, 5, nodes(2));
        assert_eq!(cache.get(1, 5).unwrap(), nodes(1));
        assert_eq!(cache.get(2, 5).unwrap(), nodes(2));
        assert!(cache.get(3, 5).is_none());
    }

    #[test]
    fn a_mark_is_what_was_set() {
        let marks = Marks::default();
        assert_eq!(marks.get(TileLevel::Entries, 3), None);
        marks.set(TileLevel::Entries, 3, 7);
        marks.set(TileLevel::Hashes(0), 3, 8);
        assert_eq!(marks.get(TileLevel::Entries, 3), Some(7));
        assert_eq!(marks.get(TileLevel::Hashes(0), 3), Some(8));
        assert_eq!(marks.get(TileLevel::Entries, 2), None);
    }
}
