//! A file system that forgets what was not synced, for tests: it records a run, and says what a
//! power failure after each single operation of it could have left.
//!
//! # The model
//! At least as hostile as ext4 with ordered data, and XFS, as of their promises; in practice they
//! write more, and in an order.
//!
//! - **Data**: until a file is synced, each sector of 512 bytes may be as it was then or as any
//!   write since left it, whatever its neighbours are; the length may be any that the file had
//!   since. What lies between is zeros. A sector is never torn in itself.
//! - **Names**: until a directory is synced, each change of a name in it (making, removing, making a
//!   directory) happened or not, whatever happened to others, before or after it. A rename is one
//!   change: never half, never both names. Syncing a file does not save its name; syncing a directory
//!   does not save the name of that directory.
//! - **Unlike that**, data and names know nothing of each other: a name may point to a file whose
//!   bytes never arrived, and the other way round.
//! - **A sync that fails** leaves the pages that were to be written clean in memory: reads show the
//!   new bytes, the disk may have either, and a later sync that works saves none of them unless
//!   they were written again (`fsync(2)` on Linux since 4.13).
//! - **A full disk** fails any operation but reading, removing and listing; half of a write may
//!   have happened.
//!
//! Not in the model: rot, sectors that come back with old contents after they were synced, a disk
//! that lies about what is synced. What of that can be noticed is noticed by checksums, not by
//! order.

mod asked;
mod disk;

pub use asked::{Asked, Saves};
pub use disk::{Crash, Disk};

use super::{Existing, File, Fs, Lock};
use asked::Judge;
use disk::Op;
use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No space left on the device.
    Full,
    /// The device does not work.
    Broken,
}

impl Failure {
    fn error(self) -> io::Error {
        match self {
            Self::Full => ErrorKind::StorageFull.into(),
            Self::Broken => io::Error::other("input/output error"),
        }
    }
}

/// Which operations fail.
#[derive(Debug, Clone, Copy)]
enum Plan {
    Never,
    /// So many from one on; a full disk does not fail removals.
    From {
        first: u64,
        count: u64,
        failure: Failure,
    },
    /// So many reads from one on.
    Reads {
        first: u64,
        count: u64,
    },
}

#[derive(Debug)]
struct State {
    start: Disk,
    disk: Disk,
    ops: Vec<Op>,
    reads: u64,
    plan: Plan,
    /// None: no sync is left out.
    judge: Option<Judge>,
    /// Operations counted for the plan, those that failed included.
    tried: u64,
    failed: u64,
    locked: HashSet<PathBuf>,
}

/// The file system. Clones are the same one. `/` exists.
#[derive(Debug, Clone)]
pub struct SimFs(Arc<Mutex<State>>);

impl Default for SimFs {
    fn default() -> Self {
        Self::new()
    }
}

impl SimFs {
    /// An empty one.
    pub fn new() -> Self {
        Self::on(Disk::default())
    }

    /// The machine after a start with this disk.
    pub fn on(disk: Disk) -> Self {
        Self(Arc::new(Mutex::new(State {
            start: disk.clone(),
            disk,
            ops: Vec::new(),
            reads: 0,
            plan: Plan::Never,
            judge: None,
            tried: 0,
            failed: 0,
            locked: HashSet::new(),
        })))
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Operations that changed something so far, or tried to.
    pub fn operations(&self) -> u64 {
        self.with(|state| state.tried)
    }

    /// Files read so far.
    pub fn reads(&self) -> u64 {
        self.with(|state| state.reads)
    }

    /// Operations that were made to fail.
    pub fn failures(&self) -> u64 {
        self.with(|state| state.failed)
    }

    /// So many operations fail, from one on (as [`Self::operations`] counts).
    pub fn fail(&self, first: u64, count: u64, failure: Failure) {
        self.with(|state| state.plan = Plan::From { first, count, failure });
    }

    /// So many reads fail, from one on (as [`Self::reads`] counts).
    pub fn fail_reads(&self, first: u64, count: u64) {
        self.with(|state| state.plan = Plan::Reads { first, count });
    }

    /// Everything works again.
    pub fn heal(&self) {
        self.with(|state| state.plan = Plan::Never);
    }

    /// Asks about each sync from now on whether it is left out: then it is answered as if it had been
    /// done, and not recorded. For the trial of a test that should notice.
    pub fn leave_out(&self, judge: impl Fn(&Asked<'_>) -> bool + Send + Sync + 'static) {
        self.with(|state| state.judge = Some(Judge::new(judge)));
    }

    /// The disk as it is now, with all that is not synced.
    pub fn disk(&self) -> Disk {
        self.with(|state| state.disk.clone())
    }

    /// All that was done since the start.
    pub fn recording(&self) -> Recording {
        self.with(|state| Recording { start: state.start.clone(), ops: state.ops.clone() })
    }

    /// How many operations a recording of now has.
    pub fn recorded(&self) -> usize {
        self.with(|state| state.ops.len())
    }
}

/// What was done to a file system, in order.
#[derive(Debug, Clone)]
pub struct Recording {
    start: Disk,
    ops: Vec<Op>,
}

impl Recording {
    /// Operations.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether nothing was done.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Shows the disk before the first operation and after each one: the number of operations that
    /// were done, what the last one was, and what the disk is like then.
    pub fn replay(&self, mut show: impl FnMut(usize, &str, &Disk)) {
        let mut disk = self.start.clone();
        show(0, "the start", &disk);
        for (number, op) in (1..).zip(&self.ops) {
            disk.apply(op);
            show(number, &op.to_string(), &disk);
        }
    }
}

impl State {
    /// Counts an operation, and fails it where the plan says so.
    fn allow(&mut self, needs_space: bool) -> io::Result<()> {
        let number = self.tried;
        self.tried += 1;
        match self.plan {
            Plan::From { first, count, failure }
                if (first..first.saturating_add(count)).contains(&number)
                    && (needs_space || failure == Failure::Broken) =>
            {
                self.failed += 1;
                Err(failure.error())
            }
            _ => Ok(()),
        }
    }

    fn allow_read(&mut self) -> io::Result<()> {
        let number = self.reads;
        self.reads += 1;
        match self.plan {
            Plan::Reads { first, count }
                if (first..first.saturating_add(count)).contains(&number) =>
            {
                self.failed += 1;
                Err(Failure::Broken.error())
            }
            _ => Ok(()),
        }
    }

    fn leaves_out(&self, path: &Path, saves: Saves<'_>) -> bool {
        self.judge.as_ref().is_some_and(|judge| judge.leaves_out(&Asked { path, saves }))
    }

    /// What a sync of a directory would save.
    fn saves_names(&self, dir: &Path) -> Saves<'_> {
        match self.disk.last_unsynced_name(dir) {
            None => Saves::Nothing,
            Some((last, number)) => Saves::Names { last, are_older: number < self.start.changes() },
        }
    }

    /// What a sync of a file would save.
    fn saves_bytes(&self, inode: usize) -> Saves<'_> {
        let last_write = self.disk.last_unsynced_write(inode);
        last_write.map_or(Saves::Nothing, |last_write| Saves::Bytes { last_write })
    }

    fn apply(&mut self, op: Op) {
        self.disk.apply(&op);
        self.ops.push(op);
    }
}

impl Fs for SimFs {
    fn read(&self, path: &Path, limit: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
        self.with(|state| {
            buffer.clear();
            let inode = state.disk.file(path)?;
            state.allow_read()?;
            let bytes = state.disk.bytes(inode);
            buffer.extend_from_slice(bytes.get(..limit).unwrap_or(bytes));
            Ok(())
        })
    }

    fn create(&self, path: &Path, _mode: u32, existing: Existing) -> io::Result<Box<dyn File>> {
        self.with(|state| {
            state.disk.check_parent(path)?;
            let found = state.disk.file(path);
            if found.is_ok() && existing == Existing::Refuse {
                return Err(ErrorKind::AlreadyExists.into());
            }
            state.allow(true)?;
            let inode = match found {
                Ok(inode) => {
                    state.apply(Op::Empty { inode });
                    inode
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let inode = state.disk.next_inode();
                    state.apply(Op::Create { path: path.to_owned() });
                    inode
                }
                Err(error) => return Err(error),
            };
            Ok(Box::new(SimFile { fs: self.clone(), path: path.to_owned(), inode })
                as Box<dyn File>)
        })
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let inode = self.with(|state| state.disk.file(path))?;
        Ok(Box::new(SimFile { fs: self.clone(), path: path.to_owned(), inode }))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        self.with(|state| {
            let inode = state.disk.file(path)?;
            Ok(state.disk.bytes(inode).len() as u64)
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.with(|state| state.disk.list(dir))
    }

    fn create_dir(&self, dir: &Path, _mode: u32) -> io::Result<()> {
        self.with(|state| {
            if state.disk.exists(dir) {
                return Err(ErrorKind::AlreadyExists.into());
            }
            state.disk.check_parent(dir)?;
            state.allow(true)?;
            state.apply(Op::CreateDir { path: dir.to_owned() });
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.with(|state| {
            state.disk.file(from)?;
            if state.disk.is_dir(to) {
                return Err(ErrorKind::IsADirectory.into());
            }
            state.allow(true)?;
            state.apply(Op::Rename { from: from.to_owned(), to: to.to_owned() });
            Ok(())
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.with(|state| {
            state.disk.file(path)?;
            state.allow(false)?;
            state.apply(Op::Remove { path: path.to_owned() });
            Ok(())
        })
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.with(|state| {
            if !state.disk.list(dir)?.is_empty() {
                return Err(ErrorKind::DirectoryNotEmpty.into());
            }
            state.allow(false)?;
            state.apply(Op::Remove { path: dir.to_owned() });
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.with(|state| {
            if !state.disk.is_dir(dir) {
                return Err(ErrorKind::NotFound.into());
            }
            state.allow(true)?;
            if state.leaves_out(dir, state.saves_names(dir)) {
                return Ok(());
            }
            state.apply(Op::SyncDir { path: dir.to_owned() });
            Ok(())
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        self.with(|state| {
            state.disk.check_parent(path)?;
            let path = path.to_owned();
            if !state.locked.insert(path.clone()) {
                return Ok(None);
            }
            Ok(Some(Box::new(SimLock { fs: self.clone(), path }) as Box<dyn Lock>))
        })
    }
}

#[derive(Debug)]
struct SimFile {
    fs: SimFs,
    /// The name that it was opened under.
    path: PathBuf,
    inode: usize,
}

impl File for SimFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.fs.with(|state| {
            let allowed = state.allow(true);
            // The half that had room.
            let written = if allowed.is_ok() { bytes.len() } else { bytes.len() / 2 };
            let bytes = bytes.get(..written).unwrap_or_default();
            let offset = usize::try_from(offset).map_err(|_| ErrorKind::FileTooLarge)?;
            if !bytes.is_empty() {
                state.apply(Op::Write { inode: self.inode, offset, bytes: bytes.into() });
            }
            allowed
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.fs.with(|state| {
            let allowed = state.allow(true);
            let inode = self.inode;
            if allowed.is_ok() && state.leaves_out(&self.path, state.saves_bytes(inode)) {
                return Ok(());
            }
            state.apply(match allowed {
                Ok(()) => Op::Sync { inode },
                Err(_) => Op::FailedSync { inode },
            });
            allowed
        })
    }
}

#[derive(Debug)]
struct SimLock {
    fs: SimFs,
    path: PathBuf,
}

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.fs.with(|state| state.locked.remove(&self.path));
    }
}
