//! Windows of 24 hours, bursts, reserved places, and what may never happen.

use super::*;
use crate::line::Burst;
use proptest::prelude::*;
use std::collections::VecDeque;

const HOUR: Duration = Duration::from_secs(3600);
const MS: Duration = Duration::from_millis(1);

fn at(time: Duration) -> QuotaTime {
    QuotaTime(1_000).after(time)
}

fn domain(name: &str) -> Bucket {
    Bucket::Public(Domain::parse(name).unwrap())
}

fn charges(bucket: Bucket, per_day: u32) -> Charges {
    Charges { limits: vec![Limit { bucket, per_day, burst: None }] }
}

fn one(per_day: u32) -> Charges {
    charges(domain("example.org"), per_day)
}

fn with_burst(leaves: u32, period_s: u32) -> Charges {
    let burst = Some(Burst { leaves, period_s });
    Charges { limits: vec![Limit { bucket: Bucket::All, per_day: 1000, burst }] }
}

/// Adds a leaf, or says when to come back.
fn add(quota: &mut Quota, time: Duration, charges: Charges) -> Result<(), Option<Duration>> {
    let place = quota.reserve(at(time), charges).map_err(|exceeded| exceeded.retry_after)?;
    quota.settle(at(time), place);
    Ok(())
}

#[test]
fn a_limit_holds_for_any_24_hours_and_no_longer() {
    let mut quota = Quota::new();
    for n in 0..24 {
        assert_eq!(add(&mut quota, HOUR * n, one(24)), Ok(()), "{n}");
    }
    assert_eq!(add(&mut quota, WINDOW - MS, one(24)), Err(Some(Duration::from_secs(1))));
    assert_eq!(add(&mut quota, HOUR * 23, one(24)), Err(Some(SOON)), "time does not go back");
    assert_eq!(add(&mut quota, WINDOW, one(24)), Ok(()));
    assert_eq!(add(&mut quota, WINDOW, one(24)), Err(Some(HOUR)));
    for n in 25..100 {
        assert_eq!(add(&mut quota, HOUR * n, one(24)), Ok(()), "one an hour goes on for ever");
    }
}

#[test]
fn one_counter_says_nothing_about_another() {
    let mut quota = Quota::new();
    for name in ["a.org", "b.org"] {
        assert_eq!(add(&mut quota, HOUR, charges(domain(name), 1)), Ok(()));
        assert!(add(&mut quota, HOUR, charges(domain(name), 1)).is_err());
    }
}

#[test]
fn a_limit_of_0_never_ends() {
    let exceeded = Quota::new().reserve(at(HOUR), one(0)).unwrap_err();
    assert_eq!((exceeded.kind, exceeded.leaves), (LimitKind::Day, 0));
    assert_eq!(exceeded.retry_after, None);
}

#[test]
fn a_shared_limit_that_is_met_costs_the_own_one_nothing() {
    let mut quota = Quota::new();
    let both = |name| {
        let mut both = charges(domain(name), 5);
        both.limits.push(Limit { bucket: Bucket::All, per_day: 2, burst: None });
        both
    };
    assert_eq!(add(&mut quota, HOUR, both("a.org")), Ok(()));
    assert_eq!(add(&mut quota, HOUR, both("b.org")), Ok(()));
    let exceeded = quota.reserve(at(HOUR), both("c.org")).unwrap_err();
    assert_eq!(exceeded.bucket, Bucket::All);
    assert_eq!(exceeded.retry_after, Some(WINDOW));
    assert_eq!(quota.usage(at(HOUR), &domain("c.org")), 0);
    assert_eq!(quota.len(), 3, "nothing is kept for it");
}

#[test]
fn places_are_given_back_and_reserved_ones_count() {
    let mut quota = Quota::new();
    let first = quota.reserve(at(HOUR), one(2)).unwrap();
    let second = quota.reserve(at(HOUR), one(2)).unwrap();
    let exceeded = quota.reserve(at(HOUR), one(2)).unwrap_err();
    assert_eq!(exceeded.retry_after, Some(SOON));
    quota.release(second);
    let second = quota.reserve(at(HOUR), one(2)).unwrap();
    quota.settle(at(HOUR), first);
    quota.release(second);
    assert_eq!(quota.usage(at(HOUR), &domain("example.org")), 1);
    assert!(quota.reserve(at(HOUR), one(2)).is_ok());
}

#[test]
fn what_is_released_leaves_no_trace() {
    let mut quota = Quota::new();
    for n in 0..1000 {
        let place = quota.reserve(at(HOUR), charges(domain(&format!("d{n}.org")), 1)).unwrap();
        quota.release(place);
    }
    assert!(quota.is_empty());
    assert_eq!(quota.public, 0);
    assert!(!quota.has_unsaved());
}

#[test]
fn a_burst_is_let_through_once_and_then_at_its_rate() {
    let mut quota = Quota::new();
    for _ in 0..3 {
        assert_eq!(add(&mut quota, HOUR, with_burst(3, 60)), Ok(()));
    }
    let exceeded = quota.reserve(at(HOUR), with_burst(3, 60)).unwrap_err();
    assert_eq!((exceeded.kind, exceeded.leaves), (LimitKind::Burst, 3));
    assert_eq!(exceeded.retry_after, Some(Duration::from_secs(20)));
    let later = HOUR + Duration::from_secs(20);
    assert_eq!(add(&mut quota, later, with_burst(3, 60)), Ok(()));
    assert!(add(&mut quota, later, with_burst(3, 60)).is_err());
    let much_later = later + Duration::from_secs(60);
    for _ in 0..3 {
        assert_eq!(add(&mut quota, much_later, with_burst(3, 60)), Ok(()));
    }
    assert!(add(&mut quota, much_later, with_burst(3, 60)).is_err());
}

#[test]
fn a_burst_is_given_back_too() {
    let mut quota = Quota::new();
    let place = quota.reserve(at(HOUR), with_burst(1, 60)).unwrap();
    assert!(quota.reserve(at(HOUR), with_burst(1, 60)).is_err());
    quota.release(place);
    assert!(quota.reserve(at(HOUR), with_burst(1, 60)).is_ok());
}

#[test]
fn a_shorter_burst_after_a_change_of_limits_locks_nobody_out_for_longer() {
    let mut quota = Quota::new();
    assert_eq!(add(&mut quota, HOUR, with_burst(1, 3600)), Ok(()));
    let exceeded = quota.reserve(at(HOUR), with_burst(1, 10)).unwrap_err();
    assert_eq!(exceeded.retry_after, Some(Duration::from_secs(10)));
}

#[test]
fn bursts_of_any_size_are_exact() {
    let mut quota = Quota::new();
    let charge = with_burst(u32::MAX >> 1, 3600);
    for _ in 0..1000 {
        assert_eq!(add(&mut quota, HOUR, charge.clone()), Ok(()));
    }
}

#[test]
fn registered_domains_are_bounded_and_listed_ones_are_not_concerned() {
    let mut quota = Quota::new();
    for n in 0..MAX_PUBLIC_DOMAINS {
        add(&mut quota, HOUR, charges(domain(&format!("d{n}.org")), 1)).unwrap();
    }
    let later = HOUR * 2;
    let exceeded = quota.reserve(at(later), charges(domain("new.org"), 1)).unwrap_err();
    assert_eq!((exceeded.kind, exceeded.retry_after), (LimitKind::Domains, Some(SLOT)));
    assert!(add(&mut quota, later, charges(domain("d7.org"), 2)).is_ok(), "known ones go on");
    let listed = Bucket::Domain(Domain::parse("new.org").unwrap());
    assert!(add(&mut quota, later, charges(listed, 1)).is_ok());
    assert!(add(&mut quota, HOUR + WINDOW, charges(domain("new.org"), 1)).is_ok());
    assert_eq!(quota.public, 2, "new.org, and d7.org of an hour later");
}

#[test]
fn a_day_of_leaves_is_few_groups() {
    let mut quota = Quota::new();
    for n in 0..3 * 24 * 60 * 6 {
        add(&mut quota, Duration::from_secs(10) * n, one(1_000_000)).unwrap();
    }
    let groups = quota.groups().map(|(_, groups)| groups.count()).max();
    assert!(groups <= Some(98), "{groups:?}");
    let leaves = quota.usage(QuotaTime(0), &domain("example.org"));
    assert!((8640..8640 + 90).contains(&leaves), "{leaves}");
}

#[test]
fn the_fullest_come_first() {
    let mut quota = Quota::new();
    for (name, leaves) in [("a.org", 1), ("b.org", 3), ("c.org", 2)] {
        for _ in 0..leaves {
            add(&mut quota, HOUR, charges(domain(name), 9)).unwrap();
        }
    }
    let usage = |name, leaves| Usage { bucket: domain(name), leaves };
    assert_eq!(quota.fullest(at(HOUR), 2), [usage("b.org", 3), usage("c.org", 2)]);
    assert_eq!(quota.fullest(at(HOUR + WINDOW), 2), []);
}

#[test]
fn what_could_not_be_saved_is_saved_next_time() {
    let mut quota = Quota::new();
    add(&mut quota, HOUR, one(9)).unwrap();
    let counted = quota.take_unsaved();
    add(&mut quota, HOUR, one(9)).unwrap();
    quota.put_unsaved(counted);
    assert_eq!(quota.take_unsaved(), HashMap::from([(domain("example.org"), 2)]));
    assert!(!quota.has_unsaved());
}

proptest! {
    /// A model that keeps every leaf: no 24 hours have more leaves than the limit, and nobody is
    /// refused who is below it by more than the groups' width.
    #[test]
    fn no_24_hours_have_more_than_the_limit(
        steps in prop::collection::vec((0u64..4 * 3600, any::<bool>()), 1..400),
        limit in 1u32..20,
    ) {
        let mut quota = Quota::new();
        let mut added: VecDeque<Duration> = VecDeque::new();
        let mut time = HOUR;
        for (pause_s, commits) in steps {
            time += Duration::from_secs(pause_s);
            let recent = |window: Duration| added.iter().filter(|t| **t + window > time).count();
            match quota.reserve(at(time), one(limit)) {
                Ok(place) if commits => {
                    prop_assert!(recent(WINDOW) < limit as usize);
                    quota.settle(at(time), place);
                    added.push_back(time);
                }
                Ok(place) => quota.release(place),
                Err(exceeded) => {
                    prop_assert!(recent(WINDOW + SLOT) >= limit as usize);
                    let retry = time + exceeded.retry_after.unwrap();
                    prop_assert!(retry <= time + WINDOW);
                    let early = quota.reserve(at(retry - MS), one(limit));
                    let is_free = quota.reserve(at(retry), one(limit));
                    prop_assert!(is_free.is_ok(), "as promised");
                    prop_assert!(early.is_err(), "and no earlier");
                    quota.release(is_free.unwrap());
                    time = retry;
                }
            }
        }
    }
}
