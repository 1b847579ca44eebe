//! Notes: the example of `signed-note`, every way of being malformed, lines of unknown keys.

use super::testing::{any_line, sign, vkey};
use super::*;
use alloc::{format, string::ToString, vec};
use proptest::prelude::*;

const EXAMPLE_VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const EXAMPLE: &str = "This is an example message.\n\n\
    \u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
const POEM: &str = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\n\u{e8} subito sera.\n\n\
    \u{2014} quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";

fn example_key() -> Verifier {
    Verifier::new(&Vkey::parse(EXAMPLE_VKEY).unwrap())
}

/// A note with a good line of the key `a`.
fn signed_by_a(text: &str) -> (Verifier, SignatureLine) {
    let key = vkey("a", 1);
    let line = SignatureLine::new(&key, sign(1, text.as_bytes()).as_bytes().to_vec());
    (Verifier::new(&key), line)
}

#[test]
fn example_of_the_specification_verifies() {
    let note = SignedNote::parse(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(note.text(), "This is an example message.\n");
    assert_eq!(note.verify(&example_key()), NoteSignature::Valid);
    assert_eq!(note.to_string(), EXAMPLE);
}

#[test]
fn altered_text_does_not_verify() {
    let altered = EXAMPLE.replace("an example", "no example");
    let note = SignedNote::parse(altered.as_bytes()).unwrap();
    assert_eq!(note.verify(&example_key()), NoteSignature::Invalid);
}

#[test]
fn text_with_empty_lines_ends_at_the_last_one() {
    let note = SignedNote::parse(POEM.as_bytes()).unwrap();
    assert!(note.text().ends_with("sole:\n\n\u{e8} subito sera.\n"));
    assert_eq!(note.signatures().len(), 1);
    assert_eq!(note.to_string(), POEM);
}

#[test]
fn text_that_looks_like_a_signature_is_text() {
    let (key, line) = signed_by_a("x\n");
    let note = format!("x\n\n{line}\n\n{line}\n");
    let note = SignedNote::parse(note.as_bytes()).unwrap();
    assert_eq!(note.text(), format!("x\n\n{line}\n"));
    assert_eq!(note.verify(&key), NoteSignature::Invalid);
}

#[test]
fn text_of_one_newline_is_a_text() {
    let (key, line) = signed_by_a("\n");
    let note = SignedNote::parse(format!("\n\n{line}\n").as_bytes()).unwrap();
    assert_eq!(note.verify(&key), NoteSignature::Valid);
}

fn refused(note: &[u8]) -> NoteError {
    SignedNote::parse(note).unwrap_err()
}

#[test]
fn empty_input_is_refused() {
    assert_eq!(refused(b""), NoteError::NoFinalNewline);
}

#[test]
fn carriage_return_is_refused() {
    let note = EXAMPLE.replace("message.\n", "message.\r\n");
    assert_eq!(refused(note.as_bytes()), NoteError::ControlCharacter { byte: b'\r', at: 27 });
}

#[test]
fn tab_is_refused() {
    let note = EXAMPLE.replace("is an", "is\tan");
    assert_eq!(refused(note.as_bytes()), NoteError::ControlCharacter { byte: b'\t', at: 7 });
}

#[test]
fn control_character_in_a_signature_line_is_refused() {
    let note = EXAMPLE.replace("/foo", "/f\0o");
    assert!(matches!(refused(note.as_bytes()), NoteError::ControlCharacter { byte: 0, .. }));
}

#[test]
fn delete_character_is_allowed() {
    let (key, line) = signed_by_a("a\x7fb\n");
    let note = SignedNote::parse(format!("a\x7fb\n\n{line}\n").as_bytes()).unwrap();
    assert_eq!(note.verify(&key), NoteSignature::Valid);
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    let mut note = EXAMPLE.as_bytes().to_vec();
    note[3] = 0xff;
    assert_eq!(refused(&note), NoteError::NotUtf8 { at: 3 });
}

#[test]
fn missing_blank_line_is_refused() {
    let note = EXAMPLE.replace("\n\n", "\n");
    assert_eq!(refused(note.as_bytes()), NoteError::NoBlankLine);
}

#[test]
fn missing_signatures_are_refused() {
    assert_eq!(refused(b"text\n\n"), NoteError::NoSignatures);
}

#[test]
fn missing_final_newline_is_refused() {
    assert_eq!(refused(EXAMPLE.trim_end().as_bytes()), NoteError::NoFinalNewline);
}

#[test]
fn blank_line_behind_the_signatures_is_refused() {
    assert_eq!(refused(format!("{EXAMPLE}\n").as_bytes()), NoteError::NoSignatures);
}

#[test]
fn line_that_is_no_signature_is_refused() {
    let note = format!("{EXAMPLE}more\n");
    let error = SignatureLineError::NoEmDash;
    assert_eq!(refused(note.as_bytes()), NoteError::SignatureLine { index: 2, error });
}

#[test]
fn most_signature_lines_are_read_and_one_more_is_refused() {
    let (key, line) = signed_by_a("x\n");
    let lines = format!("{line}\n").repeat(MAX_SIGNATURES);
    let note = SignedNote::parse(format!("x\n\n{lines}").as_bytes()).unwrap();
    assert_eq!(note.verify(&key), NoteSignature::Valid);
    let note = format!("x\n\n{lines}{line}\n");
    assert_eq!(refused(note.as_bytes()), NoteError::TooManySignatures);
}

#[test]
fn sixteen_signatures_of_five_kilobytes_are_read() {
    let line = SignatureLine { signature: vec![7; 5000], ..signed_by_a("x\n").1 };
    let note = SignedNote::new("x\n", vec![line; 16]).unwrap().to_string();
    assert_eq!(SignedNote::parse(note.as_bytes()).unwrap().signatures().len(), 16);
}

#[test]
fn note_above_the_size_limit_is_refused() {
    let text = "x".repeat(MAX_NOTE_BYTES);
    let got = MAX_NOTE_BYTES + 1;
    assert_eq!(refused(format!("{text}\n").as_bytes()), NoteError::TooLarge { got });
    let error = SignedNote::new(&format!("{text}\n"), Vec::new()).unwrap_err();
    assert!(matches!(error, NoteError::TooLarge { .. }));
}

#[test]
fn largest_note_is_written_and_read() {
    let (_, line) = signed_by_a("x\n");
    let text = "x".repeat(MAX_NOTE_BYTES - line.len_bytes() - 2) + "\n";
    let note = SignedNote::new(&text, vec![line.clone()]).unwrap().to_string();
    assert_eq!(note.len(), MAX_NOTE_BYTES);
    assert!(SignedNote::parse(note.as_bytes()).is_ok());
    let error = SignedNote::new(&format!("x{text}"), vec![line]).unwrap_err();
    assert_eq!(error, NoteError::TooLarge { got: MAX_NOTE_BYTES + 1 });
}

#[test]
fn new_note_needs_a_newline_at_the_end_of_its_text() {
    assert_eq!(SignedNote::new("x", Vec::new()), Err(NoteError::TextWithoutNewline));
    assert_eq!(SignedNote::new("", Vec::new()), Err(NoteError::TextWithoutNewline));
}

#[test]
fn new_note_refuses_control_characters() {
    let error = NoteError::ControlCharacter { byte: b'\r', at: 1 };
    assert_eq!(SignedNote::new("x\r\n", Vec::new()), Err(error));
}

#[test]
fn unknown_keys_types_and_sizes_are_kept_and_ignored() {
    let (key, line) = signed_by_a("x\n");
    let unknown = [1_usize, 63, 64, 65, 72, 2420, 2428, 4627].map(|size| {
        let name = KeyName::new("someone/else").unwrap();
        SignatureLine { name, key_id: KeyId([9; 4]), signature: vec![3; size] }
    });
    let mut lines = unknown.to_vec();
    lines.insert(4, line);
    let written = SignedNote::new("x\n", lines.clone()).unwrap().to_string();
    let note = SignedNote::parse(written.as_bytes()).unwrap();
    assert_eq!(note.signatures(), lines);
    assert_eq!(note.verify(&key), NoteSignature::Valid);
    assert_eq!(note.verify(&Verifier::new(&vkey("b", 2))), NoteSignature::Missing);
}

#[test]
fn line_that_shares_only_the_name_is_ignored() {
    let (key, line) = signed_by_a("x\n");
    let other = SignatureLine { key_id: KeyId([0; 4]), ..line.clone() };
    let alone = SignedNote::new("x\n", vec![other.clone()]).unwrap();
    assert_eq!(alone.verify(&key), NoteSignature::Missing);
    let both = SignedNote::new("x\n", vec![other, line]).unwrap();
    assert_eq!(both.verify(&key), NoteSignature::Valid);
}

#[test]
fn line_that_shares_only_the_key_id_is_ignored() {
    let (key, line) = signed_by_a("x\n");
    let other = SignatureLine { name: KeyName::new("b").unwrap(), ..line };
    let note = SignedNote::new("x\n", vec![other]).unwrap();
    assert_eq!(note.verify(&key), NoteSignature::Missing);
}

#[test]
fn repeated_good_lines_of_a_key_are_valid() {
    let (key, line) = signed_by_a("x\n");
    let note = SignedNote::new("x\n", vec![line.clone(), line]).unwrap();
    assert_eq!(note.verify(&key), NoteSignature::Valid);
}

#[test]
fn one_bad_line_of_a_key_spoils_its_good_ones() {
    let (key, line) = signed_by_a("x\n");
    let bad = SignatureLine { signature: vec![1; 64], ..line.clone() };
    for lines in [vec![line.clone(), bad.clone()], vec![bad, line]] {
        let note = SignedNote::new("x\n", lines).unwrap();
        assert_eq!(note.verify(&key), NoteSignature::Invalid);
    }
}

#[test]
fn line_of_a_key_with_another_signature_size_is_invalid() {
    let (key, line) = signed_by_a("x\n");
    for size in [63, 65, 72] {
        let line = SignatureLine { signature: vec![1; size], ..line.clone() };
        let note = SignedNote::new("x\n", vec![line]).unwrap();
        assert_eq!(note.verify(&key), NoteSignature::Invalid);
    }
}

#[test]
fn key_that_is_no_point_verifies_nothing() {
    let mut key = vkey("a", 1);
    key.key = NoteKey::Ed25519(crate::PublicKey::new([2; 32]));
    assert!(crate::crypto::VerifyingKey::new(key.key.ed25519().unwrap()).is_none());
    let note = SignedNote::new("x\n", vec![SignatureLine::new(&key, vec![0; 64])]).unwrap();
    assert_eq!(note.verify(&Verifier::new(&key)), NoteSignature::Invalid);
}

#[test]
fn cosigner_keys_verify_no_text_that_is_no_checkpoint() {
    let key = super::testing::cosigner("w", 1);
    let note = SignedNote::new("x\n", vec![SignatureLine::new(&key, vec![0; 72])]).unwrap();
    assert_eq!(note.verify(&Verifier::new(&key)), NoteSignature::Invalid);
}

#[test]
fn signature_lines_alone_are_read() {
    let (_, line) = signed_by_a("x\n");
    let lines = format!("{line}\n{line}\n");
    assert_eq!(parse_signature_lines(lines.as_bytes()).unwrap(), vec![line.clone(), line]);
    assert_eq!(parse_signature_lines(b""), Ok(Vec::new()));
}

#[test]
fn malformed_signature_lines_alone_are_refused() {
    let (_, line) = signed_by_a("x\n");
    let refused = |text: &str| parse_signature_lines(text.as_bytes()).unwrap_err();
    assert_eq!(refused(&line.to_string()), NoteError::NoFinalNewline);
    let error = SignatureLineError::NoEmDash;
    assert_eq!(refused("\n"), NoteError::SignatureLine { index: 1, error });
    assert_eq!(refused(&format!("{line}\n\n")), NoteError::SignatureLine { index: 2, error });
    assert!(matches!(refused(&format!("{line}\r\n")), NoteError::ControlCharacter { .. }));
    assert_eq!(parse_signature_lines(b"\xff\n"), Err(NoteError::NotUtf8 { at: 0 }));
    let many = format!("{line}\n").repeat(MAX_SIGNATURES + 1);
    assert_eq!(refused(&many), NoteError::TooManySignatures);
    assert!(matches!(refused(&"x".repeat(MAX_NOTE_BYTES + 1)), NoteError::TooLarge { .. }));
}

proptest! {
    #[test]
    fn written_notes_are_read_back(
        lines in prop::collection::vec("\\PC{0,40}", 1..6),
        signatures in prop::collection::vec(any_line(), 1..6),
    ) {
        let text = lines.join("\n") + "\n";
        let note = SignedNote::new(&text, signatures).unwrap();
        prop_assert_eq!(SignedNote::parse(note.to_string().as_bytes()).unwrap(), note);
    }

    #[test]
    fn notes_that_are_read_are_written_back(
        mut bytes in prop::collection::vec(any::<u8>(), 0..80),
        at in 0..EXAMPLE.len(),
        replace in any::<bool>(),
    ) {
        if replace {
            let mut note = EXAMPLE.as_bytes().to_vec();
            let end = (at + bytes.len().min(2)).min(note.len());
            bytes.truncate(end - at);
            note[at..end].copy_from_slice(&bytes);
            bytes = note;
        }
        if let Ok(note) = SignedNote::parse(&bytes) {
            prop_assert_eq!(note.to_string().into_bytes(), bytes);
        }
    }
}
