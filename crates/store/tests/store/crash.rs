//! The power fails after every single operation of a log's life, and again while it recovers: all
//! that was promised is there, and the log goes on.

use crate::support::{commit, leaf, leaves, log_key, publish, sign, tree};
use sigsum_core::{LeafIndex, TreeSize};
use sigsum_store::fs::sim::{Crash, Disk, Failure, Recording, SimFs};
use sigsum_store::fsck::examine;
use sigsum_store::{HeadStore as _, LeafLog as _, Place, Role, Store, StoreError, TreeReader as _};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the store promised before the power failed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Promised {
    initialised: bool,
    committed: u64,
    integrated: u64,
    head: u64,
    published: u64,
    /// None where it is between two.
    role: Option<Role>,
}

/// A step in the life of a log.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// Commits so many more leaves.
    Commit(u64),
    Integrate,
    /// Signs a head of this many leaves fewer than are integrated.
    Sign(u64),
    Publish,
    /// Makes a follower's directory a primary's.
    Promote,
    /// Closes the store and opens it again.
    Reopen,
}
use Step::{Commit, Integrate, Promote, Publish, Reopen, Sign};

/// Over the first tile boundary and the second, with heads before, at and behind them.
const LIFE: &[Step] = &[
    Commit(3),
    Integrate,
    Sign(0),
    Publish,
    Commit(200),
    Commit(1),
    Integrate,
    Sign(2),
    Commit(51), // 255
    Integrate,
    Sign(0),
    Commit(1), // 256 fills the first tile
    Integrate,
    Publish, // of a size that the tiles are beyond
    Commit(1),
    Integrate,
    Sign(0),
    Publish,
    Reopen,
    Commit(300),
    Integrate,
    Sign(0),
    Publish,
    Commit(5),
];

/// What a follower does until it is the primary.
const FOLLOWER_LIFE: &[Step] =
    &[Commit(3), Integrate, Sign(0), Publish, Commit(2), Promote, Reopen, Commit(2), Integrate];

/// More leaves than two journal segments hold, so that a spare one is made and used.
const LONG_LIFE: &[Step] =
    &[Commit(6000), Commit(4000), Integrate, Sign(0), Commit(7500), Integrate, Reopen, Commit(10)];

/// To the first tile of the third level.
const HIGH_LIFE: &[Step] =
    &[Commit(65_535), Integrate, Commit(1), Integrate, Sign(0), Publish, Commit(1), Integrate];

/// A process that has the store open.
struct Process<'a> {
    place: &'a Place,
    as_role: Role,
    store: Option<Store>,
    promised: Promised,
}

impl<'a> Process<'a> {
    fn new(place: &'a Place, as_role: Role) -> Self {
        Self { place, as_role, store: None, promised: Promised::default() }
    }

    fn store(&mut self) -> Result<&Store, StoreError> {
        if self.store.is_none() {
            let store = Store::open(self.place, &log_key())?;
            store.wait_for_index()?;
            self.store = Some(store);
        }
        Ok(self.store.as_ref().unwrap())
    }

    fn start(&mut self) -> Result<(), StoreError> {
        match init(self.place, self.as_role) {
            // Also where the sync after the last step failed and it is tried again.
            Ok(()) | Err(StoreError::AlreadyInitialised { .. }) => (),
            Err(error) => return Err(error),
        }
        self.promised.initialised = true;
        self.promised.role = Some(self.as_role);
        Ok(())
    }

    fn take(&mut self, step: Step) -> Result<(), StoreError> {
        let promised = self.promised.clone();
        let store = self.store()?;
        match step {
            Commit(more) => {
                let range = promised.committed..promised.committed + more;
                let committed = store.commit(&leaves(range.clone()))?;
                assert!(range.clone().eq(committed.iter().map(|c| c.index.0)));
                self.promised.committed = range.end;
            }
            Integrate => {
                assert_eq!(store.integrate()?, tree(promised.committed));
                self.promised.integrated = promised.committed;
            }
            Sign(behind) => {
                let size = promised.integrated - behind;
                store.persist_head(&sign(tree(size)))?;
                self.promised.head = size;
            }
            Publish => {
                store.persist_published(&publish(sign(tree(promised.head))))?;
                self.promised.published = promised.head;
            }
            Promote => {
                store.set_role(Role::Primary)?;
                self.promised.role = Some(Role::Primary);
            }
            Reopen => {
                self.store = None;
                self.store()?;
            }
        }
        Ok(())
    }
}

/// A life that was recorded, with what was promised from which operation on.
pub(crate) struct Life {
    as_role: Role,
    recording: Recording,
    promises: Vec<(usize, Promised)>,
}

impl Life {
    pub(crate) fn live(steps: &[Step], as_role: Role) -> Self {
        let fs = SimFs::new();
        let place = Place::on(Arc::new(fs.clone()), "/log");
        let mut process = Process::new(&place, as_role);
        let mut promises = vec![(0, Promised::default())];
        process.start().unwrap();
        promises.push((fs.recorded(), process.promised.clone()));
        for step in steps {
            if let Promote = step {
                promises.push((fs.recorded(), Promised { role: None, ..process.promised.clone() }));
            }
            process.take(*step).unwrap();
            promises.push((fs.recorded(), process.promised.clone()));
        }
        drop(process);
        Self { as_role, recording: fs.recording(), promises }
    }

    fn promised(&self, operations: usize) -> &Promised {
        let made = self.promises.iter().rev().find(|(at, _)| *at <= operations);
        &made.unwrap().1
    }
}

/// What was tried.
#[derive(Debug, Default)]
struct Counts {
    points: AtomicU64,
    states: AtomicU64,
    again: AtomicU64,
}

/// How thoroughly to try.
#[derive(Debug, Clone, Copy)]
struct Effort {
    /// Every so many operations, from the last one back.
    step: usize,
    /// Random mixtures of what was not synced, at each operation.
    mixtures: u64,
    seed: u64,
}

impl Effort {
    /// More of it, where `cargo xtask soak crash` asks for that.
    fn as_asked(self) -> Self {
        let Some(asked) = std::env::var_os("SIGSUM_CRASH_SEED") else { return self };
        let seed = asked.to_str().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| panic!("SIGSUM_CRASH_SEED={asked:?} is no number"));
        Self { step: self.step.div_ceil(8), mixtures: 20, seed }
    }
}

/// Lives, and crashes after operations in all ways.
fn crash(name: &str, steps: &[Step], as_role: Role, effort: Effort) {
    let effort = effort.as_asked();
    let life = Life::live(steps, as_role);
    let (counts, seen) = (Counts::default(), Mutex::new(HashSet::new()));
    let workers = thread::available_parallelism().map_or(2, usize::from).min(8);
    thread::scope(|scope| {
        for worker in 0..workers {
            let (life, counts, seen) = (&life, &counts, &seen);
            scope.spawn(move || {
                life.recording.replay(|number, op, disk| {
                    let behind = life.recording.len() - number;
                    if behind % effort.step == 0 && behind / effort.step % workers == worker {
                        counts.points.fetch_add(1, Ordering::Relaxed);
                        crash_after(number, op, disk, life, effort, seen, counts);
                    }
                });
            });
        }
    });
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{name}: {} operations, a crash after {} of them, {} different disks, {} second crashes",
        life.recording.len(),
        count(&counts.points),
        count(&counts.states),
        count(&counts.again),
    );
}

fn crash_after(
    number: usize,
    op: &str,
    disk: &Disk,
    life: &Life,
    effort: Effort,
    seen: &Mutex<HashSet<(u64, String)>>,
    counts: &Counts,
) {
    let seed = effort.seed.wrapping_add(number as u64);
    for how in disk.crashes(effort.mixtures, seed) {
        let (found, promised) = (disk.crash(how), life.promised(number));
        let is_new = seen.lock().unwrap().insert((found.fingerprint(), format!("{promised:?}")));
        if !is_new {
            continue;
        }
        let nth = counts.states.fetch_add(1, Ordering::Relaxed);
        let told = Told(format!("{how:?} after operation {number}, {op}: {promised:?}"));
        let again = check_promises(&found, promised, life.as_role, seed.wrapping_add(nth));
        counts.again.fetch_add(again, Ordering::Relaxed);
        drop(told);
    }
}

/// Says where it was when a check fails.
struct Told(String);

impl Drop for Told {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("{}", self.0);
        }
    }
}

fn init(place: &Place, role: Role) -> Result<(), StoreError> {
    match role {
        Role::Primary => Store::init(place, &log_key()),
        Role::Follower => Store::init_follower(place, &log_key()),
        Role::Frozen => panic!("no store begins closed"),
    }
}

fn place(fs: &SimFs) -> Place {
    Place::on(Arc::new(fs.clone()), "/log")
}

/// Whether everything that was promised is still so, and whether the log can go on: also when the
/// power fails again, while it recovers or soon after. Returns how often it failed again.
fn check_promises(disk: &Disk, promised: &Promised, as_role: Role, seed: u64) -> u64 {
    let fs = SimFs::on(disk.clone());
    if !promised.initialised {
        match Store::open(&place(&fs), &log_key()) {
            Err(StoreError::NotInitialised { .. }) => init(&place(&fs), as_role).unwrap(),
            other => drop(other.unwrap()),
        }
    }
    if promised.committed < 1000 {
        let found = examine(&place(&fs), &log_key()).unwrap().findings;
        // What a start of the log makes again.
        assert!(found.iter().all(|finding| finding.name == "checkpoint"), "{found:?}");
    }
    let (store, found) = reopen_and_check(&fs, promised);
    let recovery = fs.recording();
    // What was found is as good as acknowledged.
    let _ = reopen_and_check(&SimFs::on(fs.disk().crash(Crash::LoseAll)), &found);
    // What is above was tried on smaller trees.
    let verify = |store: &Store| {
        if store.committed_size().0 < 5000 {
            store.verify().unwrap();
        }
    };
    verify(&store);
    let size = found.committed;
    commit(&store, size..size + 2);
    store.integrate().unwrap();
    store.persist_head(&sign(tree(size + 2))).unwrap();
    store.persist_published(&publish(sign(tree(size + 2)))).unwrap();
    for n in (0..size + 2).step_by(size as usize / 16 + 1) {
        assert_eq!(store.index_of(&leaf(n).hash()).unwrap(), Some(LeafIndex(n)));
    }
    let size = size + 2;
    let last = Promised {
        initialised: true,
        committed: size,
        integrated: size,
        head: size,
        published: size,
        role: promised.role,
    };
    let (store, found) = reopen_and_check(&SimFs::on(fs.disk().crash(Crash::LoseAll)), &last);
    verify(&store);
    assert_eq!(found.committed, size);
    1 + crash_in_recovery(&recovery, promised, seed)
}

/// The power fails after one operation of the recovery.
fn crash_in_recovery(recovery: &Recording, promised: &Promised, seed: u64) -> u64 {
    if recovery.is_empty() || !promised.initialised {
        return 0;
    }
    let at = 1 + seed as usize % recovery.len();
    recovery.replay(|number, _, disk| {
        if number == at {
            let ways = disk.crashes(1, seed);
            let how = ways[seed as usize / recovery.len() % ways.len()];
            let _ = reopen_and_check(&SimFs::on(disk.crash(how)), promised);
        }
    });
    1
}

/// Opens what a crash left, and says what it holds.
fn reopen_and_check(fs: &SimFs, promised: &Promised) -> (Store, Promised) {
    let store = Store::open(&place(fs), &log_key()).unwrap();
    store.wait_for_index().unwrap();
    let size = store.committed_size().0;
    assert!(size >= promised.committed, "{size} leaves");
    let integrated = store.integrated();
    assert!(integrated.size.0 >= promised.integrated, "{integrated:?}");
    assert_eq!(integrated, tree(integrated.size.0));
    assert!(store.leaves(LeafIndex(0), LeafIndex(size)).unwrap() == leaves(0..size));
    let head = store.load_head().map_or(0, |head| head.tree_head.size.0);
    assert!(head >= promised.head, "head of {head}");
    let published = store.load_published();
    let published = published.map_or(0, |published| published.head.signed.tree_head.size.0);
    assert!((promised.published..=head).contains(&published), "published {published}");
    let integrated = integrated.size.0;
    assert!(promised.role.is_none_or(|role| role == store.role()), "{:?}", store.role());
    let role = Some(store.role());
    let found = Promised { initialised: true, committed: size, integrated, head, published, role };
    (store, found)
}

#[test]
fn a_crash_after_any_operation_loses_nothing_that_was_promised() {
    crash("short life", LIFE, Role::Primary, Effort { step: 1, mixtures: 2, seed: 1 });
}

#[test]
fn a_crash_of_a_follower_or_while_it_is_promoted_loses_nothing() {
    let effort = Effort { step: 1, mixtures: 2, seed: 4 };
    crash("follower", FOLLOWER_LIFE, Role::Follower, effort);
}

#[test]
fn a_crash_while_journal_segments_change_loses_nothing() {
    // Some operations only: those on tiles are many and were tried above.
    crash("long life", LONG_LIFE, Role::Primary, Effort { step: 89, mixtures: 1, seed: 2 });
}

#[test]
fn a_crash_on_the_way_to_the_third_level_of_tiles_loses_nothing() {
    crash("high life", HIGH_LIFE, Role::Primary, Effort { step: 1700, mixtures: 0, seed: 3 });
}

#[test]
fn an_operation_that_fails_can_be_tried_again() {
    let operations = Life::live(LIFE, Role::Primary).recording.len() as u64;
    let failed = AtomicU64::new(0);
    // Alone, or for a while: the removal behind a failed write fails too.
    let plans =
        [(Failure::Full, 1), (Failure::Full, 5), (Failure::Broken, 1), (Failure::Broken, 3)];
    thread::scope(|scope| {
        for worker in 0..2 {
            let failed = &failed;
            scope.spawn(move || {
                for operation in (0..operations).filter(|n| n % 2 == worker) {
                    let (failure, count) = plans[(operation / 2 % 4) as usize];
                    let told = Told(format!("{failure:?}, {count} from operation {operation} on"));
                    let fs = SimFs::new();
                    fs.fail(operation, count, failure);
                    failed.fetch_add(live_on(&fs, count, operation), Ordering::Relaxed);
                    drop(told);
                }
            });
        }
    });
    let failed = failed.into_inner();
    println!("an operation failed {failed} times, and the log went on each time");
    assert!(failed > operations / 2);
}

#[test]
fn a_read_that_fails_can_be_tried_again() {
    let fs = SimFs::new();
    live_on(&fs, 0, 0);
    let reads = fs.reads();
    let mut failed = 0;
    for read in (0..reads).step_by(3) {
        let told = Told(format!("read {read} fails"));
        let fs = SimFs::new();
        fs.fail_reads(read, 1);
        failed += live_on(&fs, 1, read);
        drop(told);
    }
    println!("a read failed {failed} times of {reads}, and the log went on each time");
    assert!(failed > 0);
}

/// Lives, and tries again what fails. Returns how often something failed.
fn live_on(fs: &SimFs, at_most: u64, seed: u64) -> u64 {
    let place = place(fs);
    let mut process = Process::new(&place, Role::Primary);
    let mut tries = 0;
    let mut again = |result: Result<(), StoreError>, process: &mut Process<'_>| {
        let Err(error) = result else { return false };
        tries += 1;
        assert!(tries <= at_most, "{error}");
        // What keeps the index from being built is looked at again at a restart only.
        if matches!(error, StoreError::Earlier(_)) {
            process.store = None;
        }
        true
    };
    loop {
        let started = process.start();
        if !again(started, &mut process) {
            break;
        }
    }
    for step in LIFE {
        loop {
            let taken = process.take(*step);
            if !again(taken, &mut process) {
                break;
            }
        }
    }
    let Process { store, promised, .. } = process;
    drop(store);
    let how = if seed.is_multiple_of(2) { Crash::LoseAll } else { Crash::Mixed(seed) };
    check_promises(&fs.disk().crash(how), &promised, Role::Primary, seed);
    fs.failures()
}

#[test]
fn a_leaf_that_was_found_after_a_crash_is_durable_before_it_is_acknowledged() {
    let fs = SimFs::new();
    let place_of = place(&fs);
    let mut process = Process::new(&place_of, Role::Primary);
    process.start().unwrap();
    process.take(Commit(5)).unwrap();
    // Written, but the sync fails: as if the process died between them.
    fs.fail(fs.operations() + 1, u64::MAX, Failure::Broken);
    process.store().unwrap().commit(&leaves(5..7)).unwrap_err();
    drop(process);
    let fs = SimFs::on(fs.disk().crash(Crash::KeepAll));
    let store = Store::open(&place(&fs), &log_key()).unwrap();
    store.wait_for_index().unwrap();
    assert_eq!(store.index_of(&leaf(6).hash()).unwrap(), Some(LeafIndex(6)));
    assert_eq!(store.recovery().recovered_leaves, 7);
    drop(store);
    let fs = SimFs::on(fs.disk().crash(Crash::LoseAll));
    let store = Store::open(&place(&fs), &log_key()).unwrap();
    assert_eq!(store.committed_size(), TreeSize(7));
}
