//! The state directory: resuming, added keys, crashes between report and save, bad files.

use crate::fake_log::{Collector, FakeLog, leaf, run, run_with, signer};
use sigsum_monitor::WatchList;
use sigsum_monitor::state::{StateDir, StateError, format, parse};
use std::sync::{Arc, Barrier};

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_where_the_last_run_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let mine = signer(1);
    let log = FakeLog::new(10, (0..100).map(|n| leaf(&mine, n)).collect());
    let monitor = run(&[&log], &[mine.public_key()], Some(directory.path()));
    monitor.polls(1).await;
    monitor.stop().await;
    log.set(|state| {
        state.asked.clear();
        state.leaves.push(leaf(&mine, 100));
    });
    let monitor = run(&[&log], &[mine.public_key()], Some(directory.path()));
    monitor.polls(1).await;
    assert_eq!(monitor.stop().await.indices(), [100]);
    assert_eq!(log.state.lock().unwrap().asked, [100]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_added_is_looked_for_from_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let (mine, added) = (signer(1), signer(2));
    let log = FakeLog::new(10, vec![leaf(&mine, 0), leaf(&added, 1)]);
    let monitor = run(&[&log], &[mine.public_key()], Some(directory.path()));
    monitor.polls(1).await;
    assert_eq!(monitor.stop().await.indices(), [0]);
    let both = [mine.public_key(), added.public_key()];
    let monitor = run(&[&log], &both, Some(directory.path()));
    monitor.polls(1).await;
    assert_eq!(monitor.stop().await.indices(), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_removed_starts_nothing_over() {
    let directory = tempfile::tempdir().unwrap();
    let (mine, removed) = (signer(1), signer(2));
    let log = FakeLog::new(10, vec![leaf(&mine, 0), leaf(&removed, 1)]);
    let both = [mine.public_key(), removed.public_key()];
    let monitor = run(&[&log], &both, Some(directory.path()));
    monitor.polls(1).await;
    monitor.stop().await;
    let monitor = run(&[&log], &[mine.public_key()], Some(directory.path()));
    monitor.polls(1).await;
    assert_eq!(monitor.stop().await.indices(), Vec::<u64>::new());
}

#[tokio::test(start_paused = true)]
async fn leaves_whose_report_failed_are_reported_again() {
    let directory = tempfile::tempdir().unwrap();
    let log = FakeLog::new(10, vec![leaf(&signer(1), 0)]);
    let collector = Arc::new(Collector::default());
    *collector.refuses_leaves.lock().unwrap() = true;
    let monitor = run_with(&[&log], &[], Some(directory.path()), Arc::clone(&collector));
    monitor.polls(2).await;
    assert_eq!(collector.indices(), Vec::<u64>::new());
    *collector.refuses_leaves.lock().unwrap() = false;
    monitor.polls(2).await;
    assert_eq!(monitor.stop().await.indices(), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_monitor_whose_reader_is_gone_ends_and_the_next_one_reports_all() {
    let directory = tempfile::tempdir().unwrap();
    let log = FakeLog::new(10, vec![leaf(&signer(1), 0)]);
    let collector = Arc::new(Collector::default());
    *collector.has_no_reader.lock().unwrap() = true;
    run_with(&[&log], &[], Some(directory.path()), Arc::clone(&collector)).end().await;
    let monitor = run(&[&log], &[], Some(directory.path()));
    monitor.polls(1).await;
    assert_eq!(monitor.stop().await.indices(), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_monitor_has_stopped_only_when_its_last_report_has_ended() {
    let directory = tempfile::tempdir().unwrap();
    let log = FakeLog::new(10, vec![leaf(&signer(1), 0)]);
    let collector = Arc::new(Collector::default());
    let reader = Arc::new(Barrier::new(2));
    *collector.slow_reader.lock().unwrap() = Some(Arc::clone(&reader));
    let monitor = run_with(&[&log], &[], Some(directory.path()), Arc::clone(&collector));
    let reads = Arc::clone(&reader);
    tokio::task::spawn_blocking(move || reads.wait()).await.unwrap();
    let stopping = monitor.stopping();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!stopping.is_finished(), "a report is under way");
    *collector.slow_reader.lock().unwrap() = None;
    reader.wait();
    stopping.await.unwrap();
    StateDir::open(directory.path(), &WatchList::Everything).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_second_monitor_cannot_open_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let _first = StateDir::open(directory.path(), &WatchList::Everything).unwrap();
    let second = StateDir::open(directory.path(), &WatchList::Everything);
    assert!(matches!(second, Err(StateError::Lock(_))), "{second:?}");
}

/// A state file after seven leaves.
async fn stored() -> String {
    let directory = tempfile::tempdir().unwrap();
    let log = FakeLog::new(10, (0..7).map(|n| leaf(&signer(1), n)).collect());
    let monitor = run(&[&log], &[], Some(directory.path()));
    monitor.polls(1).await;
    monitor.stop().await;
    let file = directory.path().join(log.key().key_hash().to_hex());
    std::fs::read_to_string(file).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_is_read_back_and_written_the_same() {
    let text = stored().await;
    let view = parse(text.as_bytes()).unwrap();
    assert_eq!(view.next_leaf().0, 7);
    assert_eq!(format(&view), Some(text));
}

#[tokio::test(start_paused = true)]
async fn a_state_as_sigsum_go_describes_it_is_read_from_the_first_leaf() {
    let text = stored().await;
    let documented: String =
        text.lines().filter(|l| !l.starts_with("node_hash")).map(|l| format!("{l}\n")).collect();
    let view = parse(documented.as_bytes()).unwrap();
    assert_eq!((view.head_size().0, view.next_leaf().0), (7, 0));
}

#[tokio::test(start_paused = true)]
async fn a_state_beyond_its_tree_is_refused() {
    let text = stored().await.replace("next_leaf_index=7", "next_leaf_index=8");
    assert!(parse(text.as_bytes()).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_state_with_too_few_node_hashes_is_refused() {
    let text = stored().await;
    let last = text.rfind("node_hash").unwrap();
    assert!(parse(&text.as_bytes()[..last]).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_truncated_state_is_refused() {
    let text = stored().await;
    assert!(parse(&text.as_bytes()[..text.len() - 1]).is_err());
    assert!(parse(b"").is_err());
}
