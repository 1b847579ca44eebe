//! Records that are read as they were written, and those that are none.

use super::*;
use crate::quota::{SLOT, WINDOW};
use crate::rules::{Charges, Limit};
use proptest::prelude::*;

fn moment(wall_ms: u64, boot: Option<(&str, u64)>) -> Moment {
    let boot = boot.map(|(id, uptime_ms)| Boot { id: id.into(), uptime_ms });
    Moment { wall_ms, boot }
}

fn buckets() -> Vec<Bucket> {
    let name = |text| Domain::parse(text).unwrap();
    vec![
        Bucket::All,
        Bucket::AllPublic,
        Bucket::Key(KeyHash::new([3; 32])),
        Bucket::Domain(name("example.org")),
        Bucket::Public(name("example.org")),
        Bucket::Public(name("r\u{e4}ka.se")),
    ]
}

fn add(quota: &mut Quota, time: QuotaTime, bucket: &Bucket) {
    let limit = Limit { bucket: bucket.clone(), per_day: u32::MAX, burst: None };
    let place = quota.reserve(time, Charges { limits: vec![limit] }).unwrap();
    quota.settle(time, place);
}

fn usages(quota: &Quota, time: QuotaTime) -> Vec<u64> {
    buckets().iter().map(|bucket| quota.usage(time, bucket)).collect()
}

proptest! {
    #[test]
    fn a_snapshot_and_what_was_added_since_are_the_counters(
        steps in prop::collection::vec((0u64..20_000_000, 0usize..6, any::<bool>()), 1..100),
        snapshot_at in 0usize..100,
        late in any::<bool>(),
    ) {
        let mut quota = Quota::new();
        let mut time = QuotaTime(5_000);
        let mut snapshot = write_snapshot(&quota, &moment(1, None));
        let (mut added, mut leaves) = (Vec::new(), Vec::new());
        for (at, (pause_ms, bucket, flush)) in steps.into_iter().enumerate() {
            time = time.after(Duration::from_millis(pause_ms));
            add(&mut quota, time, &buckets()[bucket]);
            leaves.push((time, bucket));
            let now = moment(time.0, Some(("b", time.0)));
            if at == snapshot_at {
                quota.take_unsaved();
                snapshot = write_snapshot(&quota, &now);
                added.clear();
            } else if flush || !late {
                added.push(write_added(&quota.take_unsaved(), time, &now));
            }
        }
        added.push(write_added(&quota.take_unsaved(), time, &moment(7, None)));
        let mut restored = Restored::parse(&snapshot).unwrap();
        for text in &added {
            prop_assert_eq!(restored.add(text), Ok(()), "{}", text);
        }
        prop_assert_eq!(restored.saved, moment(7, None));
        prop_assert_eq!(restored.quota.now(), time);
        for time in [time, time.after(WINDOW / 2)] {
            let (left, right) = (usages(&restored.quota, time), usages(&quota, time));
            // What was saved later than it was counted is forgotten later, and nothing too early.
            let due = |bucket: usize| {
                let is_due = |leaf: &&(QuotaTime, usize)| {
                    leaf.1 == bucket && leaf.0.after(WINDOW) > time
                };
                leaves.iter().filter(is_due).count() as u64
            };
            let is_late = left.iter().enumerate().all(|(bucket, count)| *count >= due(bucket));
            prop_assert!(if late { is_late } else { left == right }, "{:?} {:?}", left, right);
        }
        let end = time.after(WINDOW + SLOT);
        prop_assert_eq!(usages(&restored.quota, end), vec![0; 6]);
    }

    #[test]
    fn a_snapshot_that_is_read_is_written_as_it_was(
        count in 0usize..6,
        text in "(all|key:|domain:a|public:| |[0-9]{1,12}|\n|-|\\PC){0,30}",
    ) {
        let mut quota = Quota::new();
        for bucket in buckets().iter().take(count) {
            add(&mut quota, QuotaTime(9), bucket);
        }
        let snapshot = write_snapshot(&quota, &moment(1, Some(("id", 2))));
        let again = Restored::parse(&snapshot).unwrap();
        let sorted = |text: String| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        prop_assert_eq!(sorted(write_snapshot(&again.quota, &again.saved)), sorted(snapshot));
        // Whatever it is, nothing panics.
        let _ = Restored::parse(&format!("{HEADER} 1 2 - 0\n{text}")).map(|mut r| r.add(&text));
    }
}

#[test]
fn each_kind_of_broken_snapshot_is_refused() {
    let parse = |text: &str| Restored::parse(text).map(drop);
    assert_eq!(parse("sigsum-quota/1 1 2 - 0\nall 1 2 3 4 5 6\n"), Ok(()));
    for (text, line) in [
        ("", 1),
        ("sigsum-quota/2 1 2 - 0\n", 1),
        ("sigsum-quota/1 1 2 -\n", 1),
        ("sigsum-quota/1 1 2 - 0 0\n", 1),
        ("sigsum-quota/1 1 -2 - 0\n", 1),
        ("sigsum-quota/1 1 2 - 0\n\n", 2),
        ("sigsum-quota/1 1 2 - 0\nall 1 2\n", 2),
        ("sigsum-quota/1 1 2 - 0\nall 1 2 x\n", 2),
        ("sigsum-quota/1 1 2 - 0\nall 3 2 1\n", 2),
        ("sigsum-quota/1 1 2 - 0\nall 1 2 3 1 4 1\n", 2),
        ("sigsum-quota/1 1 2 - 0\nall 1 2 3\nnobody 1 2 3\n", 3),
        ("sigsum-quota/1 1 2 - 0\nall 0 5000000 1\nall 10 6000000 1\n", 3),
        ("sigsum-quota/1 1 2 - 0\nkey:00 1 2 3\n", 2),
        ("sigsum-quota/1 1 2 - 0\ndomain:*. 1 2 3\n", 2),
    ] {
        assert_eq!(parse(text), Err(RecordError { line }), "{text:?}");
    }
}

#[test]
fn no_leaf_is_lost_where_a_group_is_full() {
    let full = "sigsum-quota/1 1 2 - 0\nall 1 1 4000000000 1 1 4000000000\n";
    let restored = Restored::parse(full).unwrap();
    assert_eq!(restored.quota.usage(QuotaTime(1), &Bucket::All), 8_000_000_000);
    assert_eq!(write_snapshot(&restored.quota, &restored.saved), full);
}

#[test]
fn a_broken_addition_adds_nothing() {
    let mut restored = Restored::parse("sigsum-quota/1 1 2 - 0\n").unwrap();
    for text in ["", "1 2 -\n", "1 2 - 0\nall 5\nall\n", "1 2 - 0\nall x\n"] {
        assert!(restored.add(text).is_err(), "{text:?}");
        assert!(restored.quota.is_empty());
    }
    assert_eq!(restored.add("10 2 - 0\nall 5\n"), Ok(()));
    assert_eq!(restored.quota.usage(QuotaTime(10), &Bucket::All), 5);
}

#[test]
fn time_between_two_processes_is_that_of_the_machine_where_it_was_on() {
    let day = 86_400_000;
    let saved = moment(day, Some(("a", 5_000)));
    for (now, ms) in [
        // The same start of the machine: its clock may say what it likes.
        (moment(day + 9, Some(("a", 8_000))), 3_000),
        (moment(3 * day, Some(("a", 8_000))), 3_000),
        (moment(0, Some(("a", 8_000))), 3_000),
        (moment(0, Some(("a", 1))), 0),
        // Another: only the clock tells, and one that was set back tells nothing.
        (moment(day + 7, Some(("b", 8_000))), 7),
        (moment(0, Some(("b", 8_000))), 0),
        (moment(day + 7, None), 7),
    ] {
        assert_eq!(now.since(&saved), Duration::from_millis(ms), "{now:?}");
    }
}
