//! Many small files at once, each as durable as with [`write_atomic`](super::write_atomic), for a
//! fraction of its time: all are written before the first is synced, so that one commit of the file
//! system's journal serves many, and a directory is synced once for all its files.

use super::{FileError, Operation, failed, parent, temporary_path, unique_suffix};
use crate::fs::{DiskFs, Existing, File, Fs};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Files that are written before they are synced; each is open meanwhile, and a process may have
/// 1024 open files where nobody raised the limit.
pub(crate) const GROUP_FILES: usize = 256;
/// Syncs under way at once; file systems join those that overlap.
const SYNC_THREADS: usize = 16;

/// A file to write.
#[derive(Debug, Clone, Copy)]
pub struct NewFile<'a> {
    /// Its name; replaced where it exists.
    pub path: &'a Path,
    /// All that will be in it.
    pub bytes: &'a [u8],
}

/// Writes files so that after a crash each is either as it was or new and whole. When this returns,
/// all are durable. May be called again after an error.
///
/// # Errors
/// The first [`FileError`]; then any of the files may be the old or the new one.
pub fn write_all_atomic(files: &[NewFile<'_>], mode: u32) -> Result<(), FileError> {
    files.chunks(GROUP_FILES).try_for_each(|group| write_group(&DiskFs, group, mode))
}

/// A file under its temporary name; removed again unless it got its own.
struct Temporary<'a> {
    fs: &'a dyn Fs,
    name: PathBuf,
    path: &'a Path,
    file: Box<dyn File>,
    renamed: bool,
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.renamed {
            let _ = self.fs.remove_file(&self.name); // the first error is the one to report
        }
    }
}

fn write_group(fs: &dyn Fs, group: &[NewFile<'_>], mode: u32) -> Result<(), FileError> {
    let written = group.iter().map(|file| write_temporary(fs, file, mode));
    let mut written = written.collect::<Result<Vec<_>, _>>()?;
    sync_all(&written)?;
    for temporary in &mut written {
        let renamed = fs.rename(&temporary.name, temporary.path);
        renamed.map_err(failed(Operation::Rename, temporary.path))?;
        temporary.renamed = true;
    }
    let directories: BTreeSet<&Path> = group.iter().map(|file| parent(file.path)).collect();
    directories.into_iter().try_for_each(|directory| {
        fs.sync_dir(directory).map_err(failed(Operation::Sync, directory))
    })
}

fn write_temporary<'a>(
    fs: &'a dyn Fs,
    new: &NewFile<'a>,
    mode: u32,
) -> Result<Temporary<'a>, FileError> {
    let path = new.path;
    let name = temporary_path(path, &unique_suffix());
    let file =
        fs.create(&name, mode, Existing::Truncate).map_err(failed(Operation::Create, path))?;
    let temporary = Temporary { fs, name, path, file, renamed: false };
    temporary.file.write_at(new.bytes, 0).map_err(failed(Operation::Write, path))?;
    Ok(temporary)
}

/// Makes the bytes of all files durable.
fn sync_all(files: &[Temporary<'_>]) -> Result<(), FileError> {
    for_each_at_once(files, |temporary| {
        temporary.file.sync_data().map_err(failed(Operation::Sync, temporary.path))
    })
}

/// Does something with each of many, side by side where they are more than a few.
pub(crate) fn for_each_at_once<T: Sync>(
    all: &[T],
    work: impl Fn(&T) -> Result<(), FileError> + Sync,
) -> Result<(), FileError> {
    let share = all.len().div_ceil(SYNC_THREADS).max(1);
    if share == 1 {
        return all.iter().try_for_each(work);
    }
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = all
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().try_for_each(work)))
            .collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })
}
