//! A ledger over restarts, torn files, flipped bits and failing disks.

use super::*;
use crate::fs::{Fs, Lock, MemoryFs};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A file system that fails from the n-th change on, as often as told.
#[derive(Debug)]
struct Failing {
    fs: MemoryFs,
    before: AtomicI64,
    failures: AtomicI64,
}

impl Failing {
    fn change<T>(&self, work: impl FnOnce(&MemoryFs) -> io::Result<T>) -> io::Result<T> {
        if self.before.fetch_sub(1, Ordering::SeqCst) <= 0
            && self.failures.fetch_sub(1, Ordering::SeqCst) > 0
        {
            return Err(io::ErrorKind::StorageFull.into());
        }
        work(&self.fs)
    }
}

#[derive(Debug)]
struct FailingFile(Arc<Failing>, Box<dyn File>);

impl File for FailingFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let half = bytes.len() / 2;
        self.0.change(|_| self.1.write_at(bytes, offset)).inspect_err(|_| {
            let _ = self.1.write_at(&bytes[..half], offset); // as a disk that gets full does
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.change(|_| self.1.sync_data())
    }
}

#[derive(Debug)]
struct Disk(Arc<Failing>);

impl Fs for Disk {
    fn read(&self, path: &Path, limit: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
        self.0.fs.read(path, limit, buffer)
    }
    fn create(&self, path: &Path, mode: u32, existing: Existing) -> io::Result<Box<dyn File>> {
        let file = self.0.change(|fs| fs.create(path, mode, existing))?;
        Ok(Box::new(FailingFile(Arc::clone(&self.0), file)))
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.0.fs.open(path)
    }
    fn len(&self, path: &Path) -> io::Result<u64> {
        self.0.fs.len(path)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.0.fs.list(dir)
    }
    fn create_dir(&self, dir: &Path, mode: u32) -> io::Result<()> {
        self.0.change(|fs| fs.create_dir(dir, mode))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.change(|fs| fs.rename(from, to))
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.change(|fs| fs.remove_file(path))
    }
    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.change(|fs| fs.remove_dir(dir))
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.change(|fs| fs.sync_dir(dir))
    }
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        self.0.fs.lock(path)
    }
}

fn memory() -> Place {
    let place = Place::memory();
    place.ensure_dir("", 0o700).unwrap();
    place
}

fn contents(place: &Place) -> LedgerContents {
    OpenedLedger::open(place.clone()).unwrap().1
}

fn expected(snapshot: &str, added: &[&str]) -> LedgerContents {
    let added = added.iter().map(|text| (*text).to_owned()).collect();
    LedgerContents { snapshot: Some(snapshot.to_owned()), added, damaged: Vec::new() }
}

fn begin(place: &Place, snapshot: &str) -> Ledger {
    OpenedLedger::open(place.clone()).unwrap().0.begin(snapshot).unwrap()
}

#[test]
fn a_ledger_is_read_as_it_was_written() {
    let place = memory();
    assert_eq!(contents(&place), LedgerContents::default());
    let mut ledger = begin(&place, "one\n");
    assert_eq!(contents(&place), expected("one\n", &[]));
    ledger.add("a").unwrap();
    ledger.add("").unwrap();
    ledger.add("b\nc").unwrap();
    assert_eq!(contents(&place), expected("one\n", &["a", "", "b\nc"]));
    ledger.replace("two").unwrap();
    assert_eq!(contents(&place), expected("two", &[]));
    ledger.add("d").unwrap();
    let mut ledger = begin(&place, "three");
    ledger.add("e").unwrap();
    assert_eq!(contents(&place), expected("three", &["e"]));
    assert_eq!(place.names().unwrap(), ["added-3", "snapshot"]);
}

#[test]
fn of_a_torn_file_the_whole_chunks_are_read() {
    let place = memory();
    let mut ledger = begin(&place, "one");
    ledger.add("first").unwrap();
    let whole = place.len("added-1").unwrap().unwrap();
    ledger.add("second").unwrap();
    let bytes = place.read("added-1", 1000).unwrap().unwrap();
    for length in 0..bytes.len() {
        place.replace("added-1", &bytes[..length], 0o600).unwrap();
        let added: &[&str] = if (length as u64) < whole { &[] } else { &["first"] };
        assert_eq!(contents(&place), expected("one", added), "{length}");
    }
    let zeros = [&bytes[..], &[0; 100]].concat();
    place.replace("added-1", &zeros, 0o600).unwrap();
    assert_eq!(contents(&place), expected("one", &["first", "second"]));
}

#[test]
fn a_damaged_snapshot_is_put_aside_and_named_whatever_bit_it_was() {
    let place = memory();
    let mut ledger = begin(&place, "a snapshot");
    ledger.add("more").unwrap();
    let bytes = place.read(SNAPSHOT, 1000).unwrap().unwrap();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        place.replace(SNAPSHOT, &flipped, 0o600).unwrap();
        let (opened, found) = OpenedLedger::open(place.clone()).unwrap();
        assert_eq!(found.damaged, ["snapshot"], "byte {at}");
        assert_eq!((found.snapshot, found.added), (None, Vec::new()));
        let kept = place.read("snapshot.damaged", 1000).unwrap();
        assert_eq!(kept, Some(flipped));
        if at == 0 {
            opened.begin("anew").unwrap();
            assert_eq!(contents(&place), expected("anew", &[]));
            place.replace("added-1", b"", 0o600).unwrap();
        }
    }
}

#[test]
fn additions_make_a_snapshot_worth_its_while() {
    let place = memory();
    let mut ledger = begin(&place, "x");
    let text = "y".repeat(100_000);
    for _ in 0..2 {
        ledger.add(&text).unwrap();
        assert!(!ledger.wants_snapshot());
    }
    ledger.add(&text).unwrap();
    assert!(ledger.wants_snapshot());
    ledger.replace(&text.repeat(10)).unwrap();
    ledger.add(&text.repeat(10)).unwrap();
    assert!(!ledger.wants_snapshot(), "a large one is written more seldom");
}

/// Whatever fails, and as often as it fails: what was said to be there is, and the ledger goes on
/// when the disk does.
#[test]
fn a_disk_that_fails_at_any_change_loses_nothing_and_works_again() {
    for failures in 1..4 {
        for before in 0..40 {
            let disk = Arc::new(Failing {
                fs: MemoryFs::new(),
                before: AtomicI64::new(i64::MAX),
                failures: AtomicI64::new(failures),
            });
            let place = Place::on(Arc::new(Disk(Arc::clone(&disk))), "/memory");
            place.ensure_dir("", 0o700).unwrap();
            let mut ledger = begin(&place, "");
            disk.before.store(before, Ordering::SeqCst);
            let (mut all, mut unsaved) = (String::new(), String::new());
            for step in 0..12u8 {
                let text = char::from(b'a' + step);
                all.push(text);
                unsaved.push(text);
                let saved = match ledger.wants_snapshot() || step % 5 == 4 {
                    true => ledger.replace(&all),
                    false => ledger.add(&unsaved),
                };
                let found = contents(&place);
                let found = found.snapshot.unwrap() + &found.added.concat();
                if saved.is_ok() {
                    unsaved.clear();
                    assert_eq!(found, all, "{failures} failures from change {before} on");
                } else {
                    let least = &all[..all.len() - unsaved.len()];
                    let is_between = found.starts_with(least) && all.starts_with(&found);
                    assert!(is_between, "{found} {least} {all}");
                }
            }
            disk.failures.store(0, Ordering::SeqCst); // the disk works again
            if ledger.wants_snapshot() {
                ledger.replace(&all).unwrap();
            } else {
                ledger.add(&unsaved).unwrap();
            }
            let found = contents(&place);
            assert_eq!(found.snapshot.unwrap() + &found.added.concat(), all);
        }
    }
}
