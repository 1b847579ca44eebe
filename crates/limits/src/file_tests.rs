//! Files that are right, one test for each way of being wrong, and write-read-compare.

use super::*;
use crate::domain::DomainError;
use crate::line::{MAX_LIMIT, MAX_LINE_BYTES};
use proptest::collection::{btree_map, hash_map};
use proptest::option;
use proptest::prelude::*;

const KEY: &str = "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef";

fn problem(text: &str) -> LineError {
    match LimitFile::parse(text.as_bytes()) {
        Err(FileError::Line { number: 2, problem }) => problem,
        other => panic!("{text:?}: {other:?}"),
    }
}

/// What is wrong with a line that follows a good one.
fn second(line: &str) -> LineError {
    problem(&format!("# first\n{line}\nkey {KEY} 1\n"))
}

#[test]
fn every_kind_of_line_is_read() {
    let text = format!(
        "# comment\n\nkey {KEY} 10\n \tdomain eXample.Net 20 \r\n\u{2003}domain \
         xn--rka-qla.se\u{a0}030#comment\npublic suffixes.dat 50\nglobal 1000\n\
         global-public 0500\nburst-key 5 60\nburst-public 2 1\n# not UTF-8: \u{e4}"
    );
    let mut bytes = text.into_bytes();
    bytes.push(0xff);
    let file = LimitFile::parse(&bytes).unwrap();
    assert_eq!(file.keys.into_iter().collect::<Vec<_>>(), [(KeyHash::from_hex(KEY).unwrap(), 10)]);
    let domain = |name: &str| file.domains.get(name).copied();
    assert_eq!((domain("example.net"), domain("r\u{e4}ka.se")), (Some(20), Some(30)));
    assert_eq!(file.public, Some(PublicLine { suffix_file: "suffixes.dat".into(), limit: 50 }));
    assert_eq!((file.global, file.global_public), (Some(1000), Some(500)));
    assert_eq!(file.bursts.get(&Class::Key), Some(&Burst { leaves: 5, period_s: 60 }));
    assert_eq!(file.bursts.get(&Class::Public), Some(&Burst { leaves: 2, period_s: 1 }));
    assert_eq!(file.bursts.len(), 2);
}

#[test]
fn a_file_without_lines_lets_nobody_in() {
    assert_eq!(LimitFile::parse(b"").unwrap(), LimitFile::default());
    assert_eq!(LimitFile::parse(b"# nothing").unwrap(), LimitFile::default());
}

#[test]
fn an_unknown_keyword_is_refused() {
    assert_eq!(second("keys x 1"), LineError::Keyword("keys".into()));
    assert_eq!(second("Key x 1"), LineError::Keyword("Key".into()));
    assert_eq!(second("burst x 1"), LineError::Keyword("burst".into()));
    assert_eq!(second("keys x 1").to_string(), "unknown config keyword \"keys\"");
}

#[test]
fn too_few_or_too_many_words_are_refused() {
    for line in ["key", "domain example.org", "public a file 1", "global", "global 1 2", "x"] {
        assert_eq!(second(line), LineError::Words(line.into()));
    }
    assert_eq!(second("key # x 1").to_string(), "invalid config line \"key\"");
}

#[test]
fn a_limit_that_is_no_number_is_refused() {
    for limit in ["-10", "+1", "1_000", "0x10", "1.5", "\u{661}", "ten"] {
        assert_eq!(second(&format!("global {limit}")), LineError::Number(limit.into()));
    }
}

#[test]
fn a_limit_that_is_too_large_is_refused() {
    assert!(LimitFile::parse(b"global 2147483647").is_ok());
    for limit in ["2147483648", "4294967296", "99999999999999999999"] {
        assert_eq!(second(&format!("global {limit}")), LineError::TooLarge(limit.into()));
    }
    assert_eq!(second("global 2147483648").to_string(), "limit \"2147483648\" is too large");
}

#[test]
fn a_key_hash_that_is_not_hex_is_refused() {
    assert_eq!(second("key 0g 1"), LineError::Hex("0g".into()));
}

#[test]
fn a_key_hash_of_another_length_is_refused() {
    for hash in [&KEY[1..], &KEY[2..], &format!("{KEY}00")] {
        assert_eq!(second(&format!("key {hash} 1")), LineError::HashLength(hash.to_owned()));
    }
}

#[test]
fn a_domain_that_is_none_is_refused() {
    for (text, problem) in [
        ("*.example.org", DomainError::Character),
        ("example..org", DomainError::EmptyLabel),
        ("xn--72g.com", DomainError::NotNormalized),
    ] {
        let text = text.to_owned();
        assert_eq!(second(&format!("domain {text} 1")), LineError::Domain { text, problem });
    }
}

#[test]
fn a_burst_of_nothing_is_refused() {
    assert_eq!(second("burst-key 0 60"), LineError::NoBurst);
}

#[test]
fn a_period_that_is_none_is_refused() {
    for period in ["0", "3601", "1m", "-1"] {
        assert_eq!(second(&format!("burst-key 1 {period}")), LineError::Period(period.into()));
    }
}

#[test]
fn a_second_line_for_a_key_is_refused() {
    let text = format!("key {KEY} 1\nkey {} 1\n", KEY.to_lowercase());
    assert_eq!(problem(&text), LineError::MultipleKey(KeyHash::from_hex(KEY).unwrap()));
}

#[test]
fn a_second_line_for_a_domain_is_refused() {
    let text = "domain r\u{e4}ka.se 1\ndomain XN--rka-qla.SE. 1\n";
    let domain = Domain::parse("r\u{e4}ka.se").unwrap();
    assert_eq!(problem(text), LineError::MultipleDomain(domain));
}

#[test]
fn a_second_line_of_which_there_is_one_is_refused() {
    for (keyword, rest) in [
        ("public", " x 1"),
        ("global", " 1"),
        ("global-public", " 1"),
        ("burst-key", " 1 1"),
        ("burst-domain", " 1 1"),
        ("burst-public", " 1 1"),
        ("burst-global", " 1 1"),
    ] {
        let text = format!("{keyword}{rest}\n{keyword}{rest}\n");
        assert_eq!(problem(&text), LineError::Multiple(keyword));
    }
}

#[test]
fn a_line_that_is_too_long_refuses_the_whole_file() {
    let long = "#".repeat(MAX_LINE_BYTES + 1);
    assert_eq!(second(&long), LineError::TooLong);
    assert!(LimitFile::parse(&long.as_bytes()[1..]).is_ok());
}

#[test]
fn a_line_that_is_not_utf8_is_refused() {
    let bytes = b"global 1\ndomain \xe4.org 1\n";
    let expected = FileError::Line { number: 2, problem: LineError::Utf8 };
    assert_eq!(LimitFile::parse(bytes), Err(expected));
}

#[test]
fn a_file_that_is_too_long_is_refused() {
    assert_eq!(LimitFile::parse(&vec![b'\n'; MAX_FILE_BYTES + 1]), Err(FileError::TooLong));
}

fn files() -> impl Strategy<Value = LimitFile> {
    let limit = || 0..=MAX_LIMIT;
    let domain = "[a-z\u{e4}\u{3c3}][a-z0-9]{0,8}(\\.[a-z]{1,5}){0,2}"
        .prop_map(|text| Domain::parse(&text).unwrap());
    let class = prop::sample::select(Class::ALL.to_vec());
    let burst = (1..=MAX_LIMIT, 1..=crate::MAX_BURST_PERIOD_S)
        .prop_map(|(leaves, period_s)| Burst { leaves, period_s });
    let public = ("[^#\\s]{1,20}", limit())
        .prop_map(|(suffix_file, limit)| PublicLine { suffix_file, limit });
    let key = any::<[u8; 32]>().prop_map(KeyHash::new);
    (
        hash_map(key, limit(), 0..5),
        hash_map(domain, limit(), 0..5),
        option::of(public),
        option::of(limit()),
        option::of(limit()),
        btree_map(class, burst, 0..4),
    )
        .prop_map(|(keys, domains, public, global, global_public, bursts)| {
            let bursts = bursts.into_iter().collect();
            LimitFile { keys, domains, public, global, global_public, bursts }
        })
}

proptest! {
    #[test]
    fn what_is_written_is_read(file in files()) {
        let text = file.to_string();
        prop_assert_eq!(LimitFile::parse(text.as_bytes()), Ok(file), "{}", text);
    }
}
