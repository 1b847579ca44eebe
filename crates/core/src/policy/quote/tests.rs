//! Quoting, against strings as Go's `%q` prints them.

use super::*;

#[test]
fn quotes_are_those_of_go() {
    for (octets, expected) in [
        (b"".as_slice(), r#""""#),
        (b"plain", r#""plain""#),
        (b"a\"b\\c'd", r#""a\"b\\c'd""#),
        (b"\x07\x08\x0c\n\r\t\x0b", r#""\a\b\f\n\r\t\v""#),
        (b"\x00\x1f\x7f", r#""\x00\x1f\x7f""#),
        (b"a\xffb\xc3", r#""a\xffb\xc3""#),
        (b"\xe2\x82", r#""\xe2\x82""#),
        (b"\xed\xa0\x80", r#""\xed\xa0\x80""#),
        ("\u{e9}\u{4e16}\u{1f600}".as_bytes(), "\"\u{e9}\u{4e16}\u{1f600}\""),
        ("e\u{301}".as_bytes(), "\"e\u{301}\""),
        ("\u{301}".as_bytes(), "\"\u{301}\""),
        ("\u{a0}\u{2028}\u{3000}".as_bytes(), r#""\u00a0\u2028\u3000""#),
        ("\u{85}\u{200b}\u{feff}\u{e000}".as_bytes(), r#""\u0085\u200b\ufeff\ue000""#),
        ("\u{e0001}".as_bytes(), r#""\U000e0001""#),
    ] {
        assert_eq!(go_quoted(octets), expected);
    }
}
