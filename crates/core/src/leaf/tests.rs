//! Tests of leaves.

use super::{Leaf, leaf_signing_bytes};
use crate::ascii::{Problem, Reader, Writer};
use crate::bytes::{BytesError, Checksum, KeyHash, Message, PublicKey, Signature};
use crate::merkle::hash_leaf;
use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;
use std::string::String;

fn leaf() -> Leaf {
    Leaf {
        checksum: Checksum::new([1; 32]),
        signature: Signature::new([2; 64]),
        key_hash: KeyHash::new([3; 32]),
    }
}

fn line(leaf: &Leaf) -> String {
    let mut writer = Writer::new();
    leaf.write(&mut writer);
    writer.finish()
}

fn read(text: &str) -> Result<Leaf, Problem> {
    let mut reader = Reader::new(text.as_bytes()).map_err(|e| e.problem)?;
    let leaf = Leaf::read(&mut reader).map_err(|e| e.problem)?;
    reader.end().map_err(|e| e.problem)?;
    Ok(leaf)
}

#[test]
fn the_signed_bytes_are_namespace_nul_and_checksum() {
    let bytes = leaf_signing_bytes(&Checksum::new([7; 32]));
    assert_eq!(bytes.len(), 56);
    assert_eq!(&bytes[..24], b"sigsum.org/v1/tree-leaf\0");
    assert_eq!(&bytes[24..], [7; 32]);
}

#[test]
fn the_leaf_hash_is_over_the_binary_form() {
    let leaf = leaf();
    let bytes = [&[1; 32][..], &[2; 64], &[3; 32]].concat();
    assert_eq!(leaf.to_bytes(), bytes[..]);
    assert_eq!(leaf.hash(), hash_leaf(&bytes));
}

#[test]
fn binary_form_too_short() {
    let refused = Err(BytesError::Length { expected: 128, got: 127 });
    assert_eq!(Leaf::from_bytes(&[0; 127]), refused);
    assert_eq!(Leaf::from_bytes(&[]), Err(BytesError::Length { expected: 128, got: 0 }));
}

#[test]
fn binary_form_too_long() {
    let refused = Err(BytesError::Length { expected: 128, got: 129 });
    assert_eq!(Leaf::from_bytes(&[0; 129]), refused);
}

#[test]
fn a_leaf_verifies_with_its_key_only() {
    let signer = SigningKey::from_bytes(&[5; 32]);
    let key = PublicKey::new(signer.verifying_key().to_bytes());
    let checksum = Message::of_data(b"hello").checksum();
    let signature = signer.sign(&leaf_signing_bytes(&checksum)).to_bytes();
    let good = Leaf { checksum, signature: Signature::new(signature), key_hash: key.key_hash() };
    assert!(good.verify(&key));

    let other = SigningKey::from_bytes(&[6; 32]);
    let other = PublicKey::new(other.verifying_key().to_bytes());
    assert!(!good.verify(&other), "another key");
    assert!(!Leaf { key_hash: other.key_hash(), ..good }.verify(&key), "another key hash");
    assert!(!Leaf { checksum: Checksum::new([1; 32]), ..good }.verify(&key), "another checksum");
    assert!(!Leaf { signature: Signature::new([0; 64]), ..good }.verify(&key), "no signature");
}

#[test]
fn a_signature_over_the_checksum_alone_does_not_verify() {
    let signer = SigningKey::from_bytes(&[5; 32]);
    let key = PublicKey::new(signer.verifying_key().to_bytes());
    let checksum = Message::of_data(b"hello").checksum();
    let signature = Signature::new(signer.sign(checksum.as_bytes()).to_bytes());
    assert!(!Leaf { checksum, signature, key_hash: key.key_hash() }.verify(&key));
}

#[test]
fn line_with_a_word_missing() {
    let text = line(&leaf()).replace(&std::format!(" {}", "03".repeat(32)), "");
    assert_eq!(read(&text), Err(Problem::WordCount { expected: 3 }));
}

#[test]
fn line_with_two_spaces() {
    let text = line(&leaf()).replacen(' ', "  ", 1);
    assert_eq!(read(&text), Err(Problem::WordCount { expected: 3 }));
}

#[test]
fn line_with_a_tab() {
    assert_eq!(read(&line(&leaf()).replacen(' ', "\t", 1)), Err(Problem::InvalidByte));
}

#[test]
fn line_with_the_words_swapped() {
    let text = std::format!("leaf={} {} {}\n", "02".repeat(64), "01".repeat(32), "03".repeat(32));
    let refused = Problem::Bytes(BytesError::Length { expected: 32, got: 64 });
    assert_eq!(read(&text), Err(refused));
}

#[test]
fn line_with_odd_hex() {
    let text = line(&leaf()).replacen("01", "1", 1);
    assert_eq!(read(&text), Err(Problem::Bytes(BytesError::NotHex)));
}

#[test]
fn line_with_a_trailing_byte() {
    assert_eq!(read(&(line(&leaf()) + "\n")), Err(Problem::Trailing));
}

#[test]
fn line_without_a_newline() {
    assert_eq!(read(line(&leaf()).trim_end()), Err(Problem::NoNewline));
}

proptest! {
    #[test]
    fn written_leaves_are_read_back(
        bytes in prop::collection::vec(any::<u8>(), Leaf::LEN),
    ) {
        let leaf = Leaf::from_bytes(&bytes).unwrap();
        prop_assert_eq!(&leaf.to_bytes()[..], &bytes[..]);
        let text = line(&leaf);
        prop_assert_eq!(read(&text), Ok(leaf));
        prop_assert_eq!(read(&text.to_uppercase().replacen("LEAF", "leaf", 1)), Ok(leaf));
    }
}
