//! Tests that Ed25519 accepts exactly what Go's `crypto/ed25519` accepts.

mod acceptance;

use super::{MessageHasher, VerifyingKey, sha256, sha256_parts};
use crate::bytes::{Message, PublicKey, Signature, to_hex};
use crate::note::testing::testdata;
use serde_json::Value;
use std::println;
use std::string::ToString as _;
use std::vec::Vec;

fn unhex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    let digits = |i: usize| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap();
    (0..text.len() / 2).map(digits).collect()
}

/// A signature of another size than 64 bytes is refused when it is read.
fn verifies(key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    let Ok(signature) = Signature::from_slice(signature) else { return false };
    let prepared = VerifyingKey::new(key).is_some_and(|k| k.verify(message, &signature));
    let direct = key.verify(message, &signature);
    assert_eq!(prepared, direct);
    direct
}

#[test]
fn all_wycheproof_vectors_give_the_expected_result() {
    let Some(file) = testdata("wycheproof/ed25519_test.json") else { return };
    let file: Value = serde_json::from_slice(&file).unwrap();
    let mut seen = 0;
    for group in file["testGroups"].as_array().unwrap() {
        let key = PublicKey::from_slice(&unhex(&group["publicKey"]["pk"])).unwrap();
        for test in group["tests"].as_array().unwrap() {
            let expected = match test["result"].as_str() {
                Some("valid") => true,
                Some("invalid") => false,
                other => panic!("unknown result {other:?}"),
            };
            let got = verifies(&key, &unhex(&test["msg"]), &unhex(&test["sig"]));
            assert_eq!(got, expected, "tcId {}: {}", test["tcId"], test["comment"]);
            seen += 1;
        }
    }
    assert_eq!(Some(seen), file["numberOfTests"].as_u64());
    println!("{seen} vectors");
}

#[test]
fn sha_256_of_fips_180() {
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(to_hex(&sha256(b"abc")), expected);
    assert_eq!(to_hex(&sha256_parts(&[b"a", b"", b"bc"])), expected);
}

#[test]
fn a_key_that_is_no_point_verifies_nothing() {
    // No point has y = 2.
    let mut bytes = [0; 32];
    bytes[0] = 2;
    let key = PublicKey::new(bytes);
    assert!(VerifyingKey::new(&key).is_none());
    assert!(!key.verify(b"", &Signature::new([0; 64])));
}

#[test]
fn a_prepared_key_keeps_its_bytes() {
    // p + 1 instead of 1: decompressing and compressing again would lose it.
    let mut bytes = [0xff; 32];
    (bytes[0], bytes[31]) = (0xee, 0x7f);
    let key = VerifyingKey::new(&PublicKey::new(bytes)).unwrap();
    assert_eq!(key.public_key().to_string(), to_hex(&bytes));
}

#[test]
fn a_message_hashed_in_pieces_is_that_of_the_whole() {
    let mut hasher = MessageHasher::new();
    hasher.update(b"hel");
    hasher.update(b"");
    hasher.update(b"lo");
    assert_eq!(hasher.finish(), Message::of_data(b"hello"));
}
