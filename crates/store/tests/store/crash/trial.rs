//! The matrix on trial: every sync that a log does is left out in turn, and the matrix has to notice.
//! Where it does not, the sync is needless, or the matrix has a hole.

use super::check::{check_promises, go_on, init, place, reopen_and_check};
use super::recorded::{FOLLOWER_LIFE, Life, Promised, SEGMENTS_LIFE, Step, TRIAL_LIFE};
use crate::left_out::{MADE_BEFORE, Syncs};
use sigsum_store::fs::sim::{Crash, Disk, SimFs};
use sigsum_store::{Role, StoreError};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once};
use std::thread;

/// Syncs without which no crash breaks a promise, and why they are there.
const NEEDLESS: &[(&str, &str)] = &[
    (
        "integrate: names of journal with journal/spare",
        "a spare segment that is lost is made again",
    ),
    ("commit: a mark in journal/N.keyed", ROT),
    ("start: a mark in journal/N.keyed", ROT),
    ("stop: a mark in journal/N.keyed", ROT),
];
const ROT: &str = "by marks, what rotted is told from what a crash tore";

fn is_needless(site: &str) -> bool {
    NEEDLESS.iter().any(|(needless, _)| *needless == site)
}

/// Does something for each of many, two at a time.
fn for_each<T: Sync>(all: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(one);
                }
            });
        }
    });
}

thread_local! {
    static EXPECTS_A_FAILURE: Cell<bool> = const { Cell::new(false) };
}

/// Whether a check fails. What it says then is of no interest, and takes long to say.
fn fails(check: impl FnOnce()) -> bool {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !EXPECTS_A_FAILURE.get() {
                hook(info);
            }
        }));
    });
    EXPECTS_A_FAILURE.set(true);
    let has_failed = catch_unwind(AssertUnwindSafe(check)).is_err();
    EXPECTS_A_FAILURE.set(false);
    has_failed
}

fn live(steps: &[Step], as_role: Role, syncs: &Syncs) -> Life {
    let fs = SimFs::new();
    syncs.watch(&fs);
    Life::live_on(&fs, steps, as_role, |phase| syncs.enter(phase))
}

/// The crash that breaks a promise: where one was made, or else anywhere.
fn broken_by(life: &Life) -> Option<String> {
    for at_promises in [true, false] {
        let mut broken = None;
        life.recording.replay(|number, op, disk| {
            if broken.is_some() || life.promises_at(number) != at_promises {
                return;
            }
            let promised = life.promised(number);
            let breaks = |how: &Crash| {
                fails(|| _ = check_promises(&disk.crash(*how), promised, life.as_role, 1))
            };
            let how = disk.crashes(1, number as u64).into_iter().find(breaks);
            broken = how.map(|how| format!("{how:?} after {op}"));
        });
        if broken.is_some() {
            return broken;
        }
    }
    None
}

#[test]
fn each_sync_of_a_life_is_missed_by_the_matrix_when_it_is_left_out() {
    let lives = [
        (TRIAL_LIFE, Role::Primary),
        (FOLLOWER_LIFE, Role::Follower),
        (SEGMENTS_LIFE, Role::Primary),
    ];
    let mut trials = Vec::new();
    let mut known = BTreeSet::new();
    for (steps, as_role) in lives {
        let syncs = Syncs::all();
        live(steps, as_role, &syncs);
        for site in syncs.sites() {
            // What a start does is tried after a kill, below.
            if known.insert(site.clone()) && !is_needless(&site) && !site.starts_with("start: ") {
                trials.push((site, steps, as_role));
            }
        }
    }
    let unnoticed = Mutex::new(Vec::new());
    for_each(&trials, |(site, steps, as_role)| {
        let life = live(steps, *as_role, &Syncs::without(site));
        match broken_by(&life) {
            Some(how) => println!("{site}: missed, {how}"),
            None => unnoticed.lock().unwrap().push(site.clone()),
        }
    });
    let unnoticed = unnoticed.into_inner().unwrap();
    println!("{} kinds of syncs were left out", trials.len());
    assert_eq!(unnoticed, Vec::<String>::new(), "left out, and the matrix does not notice");
    assert!(trials.len() >= 20);
}

/// A process makes a store again where another one was killed that had begun to.
fn init_again(disk: &Disk, (promised, as_role): (&Promised, Role), syncs: &Syncs) -> Life {
    let fs = SimFs::on(disk.clone());
    syncs.watch(&fs);
    syncs.enter("init again");
    match init(&place(&fs), as_role) {
        Ok(()) | Err(StoreError::AlreadyInitialised { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    let made = Promised { initialised: true, ..promised.clone() };
    let promises = vec![(0, promised.clone()), (fs.recorded(), made)];
    Life { as_role, recording: fs.recording(), promises }
}

/// A process finds what a killed one left, on a machine that went on, and perhaps goes on too. What
/// is on the disk while it runs, and what it holds.
fn find(disk: &Disk, promised: &Promised, goes_on: bool, syncs: &Syncs) -> (Disk, Promised) {
    let fs = SimFs::on(disk.clone());
    syncs.watch(&fs);
    syncs.enter("start");
    let (store, mut found) = reopen_and_check(&fs, promised);
    if goes_on {
        syncs.enter("go on");
        found = go_on(&store, &found);
    }
    (fs.disk(), found)
}

/// Whether a power failure breaks what a process holds that came after a killed one.
fn breaks(disk: &Disk, found: &Promised) -> bool {
    let broken = |how| fails(|| _ = reopen_and_check(&SimFs::on(disk.crash(how)), found));
    disk.crashes(1, 1).into_iter().any(broken)
}

/// Numbers of operations after which a process is killed, and the next one does a sync of a kind.
type Points = BTreeMap<String, Vec<usize>>;

/// Names that a process made that died, and whatever is done before the next one takes leaves. What it
/// does then is tried above.
fn is_of_interest(site: &str) -> bool {
    !site.starts_with("go on: ") || site.ends_with(MADE_BEFORE)
}

/// What syncs the next process does, where one is killed after any operation.
fn points(life: &Life) -> Points {
    let mut points = Points::new();
    life.recording.replay(|number, _, disk| {
        // Where nothing is lost by a crash, a kill changes nothing.
        if disk.crashes(0, 0).len() > 1 {
            let (syncs, promised) = (Syncs::all(), life.promised(number));
            if promised.initialised {
                find(disk, promised, true, &syncs);
            } else {
                init_again(disk, (promised, life.as_role), &syncs);
            }
            for site in syncs.sites().into_iter().filter(|site| is_of_interest(site)) {
                points.entry(site).or_default().push(number);
            }
        }
    });
    points
}

fn is_missed_after_a_kill(life: &Life, site: &str, points: &[usize]) -> bool {
    let mut is_missed = false;
    life.recording.replay(|number, _, disk| {
        if !is_missed && points.contains(&number) {
            let (syncs, promised) = (Syncs::without(site), life.promised(number));
            is_missed = if promised.initialised {
                let goes_on = site.starts_with("go on: ");
                let (disk, found) = find(disk, promised, goes_on, &syncs);
                breaks(&disk, &found)
            } else {
                broken_by(&init_again(disk, (promised, life.as_role), &syncs)).is_some()
            };
        }
    });
    is_missed
}

#[test]
fn each_sync_after_a_kill_is_missed_by_the_matrix_when_it_is_left_out() {
    let lives = [(TRIAL_LIFE, Role::Primary), (FOLLOWER_LIFE, Role::Follower)];
    let lives = lives.map(|(steps, as_role)| Life::live(steps, as_role));
    let mut trials: Vec<(String, &Life, Vec<usize>)> = Vec::new();
    for life in &lives {
        for (site, points) in points(life) {
            if !is_needless(&site) && trials.iter().all(|(known, ..)| *known != site) {
                trials.push((site, life, points));
            }
        }
    }
    let unnoticed = Mutex::new(Vec::new());
    for_each(&trials, |(site, life, points)| {
        if !is_missed_after_a_kill(life, site, points) {
            unnoticed.lock().unwrap().push(format!("{site} ({} times)", points.len()));
        }
    });
    let unnoticed = unnoticed.into_inner().unwrap();
    println!("{} kinds of syncs after a kill were left out", trials.len());
    assert_eq!(unnoticed, Vec::<String>::new(), "left out, and the matrix does not notice");
    assert!(trials.len() >= 10);
}
