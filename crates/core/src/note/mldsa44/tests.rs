//! ML-DSA-44 against Project Wycheproof's vectors, and what an altered signature does.

use super::super::testing::{mldsa_key, mldsa_sign, mldsa_signing_key, testdata};
use super::*;
use alloc::{vec, vec::Vec};
use serde_json::Value;
use std::println;

fn from_hex(value: &Value) -> Vec<u8> {
    base16ct::lower::decode_vec(value.as_str().unwrap()).unwrap()
}

/// Groups of a Wycheproof file with their tests.
fn groups(file: &str) -> Option<Vec<Value>> {
    let vectors: Value = serde_json::from_slice(&testdata(file)?).unwrap();
    Some(vectors["testGroups"].as_array().unwrap().clone())
}

fn verifies(key: &[u8], message: &[u8], context: &[u8], signature: &[u8]) -> bool {
    let key = MlDsa44PublicKey::from_slice(key).ok();
    let signature = MlDsa44Signature::from_slice(signature).ok();
    key.zip(signature).is_some_and(|(key, signature)| {
        MlDsa44VerifyingKey::new(&key).verify_with_context(message, context, &signature)
    })
}

#[test]
fn wycheproof_verification_vectors_give_their_results() {
    let Some(groups) = groups("wycheproof/mldsa_44_verify_test.json") else { return };
    let mut count = 0;
    for group in &groups {
        let key = from_hex(&group["publicKey"]);
        for test in group["tests"].as_array().unwrap() {
            let context = test.get("ctx").map(from_hex).unwrap_or_default();
            let got = verifies(&key, &from_hex(&test["msg"]), &context, &from_hex(&test["sig"]));
            assert_eq!(got, test["result"] == "valid", "{}: {}", test["tcId"], test["comment"]);
            count += 1;
        }
    }
    println!("{count} vectors");
    assert!(count >= 180, "only {count} vectors");
}

#[test]
fn wycheproof_signatures_are_made_again_and_verify() {
    let Some(groups) = groups("wycheproof/mldsa_44_sign_seed_test.json") else { return };
    let mut count = 0;
    for group in &groups {
        let Ok(seed) = <[u8; 32]>::try_from(from_hex(&group["privateSeed"])) else { continue };
        let key = mldsa_signing_key(&seed);
        let public_key = key.expanded_key().verifying_key().encode();
        assert_eq!(public_key.as_slice(), from_hex(&group["publicKey"]));
        for test in group["tests"].as_array().unwrap() {
            let flags = test["flags"].as_array().unwrap();
            // these sign another message representative or with randomness
            if flags.iter().any(|flag| flag == "Internal" || flag == "Randomized") {
                continue;
            }
            let (message, expected) = (from_hex(&test["msg"]), from_hex(&test["sig"]));
            let context = test.get("ctx").map(from_hex).unwrap_or_default();
            let signed = key.expanded_key().sign_deterministic(&message, &context);
            assert_eq!(signed.is_ok(), test["result"] == "valid", "{}", test["tcId"]);
            let Ok(signed) = signed else { continue };
            assert_eq!(signed.encode().as_slice(), expected, "{}", test["tcId"]);
            assert!(verifies(&public_key, &message, &context, &expected), "{}", test["tcId"]);
            count += 1;
        }
    }
    println!("{count} vectors");
    assert!(count >= 70, "only {count} vectors");
}

#[test]
fn altered_signature_message_or_key_does_not_verify() {
    let (key, signature) = (mldsa_key(1), mldsa_sign(1, b"message"));
    assert!(key.verify(b"message", &signature));
    assert!(!key.verify(b"massage", &signature));
    assert!(!mldsa_key(2).verify(b"message", &signature));
    for at in [0, 31, 32, 1000, 2335, 2336, 2419] {
        let mut altered = *signature.as_bytes();
        altered[at] ^= 1;
        assert!(!key.verify(b"message", &MlDsa44Signature::new(altered)), "byte {at}");
    }
}

#[test]
fn signature_with_a_context_does_not_verify_without() {
    let key = mldsa_signing_key(&[1; 32]);
    let signature = key.expanded_key().sign_deterministic(b"message", b"context").unwrap();
    let signature = MlDsa44Signature::from_slice(&signature.encode()).unwrap();
    assert!(!mldsa_key(1).verify(b"message", &signature));
}

#[test]
fn other_lengths_are_refused() {
    let error = BytesError::Length { expected: 1312, got: 32 };
    assert_eq!(MlDsa44PublicKey::from_slice(&[0; 32]).unwrap_err(), error);
    let error = BytesError::Length { expected: 2420, got: 2421 };
    assert_eq!(MlDsa44Signature::from_slice(&vec![0; 2421]).unwrap_err(), error);
}
