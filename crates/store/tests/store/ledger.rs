//! A ledger when the power fails: what was said to be there is, nothing is there that was never said,
//! and no torn file keeps anybody from going on.

use crate::left_out::Syncs;
use sigsum_store::fs::sim::{Crash, Disk, SimFs};
use sigsum_store::{Ledger, LedgerContents, OpenedLedger, Place};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The directory of the log, which is there for good, and a ledger in it.
fn dir(fs: &SimFs) -> Place {
    let place = Place::on(Arc::new(fs.clone()), "/");
    place.private_dir("log").unwrap().private_dir("quota").unwrap()
}

fn open(fs: &SimFs) -> (OpenedLedger, LedgerContents) {
    OpenedLedger::open(dir(fs)).unwrap()
}

/// What was written, and how much of it is promised.
#[derive(Debug, Clone)]
struct Written {
    all: String,
    promised: usize,
}

/// A life that was recorded.
struct Life {
    fs: SimFs,
    /// From which operation on.
    written: Vec<(usize, Written)>,
}

impl Life {
    /// Four processes; the third writes more than a sector at once, the last finds it.
    fn live(syncs: &Syncs) -> Self {
        let fs = SimFs::new();
        syncs.watch(&fs);
        let written = Written { all: String::new(), promised: 0 };
        let mut life = Self { fs: fs.clone(), written: vec![(0, written)] };
        for (process, size) in [3, 40, 700, 1].into_iter().enumerate() {
            syncs.enter("begin");
            let (opened, found) = open(&fs);
            let text = found.snapshot.unwrap_or_default() + &found.added.concat();
            let mut ledger = opened.begin(&text).unwrap();
            life.promise();
            for step in 0..7 {
                let letter = char::from(b'a' + (process * 7 + step) as u8);
                let text = letter.to_string().repeat(size);
                life.write(&text);
                if step == 4 {
                    syncs.enter("replace");
                    let all = life.written.last().unwrap().1.all.clone();
                    ledger.replace(&all).unwrap();
                } else {
                    syncs.enter("add");
                    ledger.add(&text).unwrap();
                }
                life.promise();
            }
        }
        life
    }

    /// From now on it may be there.
    fn write(&mut self, text: &str) {
        let mut written = self.written.last().unwrap().1.clone();
        written.all += text;
        self.written.push((self.fs.recorded(), written));
    }

    /// From now on all of it must be there.
    fn promise(&mut self) {
        let mut written = self.written.last().unwrap().1.clone();
        written.promised = written.all.len();
        self.written.push((self.fs.recorded(), written));
    }

    /// What a crash after so many operations may leave: what was written last has begun.
    fn written(&self, operations: usize) -> Written {
        self.written.iter().rev().find(|(at, _)| *at <= operations).unwrap().1.clone()
    }

    fn crashes(&self, mut check: impl FnMut(&Disk, &Written, &str)) {
        self.fs.recording().replay(|operations, op, disk| {
            for how in disk.crashes(3, operations as u64) {
                let told = format!("{how:?} after operation {operations}, {op}");
                check(&disk.crash(how), &self.written(operations), &told);
            }
        });
    }
}

fn text(found: &LedgerContents) -> String {
    found.snapshot.clone().unwrap_or_default() + &found.added.concat()
}

fn check(disk: &Disk, written: &Written, told: &str) {
    let fs = SimFs::on(disk.clone());
    let (opened, found) = open(&fs);
    assert_eq!(found.damaged, Vec::<String>::new(), "{told}");
    let text_found = text(&found);
    assert!(text_found.len() >= written.promised, "{told}: {} of {written:?}", text_found.len());
    assert!(written.all.starts_with(&text_found), "{told}: {text_found}, of {written:?}");
    // It goes on, and the power fails again.
    let mut ledger: Ledger = opened.begin(&text_found).unwrap();
    ledger.add("more").unwrap();
    let again = open(&SimFs::on(fs.disk().crash(Crash::LoseAll))).1;
    assert_eq!(text(&again), text_found + "more", "{told}");
}

#[test]
fn a_crash_after_any_operation_loses_nothing_that_was_counted() {
    let life = Life::live(&Syncs::all());
    let mut disks = 0;
    life.crashes(|disk, written, told| {
        check(disk, written, told);
        disks += 1;
    });
    println!("a ledger: {} operations, {disks} disks", life.fs.recorded());
    assert!(disks > 500);
}

#[test]
fn each_sync_of_a_ledger_is_missed_when_it_is_left_out() {
    let syncs = Syncs::all();
    Life::live(&syncs);
    let sites = syncs.sites();
    assert!(sites.len() >= 6, "{sites:?}");
    let is_missed = |site: &String| {
        let mut is_missed = false;
        Life::live(&Syncs::without(site)).crashes(|disk, written, told| {
            let checked = AssertUnwindSafe(|| check(disk, written, told));
            is_missed = is_missed || catch_unwind(checked).is_err();
        });
        is_missed
    };
    let unnoticed: Vec<_> = sites.iter().filter(|site| !is_missed(site)).collect();
    assert_eq!(unnoticed, Vec::<&String>::new());
}
