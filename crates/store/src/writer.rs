//! Writing tiles.

use crate::durable::{FileError, write_synced};
use crate::fs::{PUBLIC_DIR, PUBLIC_FILE};
use crate::place::Place;
use sigsum_core::merkle::tile::Tile;
use std::collections::BTreeSet;
use std::io::ErrorKind;

/// Directory of all tiles.
pub(crate) const DIR: &str = "tile";

/// Writes tiles and sees to it that they are durable, with all directories they are in.
///
/// Files are written in place: no tile that is written was ever part of a tree that was signed, so
/// that half a tile after a crash is only ever written again, with the same bytes.
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
        let path = self.place.join(&name);
        let written = write_synced(self.place.fs(), &path, bytes, PUBLIC_FILE);
        match written {
            Err(error) if error.source.kind() == ErrorKind::NotFound => {
                for dir in parents(&name).collect::<Vec<_>>().into_iter().rev() {
                    self.place.ensure_dir(dir, PUBLIC_DIR)?;
                }
                write_synced(self.place.fs(), &path, bytes, PUBLIC_FILE)?;
            }
            other => other?,
        }
        // All of them: a directory that is there need not be durable, as the process that made it
        // may have died before it synced.
        self.dirs.extend(parents(&name).map(str::to_owned));
        Ok(())
    }

    /// Makes the names durable.
    pub(crate) fn finish(self) -> Result<(), FileError> {
        self.dirs.iter().try_for_each(|dir| self.place.sync_dir(dir))
    }
}

/// The directories that a file is in, innermost first.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(name.rsplit_once('/').map(|(dir, _)| dir), |dir| {
        dir.rsplit_once('/').map(|(parent, _)| parent)
    })
}
