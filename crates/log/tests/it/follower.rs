//! A log with a follower in the same process: late, restarted, and on a disk that fails.

use super::disk::{Faults, FaultyFs};
use super::support::*;
use sigsum_api::AddLeafStatus;
use sigsum_core::{Checksum, KeyHash, Leaf, Signature, TreeSize};
use sigsum_log::config::Follower;
use sigsum_log::follower::{self, CopyCondition, FollowerConfig, FollowerContext, FollowerHandle};
use sigsum_log::{Replication, Storage};
use sigsum_service::clock::ManualClock;
use sigsum_service::runner;
use sigsum_store::{LeafLog as _, Place, Store};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// More than is taken into tiles at once, and many requests.
const MANY: u64 = 66_000;

/// The primary and its follower, either of which can be stopped and started.
struct Pair {
    setup: Setup,
    copy: Place,
    follower: FollowerConfig,
}

impl Pair {
    /// With this copy, made here. The addresses are those that were free a moment ago, on loopback
    /// addresses that no other test uses.
    fn new(copy: Place, host: u8) -> Self {
        let mut setup = Setup::new(0, 0);
        Store::init_follower(&copy, &log_key()).expect("a new store");
        let [low, high, ..] = std::process::id().to_le_bytes();
        let free = |host: u8| {
            let host = Ipv4Addr::new(127, 128 | (high & 63), low, host);
            let listener = TcpListener::bind((host, 0)).expect("a free port");
            listener.local_addr().expect("TCP").to_string()
        };
        let (primary, internal) = (free(host), free(host + 1));
        let key = signer(90).public_key();
        let followers = vec![Follower { url: format!("http://{internal}"), key }];
        setup.config.replication = Replication { followers, required: 1 };
        setup.config.internal = Some(primary.clone());
        let storage = Storage::Place(copy.clone());
        let mut follower = FollowerConfig::new(storage, format!("http://{primary}"));
        follower.internal = internal;
        Self { setup, copy, follower }
    }

    async fn follow(&self) -> FollowerHandle {
        let context = FollowerContext {
            service: runner::Context::new(Arc::new(ManualClock::at_s(NOW_S))),
            signer: Arc::new(signer(90)),
            log: log_key(),
        };
        follower::start(self.follower.clone(), context).await.expect("the follower starts")
    }
}

/// Leaves that cost no signature.
fn leaves(range: std::ops::Range<u64>) -> Vec<Leaf> {
    let leaf = |number: u64| {
        let mut checksum = [0; 32];
        checksum[..8].copy_from_slice(&number.to_be_bytes());
        Leaf {
            checksum: Checksum::new(checksum),
            signature: Signature::new([1; 64]),
            key_hash: KeyHash::new([2; 32]),
        }
    };
    range.map(leaf).collect()
}

/// Looks until it is so; the test's own limit ends it where it never is.
async fn until(mut is_so: impl FnMut() -> bool) {
    let looked = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), looked).await.expect("within a minute");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_comes_late_gets_everything_and_verifies_it() {
    let pair = Pair::new(Place::memory(), 1);
    let Storage::Place(place) = &pair.setup.config.storage else { panic!("a place") };
    let store = Store::open(place, &log_key()).expect("opens");
    store.wait_for_index().expect("empty");
    for from in (0..MANY).step_by(11_000) {
        store.commit(&leaves(from..from + 11_000)).expect("committed");
    }
    let due = store.integrate().expect("integrated");
    drop(store);
    let log = pair.setup.start().await;
    let follower = pair.follow().await;
    assert!(follower.until_held(TreeSize(MANY)).await);
    assert_eq!(follower.head(), due);
    log.published(MANY).await;
    until(|| follower.status().verified_size == Some(TreeSize(MANY))).await;
    let sections = log.handle.overview().sections;
    let section = sections.iter().find(|s| s.title == "Followers").expect("on the page");
    assert_eq!(section.rows[0].1, "1; enough of them follow");
    let shown = &section.rows[2].1;
    assert!(shown.starts_with("follows; 66\u{a0}000 leaves; last good answer "), "{shown}");
    follower.stop().await;
    log.stop().await;
    let store = Store::open(&pair.copy, &log_key()).expect("opens");
    store.wait_for_index().expect("whole");
    store.verify().expect("whole");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_restarts_goes_on_where_it_was() {
    let pair = Pair::new(Place::memory(), 11);
    let log = pair.setup.start().await;
    for round in 0..4 {
        let follower = pair.follow().await;
        let (from, to) = (round * 10, round * 10 + 10);
        log.guard_passed().await;
        log.submit(from..to).await;
        assert!(follower.until_held(TreeSize(to)).await);
        log.published(to).await;
        follower.stop().await;
    }
    log.stop().await;
}

async fn breaks_and_heals(host: u8, break_it: impl Fn(&Faults, bool)) {
    let fs = FaultyFs::default();
    let faults = fs.faults.clone();
    let pair = Pair::new(Place::on(Arc::new(fs), "/copy"), host);
    let log = pair.setup.start().await;
    let follower = pair.follow().await;
    log.guard_passed().await;
    log.submit(0..5).await;
    assert!(follower.until_held(TreeSize(5)).await);
    break_it(&faults, true);
    let store = log.handle.api();
    let waiting = tokio::spawn(async move { store.add_leaf(&submission(5), None).await });
    until(|| follower.status().condition == CopyCondition::Failing).await;
    assert_eq!(follower.head().size, TreeSize(5), "what is not durable is not told");
    break_it(&faults, false);
    assert!(follower.until_held(TreeSize(6)).await);
    waiting.await.expect("no panic").expect("taken");
    until(|| follower.status().condition == CopyCondition::Following).await;
    log.published(6).await;
    follower.stop().await;
    log.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_on_a_full_disk_tells_nothing_new_and_goes_on_when_there_is_space() {
    breaks_and_heals(21, |faults, on| faults.full.store(on, Ordering::SeqCst)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_whose_syncs_fail_tells_nothing_new_and_goes_on_when_they_work() {
    breaks_and_heals(31, |faults, on| faults.sync_fails.store(on, Ordering::SeqCst)).await;
}

#[tokio::test]
async fn a_follower_that_never_answers_has_been_silent_since_the_start() {
    let mut setup = Setup::new(0, 0);
    let key = signer(90).public_key();
    let followers = vec![Follower { url: "http://127.0.0.1:1".into(), key }];
    setup.config.replication = Replication { followers, required: 1 };
    let log = setup.start().await;
    let line = "sigsum_log_follower_success_time_seconds{follower=\"127.0.0.1:1\"} ";
    let page = log.metrics.encode();
    let since_s = page.lines().find_map(|shown| shown.strip_prefix(line));
    assert_eq!(since_s, Some(&*NOW_S.to_string()), "{page}");
    log.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_has_stopped_has_given_its_directory_free() {
    let fs = FaultyFs::default();
    let faults = fs.faults.clone();
    let pair = Pair::new(Place::on(Arc::new(fs), "/copy"), 41);
    let log = pair.setup.start().await;
    let follower = pair.follow().await;
    log.submit(0..2).await;
    until(|| follower.status().verified_size == Some(TreeSize(2))).await;
    // It is storing the next head when it is told to stop.
    faults.stall_files(Some("head"));
    log.submit(2..3).await;
    until(|| faults.waiting.load(Ordering::SeqCst) > 0).await;
    let copy = pair.copy.clone();
    let mut stopped = tokio::spawn(async move {
        follower.stop().await;
        Store::open(&copy, &log_key()).map(drop)
    });
    // A follower that does not wait for the disk has ended long before, and fails below.
    let early = tokio::time::timeout(Duration::from_millis(300), &mut stopped).await;
    faults.stall_files(None);
    let opened = match early {
        Ok(opened) => opened,
        Err(_) => stopped.await,
    };
    opened.expect("no panic").expect("nobody holds it");
    log.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_published_leaf_that_too_few_followers_hold_is_202() {
    let fs = FaultyFs::default();
    let faults = fs.faults.clone();
    let mut pair = Pair::new(Place::on(Arc::new(fs), "/copy"), 51);
    // Published while the log had no followers.
    let replication = std::mem::take(&mut pair.setup.config.replication);
    let log = pair.setup.start().await;
    log.submit(0..3).await;
    log.published(3).await;
    log.stop().await;
    pair.setup.config.replication = replication;
    pair.setup.config.timeout = Duration::from_millis(300);
    let follower = pair.follow().await;
    faults.fill(true);
    let log = pair.setup.start().await;
    log.guard_passed().await;
    let api = log.handle.api();
    let again = || async { api.add_leaf(&submission(0), None).await.expect("known") };
    assert_eq!(again().await, AddLeafStatus::Accepted);
    faults.fill(false);
    assert!(follower.until_held(TreeSize(3)).await);
    let committed = async {
        while again().await != AddLeafStatus::Committed {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), committed).await.expect("200");
    drop(api);
    follower.stop().await;
    log.stop().await;
}
