//! Tests of the tree head bodies.

use super::*;
use crate::ascii::Problem;
use crate::bytes::BytesError;
use crate::wire::test_values::{
    at, cosigned_tree_head, integer, refused, signed_tree_head, upper_case_values, wrong_key,
};
use proptest::prelude::*;
use std::{borrow::ToOwned, format, vec::Vec};

/// The example of `log.md` section 3.1.
const EXAMPLE: &str = "size=1285
root_hash=8100f29c0e9017a7512dab0911bf06a4b5b99cd77d8c710635307b5d217af1f6
signature=e327fe13e5c3d2043cbf69fe1b778f77cb10a8e14fc09309dd375c9af25903f9ec35906cfb2c36ab2d210329eb538a6673487d2d101800370c978634b6f9f70d
cosignature=1a450ecf1f49a4e4580c35e4d83316a74deda949dbb7d338e89d4315764d88de 1687170591 cacc54d315609b796f72ac1d71d1bbc15667853ed980bd3e0f957de7a875b84bd2dcde6489fc3ed66428190ce588ac1061b0d5748e73cfb887ebf38d0b53060a
cosignature=73b6cbe5e3c8e679fb5967b78c59e95db2969a5c13b3423b5e69523e3d52f531 1687170591 7f568da17c57ea322a9c2668ae9fc2c1d6ab5556d9a997e7bfa1cbc4dc5cf7b94e0cead42d481bf0d3d90ad2ee0d272e9e687f8f82fddf76d37d722c6815fe0f
";

fn lines(range: core::ops::Range<usize>) -> String {
    EXAMPLE.split_inclusive('\n').skip(range.start).take(range.len()).collect()
}

fn with_cosignatures(count: usize) -> String {
    let line = |i: usize| {
        format!("cosignature={i:064x} {} {}\n", crate::ascii::MAX_INTEGER, "f0".repeat(64))
    };
    let head = format!(
        "size={}\nroot_hash={}\nsignature={}\n",
        crate::ascii::MAX_INTEGER,
        "ab".repeat(32),
        "cd".repeat(64)
    );
    head + &(0..count).map(line).collect::<String>()
}

#[test]
fn example_of_the_specification_is_read_and_written_back() {
    let head = parse_tree_head(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(head.cosignatures().len(), 2);
    assert_eq!(tree_head_body(&head), EXAMPLE);
}

#[test]
fn head_without_cosignatures_is_read_and_written_back() {
    let body = lines(0..3);
    assert_eq!(tree_head_body(&parse_tree_head(body.as_bytes()).unwrap()), body);
    assert_eq!(signed_tree_head_body(&parse_signed_tree_head(body.as_bytes()).unwrap()), body);
}

#[test]
fn hex_of_any_case_is_read() {
    let upper = upper_case_values(EXAMPLE);
    assert_ne!(upper, EXAMPLE);
    assert_eq!(parse_tree_head(upper.as_bytes()), parse_tree_head(EXAMPLE.as_bytes()));
}

#[test]
fn largest_bodies_reach_the_limits_and_are_read() {
    let body = with_cosignatures(CosignedTreeHead::MAX_COSIGNATURES);
    assert_eq!(body.len(), MAX_TREE_HEAD_BODY_BYTES);
    assert_eq!(tree_head_body(&parse_tree_head(body.as_bytes()).unwrap()), body);
    let body = with_cosignatures(0);
    assert_eq!(body.len(), MAX_SIGNED_TREE_HEAD_BODY_BYTES);
    assert_eq!(signed_tree_head_body(&parse_signed_tree_head(body.as_bytes()).unwrap()), body);
}

refused! { parse_tree_head;
    empty_body_is_refused: "" => at(1, Problem::UnexpectedEnd("size"));
    head_without_signature_is_refused: lines(0..2) => at(3, Problem::UnexpectedEnd("signature"));
    head_without_size_is_refused:
        lines(1..5) => wrong_key(1, "size", "root_hash=8100f29c0e9017a7512dab");
    wrong_key_order_is_refused:
        lines(1..2) + &lines(0..1) + &lines(2..5)
        => wrong_key(1, "size", "root_hash=8100f29c0e9017a7512dab");
    second_size_is_refused: lines(0..1) + EXAMPLE => wrong_key(2, "root_hash", "size=1285");
    cosignature_in_front_is_refused:
        lines(3..4) + &lines(0..3) => wrong_key(1, "size", "cosignature=1a450ecf1f49a4e4580c");
    size_with_a_plus_is_refused: EXAMPLE.replace("=1285", "=+1285") => at(1, Problem::Integer);
    size_with_a_leading_zero_is_refused:
        EXAMPLE.replace("=1285", "=01285") => at(1, Problem::Integer);
    size_of_2_to_the_63_is_refused:
        EXAMPLE.replace("=1285", "=9223372036854775808") => at(1, Problem::Integer);
    short_root_hash_is_refused:
        EXAMPLE.replace("f1f6\n", "f1\n")
        => at(2, Problem::Bytes(BytesError::Length { expected: 32, got: 31 }));
    odd_root_hash_is_refused:
        EXAMPLE.replace("f1f6\n", "f1f\n") => at(2, Problem::Bytes(BytesError::NotHex));
    long_signature_is_refused:
        EXAMPLE.replace("f70d\n", "f70d00\n")
        => at(3, Problem::Bytes(BytesError::Length { expected: 64, got: 65 }));
    cosignature_without_time_is_refused:
        EXAMPLE.replace(" 1687170591 7f", " 7f") => at(5, Problem::WordCount { expected: 3 });
    cosignature_with_a_fourth_value_is_refused:
        EXAMPLE.replace(" 1687170591 7f", " 1687170591 1 7f")
        => at(5, Problem::WordCount { expected: 3 });
    cosignature_with_two_spaces_is_refused:
        EXAMPLE.replace(" 1687170591 7f", "  1687170591 7f")
        => at(5, Problem::WordCount { expected: 3 });
    time_with_a_leading_zero_is_refused:
        EXAMPLE.replace(" 1687170591 7f", " 01687170591 7f") => at(5, Problem::Integer);
    time_of_2_to_the_63_is_refused:
        EXAMPLE.replace(" 1687170591 7f", " 9223372036854775808 7f") => at(5, Problem::Integer);
    duplicate_cosignature_is_refused:
        EXAMPLE.to_owned() + &lines(3..4) => at(6, Problem::DuplicateCosignature);
    duplicate_cosignature_in_other_case_is_refused:
        EXAMPLE.to_owned() + &upper_case_values(&lines(3..4))
        => at(6, Problem::DuplicateCosignature);
    too_many_cosignatures_are_refused:
        with_cosignatures(CosignedTreeHead::MAX_COSIGNATURES + 1)
        => at(260, Problem::TooManyLines);
    crlf_is_refused: EXAMPLE.replace('\n', "\r\n") => at(1, Problem::InvalidByte);
    missing_final_newline_is_refused: EXAMPLE.trim_end() => at(5, Problem::NoNewline);
    trailing_empty_line_is_refused: format!("{EXAMPLE}\n") => at(6, Problem::Trailing);
    trailing_line_is_refused: format!("{EXAMPLE}x=y\n") => at(6, Problem::Trailing);
}

refused! { parse_signed_tree_head;
    cosignature_in_a_signed_head_is_refused: lines(0..4) => at(4, Problem::Trailing);
    signed_head_cut_in_its_signature_is_refused: &lines(0..3)[..150] => at(3, Problem::NoNewline);
}

proptest! {
    #[test]
    fn written_cosigned_head_is_read_back(head in cosigned_tree_head(integer())) {
        prop_assert_eq!(parse_tree_head(tree_head_body(&head).as_bytes()), Ok(head));
    }

    #[test]
    fn written_signed_head_is_read_back(head in signed_tree_head(integer())) {
        let body = signed_tree_head_body(&head);
        prop_assert_eq!(parse_signed_tree_head(body.as_bytes()), Ok(head));
    }

    #[test]
    fn what_is_read_is_written_back(at in 0..EXAMPLE.len(), byte in any::<u8>()) {
        let mut body: Vec<u8> = EXAMPLE.into();
        body[at] = byte;
        if let Ok(head) = parse_tree_head(&body) {
            prop_assert_eq!(tree_head_body(&head).into_bytes(), body.to_ascii_lowercase());
        }
    }
}
