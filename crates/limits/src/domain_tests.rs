//! Names that are one name, and names that are none.

use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Result<String, DomainError> {
    Domain::parse(text).map(|domain| domain.to_string())
}

#[test]
fn one_name_has_one_form() {
    for (text, form) in [
        ("foo.com", "foo.com"),
        ("foO.coM", "foo.com"),
        ("foo.com.", "foo.com"),
        ("r\u{e4}ka.se", "r\u{e4}ka.se"),
        ("r\u{c4}Ka.se", "r\u{e4}ka.se"),
        ("Ra\u{308}ka.se", "r\u{e4}ka.se"),
        ("xn--rka-qla.se", "r\u{e4}ka.se"),
        ("XN--RKA-qla.se", "r\u{e4}ka.se"),
        ("\u{212b}ngstr\u{f6}m.se", "\u{e5}ngstr\u{f6}m.se"),
        ("FA\u{df}.de", "fa\u{df}.de"),
        ("xn--fa-hia.de", "fa\u{df}.de"),
        ("example\u{ff0e}org", "example.org"),
        ("\u{3a3}\u{3a3}.gr", "\u{3c3}\u{3c3}.gr"),
        ("\u{130}.tr", "i.tr"),
        ("J\u{30c}x.se", "\u{1f0}x.se"),
        ("\u{1f0}x.se", "\u{1f0}x.se"),
        ("\u{130}\u{308}.tr", "\u{ef}.tr"),
        ("_dmarc.a-b.example", "_dmarc.a-b.example"),
    ] {
        assert_eq!(parse(text).as_deref(), Ok(form), "{text}");
    }
}

#[test]
fn an_a_label_of_what_is_not_normalised_is_refused() {
    assert_eq!(parse("xn--72g.com"), Err(DomainError::NotNormalized));
}

#[test]
fn an_a_label_of_capitals_is_refused() {
    // Lowered before it is decoded, its digits say another character, which has a capital.
    assert_eq!(parse("xn--RKA-2ha.se"), Err(DomainError::NotLowercase));
}

#[test]
fn an_a_label_that_decodes_to_ascii_is_refused() {
    for text in ["xn--example-.org", "xn--.org", "xn--a-.org", "xn--xn---epa.org"] {
        assert_eq!(parse(text), Err(DomainError::ALabel), "{text}");
    }
}

#[test]
fn a_label_that_only_begins_like_an_a_label_is_refused() {
    assert_eq!(parse("xn--99999999.org"), Err(DomainError::ALabel));
}

#[test]
fn an_empty_name_is_refused() {
    assert_eq!(parse(""), Err(DomainError::Empty));
    assert_eq!(parse("."), Err(DomainError::Empty));
}

#[test]
fn an_empty_label_is_refused() {
    for text in [".example.org", "example..org", "example.org.."] {
        assert_eq!(parse(text), Err(DomainError::EmptyLabel), "{text}");
    }
}

#[test]
fn other_characters_are_refused() {
    for text in ["*.example.org", "a b.org", "a/b.org", "a\u{200a}b.org", "a\0.org", "\"a\".org"] {
        assert_eq!(parse(text), Err(DomainError::Character), "{text:?}");
    }
}

#[test]
fn what_dns_cannot_hold_is_refused() {
    let label = "a".repeat(63);
    assert!(parse(&label).is_ok());
    assert_eq!(parse(&"a".repeat(64)), Err(DomainError::TooLong));
    assert_eq!(parse(&"\u{e4}".repeat(64)), Err(DomainError::TooLong));
    assert_eq!(parse(&"a".repeat(100_000)), Err(DomainError::TooLong));
    let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
    assert_eq!(longest.len(), 253);
    assert!(parse(&longest).is_ok());
    assert_eq!(parse(&format!("{longest}a")), Err(DomainError::TooLong));
}

#[test]
fn the_names_above_end_with_the_last_label() {
    let domain = Domain::parse("a.b.example").unwrap();
    let above: Vec<_> = domain.and_above().collect();
    assert_eq!(above, ["a.b.example", "b.example", "example"]);
}

proptest! {
    #[test]
    fn a_form_is_its_own_form(text in "\\PC{0,40}|([A-Z\u{130}][\u{300}-\u{331}]{0,2}|xn--[a-z0-9-]{1,12}){1,4}") {
        if let Ok(form) = parse(&text) {
            prop_assert_eq!(parse(&form), Ok(form));
        }
    }

    #[test]
    fn names_that_compare_equal_are_one_name_in_dns(
        text in "(xn--)?[a-zA-Z0-9-]{1,20}\\.(xn--[a-z0-9-]{1,8}|se|org)"
    ) {
        // A token's domain is ASCII and asked for as it is, so that the form must lead back to it.
        if let Ok(form) = parse(&text) {
            let ascii = |label: &str| match label.is_ascii() {
                true => label.to_owned(),
                false => format!("xn--{}", punycode::encode_str(label).unwrap()),
            };
            let labels: Vec<_> = form.split('.').map(ascii).collect();
            prop_assert_eq!(labels.join("."), text.to_lowercase());
        }
    }
}
