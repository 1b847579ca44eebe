//! Writing tiles.

use crate::durable::{FileError, swap_in, temporary_path, write_synced};
use crate::fs::{PUBLIC_DIR, PUBLIC_FILE};
use crate::place::Place;
use sigsum_core::merkle::tile::Tile;
use std::collections::BTreeSet;
use std::io::ErrorKind;

/// Directory of all tiles.
pub(crate) const DIR: &str = "tile";

/// Writes tiles and sees to it that they are durable, with all directories they are in.
///
/// Full tiles are written in place: none was ever part of a tree that was signed, so that half a
/// tile after a crash is only ever written again, with the same bytes, before it is of use. Partial
/// tiles are swapped in whole, as one that a crash left may never be written again.
#[derive(Debug)]
pub(crate) struct TileWriter<'a> {
    place: &'a Place,
    dirs: BTreeSet<String>,
}

impl<'a> TileWriter<'a> {
    pub(crate) fn new(place: &'a Place) -> Self {
        Self { place, dirs: BTreeSet::new() }
    }

    /// Writes a tile; its bytes are durable then, but not its name.
    pub(crate) fn write(&mut self, tile: &Tile, bytes: &[u8]) -> Result<(), FileError> {
        let name = tile.path();
        match self.try_write(tile, &name, bytes) {
            Err(error) if error.source.kind() == ErrorKind::NotFound => {
                for dir in parents(&name).collect::<Vec<_>>().into_iter().rev() {
                    self.place.ensure_dir(dir, PUBLIC_DIR)?;
                }
                self.try_write(tile, &name, bytes)?;
            }
            other => other?,
        }
        // All of them: a directory that is there need not be durable, as the process that made it
        // may have died before it synced.
        self.dirs.extend(parents(&name).map(str::to_owned));
        Ok(())
    }

    fn try_write(&self, tile: &Tile, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        let (fs, path) = (self.place.fs(), self.place.join(name));
        if tile.is_full() {
            write_synced(fs, &path, bytes, PUBLIC_FILE)
        } else {
            swap_in(fs, &temporary_path(&path, ""), &path, bytes, PUBLIC_FILE)
        }
    }

    /// Makes the names durable.
    pub(crate) fn finish(self) -> Result<(), FileError> {
        self.dirs.iter().try_for_each(|dir| self.place.sync_dir(dir))
    }
}

/// The directories that a file is in, innermost first.
pub(crate) fn parents(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(name.rsplit_once('/').map(|(dir, _)| dir), |dir| {
        dir.rsplit_once('/').map(|(parent, _)| parent)
    })
}
