//! The leaf index on a disk that does not give everything at once.

use crate::support::{commit, fresh, leaf, log_key};
use sigsum_core::LeafIndex;
use sigsum_store::fs::sim::{Disk, SimFs};
use sigsum_store::{LeafLog as _, Place, Store, StoreError};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Two full tiles, and leaves behind them in a partial one and in the journal.
const SIZE: u64 = 600;

fn on(fs: &SimFs) -> Place {
    Place::on(Arc::new(fs.clone()), "/log")
}

fn closed() -> Disk {
    let fs = SimFs::new();
    let store = fresh(&on(&fs));
    commit(&store, 0..SIZE - 5);
    store.integrate().unwrap();
    commit(&store, SIZE - 5..SIZE);
    drop(store);
    fs.disk()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < limit, "not within a minute: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Reads that opening takes, before the index is begun.
fn reads_to_open(disk: &Disk) -> u64 {
    let opens = |reads: &u64| {
        let fs = SimFs::on(disk.clone());
        fs.fail_reads(*reads, u64::MAX);
        Store::open(&on(&fs), &log_key()).is_ok()
    };
    (0..).find(opens).unwrap()
}

#[test]
fn a_read_that_fails_while_the_index_is_built_or_looked_over_is_tried_again() {
    let disk = closed();
    let opened = reads_to_open(&disk);
    // Each full tile of hashes is read twice: for the index, and to be looked over.
    let full_tiles = SIZE / 256;
    for (read, count) in (0..2 * full_tiles).flat_map(|read| [(read, 1), (read, 3)]) {
        let fs = SimFs::on(disk.clone());
        fs.fail_reads(opened + read, count);
        let store = Store::open(&on(&fs), &log_key()).unwrap();
        let may_pass = |error: &StoreError| assert!(error.is_retryable(), "{error}");
        // It may have been tried again by the time that this looks.
        let _ = store.wait_for_index().inspect_err(may_pass);
        until("the reads have failed", || fs.failures() == count);
        let commit = || store.commit(&[leaf(SIZE)]).inspect_err(may_pass).is_ok();
        until("leaves are taken again", commit);
        for n in [0, 300, SIZE - 1, SIZE] {
            assert_eq!(store.index_of(&leaf(n).hash()).unwrap(), Some(LeafIndex(n)), "{read}");
        }
        let again = store.commit(&[leaf(5), leaf(SIZE)]).unwrap();
        assert!(again.iter().all(|committed| !committed.is_new), "{again:?}");
        store.integrate().unwrap();
        store.verify().unwrap();
    }
}

#[test]
fn a_store_that_cannot_be_read_is_closed_without_waiting_for_the_next_try() {
    let disk = closed();
    let fs = SimFs::on(disk.clone());
    fs.fail_reads(reads_to_open(&disk), u64::MAX);
    let store = Store::open(&on(&fs), &log_key()).unwrap();
    // The pause behind the sixth try is more than three seconds.
    until("it was tried six times", || fs.failures() >= 6);
    let closing = Instant::now();
    drop(store);
    assert!(closing.elapsed() < Duration::from_secs(2), "{:?}", closing.elapsed());
}
