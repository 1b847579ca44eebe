//! A data directory with many leaves, written without a log: through the store's own code, so that
//! it is what a log would have left behind, but without waiting for the disk.

use crate::failure::Failure;
use crate::random::Random;
use rustix::fs::{Mode, OFlags};
use sigsum_core::{Checksum, Hash, KeyHash, Leaf, PublicKey, Signature, TreeHead};
use sigsum_store::fs::{DiskFs, Existing, File, Fs, Lock};
use sigsum_store::{LeafLog as _, Place, Store};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Leaves a commit. A multiple of the 65 536 leaves of a tile of level 1, so that no partial tile
/// but those of the last commit is written.
pub(crate) const LEAVES_PER_COMMIT: u64 = 1 << 16;

/// Leaf number `index`: random bytes. A log checks signatures when it admits leaves, not
/// afterwards.
pub(crate) fn leaf(index: u64) -> Leaf {
    let mut random = Random::stream(0x6c65_6166, index);
    Leaf {
        checksum: Checksum::new(random.bytes()),
        signature: Signature::new(random.bytes()),
        key_hash: KeyHash::new(random.bytes()),
    }
}

/// Hash of [`leaf`] number `index`.
pub(crate) fn leaf_hash(index: u64) -> Hash {
    leaf(index).hash()
}

/// Makes the store of a new log with this key and this many leaves. Returns the tree after every
/// commit.
pub(crate) fn preload(
    directory: &Path,
    log_key: &PublicKey,
    leaves: u64,
) -> Result<Vec<TreeHead>, Failure> {
    let failed = || Failure::preparing("a log with leaves");
    let place = Place::on(Arc::new(Unsynced(DiskFs)), directory);
    Store::init(&place, log_key).map_err(failed())?;
    let store = Store::open(&place, log_key).map_err(failed())?;
    store.wait_for_index().map_err(failed())?;
    let mut heads = Vec::new();
    let mut start = 0;
    while start < leaves {
        let end = leaves.min(start + LEAVES_PER_COMMIT);
        let batch: Vec<Leaf> = (start..end).map(leaf).collect();
        store.commit(&batch).map_err(failed())?;
        heads.push(store.integrate().map_err(failed())?);
        start = end;
    }
    drop(store);
    // Once for all, so that the disk is idle when the measurement begins.
    let opened = rustix::fs::open(directory, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty());
    let synced = opened.and_then(rustix::fs::syncfs).map_err(io::Error::from);
    synced.map_err(Failure::file("sync", directory))?;
    Ok(heads)
}

/// The file system without its syncs.
#[derive(Debug)]
struct Unsynced(DiskFs);

#[derive(Debug)]
struct UnsyncedFile(Box<dyn File>);

impl Fs for Unsynced {
    fn read(&self, path: &Path, limit: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
        self.0.read(path, limit, buffer)
    }

    fn create(&self, path: &Path, mode: u32, existing: Existing) -> io::Result<Box<dyn File>> {
        Ok(Box::new(UnsyncedFile(self.0.create(path, mode, existing)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(Box::new(UnsyncedFile(self.0.open(path)?)))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        self.0.len(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }

    fn create_dir(&self, dir: &Path, mode: u32) -> io::Result<()> {
        self.0.create_dir(dir, mode)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.remove_file(path)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.remove_dir(dir)
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        self.0.lock(path)
    }
}

impl File for UnsyncedFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigsum_core::{LeafIndex, TreeSize};
    use sigsum_store::TreeReader as _;

    #[test]
    fn a_preloaded_store_is_a_whole_one() {
        let directory = tempfile::tempdir().unwrap();
        let (path, key) = (directory.path().join("log"), PublicKey::new([7; 32]));
        let leaves = LEAVES_PER_COMMIT + 300;
        let heads = preload(&path, &key, leaves).unwrap();
        assert_eq!(heads.iter().map(|h| h.size.0).collect::<Vec<_>>(), [LEAVES_PER_COMMIT, leaves]);
        let store = Store::open(&Place::dir(&path), &key).unwrap();
        store.verify().unwrap();
        assert_eq!(store.integrated(), heads[1]);
        assert_eq!(store.root_hash(TreeSize(LEAVES_PER_COMMIT)).unwrap(), heads[0].root_hash);
        store.wait_for_index().unwrap();
        assert_eq!(store.index_of(&leaf_hash(leaves - 1)).unwrap(), Some(LeafIndex(leaves - 1)));
        assert_eq!(store.recovery(), &sigsum_store::Recovery::default());
    }
}
