//! A file system that loses what was not synced, and fails when told to.

use sigsum_store::fs::{Existing, File, Fs, Lock};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What a crash does to what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    /// All of it was written: the process was killed, the machine went on.
    KeepAll,
    /// None of it was: the power failed.
    LoseAll,
    /// Any part of it, in any order, down to sectors.
    Mixed(u64),
}

/// When operations fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    Never,
    /// From this operation on everything fails, as for a process that is dead.
    DieAt(u64),
    /// This operation fails, and only this.
    FailAt(u64),
}

#[derive(Debug, Clone, Default)]
struct Inode {
    now: Vec<u8>,
    durable: Vec<u8>,
}

/// What a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Dir,
    File(usize),
}

#[derive(Debug, Clone)]
struct State {
    now: BTreeMap<PathBuf, Entry>,
    durable: BTreeMap<PathBuf, Entry>,
    inodes: Vec<Inode>,
    locked: bool,
    operations: u64,
    plan: Plan,
    /// Names that a rename took or gave since their directory was synced: a crash sees all of
    /// those in a directory as before or as after, since renames are atomic.
    renamed: BTreeSet<PathBuf>,
}

/// The file system. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct SimFs(Arc<Mutex<State>>);

impl SimFs {
    pub(crate) fn new() -> Self {
        let names = BTreeMap::from([(PathBuf::from("/"), Entry::Dir)]);
        Self(Arc::new(Mutex::new(State {
            now: names.clone(),
            durable: names,
            inodes: Vec::new(),
            locked: false,
            operations: 0,
            plan: Plan::Never,
            renamed: BTreeSet::new(),
        })))
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap())
    }

    /// Operations that changed something so far.
    pub(crate) fn operations(&self) -> u64 {
        self.with(|state| state.operations)
    }

    /// Everything fails from that operation on.
    pub(crate) fn die_at(&self, operation: u64) {
        self.with(|state| state.plan = Plan::DieAt(operation));
    }

    /// That operation fails, and no other.
    pub(crate) fn fail_at(&self, operation: u64) {
        self.with(|state| state.plan = Plan::FailAt(operation));
    }

    /// What the next process finds.
    pub(crate) fn crash(&self, how: Crash) -> Self {
        let mut state = self.with(|state| state.clone());
        let mut random = Random(match how {
            Crash::Mixed(seed) => seed,
            _ => 0,
        });
        let names: Vec<PathBuf> = state.now.keys().chain(state.durable.keys()).cloned().collect();
        let (mut found, renames) = (BTreeMap::new(), random.coin());
        for name in names {
            let keep = match how {
                Crash::KeepAll => true,
                Crash::LoseAll => false,
                Crash::Mixed(_) if state.renamed.contains(&name) => renames,
                Crash::Mixed(_) => random.coin(),
            };
            let entry = if keep { state.now.get(&name) } else { state.durable.get(&name) };
            let in_a_dir = name.parent().is_none_or(|dir| found.contains_key(dir));
            if let Some(entry) = entry.filter(|_| in_a_dir && !found.contains_key(&name)) {
                found.insert(name, *entry);
            }
        }
        for inode in &mut state.inodes {
            inode.now = match how {
                Crash::KeepAll => inode.now.clone(),
                Crash::LoseAll => inode.durable.clone(),
                Crash::Mixed(_) => mix(inode, &mut random),
            };
            inode.durable = inode.now.clone();
        }
        (state.durable, state.now) = (found.clone(), found);
        (state.locked, state.plan) = (false, Plan::Never);
        state.renamed.clear();
        Self(Arc::new(Mutex::new(state)))
    }
}

/// Every sector is the old or the new one, and so is the length.
fn mix(inode: &Inode, random: &mut Random) -> Vec<u8> {
    const SECTOR: usize = 512;
    if inode.now == inode.durable {
        return inode.now.clone();
    }
    let length = if random.coin() { inode.now.len() } else { inode.durable.len() };
    let mut out = vec![0; length];
    for (sector, start) in out.chunks_mut(SECTOR).zip((0..).step_by(SECTOR)) {
        let of = |bytes: &'_ [u8]| {
            bytes.get(start..).map(|rest| rest[..rest.len().min(SECTOR)].to_vec())
        };
        let (old, new) = (of(&inode.durable), of(&inode.now));
        let from = if random.coin() { old.or(new) } else { new.or(old) }.unwrap_or_default();
        let count = from.len().min(sector.len());
        sector[..count].copy_from_slice(&from[..count]);
    }
    out
}

/// A small generator of coin tosses (splitmix64).
struct Random(u64);

impl Random {
    fn coin(&mut self) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) & 1 == 1
    }
}

impl State {
    /// Counts an operation that changes something; false where it is the one to fail.
    fn allow(&mut self) -> io::Result<()> {
        let number = self.operations;
        self.operations += 1;
        match self.plan {
            Plan::DieAt(at) if number >= at => Err(ErrorKind::Other.into()),
            Plan::FailAt(at) if number == at => Err(ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    fn is_dead(&self) -> bool {
        matches!(self.plan, Plan::DieAt(at) if self.operations > at)
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        if self.is_dead() {
            return Err(ErrorKind::Other.into());
        }
        match self.now.get(path) {
            Some(Entry::File(inode)) => Ok(*inode),
            Some(Entry::Dir) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }
}

impl Fs for SimFs {
    fn read(&self, path: &Path, limit: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
        self.with(|state| {
            let inode = state.file(path)?;
            let bytes = &state.inodes[inode].now;
            buffer.clear();
            buffer.extend_from_slice(&bytes[..bytes.len().min(limit)]);
            Ok(())
        })
    }

    fn create(&self, path: &Path, _mode: u32, existing: Existing) -> io::Result<Box<dyn File>> {
        self.with(|state| {
            state.allow()?;
            if state.now.get(path.parent().unwrap()) != Some(&Entry::Dir) {
                return Err(ErrorKind::NotFound.into());
            }
            let inode = match state.now.get(path) {
                Some(_) if existing == Existing::Refuse => {
                    return Err(ErrorKind::AlreadyExists.into());
                }
                Some(Entry::File(inode)) => *inode,
                Some(Entry::Dir) => return Err(ErrorKind::IsADirectory.into()),
                None => {
                    state.inodes.push(Inode::default());
                    let inode = state.inodes.len() - 1;
                    state.now.insert(path.to_owned(), Entry::File(inode));
                    inode
                }
            };
            state.inodes[inode].now.clear();
            Ok(Box::new(SimFile { fs: self.clone(), inode }) as Box<dyn File>)
        })
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let inode = self.with(|state| state.file(path))?;
        Ok(Box::new(SimFile { fs: self.clone(), inode }))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        self.with(|state| state.file(path).map(|inode| state.inodes[inode].now.len() as u64))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.with(|state| {
            if state.now.get(dir) != Some(&Entry::Dir) {
                return Err(ErrorKind::NotFound.into());
            }
            let inside = state.now.keys().filter(|path| path.parent() == Some(dir));
            Ok(inside.map(|path| path.file_name().unwrap().to_str().unwrap().into()).collect())
        })
    }

    fn create_dir(&self, dir: &Path, _mode: u32) -> io::Result<()> {
        self.with(|state| {
            if state.now.contains_key(dir) {
                return Err(ErrorKind::AlreadyExists.into());
            }
            state.allow()?;
            if state.now.get(dir.parent().unwrap()) != Some(&Entry::Dir) {
                return Err(ErrorKind::NotFound.into());
            }
            state.now.insert(dir.to_owned(), Entry::Dir);
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.with(|state| {
            state.allow()?;
            let entry = state.now.remove(from).ok_or(ErrorKind::NotFound)?;
            state.now.insert(to.to_owned(), entry);
            state.renamed.extend([from.to_owned(), to.to_owned()]);
            Ok(())
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.with(|state| {
            state.file(path)?;
            state.allow()?;
            state.now.remove(path);
            Ok(())
        })
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        if !self.list(dir)?.is_empty() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        self.with(|state| {
            state.allow()?;
            state.now.remove(dir);
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.with(|state| {
            state.allow()?;
            if !state.now.contains_key(dir) {
                return Err(ErrorKind::NotFound.into());
            }
            state.durable.retain(|path, _| path.parent() != Some(dir));
            state.renamed.retain(|path| path.parent() != Some(dir));
            let inside = state.now.iter().filter(|(path, _)| path.parent() == Some(dir));
            state.durable.extend(inside.map(|(path, entry)| (path.clone(), *entry)));
            Ok(())
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        self.with(|state| {
            if state.now.get(path.parent().unwrap()) != Some(&Entry::Dir) {
                return Err(ErrorKind::NotFound.into());
            }
            if std::mem::replace(&mut state.locked, true) {
                return Ok(None);
            }
            Ok(Some(Box::new(SimLock(self.clone())) as Box<dyn Lock>))
        })
    }
}

#[derive(Debug)]
struct SimFile {
    fs: SimFs,
    inode: usize,
}

impl File for SimFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.fs.with(|state| {
            let was_dead = state.is_dead();
            let allowed = state.allow();
            // The half that a dying process got out, or that had room.
            let written = match &allowed {
                Ok(()) => bytes.len(),
                Err(_) if was_dead => return allowed,
                Err(_) => bytes.len() / 2,
            };
            let bytes = &bytes[..written];
            let data = &mut state.inodes[self.inode].now;
            let start = usize::try_from(offset).unwrap();
            data.resize(data.len().max(start + bytes.len()), 0);
            data[start..start + bytes.len()].copy_from_slice(bytes);
            allowed
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.fs.with(|state| {
            state.allow()?;
            let inode = &mut state.inodes[self.inode];
            inode.durable = inode.now.clone();
            Ok(())
        })
    }
}

#[derive(Debug)]
struct SimLock(SimFs);

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.0.with(|state| state.locked = false);
    }
}
