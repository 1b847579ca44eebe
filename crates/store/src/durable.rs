//! Small files that survive a crash, and lock files; for every part of the system.
//!
//! The functions here work on the file system of the machine. The store uses the same steps on
//! any [`Fs`].

pub(crate) mod group;
mod small;

use crate::fs::{DiskFs, Existing, Fs, Lock};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

pub use group::{NewFile, write_all_atomic};
pub use small::SmallFile;

pub use crate::fs::{PRIVATE_DIR, PRIVATE_FILE, PUBLIC_DIR, PUBLIC_FILE};

/// What was being done to a file when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Reading.
    Read,
    /// Making or opening it for writing.
    Create,
    /// Writing.
    Write,
    /// Making bytes or names durable.
    Sync,
    /// Renaming.
    Rename,
    /// Removing.
    Remove,
    /// Listing a directory.
    List,
    /// Taking a lock.
    Lock,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "reading",
            Self::Create => "creating",
            Self::Write => "writing",
            Self::Sync => "syncing",
            Self::Rename => "renaming",
            Self::Remove => "removing",
            Self::List => "listing",
            Self::Lock => "locking",
        })
    }
}

/// A file operation that failed: which, on what, why.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {}: {source}", path.display())]
pub struct FileError {
    /// What was being done.
    pub operation: Operation,
    /// To which file or directory.
    pub path: PathBuf,
    /// What the file system said.
    pub source: io::Error,
}

/// Turns an [`io::Error`] into a [`FileError`].
pub(crate) fn failed(operation: Operation, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError { operation, path, source }
}

/// Writes a file so that after a crash there is either the old one or the new one, whole: a
/// temporary file in the same directory with its final permission bits, synced, renamed, and the
/// directory synced. When this returns, the new one is durable. May be called again after an error.
///
/// # Errors
/// [`FileError`]; the old file is still there then, unless the last step, the directory's sync,
/// failed: then either may be.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    replace(&DiskFs, &temporary_path(path, &unique_suffix()), path, bytes, mode)
}

/// What no other temporary file of the machine has in its name.
fn unique_suffix() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    format!(".{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// Makes a file that must not exist yet and makes it durable.
///
/// # Errors
/// [`FileError`], with [`io::ErrorKind::AlreadyExists`] where there is one; it is left alone then.
/// After another error no new file is left, as far as removing it works.
pub fn create_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    SmallFile::new(path).create_new(bytes, mode)
}

/// [`write_atomic`] on any file system, by way of a given temporary file, which is overwritten
/// where it is left from a crash. Two calls with the same temporary file must not overlap.
pub(crate) fn replace(
    fs: &dyn Fs,
    temporary: &Path,
    path: &Path,
    bytes: &[u8],
    mode: u32,
) -> Result<(), FileError> {
    swap_in(fs, temporary, path, bytes, mode)?;
    sync_parent(fs, path)
}

/// [`replace`] without its last step: the new file's bytes are durable, its name is not.
pub(crate) fn swap_in(
    fs: &dyn Fs,
    temporary: &Path,
    path: &Path,
    bytes: &[u8],
    mode: u32,
) -> Result<(), FileError> {
    let renamed = |()| fs.rename(temporary, path).map_err(failed(Operation::Rename, path));
    write_synced(fs, temporary, bytes, mode).and_then(renamed).inspect_err(|_| {
        let _ = fs.remove_file(temporary); // the first error is the one to report
    })
}

/// Writes a whole file and makes its bytes, not its name, durable.
pub(crate) fn write_synced(
    fs: &dyn Fs,
    path: &Path,
    bytes: &[u8],
    mode: u32,
) -> Result<(), FileError> {
    let file =
        fs.create(path, mode, Existing::Truncate).map_err(failed(Operation::Create, path))?;
    file.write_at(bytes, 0).map_err(failed(Operation::Write, path))?;
    file.sync_data().map_err(failed(Operation::Sync, path))
}

/// The path of a hidden file beside another one.
pub(crate) fn temporary_path(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}{suffix}.tmp"))
}

fn sync_parent(fs: &dyn Fs, path: &Path) -> Result<(), FileError> {
    let dir = parent(path);
    fs.sync_dir(dir).map_err(failed(Operation::Sync, dir))
}

/// The directory of a file.
fn parent(path: &Path) -> &Path {
    // The parent of a bare name is the empty path.
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another holder has it, in this process or another.
    #[error("{} is locked by another process", path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
    },
    /// The lock file could not be made or locked.
    #[error(transparent)]
    File(#[from] FileError),
}

/// An exclusive lock on a file, until dropped or the process ends. The file stays.
#[derive(Debug)]
pub struct LockFile {
    _lock: Box<dyn Lock>,
}

impl LockFile {
    /// Takes the lock, at once or not at all; makes the file where it is missing.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn acquire(path: &Path) -> Result<Self, LockError> {
        Self::acquire_on(&DiskFs, path)
    }

    pub(crate) fn acquire_on(fs: &dyn Fs, path: &Path) -> Result<Self, LockError> {
        let lock = fs.lock(path).map_err(failed(Operation::Lock, path))?;
        let lock = lock.ok_or_else(|| LockError::Held { path: path.to_owned() })?;
        Ok(Self { _lock: lock })
    }
}
