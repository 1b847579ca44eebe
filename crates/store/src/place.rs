//! Where a store lives: a directory on some file system.

use crate::durable::{FileError, Operation, SmallFile, failed};
use crate::durable::{replace, temporary_path};
use crate::fs::{DiskFs, File, Fs, MemoryFs, PRIVATE_DIR, PUBLIC_DIR};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory and the file system it is on. Clones are the same place.
#[derive(Debug, Clone)]
pub struct Place {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
}

impl Place {
    /// A directory of the machine.
    pub fn dir(path: impl Into<PathBuf>) -> Self {
        Self::on(Arc::new(DiskFs), path)
    }

    /// A directory in memory, gone when the last clone is: the ephemeral backend.
    pub fn memory() -> Self {
        Self::on(Arc::new(MemoryFs::new()), "/memory")
    }

    /// A directory on any file system.
    pub fn on(fs: Arc<dyn Fs>, dir: impl Into<PathBuf>) -> Self {
        Self { fs, dir: dir.into() }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// A small file in the directory, by its name there.
    pub fn file(&self, name: impl AsRef<Path>) -> SmallFile {
        SmallFile::on(Arc::clone(&self.fs), self.dir.join(name))
    }

    /// A directory in this one, on the same file system; made durably, for its owner alone, where it
    /// is missing.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn private_dir(&self, name: &str) -> Result<Self, FileError> {
        // The sync also where it exists: whoever made it may have died before.
        self.ensure_dir(name, PRIVATE_DIR)?;
        self.sync_dir("")?;
        Ok(Self { fs: Arc::clone(&self.fs), dir: self.dir.join(name) })
    }

    /// Names in the directory, sorted; none where it is missing.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn names(&self) -> Result<Vec<String>, FileError> {
        self.list("")
    }

    pub(crate) fn fs(&self) -> &dyn Fs {
        &*self.fs
    }

    /// The whole path of a file in the directory.
    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.join(name)
    }

    /// Reads a file up to a limit, or finds that there is none.
    pub(crate) fn read(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, FileError> {
        let mut buffer = Vec::new();
        Ok(self.read_into(name, limit, &mut buffer)?.then_some(buffer))
    }

    /// Reads a file up to a limit into a buffer; false where there is none.
    pub(crate) fn read_into(
        &self,
        name: &str,
        limit: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<bool, FileError> {
        let path = self.join(name);
        match self.fs.read(&path, limit, buffer) {
            Ok(()) => Ok(true),
            Err(error) if is_absent(error.kind()) => Ok(false),
            Err(error) => Err(failed(Operation::Read, &path)(error)),
        }
    }

    /// Replaces a small file, atomically and durably. Only one thread may write a name at a time.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        let path = self.join(name);
        replace(&*self.fs, &temporary_path(&path, ""), &path, bytes, mode)
    }

    /// Names in a directory; none where it is missing.
    pub(crate) fn list(&self, name: &str) -> Result<Vec<String>, FileError> {
        let path = self.join(name);
        match self.fs.list(&path) {
            Err(error) if is_absent(error.kind()) => Ok(Vec::new()),
            other => other.map_err(failed(Operation::List, &path)),
        }
    }

    /// Length of a file, or none where there is none.
    pub(crate) fn len(&self, name: &str) -> Result<Option<u64>, FileError> {
        let path = self.join(name);
        match self.fs.len(&path) {
            Ok(len) => Ok(Some(len)),
            Err(error) if is_absent(error.kind()) => Ok(None),
            Err(error) => Err(failed(Operation::Read, &path)(error)),
        }
    }

    /// Opens a file that exists for writing.
    pub(crate) fn open(&self, name: &str) -> Result<Box<dyn File>, FileError> {
        let path = self.join(name);
        self.fs.open(&path).map_err(failed(Operation::Create, &path))
    }

    /// Makes a directory; true where it was not there before. Not durable before its parent is
    /// synced.
    pub(crate) fn ensure_dir(&self, name: &str, mode: u32) -> Result<bool, FileError> {
        let path = self.join(name);
        match self.fs.create_dir(&path, mode) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(failed(Operation::Create, &path)(error)),
        }
    }

    /// Makes the directory itself, where it is missing, and its name durable; its parent must
    /// exist.
    pub(crate) fn ensure_self(&self) -> Result<(), FileError> {
        let made = self.ensure_dir("", PUBLIC_DIR)?;
        let parent = self.dir.parent().filter(|dir| !dir.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        match self.fs.sync_dir(parent) {
            // Who made the directory for us need not let us read what is beside it.
            Err(error) if !made && error.kind() == ErrorKind::PermissionDenied => Ok(()),
            other => other.map_err(failed(Operation::Sync, parent)),
        }
    }

    /// Renames within a directory.
    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        let to = self.join(to);
        self.fs.rename(&self.join(from), &to).map_err(failed(Operation::Rename, &to))
    }

    /// Removes a file; it is no error that there is none.
    pub(crate) fn remove_file(&self, name: &str) -> Result<(), FileError> {
        let path = self.join(name);
        match self.fs.remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(failed(Operation::Remove, &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Removes an empty directory; it is no error that there is none.
    pub(crate) fn remove_dir(&self, name: &str) -> Result<(), FileError> {
        let path = self.join(name);
        match self.fs.remove_dir(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(failed(Operation::Remove, &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Makes the names in a directory durable.
    pub(crate) fn sync_dir(&self, name: &str) -> Result<(), FileError> {
        let path = self.join(name);
        self.fs.sync_dir(&path).map_err(failed(Operation::Sync, &path))
    }
}

/// Whether an error says that there is no such file. A name below a file is no file either.
fn is_absent(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory)
}
