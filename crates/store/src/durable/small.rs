//! One small file of state, on any file system.

use super::{FileError, Operation, failed, parent, replace, sync_parent, temporary_path};
use crate::fs::{DiskFs, Existing, Fs};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that is read and replaced as a whole. Clones are the same file. Only one thread may write
/// it at a time.
#[derive(Debug, Clone)]
pub struct SmallFile {
    fs: Arc<dyn Fs>,
    path: PathBuf,
}

impl SmallFile {
    /// A file of the machine.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::on(Arc::new(DiskFs), path)
    }

    /// A file on any file system.
    pub fn on(fs: Arc<dyn Fs>, path: impl Into<PathBuf>) -> Self {
        Self { fs, path: path.into() }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file beside it whose name is this one's and a suffix.
    #[must_use]
    pub fn beside(&self, suffix: &str) -> Self {
        let mut path = self.path.clone().into_os_string();
        path.push(suffix);
        Self { fs: Arc::clone(&self.fs), path: path.into() }
    }

    /// Reads it, `limit` bytes at most; none where there is no file.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn read(&self, limit: usize) -> Result<Option<Vec<u8>>, FileError> {
        let mut bytes = Vec::new();
        match self.fs.read(&self.path, limit, &mut bytes) {
            Ok(()) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(Operation::Read, &self.path)(error)),
        }
    }

    /// Whether its name is taken, by a dangling link too.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn exists(&self) -> Result<bool, FileError> {
        let dir = parent(&self.path);
        let name = self.path.file_name().unwrap_or_default();
        match self.fs.list(dir) {
            Ok(names) => Ok(names.iter().any(|known| name == known.as_str())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed(Operation::List, dir)(error)),
        }
    }

    /// Replaces it: atomic, and durable when this returns. May be called again after an error; then
    /// the old one or the new one is there.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn replace(&self, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        replace(&*self.fs, &temporary_path(&self.path, ""), &self.path, bytes, mode)
    }

    /// Makes it, durable when this returns. It must not exist.
    ///
    /// # Errors
    /// [`FileError`], with [`ErrorKind::AlreadyExists`] where there is one; it is left alone then.
    /// After another error no new file is left, as far as removing it works.
    pub fn create_new(&self, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        let (fs, path) = (&*self.fs, self.path.as_path());
        let file =
            fs.create(path, mode, Existing::Refuse).map_err(failed(Operation::Create, path))?;
        let written = file
            .write_at(bytes, 0)
            .map_err(failed(Operation::Write, path))
            .and_then(|()| file.sync_data().map_err(failed(Operation::Sync, path)))
            .and_then(|()| sync_parent(fs, path));
        if written.is_err() {
            let _ = fs.remove_file(path); // the first error is the one to report
        }
        written
    }

    /// Removes it, durably when this returns; it is no error that there is none.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn remove(&self) -> Result<(), FileError> {
        match self.fs.remove_file(&self.path) {
            // Removed before, perhaps, by a call whose sync failed.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                match sync_parent(&*self.fs, &self.path) {
                    Err(error) if error.source.kind() == ErrorKind::NotFound => Ok(()),
                    synced => synced,
                }
            }
            Err(error) => Err(failed(Operation::Remove, &self.path)(error)),
            Ok(()) => sync_parent(&*self.fs, &self.path),
        }
    }
}
