//! Tests of the key=value lines: every way of being malformed by name.

use super::{MAX_INTEGER, Problem, Reader, Writer, parse_integer};
use crate::bytes::{BytesError, Hash};
use proptest::prelude::*;
use std::string::String;
use std::vec::Vec;

/// Reads `size=N` and nothing else.
fn size(text: &str) -> Result<u64, Problem> {
    let mut reader = Reader::new(text.as_bytes()).map_err(|e| e.problem)?;
    let size = reader.integer("size").map_err(|e| e.problem)?;
    reader.end().map_err(|e| e.problem)?;
    Ok(size)
}

fn wrong_key(found: &str) -> Result<u64, Problem> {
    Err(Problem::WrongKey { expected: "size", found: found.into() })
}

#[test]
fn a_line() {
    assert_eq!(size("size=17\n"), Ok(17));
}

#[test]
fn nothing_at_all() {
    assert_eq!(size(""), Err(Problem::UnexpectedEnd("size")));
}

#[test]
fn missing_newline() {
    assert_eq!(size("size=17"), Err(Problem::NoNewline));
}

#[test]
fn second_newline() {
    assert_eq!(size("size=17\n\n"), Err(Problem::Trailing));
}

#[test]
fn trailing_byte() {
    assert_eq!(size("size=17\nx"), Err(Problem::Trailing));
}

#[test]
fn carriage_return() {
    assert_eq!(size("size=17\r\n"), Err(Problem::InvalidByte));
}

#[test]
fn carriage_return_alone() {
    assert_eq!(size("size=17\r"), Err(Problem::InvalidByte));
}

#[test]
fn nul_byte() {
    assert_eq!(size("size=17\0\n"), Err(Problem::InvalidByte));
}

#[test]
fn tab() {
    assert_eq!(size("size=\t17\n"), Err(Problem::InvalidByte));
}

#[test]
fn delete_character() {
    assert_eq!(size("size=17\u{7f}\n"), Err(Problem::InvalidByte));
}

#[test]
fn byte_order_mark() {
    assert_eq!(size("\u{feff}size=17\n"), Err(Problem::InvalidByte));
}

#[test]
fn non_breaking_space() {
    assert_eq!(size("size=\u{a0}17\n"), Err(Problem::InvalidByte));
}

#[test]
fn bytes_that_are_not_utf_8() {
    let refused = Reader::new(b"size=1\nroot_hash=\xff\n").map(|_| ());
    assert_eq!(refused.map_err(|e| (e.line, e.problem)), Err((2, Problem::InvalidByte)));
}

#[test]
fn wrong_key_name() {
    assert_eq!(size("sizes=17\n"), wrong_key("sizes=17"));
}

#[test]
fn key_in_capitals() {
    assert_eq!(size("Size=17\n"), wrong_key("Size=17"));
}

#[test]
fn key_without_a_value_sign() {
    assert_eq!(size("size\n"), wrong_key("size"));
}

#[test]
fn empty_line_in_front() {
    assert_eq!(size("\nsize=17\n"), wrong_key(""));
}

#[test]
fn space_in_front_of_the_key() {
    assert_eq!(size(" size=17\n"), wrong_key(" size=17"));
}

#[test]
fn space_behind_the_key() {
    assert_eq!(size("size =17\n"), wrong_key("size =17"));
}

#[test]
fn long_wrong_lines_are_cut_in_the_message() {
    let line = "x".repeat(100) + "\n";
    assert_eq!(size(&line), wrong_key(&"x".repeat(32)));
}

#[test]
fn duplicate_key() {
    let mut reader = Reader::new(b"size=1\nsize=1\nroot_hash=00\n").unwrap();
    assert_eq!(reader.integer("size"), Ok(1));
    let refused = reader.value("root_hash").unwrap_err();
    let found = "size=1".into();
    assert_eq!(refused.problem, Problem::WrongKey { expected: "root_hash", found });
    assert_eq!(refused.line, 2);
}

#[test]
fn keys_in_the_wrong_order() {
    let mut reader = Reader::new(b"root_hash=00\nsize=1\n").unwrap();
    let refused = reader.integer("size").unwrap_err();
    let found = "root_hash=00".into();
    assert_eq!(refused.problem, Problem::WrongKey { expected: "size", found });
}

#[test]
fn integer_forms() {
    let integer = Err(Problem::Integer);
    for (name, value) in [
        ("empty", ""),
        ("plus", "+1"),
        ("minus", "-1"),
        ("minus zero", "-0"),
        ("leading zero", "01"),
        ("two zeros", "00"),
        ("space in front", " 1"),
        ("space behind", "1 "),
        ("hex", "0x1"),
        ("letter", "1a"),
        ("fraction", "1.0"),
        ("exponent", "1e3"),
        ("underscore", "1_000"),
        ("comma", "1,000"),
        ("2^63", "9223372036854775808"),
        ("2^64", "18446744073709551616"),
        ("forty digits", "1000000000000000000000000000000000000000"),
    ] {
        assert_eq!(size(&std::format!("size={value}\n")), integer, "{name}");
    }
}

#[test]
fn digits_of_other_scripts() {
    assert_eq!(parse_integer("\u{0661}"), None);
    assert_eq!(parse_integer("\u{ff11}"), None);
}

#[test]
fn smallest_and_largest_integer() {
    assert_eq!(size("size=0\n"), Ok(0));
    assert_eq!(size("size=9223372036854775807\n"), Ok(MAX_INTEGER));
}

/// Reads `leaf=A B C`.
fn words(text: &str) -> Result<[&str; 3], Problem> {
    Reader::new(text.as_bytes()).unwrap().words("leaf").map_err(|e| e.problem)
}

#[test]
fn three_words() {
    assert_eq!(words("leaf=a b c\n"), Ok(["a", "b", "c"]));
}

#[test]
fn a_word_missing() {
    assert_eq!(words("leaf=a b\n"), Err(Problem::WordCount { expected: 3 }));
}

#[test]
fn a_word_too_many() {
    assert_eq!(words("leaf=a b c d\n"), Err(Problem::WordCount { expected: 3 }));
}

#[test]
fn a_double_space_is_an_empty_word() {
    assert_eq!(words("leaf=a  b c\n"), Err(Problem::WordCount { expected: 3 }));
    assert_eq!(words("leaf=a  b\n"), Ok(["a", "", "b"]));
}

#[test]
fn a_space_behind_the_last_word() {
    assert_eq!(words("leaf=a b c \n"), Err(Problem::WordCount { expected: 3 }));
}

/// Reads `root_hash=HEX`.
fn hash(value: &str) -> Result<Hash, Problem> {
    let text = std::format!("root_hash={value}\n");
    let mut reader = Reader::new(text.as_bytes()).unwrap();
    let value = reader.value("root_hash").unwrap();
    reader.bytes(value, Hash::from_hex).map_err(|e| e.problem)
}

#[test]
fn hex_in_any_case() {
    let expected = Ok(Hash::new([0xab; 32]));
    assert_eq!(hash(&"ab".repeat(32)), expected);
    assert_eq!(hash(&"AB".repeat(32)), expected);
    assert_eq!(hash(&"aB".repeat(32)), expected);
}

#[test]
fn hex_forms() {
    let length = |got| Err(Problem::Bytes(BytesError::Length { expected: 32, got }));
    let not_hex = Err(Problem::Bytes(BytesError::NotHex));
    for (name, value, refused) in [
        ("empty", String::new(), length(0)),
        ("odd", "a".repeat(63), not_hex.clone()),
        ("one byte short", "a".repeat(62), length(31)),
        ("one byte long", "a".repeat(66), length(33)),
        ("letter g", "g".repeat(64), not_hex.clone()),
        ("0x", std::format!("0x{}", "a".repeat(62)), not_hex.clone()),
        ("space in front", std::format!(" {}", "a".repeat(63)), not_hex.clone()),
        ("colons", "aa:a".repeat(16), not_hex),
    ] {
        assert_eq!(hash(&value), refused, "{name}");
    }
}

#[test]
fn an_empty_line_is_only_empty() {
    let take = |text: &[u8]| Reader::new(text).unwrap().empty_line().map_err(|e| e.problem);
    assert_eq!(take(b"\n"), Ok(()));
    assert_eq!(take(b" \n"), Err(Problem::NotEmptyLine));
    assert_eq!(take(b""), Err(Problem::NotEmptyLine));
    assert_eq!(take(b"size=1\n"), Err(Problem::NotEmptyLine));
}

#[test]
fn errors_name_the_line() {
    let mut reader = Reader::new(b"size=1\n\nsize=x\nsize=2\n").unwrap();
    assert_eq!(reader.integer("size"), Ok(1));
    assert_eq!(reader.empty_line(), Ok(()));
    assert_eq!(reader.integer("size").map_err(|e| e.line), Err(3));
    assert_eq!(reader.value("root").map_err(|e| e.line), Err(4));
}

#[test]
fn the_next_key_is_seen_without_taking_it() {
    let reader = Reader::new(b"cosignature=1\n").unwrap();
    assert!(reader.next_is("cosignature"));
    assert!(!reader.next_is("cosig"));
    assert!(!reader.next_is("cosignature2"));
}

proptest! {
    #[test]
    fn written_integers_are_read_back(number in 0..=MAX_INTEGER) {
        let mut writer = Writer::new();
        writer.integer("size", number);
        prop_assert_eq!(size(&writer.finish()), Ok(number));
    }

    #[test]
    fn integers_that_are_read_are_written_back(text in "[+-]?[0-9]{0,20}") {
        if let Some(number) = parse_integer(&text) {
            prop_assert_eq!(std::format!("{number}"), text);
        }
    }

    #[test]
    fn lines_that_are_read_are_written_back(
        values in prop::collection::vec("[ -~]{0,40}", 0..6),
        blank in any::<bool>(),
    ) {
        let mut writer = Writer::new();
        for value in &values {
            writer.text("key", value);
        }
        if blank {
            writer.empty_line();
        }
        let text = writer.finish();
        let mut reader = Reader::new(text.as_bytes()).unwrap();
        let mut read = Vec::new();
        while reader.next_is("key") {
            read.push(reader.value("key").unwrap());
        }
        prop_assert_eq!(read, values);
        prop_assert_eq!(reader.empty_line().is_ok(), blank);
        prop_assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(mut reader) = Reader::new(&bytes) {
            let _ = reader.words::<3>("leaf");
            let _ = reader.integer("size");
        }
    }
}
