//! Tests of the responses of a witness.

use super::*;
use crate::note::testing::any_line;
use crate::note::{NoteError, SignatureLineError};
use crate::wire::test_values::{at, integer, refused};
use proptest::prelude::*;

/// Two lines of the example of `tlog-witness`, section "add-checkpoint".
const EXAMPLE: &str = "\u{2014} witness.example/w1 CMp+6LWBU0anHGH5aNDTJkH/gj79sG+T6+iP2ThYN5krrDJbR1HDnucjL39QsZTSvVjyQLrdk3DXDqI5G2HgLatVs0pWh6Up69HVOw==
\u{2014} witness.example/w2 AWui8Sk55XjYLOijihBjhqEH6nS1ndDymE0a+6idX7pLcnoB+dhnz0854aLZgrrKbYKA7nC3HNJhm/kWl7oJlqU3rXXvpysAdyP3wQ==
";

fn line_error(index: usize, error: SignatureLineError) -> WitnessBodyError {
    WitnessBodyError::Signatures(NoteError::SignatureLine { index, error })
}

#[test]
fn example_of_the_specification_is_read_and_written_back() {
    let lines = parse_signature_lines(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1].name.as_str(), "witness.example/w2");
    assert_eq!(signature_lines_body(&lines), EXAMPLE);
}

#[test]
fn as_many_lines_as_allowed_are_read() {
    let body = EXAMPLE.repeat(MAX_RESPONSE_SIGNATURES / 2);
    assert_eq!(parse_signature_lines(body.as_bytes()).unwrap().len(), MAX_RESPONSE_SIGNATURES);
}

refused! { parse_signature_lines;
    empty_response_is_refused: "" => WitnessBodyError::NoSignatures;
    too_many_lines_are_refused:
        EXAMPLE.repeat(9) => WitnessBodyError::TooManySignatures { got: 18 };
    missing_final_newline_is_refused:
        EXAMPLE.trim_end() => WitnessBodyError::Signatures(NoteError::NoFinalNewline);
    empty_line_is_refused: "\n" => line_error(1, SignatureLineError::NoEmDash);
    empty_line_behind_the_signatures_is_refused:
        format!("{EXAMPLE}\n") => line_error(3, SignatureLineError::NoEmDash);
    hyphen_instead_of_the_em_dash_is_refused:
        EXAMPLE.replacen('\u{2014}', "-", 1) => line_error(1, SignatureLineError::NoEmDash);
    line_without_signature_is_refused:
        "\u{2014} name\n" => line_error(1, SignatureLineError::NoSignature);
    signature_that_is_not_base64_is_refused:
        EXAMPLE.replacen("VOw==", "VOw=", 1) => line_error(1, SignatureLineError::NotBase64);
    signature_shorter_than_a_key_id_is_refused:
        "\u{2014} name AAAA\n" => line_error(1, SignatureLineError::ShortKeyId { got: 3 });
    byte_outside_utf8_is_refused:
        b"\xff\n" => WitnessBodyError::Signatures(NoteError::NotUtf8 { at: 0 });
}

#[test]
fn crlf_in_a_response_is_refused() {
    let error = parse_signature_lines(EXAMPLE.replace('\n', "\r\n").as_bytes()).unwrap_err();
    let control = matches!(
        error,
        WitnessBodyError::Signatures(NoteError::ControlCharacter { byte: b'\r', .. })
    );
    assert!(control, "{error}");
}

#[test]
fn size_of_a_conflict_is_read_and_written_back() {
    assert_eq!(parse_conflict(b"20852014\n"), Ok(TreeSize(20_852_014)));
    assert_eq!(parse_conflict(b"0\n"), Ok(TreeSize(0)));
    assert_eq!(conflict_body(TreeSize(20_852_014)), "20852014\n");
    let largest = conflict_body(TreeSize(crate::ascii::MAX_INTEGER));
    assert_eq!(largest.len(), MAX_CONFLICT_BODY_BYTES);
}

refused! { parse_conflict;
    empty_conflict_is_refused: "" => at(1, Problem::NoNewline).into();
    conflict_without_newline_is_refused: "5" => at(1, Problem::NoNewline).into();
    conflict_without_size_is_refused: "\n" => at(1, Problem::Integer).into();
    conflict_with_crlf_is_refused: "5\r\n" => at(1, Problem::Integer).into();
    conflict_with_a_plus_is_refused: "+5\n" => at(1, Problem::Integer).into();
    conflict_with_a_leading_zero_is_refused: "05\n" => at(1, Problem::Integer).into();
    conflict_with_a_space_is_refused: "5 \n" => at(1, Problem::Integer).into();
    conflict_with_a_second_line_is_refused: "5\n6\n" => at(1, Problem::Integer).into();
    conflict_of_2_to_the_63_is_refused: "9223372036854775808\n" => at(1, Problem::Integer).into();
    conflict_outside_utf8_is_refused: b"\xff\n" => at(1, Problem::Integer).into();
}

proptest! {
    #[test]
    fn written_lines_are_read_back(
        lines in prop::collection::vec(any_line(), 1..=MAX_RESPONSE_SIGNATURES),
    ) {
        let body = signature_lines_body(&lines);
        prop_assert_eq!(parse_signature_lines(body.as_bytes()), Ok(lines));
    }

    #[test]
    fn written_size_is_read_back(size in integer()) {
        let body = conflict_body(TreeSize(size));
        prop_assert_eq!(parse_conflict(body.as_bytes()), Ok(TreeSize(size)));
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse_signature_lines(&body);
        let _ = parse_conflict(&body);
    }
}
