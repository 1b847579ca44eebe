//! Tests of the get-leaves body.

use super::*;
use crate::bytes::BytesError;
use crate::wire::test_values::{at, leaf, refused, upper_case_values, wrong_key};
use proptest::prelude::*;
use std::{format, string::String, vec};

/// The example of `log.md` section 3.4.
const EXAMPLE: &str = "leaf=9c30df06dd583ec46902b9313401ce172ff119d75c438aec2f33e439f467ce83 40160c833571c121bfdc6a02006053a80d3e91a8b73abb4dd0e07cc3098d8e58a41921d8f5649e9fb81c9b7c6b458747c4c3b49cc08c869867100a7f7be78902 5aa7e6233f9f4d2efbeb9eeef766dce8ba2aa5e8cdd3f53da94b5d59e67d92fc
leaf=a2eefef4abcafd5cb2d36fe4f30c624cab048466b73eda3100e72f8fab2d3442 aa5bd628d88be12d4f09feefe4bf65290b03bdeba8523fa38e396218140d79e0850132082914b08876cdc4a6041be8217402a57bfb8328310ad5407bc440060e 5aa7e6233f9f4d2efbeb9eeef766dce8ba2aa5e8cdd3f53da94b5d59e67d92fc
leaf=3ad4741a750a30f08f351d8f681b8bd404c53be1ef7c61d867bd6d1786ef4317 e5ad99f22ff85c3fae259017cbbf5b0ebc7f2880aa4f234ea65d0319a88891baae4e60b7f776e867861c8744f50360b002cfaef43916745c3e18fadea1724e0a 49fee94050634ea537ffac3300a5af2d25b9b3f76836df37c2029b5c9469b007
";

fn parse_three(body: &[u8]) -> Result<Vec<Leaf>, AsciiError> {
    parse_leaves(body, 3)
}

fn parse_none(body: &[u8]) -> Result<Vec<Leaf>, AsciiError> {
    parse_leaves(body, 0)
}

#[test]
fn example_of_the_specification_is_read_and_written_back() {
    let leaves = parse_three(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(leaves.len(), 3);
    assert_eq!(leaves_body(&leaves), EXAMPLE.as_bytes());
    assert_eq!(EXAMPLE.len(), max_leaves_body_bytes(3));
}

#[test]
fn fewer_leaves_than_asked_for_are_read() {
    assert_eq!(parse_leaves(EXAMPLE.as_bytes(), 512).unwrap().len(), 3);
}

#[test]
fn hex_of_any_case_is_read() {
    let upper = upper_case_values(EXAMPLE);
    assert_ne!(upper, EXAMPLE);
    assert_eq!(parse_three(upper.as_bytes()), parse_three(EXAMPLE.as_bytes()));
}

#[test]
fn binary_leaf_gives_the_same_line() {
    let leaves = parse_three(EXAMPLE.as_bytes()).unwrap();
    let mut writer = LeavesWriter::with_capacity(3);
    leaves.iter().for_each(|leaf| writer.push_bytes(&leaf.to_bytes()));
    assert_eq!(writer.finish(), EXAMPLE.as_bytes());
}

#[test]
fn writer_allocates_once() {
    let leaves = parse_three(EXAMPLE.as_bytes()).unwrap();
    let mut writer = LeavesWriter::with_capacity(512);
    let before = writer.out.capacity();
    (0..512).for_each(|i| writer.push(&leaves[i % 3]));
    assert_eq!(writer.out.capacity(), before);
}

refused! { parse_three;
    empty_body_is_refused: "" => at(1, Problem::UnexpectedEnd("leaf"));
    more_leaves_than_asked_for_are_refused:
        format!("{EXAMPLE}{}", &EXAMPLE[..LEAF_LINE_BYTES]) => at(4, Problem::TooManyLines);
    body_cut_in_a_line_is_refused: &EXAMPLE[..300] => at(2, Problem::NoNewline);
    body_without_final_newline_is_refused: EXAMPLE.trim_end() => at(3, Problem::NoNewline);
    trailing_empty_line_is_refused: format!("{EXAMPLE}\n") => wrong_key(4, "leaf", "");
    trailing_bytes_are_refused: format!("{EXAMPLE}x") => at(4, Problem::NoNewline);
    crlf_is_refused: EXAMPLE.replace('\n', "\r\n") => at(1, Problem::InvalidByte);
    other_key_is_refused:
        EXAMPLE.replace("leaf=3ad", "Leaf=3ad")
        => wrong_key(3, "leaf", "Leaf=3ad4741a750a30f08f351d8f681");
    two_spaces_are_refused:
        EXAMPLE.replace("ce83 40", "ce83  40") => at(1, Problem::WordCount { expected: 3 });
    tab_instead_of_space_is_refused:
        EXAMPLE.replace("ce83 40", "ce83\t40") => at(1, Problem::InvalidByte);
    missing_key_hash_is_refused:
        "leaf=00 00\n" => at(1, Problem::WordCount { expected: 3 });
    fourth_value_is_refused:
        "leaf=00 00 00 00\n" => at(1, Problem::WordCount { expected: 3 });
    trailing_space_is_refused:
        EXAMPLE.replace("b007\n", "b007 \n") => at(3, Problem::WordCount { expected: 3 });
    odd_number_of_digits_is_refused:
        EXAMPLE.replace("b007\n", "b00\n") => at(3, Problem::Bytes(BytesError::NotHex));
    short_checksum_is_refused:
        EXAMPLE.replace("ce83 40", "ce 40")
        => at(1, Problem::Bytes(BytesError::Length { expected: 32, got: 31 }));
    space_moved_by_one_is_refused:
        EXAMPLE.replace("ce83 40", "ce8 340") => at(1, Problem::Bytes(BytesError::NotHex));
    letter_that_is_no_hex_digit_is_refused:
        EXAMPLE.replace("b007\n", "b00x\n") => at(3, Problem::Bytes(BytesError::NotHex));
    newline_moved_by_one_is_refused:
        EXAMPLE.replace("92fc\nleaf=a2", "92f\ncleaf=a2")
        => at(1, Problem::Bytes(BytesError::NotHex));
}

refused! { parse_none;
    leaf_that_was_not_asked_for_is_refused: EXAMPLE => at(1, Problem::TooManyLines);
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(leaves in prop::collection::vec(leaf(), 1..9)) {
        let body = leaves_body(&leaves);
        prop_assert_eq!(body.len(), max_leaves_body_bytes(leaves.len()));
        prop_assert_eq!(parse_leaves(&body, leaves.len()), Ok(leaves.clone()));
        prop_assert_eq!(parse_lines(&body, leaves.len()), Ok(leaves));
    }

    #[test]
    fn both_ways_of_reading_agree_on_one_changed_byte(
        at in 0..EXAMPLE.len(), byte in any::<u8>(),
    ) {
        let mut body = EXAMPLE.as_bytes().to_vec();
        body[at] = byte;
        prop_assert_eq!(parse_leaves(&body, 3), parse_lines(&body, 3));
        if let Ok(leaves) = parse_leaves(&body, 3) {
            prop_assert_eq!(leaves_body(&leaves), body.to_ascii_lowercase());
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = parse_leaves(&body, 2);
    }
}

#[test]
fn every_cut_but_between_lines_is_refused() {
    let mut accepted = vec![];
    for end in 0..=EXAMPLE.len() {
        if parse_three(&EXAMPLE.as_bytes()[..end]).is_ok() {
            accepted.push(end);
        }
    }
    assert_eq!(accepted, [264, 528, 792], "{}", String::from(EXAMPLE));
}
