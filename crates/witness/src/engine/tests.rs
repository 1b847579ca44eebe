//! Each rule of add-checkpoint, and the order of the rules.

use super::*;
use crate::testing::TestLog;
use sigsum_core::checkpoint::Checkpoint;
use sigsum_core::note::NoteKey;
use sigsum_core::{Hash, PublicKey};

fn log() -> TestLog {
    TestLog::new(1)
}

fn trusted(log: &TestLog) -> TrustedLog {
    TrustedLog::new(log.origin(), &[log.vkey()], Extensions::Cosigned).unwrap()
}

/// The whole decision, with `log` trusted and `stored` as the size of the state.
fn judge(log: &TestLog, stored: u64, request: &AddCheckpointRequest) -> Result<TreeHead, Refusal> {
    let authentic = authenticate(&trusted(log), request)?;
    decide(&log.head(stored), &authentic)
}

#[test]
fn growth_with_a_proof_is_accepted() {
    for (old, new) in [(0, 1), (0, 200), (1, 2), (7, 8), (8, 9), (100, 256)] {
        let log = log();
        assert_eq!(judge(&log, old, &log.request(old, new)), Ok(log.head(new)), "{old} {new}");
    }
}

#[test]
fn an_unchanged_tree_is_accepted_again() {
    let log = log();
    assert_eq!(judge(&log, 9, &log.request(9, 9)), Ok(log.head(9)));
}

#[test]
fn the_empty_tree_is_accepted() {
    let log = log();
    assert_eq!(judge(&log, 0, &log.request(0, 0)), Ok(TreeHead::empty()));
}

#[test]
fn a_checkpoint_of_another_origin_is_of_an_unknown_log() {
    let log = log();
    let request = TestLog::new(2).request(0, 1);
    assert_eq!(judge(&log, 0, &request), Err(Refusal::UnknownOrigin));
}

#[test]
fn a_checkpoint_signed_by_unknown_keys_alone_is_forbidden() {
    let log = log();
    let mut request = log.request(0, 1);
    request.checkpoint = TestLog::new(2).sign(request.checkpoint.checkpoint);
    assert_eq!(judge(&log, 0, &request), Err(Refusal::NoTrustedSignature));
}

#[test]
fn lines_of_unknown_keys_are_ignored_even_with_a_known_name_or_a_known_id() {
    let log = log();
    let mut request = log.request(0, 1);
    let own = request.checkpoint.signatures[0].clone();
    let other = TestLog::new(2);
    let same_name = Vkey { name: log.vkey().name, key: other.vkey().key };
    let same_id = SignatureLine { name: other.vkey().name, ..own.clone() };
    let lines = vec![SignatureLine::new(&same_name, vec![0; 64]), same_id, own.clone()];
    request.checkpoint.signatures = lines;
    let authentic = authenticate(&trusted(&log), &request).unwrap();
    assert_eq!(authentic.log_signatures, [own]);
}

#[test]
fn a_known_name_and_id_with_a_bad_signature_is_forbidden_beside_a_good_one() {
    let log = log();
    let mut request = log.request(0, 1);
    let mut bad = request.checkpoint.signatures[0].clone();
    bad.signature[0] ^= 1;
    request.checkpoint.signatures.push(bad);
    let key_id = log.vkey().key_id();
    assert_eq!(judge(&log, 0, &request), Err(Refusal::BadSignature { key_id }));
}

#[test]
fn a_known_name_and_id_with_a_short_signature_is_forbidden() {
    let log = log();
    let mut request = log.request(0, 1);
    request.checkpoint.signatures[0].signature.pop();
    let key_id = log.vkey().key_id();
    assert_eq!(judge(&log, 0, &request), Err(Refusal::BadSignature { key_id }));
}

#[test]
fn an_old_size_above_the_new_one_is_a_bad_request() {
    let log = log();
    let mut request = log.request(3, 5);
    request.old_size = TreeSize(6);
    let (old, size) = (TreeSize(6), TreeSize(5));
    assert_eq!(judge(&log, 5, &request), Err(Refusal::OldAboveSize { old, size }));
}

#[test]
fn an_old_size_that_is_not_the_stored_one_is_a_conflict() {
    let log = log();
    for old in [0, 4, 6] {
        let conflict = Refusal::Conflict { old: TreeSize(old), stored: TreeSize(5) };
        assert_eq!(judge(&log, 5, &log.request(old, 9)), Err(conflict));
    }
}

#[test]
fn a_smaller_tree_is_a_conflict_whatever_old_size_it_claims() {
    let log = log();
    let conflict = Refusal::Conflict { old: TreeSize(3), stored: TreeSize(5) };
    assert_eq!(judge(&log, 5, &log.request(3, 4)), Err(conflict));
}

#[test]
fn size_zero_with_another_root_than_the_empty_trees_is_unprocessable() {
    let log = log();
    let mut request = log.request(0, 0);
    let root_hash = Hash::new([7; 32]);
    let head = TreeHead { size: TreeSize(0), root_hash };
    request.checkpoint = log.sign(Checkpoint::new(log.origin(), head));
    assert_eq!(judge(&log, 0, &request), Err(Refusal::EmptyTreeRoot));
}

#[test]
fn a_proof_from_size_zero_is_unprocessable() {
    let log = log();
    let mut request = log.request(0, 5);
    request.proof = log.proof(2, 5);
    let lines = request.proof.len();
    assert_eq!(judge(&log, 0, &request), Err(Refusal::ProofFromEmptyTree { lines }));
}

#[test]
fn another_root_of_the_stored_size_is_unprocessable() {
    let log = log();
    let request = log.fork(3).request(5, 5);
    assert_eq!(judge(&log, 5, &request), Err(Refusal::OtherTree { size: TreeSize(5) }));
}

#[test]
fn a_proof_of_another_tree_is_unprocessable() {
    let log = log();
    let request = log.fork(3).request(5, 9);
    assert!(matches!(judge(&log, 5, &request), Err(Refusal::Inconsistent(_))));
}

#[test]
fn a_missing_proof_is_unprocessable() {
    let log = log();
    let mut request = log.request(5, 9);
    request.proof.clear();
    assert!(matches!(judge(&log, 5, &request), Err(Refusal::Inconsistent(_))));
}

#[test]
fn a_proof_with_one_hash_too_many_is_unprocessable() {
    let log = log();
    for (old, new) in [(5, 9), (5, 5)] {
        let mut request = log.request(old, new);
        request.proof.push(Hash::new([0; 32]));
        assert!(matches!(judge(&log, 5, &request), Err(Refusal::Inconsistent(_))));
    }
}

#[test]
fn every_altered_proof_hash_is_unprocessable() {
    let log = log();
    let request = log.request(5, 9);
    for i in 0..request.proof.len() {
        let mut altered = request.clone();
        let mut bytes = *altered.proof[i].as_bytes();
        bytes[31] ^= 1;
        altered.proof[i] = Hash::new(bytes);
        assert!(matches!(judge(&log, 5, &altered), Err(Refusal::Inconsistent(_))), "{i}");
    }
}

#[test]
fn the_signature_comes_before_the_sizes() {
    let log = log();
    let mut request = log.request(3, 5);
    request.old_size = TreeSize(6);
    request.checkpoint.signatures[0].signature[0] ^= 1;
    assert!(matches!(judge(&log, 5, &request), Err(Refusal::BadSignature { .. })));
}

#[test]
fn old_above_size_comes_before_the_conflict() {
    let log = log();
    let mut request = log.request(3, 5);
    request.old_size = TreeSize(6);
    assert!(matches!(judge(&log, 1, &request), Err(Refusal::OldAboveSize { .. })));
}

#[test]
fn the_conflict_comes_before_all_that_is_unprocessable() {
    let log = log();
    let mut request = log.request(0, 5);
    request.proof = log.proof(2, 5);
    assert!(matches!(judge(&log, 1, &request), Err(Refusal::Conflict { .. })));
    assert!(matches!(judge(&log, 5, &log.fork(0).request(4, 4)), Err(Refusal::Conflict { .. })));
}

#[test]
fn any_of_several_keys_of_a_log_will_do_and_all_that_signed_are_kept() {
    let (log, second) = (log(), TestLog::new(2));
    let vkeys = [second.vkey(), log.vkey()];
    let trusted = TrustedLog::new(log.origin(), &vkeys, Extensions::Cosigned).unwrap();
    let by_first = log.request(0, 3);
    assert_eq!(authenticate(&trusted, &by_first).unwrap().log_signatures.len(), 1);
    let mut by_second = by_first.clone();
    by_second.checkpoint = second.sign(by_second.checkpoint.checkpoint);
    assert_eq!(authenticate(&trusted, &by_second).unwrap().log_signatures.len(), 1);
    let mut by_both = by_first.clone();
    by_both.checkpoint.signatures.extend(by_second.checkpoint.signatures);
    assert_eq!(authenticate(&trusted, &by_both).unwrap().log_signatures.len(), 2);
    by_both.checkpoint.signatures[1].signature[5] ^= 1;
    assert!(matches!(authenticate(&trusted, &by_both), Err(Refusal::BadSignature { .. })));
}

#[test]
fn repeated_lines_of_a_key_are_kept_once() {
    let log = log();
    let mut request = log.request(0, 1);
    let line = request.checkpoint.signatures[0].clone();
    request.checkpoint.signatures.extend([line.clone(), line]);
    assert_eq!(authenticate(&trusted(&log), &request).unwrap().log_signatures.len(), 1);
}

#[test]
fn a_text_above_the_limit_is_a_bad_request() {
    let log = log();
    let with_line = |bytes: usize| {
        let checkpoint = Checkpoint::new(log.origin(), log.head(1));
        log.sign(checkpoint.with_extensions(vec!["x".repeat(bytes)]).unwrap())
    };
    let fixed = with_line(1).text().len() - 1;
    let most = MAX_CHECKPOINT_TEXT_BYTES - fixed;
    assert_eq!(check_length(&with_line(most)), Ok(()));
    let got = MAX_CHECKPOINT_TEXT_BYTES + 1;
    assert_eq!(check_length(&with_line(most + 1)), Err(Refusal::TextTooLong { got }));
}

#[test]
fn extension_lines_are_refused_only_where_there_is_no_place_for_them() {
    let log = log();
    let checkpoint = Checkpoint::new(log.origin(), log.head(1));
    let mut request = log.request(0, 1);
    request.checkpoint = log.sign(checkpoint.with_extensions(vec!["x".into()]).unwrap());
    assert!(authenticate(&trusted(&log), &request).is_ok());
    let strict = TrustedLog::new(log.origin(), &[log.vkey()], Extensions::Refused).unwrap();
    assert_eq!(authenticate(&strict, &request), Err(Refusal::Extensions));
}

#[test]
fn a_log_without_keys_is_refused() {
    let error = TrustedLog::new(log().origin(), &[], Extensions::Cosigned).unwrap_err();
    assert_eq!(error, LogKeysError::NoKey { origin: log().origin() });
}

#[test]
fn a_log_with_too_many_keys_is_refused() {
    let vkey =
        |i: u8| Vkey { name: log().vkey().name, key: NoteKey::Ed25519(PublicKey::new([i; 32])) };
    let vkeys: Vec<_> = (0..=MAX_KEYS_PER_LOG as u8).map(vkey).collect();
    let most = &vkeys[..MAX_KEYS_PER_LOG];
    assert!(TrustedLog::new(log().origin(), most, Extensions::Cosigned).is_ok());
    let error = TrustedLog::new(log().origin(), &vkeys, Extensions::Cosigned).unwrap_err();
    assert!(matches!(error, LogKeysError::TooManyKeys { got: 17, .. }));
}

#[test]
fn an_origin_that_leaves_no_room_is_refused() {
    let origin = Origin::new(&"o".repeat(MAX_CHECKPOINT_TEXT_BYTES)).unwrap();
    let error = TrustedLog::new(origin, &[log().vkey()], Extensions::Cosigned).unwrap_err();
    assert!(matches!(error, LogKeysError::OriginTooLong { .. }));
}
