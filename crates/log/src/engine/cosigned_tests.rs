//! Cosigned heads and witnesses' answers, with real signatures.

use super::*;
use sigsum_core::cosignature::{ed25519_line, ed25519_message};
use sigsum_core::note::{KeyName, Vkey};
use sigsum_core::{Hash, TreeSize};
use sigsum_keys::{Ed25519Signer, SigningSeed};

fn signer(number: u8) -> Ed25519Signer {
    Ed25519Signer::from_seed(&SigningSeed::from_bytes([number; 32]))
}

fn key(number: u8) -> NoteKey {
    NoteKey::CosignatureEd25519(signer(number).public_key())
}

fn signed(size: u64) -> SignedTreeHead {
    let log = signer(100);
    let tree_head = TreeHead { size: TreeSize(size), root_hash: Hash::new([4; 32]) };
    let bytes = tree_head.sigsum_signing_bytes(&log.public_key().key_hash());
    SignedTreeHead { tree_head, signature: log.sign_now(&bytes) }
}

fn checkpoint(size: u64) -> Checkpoint {
    SignedCheckpoint::from_sigsum(&signed(size), &signer(100).public_key()).checkpoint
}

fn line_named(name: &str, number: u8, time: u64, size: u64) -> SignatureLine {
    let time = Timestamp::new(time).expect("below 2^63");
    let signature = signer(number).sign_now(&ed25519_message(time, &checkpoint(size)));
    let name = KeyName::new(name).expect("a name");
    ed25519_line(&name, &signer(number).public_key(), time, &signature)
}

fn line(number: u8, time: u64) -> SignatureLine {
    line_named("witness.example", number, time, 5)
}

fn find(lines: &[SignatureLine], number: u8) -> Result<Verified, AnswerError> {
    find_cosignature(lines, WitnessId(usize::from(number)), &key(number), &checkpoint(5))
}

#[test]
fn a_cosignature_is_found_under_any_name_among_lines_of_others() {
    let lines = [line(2, 50), line_named("no.policy.name", 1, 60, 5), line(3, 70)];
    let found = find(&lines, 1).expect("it is there");
    assert_eq!((found.timestamp_s, &found.line), (60, &lines[1]));
    let cosignature = found.cosignature.expect("Ed25519");
    let text = checkpoint(5).to_text();
    assert!(cosignature.verify(&signer(1).public_key(), &text));
}

#[test]
fn an_answer_without_a_line_of_the_witness_counts_for_nothing() {
    assert_eq!(find(&[], 1), Err(AnswerError::NoLine));
    assert_eq!(find(&[line(2, 50)], 1), Err(AnswerError::NoLine));
}

#[test]
fn a_cosignature_of_another_head_counts_for_nothing() {
    let other = line_named("witness.example", 1, 50, 6);
    assert_eq!(find(&[other], 1), Err(CosignatureError::Invalid.into()));
}

#[test]
fn an_altered_cosignature_counts_for_nothing() {
    let mut altered = line(1, 50);
    altered.signature[40] ^= 1;
    assert_eq!(find(&[altered], 1), Err(CosignatureError::Invalid.into()));
    let mut short = line(1, 50);
    short.signature.pop();
    assert!(matches!(
        find(&[short], 1),
        Err(AnswerError::Invalid(CosignatureError::Length { .. }))
    ));
}

#[test]
fn time_zero_counts_for_nothing() {
    assert_eq!(find(&[line(1, 0)], 1), Err(AnswerError::NoTime));
}

#[test]
fn one_good_line_is_enough_whatever_stands_beside_it() {
    let mut altered = line(1, 50);
    altered.signature[40] ^= 1;
    assert_eq!(find(&[altered, line(1, 0), line(1, 51)], 1).map(|v| v.timestamp_s), Ok(51));
}

#[test]
fn both_forms_carry_the_latest_cosignature_of_each_witness() {
    let log = signer(100).public_key();
    let mut head = CosignedHead::new(signed(5));
    for (number, time) in [(1, 50), (2, 51), (1, 60), (2, 40)] {
        head.insert(find(&[line(number, time)], number).expect("valid"));
    }
    let times: Vec<_> = head.cosigned().cosignatures().iter().map(|c| c.timestamp_s).collect();
    assert_eq!(times, [60, 51]);
    let note = head.to_checkpoint(&log);
    assert!(note.signatures[0].is_of(&Vkey::sigsum_log(&log)));
    assert_eq!(note.signatures[1..], [line(1, 60), line(2, 51)]);
}

#[test]
fn a_restored_head_keeps_cosignatures_of_witnesses_that_left_the_policy() {
    let mut head = CosignedHead::new(signed(5));
    for number in [1, 2] {
        head.insert(find(&[line(number, 50)], number).expect("valid"));
    }
    let lines = vec![line(1, 50), line(2, 50)];
    let known = find(&lines, 2).expect("valid");
    let mut restored = CosignedHead::restored(head.cosigned().clone(), lines, &[known]);
    assert!(restored.has(WitnessId(2)) && !restored.has(WitnessId(1)));
    restored.insert(find(&[line(2, 70)], 2).expect("valid"));
    let times: Vec<_> = restored.cosigned().cosignatures().iter().map(|c| c.timestamp_s).collect();
    assert_eq!(times, [50, 70]);
    let note = restored.to_checkpoint(&signer(100).public_key());
    assert_eq!(note.signatures[1..], [line(1, 50), line(2, 70)]);
}
