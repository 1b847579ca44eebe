//! Tests of the add-leaf body.

use super::*;
use crate::ascii::Problem;
use crate::bytes::BytesError;
use crate::wire::test_values::{
    at, message, public_key, refused, signature, upper_case_values, wrong_key,
};
use proptest::prelude::*;
use std::{format, string::String, vec};

/// The example of `log.md` section 3.5.
const EXAMPLE: &str = "message=50d858e0985ecc7f60418aaf0cc5ab587f42c2570a884095a9e8ccacd0f6545c
signature=510567c6349bb92984b480c43dd6e818d46578e9f4d6a69d8bac7b209463cc965129ff4776d1dc882e9963087de0d2bc57568a76b7bfe4569fac80512e70bb09
public_key=a9e92dedad449c12e59ef2a1fb272efd3e8a9d69e8c632d29f50dff603687925
";

fn line(number: usize) -> &'static str {
    EXAMPLE.split_inclusive('\n').nth(number).unwrap()
}

#[test]
fn example_of_the_specification_is_read_and_written_back() {
    let request = AddLeafRequest::parse(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(request.to_body(), EXAMPLE.as_bytes());
    assert_eq!(EXAMPLE.len(), ADD_LEAF_BODY_BYTES);
}

#[test]
fn example_of_the_specification_verifies() {
    let request = AddLeafRequest::parse(EXAMPLE.as_bytes()).unwrap();
    assert!(request.verify());
    assert!(request.leaf().verify(&request.public_key));
}

#[test]
fn signature_over_another_message_does_not_verify() {
    let mut request = AddLeafRequest::parse(EXAMPLE.as_bytes()).unwrap();
    request.message = Message::new([7; 32]);
    assert!(!request.verify());
}

#[test]
fn key_that_is_no_point_does_not_verify() {
    let mut request = AddLeafRequest::parse(EXAMPLE.as_bytes()).unwrap();
    request.public_key = PublicKey::new([2; 32]);
    assert!(VerifyingKey::new(&request.public_key).is_none());
    assert!(!request.verify());
}

#[test]
fn cached_key_of_somebody_else_does_not_verify() {
    let request = AddLeafRequest::parse(EXAMPLE.as_bytes()).unwrap();
    let own = VerifyingKey::new(&request.public_key).unwrap();
    assert!(request.verify_with(&own));
    let mut other = request;
    other.public_key = PublicKey::new([0; 32]);
    assert!(!other.verify_with(&own));
}

#[test]
fn hex_of_any_case_is_read() {
    let upper = upper_case_values(EXAMPLE);
    assert_ne!(upper, EXAMPLE);
    assert_eq!(AddLeafRequest::parse(upper.as_bytes()), AddLeafRequest::parse(EXAMPLE.as_bytes()));
}

refused! { AddLeafRequest::parse;
    empty_body_is_refused: "" => at(1, Problem::UnexpectedEnd("message"));
    body_without_public_key_is_refused:
        [line(0), line(1)].concat() => at(3, Problem::UnexpectedEnd("public_key"));
    body_without_message_is_refused:
        [line(1), line(2)].concat()
        => wrong_key(1, "message", "signature=510567c6349bb92984b480");
    body_cut_in_a_value_is_refused: &EXAMPLE[..40] => at(1, Problem::NoNewline);
    body_without_final_newline_is_refused:
        EXAMPLE.trim_end() => at(3, Problem::NoNewline);
    second_final_newline_is_refused: format!("{EXAMPLE}\n") => at(4, Problem::Trailing);
    trailing_line_is_refused: format!("{EXAMPLE}x=y\n") => at(4, Problem::Trailing);
    trailing_bytes_are_refused: format!("{EXAMPLE}x") => at(4, Problem::Trailing);
    wrong_key_order_is_refused:
        [line(1), line(0), line(2)].concat()
        => wrong_key(1, "message", "signature=510567c6349bb92984b480");
    duplicate_key_is_refused:
        [line(0), line(0), line(1), line(2)].concat()
        => wrong_key(2, "signature", "message=50d858e0985ecc7f60418aaf");
    unknown_key_is_refused:
        EXAMPLE.replace("message", "checksum")
        => wrong_key(1, "message", "checksum=50d858e0985ecc7f60418aa");
    key_in_upper_case_is_refused:
        EXAMPLE.replace("message", "MESSAGE")
        => wrong_key(1, "message", "MESSAGE=50d858e0985ecc7f60418aaf");
    leading_empty_line_is_refused: format!("\n{EXAMPLE}") => wrong_key(1, "message", "");
    crlf_is_refused: EXAMPLE.replace('\n', "\r\n") => at(1, Problem::InvalidByte);
    space_before_the_value_is_refused:
        EXAMPLE.replace("public_key=", "public_key= ") => at(3, Problem::Bytes(BytesError::NotHex));
    space_before_the_equals_sign_is_refused:
        EXAMPLE.replace("public_key=", "public_key =")
        => wrong_key(3, "public_key", "public_key =a9e92dedad449c12e59e");
    odd_number_of_digits_is_refused:
        EXAMPLE.replace("545c\n", "545\n") => at(1, Problem::Bytes(BytesError::NotHex));
    message_of_31_bytes_is_refused:
        EXAMPLE.replace("545c\n", "54\n")
        => at(1, Problem::Bytes(BytesError::Length { expected: 32, got: 31 }));
    message_of_33_bytes_is_refused:
        EXAMPLE.replace("545c\n", "545c00\n")
        => at(1, Problem::Bytes(BytesError::Length { expected: 32, got: 33 }));
    empty_message_is_refused:
        format!("message=\n{}{}", line(1), line(2))
        => at(1, Problem::Bytes(BytesError::Length { expected: 32, got: 0 }));
    signature_of_63_bytes_is_refused:
        EXAMPLE.replace("bb09\n", "bb\n")
        => at(2, Problem::Bytes(BytesError::Length { expected: 64, got: 63 }));
    letter_that_is_no_hex_digit_is_refused:
        EXAMPLE.replace("545c\n", "545g\n") => at(1, Problem::Bytes(BytesError::NotHex));
    nul_byte_is_refused:
        EXAMPLE.replace("545c\n", "545\0\n") => at(1, Problem::InvalidByte);
    byte_outside_ascii_is_refused:
        [EXAMPLE.as_bytes(), &[0xff]].concat() => at(4, Problem::InvalidByte);
    newline_moved_into_the_next_value_is_refused:
        EXAMPLE.replace("545c\nsignature=51", "545\ncsignature=51")
        => at(1, Problem::Bytes(BytesError::NotHex));
}

#[test]
fn every_other_length_is_refused() {
    let mut body = vec![];
    for byte in EXAMPLE.bytes() {
        assert!(AddLeafRequest::parse(&body).is_err(), "{}", String::from_utf8_lossy(&body));
        body.push(byte);
    }
    assert!(AddLeafRequest::parse(&body).is_ok());
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        message in message(), signature in signature(), public_key in public_key(),
    ) {
        let request = AddLeafRequest { message, signature, public_key };
        let body = request.to_body();
        prop_assert_eq!(AddLeafRequest::parse(&body), Ok(request));
        prop_assert_eq!(AddLeafRequest::parse_lines(&body), Ok(request));
    }

    #[test]
    fn both_ways_of_reading_agree_on_one_changed_byte(
        at in 0..ADD_LEAF_BODY_BYTES, byte in any::<u8>(),
    ) {
        let mut body = EXAMPLE.as_bytes().to_vec();
        body[at] = byte;
        prop_assert_eq!(AddLeafRequest::parse_fixed(&body), AddLeafRequest::parse_lines(&body).ok());
        if let Ok(request) = AddLeafRequest::parse(&body) {
            prop_assert_eq!(request.to_body(), body.to_ascii_lowercase());
        }
    }
}
