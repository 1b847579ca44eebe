//! More leaves than may wait for a disk that does not answer.

use super::disk::setup;
use super::support::*;
use sigsum_api::{AddLeafStatus, ApiError};
use sigsum_core::TreeSize;
use sigsum_log::engine::intake::MAX_WAITING_LEAVES;
use tokio::task::JoinSet;

/// Leaves before the disk stalls.
const FIRST: u64 = 2;
/// Leaves that are offered beyond those that may wait.
const SURPLUS: u64 = 100;
/// Leaves that are offered over HTTP when no more may wait.
const OVER_HTTP: u64 = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaves_beyond_those_that_may_wait_are_503_and_the_others_200_later() {
    let (faults, setup) = setup();
    let log = setup.start().await;
    log.guard_passed().await;
    // With a head of two leaves nobody is answered 202 for sigsum-submit's sake.
    log.submit(0..FIRST).await;
    log.published(FIRST).await;
    let waiting = MAX_WAITING_LEAVES as u64;

    faults.stall_files(Some(""));
    let mut tasks = JoinSet::new();
    for number in FIRST..FIRST + waiting + SURPLUS {
        let api = log.handle.api().clone();
        tasks.spawn(async move { api.add_leaf(&submission(number), None).await });
    }
    for _ in 0..SURPLUS {
        let outcome = tasks.join_next().await.expect("tasks").expect("no panic");
        let refused =
            matches!(outcome, Err(ApiError::Unavailable { retry_after_s: Some(1..), .. }));
        assert!(refused, "{outcome:?}");
    }
    let end = FIRST + waiting + SURPLUS;
    for number in 0..OVER_HTTP {
        let body = submission(end + number).to_body();
        let answer = request(log.external(), "POST", "/add-leaf", &[], &body).await;
        assert_eq!(answer.status, 503, "{}", answer.text());
        let seconds = answer.header("retry-after").and_then(|text| text.parse::<u32>().ok());
        assert!(seconds.is_some_and(|seconds| seconds > 0), "{seconds:?}");
    }
    assert_eq!(log.handle.status().committed_size, TreeSize(FIRST));

    faults.stall_files(None);
    while let Some(outcome) = tasks.join_next().await {
        let outcome = outcome.expect("no panic");
        assert!(matches!(outcome, Ok(AddLeafStatus::Committed)), "{outcome:?}");
    }
    assert_eq!(log.handle.status().committed_size, TreeSize(FIRST + waiting));
    log.published(FIRST + waiting).await;
    log.submit(end..end + OVER_HTTP).await;
    log.stop().await;
}
