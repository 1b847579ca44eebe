//! Many requests at once: a log never goes backwards, and what was answered was stored first.

use super::*;
use crate::store::Outcome;
use crate::testing::faulty;
use std::sync::Mutex;

/// A small generator of numbers, so that a failure can be repeated.
fn numbers(mut seed: u64) -> impl FnMut(u64) -> u64 {
    move |below| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    }
}

/// One client that knows nothing of the others: sends random sizes, learns from conflicts.
async fn client(witness: Arc<Witness>, log: Arc<TestLog>, seed: u64) -> Vec<u64> {
    let mut random = numbers(seed);
    let mut known = 0;
    let mut cosigned = Vec::new();
    for _ in 0..40 {
        let new = (known + random(4)).min(255);
        match witness.add_checkpoint(&log.request(known, new)).await {
            Ok(_) => {
                cosigned.push(new);
                known = new;
            }
            Err(AddCheckpointError::Conflict { size }) => known = size.0,
            Err(AddCheckpointError::Unavailable { .. }) => tokio::task::yield_now().await,
            Err(other) => panic!("{other}"),
        }
    }
    cosigned
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_clients_of_one_log_none_gets_a_cosignature_backwards() {
    let (dir, log) = (data_dir(), Arc::new(TestLog::new(1)));
    let commits = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&commits);
    let watch = faulty(move |inner, advances, cosigned| {
        let outcomes = inner.commit(advances, cosigned)?;
        let advanced = advances.iter().zip(&outcomes).filter(|(_, o)| **o == Outcome::Advanced);
        seen.lock().unwrap().extend(advanced.map(|(a, _)| (a.expected.size.0, a.new.size.0)));
        Ok(outcomes)
    });
    let config = config(&dir, &[&log]);
    let witness = witness_with(&config, cosigner(), watch);
    let client = |seed| tokio::spawn(client(Arc::clone(&witness), Arc::clone(&log), seed));
    let clients: Vec<_> = (0..64).map(client).collect();
    let mut answered = Vec::new();
    for client in clients {
        answered.extend(client.await.unwrap());
    }
    let commits = std::mem::take(&mut *commits.lock().unwrap());
    let mut stored = 0;
    for (old, new) in &commits {
        assert_eq!(*old, stored, "an advance from something else than the stored head");
        assert!(*new >= *old, "backwards from {old} to {new}");
        stored = *new;
    }
    assert_eq!(answered.len(), commits.len(), "as many answers as stored heads");
    assert!(!answered.is_empty());
    assert_eq!(answered.iter().max(), Some(&stored));
    assert_eq!(witness.logs()[0].tree_head, Some(log.head(stored)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_forks_racing_from_one_head_one_is_cosigned() {
    for round in 0..20 {
        let (dir, log) = (data_dir(), TestLog::new(1));
        let witness = witness(&config(&dir, &[&log]));
        witness.add_checkpoint(&log.request(0, 5)).await.unwrap();
        let send = |tree: &TestLog| {
            let (witness, request) = (Arc::clone(&witness), tree.request(5, 9));
            tokio::spawn(async move { witness.add_checkpoint(&request).await })
        };
        let (honest, fork) = (send(&log), send(&log.fork(5)));
        let results = [honest.await.unwrap(), fork.await.unwrap()];
        let cosigned = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(cosigned, 1, "round {round}: {results:?}");
        let lost = Err(AddCheckpointError::Conflict { size: TreeSize(9) });
        assert!(results.contains(&lost), "{results:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_of_many_logs_share_transactions() {
    let dir = data_dir();
    let logs: Vec<_> = (0..40).map(TestLog::new).collect();
    let (entered, on_entered) = std::sync::mpsc::channel();
    let (release, on_release) = std::sync::mpsc::channel();
    let watch = faulty(move |inner, advances, cosigned| {
        entered.send(advances.len()).unwrap();
        on_release.recv().unwrap();
        inner.commit(advances, cosigned)
    });
    let witness = witness_with(&config(&dir, &logs.iter().collect::<Vec<_>>()), cosigner(), watch);
    let send = |log: &TestLog| {
        let (witness, request) = (Arc::clone(&witness), log.request(0, 1));
        tokio::spawn(async move { witness.add_checkpoint(&request).await })
    };
    let first = send(&logs[0]);
    assert_eq!(on_entered.recv().unwrap(), 1);
    let rest: Vec<_> = logs[1..].iter().map(send).collect();
    // All of them wait for the store once each log's lock is taken.
    while witness.max_in_flight - witness.in_flight.available_permits() < 40 {
        tokio::task::yield_now().await;
    }
    let mut commits = 1;
    for _ in 0..200 {
        let _ = release.send(());
    }
    for request in rest.into_iter().chain([first]) {
        request.await.unwrap().unwrap();
    }
    witness.close();
    commits += on_entered.try_iter().filter(|advances| *advances > 0).count();
    assert!(commits < 40, "{commits} transactions for 40 requests");
}
