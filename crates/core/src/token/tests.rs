//! Tests of submit tokens.

use super::{MAX_DOMAIN_BYTES, SubmitToken, TokenError, token_signing_bytes};
use crate::bytes::{BytesError, PublicKey, Signature};
use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;
use std::string::String;

/// The key that anybody may use for tests: its private key is the number 1.
const TEST_KEY: &str = "4cb5abf6ad79fbf5abbccafcc269d85cd2651ed4b885b5869f241aedf0a5ba29";

fn test_signer() -> SigningKey {
    let mut seed = [0; 32];
    seed[31] = 1;
    SigningKey::from_bytes(&seed)
}

fn header() -> String {
    std::format!("foo.example.com {}", "0b".repeat(64))
}

fn refused(header: &str) -> TokenError {
    SubmitToken::from_header(header).expect_err("malformed")
}

#[test]
fn the_private_key_of_the_public_test_key_is_the_number_1() {
    let key = PublicKey::new(test_signer().verifying_key().to_bytes());
    assert_eq!(key.to_hex(), TEST_KEY);
}

#[test]
fn the_signed_bytes_are_namespace_nul_and_the_logs_key() {
    let bytes = token_signing_bytes(&PublicKey::new([9; 32]));
    assert_eq!(bytes.len(), 59);
    assert_eq!(&bytes[..27], b"sigsum.org/v1/submit-token\0");
    assert_eq!(&bytes[27..], [9; 32]);
}

#[test]
fn a_token_of_the_test_key_verifies_for_its_log_only() {
    let key = PublicKey::from_hex(TEST_KEY).unwrap();
    let log = PublicKey::new([9; 32]);
    let signature = test_signer().sign(&token_signing_bytes(&log)).to_bytes();
    let value = std::format!("test.sigsum.org {}", Signature::new(signature));
    let token = SubmitToken::from_header(&value).unwrap();
    assert_eq!(token.domain, "test.sigsum.org");
    assert!(token.verify(&key, &log));
    assert!(!token.verify(&key, &PublicKey::new([8; 32])), "another log");
    assert!(!token.verify(&log, &log), "another key");
    let signature = Signature::new([0; 64]);
    assert!(!SubmitToken { signature, ..token }.verify(&key, &log), "another signature");
}

#[test]
fn hex_in_capitals_is_read() {
    let token = SubmitToken::from_header(&header().to_uppercase()).unwrap();
    assert_eq!(token.signature, Signature::new([0x0b; 64]));
    assert_eq!(token.domain, "FOO.EXAMPLE.COM", "as the submitter wrote it");
}

#[test]
fn empty_header() {
    assert_eq!(refused(""), TokenError::Form);
}

#[test]
fn domain_alone() {
    assert_eq!(refused("foo.example.com"), TokenError::Form);
}

#[test]
fn signature_alone() {
    assert_eq!(refused(&"0b".repeat(64)), TokenError::Form);
}

#[test]
fn empty_domain() {
    assert_eq!(refused(&std::format!(" {}", "0b".repeat(64))), TokenError::Domain);
}

#[test]
fn two_spaces() {
    assert_eq!(refused(&header().replace(' ', "  ")), TokenError::Form);
}

#[test]
fn space_in_front() {
    assert_eq!(refused(&std::format!(" {}", header())), TokenError::Form);
}

#[test]
fn space_behind() {
    assert_eq!(refused(&std::format!("{} ", header())), TokenError::Form);
}

#[test]
fn third_word() {
    assert_eq!(refused(&std::format!("{} x", header())), TokenError::Form);
}

#[test]
fn tab_between() {
    assert_eq!(refused(&header().replace(' ', "\t")), TokenError::Form);
}

#[test]
fn control_character_in_the_domain() {
    assert_eq!(refused(&header().replace("foo", "f\r\no")), TokenError::Domain);
}

#[test]
fn domain_that_is_not_ascii() {
    assert_eq!(refused(&header().replace("foo", "f\u{f8}o")), TokenError::Domain);
}

#[test]
fn domain_with_an_escaped_dot() {
    for escaped in ["foo\\.", "foo\\046", "\\102oo."] {
        assert_eq!(refused(&header().replace("foo.", escaped)), TokenError::Domain);
    }
}

#[test]
fn domain_with_punctuation() {
    for byte in (b'!'..=b'~').filter(|b| !b.is_ascii_alphanumeric() && !b"-_.".contains(b)) {
        let domain = String::from_iter(['f', char::from(byte), 'o']);
        assert_eq!(refused(&header().replace("foo", &domain)), TokenError::Domain, "{domain}");
    }
}

#[test]
fn domain_of_253_bytes_is_read_and_one_of_254_is_not() {
    let of = |length| std::format!("{} {}", "a".repeat(length), "0b".repeat(64));
    assert!(SubmitToken::from_header(&of(MAX_DOMAIN_BYTES)).is_ok());
    assert_eq!(refused(&of(MAX_DOMAIN_BYTES + 1)), TokenError::Domain);
}

#[test]
fn signature_too_short() {
    let length = BytesError::Length { expected: 64, got: 63 };
    assert_eq!(refused(&header().replacen("0b", "", 1)), TokenError::Signature(length));
}

#[test]
fn signature_of_odd_hex() {
    let odd = TokenError::Signature(BytesError::NotHex);
    assert_eq!(refused(&header().replacen("0b", "b", 1)), odd);
}

#[test]
fn signature_that_is_not_hex() {
    let letter = TokenError::Signature(BytesError::NotHex);
    assert_eq!(refused(&header().replacen("0b", "0x", 1)), letter);
}

#[test]
fn newline_behind() {
    let newline = TokenError::Signature(BytesError::NotHex);
    assert_eq!(refused(&std::format!("{}\n", header())), newline);
}

proptest! {
    #[test]
    fn written_tokens_are_read_back(
        domain in "[a-zA-Z0-9._-]{1,253}",
        bytes in prop::collection::vec(any::<u8>(), 64),
    ) {
        let signature = Signature::from_slice(&bytes).unwrap();
        let token = SubmitToken { domain, signature };
        prop_assert_eq!(SubmitToken::from_header(&token.to_header()), Ok(token));
    }

    #[test]
    fn tokens_that_are_read_are_written_back(value in "[a-z. ]{0,8} [0-9a-f]{126,130}") {
        if let Ok(token) = SubmitToken::from_header(&value) {
            prop_assert_eq!(token.to_header(), value);
        }
    }
}
