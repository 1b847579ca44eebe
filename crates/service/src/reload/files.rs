//! Files that are looked at from time to time, to see whether they are others than before.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// By what a change of a file is told, links followed.
type Stamp = Option<Look>;

/// What a file looks like: one that is replaced has another inode, one that is written another size or
/// time, one that others may read from now on another time of its inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    written: (i64, i64),
    changed: (i64, i64),
}

/// Files and what they looked like when they were read. Name a file before it is read, so that a
/// change in between is not missed.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    files: BTreeMap<PathBuf, Seen>,
}

#[derive(Clone, Debug)]
struct Seen {
    /// When it was read.
    read: Stamp,
    /// When it was looked at last.
    last: Stamp,
}

impl Watched {
    /// No files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Watches this file, which may be missing, as it is now.
    pub fn add(&mut self, path: &Path) {
        let stamp = stamp(path);
        self.files.insert(path.to_owned(), Seen { read: stamp, last: stamp });
    }

    /// Watches no file.
    pub fn clear(&mut self) {
        self.files.clear();
    }

    /// The first file that is another than the one that was read, and has not changed since the last
    /// call. Each change is told once.
    pub async fn changed(&mut self) -> Option<PathBuf> {
        let mut files = std::mem::take(&mut self.files);
        // Beside the runtime's workers: a network file system may take its time.
        let looked = tokio::task::spawn_blocking(move || {
            let changed = look(&mut files);
            (files, changed)
        });
        match looked.await {
            Ok((files, changed)) => {
                self.files = files;
                changed
            }
            // The runtime is going down.
            Err(_) => None,
        }
    }
}

fn look(files: &mut BTreeMap<PathBuf, Seen>) -> Option<PathBuf> {
    let mut changed = None;
    for (path, seen) in files {
        let now = stamp(path);
        let is_settled = now == seen.last;
        seen.last = now;
        if is_settled && now != seen.read {
            seen.read = now;
            changed = changed.or_else(|| Some(path.clone()));
        }
    }
    changed
}

fn stamp(path: &Path) -> Stamp {
    let meta = std::fs::metadata(path).ok()?;
    Some(Look {
        device: meta.dev(),
        inode: meta.ino(),
        size: meta.size(),
        written: (meta.mtime(), meta.mtime_nsec()),
        changed: (meta.ctime(), meta.ctime_nsec()),
    })
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the files belong to the test")]
mod tests {
    use super::*;
    use std::fs;

    fn watch(path: &Path) -> Watched {
        let mut watched = Watched::new();
        watched.add(path);
        watched
    }

    #[tokio::test]
    async fn a_file_that_is_replaced_is_told_once_it_has_settled_and_then_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "one").unwrap();
        let mut watched = watch(&path);
        assert_eq!(watched.changed().await, None);
        let other = dir.path().join("g");
        fs::write(&other, "two").unwrap();
        fs::rename(&other, &path).unwrap();
        assert_eq!(watched.changed().await, None, "it may be written to still");
        assert_eq!(watched.changed().await, Some(path));
        assert_eq!(watched.changed().await, None);
    }

    #[tokio::test]
    async fn a_file_that_keeps_changing_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let mut watched = watch(&path);
        for size in 1..5 {
            fs::write(&path, "x".repeat(size)).unwrap();
            assert_eq!(watched.changed().await, None, "{size}");
        }
        assert_eq!(watched.changed().await, Some(path));
    }

    #[tokio::test]
    async fn a_file_that_vanishes_and_comes_back_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "one").unwrap();
        let mut watched = watch(&path);
        fs::remove_file(&path).unwrap();
        watched.changed().await;
        assert_eq!(watched.changed().await, Some(path.clone()));
        fs::write(&path, "two").unwrap();
        watched.changed().await;
        assert_eq!(watched.changed().await, Some(path));
    }

    #[tokio::test]
    async fn a_link_that_leads_elsewhere_is_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two, link] = ["one", "two", "link"].map(|name| dir.path().join(name));
        fs::write(&one, "same").unwrap();
        fs::write(&two, "same").unwrap();
        std::os::unix::fs::symlink(&one, &link).unwrap();
        let mut watched = watch(&link);
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&two, &link).unwrap();
        watched.changed().await;
        assert_eq!(watched.changed().await, Some(link));
    }

    #[tokio::test]
    async fn a_file_that_may_be_read_from_now_on_is_told() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "one").unwrap();
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o000);
        let mut watched = watch(&path);
        mode(0o644);
        watched.changed().await;
        assert_eq!(watched.changed().await, Some(path.clone()));
        assert_eq!(watched.changed().await, None);
    }

    #[tokio::test]
    async fn a_change_before_the_first_look_is_not_missed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let mut watched = watch(&path);
        fs::write(&path, "one").unwrap();
        watched.changed().await;
        assert_eq!(watched.changed().await, Some(path));
    }
}
