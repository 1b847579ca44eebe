//! Dead, lying and unwitnessed logs.

use crate::fake_log::{Behaviour, FakeLog, NOW_S, leaf, run, signer};

#[tokio::test(start_paused = true)]
async fn a_dead_log_is_reported_once_and_does_not_stop_the_others() {
    let mine = signer(1);
    let dead = FakeLog::new(10, vec![leaf(&mine, 0)]);
    let alive = FakeLog::new(11, vec![leaf(&mine, 1)]);
    dead.set(|state| state.behaviour = Behaviour::Dead);
    let monitor = run(&[&dead, &alive], &[mine.public_key()], None);
    monitor.polls(5).await;
    alive.set(|state| state.leaves.push(leaf(&mine, 2)));
    monitor.polls(2).await;
    dead.set(|state| state.behaviour = Behaviour::Honest);
    monitor.polls(2).await;
    let collector = monitor.stop().await;
    let alerts = collector.alerts();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert!(alerts[0].contains("Log not responding as expected"), "{alerts:?}");
    assert_eq!(collector.indices(), [0, 1, 0]);
    let back = format!("Log {}: responding and consistent again", dead.key().key_hash());
    assert!(collector.lines().contains(&back));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_shrinks_is_reported() {
    let log = FakeLog::new(10, (0..3).map(|n| leaf(&signer(1), n)).collect());
    let monitor = run(&[&log], &[], None);
    monitor.polls(1).await;
    log.set(|state| state.leaves.truncate(2));
    monitor.polls(1).await;
    let alerts = monitor.stop().await.alerts();
    assert!(alerts[0].contains("monitored log has shrunk from size 3 to 2"), "{alerts:?}");
}

#[tokio::test(start_paused = true)]
async fn another_root_at_the_same_size_is_reported() {
    let log = FakeLog::new(10, (0..3).map(|n| leaf(&signer(1), n)).collect());
    let monitor = run(&[&log], &[], None);
    monitor.polls(1).await;
    log.set(|state| state.leaves[1] = leaf(&signer(2), 9));
    monitor.polls(1).await;
    let alerts = monitor.stop().await.alerts();
    assert!(alerts[0].contains("two roots at size 3"), "{alerts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rewritten_past_is_reported_and_none_of_its_leaves() {
    let log = FakeLog::new(10, (0..3).map(|n| leaf(&signer(1), n)).collect());
    let monitor = run(&[&log], &[], None);
    monitor.polls(1).await;
    log.set(|state| {
        state.leaves[1] = leaf(&signer(2), 9);
        state.leaves.push(leaf(&signer(2), 10));
    });
    monitor.polls(2).await;
    let collector = monitor.stop().await;
    assert_eq!(collector.indices(), [0, 1, 2]);
    let alerts = collector.alerts();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert!(
        alerts[0].contains("Log tree head not consistent: from size 3 to size 4"),
        "{alerts:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn leaves_that_are_not_those_of_the_head_are_not_reported() {
    let log = FakeLog::new(10, (0..600).map(|n| leaf(&signer(1), n)).collect());
    log.set(|state| state.behaviour = Behaviour::AltersLeaf(300));
    let monitor = run(&[&log], &[], None);
    monitor.polls(2).await;
    let collector = monitor.stop().await;
    assert_eq!(collector.indices(), Vec::<u64>::new());
    let alerts = collector.alerts();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert!(alerts[0].contains("are not those of the head of size 600"), "{alerts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leaf_that_names_a_watched_key_with_a_bad_signature_is_reported_as_forged() {
    let mine = signer(1);
    let mut forged = leaf(&mine, 0);
    forged.signature = leaf(&mine, 1).signature;
    let log = FakeLog::new(10, vec![forged]);
    let monitor = run(&[&log], &[mine.public_key()], None);
    monitor.polls(1).await;
    let collector = monitor.stop().await;
    assert_eq!(collector.indices(), Vec::<u64>::new());
    let alerts = collector.alerts();
    assert!(alerts[0].contains("leaf 0 names a watched key"), "{alerts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_head_without_quorum_is_reported_and_its_leaves_too() {
    let log = FakeLog::new(10, vec![leaf(&signer(1), 0)]);
    log.set(|state| state.behaviour = Behaviour::WithoutCosignatures);
    let monitor = run(&[&log], &[], None);
    monitor.polls(3).await;
    let collector = monitor.stop().await;
    assert_eq!(collector.indices(), [0]);
    let alerts = collector.alerts();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert!(alerts[0].contains("quorum not reached"), "{alerts:?}");
}

#[tokio::test(start_paused = true)]
async fn old_cosignatures_are_reported() {
    let log = FakeLog::new(10, vec![leaf(&signer(1), 0)]);
    log.set(|state| state.cosigned_at_s = NOW_S - 3601);
    let monitor = run(&[&log], &[], None);
    monitor.polls(1).await;
    let alerts = monitor.stop().await.alerts();
    assert!(alerts[0].contains("3601 s old, limit 3600 s"), "{alerts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_link_that_cannot_carry_large_batches_gets_smaller_ones() {
    let log = FakeLog::new(10, (0..1000).map(|n| leaf(&signer(1), n)).collect());
    log.set(|state| state.behaviour = Behaviour::ChokesAbove(20));
    let monitor = run(&[&log], &[], None);
    monitor.polls(1).await;
    let collector = monitor.stop().await;
    assert_eq!(collector.indices(), (0..1000).collect::<Vec<_>>());
    assert_eq!(collector.alerts(), Vec::<String>::new());
}
