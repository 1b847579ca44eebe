//! Policy files: the texts of the Go tools for every error, and what both formats allow.

use super::*;
use crate::note::testing::{cosigner, mldsa_cosigner, public_key, vkey};
use alloc::{format, string::String, string::ToString};

/// A Sigsum policy file with `K1` to `K9` replaced by hex keys.
fn sigsum(text: &str) -> Result<Policy, PolicyError> {
    let keys = 1..=9_u8;
    let text = keys.fold(String::from(text), |text, number| {
        text.replace(&format!("K{number}"), &public_key(number).to_hex())
    });
    Policy::parse_sigsum(text.as_bytes())
}

/// A tlog policy with `<L1>`, `<M1>`, `<W1>`, `<P1>` and so on replaced: log vkeys of types 1 and 6, witness
/// vkeys of types 4 and 6.
fn tlog(text: &str) -> Result<Policy, PolicyError> {
    let text = (1..=3_u8).fold(String::from(text), |text, n| {
        text.replace(&format!("<L{n}>"), &vkey(&format!("log{n}"), n).to_string())
            .replace(&format!("<M{n}>"), &mldsa_cosigner(&format!("log{n}"), n).to_string())
            .replace(&format!("<W{n}>"), &cosigner(&format!("w{n}"), n).to_string())
            .replace(&format!("<P{n}>"), &mldsa_cosigner(&format!("w{n}"), n).to_string())
    });
    Policy::parse_tlog(text.as_bytes())
}

/// What the Go tools say to a Sigsum policy file.
#[track_caller]
fn says(text: &str, expected: &str) {
    assert_eq!(sigsum(text).unwrap_err().to_string(), expected);
}

#[test]
fn policy_with_two_levels_of_groups_is_read() {
    let text = "# comment\nlog K1 https://log.example\n  # comment\n\tlog K2\t\n\nwitness X1 K3 https://w\n\
        witness X2 K4\nwitness X3 K5\ngroup X 2 X1 X2 X3\nwitness Y1 K1\ngroup Y any Y1\n\
        group all-of-them all X Y\nquorum all-of-them\nlog K3\nwitness Z K9\n";
    let policy = sigsum(text).unwrap();
    let keys: alloc::vec::Vec<_> = policy.logs().iter().map(|log| log.public_key()).collect();
    let expected = [1, 2, 3].map(public_key);
    assert_eq!(keys, expected.each_ref().map(Some));
    assert_eq!(policy.logs()[0].url(), Some("https://log.example"));
    assert_eq!(policy.logs()[1].url(), None);
    assert_eq!(policy.witnesses().len(), 5);
    assert_eq!(policy.witnesses()[0].url(), Some("https://w"));
    let thresholds = policy.quorum().groups().iter().map(|group| group.threshold());
    assert_eq!(thresholds.collect::<alloc::vec::Vec<_>>(), [2, 1, 2]);
    assert_eq!(policy.quorum().rule().unwrap().name.to_string(), "all-of-them");
    assert_eq!(policy.quorum().witnesses(), [0, 1, 2, 3]);
}

#[test]
fn quorum_alone_is_a_policy() {
    let policy = sigsum("quorum none").unwrap();
    assert!(policy.logs().is_empty() && policy.witnesses().is_empty());
    assert_eq!(policy.quorum().rule(), None);
}

#[test]
fn sigsum_log_has_its_origin() {
    let policy = sigsum("log K1\nquorum none\n").unwrap();
    let origin = format!("sigsum.org/v1/tree/{}", public_key(1).key_hash());
    assert_eq!(policy.logs()[0].origin().as_str(), origin);
}

#[test]
fn keys_are_read_in_any_case() {
    let text = format!("log {}\nquorum none\n", public_key(1).to_hex().to_uppercase());
    let policy = Policy::parse_sigsum(text.as_bytes()).unwrap();
    assert_eq!(policy.logs()[0].public_key(), Some(&public_key(1)));
}

#[test]
fn key_that_is_no_curve_point_is_read() {
    let text = format!("log {}\nquorum none\n", "02".repeat(32));
    assert!(Policy::parse_sigsum(text.as_bytes()).is_ok());
}

#[test]
fn log_and_witness_may_share_a_key() {
    assert!(sigsum("log K1\nwitness w K1\nquorum w\n").is_ok());
}

#[test]
fn one_carriage_return_at_the_end_of_a_line_is_dropped() {
    assert!(sigsum("log K1\r\nquorum none\r\n").is_ok());
    assert!(sigsum("quorum none\r").is_ok());
    says("quorum none\r\r\n", "invalid control character 0x0d");
    says("quorum\rnone\n", "invalid control character 0x0d");
}

#[test]
fn last_newline_may_be_missing() {
    assert_eq!(sigsum("quorum none"), sigsum("quorum none\n"));
}

#[test]
fn control_character_is_refused_without_a_line_number_and_in_comments_too() {
    says("\n# a\0b\nquorum none\n", "invalid control character 0x00");
    says("quorum none\x0b\n", "invalid control character 0x0b");
    says("quorum none\n\x1b", "invalid control character 0x1b");
    assert_eq!(sigsum("\n# a\0b\n").unwrap_err().line, Some(2));
}

#[test]
fn delete_character_is_refused() {
    says("quorum none \x7f\n", "invalid control character 0x7f");
}

#[test]
fn octets_above_ascii_are_opaque() {
    let mut text = b"# \xff\x80\nwitness \xfe\xff ".to_vec();
    text.extend_from_slice(public_key(1).to_hex().as_bytes());
    text.extend_from_slice(b" https://\xc3\nquorum \xfe\xff\n");
    let policy = Policy::parse_sigsum(&text).unwrap();
    assert_eq!(policy.witnesses()[0].name().as_bytes(), b"\xfe\xff");
    assert_eq!(policy.witnesses()[0].name().as_str(), None);
    assert_eq!(policy.witnesses()[0].url(), None);
    assert_eq!(policy.witnesses()[0].url_text().unwrap().as_bytes(), b"https://\xc3");
}

#[test]
fn names_that_look_alike_differ() {
    says("witness K K1\nquorum \u{212a}\n", "2: undefined name \"\u{212a}\"");
    // a no-break space is no white space here
    says("quorum none\u{a0}x\n", "1: undefined name \"none\\u00a0x\"");
}

#[test]
fn comment_behind_a_line_is_refused() {
    says("quorum none # comment\n", "1: incorrect number of arguments: group or witness required");
    let arguments = "invalid log policy line, public key required, url optional";
    says("log K1 https://log # comment\n", &format!("1: {arguments}"));
}

#[test]
fn longest_line_is_read_and_a_longer_one_refused() {
    let line = |bytes: usize| format!("#{}\nquorum none\n", "x".repeat(bytes - 1));
    assert!(sigsum(&line(65_535)).is_ok());
    says(&line(65_536), "bufio.Scanner: token too long");
    let last = |bytes: usize| format!("quorum none\n#{}", "x".repeat(bytes - 1));
    assert!(sigsum(&last(65_535)).is_ok());
    says(&last(65_536), "bufio.Scanner: token too long");
    let carriage_return = format!("#{}\r\nquorum none\n", "x".repeat(65_534));
    says(&carriage_return, "bufio.Scanner: token too long");
}

#[test]
fn file_above_the_size_limit_is_refused() {
    let text = "#\n".repeat(MAX_POLICY_BYTES / 2) + "\n";
    let got = MAX_POLICY_BYTES + 1;
    let expected = PolicyError { line: None, kind: PolicyErrorKind::TooLarge { got } };
    assert_eq!(Policy::parse_sigsum(text.as_bytes()), Err(expected));
}

#[test]
fn unknown_keyword_is_refused() {
    says("\nlogs K1\n", "2: unknown keyword: \"logs\"");
    says("Quorum none\n", "1: unknown keyword: \"Quorum\"");
    says("\"quorum none\n", "1: unknown keyword: \"\\\"quorum\"");
}

#[test]
fn log_line_with_no_or_too_many_arguments_is_refused() {
    let message = "1: invalid log policy line, public key required, url optional";
    says("log\n", message);
    says("log K1 https://log x\n", message);
}

#[test]
fn duplicate_log_is_refused() {
    let hex = public_key(1).to_hex();
    let text = format!("log K1 https://a\nlog {} https://b\n", hex.to_uppercase());
    says(&text, &format!("2: duplicate log: {hex}"));
}

#[test]
fn witness_line_with_too_few_or_too_many_arguments_is_refused() {
    let message = "1: invalid witness policy line, public key and name required, url optional";
    says("witness\n", message);
    says("witness name\n", message);
    says("witness name K1 https://w x\n", message);
}

#[test]
fn key_that_is_not_hex_is_refused() {
    says("log vkey\n", "1: encoding/hex: invalid byte: U+0076 'v'");
    says("witness w \u{e9}\n", "1: encoding/hex: invalid byte: U+00C3 '\u{c3}'");
    says("witness w \u{80}\n", "1: encoding/hex: invalid byte: U+00C2 '\u{c2}'");
    says("log 00\u{200b}\n", "1: encoding/hex: invalid byte: U+00E2 '\u{e2}'");
    says("log 0g0\n", "1: encoding/hex: invalid byte: U+0067 'g'");
    says("log 00g\n", "1: encoding/hex: invalid byte: U+0067 'g'");
    let mut text = b"log 00".to_vec();
    text.extend_from_slice(b"\x80\n");
    let error = Policy::parse_sigsum(&text).unwrap_err().to_string();
    assert_eq!(error, "1: encoding/hex: invalid byte: U+0080");
}

#[test]
fn key_with_an_odd_number_of_digits_is_refused() {
    says("log K1a\n", "1: encoding/hex: odd length hex string");
}

#[test]
fn key_of_another_length_is_refused() {
    says("log 00\n", "1: unexpected length of hex data, expected 32, got 1");
    says("witness w K100\n", "1: unexpected length of hex data, expected 32, got 33");
}

#[test]
fn witness_with_a_name_that_is_taken_is_refused() {
    says("witness w K1\nwitness w K2\n", "2: duplicate name: \"w\"");
    says("witness w K1\ngroup g any w\nwitness g K2\n", "3: duplicate name: \"g\"");
    says("witness none K1\n", "1: duplicate name: \"none\"");
}

#[test]
fn group_with_a_name_that_is_taken_is_refused() {
    says("witness w K1\ngroup w any w\n", "2: duplicate name \"w\"");
    says("witness w K1\ngroup g any w\ngroup g any w\n", "3: duplicate name \"g\"");
    says("witness w K1\ngroup none any w\n", "2: duplicate name \"none\"");
}

#[test]
fn duplicate_witness_is_refused() {
    let text = "witness a K1\nwitness b K1\n";
    says(text, &format!("2: duplicate witness: {}", public_key(1)));
}

#[test]
fn faults_are_found_in_the_order_of_the_go_tools() {
    says("witness a K1\nwitness a K1\n", "2: duplicate name: \"a\"");
    says("witness a K1\nwitness a 00\n", "2: unexpected length of hex data, expected 32, got 1");
    says("witness a K1\ngroup a 2 b\n", "2: threshold out of range");
    says("witness a K1\ngroup a 1 b\n", "2: duplicate name \"a\"");
    says(
        "group g x\n\0",
        "1: too few arguments, name, threshold and at least one member is required",
    );
}

#[test]
fn group_line_with_too_few_arguments_is_refused() {
    let message = "1: too few arguments, name, threshold and at least one member is required";
    says("group\n", message);
    says("group g\n", message);
    says("group g any\n", message);
    says("group g 0\n", message);
}

#[test]
fn thresholds_are_read_as_go_reads_them() {
    for (threshold, expected) in [("any", 1), ("all", 2), ("1", 1), ("2", 2), ("+2", 2), ("002", 2)]
    {
        let text = format!("witness a K1\nwitness b K2\ngroup g {threshold} a b\nquorum g\n");
        let policy = sigsum(&text).unwrap();
        assert_eq!(policy.quorum().groups()[0].threshold(), expected, "{threshold}");
    }
}

#[test]
fn threshold_out_of_range_is_refused() {
    for threshold in ["0", "3", "-1", "-0", "+0", "9223372036854775807", "-9223372036854775808"] {
        let text = format!("witness a K1\nwitness b K2\ngroup g {threshold} a b\n");
        says(&text, "3: threshold out of range");
    }
}

#[test]
fn threshold_that_is_no_number_is_refused() {
    for threshold in ["x", "+", "-", "1.0", "0x1", "1_0", "ANY", "\u{661}", "++1"] {
        let text = format!("group g {threshold} a\n");
        says(&text, &format!("1: strconv.Atoi: parsing \"{threshold}\": invalid syntax"));
    }
}

#[test]
fn threshold_beyond_64_bits_is_refused() {
    for threshold in ["9223372036854775808", "-9223372036854775809", "99999999999999999999"] {
        let text = format!("group g {threshold} a\n");
        says(&text, &format!("1: strconv.Atoi: parsing \"{threshold}\": value out of range"));
    }
}

#[test]
fn undefined_member_is_refused() {
    says("group g any a\n", "1: undefined name: \"a\"");
    says("group g any g\n", "1: undefined name: \"g\"");
    says("group g any a\nwitness a K1\n", "1: undefined name: \"a\"");
}

#[test]
fn member_of_two_groups_is_refused() {
    let text = "witness a K1\nwitness b K2\ngroup g any a\ngroup h any b a\n";
    says(text, "4: group/witness \"a\" is already a member of \"g\"");
    let text = "witness a K1\ngroup g any a\ngroup h any g\ngroup i any g\n";
    says(text, "4: group/witness \"g\" is already a member of \"h\"");
}

#[test]
fn member_listed_twice_is_refused() {
    says("witness a K1\ngroup g any a a\n", "2: group/witness \"a\" is already a member of \"g\"");
}

#[test]
fn none_as_a_member_is_refused() {
    says("group g any none\n", "1: group/witness \"none\" cannot be a group member");
}

#[test]
fn quorum_line_with_no_or_too_many_arguments_is_refused() {
    let message = "1: incorrect number of arguments: group or witness required";
    says("quorum\n", message);
    says("quorum none none\n", message);
}

#[test]
fn second_quorum_line_is_refused() {
    says("quorum none\nquorum none\n", "2: quorum can only be set once");
    says("quorum none\nquorum unknown\n", "2: quorum can only be set once");
}

#[test]
fn undefined_quorum_is_refused() {
    says("quorum w\nwitness w K1\n", "1: undefined name \"w\"");
}

#[test]
fn missing_quorum_is_refused() {
    for text in ["", "\n", "log K1\n", "# quorum none\n"] {
        says(text, "no quorum defined");
    }
}

#[test]
fn tlog_policy_is_read() {
    let text = "log <L1> https://log\nlog <M1>\nwitness a <W1> https://w\nwitness b <P1>\ngroup g all a b\nquorum g\n";
    let policy = tlog(text).unwrap();
    assert_eq!(policy.logs()[0].origin().as_str(), "log1");
    assert_eq!(policy.logs()[0].vkey(), &vkey("log1", 1));
    assert_eq!(policy.logs()[1].public_key(), None);
    assert_eq!(policy.witnesses()[0].key_name().unwrap().as_str(), "w1");
    assert_eq!(policy.witnesses()[0].key(), &cosigner("w1", 1).key);
    assert_eq!(policy.witnesses()[1].key(), &mldsa_cosigner("w1", 1).key);
    assert_eq!(policy.logs_by_origin("log1").count(), 2);
}

#[test]
fn tlog_log_key_of_type_four_is_refused() {
    let error = tlog("log <W1>\nquorum none\n").unwrap_err().to_string();
    assert_eq!(error, "1: vkey of type 0x04 for a log, expected 0x01 or 0x06");
}

#[test]
fn tlog_witness_key_of_type_one_is_refused() {
    let error = tlog("witness a <L1>\nquorum a\n").unwrap_err().to_string();
    assert_eq!(error, "1: vkey of type 0x01 for a witness, expected 0x04 or 0x06");
}

#[test]
fn tlog_keys_are_duplicates_under_other_names_too() {
    let twice = format!("log {}\nlog {}\n", vkey("a", 1), vkey("b", 1));
    let error = Policy::parse_tlog(twice.as_bytes()).unwrap_err().to_string();
    assert_eq!(error, format!("2: duplicate log: {}", public_key(1)));
    let twice = format!("witness a {}\nwitness b {}\n", cosigner("a", 1), cosigner("b", 1));
    let error = Policy::parse_tlog(twice.as_bytes()).unwrap_err().to_string();
    assert_eq!(error, format!("2: duplicate witness: {}", public_key(1)));
    let key = mldsa_cosigner("a", 1);
    let twice = format!("witness a {key}\nwitness b {}\n", mldsa_cosigner("b", 1));
    let error = Policy::parse_tlog(twice.as_bytes()).unwrap_err().to_string();
    let hash = key.key.key_hash();
    assert_eq!(error, format!("2: duplicate witness: ML-DSA-44 key with hash {hash}"));
}

#[test]
fn tlog_vkey_that_is_malformed_is_refused() {
    let error = tlog("log K1\nquorum none\n").unwrap_err().to_string();
    assert_eq!(error, "1: invalid vkey: expected NAME+KEYID+KEY");
    let error = Policy::parse_tlog(b"log \xff+00000000+AA==\n").unwrap_err();
    assert_eq!(error.kind, PolicyErrorKind::VkeyNotUtf8);
}

#[test]
fn formats_refuse_each_others_keys() {
    let text = format!("log {}\nquorum none\n", vkey("log", 1));
    assert!(Policy::parse_sigsum(text.as_bytes()).is_err());
    let text = format!("log {}\nquorum none\n", public_key(1));
    assert!(Policy::parse_tlog(text.as_bytes()).is_err());
}

#[test]
fn tlog_policy_has_no_carriage_returns() {
    let error = tlog("quorum none\r\n").unwrap_err();
    assert_eq!(error.kind, PolicyErrorKind::ControlCharacter(b'\r'));
}
