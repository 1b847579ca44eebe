//! Writing tiles.

use crate::durable::group::{GROUP_FILES, for_each_at_once};
use crate::durable::{FileError, Operation, failed, temporary_path};
use crate::fs::{Existing, File, PUBLIC_DIR, PUBLIC_FILE};
use crate::place::Place;
use sigsum_core::merkle::tile::Tile;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::PathBuf;

/// Directory of all tiles.
pub(crate) const DIR: &str = "tile";

/// Writes tiles and sees to it that they are durable, with all directories they are in.
///
/// Many are written before the first is synced, and then synced side by side: one commit of the file
/// system's journal serves many. Full tiles are written in place: none was ever part of a tree that
/// was signed, so that half a tile after a crash is only ever written again, with the same bytes,
/// before it is of use. Partial tiles are swapped in whole, as one that a crash left may never be
/// written again.
#[derive(Debug)]
pub(crate) struct TileWriter<'a> {
    place: &'a Place,
    dirs: BTreeSet<String>,
    written: Vec<Written<'a>>,
}

/// A file that was written and has to be synced, and where it goes then; removed again where it had
/// a temporary name and did not get its own.
#[derive(Debug)]
struct Written<'a> {
    place: &'a Place,
    file: Box<dyn File>,
    path: PathBuf,
    /// The name of a partial tile, whose file has a temporary one.
    rename_to: Option<PathBuf>,
}

impl Drop for Written<'_> {
    fn drop(&mut self) {
        if self.rename_to.is_some() {
            let _ = self.place.fs().remove_file(&self.path); // the first error is the one to report
        }
    }
}

impl<'a> TileWriter<'a> {
    pub(crate) fn new(place: &'a Place) -> Self {
        Self { place, dirs: BTreeSet::new(), written: Vec::new() }
    }

    /// Writes a tile; durable when the writer has finished.
    pub(crate) fn write(&mut self, tile: &Tile, bytes: &[u8]) -> Result<(), FileError> {
        let name = tile.path();
        let written = match self.try_write(tile, &name, bytes) {
            Err(error) if error.source.kind() == ErrorKind::NotFound => {
                for dir in parents(&name).collect::<Vec<_>>().into_iter().rev() {
                    self.place.ensure_dir(dir, PUBLIC_DIR)?;
                }
                self.try_write(tile, &name, bytes)?
            }
            other => other?,
        };
        self.written.push(written);
        // All of them: a directory that is there need not be durable, as the process that made it
        // may have died before it synced.
        self.dirs.extend(parents(&name).map(str::to_owned));
        if self.written.len() >= GROUP_FILES { self.sync() } else { Ok(()) }
    }

    fn try_write(&self, tile: &Tile, name: &str, bytes: &[u8]) -> Result<Written<'a>, FileError> {
        let (fs, path) = (self.place.fs(), self.place.join(name));
        let (path, rename_to) = match tile.is_full() {
            true => (path, None),
            false => (temporary_path(&path, ""), Some(path)),
        };
        let file = fs.create(&path, PUBLIC_FILE, Existing::Truncate);
        let file = file.map_err(failed(Operation::Create, &path))?;
        let written = Written { place: self.place, file, path, rename_to };
        let outcome = written.file.write_at(bytes, 0);
        outcome.map_err(failed(Operation::Write, &written.path))?;
        Ok(written)
    }

    /// Makes the bytes of what was written durable, and gives it its names.
    fn sync(&mut self) -> Result<(), FileError> {
        let mut written = std::mem::take(&mut self.written);
        for_each_at_once(&written, |written| {
            written.file.sync_data().map_err(failed(Operation::Sync, &written.path))
        })?;
        for written in &mut written {
            if let Some(name) = &written.rename_to {
                let renamed = self.place.fs().rename(&written.path, name);
                renamed.map_err(failed(Operation::Rename, name))?;
                written.rename_to = None;
            }
        }
        Ok(())
    }

    /// Makes all of it durable, with the names.
    pub(crate) fn finish(mut self) -> Result<(), FileError> {
        self.sync()?;
        self.dirs.iter().try_for_each(|dir| self.place.sync_dir(dir))
    }
}

/// The directories that a file is in, innermost first.
pub(crate) fn parents(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(name.rsplit_once('/').map(|(dir, _)| dir), |dir| {
        dir.rsplit_once('/').map(|(parent, _)| parent)
    })
}
