//! Files in memory: for a log that may be gone with its process, and for tests.

use super::{Existing, File, Fs, Lock};
use std::collections::{BTreeMap, HashSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

type Bytes = Arc<RwLock<Vec<u8>>>;

#[derive(Debug, Clone)]
enum Entry {
    Dir,
    File(Bytes),
}

#[derive(Debug, Default)]
struct Tree {
    entries: BTreeMap<PathBuf, Entry>,
    locked: HashSet<PathBuf>,
}

/// A file system in memory. Clones are the same file system. Permission bits are not kept, and
/// every directory above the first one made is taken to exist.
#[derive(Debug, Clone, Default)]
pub struct MemoryFs {
    tree: Arc<Mutex<Tree>>,
}

impl MemoryFs {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        // Nothing panics half way through a change, so that a poisoned tree is still whole.
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, path: &Path) -> io::Result<Bytes> {
        match self.tree().entries.get(path) {
            Some(Entry::File(bytes)) => Ok(Arc::clone(bytes)),
            Some(Entry::Dir) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }
}

impl Fs for MemoryFs {
    fn read(&self, path: &Path, limit: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.clear();
        let file = self.file(path)?;
        let bytes = file.read().unwrap_or_else(PoisonError::into_inner);
        buffer.extend_from_slice(bytes.get(..limit).unwrap_or(&bytes));
        Ok(())
    }

    fn create(&self, path: &Path, _mode: u32, existing: Existing) -> io::Result<Box<dyn File>> {
        let mut tree = self.tree();
        let missing_dir = path.parent().is_some_and(|dir| !tree.entries.contains_key(dir));
        if missing_dir {
            return Err(ErrorKind::NotFound.into());
        }
        let bytes = match (tree.entries.get(path), existing) {
            (Some(Entry::Dir), _) => return Err(ErrorKind::IsADirectory.into()),
            (Some(_), Existing::Refuse) => return Err(ErrorKind::AlreadyExists.into()),
            (Some(Entry::File(bytes)), Existing::Truncate) => Arc::clone(bytes),
            (None, _) => Bytes::default(),
        };
        bytes.write().unwrap_or_else(PoisonError::into_inner).clear();
        tree.entries.insert(path.to_owned(), Entry::File(Arc::clone(&bytes)));
        Ok(Box::new(MemoryFile(bytes)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(Box::new(MemoryFile(self.file(path)?)))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        let file = self.file(path)?;
        let bytes = file.read().unwrap_or_else(PoisonError::into_inner);
        Ok(bytes.len() as u64)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let tree = self.tree();
        match tree.entries.get(dir) {
            Some(Entry::Dir) => (),
            Some(Entry::File(_)) => return Err(ErrorKind::NotADirectory.into()),
            None => return Err(ErrorKind::NotFound.into()),
        }
        let below = tree.entries.range(dir.to_owned()..).skip(1);
        let names = below
            .take_while(|(path, _)| path.starts_with(dir))
            .filter(|(path, _)| path.parent() == Some(dir))
            .filter_map(|(path, _)| Some(path.file_name()?.to_str()?.to_owned()));
        Ok(names.collect())
    }

    fn create_dir(&self, dir: &Path, _mode: u32) -> io::Result<()> {
        let mut tree = self.tree();
        if tree.entries.contains_key(dir) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        tree.entries.insert(dir.to_owned(), Entry::Dir);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut tree = self.tree();
        let entry = tree.entries.remove(from).ok_or(ErrorKind::NotFound)?;
        tree.entries.insert(to.to_owned(), entry);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.file(path)?;
        self.tree().entries.remove(path);
        Ok(())
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        if !self.list(dir)?.is_empty() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        self.tree().entries.remove(dir);
        Ok(())
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let path = path.to_owned();
        if !self.tree().locked.insert(path.clone()) {
            return Ok(None);
        }
        Ok(Some(Box::new(MemoryLock { fs: self.clone(), path })))
    }
}

#[derive(Debug)]
struct MemoryFile(Bytes);

impl File for MemoryFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut file = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let start = usize::try_from(offset).map_err(|_| ErrorKind::FileTooLarge)?;
        let end = start.checked_add(bytes.len()).ok_or(ErrorKind::FileTooLarge)?;
        if file.len() < end {
            file.resize(end, 0);
        }
        file[start..end].copy_from_slice(bytes);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryLock {
    fs: MemoryFs,
    path: PathBuf,
}

impl Lock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.fs.tree().locked.remove(&self.path);
    }
}
