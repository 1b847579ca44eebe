//! What fails inside: no signature leaves, and the log can go on.

use super::*;
use crate::store::{Outcome, StoreError};
use crate::testing::{GatedSigner, faulty};
use sigsum_core::{PublicKey, Signature};
use sigsum_keys::{SignError, Signer};
use std::sync::atomic::{AtomicUsize, Ordering};

fn broken_disk() -> StoreError {
    let source = std::io::Error::from_raw_os_error(28);
    StoreError::Io { action: "write", path: "x".into(), source }
}

fn is_internal(result: &Result<Vec<SignatureLine>, AddCheckpointError>) -> bool {
    matches!(result, Err(AddCheckpointError::Internal(_)))
}

#[tokio::test]
async fn a_store_that_fails_gives_500_and_no_signature_and_the_head_stays() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let mut failures = 2;
    let fail_twice = faulty(move |inner, advances, cosigned| {
        if failures > 0 && !advances.is_empty() {
            failures -= 1;
            return Err(broken_disk());
        }
        inner.commit(advances, cosigned)
    });
    let signer = GatedSigner::new("nothing is held");
    let key = CosignerKey::sigsum(signer.clone());
    let witness = witness_with(&config(&dir, &[&log]), key, fail_twice);
    for _ in 0..2 {
        let result = witness.add_checkpoint(&log.request(0, 7)).await;
        assert!(is_internal(&result), "{result:?}");
    }
    assert_eq!(signer.asked.available_permits(), 0, "nothing was signed");
    assert_eq!(witness.checkpoint(&log.origin().hash()), None);
    witness.add_checkpoint(&log.request(0, 7)).await.unwrap();
}

#[tokio::test]
async fn a_store_that_fails_after_it_wrote_gives_500_and_then_tells_the_stored_size() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let mut fails = true;
    let fail_late = faulty(move |inner, advances, cosigned| {
        let result = inner.commit(advances, cosigned);
        if std::mem::take(&mut fails) { Err(broken_disk()) } else { result }
    });
    let witness = witness_with(&config(&dir, &[&log]), cosigner(), fail_late);
    let result = witness.add_checkpoint(&log.request(0, 7)).await;
    assert!(is_internal(&result), "{result:?}");
    assert_eq!(conflict(&witness, &log.fork(0).request(0, 9)).await, 7);
    witness.add_checkpoint(&log.request(7, 9)).await.unwrap();
}

#[tokio::test]
async fn a_store_that_reports_nothing_gives_no_signature() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let silent = faulty(|_, _, _| Ok(Vec::new()));
    let witness = witness_with(&config(&dir, &[&log]), cosigner(), silent);
    assert!(witness.add_checkpoint(&log.request(0, 7)).await.is_err());
}

#[tokio::test]
async fn another_writer_of_the_same_store_is_noticed() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let elsewhere = log.head(9);
    let moved =
        faulty(move |_, advances, _| Ok(vec![Outcome::Conflict(elsewhere); advances.len()]));
    let witness = witness_with(&config(&dir, &[&log]), cosigner(), moved);
    assert_eq!(conflict(&witness, &log.request(0, 7)).await, 9);
    assert_eq!(conflict(&witness, &log.request(0, 7)).await, 9);
}

/// Fails the first time.
#[derive(Debug)]
struct FlakySigner(AtomicUsize);

#[async_trait]
impl Signer for FlakySigner {
    fn public_key(&self) -> PublicKey {
        signer(0xee).public_key()
    }

    async fn sign(&self, message: &[u8]) -> Result<Signature, SignError> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => Err(SignError::Invalid(self.public_key())),
            _ => Ok(signer(0xee).sign_now(message)),
        }
    }
}

#[tokio::test]
async fn a_signer_that_fails_gives_500_and_the_log_goes_on_from_the_stored_size() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let key = CosignerKey::sigsum(Arc::new(FlakySigner(AtomicUsize::new(0))));
    let witness = witness_with(&config(&dir, &[&log]), key, |backend| backend);
    let result = witness.add_checkpoint(&log.request(0, 7)).await;
    assert!(is_internal(&result), "{result:?}");
    assert_eq!(conflict(&witness, &log.request(0, 7)).await, 7);
    witness.add_checkpoint(&log.request(7, 7)).await.unwrap();
}

#[tokio::test]
async fn an_agent_that_is_away_is_our_fault_and_its_address_stays_in_our_log() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let missing = dir.path().join("no-agent-here");
    let agent = sigsum_keys::AgentClient::new(missing);
    let agent = sigsum_keys::AgentSigner::new(agent, signer(0xee).public_key());
    let key = CosignerKey::sigsum(Arc::new(agent));
    let witness = witness_with(&config(&dir, &[&log]), key, |backend| backend);
    let error = witness.add_checkpoint(&log.request(0, 7)).await.unwrap_err();
    assert!(matches!(error, AddCheckpointError::Internal(_)), "{error:?}");
    assert!(!error.public_message().contains("no-agent-here"));
}
