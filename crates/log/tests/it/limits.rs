//! What is charged and what is not, without HTTP in between: races, hanging up, failing disks.

use super::support::*;
use sigsum_api::{AddLeafStatus, ApiError};
use sigsum_core::token::SubmitToken;
use sigsum_core::{Signature, TreeSize};
use sigsum_log::config::AdmissionConfig;
use sigsum_log::{NewSettings, ReloadError, Witnesses};
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Waker};

/// A log with this rate-limit file, where `KEY` stands for the hash of the submitter's key.
async fn limited(dir: &Path, limits: &str) -> (Setup, TestLog) {
    let mut setup = Setup::new(0, 0);
    setup.config.admission = config(dir, limits);
    let log = setup.start().await;
    log.guard_passed().await;
    (setup, log)
}

fn config(dir: &Path, limits: &str) -> AdmissionConfig {
    let path = dir.join("limits");
    let hash = submission(0).public_key.key_hash().to_hex();
    let text = limits.replace("KEY", &hash);
    sigsum_store::durable::write_atomic(&path, text.as_bytes(), 0o644).expect("writes");
    AdmissionConfig { rate_limit_file: Some(path), ..AdmissionConfig::default() }
}

async fn add(log: &TestLog, number: u64) -> Result<AddLeafStatus, ApiError> {
    log.handle.api().add_leaf(&submission(number), None).await
}

fn is_limited<T>(result: &Result<T, ApiError>) -> bool {
    matches!(result, Err(ApiError::RateLimited { .. }))
}

fn charged(log: &TestLog) -> u64 {
    let limits = log.handle.status().limits.expect("limits");
    limits.fullest.first().map_or(0, |counter| counter.leaves)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_at_once_do_not_pass_a_limit_and_hanging_up_saves_no_charge() {
    let dir = tempfile::tempdir().expect("a directory");
    let (_setup, log) = limited(dir.path(), "key KEY 20").await;
    let log = Arc::new(log);
    let mut all = tokio::task::JoinSet::new();
    for number in 0..100 {
        let log = Arc::clone(&log);
        all.spawn(async move { add(&log, number % 50).await });
    }
    let results = all.join_all().await;
    assert!(results.iter().all(|r| r.is_ok() || is_limited(r)), "{results:?}");
    assert_eq!(log.handle.status().committed_size, TreeSize(20), "each leaf was sent twice");
    assert_eq!(charged(&log), 20);

    let other = tempfile::tempdir().expect("a directory");
    let (_setup, log) = limited(other.path(), "key KEY 5").await;
    let api = log.handle.api();
    for number in 0..5 {
        let leaf = submission(number);
        let mut request = api.add_leaf(&leaf, None);
        // It is in the queue when it first waits.
        let _ = request.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        drop(request);
    }
    log.published(5).await;
    assert_eq!(charged(&log), 5);
    assert!(is_limited(&add(&log, 6).await));
}

#[tokio::test]
async fn a_known_leaf_is_answered_whatever_the_limit() {
    let dir = tempfile::tempdir().expect("a directory");
    let (setup, log) = limited(dir.path(), "key KEY 1").await;
    for _ in 0..300 {
        add(&log, 1).await.expect("taken");
    }
    assert_eq!(charged(&log), 1);
    assert!(is_limited(&add(&log, 2).await));
    log.stop().await;
    let log = setup.start().await;
    log.guard_passed().await;
    add(&log, 1).await.expect("known");
    assert!(is_limited(&add(&log, 2).await), "counted before the restart");
}

#[tokio::test]
async fn leaves_that_cannot_be_stored_cost_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let (disk, mut setup) = super::disk::setup();
    setup.config.admission = config(dir.path(), "key KEY 2");
    let log = setup.start().await;
    log.guard_passed().await;
    add(&log, 1).await.expect("taken");
    disk.fill(true);
    for number in 2..50 {
        let failed = add(&log, number).await;
        assert!(matches!(failed, Err(ApiError::Unavailable { .. })), "{failed:?}");
    }
    disk.fill(false);
    add(&log, 2).await.expect("taken");
    assert!(is_limited(&add(&log, 3).await));
}

#[tokio::test]
async fn a_full_disk_keeps_no_limited_log_from_starting() {
    let dir = tempfile::tempdir().expect("a directory");
    let (disk, mut setup) = super::disk::setup();
    disk.fill(true);
    setup.config.admission = config(dir.path(), "key KEY 2");
    let log = setup.start().await;
    disk.fill(false);
    log.guard_passed().await;
    add(&log, 1).await.expect("taken");
    add(&log, 2).await.expect("taken");
    log.stop().await;
    let log = setup.start().await;
    log.guard_passed().await;
    assert!(is_limited(&add(&log, 3).await), "saved once there was room");
}

#[tokio::test]
async fn a_forged_leaf_is_refused_before_its_token_costs_a_question() {
    let dir = tempfile::tempdir().expect("a directory");
    let (_setup, log) = limited(dir.path(), "key KEY 1").await;
    let token = SubmitToken { domain: "example.org".into(), signature: Signature::new([1; 64]) };
    let mut forged = submission(1);
    forged.signature = Signature::new([2; 64]);
    let refused = log.handle.api().add_leaf(&forged, Some(&token)).await;
    assert!(matches!(refused, Err(ApiError::Forbidden(_))), "{refused:?}");
    let page = log.metrics.encode();
    for outcome in ["found", "missing", "failed"] {
        let line = format!("sigsum_log_dns_look_ups_total{{outcome=\"{outcome}\"}} 0");
        assert!(page.lines().any(|shown| shown == line), "{line} in {page}");
    }
}

#[tokio::test]
async fn new_limits_are_taken_up_whole_or_not_at_all() {
    let dir = tempfile::tempdir().expect("a directory");
    let (setup, log) = limited(dir.path(), "key KEY 1").await;
    add(&log, 1).await.expect("taken");
    let reload = async |limits: &str, interval_s: u64| {
        let mut new = setup.config.clone();
        new.admission = config(dir.path(), limits);
        new.interval = std::time::Duration::from_secs(interval_s);
        let (policy, witnesses) = (setup.policy.clone(), Witnesses::Given(Vec::new()));
        log.handle.reloader().reload(NewSettings { config: new, policy, witnesses }).await
    };
    let refused = reload("key KEY 100\nnonsense", 7).await;
    assert!(matches!(refused, Err(ReloadError::Limits(_))), "{refused:?}");
    assert!(is_limited(&add(&log, 2).await));
    let same = reload("# another comment\nkey KEY 1", 60).await.expect("taken up");
    assert_eq!(same.changed, Vec::<&str>::new(), "nothing of the bad one was taken up");
    let taken = reload("key KEY 2", 60).await.expect("taken up");
    assert_eq!(taken.changed, ["rate-limit-file"]);
    add(&log, 2).await.expect("one more");
    assert!(is_limited(&add(&log, 3).await), "the first is counted still");
}

#[tokio::test]
async fn the_pages_tell_everybody_the_limits_and_the_operator_who_used_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let (_setup, log) = limited(dir.path(), "key KEY 7\nglobal 1000").await;
    add(&log, 1).await.expect("taken");
    let public = log.get("/").await;
    let internal = get(log.internal(), "/status").await;
    let hash = submission(0).public_key.key_hash().to_hex();
    for page in [public.text(), internal.text()] {
        assert!(page.contains("1000 leaves in 24 hours"), "{page}");
    }
    assert!(!public.text().contains(&hash), "{}", public.text());
    assert!(internal.text().contains(&hash), "{}", internal.text());
    let line = "key ".to_owned() + &hash;
    assert!(internal.text().contains(&line), "{}", internal.text());
}
