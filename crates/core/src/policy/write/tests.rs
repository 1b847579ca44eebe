//! Writing: read back in both formats, and what a format cannot say.

use super::*;
use crate::note::testing::{cosigner, mldsa_cosigner, public_key, vkey};
use crate::policy::PolicyBuilder;
use crate::policy::tests::{any_policy, any_tlog_policy};
use alloc::{format, string::String};
use proptest::prelude::*;

fn text(text: &str) -> PolicyText {
    text.parse().unwrap()
}

#[test]
fn sigsum_policy_is_written_line_by_line() {
    let mut builder = PolicyBuilder::new();
    builder.add_log(PolicyLog::sigsum(&public_key(1), Some(text("https://log")))).unwrap();
    builder.add_witness(PolicyWitness::sigsum(text("w"), &public_key(2), None)).unwrap();
    builder.add_group(text("g"), crate::policy::Threshold::All, [text("w")].into()).unwrap();
    builder.set_quorum(&text("g")).unwrap();
    let written = builder.finish().unwrap().to_sigsum_text().unwrap();
    let (log, witness) = (public_key(1), public_key(2));
    let expected = format!("log {log} https://log\nwitness w {witness}\ngroup g 1 w\nquorum g\n");
    assert_eq!(String::from_utf8(written).unwrap(), expected);
}

/// A policy with one log or witness, and no quorum.
fn with(log: Option<PolicyLog>, witness: Option<PolicyWitness>) -> Policy {
    let mut builder = PolicyBuilder::new();
    log.map(|log| builder.add_log(log).map(drop)).transpose().unwrap();
    witness.map(|witness| builder.add_witness(witness).map(drop)).transpose().unwrap();
    builder.set_quorum(&PolicyText::none()).unwrap();
    builder.finish().unwrap()
}

#[test]
fn ml_dsa_keys_have_no_sigsum_form() {
    let log = with(Some(PolicyLog::from_vkey(mldsa_cosigner("log", 1), None)), None);
    let origin = Origin::new("log").unwrap();
    assert_eq!(log.to_sigsum_text(), Err(PolicyWriteError::LogKey(origin)));
    let witness = PolicyWitness::from_vkey(text("w"), mldsa_cosigner("w", 1), None);
    let error = PolicyWriteError::WitnessKey(text("w"));
    assert_eq!(with(None, Some(witness)).to_sigsum_text(), Err(error));
}

#[test]
fn log_with_an_origin_of_its_own_has_no_sigsum_form() {
    let policy = with(Some(PolicyLog::from_vkey(vkey("log", 1), None)), None);
    let error = PolicyWriteError::LogOrigin(Origin::new("log").unwrap());
    assert_eq!(policy.to_sigsum_text(), Err(error));
}

#[test]
fn unknown_key_names_are_refused_or_taken_from_the_policy() {
    let policy = with(None, Some(PolicyWitness::sigsum(text("w.example/1"), &public_key(1), None)));
    let error = PolicyWriteError::KeyName(text("w.example/1"));
    assert_eq!(policy.to_tlog_text(UnknownKeyNames::Refuse), Err(error));
    let written = policy.to_tlog_text(UnknownKeyNames::TakePolicyName).unwrap();
    let expected = format!("witness w.example/1 {}\nquorum none\n", cosigner("w.example/1", 1));
    assert_eq!(String::from_utf8(written).unwrap(), expected);
}

#[test]
fn policy_name_that_is_no_key_name_is_not_taken() {
    for name in [b"a+b".as_slice(), b"\xff", "a\u{a0}b".as_bytes()] {
        let name = PolicyText::new(name).unwrap();
        let policy = with(None, Some(PolicyWitness::sigsum(name.clone(), &public_key(1), None)));
        let written = policy.to_tlog_text(UnknownKeyNames::TakePolicyName);
        assert_eq!(written, Err(PolicyWriteError::KeyName(name)));
    }
}

proptest! {
    #[test]
    fn sigsum_policies_are_read_back(policy in any_policy()) {
        let written = policy.to_sigsum_text().unwrap();
        prop_assert_eq!(Policy::parse_sigsum(&written).unwrap(), policy);
    }

    #[test]
    fn tlog_policies_are_read_back(policy in any_tlog_policy()) {
        let written = policy.to_tlog_text(UnknownKeyNames::Refuse).unwrap();
        prop_assert_eq!(Policy::parse_tlog(&written).unwrap(), policy);
    }
}
