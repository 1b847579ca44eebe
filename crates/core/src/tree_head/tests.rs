//! Tests of tree heads.

use super::{Cosignature, CosignedTreeHead, SignedTreeHead, TreeHead, TreeSize, sigsum_origin};
use crate::ascii::{MAX_INTEGER, Problem, Reader, Writer};
use crate::bytes::{BytesError, Hash, KeyHash, PublicKey, Signature};
use alloc::borrow::ToOwned as _;
use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;
use std::string::String;
use std::vec::Vec;

fn head() -> TreeHead {
    TreeHead { size: TreeSize(5), root_hash: Hash::new([1; 32]) }
}

fn signed() -> SignedTreeHead {
    SignedTreeHead { tree_head: head(), signature: Signature::new([2; 64]) }
}

fn cosignature(number: u8) -> Cosignature {
    let key_hash = KeyHash::new([number; 32]);
    Cosignature { key_hash, timestamp_s: 1_700_000_000, signature: Signature::new([4; 64]) }
}

fn cosigned(numbers: &[u8]) -> CosignedTreeHead {
    let mut head = CosignedTreeHead::new(signed());
    for number in numbers {
        head.insert(cosignature(*number));
    }
    head
}

fn text(head: &CosignedTreeHead) -> String {
    let mut writer = Writer::new();
    head.write(&mut writer);
    writer.finish()
}

fn read(text: &str) -> Result<CosignedTreeHead, Problem> {
    let mut reader = Reader::new(text.as_bytes()).map_err(|e| e.problem)?;
    let head = CosignedTreeHead::read(&mut reader).map_err(|e| e.problem)?;
    reader.end().map_err(|e| e.problem)?;
    Ok(head)
}

fn wrong_key(expected: &'static str, found: &str) -> Result<CosignedTreeHead, Problem> {
    Err(Problem::WrongKey { expected, found: found.into() })
}

#[test]
fn the_signed_text_is_a_checkpoint_with_the_sigsum_origin() {
    let log = KeyHash::new([0xab; 32]);
    let origin = std::format!("sigsum.org/v1/tree/{}", "ab".repeat(32));
    assert_eq!(sigsum_origin(&log), origin);
    let expected = std::format!("{origin}\n5\n{}=\n", "AQEB".repeat(10) + "AQE");
    assert_eq!(head().sigsum_signing_bytes(&log), expected.as_bytes());
}

#[test]
fn the_empty_tree_has_the_hash_of_nothing() {
    let expected = "x\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
    assert_eq!(TreeHead::empty().checkpoint_text("x"), expected);
}

#[test]
fn a_witness_signs_header_time_and_text() {
    let bytes = Cosignature::signing_bytes(17, "origin\n5\nroot\n");
    assert_eq!(bytes, b"cosignature/v1\ntime 17\norigin\n5\nroot\n");
}

#[test]
fn a_signed_head_verifies_with_its_log_only() {
    let signer = SigningKey::from_bytes(&[7; 32]);
    let key = PublicKey::new(signer.verifying_key().to_bytes());
    let bytes = head().sigsum_signing_bytes(&key.key_hash());
    let signature = Signature::new(signer.sign(&bytes).to_bytes());
    let good = SignedTreeHead { tree_head: head(), signature };
    assert!(good.verify(&key));
    let other = PublicKey::new(SigningKey::from_bytes(&[8; 32]).verifying_key().to_bytes());
    assert!(!good.verify(&other), "another log");
    let tree_head = TreeHead { size: TreeSize(6), ..head() };
    assert!(!SignedTreeHead { tree_head, ..good }.verify(&key), "another size");
    let tree_head = TreeHead { root_hash: Hash::new([0; 32]), ..head() };
    assert!(!SignedTreeHead { tree_head, ..good }.verify(&key), "another root");
}

#[test]
fn a_cosignature_verifies_for_its_key_time_and_text_only() {
    let signer = SigningKey::from_bytes(&[7; 32]);
    let key = PublicKey::new(signer.verifying_key().to_bytes());
    let text = head().checkpoint_text("origin");
    let signature = signer.sign(&Cosignature::signing_bytes(17, &text)).to_bytes();
    let signature = Signature::new(signature);
    let good = Cosignature { key_hash: key.key_hash(), timestamp_s: 17, signature };
    assert!(good.verify(&key, &text));
    let other = PublicKey::new(SigningKey::from_bytes(&[8; 32]).verifying_key().to_bytes());
    assert!(!good.verify(&other, &text), "another key");
    assert!(!good.verify(&key, &head().checkpoint_text("other")), "another origin");
    assert!(!Cosignature { timestamp_s: 18, ..good }.verify(&key, &text), "another time");
    let key_hash = KeyHash::new([0; 32]);
    assert!(!Cosignature { key_hash, ..good }.verify(&key, &text), "another key hash");
}

#[test]
fn a_cosignature_of_the_same_key_replaces_the_older() {
    let mut head = cosigned(&[1, 2]);
    let newer = Cosignature { timestamp_s: 1_700_000_001, ..cosignature(1) };
    head.insert(newer);
    assert_eq!(head.cosignatures(), [newer, cosignature(2)]);
}

#[test]
fn heads_with_and_without_cosignatures_are_read() {
    for numbers in [&[][..], &[1], &[3, 1, 2]] {
        let head = cosigned(numbers);
        assert_eq!(read(&text(&head)), Ok(head));
    }
}

#[test]
fn duplicate_cosignature() {
    let line = text(&cosigned(&[1])).lines().last().unwrap().to_owned() + "\n";
    let twice = text(&cosigned(&[1, 2])) + &line;
    assert_eq!(read(&twice), Err(Problem::DuplicateCosignature));
}

#[test]
fn duplicate_cosignature_in_other_letters() {
    let body = text(&cosigned(&[0xab]));
    let line = body.lines().last().unwrap().replace("abab", "ABAB") + "\n";
    assert_eq!(read(&(body + &line)), Err(Problem::DuplicateCosignature));
}

#[test]
fn the_most_cosignatures_are_read_and_one_more_is_not() {
    let mut body = text(&cosigned(&[]));
    for number in 0..=CosignedTreeHead::MAX_COSIGNATURES {
        if number == CosignedTreeHead::MAX_COSIGNATURES {
            assert_eq!(read(&body).map(|h| h.cosignatures().len()), Ok(number));
        }
        let line = std::format!("cosignature={number:064x} 0 {}\n", "04".repeat(64));
        body.push_str(&line);
    }
    assert_eq!(read(&body), Err(Problem::TooManyLines));
}

#[test]
fn a_cosignature_line_has_the_length_that_the_limit_reckons_with() {
    let longest = Cosignature { timestamp_s: MAX_INTEGER, ..cosignature(1) };
    let mut head = cosigned(&[]);
    head.insert(longest);
    assert_eq!(text(&head).lines().last().unwrap().len() + 1, 226);
}

#[test]
fn missing_signature() {
    let body = text(&cosigned(&[]));
    let cut = body.split_inclusive('\n').take(2).collect::<String>();
    assert_eq!(read(&cut), Err(Problem::UnexpectedEnd("signature")));
}

#[test]
fn duplicate_size() {
    let body = "size=5\n".to_owned() + &text(&cosigned(&[]));
    assert_eq!(read(&body), wrong_key("root_hash", "size=5"));
}

#[test]
fn root_hash_before_size() {
    let body = text(&cosigned(&[]));
    let lines: Vec<&str> = body.split_inclusive('\n').collect();
    let swapped = [lines[1], lines[0], lines[2]].concat();
    assert_eq!(read(&swapped), wrong_key("size", &lines[1][..32]));
}

#[test]
fn cosignature_before_signature() {
    let body = text(&cosigned(&[1]));
    let lines: Vec<&str> = body.split_inclusive('\n').collect();
    let swapped = [lines[0], lines[1], lines[3], lines[2]].concat();
    assert_eq!(read(&swapped), wrong_key("signature", &lines[3][..32]));
}

#[test]
fn carriage_returns() {
    let body = text(&cosigned(&[1])).replace('\n', "\r\n");
    assert_eq!(read(&body), Err(Problem::InvalidByte));
}

#[test]
fn line_without_newline() {
    let body = text(&cosigned(&[1]));
    assert_eq!(read(body.trim_end()), Err(Problem::NoNewline));
}

#[test]
fn trailing_line() {
    assert_eq!(read(&(text(&cosigned(&[1])) + "x=1\n")), Err(Problem::Trailing));
}

#[test]
fn size_forms() {
    for (name, size) in [
        ("plus", "+5"),
        ("leading zero", "05"),
        ("2^63", "9223372036854775808"),
        ("empty", ""),
        ("minus", "-5"),
    ] {
        let body = text(&cosigned(&[])).replace("size=5", &std::format!("size={size}"));
        assert_eq!(read(&body), Err(Problem::Integer), "{name}");
    }
}

#[test]
fn timestamp_forms() {
    for (name, time) in [("plus", "+5"), ("leading zero", "05"), ("2^63", "9223372036854775808")] {
        let body = text(&cosigned(&[1])).replace(" 1700000000 ", &std::format!(" {time} "));
        assert_eq!(read(&body), Err(Problem::Integer), "{name}");
    }
}

#[test]
fn root_hash_of_odd_hex() {
    let body = text(&cosigned(&[])).replacen("0101", "010", 1);
    assert_eq!(read(&body), Err(Problem::Bytes(BytesError::NotHex)));
}

#[test]
fn signature_too_short() {
    let body = text(&cosigned(&[])).replacen("0202", "02", 1);
    let refused = BytesError::Length { expected: 64, got: 63 };
    assert_eq!(read(&body), Err(Problem::Bytes(refused)));
}

#[test]
fn cosignature_with_two_spaces() {
    let body = text(&cosigned(&[1])).replace(" 1700000000", "  1700000000");
    assert_eq!(read(&body), Err(Problem::WordCount { expected: 3 }));
}

#[test]
fn cosignature_of_four_words() {
    let body = text(&cosigned(&[1])).replace("cosignature=", "cosignature=1 ");
    assert_eq!(read(&body), Err(Problem::WordCount { expected: 3 }));
}

fn any_head() -> impl Strategy<Value = CosignedTreeHead> {
    let cosignature = (any::<[u8; 32]>(), 0..=MAX_INTEGER, any::<u8>());
    let cosignatures = prop::collection::vec(cosignature, 0..8);
    (0..=MAX_INTEGER, any::<[u8; 32]>(), any::<u8>(), cosignatures).prop_map(
        |(size, root, byte, cosignatures)| {
            let tree_head = TreeHead { size: TreeSize(size), root_hash: Hash::new(root) };
            let signature = Signature::new([byte; 64]);
            let mut head = CosignedTreeHead::new(SignedTreeHead { tree_head, signature });
            for (key_hash, timestamp_s, byte) in cosignatures {
                let signature = Signature::new([byte; 64]);
                let key_hash = KeyHash::new(key_hash);
                head.insert(Cosignature { key_hash, timestamp_s, signature });
            }
            head
        },
    )
}

proptest! {
    #[test]
    fn written_heads_are_read_back(head in any_head()) {
        prop_assert_eq!(read(&text(&head)), Ok(head));
    }

    #[test]
    fn heads_with_one_byte_altered_are_refused_or_differ(
        head in any_head(),
        at in any::<prop::sample::Index>(),
        byte in b' '..b'~',
    ) {
        let good = text(&head);
        let mut bytes = good.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let altered = String::from_utf8(bytes).unwrap();
        if let Ok(read) = read(&altered) {
            prop_assert_eq!(text(&read), altered.to_lowercase());
        }
    }
}
