//! The followers' part of the status page.

use super::{Section, amount, duration};
use crate::engine::followers::Condition;
use crate::replication::{FollowerStatus, ReplicationStatus};

/// How the followers do, in words; for the operator alone.
pub(super) fn section(status: &ReplicationStatus) -> Section {
    let enough = if status.is_enough { "enough of them follow" } else { "too few of them follow" };
    let held = format!("{} leaves", amount(status.replicated_size.0));
    let mut rows = vec![
        ("Required".to_owned(), format!("{}; {enough}", status.required)),
        ("Held by as many".to_owned(), held),
    ];
    rows.extend(status.followers.iter().map(|one| (one.label.clone(), words(one))));
    Section { title: "Followers".into(), is_public: false, rows }
}

fn words(follower: &FollowerStatus) -> String {
    let state = match follower.condition {
        Condition::Unknown => "not heard of yet",
        Condition::Good if follower.is_lagging => "answers, and does not get on",
        Condition::Good => "follows",
        Condition::Failing => "does not answer",
        Condition::Invalid => "gives answers that count for nothing",
        Condition::Ahead { .. } => "holds more leaves than this log: one of the two is an old copy",
        Condition::Contradicts { .. } => "holds another tree than this log",
    };
    let last =
        follower.since_success.map_or("no good answer since the start".to_owned(), |since| {
            format!("last good answer {} ago", duration(since.as_secs()))
        });
    format!("{state}; {} leaves; {last}", amount(follower.size.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigsum_core::TreeSize;
    use std::time::Duration;

    #[test]
    fn each_follower_is_told_in_words_and_to_the_operator_alone() {
        let follower = |label: &str, condition, answered_s: Option<u64>| FollowerStatus {
            label: label.into(),
            condition,
            size: TreeSize(7),
            is_lagging: false,
            waits: true,
            since_success: answered_s.map(Duration::from_secs),
        };
        let section = section(&ReplicationStatus {
            required: 1,
            replicated_size: TreeSize(7),
            is_enough: true,
            followers: vec![
                follower("a:1", Condition::Good, Some(3)),
                follower("b:1", Condition::Failing, None),
            ],
        });
        assert!(!section.is_public);
        let rows: Vec<_> = section.rows.iter().map(|(name, text)| (&**name, &**text)).collect();
        assert_eq!(
            rows,
            [
                ("Required", "1; enough of them follow"),
                ("Held by as many", "7 leaves"),
                ("a:1", "follows; 7 leaves; last good answer 3 s ago"),
                ("b:1", "does not answer; 7 leaves; no good answer since the start"),
            ]
        );
    }
}
