//! Quorums: evaluation, its reasons, times, and comparison with a recursive evaluation.

use crate::note::testing::public_key;
use crate::policy::{Policy, PolicyText, QuorumOutcome, Target};
use alloc::{collections::BTreeSet, format, string::String, string::ToString, vec::Vec};
use proptest::prelude::*;

/// A policy file with `K1` to `K9` replaced by hex keys.
fn policy(text: &str) -> Policy {
    let text = (1..=9_u8).fold(String::from(text), |text, number| {
        text.replace(&format!("K{number}"), &public_key(number).to_hex())
    });
    Policy::parse_sigsum(text.as_bytes()).unwrap()
}

const TWO_LEVELS: &str = "witness a K1\nwitness b K2\nwitness c K3\nwitness d K4\nwitness e K5\n\
    group inner 2 a b c\ngroup outer 2 d inner e\nquorum outer\n";

fn satisfied(policy: &Policy, cosigned: &[usize]) -> bool {
    let has = |index| cosigned.contains(&index);
    let report = policy.quorum().evaluate(&has);
    assert_eq!(report.is_satisfied(), policy.quorum().is_satisfied(&has));
    report.is_satisfied()
}

#[test]
fn nothing_is_needed_where_nothing_is_asked() {
    let policy = policy("witness a K1\nquorum none\n");
    assert!(satisfied(&policy, &[]) && satisfied(&policy, &[0]));
    let report = policy.quorum().evaluate(&|_| false);
    assert_eq!(report.outcome, QuorumOutcome::NothingAsked);
    assert_eq!(report.to_string(), "the policy asks for no cosignatures");
    assert!(policy.quorum().witnesses().is_empty());
}

#[test]
fn single_witness_decides() {
    let policy = policy("witness a K1\nwitness b K2\nquorum b\n");
    assert!(!satisfied(&policy, &[]) && !satisfied(&policy, &[0]) && satisfied(&policy, &[1]));
    let report = policy.quorum().evaluate(&|_| false).to_string();
    assert_eq!(report, "the cosignature of b, which the policy asks for, is missing");
    let report = policy.quorum().evaluate(&|_| true).to_string();
    assert_eq!(report, "the cosignature of b, which the policy asks for, is there");
}

#[test]
fn any_all_and_thresholds_count_members() {
    for (threshold, needed) in [("any", 1), ("1", 1), ("2", 2), ("3", 3), ("all", 3)] {
        let text = format!(
            "witness a K1\nwitness b K2\nwitness c K3\ngroup g {threshold} a b c\nquorum g\n"
        );
        let policy = policy(&text);
        for set in [&[][..], &[0], &[2], &[0, 1], &[1, 2], &[0, 1, 2]] {
            assert_eq!(satisfied(&policy, set), set.len() >= needed, "{threshold} {set:?}");
        }
    }
}

#[test]
fn group_counts_once_in_its_group() {
    let policy = policy(TWO_LEVELS);
    assert!(!satisfied(&policy, &[0, 1, 2]));
    assert!(!satisfied(&policy, &[0, 3]));
    assert!(satisfied(&policy, &[0, 2, 3]));
    assert!(satisfied(&policy, &[3, 4]));
}

#[test]
fn witness_outside_the_quorum_does_not_count() {
    let policy = policy("witness a K1\nwitness b K2\ngroup g any a\ngroup h any b\nquorum g\n");
    assert!(!satisfied(&policy, &[1]));
    assert_eq!(policy.quorum().witnesses(), [0]);
    assert_eq!(policy.quorum().evaluate(&|_| false).groups.len(), 1);
}

#[test]
fn report_says_in_plain_words_what_is_missing() {
    let report = policy(TWO_LEVELS).quorum().evaluate(&|index| index == 0 || index == 3);
    let expected = "outer: 1 of 3, needed 2: not enough; missing: inner, e\n  \
        inner: 1 of 3, needed 2: not enough; missing: b, c";
    assert_eq!(report.to_string(), expected);
    let report = policy(TWO_LEVELS).quorum().evaluate(&|_| true);
    let expected = "outer: 3 of 3, needed 2: enough\n  inner: 3 of 3, needed 2: enough";
    assert_eq!(report.to_string(), expected);
}

#[test]
fn report_lists_members_with_what_they_are() {
    let report = policy(TWO_LEVELS).quorum().evaluate(&|index| index == 3);
    assert_eq!(report.groups[0].members[0].target, Target::Witness(3));
    assert!(report.groups[0].members[0].satisfied);
    assert_eq!(report.groups[0].members[1].target, Target::Group(0));
    assert!(!report.groups[0].members[1].satisfied);
    assert_eq!(report.groups.iter().map(|group| group.depth).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn time_is_the_latest_at_which_the_quorum_holds() {
    let policy = policy(TWO_LEVELS);
    let at = |times: [Option<u64>; 5]| policy.quorum().time_s(&|index| times[index]);
    assert_eq!(at([Some(10), Some(20), Some(30), Some(40), None]), Some(20));
    assert_eq!(at([Some(10), Some(20), Some(30), Some(15), Some(5)]), Some(15));
    assert_eq!(at([Some(10), None, None, Some(15), None]), None);
    assert_eq!(at([Some(1), Some(2), None, Some(40), Some(50)]), Some(40));
    assert_eq!(super::Quorum { groups: Vec::new(), rule: None }.time_s(&|_| Some(1)), None);
}

#[test]
fn deep_nesting_needs_no_deep_stack() {
    let mut text = format!("witness w {}\ngroup g0 all w\n", public_key(1));
    for depth in 1..crate::policy::MAX_GROUPS {
        text += &format!("group g{depth} all g{}\n", depth - 1);
    }
    text += &format!("quorum g{}\n", crate::policy::MAX_GROUPS - 1);
    let policy = Policy::parse_sigsum(text.as_bytes()).unwrap();
    assert!(satisfied(&policy, &[0]) && !satisfied(&policy, &[]));
    assert_eq!(policy.quorum().time_s(&|_| Some(7)), Some(7));
    let report = policy.quorum().evaluate(&|_| false);
    assert_eq!(report.to_string().lines().count(), crate::policy::MAX_GROUPS);
    assert_eq!(policy.clone(), policy);
}

/// Whether a name of the policy is satisfied, straight from the definition.
fn naively(policy: &Policy, name: &PolicyText, cosigned: &BTreeSet<usize>) -> bool {
    let quorum = policy.quorum();
    match quorum.groups().iter().find(|group| group.name() == name) {
        None => {
            let position = policy.witnesses().iter().position(|witness| witness.name() == name);
            cosigned.contains(&position.unwrap())
        }
        Some(group) => {
            let members = group.members().iter();
            let count = members.filter(|m| naively(policy, &m.name, cosigned)).count();
            count >= group.threshold()
        }
    }
}

proptest! {
    #[test]
    fn evaluation_agrees_with_the_definition(
        policy in crate::policy::tests::any_policy(),
        cosigned in prop::collection::btree_set(0_usize..12, 0..12),
    ) {
        let report = policy.quorum().evaluate(&|index| cosigned.contains(&index));
        let expected = policy.quorum().rule().is_none_or(|m| naively(&policy, &m.name, &cosigned));
        prop_assert_eq!(report.is_satisfied(), expected);
        prop_assert_eq!(policy.quorum().is_satisfied(&|i| cosigned.contains(&i)), expected);
        for group in &report.groups {
            prop_assert_eq!(group.is_satisfied(), naively(&policy, &group.name, &cosigned));
        }
    }

    #[test]
    fn time_is_a_threshold_of_the_quorum(
        policy in crate::policy::tests::any_policy(),
        times in prop::collection::vec(prop::option::of(0_u64..20), 12),
    ) {
        let held_since = |t: u64| policy.quorum().is_satisfied(&|i| times[i].is_some_and(|s| s >= t));
        match policy.quorum().time_s(&|index| times[index]) {
            Some(time) => prop_assert!(held_since(time) && !held_since(time + 1)),
            None => prop_assert!(policy.quorum().rule().is_none() || !held_since(0)),
        }
    }
}
