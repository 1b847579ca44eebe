//! The way of a request through a witness: what it gives back, what it leaves behind.

mod crash;
mod failure;
mod overload;
mod race;
mod random;

use super::*;
use crate::testing::{NOW_S, TestLog, config, cosigner, data_dir, signer, witness, witness_with};
use sigsum_core::TreeSize;
use sigsum_core::checkpoint::SignedCheckpoint;
use sigsum_core::cosignature::verify_line;
use sigsum_core::note::KeyName;
use sigsum_service::clock::ManualClock;

/// The size of the conflict that a request meets.
async fn conflict(witness: &Witness, request: &AddCheckpointRequest) -> u64 {
    match witness.add_checkpoint(request).await {
        Err(AddCheckpointError::Conflict { size }) => size.0,
        other => panic!("{other:?}"),
    }
}

/// The cosignature's time, where the one line verifies.
fn time_of(lines: &[SignatureLine], vkey: &Vkey, checkpoint: &SignedCheckpoint) -> u64 {
    let [line] = lines else { panic!("{lines:?}") };
    verify_line(line, vkey, &checkpoint.checkpoint).unwrap().as_s()
}

#[tokio::test]
async fn a_cosignature_verifies_and_has_the_clocks_time_and_the_default_name() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let witness = witness(&config(&dir, &[&log]));
    let request = log.request(0, 7);
    let lines = witness.add_checkpoint(&request).await.unwrap();
    let [vkey] = &witness.vkeys()[..] else { panic!() };
    assert_eq!(time_of(&lines, vkey, &request.checkpoint), NOW_S);
    let own = signer(0xee).public_key().key_hash();
    assert_eq!(lines[0].name.as_str(), format!("sigsum.org/v1/witness/{own}"));
}

#[tokio::test]
async fn the_name_can_be_chosen() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let name = Some("witness.example/w1");
    let key = CosignerKey::named(name, Arc::new(signer(0xee))).unwrap();
    let witness = witness_with(&config(&dir, &[&log]), key, |backend| backend);
    let lines = witness.add_checkpoint(&log.request(0, 7)).await.unwrap();
    assert_eq!(Some(lines[0].name.as_str()), name);
    assert!(CosignerKey::named(Some("a name"), Arc::new(signer(0xee))).is_err());
}

#[tokio::test]
async fn an_unchanged_tree_gets_a_new_time() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let clock = Arc::new(ManualClock::at_s(NOW_S));
    let mut witness = Arc::into_inner(witness(&config(&dir, &[&log]))).unwrap();
    witness.clock = clock.clone();
    witness.add_checkpoint(&log.request(0, 7)).await.unwrap();
    clock.advance_ms(5_000);
    let request = log.request(7, 7);
    let lines = witness.add_checkpoint(&request).await.unwrap();
    assert_eq!(time_of(&lines, &witness.vkeys()[0], &request.checkpoint), NOW_S + 5);
}

#[tokio::test]
async fn a_clock_at_zero_gives_no_cosignature() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let mut witness = Arc::into_inner(witness(&config(&dir, &[&log]))).unwrap();
    witness.clock = Arc::new(ManualClock::at_s(0));
    let error = witness.add_checkpoint(&log.request(0, 7)).await.unwrap_err();
    assert!(matches!(error, AddCheckpointError::Internal(_)), "{error:?}");
}

#[tokio::test]
async fn extension_lines_are_cosigned_whole() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let witness = witness(&config(&dir, &[&log]));
    let plain = log.checkpoint(7);
    let extended = plain.checkpoint.clone().with_extensions(vec!["a b".into(), "c".into()]);
    let request =
        AddCheckpointRequest { checkpoint: log.sign(extended.unwrap()), ..log.request(0, 7) };
    let lines = witness.add_checkpoint(&request).await.unwrap();
    let vkey = &witness.vkeys()[0];
    assert!(verify_line(&lines[0], vkey, &request.checkpoint.checkpoint).is_ok());
    assert!(verify_line(&lines[0], vkey, &plain.checkpoint).is_err());
}

#[tokio::test]
async fn every_own_key_gives_a_line() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let second = CosignerKey::new(KeyName::new("second").unwrap(), Arc::new(signer(0xdd)));
    crate::admin::add_key(dir.path(), &second.public_key()).unwrap();
    let mut witness = Arc::into_inner(witness(&config(&dir, &[&log]))).unwrap();
    witness.keys.push(second);
    let request = log.request(0, 7);
    let lines = witness.add_checkpoint(&request).await.unwrap();
    assert_eq!(lines.len(), 2);
    for (line, vkey) in lines.iter().zip(witness.vkeys()) {
        assert!(verify_line(line, &vkey, &request.checkpoint.checkpoint).is_ok());
    }
}

#[tokio::test]
async fn a_log_out_of_step_is_in_step_again_after_one_conflict() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let witness = witness(&config(&dir, &[&log]));
    witness.add_checkpoint(&log.request(0, 5)).await.unwrap();
    // The log never read that answer, was restored to a smaller tree, or starts anew.
    for (old, new) in [(0, 9), (3, 9), (4, 6)] {
        let stored = conflict(&witness, &log.request(old, new)).await;
        witness.add_checkpoint(&log.request(stored, new.max(stored))).await.unwrap();
    }
    assert_eq!(conflict(&witness, &log.request(0, 9)).await, 9);
}

#[tokio::test]
async fn the_empty_tree_is_cosigned_and_readable() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let witness = witness(&config(&dir, &[&log]));
    assert_eq!(witness.checkpoint(&log.origin().hash()), None);
    assert_eq!(witness.logs()[0].tree_head, None);
    witness.add_checkpoint(&log.request(0, 0)).await.unwrap();
    let published = witness.checkpoint(&log.origin().hash()).unwrap();
    assert_eq!(published.tree_head, log.head(0));
    assert_eq!(witness.logs()[0].tree_head, Some(log.head(0)));
}

#[tokio::test]
async fn the_readable_checkpoint_has_the_lines_that_were_verified_and_returned() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let witness = witness(&config(&dir, &[&log]));
    let mut request = log.request(0, 7);
    let junk = SignatureLine::new(&TestLog::new(2).vkey(), vec![0; 64]);
    request.checkpoint.signatures.insert(0, junk);
    let lines = witness.add_checkpoint(&request).await.unwrap();
    let published = witness.checkpoint(&log.origin().hash()).unwrap();
    let mut expected = log.checkpoint(7);
    expected.signatures.extend(lines);
    assert_eq!(SignedCheckpoint::parse(published.note.as_bytes()).unwrap(), expected);
}

#[tokio::test]
async fn logs_do_not_share_a_state() {
    let dir = data_dir();
    let (a, b) = (TestLog::new(1), TestLog::new(2));
    let witness = witness(&config(&dir, &[&a, &b]));
    witness.add_checkpoint(&a.request(0, 7)).await.unwrap();
    witness.add_checkpoint(&b.request(0, 3)).await.unwrap();
    assert_eq!(conflict(&witness, &a.request(0, 9)).await, 7);
    assert_eq!(conflict(&witness, &b.request(0, 9)).await, 3);
}

#[tokio::test]
async fn a_restart_keeps_heads_and_readable_checkpoints() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let config = config(&dir, &[&log]);
    let first = witness(&config);
    first.add_checkpoint(&log.request(0, 7)).await.unwrap();
    let published = first.checkpoint(&log.origin().hash());
    first.close();
    let second = witness(&config);
    assert_eq!(second.checkpoint(&log.origin().hash()), published);
    assert_eq!(conflict(&second, &log.request(0, 9)).await, 7);
    second.add_checkpoint(&log.request(7, 9)).await.unwrap();
}

#[tokio::test]
async fn a_log_that_is_no_longer_configured_is_unknown_and_keeps_its_state() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let first = witness(&config(&dir, &[&log]));
    first.add_checkpoint(&log.request(0, 7)).await.unwrap();
    first.close();
    let without = witness(&config(&dir, &[]));
    let refused = without.add_checkpoint(&log.request(7, 9)).await;
    assert_eq!(refused, Err(AddCheckpointError::UnknownOrigin));
    without.close();
    let again = witness(&config(&dir, &[&log]));
    assert_eq!(conflict(&again, &log.request(0, 9)).await, 7);
}

#[test]
fn a_stored_checkpoint_that_does_not_match_the_stored_head_is_found() {
    let log = TestLog::new(1);
    let specs = [log.config().read().unwrap()];
    let load = |size, checkpoint: &str| {
        let stored = crate::store::StoredLog {
            id: crate::store::LogId(1),
            origin: log.origin().to_string(),
            head: log.head(size),
            vkeys: Vec::new(),
            checkpoint: Some(checkpoint.to_owned()),
            cosigned: None,
        };
        load::load(vec![stored], &specs, &[], crate::engine::Extensions::Cosigned)
    };
    let note = log.checkpoint(7).to_string();
    assert_eq!(load(7, &note).unwrap().logs.len(), 1);
    for (size, note) in
        [(8, note.as_str()), (7, "no note"), (7, &TestLog::new(2).checkpoint(7).to_string())]
    {
        assert!(matches!(load(size, note), Err(load::LoadError::Damaged { .. })), "{note}");
    }
}
