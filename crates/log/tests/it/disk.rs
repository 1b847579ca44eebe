//! A disk that is full, and one whose syncs fail: nothing acknowledged is lost, nobody is told
//! otherwise, and the log goes on when the disk does.

use super::support::*;
use sigsum_api::ApiError;
use sigsum_core::TreeSize;
use sigsum_log::Storage;
use sigsum_log::engine::intake::{HashedLeaf, MAX_WAITING_LEAVES};
use sigsum_log::sequencer::{CommitError, Observer, Sequencer};
use sigsum_store::fs::{Existing, File, Fs, Lock, MemoryFs};
use sigsum_store::{LeafLog as _, Place, Store, StoreError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What does not work at the moment.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) full: AtomicBool,
    pub(crate) sync_fails: AtomicBool,
    /// No room for another file; those that are there have theirs.
    no_new_files: AtomicBool,
    /// While there is one, syncs of files with this in their names wait.
    stalled: Mutex<Option<&'static str>>,
    resumed: Condvar,
    /// Syncs that wait.
    pub(crate) waiting: AtomicUsize,
}

impl Faults {
    fn stall(&self, stalled: bool) {
        self.stall_files(stalled.then_some(""));
    }

    /// Lets syncs of files with this in their names wait, or goes on with all.
    pub(crate) fn stall_files(&self, name: Option<&'static str>) {
        *self.stalled.lock().expect("no panic") = name;
        self.resumed.notify_all();
    }

    /// Fills the disk, or makes room again.
    pub(crate) fn fill(&self, is_full: bool) {
        self.full.store(is_full, Ordering::SeqCst);
    }

    fn write(&self) -> io::Result<()> {
        let full = self.full.load(Ordering::SeqCst);
        if full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut stalled = self.stalled.lock().expect("no panic");
        while stalled.is_some_and(|part| name.contains(part)) {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            stalled = self.resumed.wait(stalled).expect("no panic");
            self.waiting.fetch_sub(1, Ordering::SeqCst);
        }
        drop(stalled);
        let fails = self.sync_fails.load(Ordering::SeqCst);
        if fails { Err(io::Error::other("input/output error")) } else { Ok(()) }
    }
}

/// A file system in memory that fails when told to.
#[derive(Debug, Default)]
pub(crate) struct FaultyFs {
    inner: MemoryFs,
    pub(crate) faults: Arc<Faults>,
}

#[derive(Debug)]
struct FaultyFile {
    inner: Box<dyn File>,
    path: PathBuf,
    faults: Arc<Faults>,
}

impl File for FaultyFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.faults.write()?;
        self.inner.write_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.faults.sync(&self.path)?;
        self.inner.sync_data()
    }
}

impl FaultyFs {
    fn wrap(&self, path: &Path, inner: Box<dyn File>) -> Box<dyn File> {
        Box::new(FaultyFile { inner, path: path.to_owned(), faults: self.faults.clone() })
    }
}

impl Fs for FaultyFs {
    fn read(&self, path: &Path, limit: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
        self.inner.read(path, limit, buffer)
    }

    fn create(&self, path: &Path, mode: u32, existing: Existing) -> io::Result<Box<dyn File>> {
        self.faults.write()?;
        if self.faults.no_new_files.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.inner.create(path, mode, existing).map(|file| self.wrap(path, file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.inner.open(path).map(|file| self.wrap(path, file))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        self.inner.len(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn create_dir(&self, dir: &Path, mode: u32) -> io::Result<()> {
        self.faults.write()?;
        self.inner.create_dir(dir, mode)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_file(path)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.remove_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.faults.sync(dir)?;
        self.inner.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        self.inner.lock(path)
    }
}

/// A log on a disk that fails when told to.
pub(crate) fn setup() -> (Arc<Faults>, Setup) {
    let fs = FaultyFs::default();
    let faults = fs.faults.clone();
    let place = Place::on(Arc::new(fs), "/log");
    Store::init(&place, &log_key()).expect("a new store");
    (faults, Setup::on(Storage::Place(place), 1, 1))
}

async fn breaks_and_heals(break_it: impl Fn(&Faults, bool)) {
    let (faults, setup) = setup();
    let log = setup.start().await;
    log.submit(0..10).await;
    log.published(10).await;

    break_it(&faults, true);
    for number in 10..20 {
        let refused = log.handle.api().add_leaf(&submission(number), None).await;
        let unavailable =
            matches!(refused, Err(ApiError::Unavailable { retry_after_s: Some(_), .. }));
        assert!(unavailable, "{refused:?}");
    }
    let answer = request(log.external(), "POST", "/add-leaf", &[], &submission(10).to_body()).await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
    assert!(!answer.text().contains("error"), "no internals: {}", answer.text());
    assert_eq!(get(log.internal(), "/readyz").await.status, 503);
    assert_eq!(log.get("/get-leaves/0/10").await.status, 200, "reads go on");
    log.submit(0..10).await; // known leaves are still 200

    break_it(&faults, false);
    log.submit(15..20).await;
    assert_eq!(get(log.internal(), "/readyz").await.status, 200);
    let head = log.published(15).await;
    assert!(log.has_quorum(&head));
    log.stop().await;
    let log = setup.start().await;
    assert!(log.handle.status().committed_size >= TreeSize(15));
    log.submit(0..20).await;
    assert_eq!(log.published(20).await.signed.tree_head.size, TreeSize(20));
}

#[tokio::test]
async fn a_full_disk_is_503_until_there_is_space_again() {
    breaks_and_heals(|faults, on| faults.full.store(on, Ordering::SeqCst)).await;
}

#[tokio::test]
async fn a_failed_sync_acknowledges_nothing_and_the_next_leaves_go_on() {
    breaks_and_heals(|faults, on| faults.sync_fails.store(on, Ordering::SeqCst)).await;
}

#[tokio::test]
async fn a_head_that_cannot_be_stored_is_not_shown_and_comes_later() {
    let (faults, setup) = setup();
    let log = setup.start().await;
    log.published(0).await;
    log.guard_passed().await;
    setup.witnesses[0].is(Mood::Unavailable);
    log.submit(0..3).await;
    assert!(log.handle.until(|s| s.heads.signed_size == Some(TreeSize(3))).await);
    faults.full.store(true, Ordering::SeqCst);
    setup.witnesses[0].is(Mood::Good);
    let stuck = |metrics: &str| metrics.contains("head_failures_total{step=\"publish\"}");
    let failed = log.handle.until(|_| stuck(&log.metrics.encode()));
    assert!(failed.await);
    assert_eq!(log.head().await.signed.tree_head.size, TreeSize(0));
    faults.full.store(false, Ordering::SeqCst);
    log.published(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaf_that_waits_too_long_for_the_disk_is_202_and_200_later() {
    let (faults, mut setup) = setup();
    setup.config.timeout = Duration::from_millis(50);
    let log = setup.start().await;
    log.published(0).await;
    let body = submission(1).to_body();
    let add = async || request(log.external(), "POST", "/add-leaf", &[], &body).await;
    faults.stall(true);
    let waiting = add().await;
    assert_eq!((waiting.status, waiting.text()), (202, "(202) Accepted\n"));
    faults.stall(false);
    log.published(1).await;
    assert_eq!(add().await.status, 200);
    assert_eq!(log.handle.status().committed_size, TreeSize(1));
}

/// Tells nobody.
struct Nobody;

impl Observer for Nobody {
    fn committed(&mut self, _leaves: usize, _size: u64, _took: Duration) {}
    fn failed(&mut self, _leaves: usize, _error: &StoreError) {}
}

fn unsigned_leaf(number: usize) -> HashedLeaf {
    let mut leaf = submission(0).leaf();
    leaf.checksum = sigsum_core::Message::of_data(&number.to_be_bytes()).checksum();
    HashedLeaf { hash: leaf.hash(), leaf }
}

/// An empty store on a disk that fails when told to.
fn store() -> (Arc<Faults>, Arc<Store>) {
    let fs = FaultyFs::default();
    let faults = fs.faults.clone();
    let place = Place::on(Arc::new(fs), "/log");
    Store::init(&place, &log_key()).expect("a new store");
    let store = Arc::new(Store::open(&place, &log_key()).expect("opens"));
    store.wait_for_index().expect("built");
    (faults, store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_more_and_loses_nothing_of_what_it_took() {
    let (faults, store) = store();
    let (grown, mut growth) = watch::channel(TreeSize(0));
    let (sequencer, mut thread) =
        Sequencer::start(store.clone(), Box::new(Nobody), grown).expect("a thread");

    faults.stall(true);
    let mut tasks = JoinSet::new();
    let offered = MAX_WAITING_LEAVES + 100;
    for number in 0..offered {
        let sequencer = sequencer.clone();
        tasks.spawn(async move { sequencer.commit(unsigned_leaf(number)).await });
    }
    let mut refused = 0;
    while refused < 100 {
        let outcome = tasks.join_next().await.expect("tasks").expect("no panic");
        assert!(matches!(outcome, Err(CommitError::Full)), "{outcome:?}");
        refused += 1;
    }
    faults.stall(false);
    while let Some(outcome) = tasks.join_next().await {
        outcome.expect("no panic").expect("committed");
    }
    let all = TreeSize(MAX_WAITING_LEAVES as u64);
    growth.wait_for(|size| *size == all).await.expect("told");
    assert_eq!(store.committed_size(), all);
    thread.stop();
    let late = sequencer.commit(unsigned_leaf(offered)).await;
    assert!(matches!(late, Err(CommitError::Stopping)), "{late:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_failed_commit_left_durable_is_made_known() {
    let (faults, store) = store();
    let (grown, growth) = watch::channel(TreeSize(0));
    let (sequencer, _thread) =
        Sequencer::start(store.clone(), Box::new(Nobody), grown).expect("a thread");

    // The journal's segment has room for some thousands, and there will be no next one. The disk
    // stalls while a batch gathers, so that one of them crosses the end.
    faults.no_new_files.store(true, Ordering::SeqCst);
    let (mut number, mut failures) = (0, 0);
    while failures == 0 {
        faults.stall(true);
        let mut tasks = JoinSet::new();
        for _ in 0..1000 {
            let (sequencer, leaf) = (sequencer.clone(), unsigned_leaf(number));
            number += 1;
            tasks.spawn(async move { sequencer.commit(leaf).await });
        }
        while sequencer.waiting() < 900 && faults.waiting.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        faults.stall(false);
        while let Some(outcome) = tasks.join_next().await {
            failures += usize::from(outcome.expect("no panic").is_err());
        }
    }
    let size = store.committed_size();
    assert!(size.0 > (number - failures) as u64, "a part of the failed commit is durable");
    assert_eq!(*growth.borrow(), size);

    faults.no_new_files.store(false, Ordering::SeqCst);
    for number in number - 1000..number {
        sequencer.commit(unsigned_leaf(number)).await.expect("committed");
    }
    assert_eq!(store.committed_size(), TreeSize(number as u64));
}
