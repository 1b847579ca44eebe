//! Partial tiles on disk: made for every size of tree that was signed, removed when the tile is
//! full.
//!
//! `tlog-tiles`, "Partial Tiles": those of sizes for which there was a checkpoint must be served
//! until the full tile is. The process serves any width out of the wider tile; the files are for
//! whoever serves the directory without the process. A head may be of a smaller tree than the
//! tiles hold, so its partial tiles are kept while it is the last signed or the published one.

use crate::error::StoreError;
use crate::place::Place;
use crate::tiles::Snapshot;
use crate::writer::TileWriter;
use sigsum_core::TreeSize;
use sigsum_core::merkle::tile::{TILE_WIDTH, Tile, TileLevel};

/// All levels that a tree of that size has, entries first.
pub(crate) fn levels(size: TreeSize) -> impl Iterator<Item = TileLevel> {
    let entries = (size.0 > 0).then_some(TileLevel::Entries);
    entries.into_iter().chain(TileLevel::hash_levels(size))
}

/// The partial tiles that a tree of that size has, one a level at most.
pub(crate) fn of(size: TreeSize) -> impl Iterator<Item = Tile> {
    levels(size).filter_map(move |level| {
        let tile = Tile::within(level, level.count(size) / u64::from(TILE_WIDTH), size)?;
        (!tile.is_full()).then_some(tile)
    })
}

/// Writes the partial tiles of a tree that is smaller than the one the tiles hold; those of the
/// latter were written when it was integrated. Durable when it returns.
pub(crate) fn write(
    snapshot: &Snapshot<'_>,
    place: &Place,
    size: TreeSize,
) -> Result<(), StoreError> {
    if size == snapshot.size() {
        return Ok(());
    }
    let mut writer = TileWriter::new(place);
    for tile in of(size) {
        if let Some(bytes) = snapshot.tile(&tile)? {
            writer.write(&tile, &bytes)?;
        }
    }
    Ok(writer.finish()?)
}

/// Removes the partial tiles whose full tiles came with growth from one size to another, except
/// those of sizes to keep.
pub(crate) fn remove_filled(
    place: &Place,
    old: TreeSize,
    new: TreeSize,
    keep: &[TreeSize],
) -> Result<(), StoreError> {
    for tile in of(old) {
        if Tile::within(tile.level(), tile.index(), new).is_some_and(|tile| tile.is_full()) {
            remove(place, &tile.full(), keep)?;
        }
    }
    Ok(())
}

/// Removes the partial tiles of a full one, except those of sizes to keep.
pub(crate) fn remove(place: &Place, full: &Tile, keep: &[TreeSize]) -> Result<(), StoreError> {
    let dir = dir(full);
    let mut left = 0;
    for name in place.list(&dir)? {
        let path = format!("{dir}/{name}");
        let kept = |tile: Tile| {
            let of_size = |size: &TreeSize| Tile::within(tile.level(), tile.index(), *size);
            keep.iter().any(|size| of_size(size) == Some(tile))
        };
        match Tile::parse(&path) {
            Ok(tile) if !kept(tile) => place.remove_file(&path)?,
            Err(_) if name.ends_with(".tmp") => place.remove_file(&path)?, // left by a crash
            _ => left += 1,
        }
    }
    if left == 0 {
        place.remove_dir(&dir)?;
    }
    Ok(())
}

/// The directory of the partial tiles at the place of a full one.
pub(crate) fn dir(full: &Tile) -> String {
    format!("{}.p", full.path())
}
