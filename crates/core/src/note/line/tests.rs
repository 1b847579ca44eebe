//! Signature lines: every way of being malformed, write-read-compare.

use super::super::testing::{any_line, cosigner, name, vkey};
use super::*;
use alloc::{format, string::ToString, vec};
use proptest::prelude::*;

fn refused(line: &str) -> SignatureLineError {
    SignatureLine::parse(line).unwrap_err()
}

#[test]
fn line_is_read_and_written() {
    let line = SignatureLine::parse("\u{2014} example.com/a AQIDBAU=").unwrap();
    assert_eq!(line.name, name("example.com/a"));
    assert_eq!((line.key_id, line.signature.as_slice()), (KeyId([1, 2, 3, 4]), [5].as_slice()));
    assert_eq!(line.to_string(), "\u{2014} example.com/a AQIDBAU=");
}

#[test]
fn hyphen_or_en_dash_in_place_of_the_em_dash_is_refused() {
    for line in ["- a AQIDBAU=", "\u{2013} a AQIDBAU=", "a AQIDBAU=", "", " \u{2014} a AQIDBAU="] {
        assert_eq!(refused(line), SignatureLineError::NoEmDash);
    }
}

#[test]
fn em_dash_without_a_space_is_refused() {
    assert_eq!(refused("\u{2014}a AQIDBAU="), SignatureLineError::NoEmDash);
}

#[test]
fn line_without_a_signature_is_refused() {
    assert_eq!(refused("\u{2014} a"), SignatureLineError::NoSignature);
    assert_eq!(refused("\u{2014} "), SignatureLineError::NoSignature);
}

#[test]
fn empty_name_is_refused() {
    assert_eq!(refused("\u{2014}  AQIDBAU="), SignatureLineError::Name(KeyNameError::Empty));
}

#[test]
fn name_with_a_plus_is_refused() {
    let error = SignatureLineError::Name(KeyNameError::Character('+'));
    assert_eq!(refused("\u{2014} a+b AQIDBAU="), error);
}

#[test]
fn name_with_a_unicode_space_is_refused() {
    let error = SignatureLineError::Name(KeyNameError::Character('\u{a0}'));
    assert_eq!(refused("\u{2014} a\u{a0}b AQIDBAU="), error);
}

#[test]
fn second_space_is_refused() {
    assert_eq!(refused("\u{2014} a b AQIDBAU="), SignatureLineError::NotBase64);
    assert_eq!(refused("\u{2014} a  AQIDBAU="), SignatureLineError::NotBase64);
    assert_eq!(refused("\u{2014} a AQIDBAU= "), SignatureLineError::NotBase64);
}

#[test]
fn bad_base64_is_refused() {
    for text in ["AQIDBAU", "AQIDBAU==", "AQIDBA_=", "AQID BAU=", "AQIDBAV=", "AQIDBAU=AQID"] {
        assert_eq!(refused(&format!("\u{2014} a {text}")), SignatureLineError::NotBase64, "{text}");
    }
}

#[test]
fn short_key_id_is_refused() {
    assert_eq!(refused("\u{2014} a AQID"), SignatureLineError::ShortKeyId { got: 3 });
    assert_eq!(refused("\u{2014} a "), SignatureLineError::ShortKeyId { got: 0 });
}

#[test]
fn key_id_alone_is_refused() {
    assert_eq!(refused("\u{2014} a AQIDBA=="), SignatureLineError::EmptySignature);
}

#[test]
fn line_belongs_to_a_key_by_name_and_id() {
    let key = vkey("a", 1);
    let line = SignatureLine::new(&key, vec![0; 64]);
    assert!(line.is_of(&key));
    assert!(!line.is_of(&vkey("a", 2)));
    assert!(!line.is_of(&vkey("b", 1)));
    assert!(!line.is_of(&cosigner("a", 1)));
}

#[test]
fn line_belongs_to_a_key_under_whatever_name() {
    let line = SignatureLine::new(&cosigner("w1", 1), vec![0; 72]);
    assert!(line.is_of_key(&cosigner("other", 1).key));
    assert!(!line.is_of_key(&cosigner("w1", 2).key));
    assert!(!line.is_of_key(&vkey("w1", 1).key));
    let renamed = SignatureLine { name: name("w2"), ..line };
    assert!(!renamed.is_of_key(&cosigner("w1", 1).key));
}

proptest! {
    #[test]
    fn written_lines_are_read_back(line in any_line()) {
        let text = line.to_string();
        prop_assert_eq!(text.len() + 1, line.len_bytes());
        prop_assert_eq!(SignatureLine::parse(&text).unwrap(), line);
    }

    #[test]
    fn lines_that_are_read_are_written_back(text in "\u{2014} [a-c+ ]{1,3} [A-Za-z+/]{4,6}={0,2}") {
        if let Ok(line) = SignatureLine::parse(&text) {
            prop_assert_eq!(line.to_string(), text);
        }
    }
}
