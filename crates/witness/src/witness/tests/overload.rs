//! More work than there is time for: bounded queues, deadlines, one log cannot starve another.

use super::*;
use crate::config::{Config, MAX_IN_FLIGHT_PER_LOG};
use crate::store::Backend;
use crate::testing::{GatedSigner, faulty};
use std::sync::mpsc;
use tokio::task::JoinHandle;

type Answer = Result<Vec<SignatureLine>, AddCheckpointError>;

fn send(witness: &Arc<Witness>, request: AddCheckpointRequest) -> JoinHandle<Answer> {
    let witness = Arc::clone(witness);
    tokio::spawn(async move { witness.add_checkpoint(&request).await })
}

fn is_busy(answer: &Answer) -> bool {
    answer.as_ref().is_err_and(|error| error.retry_after_s() == Some(RETRY_AFTER_S))
}

type Wrap = Box<dyn FnOnce(Box<dyn Backend>) -> Box<dyn Backend>>;

/// A store that tells when a write comes and waits to be let go.
struct GatedStore {
    wrap: Wrap,
    entered: mpsc::Receiver<()>,
    release: mpsc::Sender<()>,
}

fn gated_store() -> GatedStore {
    let (on_entered, entered) = mpsc::channel();
    let (release, on_release) = mpsc::channel();
    let gate = faulty(move |inner, advances, cosigned| {
        if !advances.is_empty() {
            let _ = on_entered.send(());
            // A gone sender opens the gate.
            let _ = on_release.recv();
        }
        inner.commit(advances, cosigned)
    });
    GatedStore { wrap: Box::new(gate), entered, release }
}

#[tokio::test]
async fn a_full_queue_gives_503_with_retry_after_and_takes_requests_again_later() {
    let (dir, log, other) = (data_dir(), TestLog::new(1), TestLog::new(2));
    let signer = GatedSigner::new("cosignature/v1");
    let config = Config { max_in_flight: 1, ..config(&dir, &[&log, &other]) };
    let witness = witness_with(&config, CosignerKey::sigsum(signer.clone()), |backend| backend);
    let first = send(&witness, log.request(0, 7));
    signer.next().await;
    let second = witness.add_checkpoint(&other.request(0, 7)).await;
    assert!(is_busy(&second), "{second:?}");
    signer.gate.add_permits(2);
    first.await.unwrap().unwrap();
    witness.add_checkpoint(&other.request(0, 7)).await.unwrap();
}

#[tokio::test]
async fn one_log_cannot_take_all_places() {
    let (dir, greedy, other) = (data_dir(), TestLog::new(1), TestLog::new(2));
    let signer = GatedSigner::new(greedy.origin().as_str());
    let key = CosignerKey::sigsum(signer.clone());
    let witness = witness_with(&config(&dir, &[&greedy, &other]), key, |backend| backend);
    let first = send(&witness, greedy.request(0, 7));
    signer.next().await;
    let waiting: Vec<_> =
        (1..MAX_IN_FLIGHT_PER_LOG).map(|_| send(&witness, greedy.request(7, 8))).collect();
    while witness.logs.by_origin(&greedy.origin()).unwrap().places.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    let one_more = witness.add_checkpoint(&greedy.request(7, 8)).await;
    assert!(is_busy(&one_more), "{one_more:?}");
    witness.add_checkpoint(&other.request(0, 7)).await.unwrap();
    signer.gate.add_permits(MAX_IN_FLIGHT_PER_LOG);
    first.await.unwrap().unwrap();
    for answer in waiting {
        let answer = answer.await.unwrap();
        let conflict = Err(AddCheckpointError::Conflict { size: TreeSize(8) });
        assert!(answer.is_ok() || answer == conflict, "{answer:?}");
    }
}

#[tokio::test]
async fn a_request_past_its_deadline_is_not_signed() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let GatedStore { wrap: gate, entered, release } = gated_store();
    let signer = GatedSigner::new("nothing is held");
    let config = Config { request_deadline_ms: 50, ..config(&dir, &[&log]) };
    let witness = witness_with(&config, CosignerKey::sigsum(signer.clone()), gate);
    let in_store = send(&witness, log.request(0, 7));
    let at_lock = send(&witness, log.request(0, 9));
    for answer in [in_store.await.unwrap(), at_lock.await.unwrap()] {
        assert!(is_busy(&answer), "{answer:?}");
    }
    entered.recv().unwrap();
    drop(release);
    witness.close();
    assert_eq!(signer.asked.available_permits(), 0, "nothing was signed");
}

#[tokio::test]
async fn a_signer_that_hangs_gives_503_and_frees_the_log() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let signer = GatedSigner::new("cosignature/v1");
    let config = Config { request_deadline_ms: 50, ..config(&dir, &[&log]) };
    let witness = witness_with(&config, CosignerKey::sigsum(signer.clone()), |backend| backend);
    let answer = witness.add_checkpoint(&log.request(0, 7)).await;
    assert!(is_busy(&answer), "{answer:?}");
    let mut witness = Arc::into_inner(witness).unwrap();
    witness.deadline = Duration::from_secs(3600);
    assert_eq!(conflict(&witness, &log.request(0, 9)).await, 7);
    signer.gate.add_permits(1);
    witness.add_checkpoint(&log.request(7, 9)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_while_the_head_is_stored_gets_nothing_signed() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let GatedStore { wrap: gate, entered, release } = gated_store();
    let signer = GatedSigner::new("nothing is held");
    let witness = witness_with(&config(&dir, &[&log]), CosignerKey::sigsum(signer.clone()), gate);
    let gone = send(&witness, log.request(0, 7));
    tokio::task::block_in_place(|| entered.recv().unwrap());
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    drop(release);
    assert_eq!(conflict(&witness, &log.request(0, 9)).await, 7);
    assert_eq!(signer.asked.available_permits(), 0, "nothing was signed");
    assert_eq!(witness.in_flight.available_permits(), witness.max_in_flight);
}

#[tokio::test]
async fn a_closed_witness_gives_503() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let witness = witness(&config(&dir, &[&log]));
    witness.close();
    let answer = witness.add_checkpoint(&log.request(0, 7)).await;
    assert!(is_busy(&answer), "{answer:?}");
    witness.close();
}
