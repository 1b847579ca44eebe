//! Charges, their file, and restarts of every kind.

use super::*;
use crate::config::AdmissionConfig;
use crate::metrics::LogMetrics;
use sigsum_limits::{LimitFile, SuffixList};
use sigsum_service::clock::ManualClock;
use sigsum_service::metrics::Registry;
use sigsum_store::Place;
use std::time::Duration;
use tokio::time::advance;

pub(super) const KEY: KeyHash = KeyHash::new([7; 32]);
const OTHER: KeyHash = KeyHash::new([8; 32]);
const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn loaded(text: &str) -> Loaded {
    let file = LimitFile::parse(text.as_bytes()).unwrap();
    let suffixes = SuffixList::parse(b"org\n").unwrap();
    Loaded { path: "limits".into(), rules: Rules::new(file, Some(suffixes), false) }
}

pub(super) fn metrics(registry: &Registry) -> LimitMetrics {
    LogMetrics::register(registry).unwrap().limits.clone()
}

fn limits(text: &str) -> Limits {
    Limits::new(Some(loaded(text)), Quota::new(), QuotaTime(0), metrics(&Registry::new()))
}

/// Adds a leaf with this key; whether it was let in.
pub(super) fn add(limits: &Limits, key: KeyHash) -> bool {
    limits.admit(&key, None).map(Permit::settle).is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_not_settled_is_free_again() {
    let limits = limits(&format!("key {KEY} 1"));
    for _ in 0..10_000 {
        drop(limits.admit(&KEY, None).unwrap());
    }
    let first = limits.admit(&KEY, None).unwrap();
    assert!(limits.admit(&KEY, None).is_err(), "one at a time");
    first.settle();
    assert!(!add(&limits, KEY));
    advance(DAY).await;
    assert!(add(&limits, KEY));
}

#[tokio::test(start_paused = true)]
async fn other_limits_keep_what_was_counted() {
    let limits = limits(&format!("key {KEY} 2\nkey {OTHER} 5"));
    assert!(add(&limits, KEY) && add(&limits, KEY) && !add(&limits, KEY));
    limits.replace(Some(loaded(&format!("key {KEY} 3"))));
    assert!(add(&limits, KEY) && !add(&limits, KEY), "two of three were used");
    assert_eq!(limits.admit(&OTHER, None).map(drop), Err(Refused::Unlisted(Unlisted::NoToken)));
    limits.replace(None);
    assert!((0..10).all(|_| add(&limits, KEY)), "nobody is limited");
    limits.replace(Some(loaded(&format!("key {KEY} 4"))));
    assert!(add(&limits, KEY) && !add(&limits, KEY), "what had no limit was not counted");
}

#[tokio::test(start_paused = true)]
async fn refusals_are_counted_by_limit() {
    let registry = Registry::new();
    let text = format!("key {KEY} 1\npublic x 5\nglobal 2\nburst-public 1 60\n");
    let limits = Limits::new(Some(loaded(&text)), Quota::new(), QuotaTime(0), metrics(&registry));
    let domain = Domain::parse("a.example.org").unwrap();
    assert!(add(&limits, KEY) && !add(&limits, KEY) && !add(&limits, OTHER));
    limits.admit(&OTHER, Some(&domain)).unwrap().settle();
    assert!(limits.admit(&OTHER, Some(&domain)).is_err());
    advance(Duration::from_secs(60)).await;
    assert!(limits.admit(&OTHER, Some(&domain)).is_err());
    let page = registry.encode();
    for (limit, count) in [("key", 1), ("unlisted", 1), ("burst", 1), ("global", 1), ("public", 0)]
    {
        let line = format!("sigsum_log_refused_total{{limit=\"{limit}\"}} {count}");
        assert!(page.lines().any(|shown| shown == line), "{line} in {page}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_status_tells_what_all_together_may_add() {
    let status = |text: &str| limits(text).status().unwrap();
    // The test domain has a line that lets nobody in.
    let all = status(&format!("key {KEY} 10\ndomain a.org 20\npublic x 5\nglobal 100"));
    assert_eq!((all.keys, all.domains, all.public), (1, 2, Some(5)));
    assert_eq!(all.most_bytes_per_day, Some(100 * 165));
    assert_eq!(status(&format!("key {KEY} 10")).most_bytes_per_day, Some(10 * 165));
    let public = status(&format!("key {KEY} 10\npublic x 5\nglobal-public 40"));
    assert_eq!(public.most_bytes_per_day, Some(50 * 165));
    assert_eq!(status("public x 5").most_bytes_per_day, None);
    let limits = limits(&format!("key {KEY} 10\nkey {OTHER} 10"));
    assert!(add(&limits, KEY) && add(&limits, OTHER) && add(&limits, OTHER));
    let fullest = limits.status().unwrap().fullest;
    let fullest: Vec<_> = fullest.into_iter().map(|c| (c.bucket, c.leaves)).collect();
    assert_eq!(fullest, [(Bucket::Key(OTHER), 2), (Bucket::Key(KEY), 1)]);
}

/// The counters of one data directory, over restarts.
struct Kept {
    place: Place,
    clock: Arc<ManualClock>,
}

impl Kept {
    fn new(dir: &tempfile::TempDir) -> Self {
        Self { place: Place::dir(dir.path()), clock: Arc::new(ManualClock::at_s(1_750_000_000)) }
    }

    fn start(&self, text: &str) -> (Limits, KeeperThread) {
        let (keeper, kept) = Keeper::open(self.place.clone(), true, self.clock.clone());
        let metrics = metrics(&Registry::new());
        let limits = Limits::new(Some(loaded(text)), kept.quota, kept.now, metrics);
        let thread = keeper.start(&limits).unwrap();
        (limits, thread)
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_keeps_what_was_counted_and_the_time_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Kept::new(&dir);
    let text = format!("key {KEY} 3");
    for step in 0..3 {
        let (limits, mut thread) = kept.start(&text);
        assert!(add(&limits, KEY), "{step}");
        thread.stop();
    }
    let (limits, mut thread) = kept.start(&text);
    assert!(!add(&limits, KEY));
    advance(DAY).await;
    assert!(add(&limits, KEY), "what was counted before is forgotten like the rest");
    thread.stop();
}

#[tokio::test(start_paused = true)]
async fn damaged_counters_do_not_keep_the_log_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Kept::new(&dir);
    let text = format!("key {KEY} 1");
    let (limits, mut thread) = kept.start(&text);
    assert!(add(&limits, KEY));
    thread.stop();
    kept.place.file("quota/snapshot").replace(b"rubbish", 0o600).unwrap();
    let (limits, mut thread) = kept.start(&text);
    assert!(add(&limits, KEY));
    thread.stop();
    assert!(kept.place.file("quota/snapshot.damaged").exists().unwrap());
}

#[tokio::test(start_paused = true)]
async fn counters_that_cannot_be_read_are_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Kept::new(&dir);
    let text = format!("key {KEY} 1");
    let (limits, mut thread) = kept.start(&text);
    assert!(add(&limits, KEY));
    thread.stop();
    // What was added to the snapshot cannot be read, as on a disk that fails.
    let added = kept.place.private_dir("quota").unwrap().names().unwrap();
    let added = added.iter().find(|name| name.starts_with("added-")).unwrap().clone();
    let (path, aside) = (dir.path().join("quota").join(&added), dir.path().join("aside"));
    std::fs::rename(&path, &aside).unwrap();
    std::fs::create_dir(&path).unwrap();
    let (limits, mut thread) = kept.start(&text);
    assert!(add(&limits, KEY), "nothing is known of what was counted");
    thread.stop();
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(&aside, &path).unwrap();
    let (limits, mut thread) = kept.start(&text);
    assert!(!add(&limits, KEY), "what was counted first is there still");
    thread.stop();
}

#[tokio::test(start_paused = true)]
async fn counters_that_cannot_be_written_are_known_and_saved_once_they_can() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Kept::new(&dir);
    let text = format!("key {KEY} 2");
    let (limits, mut thread) = kept.start(&text);
    assert!(add(&limits, KEY));
    thread.stop();
    // No snapshot can be written, as on a disk that is full.
    let blocked = dir.path().join("quota/.snapshot.tmp");
    std::fs::create_dir(&blocked).unwrap();
    let (limits, mut thread) = kept.start(&text);
    std::fs::remove_dir(&blocked).unwrap();
    assert!(add(&limits, KEY) && !add(&limits, KEY), "the first is counted still");
    thread.stop();
    let (limits, mut thread) = kept.start(&text);
    assert!(!add(&limits, KEY), "and so is the second");
    thread.stop();
}

#[tokio::test(start_paused = true)]
async fn what_everybody_may_know_is_told_while_the_counters_are_in_use() {
    let limits = limits(&format!("key {KEY} 5"));
    let counters = limits.inner.quota();
    let (told, heard) = std::sync::mpsc::channel();
    let asked = limits.clone();
    std::thread::spawn(move || told.send(public_rows(asked.rules().as_ref())));
    let rows = heard.recv_timeout(Duration::from_secs(60)).unwrap();
    drop(counters);
    assert!(!rows.is_empty());
}

#[tokio::test(start_paused = true)]
async fn limits_that_come_later_are_kept_too() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Kept::new(&dir);
    let (keeper, _) = Keeper::open(kept.place.clone(), false, kept.clock.clone());
    assert_eq!(kept.place.names().unwrap(), Vec::<String>::new(), "nothing is made unasked");
    let limits = Limits::new(None, Quota::new(), QuotaTime(0), metrics(&Registry::new()));
    let mut thread = keeper.start(&limits).unwrap();
    let text = format!("key {KEY} 1");
    limits.replace(Some(loaded(&text)));
    assert!(add(&limits, KEY));
    thread.stop();
    let (limits, mut thread) = kept.start(&text);
    assert!(!add(&limits, KEY));
    thread.stop();
}

#[test]
fn each_way_of_having_no_limits_to_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("limits");
    let suffixes = dir.path().join("suffixes");
    let config = AdmissionConfig { rate_limit_file: Some(path.clone()), ..Default::default() };
    let write = |path: &std::path::Path, text: &str| {
        sigsum_store::durable::write_atomic(path, text.as_bytes(), 0o644).unwrap();
    };
    let load = || load(&config).map(|loaded| loaded.is_some());
    assert!(matches!(load(), Err(LimitsError::Missing(_))));
    write(&path, "nonsense 1 2");
    assert!(matches!(load(), Err(LimitsError::File { .. })));
    write(&path, &format!("public {} 5", suffixes.display()));
    assert!(matches!(load(), Err(LimitsError::MissingSuffixes(_))));
    write(&suffixes, "// nothing");
    assert!(matches!(load(), Err(LimitsError::Suffixes { .. })));
    write(&suffixes, "org");
    assert!(matches!(load(), Ok(true)));
    write(&path, "public /nowhere 0");
    assert!(matches!(load(), Ok(true)), "a list that nothing needs");
    let directory = AdmissionConfig { rate_limit_file: Some(dir.path().into()), ..config.clone() };
    assert!(matches!(super::load(&directory), Err(LimitsError::Read(_))));
    assert!(matches!(super::load(&AdmissionConfig::default()), Ok(None)));
}
