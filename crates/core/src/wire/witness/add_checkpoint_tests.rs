//! Tests of the add-checkpoint request.

use super::*;
use crate::ascii::Problem;
use crate::bytes::BytesError;
use crate::checkpoint::{Checkpoint, CheckpointError, Origin};
use crate::note::testing::any_line;
use crate::note::{NoteError, SignatureLineError};
use crate::tree_head::TreeHead;
use crate::wire::test_values::{at, hash, integer, refused};
use proptest::prelude::*;
use std::{string::String, string::ToString as _, vec};

/// The example of `tlog-witness`, section "add-checkpoint".
const EXAMPLE: &str = "old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

\u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
\u{2014} example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
";
const OLD: Problem = Problem::Value("expected \"old\", a space and a tree size");
const PROOF: Problem = Problem::Value("expected a proof line or an empty line");

fn note() -> &'static str {
    &EXAMPLE[EXAMPLE.find("example.com").unwrap()..]
}

fn with_hashes(count: usize) -> String {
    let hash = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n";
    format!("old 1\n{}\n{}", hash.repeat(count), note())
}

fn parse(text: &str) -> Result<AddCheckpointRequest, WitnessBodyError> {
    AddCheckpointRequest::parse(text.as_bytes())
}

#[test]
fn example_of_the_specification_is_read_and_written_back() {
    let request = parse(EXAMPLE).unwrap();
    assert_eq!(request.old_size, TreeSize(20_852_014));
    assert_eq!(request.proof.len(), 4);
    assert_eq!(request.checkpoint.checkpoint.tree_head.size, TreeSize(20_852_163));
    assert_eq!(request.checkpoint.signatures.len(), 2);
    assert_eq!(String::from_utf8(request.to_body()).unwrap(), EXAMPLE);
}

#[test]
fn first_request_has_no_proof() {
    let text = format!("old 0\n\n{}", note());
    let request = parse(&text).unwrap();
    assert_eq!((request.old_size, request.proof.len()), (TreeSize(0), 0));
    assert_eq!(request.to_body(), text.as_bytes());
}

#[test]
fn longest_proof_is_read() {
    assert_eq!(parse(&with_hashes(63)).unwrap().proof.len(), 63);
}

#[test]
fn sizes_are_left_to_the_witness_to_judge() {
    assert!(parse(&EXAMPLE.replace("old 20852014", "old 20852164")).is_ok());
    assert!(parse(&EXAMPLE.replace("old 20852014", "old 0")).is_ok());
}

refused! { AddCheckpointRequest::parse;
    empty_body_is_refused: "" => at(1, OLD).into();
    missing_old_line_is_refused: &EXAMPLE[13..] => at(1, OLD).into();
    old_without_size_is_refused: EXAMPLE.replacen(" 20852014", "", 1) => at(1, OLD).into();
    old_in_upper_case_is_refused: EXAMPLE.replacen("old", "Old", 1) => at(1, OLD).into();
    old_with_a_tab_is_refused:
        EXAMPLE.replacen("old ", "old\t", 1) => at(1, Problem::InvalidByte).into();
    old_with_two_spaces_is_refused:
        EXAMPLE.replacen("old ", "old  ", 1) => at(1, Problem::Integer).into();
    old_with_a_trailing_space_is_refused:
        EXAMPLE.replacen("2014\n", "2014 \n", 1) => at(1, Problem::Integer).into();
    old_with_a_plus_is_refused:
        EXAMPLE.replacen("old ", "old +", 1) => at(1, Problem::Integer).into();
    old_with_a_leading_zero_is_refused:
        EXAMPLE.replacen("old ", "old 0", 1) => at(1, Problem::Integer).into();
    old_of_2_to_the_63_is_refused:
        EXAMPLE.replacen("20852014", "9223372036854775808", 1) => at(1, Problem::Integer).into();
    second_old_line_is_refused:
        format!("old 1\n{EXAMPLE}") => at(2, Problem::Bytes(BytesError::NotBase64)).into();
    body_cut_in_the_old_line_is_refused: &EXAMPLE[..7] => at(1, Problem::NoNewline).into();
    body_cut_in_the_proof_is_refused: &EXAMPLE[..40] => at(2, Problem::NoNewline).into();
    body_cut_behind_the_proof_is_refused:
        &EXAMPLE[..EXAMPLE.find("\n\n").unwrap() + 1] => at(6, PROOF).into();
    body_cut_behind_the_empty_line_is_refused:
        &EXAMPLE[..EXAMPLE.find("\n\n").unwrap() + 2]
        => CheckpointError::Note(NoteError::NoFinalNewline).into();
    sixty_four_proof_lines_are_refused:
        with_hashes(64) => at(65, Problem::TooManyLines).into();
    proof_line_without_padding_is_refused:
        EXAMPLE.replacen("pkaw=", "pkaw", 1)
        => at(2, Problem::Bytes(BytesError::NotBase64)).into();
    proof_line_with_stray_bits_is_refused:
        EXAMPLE.replacen("pkaw=", "pkax=", 1)
        => at(2, Problem::Bytes(BytesError::NotBase64)).into();
    proof_line_of_url_base64_is_refused:
        EXAMPLE.replacen("5+pK", "5-pK", 1)
        => at(4, Problem::Bytes(BytesError::NotBase64)).into();
    proof_line_of_31_bytes_is_refused:
        EXAMPLE.replacen("PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=", &"AAAA".repeat(10), 1)
        => at(2, Problem::Bytes(BytesError::Length { expected: 32, got: 30 })).into();
    proof_line_of_hex_is_refused:
        EXAMPLE.replacen("PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=", &"ab".repeat(32), 1)
        => at(2, Problem::Bytes(BytesError::Length { expected: 32, got: 48 })).into();
    crlf_is_refused: EXAMPLE.replace('\n', "\r\n") => at(1, Problem::InvalidByte).into();
    crlf_in_the_proof_is_refused:
        EXAMPLE.replacen("pkaw=\n", "pkaw=\r\n", 1) => at(2, Problem::InvalidByte).into();
    byte_outside_utf8_is_refused:
        [b"old 1\n\xff\n".as_slice(), note().as_bytes()].concat()
        => at(2, Problem::InvalidByte).into();
    missing_empty_line_is_refused:
        EXAMPLE.replacen("\n\n", "\n", 1) => at(6, Problem::Bytes(BytesError::NotBase64)).into();
    second_empty_line_is_refused:
        EXAMPLE.replacen("\n\n", "\n\n\n", 1)
        => CheckpointError::Origin(crate::checkpoint::LineError::Empty).into();
    checkpoint_size_with_a_leading_zero_is_refused:
        EXAMPLE.replacen("\n20852163", "\n020852163", 1) => CheckpointError::Size.into();
    checkpoint_without_signatures_is_refused:
        &EXAMPLE[..EXAMPLE.find('\u{2014}').unwrap()]
        => CheckpointError::Note(NoteError::NoSignatures).into();
    malformed_signature_line_is_refused:
        EXAMPLE.replacen("YQ8=\n", "YQ8\n", 1)
        => CheckpointError::Note(NoteError::SignatureLine {
            index: 1,
            error: SignatureLineError::NotBase64,
        }).into();
    missing_final_newline_is_refused:
        EXAMPLE.trim_end() => CheckpointError::Note(NoteError::NoFinalNewline).into();
    trailing_line_is_refused:
        format!("{EXAMPLE}x\n")
        => CheckpointError::Note(NoteError::SignatureLine {
            index: 3,
            error: SignatureLineError::NoEmDash,
        }).into();
}

#[test]
fn note_above_its_limit_is_refused() {
    let lines = "\u{2014} a AAAAAAAAAAAA\n".repeat(MAX_NOTE_BYTES / 17);
    let got = note().len() + lines.len();
    let error = CheckpointError::Note(NoteError::TooLarge { got });
    assert_eq!(parse(&format!("{}{lines}", with_hashes(63))), Err(error.into()));
}

#[test]
fn refusals_name_line_and_reason() {
    let text = |body: &str| parse(body).unwrap_err().to_string();
    assert_eq!(text(""), "line 1: expected \"old\", a space and a tree size");
    assert_eq!(text(&with_hashes(64)), "line 65: too many lines");
    assert_eq!(
        text(&EXAMPLE.replacen("\n20852163", "\nx", 1)),
        "checkpoint: tree size is not a decimal integer from 0 to 2^63-1"
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        old_size in integer(), size in integer(), root_hash in hash(),
        proof in prop::collection::vec(hash(), 0..=63),
        signatures in prop::collection::vec(any_line(), 1..4),
    ) {
        let tree_head = TreeHead { size: TreeSize(size), root_hash };
        let checkpoint = Checkpoint::new(Origin::new("example.org/log").unwrap(), tree_head);
        let checkpoint = SignedCheckpoint { checkpoint, signatures };
        let request = AddCheckpointRequest { old_size: TreeSize(old_size), proof, checkpoint };
        prop_assert_eq!(AddCheckpointRequest::parse(&request.to_body()), Ok(request));
    }

    #[test]
    fn what_is_read_is_written_back(at in 0..EXAMPLE.len(), byte in any::<u8>()) {
        let mut body = EXAMPLE.as_bytes().to_vec();
        body[at] = byte;
        if let Ok(request) = AddCheckpointRequest::parse(&body) {
            prop_assert_eq!(request.to_body(), body);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = AddCheckpointRequest::parse(&body);
        let _ = AddCheckpointRequest::parse(&[b"old 1\n\n".to_vec(), body].concat());
    }
}

#[test]
fn every_cut_but_between_signature_lines_is_refused() {
    let mut accepted = vec![];
    for end in 0..=EXAMPLE.len() {
        if AddCheckpointRequest::parse(&EXAMPLE.as_bytes()[..end]).is_ok() {
            accepted.push(end);
        }
    }
    let second = EXAMPLE.rfind('\u{2014}').unwrap();
    assert_eq!(accepted, [second, EXAMPLE.len()]);
}
