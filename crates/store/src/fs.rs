//! The seam below all file work: everything a store does to a file system goes through [`Fs`].
//!
//! [`DiskFs`] is the real one, [`MemoryFs`] keeps files in memory (a log that lives as long as its
//! process, and tests). [`sim`] has one for tests that records, fails and loses what was not synced.
//!
//! # What an implementation promises
//! - **Durable**: bytes of a file after [`File::sync_data`]; that a name exists, is gone or was
//!   renamed, after [`Fs::sync_dir`] of the directory that holds the name. Nothing else is.
//! - **Atomic**: [`Fs::rename`], as far as names go. Writes are not: a crash may leave any part.
//! - **Order**: what was not synced may become durable in any order, or not at all.

mod disk;
mod memory;
pub mod sim;

pub use disk::DiskFs;
pub use memory::MemoryFs;

use std::fmt::Debug;
use std::io;
use std::path::Path;

/// Permission bits of a file that others may read, such as a tile.
pub const PUBLIC_FILE: u32 = 0o644;
/// Permission bits of a file for its owner alone.
pub const PRIVATE_FILE: u32 = 0o600;
/// Permission bits of a directory that others may read.
pub const PUBLIC_DIR: u32 = 0o755;
/// Permission bits of a directory for its owner alone.
pub const PRIVATE_DIR: u32 = 0o700;

/// What [`Fs::create`] does with a file that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Empties it.
    Truncate,
    /// Fails with [`io::ErrorKind::AlreadyExists`].
    Refuse,
}

/// A file system. Paths are whole paths; nothing follows the working directory.
pub trait Fs: Send + Sync + Debug {
    /// Reads a file from its start, `limit` bytes at most, into `buffer`, which is emptied first.
    ///
    /// # Errors
    /// Those of the file system; [`io::ErrorKind::NotFound`] where there is no file.
    fn read(&self, path: &Path, limit: usize, buffer: &mut Vec<u8>) -> io::Result<()>;

    /// Makes a file, or empties it, with exactly these permission bits.
    ///
    /// # Errors
    /// Those of the file system, and see [`Existing`].
    fn create(&self, path: &Path, mode: u32, existing: Existing) -> io::Result<Box<dyn File>>;

    /// Opens a file that exists for writing.
    ///
    /// # Errors
    /// Those of the file system; [`io::ErrorKind::NotFound`] where there is no file.
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// Length of a file in bytes.
    ///
    /// # Errors
    /// Those of the file system; [`io::ErrorKind::NotFound`] where there is no file.
    fn len(&self, path: &Path) -> io::Result<u64>;

    /// Names in a directory, sorted; names that are not UTF-8 are left out, as nothing here makes
    /// any.
    ///
    /// # Errors
    /// Those of the file system; [`io::ErrorKind::NotFound`] where there is no directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Makes one directory with exactly these permission bits.
    ///
    /// # Errors
    /// Those of the file system; [`io::ErrorKind::AlreadyExists`].
    fn create_dir(&self, dir: &Path, mode: u32) -> io::Result<()>;

    /// Gives a file another name in the same directory; replaces a file of that name.
    ///
    /// # Errors
    /// Those of the file system.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// Those of the file system.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    ///
    /// # Errors
    /// Those of the file system.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// Those of the file system.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes the exclusive lock of a file, which is made where it is missing; `None` where another
    /// holder has it, in this process or another. The lock ends with the value, or the process.
    ///
    /// # Errors
    /// Those of the file system.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>>;
}

/// A file that is open for writing.
pub trait File: Send + Sync + Debug {
    /// Writes all bytes at an offset; a file that ends before it is filled with zeros.
    ///
    /// # Errors
    /// Those of the file system; any part may have been written then.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes the bytes and the length of the file durable. After an error it is not known what is,
    /// and a second call proves nothing: write the bytes again.
    ///
    /// # Errors
    /// Those of the file system.
    fn sync_data(&self) -> io::Result<()>;
}

/// A lock that is held until it is dropped.
pub trait Lock: Send + Sync + Debug {}
