//! The start guard: what a log asks before it goes on, and what it does not do until it knows.

use super::support::*;
use sigsum_core::{TreeHead, TreeSize};
use sigsum_log::config::Follower;
use sigsum_log::engine::guard::Knowledge;
use sigsum_log::{Handle, Outdated, Replication, RunError, Stage, Storage};
use sigsum_store::{Place, Role, Store};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// A log with three witnesses of which two are needed, in a directory.
fn directory() -> (TempDir, Setup) {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("log");
    sigsum_log::init(&log, &log_key()).expect("a new log");
    let setup = Setup::on(Storage::DataDir(log), 3, 2);
    (dir, setup)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a new directory");
    for entry in fs::read_dir(from).expect("readable") {
        let (entry, to) = (entry.expect("readable"), to);
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("copied");
        }
    }
}

/// Starts the log, has it sign what is submitted, and stops it.
async fn grow(setup: &Setup, leaves: std::ops::Range<u64>) {
    let log = setup.start().await;
    log.submit(leaves).await;
    let size = log.handle.status().committed_size;
    log.published(size.0).await;
    let has_it =
        |w: &std::sync::Arc<TestWitness>| w.cosigned().last().map(|h| h.size) == Some(size);
    assert!(log.handle.until(|_| setup.witnesses.iter().all(has_it)).await);
    log.stop().await;
}

async fn refused(handle: Handle) -> Outdated {
    match handle.wait().await {
        Err(RunError::Outdated(outdated)) => outdated,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_old_copy_is_refused_and_nothing_new_is_signed() {
    let (dir, mut setup) = directory();
    grow(&setup, 0..5).await;
    let old = dir.path().join("old");
    copy(&dir.path().join("log"), &old);
    grow(&setup, 5..9).await;
    let shown_before: Vec<_> = setup.witnesses.iter().map(|w| w.shown().len()).collect();

    setup.config.storage = Storage::DataDir(old.clone());
    let log = setup.start().await;
    let (api, leaf) = (log.handle.api(), submission(99));
    let added = api.add_leaf(&leaf, None);
    let (outdated, added) = tokio::join!(refused(log.handle), added);
    assert_eq!(outdated.known, Knowledge::UpTo(TreeSize(9)));
    assert_eq!(outdated.ours, TreeSize(5));
    let added = added.expect_err("no leaf is taken");
    assert_eq!(added.status().code(), 503);
    for (witness, before) in setup.witnesses.iter().zip(shown_before) {
        for head in &witness.shown()[before..] {
            assert_eq!(head.size, TreeSize(5), "the head that it signed long ago, and no other");
        }
    }
    let saved = fs::read_to_string(old.join("head")).expect("a head");
    assert!(saved.contains("size=5\n"), "{saved}");
}

#[tokio::test]
async fn a_new_directory_for_a_key_that_has_signed_is_refused() {
    let (dir, mut setup) = directory();
    grow(&setup, 0..5).await;
    let new = dir.path().join("new");
    sigsum_log::init(&new, &log_key()).expect("a new log");
    setup.config.storage = Storage::DataDir(new);
    let before: Vec<_> = setup.witnesses.iter().map(|w| w.shown().len()).collect();
    let outdated = refused(setup.start().await.handle).await;
    assert_eq!(outdated.known, Knowledge::UpTo(TreeSize(5)));
    for (witness, before) in setup.witnesses.iter().zip(before) {
        assert!(witness.shown()[before..].iter().all(|head| *head == TreeHead::empty()));
    }
}

#[tokio::test]
async fn another_tree_of_the_same_size_is_refused() {
    let (dir, mut setup) = directory();
    grow(&setup, 0..5).await;
    // The same key and size, other leaves; none of these witnesses has seen it.
    let other = Setup::on(Storage::DataDir(dir.path().join("fork")), 3, 2);
    sigsum_log::init(&dir.path().join("fork"), &log_key()).expect("a new log");
    grow(&other, 10..15).await;
    setup.config.storage = Storage::DataDir(dir.path().join("fork"));
    let outdated = refused(setup.start().await.handle).await;
    assert_eq!(outdated.known, Knowledge::Other(TreeSize(5)));
    assert!(outdated.to_string().contains("another tree of 5 leaves"), "{outdated}");
}

#[tokio::test]
async fn without_a_quorum_reads_are_served_and_the_log_goes_on_by_itself_later() {
    let (_dir, setup) = directory();
    grow(&setup, 0..5).await;
    for witness in &setup.witnesses[..2] {
        witness.is(Mood::Unavailable);
    }
    let log = setup.start().await;
    assert_eq!(log.head().await.signed.tree_head.size, TreeSize(5));
    assert_eq!(log.get("/get-leaves/0/5").await.status, 200);
    let refused = log.handle.api().add_leaf(&submission(5), None).await.expect_err("not yet");
    assert_eq!((refused.status().code(), refused.retry_after_s()), (503, Some(5)));
    let waits = "\nsigsum_log_start_guard_waiting 1\n";
    assert!(log.handle.until(|s| s.heads.quorum_missing).await);
    assert!(log.metrics.encode().contains(waits));
    let ready = get(log.internal(), "/readyz").await;
    assert_eq!(ready.status, 503);
    let text = ready.text();
    assert!(text.contains("start guard: a quorum of witnesses must say first"), "{text}");
    assert_eq!(log.handle.status().heads.signed_size, Some(TreeSize(5)));

    setup.witnesses[0].is(Mood::Good);
    log.guard_passed().await;
    log.submit(5..6).await;
    log.published(6).await;
    assert!(!log.metrics.encode().contains(waits));
    assert_eq!(get(log.internal(), "/readyz").await.status, 200);
}

#[tokio::test]
async fn an_old_copy_whose_witnesses_seem_not_to_know_the_log_waits_for_them() {
    let (dir, mut setup) = directory();
    grow(&setup, 0..5).await;
    let old = dir.path().join("old");
    copy(&dir.path().join("log"), &old);
    grow(&setup, 5..9).await;
    setup.config.storage = Storage::DataDir(old);
    // A proxy in front of two of them answers 404 while they are away.
    setup.witnesses[..2].iter().for_each(|witness| witness.is(Mood::Stranger));
    setup.witnesses[2].is(Mood::Unavailable);
    let log = setup.start().await;
    assert!(log.handle.until(|s| s.heads.quorum_missing).await);
    assert!(!log.handle.status().heads.guard_passed);
    assert_eq!(log.handle.status().heads.signed_size, Some(TreeSize(5)));
    setup.witnesses[1].is(Mood::Good);
    let outdated = refused(log.handle).await;
    assert_eq!(outdated.known, Knowledge::UpTo(TreeSize(9)));
}

#[tokio::test]
async fn witnesses_that_are_behind_are_no_obstacle() {
    let (_dir, setup) = directory();
    grow(&setup, 0..5).await;
    setup.witnesses[0].is(Mood::Stranger);
    setup.witnesses[1].is(Mood::Forgetful(0));
    let log = setup.start().await;
    log.guard_passed().await;
    log.submit(5..6).await;
    log.published(6).await;
}

#[tokio::test]
async fn the_cosignatures_of_the_probe_are_published() {
    let (_dir, setup) = directory();
    grow(&setup, 0..5).await;
    setup.witnesses.iter().for_each(|witness| witness.set_time_s(NOW_S + 1_000));
    let log = setup.start().await;
    log.guard_passed().await;
    let is_fresh = |c: &sigsum_core::tree_head::Cosignature| c.timestamp_s > NOW_S + 1_000;
    while !log.head().await.cosignatures().iter().all(is_fresh) {
        tokio::task::yield_now().await;
    }
    assert_eq!(log.head().await.signed.tree_head.size, TreeSize(5));
    assert!(!log.metrics.encode().contains("status=\"409\""));
}

#[tokio::test]
async fn a_leaf_that_comes_at_the_start_waits_for_the_guard_and_is_taken() {
    let (_dir, setup) = directory();
    let log = setup.start().await;
    log.submit(0..1).await;
    log.published(1).await;
}

// Ten seconds are nothing on this clock.
#[tokio::test(start_paused = true)]
async fn a_log_that_publishes_without_a_quorum_starts_without_witnesses() {
    let (_dir, mut setup) = directory();
    setup.config.publish_without_quorum = true;
    setup.config.interval = Duration::from_millis(100);
    setup.witnesses.iter().for_each(|witness| witness.is(Mood::Unavailable));
    let log = setup.start().await;
    log.guard_passed().await;
    log.submit(0..3).await;
    log.published(3).await;
}

#[tokio::test]
async fn a_log_that_closes_while_the_guard_is_up_answers_what_it_knows() {
    let (dir, mut setup) = directory();
    let log = setup.start().await;
    log.submit(0..3).await;
    log.published(3).await;
    setup.witnesses.iter().for_each(|witness| witness.is(Mood::Unavailable));
    log.submit(3..5).await;
    assert!(log.handle.until(|s| s.heads.signed_size == Some(TreeSize(5))).await);
    log.stop().await;
    let store = Store::open(&Place::dir(dir.path().join("log")), &log_key()).expect("opens");
    store.set_role(Role::Frozen).expect("closed");
    drop(store);
    setup.witnesses.iter().for_each(|witness| witness.is(Mood::Good));
    // Its follower is gone for good, so that the guard waits for ever.
    let gone = Follower { url: "http://127.0.0.1:1".into(), key: signer(90).public_key() };
    setup.config.replication = Replication { followers: vec![gone], required: 1 };
    let log = setup.start().await;
    assert!(log.handle.until(|s| s.heads.stage == Stage::Closed).await);
    assert_eq!(log.published(5).await.signed.tree_head.size, TreeSize(5));
    assert!(log.metrics.encode().contains("\nsigsum_log_start_guard_waiting 0\n"));
    let ready = get(log.internal(), "/readyz").await;
    assert!(!ready.text().contains("start guard"), "{}", ready.text());
    let known = log.handle.api().add_leaf(&submission(4), None).await.expect("known");
    assert_eq!(known, sigsum_api::AddLeafStatus::Committed);
    let new = log.handle.api().add_leaf(&submission(5), None).await.expect_err("closed");
    assert_eq!(new.status().code(), 403);
    log.stop().await;
}
