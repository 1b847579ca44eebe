//! Checkpoints: the example of `tlog-checkpoint`, every way of being malformed, logs' signatures,
//! the way to and from Sigsum's form.

use super::*;
use crate::bytes::{PublicKey, Signature};
use crate::note::testing::{
    any_line, mldsa_cosigner, mldsa_sign, name, public_key, sign, testdata, vkey,
};
use crate::note::{KeyId, SignatureLineError};
use crate::tree_head::{CosignedTreeHead, SignedTreeHead};
use alloc::{format, string::ToString, vec};
use proptest::prelude::*;

const TEXT: &str =
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
    \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";

#[test]
fn example_of_the_specification_is_read_and_written() {
    let signed = SignedCheckpoint::parse(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(signed.checkpoint.origin.as_str(), "example.com/behind-the-sofa");
    assert_eq!(signed.checkpoint.tree_head.size, TreeSize(20_852_163));
    assert_eq!(signed.checkpoint.tree_head.root_hash.to_base64(), ROOT);
    assert_eq!(signed.signatures[0].key_id, KeyId([0x03, 0x3d, 0xe0, 0xae]));
    assert_eq!((signed.text().as_str(), signed.to_string().as_str()), (TEXT, EXAMPLE));
}

fn refused(text: &str) -> CheckpointError {
    Checkpoint::parse(text).unwrap_err()
}

#[test]
fn fewer_than_three_lines_are_refused() {
    assert_eq!(refused("origin\n"), CheckpointError::TooFewLines { got: 1 });
    assert_eq!(refused("origin\n1\n"), CheckpointError::TooFewLines { got: 2 });
}

#[test]
fn text_without_a_final_newline_is_refused() {
    assert_eq!(refused(""), CheckpointError::NoFinalNewline);
    assert_eq!(refused(TEXT.trim_end()), CheckpointError::NoFinalNewline);
}

#[test]
fn empty_origin_is_refused() {
    assert_eq!(refused(&format!("\n1\n{ROOT}\n")), CheckpointError::Origin(LineError::Empty));
}

#[test]
fn origin_with_a_control_character_is_refused() {
    let error = CheckpointError::Origin(LineError::ControlCharacter(b'\t'));
    assert_eq!(refused(&format!("a\tb\n1\n{ROOT}\n")), error);
    assert_eq!(Origin::new("a\nb"), Err(LineError::ControlCharacter(b'\n')));
    assert_eq!(Origin::new(""), Err(LineError::Empty));
}

#[test]
fn origin_with_spaces_and_plus_is_read() {
    let text = format!("go.sum database tree + \u{a0}\u{e9}\n7\n{ROOT}\n");
    let checkpoint = Checkpoint::parse(&text).unwrap();
    assert_eq!(checkpoint.origin.as_str(), "go.sum database tree + \u{a0}\u{e9}");
    assert_eq!(checkpoint.to_text(), text);
}

#[test]
fn size_that_is_no_plain_decimal_is_refused() {
    for size in
        ["", "01", "00", "+1", "-1", "-0", " 1", "1 ", "1.0", "0x1", "1e3", "1_000", "x", "\u{661}"]
    {
        let text = format!("origin\n{size}\n{ROOT}\n");
        assert_eq!(refused(&text), CheckpointError::Size, "{size:?}");
    }
}

#[test]
fn size_of_two_to_the_63_is_refused() {
    for size in ["9223372036854775808", "18446744073709551616", "99999999999999999999999999"] {
        assert_eq!(refused(&format!("origin\n{size}\n{ROOT}\n")), CheckpointError::Size);
    }
    let text = format!("origin\n9223372036854775807\n{ROOT}\n");
    assert_eq!(Checkpoint::parse(&text).unwrap().tree_head.size.0, i64::MAX as u64);
}

#[test]
fn size_zero_is_read() {
    let size = Checkpoint::parse(&format!("origin\n0\n{ROOT}\n")).unwrap().tree_head.size;
    assert_eq!(size, TreeSize(0));
}

#[test]
fn root_hash_of_another_length_is_refused() {
    for got in [0, 31, 33] {
        let root = crate::bytes::to_base64(&vec![7; got]);
        let error = BytesError::Length { expected: 32, got };
        let text = format!("origin\n1\n{root}\n");
        assert_eq!(refused(&text), CheckpointError::RootHash(error));
    }
}

#[test]
fn root_hash_that_is_not_base64_is_refused() {
    let url_alphabet = ROOT.replace('/', "_");
    let stray_bits = ROOT.replace("I=", "J=");
    for root in [ROOT.trim_end_matches('='), &format!("{ROOT} "), &url_alphabet, &stray_bits] {
        let error = CheckpointError::RootHash(BytesError::NotBase64);
        assert_eq!(refused(&format!("origin\n1\n{root}\n")), error, "{root}");
    }
}

#[test]
fn extension_lines_are_kept_and_signed() {
    let text = format!("{TEXT}first\n second +\n");
    let checkpoint = Checkpoint::parse(&text).unwrap();
    assert_eq!(checkpoint.extensions(), "first\n second +\n");
    assert_eq!(checkpoint.to_text(), text);
    let signed = signed_by(checkpoint.clone(), &[1]);
    assert_eq!(signed.verify_log(&vkey("key", 1)), LogSignature::Valid);
    let without = Checkpoint::new(checkpoint.origin, checkpoint.tree_head);
    let stripped = SignedCheckpoint { checkpoint: without, ..signed };
    assert_eq!(stripped.verify_log(&vkey("key", 1)), LogSignature::Invalid);
}

#[test]
fn a_hundred_thousand_extension_lines_are_kept_as_one_text() {
    let lines = "a\n".repeat(100_000);
    let checkpoint = Checkpoint::parse(&format!("{TEXT}{lines}")).unwrap();
    assert_eq!(checkpoint.extensions(), lines);
    let error = CheckpointError::Extension { index: 100_001, error: LineError::Empty };
    assert_eq!(refused(&format!("{TEXT}{lines}\n")), error);
}

#[test]
fn empty_extension_line_is_refused() {
    let error = CheckpointError::Extension { index: 1, error: LineError::Empty };
    assert_eq!(refused(&format!("{TEXT}\n")), error);
    let error = CheckpointError::Extension { index: 2, error: LineError::Empty };
    assert_eq!(refused(&format!("{TEXT}first\n\nthird\n")), error);
}

#[test]
fn extension_line_with_a_newline_is_refused() {
    let checkpoint = Checkpoint::parse(TEXT).unwrap();
    let error = checkpoint.with_extensions(vec!["a".into(), "b\nc".into()]).unwrap_err();
    let cause = LineError::ControlCharacter(b'\n');
    assert_eq!(error, CheckpointError::Extension { index: 2, error: cause });
}

#[test]
fn note_that_is_malformed_is_refused() {
    let parse = |note: &str| SignedCheckpoint::parse(note.as_bytes()).unwrap_err();
    assert_eq!(parse(TEXT), CheckpointError::Note(NoteError::NoBlankLine));
    let unsigned = format!("{TEXT}\n");
    assert_eq!(parse(&unsigned), CheckpointError::Note(NoteError::NoSignatures));
    let crlf = EXAMPLE.replace('\n', "\r\n");
    assert!(matches!(parse(&crlf), CheckpointError::Note(NoteError::ControlCharacter { .. })));
    let error = NoteError::SignatureLine { index: 2, error: SignatureLineError::NoSignature };
    assert_eq!(parse(&format!("{EXAMPLE}\u{2014} name\n")), CheckpointError::Note(error));
    assert_eq!(parse(&format!("x\n{EXAMPLE}")), CheckpointError::Size);
}

/// A checkpoint signed by the type 1 keys with these numbers, all named `key`.
fn signed_by(checkpoint: Checkpoint, keys: &[u8]) -> SignedCheckpoint {
    let text = checkpoint.to_text();
    let line = |number: &u8| {
        let signature = sign(*number, text.as_bytes()).as_bytes().to_vec();
        SignatureLine::new(&vkey("key", *number), signature)
    };
    SignedCheckpoint { checkpoint, signatures: keys.iter().map(line).collect() }
}

#[test]
fn every_key_of_a_log_is_found_valid() {
    let signed = signed_by(Checkpoint::parse(TEXT).unwrap(), &[1, 2]);
    assert_eq!(signed.verify_log(&vkey("key", 1)), LogSignature::Valid);
    assert_eq!(signed.verify_log_with(&Verifier::new(&vkey("key", 2))), LogSignature::Valid);
    assert_eq!(signed.verify_log(&vkey("key", 3)), LogSignature::Missing);
    assert_eq!(signed.verify_log(&vkey("other", 1)), LogSignature::Missing);
}

#[test]
fn log_signature_over_another_head_is_invalid() {
    let mut signed = signed_by(Checkpoint::parse(TEXT).unwrap(), &[1]);
    signed.checkpoint.tree_head.size.0 += 1;
    assert_eq!(signed.verify_log(&vkey("key", 1)), LogSignature::Invalid);
}

#[test]
fn log_signs_with_ml_dsa_44() {
    let checkpoint = Checkpoint::parse(TEXT).unwrap();
    let key = mldsa_cosigner("example.com/behind-the-sofa", 1);
    let line = |time| {
        use crate::cosignature::{CosignedMessage, Timestamp, mldsa44_line};
        let time = Timestamp::new(time).unwrap();
        let message = CosignedMessage::checkpoint(&key.name, time, &checkpoint).to_bytes().unwrap();
        mldsa44_line(&key.name, &crate::note::testing::mldsa_key(1), time, &mldsa_sign(1, &message))
    };
    for time in [0, 1_700_000_000] {
        let signatures = vec![line(time)];
        let mut signed = SignedCheckpoint { checkpoint: checkpoint.clone(), signatures };
        assert_eq!(signed.verify_log(&key), LogSignature::Valid);
        let text = signed.to_string();
        assert_eq!(SignedCheckpoint::parse(text.as_bytes()).unwrap(), signed);
        signed.checkpoint.tree_head.root_hash = Hash::empty_tree();
        assert_eq!(signed.verify_log(&key), LogSignature::Invalid);
    }
}

#[test]
fn sixteen_ml_dsa_44_signatures_are_read() {
    let line = SignatureLine {
        name: name(&"w".repeat(255)),
        key_id: KeyId([0; 4]),
        signature: vec![7; 8 + 2420],
    };
    let checkpoint = Checkpoint::parse(TEXT).unwrap();
    for count in [16, 66] {
        let signatures = vec![line.clone(); count];
        let signed = SignedCheckpoint { checkpoint: checkpoint.clone(), signatures };
        assert_eq!(SignedCheckpoint::parse(&signed.to_bytes()).unwrap(), signed);
    }
}

fn sigsum_head(number: u8) -> (PublicKey, SignedTreeHead) {
    let log = public_key(number);
    let tree_head = TreeHead { size: TreeSize(7), root_hash: Hash::new([9; 32]) };
    let signature = sign(number, &tree_head.sigsum_signing_bytes(&log.key_hash()));
    (log, SignedTreeHead { tree_head, signature })
}

#[test]
fn sigsum_head_becomes_a_checkpoint_and_back() {
    let (log, head) = sigsum_head(1);
    let signed = SignedCheckpoint::from_sigsum(&head, &log);
    assert_eq!(signed.verify_log(&Vkey::sigsum_log(&log)), LogSignature::Valid);
    assert_eq!(signed.signatures[0].name.as_str(), signed.checkpoint.origin.as_str());
    let read = SignedCheckpoint::parse(&signed.to_bytes()).unwrap();
    assert_eq!(read.to_sigsum(&log), Ok(head));
    assert!(read.to_sigsum(&log).unwrap().verify(&log));
}

#[test]
fn checkpoint_of_another_log_has_no_sigsum_form() {
    let (log, head) = sigsum_head(1);
    let signed = SignedCheckpoint::from_sigsum(&head, &log);
    let found = signed.checkpoint.origin.clone();
    assert_eq!(signed.to_sigsum(&public_key(2)), Err(SigsumError::OtherOrigin { found }));
}

#[test]
fn checkpoint_with_extension_lines_has_no_sigsum_form() {
    let (log, head) = sigsum_head(1);
    let mut signed = SignedCheckpoint::from_sigsum(&head, &log);
    signed.checkpoint = signed.checkpoint.with_extensions(vec!["x".into()]).unwrap();
    assert_eq!(signed.to_sigsum(&log), Err(SigsumError::Extensions));
}

#[test]
fn checkpoint_without_the_logs_line_has_no_sigsum_form() {
    let (log, head) = sigsum_head(1);
    let mut signed = SignedCheckpoint::from_sigsum(&head, &log);
    signed.signatures[0].key_id = KeyId([0; 4]);
    assert_eq!(signed.to_sigsum(&log), Err(SigsumError::NoLogSignature));
}

#[test]
fn checkpoint_whose_log_line_has_another_size_has_no_sigsum_form() {
    let (log, head) = sigsum_head(1);
    let mut signed = SignedCheckpoint::from_sigsum(&head, &log);
    signed.signatures[0].signature.push(0);
    assert_eq!(signed.to_sigsum(&log), Err(SigsumError::SignatureLength { got: 65 }));
}

/// The head of the proof from a public log, and the log's key out of its named policy.
pub(crate) fn real_head() -> Option<(PublicKey, CosignedTreeHead)> {
    use crate::policy::{Policy, named::builtin};
    let proof = alloc::string::String::from_utf8(testdata("serviceberry-hello.proof")?).unwrap();
    let body = proof.split("\n\n").nth(1).unwrap();
    let body = format!("{body}\n");
    let mut reader = crate::ascii::Reader::new(body.as_bytes()).unwrap();
    let head = CosignedTreeHead::read(&mut reader).unwrap();
    let log = proof.lines().nth(1).unwrap().strip_prefix("log=").unwrap().parse().unwrap();
    let policy = Policy::parse_sigsum(builtin("sigsum-test-2025-3").unwrap()).unwrap();
    Some((*policy.log_by_key_hash(&log).unwrap().public_key().unwrap(), head))
}

#[test]
fn head_of_a_public_log_verifies_as_a_checkpoint() {
    let Some((log, head)) = real_head() else { return };
    let signed = SignedCheckpoint::from_sigsum(&head.signed, &log);
    assert_eq!(signed.verify_log(&Vkey::sigsum_log(&log)), LogSignature::Valid);
}

proptest! {
    #[test]
    fn written_checkpoints_are_read_back(
        origin in "\\PC{1,60}",
        size in 0..=i64::MAX as u64,
        root in any::<[u8; 32]>(),
        extensions in prop::collection::vec("\\PC{1,20}", 0..3),
        signatures in prop::collection::vec(any_line(), 1..4),
    ) {
        let tree_head = TreeHead { size: TreeSize(size), root_hash: Hash::new(root) };
        let checkpoint = Checkpoint::new(Origin::new(&origin).unwrap(), tree_head);
        let checkpoint = checkpoint.with_extensions(extensions).unwrap();
        let signed = SignedCheckpoint { checkpoint, signatures };
        prop_assert_eq!(SignedCheckpoint::parse(&signed.to_bytes()).unwrap(), signed);
    }

    #[test]
    fn checkpoints_that_are_read_are_written_back(
        origin in "[a-c +]{0,3}", size in "[0-2+]{1,3}", root in "[A-Z]{42}[A-D]=", rest in "[a\n]{0,3}",
    ) {
        let text = format!("{origin}\n{size}\n{root}\n{rest}");
        if let Ok(checkpoint) = Checkpoint::parse(&text) {
            prop_assert_eq!(checkpoint.to_text(), text);
        }
    }

    #[test]
    fn sigsum_heads_keep_their_bytes(size in 0..=i64::MAX as u64, signature in any::<[u8; 32]>()) {
        let log = PublicKey::new(signature);
        let tree_head = TreeHead { size: TreeSize(size), root_hash: Hash::empty_tree() };
        let signature = Signature::from_slice(&[signature, signature].concat()).unwrap();
        let head = SignedTreeHead { tree_head, signature };
        let signed = SignedCheckpoint::from_sigsum(&head, &log);
        prop_assert_eq!(signed.to_sigsum(&log), Ok(head));
    }
}
