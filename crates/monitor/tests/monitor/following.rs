//! What an honest log's leaves look like in the report.

use crate::fake_log::{FakeLog, leaf, run, signer};

#[tokio::test(start_paused = true)]
async fn leaves_of_watched_keys_are_printed_as_the_go_tool_prints_them() {
    let (mine, other) = (signer(1), signer(2));
    let leaves = vec![leaf(&other, 0), leaf(&mine, 1), leaf(&other, 2)];
    let log = FakeLog::new(10, leaves.clone());
    let monitor = run(&[&log], &[mine.public_key()], None);
    monitor.polls(1).await;
    let id = log.key().key_hash();
    assert_eq!(
        monitor.stop().await.lines(),
        [
            format!("New {id} tree, size 3"),
            format!(
                "New {id} leaves, count 1, total processed 3\n  index 1 keyhash {} checksum {}",
                mine.public_key().key_hash(),
                leaves[1].checksum
            ),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn without_keys_every_leaf_is_reported() {
    let log = FakeLog::new(10, (0..7).map(|n| leaf(&signer(n as u8 + 1), n)).collect());
    let monitor = run(&[&log], &[], None);
    monitor.polls(1).await;
    assert_eq!(monitor.stop().await.indices(), (0..7).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn growth_is_followed_without_reading_a_leaf_twice() {
    let mine = signer(1);
    let log = FakeLog::new(10, vec![leaf(&mine, 0)]);
    let monitor = run(&[&log], &[mine.public_key()], None);
    for n in 1..6 {
        monitor.polls(1).await;
        log.set(|state| state.leaves.push(leaf(&mine, n)));
    }
    monitor.polls(2).await;
    let collector = monitor.stop().await;
    assert_eq!(collector.indices(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(log.state.lock().unwrap().asked, [0, 1, 2, 3, 4, 5]);
    assert_eq!(collector.alerts(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_one_leaf_behind_a_full_batch_is_verified_too() {
    let mine = signer(1);
    let log = FakeLog::new(10, (0..513).map(|n| leaf(&mine, n)).collect());
    let monitor = run(&[&log], &[mine.public_key()], None);
    monitor.polls(1).await;
    assert_eq!(monitor.stop().await.indices(), (0..513).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_log_that_serves_one_leaf_at_a_time_is_followed() {
    let mine = signer(1);
    let log = FakeLog::new(10, (0..40).map(|n| leaf(&mine, n)).collect());
    log.set(|state| state.max_range = 1);
    let monitor = run(&[&log], &[mine.public_key()], None);
    monitor.polls(1).await;
    assert_eq!(monitor.stop().await.indices(), (0..40).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_log_without_leaves_is_no_trouble() {
    let log = FakeLog::new(10, vec![]);
    let monitor = run(&[&log], &[], None);
    monitor.polls(3).await;
    assert_eq!(monitor.stop().await.lines(), Vec::<String>::new());
}
