//! Cosignatures: message bytes, lines of a public log's witnesses, every way of being wrong.

use super::*;
use crate::bytes::Hash;
use crate::checkpoint::SignedCheckpoint;
use crate::note::testing::{
    cosigner, mldsa_cosigner, mldsa_key, mldsa_sign, name, public_key, sign, vkey,
};
use crate::note::{KeyId, NoteSignature, SignedNote};
use alloc::{string::ToString, vec};
use proptest::prelude::*;

const TEXT: &str =
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

fn checkpoint() -> Checkpoint {
    Checkpoint::parse(TEXT).unwrap()
}

fn time(seconds: u64) -> Timestamp {
    Timestamp::new(seconds).unwrap()
}

/// A good Ed25519 cosignature line of the test key 1, named `w`.
fn ed25519(checkpoint: &Checkpoint, seconds: u64) -> SignatureLine {
    let signature = sign(1, &ed25519_message(time(seconds), checkpoint));
    ed25519_line(&name("w"), &public_key(1), time(seconds), &signature)
}

/// A good ML-DSA-44 cosignature line of the test key 1, named `w`.
fn mldsa(checkpoint: &Checkpoint, seconds: u64) -> SignatureLine {
    let cosigner_name = name("w");
    let message = CosignedMessage::checkpoint(&cosigner_name, time(seconds), checkpoint);
    let signature = mldsa_sign(1, &message.to_bytes().unwrap());
    mldsa44_line(&cosigner_name, &mldsa_key(1), time(seconds), &signature)
}

#[test]
fn ed25519_message_is_that_of_the_specification() {
    let expected = "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n\
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    assert_eq!(ed25519_message(time(1_679_315_147), &checkpoint()), expected.as_bytes());
}

#[test]
fn ed25519_message_has_the_extension_lines() {
    let with = checkpoint().with_extensions(vec!["more".into()]).unwrap();
    assert!(ed25519_message(time(1), &with).ends_with(b"q2I=\nmore\n"));
}

#[test]
fn line_of_the_specification_has_time_and_signature() {
    let line = "\u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==";
    let line = SignatureLine::parse(line).unwrap();
    assert_eq!(line.key_id, KeyId([0x8d, 0x66, 0xcf, 0x3f]));
    let (time, _) = split(&line, Signature::LEN, Signature::from_slice).unwrap();
    assert_eq!(time.as_s(), 1_679_315_147);
}

#[test]
fn ml_dsa_message_has_the_fields_of_the_structure() {
    let (cosigner_name, origin) = (name("w1"), Origin::new("log").unwrap());
    let message = CosignedMessage {
        cosigner_name: &cosigner_name,
        timestamp: time(0x0102_0304_0506_0708),
        log_origin: &origin,
        start: 0,
        end: 0x1112_1314_1516_1718,
        hash: Hash::new([0xaa; 32]),
    };
    let expected = [
        b"subtree/v1\n\0".as_slice(),
        b"\x02w1",
        b"\x01\x02\x03\x04\x05\x06\x07\x08",
        b"\x03log",
        &[0; 8],
        b"\x11\x12\x13\x14\x15\x16\x17\x18",
        &[0xaa; 32],
    ];
    assert_eq!(message.to_bytes().unwrap(), expected.concat());
}

#[test]
fn ml_dsa_message_has_the_start_of_a_subtree() {
    let (cosigner_name, origin) = (name("w1"), Origin::new("log").unwrap());
    let message = CosignedMessage {
        cosigner_name: &cosigner_name,
        timestamp: Timestamp::NONE,
        log_origin: &origin,
        start: 8,
        end: 13,
        hash: Hash::new([0xaa; 32]),
    };
    let bytes = message.to_bytes().unwrap();
    assert_eq!(bytes[27..43], [0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 13]);
}

#[test]
fn subtree_with_a_start_has_no_time() {
    let (cosigner_name, checkpoint) = (name("w"), checkpoint());
    let message = CosignedMessage::checkpoint(&cosigner_name, time(1), &checkpoint);
    let message = CosignedMessage { start: 1, ..message };
    assert_eq!(message.to_bytes(), Err(MessageError::TimeOnSubtree));
}

#[test]
fn names_and_origins_above_255_bytes_have_no_ml_dsa_message() {
    let (longest, long) = ("n".repeat(255), "n".repeat(256));
    let at = |cosigner: &str, origin: &str| {
        let (cosigner_name, mut checkpoint) = (name(cosigner), checkpoint());
        checkpoint.origin = Origin::new(origin).unwrap();
        CosignedMessage::checkpoint(&cosigner_name, time(1), &checkpoint).to_bytes()
    };
    assert!(at(&longest, &longest).is_ok());
    assert_eq!(at(&long, "o"), Err(MessageError::NameTooLong { got: 256 }));
    assert_eq!(at("n", &long), Err(MessageError::OriginTooLong { got: 256 }));
}

#[test]
fn ed25519_line_verifies_with_its_time() {
    let (checkpoint, key) = (checkpoint(), cosigner("w", 1));
    let line = ed25519(&checkpoint, 1_700_000_000);
    let expected = Ok(time(1_700_000_000));
    assert_eq!(verify_line(&line, &key, &checkpoint), expected);
    assert_eq!(verify_line_with(&line, &Verifier::new(&key), &checkpoint), expected);
    assert_eq!(verify_line_by_key(&line, &key.key, &checkpoint), expected);
    assert_eq!(line.to_string().split(' ').nth(2).unwrap().len(), 104);
}

#[test]
fn ml_dsa_line_verifies_with_its_time() {
    let (checkpoint, key) = (checkpoint(), mldsa_cosigner("w", 1));
    let line = mldsa(&checkpoint, 1_700_000_000);
    let expected = Ok(time(1_700_000_000));
    assert_eq!(verify_line(&line, &key, &checkpoint), expected);
    assert_eq!(verify_line_with(&line, &Verifier::new(&key), &checkpoint), expected);
    assert_eq!(verify_line_by_key(&line, &key.key, &checkpoint), expected);
}

#[test]
fn lines_of_both_kinds_verify_in_a_note() {
    let checkpoint = checkpoint();
    let lines = vec![ed25519(&checkpoint, 5), mldsa(&checkpoint, 6)];
    let note = SignedNote::new(TEXT, lines).unwrap();
    for key in [cosigner("w", 1), mldsa_cosigner("w", 1)] {
        assert_eq!(note.verify(&Verifier::new(&key)), NoteSignature::Valid);
    }
    let other = SignedNote::new(&TEXT.replace("163", "164"), note.signatures().to_vec()).unwrap();
    for key in [cosigner("w", 1), mldsa_cosigner("w", 1)] {
        assert_eq!(other.verify(&Verifier::new(&key)), NoteSignature::Invalid);
    }
}

#[test]
fn extension_lines_are_covered_by_ed25519_alone() {
    let (plain, with) = (checkpoint(), checkpoint().with_extensions(vec!["x".into()]).unwrap());
    let verdict = verify_line(&ed25519(&plain, 5), &cosigner("w", 1), &with);
    assert_eq!(verdict, Err(CosignatureError::Invalid));
    let verdict = verify_line(&ed25519(&with, 5), &cosigner("w", 1), &with);
    assert_eq!(verdict, Ok(time(5)));
    let verdict = verify_line(&mldsa(&plain, 5), &mldsa_cosigner("w", 1), &with);
    assert_eq!(verdict, Ok(time(5)));
}

#[test]
fn name_is_covered_by_ml_dsa_alone() {
    let checkpoint = checkpoint();
    let renamed = |line: SignatureLine, key: &NoteKey| {
        let key_id = key.key_id(&name("v"));
        SignatureLine { name: name("v"), key_id, ..line }
    };
    let key = cosigner("v", 1);
    let line = renamed(ed25519(&checkpoint, 5), &key.key);
    assert_eq!(verify_line(&line, &key, &checkpoint), Ok(time(5)));
    let key = mldsa_cosigner("v", 1);
    let line = renamed(mldsa(&checkpoint, 5), &key.key);
    assert_eq!(verify_line(&line, &key, &checkpoint), Err(CosignatureError::Invalid));
}

#[test]
fn line_of_another_key_is_to_be_ignored() {
    let checkpoint = checkpoint();
    let line = ed25519(&checkpoint, 5);
    for key in [cosigner("w", 2), cosigner("v", 1), vkey("w", 1), mldsa_cosigner("w", 1)] {
        assert_eq!(verify_line(&line, &key, &checkpoint), Err(CosignatureError::OtherKey));
        let verifier = Verifier::new(&key);
        let verdict = verify_line_with(&line, &verifier, &checkpoint);
        assert_eq!(verdict, Err(CosignatureError::OtherKey));
    }
    let verdict = verify_line_by_key(&line, &cosigner("w", 2).key, &checkpoint);
    assert_eq!(verdict, Err(CosignatureError::OtherKey));
}

#[test]
fn key_of_type_one_makes_no_cosignatures() {
    let (checkpoint, key) = (checkpoint(), vkey("w", 1));
    let line = SignatureLine::new(&key, vec![0; 72]);
    let verdict = verify_line(&line, &key, &checkpoint);
    assert_eq!(verdict, Err(CosignatureError::NotACosignerKey));
}

#[test]
fn altered_time_signature_or_head_does_not_verify() {
    let good = checkpoint();
    let mut other_size = good.clone();
    other_size.tree_head.size.0 += 1;
    let mut other_root = good.clone();
    other_root.tree_head.root_hash = Hash::empty_tree();
    let mut other_origin = good.clone();
    other_origin.origin = Origin::new("example.com/other").unwrap();
    let pairs = [(ed25519(&good, 5), cosigner("w", 1)), (mldsa(&good, 5), mldsa_cosigner("w", 1))];
    for (line, key) in pairs {
        for at in [7, 8, line.signature.len() - 1] {
            let mut altered = line.clone();
            altered.signature[at] ^= 1;
            assert_eq!(verify_line(&altered, &key, &good), Err(CosignatureError::Invalid), "{at}");
        }
        for head in [&other_size, &other_root, &other_origin] {
            assert_eq!(verify_line(&line, &key, head), Err(CosignatureError::Invalid));
        }
    }
}

#[test]
fn line_of_another_size_is_refused() {
    let checkpoint = checkpoint();
    for (key, expected) in [(cosigner("w", 1), 72), (mldsa_cosigner("w", 1), 2428)] {
        for got in [1, 7, 8, expected - 1, expected + 1] {
            let line = SignatureLine::new(&key, vec![0; got]);
            let verdict = verify_line(&line, &key, &checkpoint);
            assert_eq!(verdict, Err(CosignatureError::Length { expected, got }));
        }
    }
}

#[test]
fn time_above_two_to_the_63_is_refused() {
    assert_eq!(Timestamp::new(1 << 63), None);
    assert_eq!(time(i64::MAX as u64).as_s(), i64::MAX as u64);
    let (checkpoint, key) = (checkpoint(), cosigner("w", 1));
    let mut line = ed25519(&checkpoint, 0);
    line.signature[0] = 0x80;
    assert_eq!(verify_line(&line, &key, &checkpoint), Err(CosignatureError::Time));
    assert_eq!(from_line(&line, &public_key(1)), None);
}

#[test]
fn key_that_is_no_point_verifies_nothing() {
    let key = NoteKey::CosignatureEd25519(PublicKey::new([2; 32]));
    let key = Vkey { name: name("w"), key };
    let line = SignatureLine::new(&key, vec![0; 72]);
    assert_eq!(verify_line(&line, &key, &checkpoint()), Err(CosignatureError::Invalid));
}

/// A subtree of the log `log`, its statement signed under a start and a time.
fn subtree_line(start: u64, seconds: u64) -> Result<SignatureLine, MessageError> {
    let (cosigner_name, origin) = (name("w"), Origin::new("log").unwrap());
    let message = CosignedMessage {
        cosigner_name: &cosigner_name,
        timestamp: time(seconds),
        log_origin: &origin,
        start,
        end: 12,
        hash: Hash::new([3; 32]),
    };
    let signature = mldsa_sign(1, &message.to_bytes()?);
    Ok(mldsa44_line(&cosigner_name, &mldsa_key(1), time(seconds), &signature))
}

#[test]
fn subtree_line_verifies() {
    let origin = Origin::new("log").unwrap();
    let hash = Hash::new([3; 32]);
    let subtree = SubtreeStatement { origin: &origin, start: 8, end: 12, hash };
    let key = Verifier::new(&mldsa_cosigner("w", 1));
    let line = subtree_line(8, 0).unwrap();
    assert_eq!(verify_subtree_line(&line, &key, &subtree), Ok(Timestamp::NONE));
    for other in [
        SubtreeStatement { start: 4, ..subtree },
        SubtreeStatement { end: 11, ..subtree },
        SubtreeStatement { hash: Hash::empty_tree(), ..subtree },
    ] {
        assert_eq!(verify_subtree_line(&line, &key, &other), Err(CosignatureError::Invalid));
    }
}

#[test]
fn subtree_line_with_a_time_is_refused_unless_it_starts_at_zero() {
    let origin = Origin::new("log").unwrap();
    let hash = Hash::new([3; 32]);
    let key = Verifier::new(&mldsa_cosigner("w", 1));
    let whole = SubtreeStatement { origin: &origin, start: 0, end: 12, hash };
    let line = subtree_line(0, 5).unwrap();
    assert_eq!(verify_subtree_line(&line, &key, &whole), Ok(time(5)));
    let part = SubtreeStatement { start: 8, ..whole };
    let error = CosignatureError::Message(MessageError::TimeOnSubtree);
    assert_eq!(verify_subtree_line(&line, &key, &part), Err(error));
}

#[test]
fn subtrees_are_not_cosigned_with_ed25519() {
    let checkpoint = checkpoint();
    let subtree = SubtreeStatement {
        origin: &checkpoint.origin,
        start: 0,
        end: checkpoint.tree_head.size.0,
        hash: checkpoint.tree_head.root_hash,
    };
    let key = Verifier::new(&cosigner("w", 1));
    let verdict = verify_subtree_line(&ed25519(&checkpoint, 5), &key, &subtree);
    assert_eq!(verdict, Err(CosignatureError::SubtreeWithEd25519));
    let verdict = verify_subtree_line(&mldsa(&checkpoint, 5), &key, &subtree);
    assert_eq!(verdict, Err(CosignatureError::OtherKey));
}

#[test]
fn line_becomes_a_sigsum_cosignature_whatever_its_name() {
    let checkpoint = checkpoint();
    for witness in ["w", "sigsum.org/v1/witness/0", "another-name"] {
        let signature = sign(1, &ed25519_message(time(5), &checkpoint));
        let line = ed25519_line(&name(witness), &public_key(1), time(5), &signature);
        let cosignature = from_line(&line, &public_key(1)).unwrap();
        assert_eq!((cosignature.timestamp_s, cosignature.signature), (5, signature));
        assert!(cosignature.verify(&public_key(1), &checkpoint.to_text()));
    }
}

#[test]
fn lines_that_are_no_ed25519_cosignature_of_the_witness_have_no_sigsum_form() {
    let checkpoint = checkpoint();
    let line = ed25519(&checkpoint, 5);
    assert_eq!(from_line(&line, &public_key(2)), None);
    assert_eq!(from_line(&mldsa(&checkpoint, 5), &public_key(1)), None);
    let log_line = SignatureLine::new(&vkey("w", 1), line.signature.clone());
    assert_eq!(from_line(&log_line, &public_key(1)), None);
    let renamed = SignatureLine { name: name("v"), ..line.clone() };
    assert_eq!(from_line(&renamed, &public_key(1)), None);
    let mut short = line;
    short.signature.pop();
    assert_eq!(from_line(&short, &public_key(1)), None);
}

#[test]
fn cosignatures_of_a_public_log_verify_as_lines() {
    use crate::policy::{Policy, named::builtin};
    let Some((log, head)) = crate::checkpoint::tests::real_head() else { return };
    let checkpoint = SignedCheckpoint::from_sigsum(&head.signed, &log).checkpoint;
    let policy = Policy::parse_sigsum(builtin("sigsum-test-2025-3").unwrap()).unwrap();
    assert_eq!(head.cosignatures().len(), 8);
    for cosignature in head.cosignatures() {
        let (_, witness) = policy.witness_by_key_hash(&cosignature.key_hash).unwrap();
        let key = witness.public_key().unwrap();
        let time = time(cosignature.timestamp_s);
        let line = ed25519_line(&name("any"), key, time, &cosignature.signature);
        assert_eq!(witness.verify_line(&line, &checkpoint), Ok(time));
        assert_eq!(from_line(&line, key), Some(*cosignature));
    }
}

proptest! {
    #[test]
    fn sigsum_cosignatures_keep_their_bytes(
        seconds in 0..=i64::MAX as u64, bytes in any::<[u8; 32]>(), witness in "[!-*,-~]{1,20}",
    ) {
        let key = PublicKey::new(bytes);
        let signature = Signature::from_slice(&[bytes, bytes].concat()).unwrap();
        let line = ed25519_line(&name(&witness), &key, time(seconds), &signature);
        let line = SignatureLine::parse(&line.to_string()).unwrap();
        let expected = Cosignature { key_hash: key.key_hash(), timestamp_s: seconds, signature };
        prop_assert_eq!(from_line(&line, &key), Some(expected));
    }
}
