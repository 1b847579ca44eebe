//! The file system of the machine.

use super::{Existing, File, Fs, Lock};
use std::fs::{self, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{
    DirBuilderExt as _, FileExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::Path;

/// The real thing: `std::fs`, with `fdatasync` and `fsync` on directories.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskFs;

impl Fs for DiskFs {
    fn read(&self, path: &Path, limit: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.clear();
        // With room for all of it, reading takes no more system calls than it needs.
        buffer.reserve(limit);
        let file = fs::File::open(path)?;
        file.take(limit as u64).read_to_end(buffer)?;
        Ok(())
    }

    fn create(&self, path: &Path, mode: u32, existing: Existing) -> io::Result<Box<dyn File>> {
        let mut options = OpenOptions::new();
        options.write(true).mode(mode);
        match existing {
            Existing::Truncate => options.create(true).truncate(true),
            Existing::Refuse => options.create_new(true),
        };
        let file = options.open(path)?;
        // The mode above passed through the umask, and an old file kept its own.
        file.set_permissions(Permissions::from_mode(mode))?;
        Ok(Box::new(DiskFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(Box::new(DiskFile(OpenOptions::new().write(true).open(path)?)))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        Ok(fs::metadata(path)?.len())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create_dir(&self, dir: &Path, mode: u32) -> io::Result<()> {
        fs::DirBuilder::new().mode(mode).create(dir)?;
        fs::set_permissions(dir, Permissions::from_mode(mode))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(DiskLock { _file: file }))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[derive(Debug)]
struct DiskFile(fs::File);

impl File for DiskFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// The lock is `flock(2)` and ends when the file is closed.
#[derive(Debug)]
struct DiskLock {
    _file: fs::File,
}

impl Lock for DiskLock {}
