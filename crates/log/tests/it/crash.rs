//! A whole log, with witnesses and log-go's sth file, on a disk that forgets: the power fails after
//! every operation, and everything that clients and witnesses were told still holds.

use super::support::*;
use async_trait::async_trait;
use sigsum_api::{AddCheckpointError, AddLeafStatus, WitnessApi};
use sigsum_core::note::SignatureLine;
use sigsum_core::wire::witness::AddCheckpointRequest;
use sigsum_core::{Hash, Leaf, LeafIndex, SignedTreeHead, TreeHead, TreeSize};
use sigsum_log::sth::{SthFile, SthState};
use sigsum_log::{Context, Storage, WitnessPeer, Witnesses};
use sigsum_service::clock::ManualClock;
use sigsum_service::runner;
use sigsum_store::fs::sim::{Asked, Crash, Disk, Saves, SimFs};
use sigsum_store::{HeadStore as _, LeafLog as _, Place, Store, TreeReader as _};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;

/// Leaves in all: over the boundary of the first tile.
const LEAVES: u64 = 262;
/// Disks from which the whole log is started, out of all that are looked at.
const STARTS: usize = 12;

/// What was told to somebody, and after how many operations.
#[derive(Debug, Default)]
struct Told {
    acknowledged: Mutex<Vec<(usize, Hash)>>,
    shown: Mutex<Vec<(usize, TreeSize)>>,
    served: Mutex<Vec<(usize, TreeSize)>>,
}

/// Notes when a signature leaves the log.
struct Watched {
    witness: Arc<TestWitness>,
    fs: SimFs,
    told: Arc<Told>,
}

#[async_trait]
impl WitnessApi for Watched {
    async fn add_checkpoint(
        &self,
        request: &AddCheckpointRequest,
    ) -> Result<Vec<SignatureLine>, AddCheckpointError> {
        let size = request.checkpoint.checkpoint.tree_head.size;
        // The start guard of a new log shows the empty tree.
        if size > TreeSize(0) {
            self.told.shown.lock().expect("no panic").push((self.fs.recorded(), size));
        }
        self.witness.add_checkpoint(request).await
    }
}

fn place(fs: &SimFs) -> Place {
    Place::on(Arc::new(fs.clone()), "/log")
}

fn setup(fs: &SimFs) -> Setup {
    let mut setup = Setup::on(Storage::Place(place(fs)), 1, 1);
    setup.config.sth_file = Some("/sth".into());
    setup
}

/// Starts the log with a witness that is watched.
async fn start(setup: &Setup, fs: &SimFs, told: &Arc<Told>) -> TestLog {
    let witness = setup.witnesses[0].clone();
    let WitnessPeer { key, label, url, .. } = witness.peer();
    let api = Arc::new(Watched { witness, fs: fs.clone(), told: told.clone() });
    let context = Context {
        service: runner::Context::new(Arc::new(ManualClock::at_s(NOW_S))),
        witnesses: Witnesses::Given(vec![WitnessPeer { key, label, url, api }]),
        ..setup.context()
    };
    let metrics = context.service.metrics.clone();
    let handle = sigsum_log::start(setup.config.clone(), context).await.expect("it starts");
    TestLog { handle, metrics, policy: setup.policy.clone() }
}

/// Submits leaves at once, and notes which were acknowledged.
async fn submit(log: &TestLog, fs: &SimFs, told: &Arc<Told>, numbers: std::ops::Range<u64>) {
    let mut tasks = JoinSet::new();
    for number in numbers {
        let (api, fs, told) = (log.handle.api(), fs.clone(), told.clone());
        tasks.spawn(async move {
            let request = submission(number);
            let status = api.add_leaf(&request, None).await.expect("committed");
            let known = (fs.recorded(), request.leaf().hash());
            if status == AddLeafStatus::Committed {
                told.acknowledged.lock().expect("no panic").push(known);
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no panic");
    }
}

/// A life with a stop and a start in it.
async fn live(fs: &SimFs, told: &Arc<Told>) {
    let setup = setup(fs);
    let mut log = start(&setup, fs, told).await;
    for range in [0..3, 3..255, 255..256, 256..257, 257..259, 259..LEAVES] {
        let end = range.end;
        submit(&log, fs, told, range).await;
        let head = log.published(end).await;
        let size = head.signed.tree_head.size;
        told.served.lock().expect("no panic").push((fs.recorded(), size));
        if end == 257 {
            log.stop().await;
            log = start(&setup, fs, told).await;
        }
    }
    log.stop().await;
}

/// All leaves in their order, and whom the log told what.
struct Truth {
    leaves: Vec<Leaf>,
    hashes: Vec<Hash>,
    told: Arc<Told>,
}

impl Truth {
    /// Holds a disk against what was told until then; gives the store's size.
    fn check(&self, disk: &Disk, operations: usize) -> u64 {
        let fs = SimFs::on(disk.clone());
        let place = place(&fs);
        let store = Store::open(&place, &log_key()).expect("opens");
        store.wait_for_index().expect("an index");
        let size = store.committed_size().0;
        let leaves = store.leaves(LeafIndex(0), LeafIndex(size)).expect("leaves");
        assert!(leaves[..] == self.leaves[..leaves.len()], "an index has changed");
        for (at, hash) in self.told.acknowledged.lock().expect("no panic").iter() {
            let index = self.hashes.iter().position(|known| known == hash);
            let index = index.expect("a leaf of the log") as u64;
            assert!(*at > operations || index < size, "leaf {index} of {size} was acknowledged");
        }
        let largest = |told: &Mutex<Vec<(usize, TreeSize)>>| {
            let told = told.lock().expect("no panic");
            told.iter().filter(|(at, _)| *at <= operations).map(|(_, size)| *size).max()
        };
        let head = store.load_head().map(|head| head.tree_head.size);
        assert!(head >= largest(&self.told.shown), "{head:?} is signed");
        let published = store.load_published().map(|it| it.head.signed.tree_head.size);
        assert!(published >= largest(&self.told.served), "{published:?} is published");
        let sth = SthFile::on(&place, "/sth");
        let state = sth.load(&log_key()).expect("a whole sth file");
        sth.check(&state, &store, true).expect("no contradiction");
        store.verify().expect("no damage");
        // What was found is as good as acknowledged, also where a process was killed that had not
        // synced it: the power fails while the next one has it.
        let again = SimFs::on(fs.disk().crash(Crash::LoseAll));
        let again = Store::open(&self::place(&again), &log_key()).expect("opens again");
        assert!(again.committed_size().0 >= size, "{size} leaves were found");
        assert!(again.load_head().map(|head| head.tree_head.size) >= head, "{head:?} was found");
        size
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_after_any_operation_breaks_nothing_that_anybody_was_told() {
    let (fs, told) = (SimFs::new(), Arc::new(Told::default()));
    Store::init(&place(&fs), &log_key()).expect("a new store");
    let initialised = fs.recorded();
    live(&fs, &told).await;
    let store = Store::open(&place(&SimFs::on(fs.disk())), &log_key()).expect("opens");
    let leaves = store.leaves(LeafIndex(0), LeafIndex(LEAVES)).expect("leaves");
    let hashes = leaves.iter().map(Leaf::hash).collect();
    let truth = Truth { leaves, hashes, told };

    let (mut seen, mut disks) = (HashSet::new(), Vec::new());
    let recording = fs.recording();
    recording.replay(|operations, op, disk| {
        for how in
            disk.crashes(1, operations as u64).into_iter().filter(|_| operations >= initialised)
        {
            let found = disk.crash(how);
            if seen.insert(found.fingerprint()) || how == Crash::LoseAll {
                let size = std::panic::catch_unwind(|| truth.check(&found, operations));
                let size = size.unwrap_or_else(|_| panic!("{how:?} after {operations}, {op}"));
                disks.push((found, size));
            }
        }
    });
    println!("a log: {} operations, {} disks", recording.len(), disks.len());

    // The whole log goes on from some of them.
    for (disk, size) in disks.iter().step_by(disks.len().div_ceil(STARTS)) {
        let setup = setup(&SimFs::on(disk.clone()));
        let log = setup.start().await;
        log.submit(1000..1001).await;
        let head = log.published(size + 1).await;
        assert!(log.has_quorum(&head));
        log.stop().await;
    }
}

/// Whether the sth file is whole after every crash, and not older than the last one that was written.
fn sth_file_survives(leaves_out: fn(&Asked<'_>) -> bool) -> bool {
    let fs = SimFs::new();
    fs.leave_out(leaves_out);
    let mut written = vec![(0, 0)];
    for size in 1..4 {
        let tree_head = TreeHead { size: TreeSize(size), root_hash: Hash::new([size as u8; 32]) };
        let bytes = tree_head.sigsum_signing_bytes(&log_key().key_hash());
        let signed = SignedTreeHead { tree_head, signature: log_signer().sign_now(&bytes) };
        SthFile::on(&place(&fs), "/sth").write(&signed).expect("writes");
        written.push((fs.recorded(), size));
    }
    let mut survives = true;
    fs.recording().replay(|operations, _, disk| {
        let least = written.iter().rev().find(|(at, _)| *at <= operations).expect("the first").1;
        for how in disk.crashes(2, operations as u64) {
            let found = SthFile::on(&place(&SimFs::on(disk.crash(how))), "/sth").load(&log_key());
            let size = |state: SthState| state.saved.map_or(0, |head| head.tree_head.size.0);
            survives &= found.is_ok_and(|state| size(state) >= least);
        }
    });
    survives
}

#[test]
fn a_sth_file_that_was_written_survives_and_would_not_without_either_sync() {
    assert!(sth_file_survives(|_| false));
    assert!(!sth_file_survives(|asked| matches!(asked.saves, Saves::Bytes { .. })));
    assert!(!sth_file_survives(|asked| matches!(asked.saves, Saves::Names { .. })));
}

#[tokio::test]
async fn a_clock_that_is_wrong_changes_nothing_that_is_promised() {
    let setup = setup(&SimFs::new());
    let Storage::Place(place) = &setup.config.storage else { unreachable!("on a place") };
    Store::init(place, &log_key()).expect("a new store");
    let mut size = 0;
    // Today, 1970, the year 2106 and beyond, and back.
    for now_s in [NOW_S, 0, u64::from(u32::MAX) + 5, NOW_S - 1] {
        let clock = Arc::new(ManualClock::at_s(now_s));
        let context = Context { service: runner::Context::new(clock), ..setup.context() };
        let metrics = context.service.metrics.clone();
        let handle = sigsum_log::start(setup.config.clone(), context).await.expect("it starts");
        let log = TestLog { handle, metrics, policy: setup.policy.clone() };
        log.submit(size..size + 2).await;
        size += 2;
        let head = log.published(size).await;
        assert!(log.has_quorum(&head));
        log.submit(0..size).await;
        assert_eq!(log.handle.status().committed_size, TreeSize(size));
        log.stop().await;
    }
}
