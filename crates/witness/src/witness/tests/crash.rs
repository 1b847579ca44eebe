//! The process ends at each step of a request: what the next one finds.

use super::*;
use crate::config::Config;
use crate::store::StoreError;
use crate::testing::{GatedSigner, context, faulty};

/// When the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crash {
    BeforePersisting,
    AfterPersisting,
    BeforeRecording,
}

fn dead() -> StoreError {
    StoreError::Damaged("the process has ended")
}

/// Cosigns sizes 5 and then 9, ending in the middle of 9.
async fn crashed(config: &Config, log: &TestLog, crash: Crash) {
    let mut is_dead = false;
    let store = faulty(move |inner, advances, cosigned| {
        if is_dead {
            return Err(dead());
        }
        let last = advances.iter().any(|advance| advance.new.size.0 == 9);
        if last && crash == Crash::BeforePersisting {
            is_dead = true;
            return Err(dead());
        }
        // What is recorded later than the head is lost.
        let cosigned: Vec<_> =
            cosigned.iter().filter(|c| !c.note.contains("\n9\n")).cloned().collect();
        let result = inner.commit(advances, &cosigned);
        is_dead = last;
        match crash {
            Crash::AfterPersisting if last => Err(dead()),
            _ => result,
        }
    });
    let witness = witness_with(config, cosigner(), store);
    witness.add_checkpoint(&log.request(0, 5)).await.unwrap();
    witness.writer.flush().await.unwrap();
    let last = witness.add_checkpoint(&log.request(5, 9)).await;
    assert_eq!(last.is_ok(), crash == Crash::BeforeRecording, "{last:?}");
    witness.close();
}

/// The next process, before and after it has mended the readable checkpoint.
async fn next(config: &Config) -> (Arc<Witness>, u64, u64) {
    let keys = vec![cosigner()];
    let specs = config.check(&[keys[0].public_key()]).unwrap();
    let (backend, loaded) = crate::run::open(config, &specs, &keys).unwrap();
    let witness = crate::run::assemble(config, keys, backend, &context()).unwrap();
    witness.add_logs(loaded.logs);
    let readable = |witness: &Witness| witness.logs()[0].tree_head.unwrap().size.0;
    let before = readable(&witness);
    witness.cosign_unrecorded(loaded.unrecorded).await;
    let after = readable(&witness);
    (Arc::new(witness), before, after)
}

#[tokio::test]
async fn before_persisting_nothing_has_happened() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let config = config(&dir, &[&log]);
    crashed(&config, &log, Crash::BeforePersisting).await;
    let (witness, before, after) = next(&config).await;
    assert_eq!((before, after), (5, 5));
    witness.add_checkpoint(&log.fork(5).request(5, 9)).await.unwrap();
}

#[tokio::test]
async fn after_persisting_the_head_is_taken_even_though_nobody_has_a_signature() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let config = config(&dir, &[&log]);
    crashed(&config, &log, Crash::AfterPersisting).await;
    let (witness, before, after) = next(&config).await;
    assert_eq!((before, after), (5, 9));
    assert_eq!(conflict(&witness, &log.fork(5).request(5, 9)).await, 9);
    let fork = witness.add_checkpoint(&log.fork(5).request(9, 9)).await;
    assert!(matches!(fork, Err(AddCheckpointError::Unprocessable(_))), "{fork:?}");
    witness.add_checkpoint(&log.request(9, 12)).await.unwrap();
}

#[tokio::test]
async fn after_the_answer_the_readable_checkpoint_is_cosigned_anew() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let config = config(&dir, &[&log]);
    crashed(&config, &log, Crash::BeforeRecording).await;
    let (witness, before, after) = next(&config).await;
    assert_eq!((before, after), (5, 9));
    let published = witness.checkpoint(&log.origin().hash()).unwrap();
    let note = SignedCheckpoint::parse(published.note.as_bytes()).unwrap();
    assert!(verify_line(&note.signatures[1], &witness.vkeys()[0], &note.checkpoint).is_ok());
    assert_eq!(conflict(&witness, &log.request(5, 9)).await, 9);
}

#[tokio::test]
async fn a_checkpoint_of_a_key_that_is_no_longer_trusted_is_not_cosigned_anew() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let before = config(&dir, &[&log]);
    crashed(&before, &log, Crash::AfterPersisting).await;
    let other_key = crate::config::LogConfig {
        origin: Some(log.origin().to_string()),
        ..crate::config::LogConfig::vkey(&TestLog::new(2).vkey())
    };
    let (_, readable, after) = next(&Config { logs: vec![other_key], ..before }).await;
    assert_eq!((readable, after), (5, 5));
}

#[tokio::test]
async fn a_signer_that_is_away_at_the_start_does_not_keep_the_witness_from_starting() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let config = config(&dir, &[&log]);
    crashed(&config, &log, Crash::AfterPersisting).await;
    let config = Config { request_deadline_ms: 20, ..config };
    let keys = vec![CosignerKey::sigsum(GatedSigner::new("cosignature/v1"))];
    let specs = config.check(&[keys[0].public_key()]).unwrap();
    let (backend, loaded) = crate::run::open(&config, &specs, &keys).unwrap();
    let witness = crate::run::assemble(&config, keys, backend, &context()).unwrap();
    witness.add_logs(loaded.logs);
    assert_eq!(loaded.unrecorded.len(), 1);
    witness.cosign_unrecorded(loaded.unrecorded).await;
    assert_eq!(witness.logs()[0].tree_head, Some(log.head(5)));
    assert_eq!(conflict(&witness, &log.request(5, 12)).await, 9);
}
