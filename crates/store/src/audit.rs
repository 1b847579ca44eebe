//! Looking for damage: lightly after every start, thoroughly on demand.

use crate::error::{Damage, StoreError};
use crate::heads::{CHECKPOINT, Heads};
use crate::partials::{self, levels};
use crate::state::{self, MAX_STATE_BYTES};
use crate::store::{Shared, lock};
use crate::tiles::{Snapshot, full};
use sigsum_core::TreeSize;
use sigsum_core::merkle::tile::{Tile, TileLevel};
use std::collections::HashSet;
use std::sync::MutexGuard;
use std::sync::atomic::Ordering;

/// Names in a directory of tiles (`tlog-tiles`: groups of three digits).
const GROUP: u64 = 1000;

impl Shared {
    /// After a start: no full tile may be missing, the hashes of all must be right (which also
    /// finds what the index did not see), and partial tiles that a crash left are removed. The
    /// leaves themselves are checked as they are read.
    pub(crate) fn look_over(&self) -> Result<(), StoreError> {
        let size = self.tiles.snapshot().size();
        for level in levels(size) {
            self.check_names(level, size, || Some(lock(&self.writing)))?;
        }
        self.check_hashes(size)
    }

    /// Every file, every byte that is served.
    pub(crate) fn verify_everything(&self) -> Result<(), StoreError> {
        let _writing = lock(&self.writing);
        let tiles = self.tiles.snapshot();
        let size = tiles.size();
        for level in levels(size) {
            self.check_names(level, size, || None)?;
        }
        self.check_hashes(size)?;
        for index in 0..full_tiles(TileLevel::Entries, size) {
            self.go_on()?;
            tiles.bundle(index)?;
        }
        for level in levels(size) {
            for index in 0..full_tiles(level, size) + 1 {
                self.go_on()?;
                self.check_partials(&tiles, &full(level, index)?)?;
            }
        }
        self.check_state_files(&tiles)
    }

    /// Stops what takes long when the store is closed.
    fn go_on(&self) -> Result<(), StoreError> {
        if self.index.stop.load(Ordering::Relaxed) { Err(StoreError::Closed) } else { Ok(()) }
    }

    /// Whether all full tiles of a level are there, by name; removes partial ones that are not
    /// needed, under the lock that `writing` takes if the caller has not.
    fn check_names<'a>(
        &self,
        level: TileLevel,
        size: TreeSize,
        writing: impl Fn() -> Option<MutexGuard<'a, ()>>,
    ) -> Result<(), StoreError> {
        let count = full_tiles(level, size);
        for first in (0..count).step_by(GROUP as usize) {
            self.go_on()?;
            let path = full(level, first)?.path();
            let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
            let names: HashSet<String> = self.place().list(dir)?.into_iter().collect();
            for index in first..count.min(first + GROUP) {
                let tile = full(level, index)?;
                let name = format!("{:03}", index % GROUP);
                if !names.contains(&name) {
                    let path = self.place().join(tile.path());
                    return Err(StoreError::damaged(path, Damage::Missing));
                }
                if names.contains(&format!("{name}.p")) {
                    let _writing = writing();
                    partials::remove(self.place(), &tile, &self.heads.sizes())?;
                }
            }
        }
        Ok(())
    }

    /// Checks the hashes of all full tiles against those above them, from the top down.
    fn check_hashes(&self, size: TreeSize) -> Result<(), StoreError> {
        let tiles = self.tiles.snapshot();
        let hash_levels: Vec<TileLevel> = TileLevel::hash_levels(size).collect();
        for level in hash_levels.into_iter().rev() {
            for index in 0..full_tiles(level, size) {
                self.go_on()?;
                tiles.tile(&full(level, index)?)?;
            }
        }
        Ok(())
    }

    /// Checks the partial tiles at one place against the wider tile.
    fn check_partials(&self, tiles: &Snapshot<'_>, full: &Tile) -> Result<(), StoreError> {
        let dir = partials::dir(full);
        for name in self.place().list(&dir)? {
            let path = format!("{dir}/{name}");
            let Ok(tile) = Tile::parse(&path) else { continue };
            // A crash may leave tiles of a tree that did not come to be yet.
            let Some(due) = tiles.tile(&tile)? else { continue };
            let found = self.place().read(&path, due.len() + 1)?.unwrap_or_default();
            if found != due {
                let damage = if found.len() == due.len() {
                    Damage::Changed
                } else {
                    Damage::Length { expected: due.len(), got: found.len() }
                };
                return Err(StoreError::damaged(self.place().join(&path), damage));
            }
        }
        Ok(())
    }

    fn check_state_files(&self, tiles: &Snapshot<'_>) -> Result<(), StoreError> {
        let place = self.place();
        let missing = |name: &str| StoreError::damaged(place.join(name), Damage::Missing);
        state::load_identity(place)?.ok_or_else(|| missing("identity"))?;
        state::load_role(place)?;
        self.promotion()?;
        state::load_tree(place)?.ok_or_else(|| missing("tree"))?;
        let stored = Heads::load(tiles, &self.log_key)?;
        if stored.sizes().len() < self.heads.sizes().len() {
            return Err(missing("published"));
        }
        let Some(published) = state::load_published(place)? else { return Ok(()) };
        match place.read(CHECKPOINT, MAX_STATE_BYTES)? {
            Some(bytes) if bytes == published.checkpoint => Ok(()),
            Some(_) => Err(StoreError::damaged(place.join(CHECKPOINT), Damage::Changed)),
            None => Err(missing(CHECKPOINT)),
        }
    }
}

/// Full tiles of a level.
fn full_tiles(level: TileLevel, size: TreeSize) -> u64 {
    level.count(size) / u64::from(sigsum_core::merkle::tile::TILE_WIDTH)
}
