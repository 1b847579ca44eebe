//! What a restart keeps: acknowledged leaves, the published head with its quorum, old sizes.

use super::support::*;
use sigsum_core::merkle::ConsistencyClaim;
use sigsum_core::wire::log::GetConsistencyProof;
use sigsum_core::{SignedTreeHead, TreeSize};

#[tokio::test]
async fn the_published_head_is_served_at_once_with_all_its_cosignatures() {
    let setup = Setup::new(3, 2);
    let log = setup.start().await;
    log.submit(0..5).await;
    log.published(5).await;
    assert!(log.handle.until(|s| s.cosignatures == 3).await);
    let before = log.head().await;
    log.stop().await;

    for witness in &setup.witnesses {
        witness.is(Mood::Silent);
    }
    let log = setup.start().await;
    assert_eq!(log.head().await, before);
    assert!(log.has_quorum(&log.head().await));
    let checkpoint = log.get("/checkpoint").await;
    assert_eq!(checkpoint.text().lines().filter(|l| l.starts_with('\u{2014}')).count(), 4);
    let ready = get(log.internal(), "/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("start guard: too few witnesses"), "{}", ready.text());
}

#[tokio::test]
async fn a_head_without_quorum_does_not_take_its_place_after_a_restart_either() {
    let setup = Setup::new(2, 2);
    let log = setup.start().await;
    log.submit(0..3).await;
    log.published(3).await;
    log.stop().await;
    let log = setup.start().await;
    log.guard_passed().await;
    setup.witnesses[0].is(Mood::Unavailable);
    log.submit(3..9).await;
    assert!(log.handle.until(|s| s.heads.quorum_missing).await);
    assert_eq!(log.head().await.signed.tree_head.size, TreeSize(3));
    log.stop().await;
    setup.witnesses[0].is(Mood::Good);
    let log = setup.start().await;
    assert!(log.has_quorum(&log.published(9).await));
}

#[tokio::test]
async fn acknowledged_leaves_keep_their_index_though_no_head_was_signed_over_them() {
    let setup = Setup::new(1, 1);
    let log = setup.start().await;
    log.guard_passed().await;
    setup.witnesses[0].is(Mood::Silent);
    log.submit(0..40).await;
    log.stop().await;
    setup.witnesses[0].is(Mood::Good);
    let log = setup.start().await;
    log.submit(0..41).await;
    log.published(41).await;
    let leaves = log.get("/get-leaves/0/41").await;
    let leaves = sigsum_core::wire::log::parse_leaves(&leaves.body, 41).expect("well formed");
    let expected: Vec<_> = (0..41).map(|number| submission(number).leaf()).collect();
    assert_eq!(leaves, expected);
}

#[tokio::test]
async fn witnesses_are_asked_from_the_size_they_cosigned_before() {
    let setup = Setup::new(1, 1);
    let log = setup.start().await;
    log.submit(0..5).await;
    log.published(5).await;
    log.stop().await;
    let before = setup.witnesses[0].requests();
    let log = setup.start().await;
    log.submit(5..6).await;
    log.published(6).await;
    // A refresh of the old head may have come first; none of the requests was a conflict.
    assert!(setup.witnesses[0].requests() - before <= 2);
    assert!(!log.metrics.encode().contains("status=\"409\""));
}

#[tokio::test]
async fn heads_stay_consistent_over_many_restarts() {
    let setup = Setup::new(3, 2);
    let mut heads: Vec<SignedTreeHead> = Vec::new();
    let mut size = 0;
    for round in 0..12_u64 {
        let log = setup.start().await;
        let served = log.published(size).await;
        heads.push(served.signed);
        let more = [0, 1, 7, 100, 255, 2][round as usize % 6];
        log.submit(size..size + more).await;
        size += more;
        // Every other time the log stops before the new head is published.
        if round % 2 == 0 {
            heads.push(log.published(size).await.signed);
        }
        log.stop().await;
    }
    let log = setup.start().await;
    let last = log.published(size).await.signed.tree_head;
    for head in heads {
        assert!(head.verify(&log_key()));
        let old = head.tree_head;
        let path = if old.size.0 == 0 || old.size == last.size {
            Vec::new()
        } else {
            let sizes = GetConsistencyProof { old_size: old.size, new_size: last.size };
            let proof = log.handle.api().get_consistency_proof(sizes).await;
            proof.expect("a proof").path
        };
        ConsistencyClaim { old, new: last, path: &path }.verify().expect("consistent");
    }
}

#[tokio::test]
async fn a_witness_taken_out_of_the_policy_leaves_its_cosignature_on_the_old_head() {
    let setup = Setup::new(3, 2);
    let log = setup.start().await;
    log.submit(0..5).await;
    log.published(5).await;
    assert!(log.handle.until(|s| s.cosignatures == 3).await);
    log.stop().await;
    let mut smaller = Setup::new(1, 1);
    smaller.config = setup.config.clone();
    smaller.witnesses = vec![setup.witnesses[0].clone()];
    smaller.witnesses[0].is(Mood::Silent);
    let log = smaller.start().await;
    assert_eq!(log.head().await.cosignatures().len(), 3);
    assert!(log.handle.status().quorum);
}

#[tokio::test]
async fn stopping_answers_requests_that_run_and_gives_the_data_free() {
    let setup = Setup::new(1, 1);
    let log = setup.start().await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..50 {
        let api = log.handle.api();
        tasks.spawn(async move { api.add_leaf(&submission(number), None).await });
    }
    let answers = async {
        let mut committed = 0;
        while let Some(answer) = tasks.join_next().await {
            committed += usize::from(answer.expect("no panic").is_ok());
        }
        committed
    };
    let ((), committed) = tokio::join!(log.stop(), answers);
    let log = setup.start().await;
    let size = log.handle.status().committed_size.0 as usize;
    assert!(size >= committed, "{size} leaves, {committed} acknowledged");
}
