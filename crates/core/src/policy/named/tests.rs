//! Policy names, and the built-in policies against the published ones.

use super::*;
use crate::note::testing::testdata;
use crate::policy::Policy;
use alloc::{format, string::ToString, vec::Vec};

#[test]
fn names_of_small_letters_digits_and_hyphens_are_valid() {
    for name in ["sigsum-generic-2025-1", "aa", "0-", "a--", "00"] {
        assert!(valid_name(name), "{name}");
        assert_eq!(check_name(name), Ok(()));
    }
}

#[test]
fn other_names_are_not_valid() {
    for name in ["", "a", "-a", "A1", "aB", "a_b", "a.b", "../a", "a/b", "a b", "ab\n", "\u{e9}e"] {
        assert!(!valid_name(name), "{name}");
    }
    let error = check_name("a\nb").unwrap_err().to_string();
    let rule = "does not match regexp \"^[a-z0-9][a-z0-9-]+$\"";
    assert_eq!(error, format!("invalid policy name \"a\\nb\", {rule}"));
}

#[test]
fn builtin_policies_are_valid_and_in_order() {
    let names: Vec<&str> = builtin_names().collect();
    assert_eq!(names.len(), 4);
    assert!(names.is_sorted());
    for name in names {
        assert!(valid_name(name));
        let policy = Policy::parse_sigsum(builtin(name).unwrap()).unwrap();
        assert_eq!(policy.quorum().rule().unwrap().name.to_string(), "quorum-rule");
    }
    assert_eq!(builtin("sigsum-generic-2025"), None);
}

#[test]
fn builtin_policies_say_what_the_published_ones_say() {
    for name in builtin_names() {
        let Some(published) = testdata(&format!("policies/{name}.builtin-policy")) else { return };
        let published = Policy::parse_sigsum(&published).unwrap();
        assert_eq!(Policy::parse_sigsum(builtin(name).unwrap()).unwrap(), published, "{name}");
    }
}
