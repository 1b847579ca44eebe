//! The disk below a simulated file system: what is on it for sure, what is not yet, and what a
//! crash makes of that.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;
/// What a system writes back at once.
const PAGE: usize = 4096;

/// One operation that changes something.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Create { path: PathBuf },
    Empty { inode: usize },
    Write { inode: usize, offset: usize, bytes: Arc<[u8]> },
    Sync { inode: usize },
    FailedSync { inode: usize },
    CreateDir { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf },
    Remove { path: PathBuf },
    SyncDir { path: PathBuf },
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { path } => write!(f, "create {}", path.display()),
            Self::Empty { inode } => write!(f, "empty #{inode}"),
            Self::Write { inode, offset, bytes } => {
                write!(f, "write {} bytes at {offset} of #{inode}", bytes.len())
            }
            Self::Sync { inode } => write!(f, "sync #{inode}"),
            Self::FailedSync { inode } => write!(f, "failed sync of #{inode}"),
            Self::CreateDir { path } => write!(f, "make directory {}", path.display()),
            Self::Rename { from, to } => {
                write!(f, "rename {} to {}", from.display(), to.display())
            }
            Self::Remove { path } => write!(f, "remove {}", path.display()),
            Self::SyncDir { path } => write!(f, "sync directory {}", path.display()),
        }
    }
}

/// What becomes of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// All of it is there, and none of it written: the process was killed, the machine goes on, and
    /// what was not synced is lost if the power fails before somebody syncs it.
    KeepAll,
    /// None of it was.
    LoseAll,
    /// The names, with nothing in the files behind them.
    NamesOnly,
    /// The bytes, without the names.
    DataOnly,
    /// The names of all but one of the last changes.
    AllNamesBut(usize),
    /// Nothing but one of the changes of names, and all bytes.
    OneName(usize),
    /// Any part of it, in any order, down to sectors; the number says which.
    Mixed(u64),
}

/// What a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Entry {
    Dir,
    File(usize),
}

/// A change of names in one directory, which happens as a whole.
#[derive(Debug, Clone)]
struct NameChange {
    /// How many there were before.
    number: u64,
    dir: PathBuf,
    sets: Vec<(PathBuf, Option<Entry>)>,
}

/// A change of bytes since the last sync.
#[derive(Debug, Clone)]
enum DataChange {
    Write { offset: usize, bytes: Arc<[u8]> },
    Empty,
}

#[derive(Debug, Clone, Default)]
struct Inode {
    /// What is read.
    now: Arc<Vec<u8>>,
    /// What is on the disk for sure.
    durable: Arc<Vec<u8>>,
    /// What was done since the last sync, whether that worked or not.
    unsynced: Vec<DataChange>,
    /// Pages that a failed sync left: in memory as in `now`, on the disk perhaps.
    limbo: BTreeSet<usize>,
}

/// A disk, with what the system has not written yet.
#[derive(Debug, Clone)]
pub struct Disk {
    now: BTreeMap<PathBuf, Entry>,
    durable: BTreeMap<PathBuf, Entry>,
    unsynced: Vec<NameChange>,
    /// Changes of names so far.
    changes: u64,
    inodes: Vec<Inode>,
}

impl Default for Disk {
    fn default() -> Self {
        let names = BTreeMap::from([(PathBuf::from("/"), Entry::Dir)]);
        let (unsynced, inodes) = (Vec::new(), Vec::new());
        Self { now: names.clone(), durable: names, unsynced, changes: 0, inodes }
    }
}

impl Disk {
    pub(super) fn file(&self, path: &Path) -> io::Result<usize> {
        match self.now.get(path) {
            Some(Entry::File(inode)) => Ok(*inode),
            Some(Entry::Dir) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn exists(&self, path: &Path) -> bool {
        self.now.contains_key(path)
    }

    pub(super) fn is_dir(&self, path: &Path) -> bool {
        self.now.get(path) == Some(&Entry::Dir)
    }

    pub(super) fn check_parent(&self, path: &Path) -> io::Result<()> {
        let there = path.parent().is_some_and(|dir| self.is_dir(dir));
        if there { Ok(()) } else { Err(ErrorKind::NotFound.into()) }
    }

    pub(super) fn bytes(&self, inode: usize) -> &[u8] {
        self.inodes.get(inode).map_or(&[], |inode| &inode.now)
    }

    pub(super) fn next_inode(&self) -> usize {
        self.inodes.len()
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        match self.now.get(dir) {
            Some(Entry::Dir) => (),
            Some(Entry::File(_)) => return Err(ErrorKind::NotADirectory.into()),
            None => return Err(ErrorKind::NotFound.into()),
        }
        let inside = self.now.keys().filter(|path| path.parent() == Some(dir));
        let names = inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
        Ok(names.collect())
    }

    /// All files, sorted by name.
    pub fn files(&self) -> Vec<PathBuf> {
        let files = self.now.iter().filter(|(_, entry)| matches!(entry, Entry::File(_)));
        files.map(|(path, _)| path.clone()).collect()
    }

    fn change_names(&mut self, dir: &Path, sets: Vec<(PathBuf, Option<Entry>)>) {
        set_names(&mut self.now, &sets);
        self.unsynced.push(NameChange { number: self.changes, dir: dir.to_owned(), sets });
        self.changes += 1;
    }

    pub(super) fn apply(&mut self, op: &Op) {
        let root = Path::new("/");
        match op {
            Op::Create { path } => {
                let inode = self.inodes.len();
                self.inodes.push(Inode::default());
                let set = (path.clone(), Some(Entry::File(inode)));
                self.change_names(path.parent().unwrap_or(root), vec![set]);
            }
            Op::CreateDir { path } => {
                let set = (path.clone(), Some(Entry::Dir));
                self.change_names(path.parent().unwrap_or(root), vec![set]);
            }
            Op::Rename { from, to } => {
                let sets = vec![(from.clone(), None), (to.clone(), self.now.get(from).copied())];
                self.change_names(to.parent().unwrap_or(root), sets);
            }
            Op::Remove { path } => {
                self.change_names(path.parent().unwrap_or(root), vec![(path.clone(), None)]);
            }
            Op::SyncDir { path } => {
                let (synced, rest) = std::mem::take(&mut self.unsynced)
                    .into_iter()
                    .partition(|change: &NameChange| change.dir == *path);
                self.unsynced = rest;
                synced.iter().for_each(|change| set_names(&mut self.durable, &change.sets));
            }
            Op::Empty { inode }
            | Op::Write { inode, .. }
            | Op::Sync { inode }
            | Op::FailedSync { inode } => {
                if let Some(inode) = self.inodes.get_mut(*inode) {
                    inode.apply(op);
                }
            }
        }
    }

    /// The name in a directory that was changed last, if that is not synced, and how many changes there
    /// were before.
    pub(super) fn last_unsynced_name(&self, dir: &Path) -> Option<(&Path, u64)> {
        let last = self.unsynced.iter().rev().find(|change| change.dir == dir)?;
        Some((last.sets.last()?.0.as_path(), last.number))
    }

    /// Changes of names so far.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Bytes of the last write to a file that is not synced; none where there is no such write.
    pub(super) fn last_unsynced_write(&self, inode: usize) -> Option<usize> {
        Some(match self.inodes.get(inode)?.unsynced.last()? {
            DataChange::Write { bytes, .. } => bytes.len(),
            DataChange::Empty => 0,
        })
    }

    /// How many changes of names are not synced.
    fn unsynced_names(&self) -> usize {
        self.unsynced.len()
    }

    /// The ways to crash that are tried: the extremes; a change of a name alone lost, and alone kept,
    /// for the first, the last and one other where they are many; and so many mixtures.
    pub fn crashes(&self, mixtures: u64, seed: u64) -> Vec<Crash> {
        let names = self.unsynced_names();
        let dirty = self.inodes.iter().any(Inode::is_dirty);
        let mut ways = vec![Crash::KeepAll];
        if names == 0 && !dirty {
            return ways;
        }
        ways.extend([Crash::LoseAll, Crash::NamesOnly, Crash::DataOnly]);
        if names > 1 {
            let one = Random(seed).below(names);
            let few = |n: &usize| *n < 2 || *n + 3 > names || *n == one;
            ways.extend((0..names).filter(few).map(Crash::AllNamesBut));
            ways.extend((0..names).filter(few).map(Crash::OneName));
        }
        ways.extend((0..mixtures).map(|n| Crash::Mixed(seed.wrapping_mul(1009).wrapping_add(n))));
        ways
    }

    /// What the next start of the machine finds.
    #[must_use]
    pub fn crash(&self, how: Crash) -> Self {
        if how == Crash::KeepAll {
            return self.clone();
        }
        let mut random = Random(match how {
            Crash::Mixed(seed) => seed,
            _ => 0,
        });
        let mut names = self.durable.clone();
        for (number, change) in self.unsynced.iter().enumerate() {
            let keep = match how {
                Crash::KeepAll | Crash::NamesOnly => true,
                Crash::LoseAll | Crash::DataOnly => false,
                Crash::AllNamesBut(lost) => number != lost,
                Crash::OneName(kept) => number == kept,
                Crash::Mixed(_) => random.below(2) == 1,
            };
            if keep {
                set_names(&mut names, &change.sets);
            }
        }
        // What is in a directory that is not there is gone.
        let mut found = BTreeMap::new();
        for (path, entry) in names {
            if path.parent().is_none_or(|dir| found.get(dir) == Some(&Entry::Dir)) {
                found.insert(path, entry);
            }
        }
        let keeps_data = !matches!(how, Crash::LoseAll | Crash::NamesOnly);
        let inodes = self.inodes.iter().map(|inode| {
            let image = match how {
                Crash::Mixed(_) => inode.mixed(&mut random),
                _ if keeps_data => Arc::clone(&inode.now),
                _ => Arc::clone(&inode.durable),
            };
            Inode { now: Arc::clone(&image), durable: image, ..Inode::default() }
        });
        let inodes = inodes.collect();
        let (unsynced, changes) = (Vec::new(), self.changes);
        Self { now: found.clone(), durable: found, unsynced, changes, inodes }
    }

    /// Tells disks apart on which different things are found, now or after a crash.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash_files(&self.now, |inode| &inode.now, &mut hasher);
        if self.unsynced_names() > 0 || self.inodes.iter().any(Inode::is_dirty) {
            self.hash_files(&self.durable, |inode| &inode.durable, &mut hasher);
        }
        hasher.finish()
    }

    fn hash_files(
        &self,
        names: &BTreeMap<PathBuf, Entry>,
        bytes: impl Fn(&Inode) -> &[u8],
        hasher: &mut DefaultHasher,
    ) {
        for (path, entry) in names {
            path.hash(hasher);
            if let Entry::File(inode) = entry {
                let bytes = self.inodes.get(*inode).map_or(&[][..], &bytes);
                (bytes.len(), crc32c::crc32c(bytes)).hash(hasher);
            }
        }
    }

    /// Changes bytes of a file behind everybody's back, as rot does.
    pub fn alter(&mut self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let Ok(inode) = self.file(path) else { return };
        if let Some(inode) = self.inodes.get_mut(inode) {
            change(Arc::make_mut(&mut inode.now));
            inode.durable = Arc::clone(&inode.now);
        }
    }
}

fn set_names(names: &mut BTreeMap<PathBuf, Entry>, sets: &[(PathBuf, Option<Entry>)]) {
    for (path, entry) in sets {
        match entry {
            Some(entry) => names.insert(path.clone(), *entry),
            None => names.remove(path),
        };
    }
}

impl DataChange {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Empty => bytes.clear(),
            Self::Write { offset, bytes: new } => {
                let end = offset + new.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                if let Some(place) = bytes.get_mut(*offset..end) {
                    place.copy_from_slice(new);
                }
            }
        }
    }
}

impl Inode {
    fn is_dirty(&self) -> bool {
        !self.unsynced.is_empty() || !self.limbo.is_empty()
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Empty { .. } => self.change(DataChange::Empty),
            Op::Write { offset, bytes, .. } => {
                self.change(DataChange::Write { offset: *offset, bytes: Arc::clone(bytes) });
            }
            Op::Sync { .. } => self.sync(),
            Op::FailedSync { .. } => {
                let dirty = self.dirty_pages();
                self.limbo.extend(dirty);
                self.unsynced.clear();
            }
            _ => (),
        }
    }

    fn change(&mut self, change: DataChange) {
        change.apply(Arc::make_mut(&mut self.now));
        self.unsynced.push(change);
    }

    /// Pages that were written to since the last sync.
    fn dirty_pages(&self) -> BTreeSet<usize> {
        let mut pages = BTreeSet::new();
        for change in &self.unsynced {
            if let DataChange::Write { offset, bytes } = change {
                pages.extend(offset / PAGE..(offset + bytes.len()).div_ceil(PAGE));
            }
        }
        pages
    }

    fn sync(&mut self) {
        for page in self.dirty_pages() {
            self.limbo.remove(&page);
        }
        let old = std::mem::replace(&mut self.durable, Arc::clone(&self.now));
        self.unsynced.clear();
        if !self.limbo.is_empty() {
            // The system thinks that these pages are written.
            let durable = Arc::make_mut(&mut self.durable);
            for page in &self.limbo {
                copy(durable, &old, *page * PAGE, PAGE);
            }
        }
    }

    /// Every sector as it was at the last sync or as any write since left it, and one of the
    /// lengths since.
    fn mixed(&self, random: &mut Random) -> Arc<Vec<u8>> {
        if !self.is_dirty() {
            return Arc::clone(&self.durable);
        }
        let mut versions = vec![self.durable.to_vec()];
        if !self.limbo.is_empty() {
            let mut image = self.durable.to_vec();
            image.resize(image.len().max(self.now.len()), 0);
            for page in &self.limbo {
                copy(&mut image, &self.now, *page * PAGE, PAGE);
            }
            versions.push(image);
        }
        for change in &self.unsynced {
            let mut next = versions.last().cloned().unwrap_or_default();
            change.apply(&mut next);
            versions.push(next);
        }
        let count = versions.len();
        let length = versions.get(random.below(count)).map_or(0, Vec::len);
        let mut out = vec![0; length];
        for start in (0..length).step_by(SECTOR) {
            if let Some(version) = versions.get(random.below(count)) {
                copy(&mut out, version, start, SECTOR);
            }
        }
        Arc::new(out)
    }
}

/// Copies a part from the same place, as far as both reach; zeros where only the target does.
fn copy(to: &mut [u8], from: &[u8], start: usize, count: usize) {
    let to_end = to.len().min(start + count);
    let Some(to) = to.get_mut(start..to_end) else { return };
    to.fill(0);
    let from_end = from.len().min(to_end);
    if let Some(from) = from.get(start..from_end)
        && let Some(to) = to.get_mut(..from.len())
    {
        to.copy_from_slice(from);
    }
}

/// A small generator of numbers (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        usize::try_from(z % bound.max(1) as u64).unwrap_or(0)
    }
}
