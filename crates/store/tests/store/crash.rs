//! The power fails after every single operation of a log's life, and again while it recovers: all
//! that was promised is there, and the log goes on.

mod check;
mod recorded;
mod trial;

use crate::support::{leaf, leaves, log_key};
use check::{Told, check_promises, place};
use recorded::{FOLLOWER_LIFE, HIGH_LIFE, LIFE, LONG_LIFE, Life, Process, Step};
use sigsum_core::{LeafIndex, TreeSize};
use sigsum_store::fs::sim::{Crash, Disk, Failure, SimFs};
use sigsum_store::{LeafLog as _, Role, Store, StoreError};
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

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
    process.take(Step::Commit(5)).unwrap();
    // Written, but the sync fails: as if the process died between them.
    fs.fail(fs.operations() + 1, u64::MAX, Failure::Broken);
    process.store().unwrap().commit(&leaves(5..7)).unwrap_err();
    drop(process);
    let fs = SimFs::on(fs.disk().crash(Crash::KeepAll));
    let store = Store::open(&place(&fs), &log_key()).unwrap();
    store.wait_for_index().unwrap();
    assert_eq!(store.index_of(&leaf(6).hash()).unwrap(), Some(LeafIndex(6)));
    assert_eq!(store.recovery().recovered_leaves, 7);
    // Before a stop, which syncs.
    let fs = SimFs::on(fs.disk().crash(Crash::LoseAll));
    drop(store);
    let store = Store::open(&place(&fs), &log_key()).unwrap();
    assert_eq!(store.committed_size(), TreeSize(7));
}
