//! When an authority is asked.

use super::*;

const NOW_S: u64 = 1_800_000_000;
const DAY_S: u64 = 24 * HOUR_S;

fn schedule() -> Schedule {
    Schedule::new(Vec::new(), 0)
}

fn valid(from_s: u64, days: u64) -> Validity {
    let second = |time_s: u64| i64::try_from(time_s).unwrap();
    Validity { not_before_s: second(from_s), not_after_s: second(from_s + days * DAY_S) }
}

#[test]
fn without_a_certificate_the_authority_is_asked_at_once() {
    assert!(schedule().due_s(None, NOW_S) <= NOW_S);
}

#[test]
fn a_certificate_is_renewed_after_two_thirds_of_its_life_or_a_little_before() {
    let certificate = valid(NOW_S, 90);
    assert_eq!(schedule().due_s(Some(&certificate), NOW_S), NOW_S + 60 * DAY_S);
    let earliest = Schedule::new(Vec::new(), u16::MAX).due_s(Some(&certificate), NOW_S);
    assert_eq!(earliest, NOW_S + 60 * DAY_S - 90 * DAY_S / 24);
    let middle = Schedule::new(Vec::new(), u16::MAX / 2).due_s(Some(&certificate), NOW_S);
    assert!(earliest < middle && middle < NOW_S + 60 * DAY_S);
}

#[test]
fn times_that_no_certificate_has_are_survived() {
    for (not_before_s, not_after_s) in
        [(i64::MIN, i64::MAX), (i64::MAX, i64::MIN), (-5, -1), (0, i64::MAX), (7, 7)]
    {
        let odd = Validity { not_before_s, not_after_s };
        for spread in [0, u16::MAX] {
            let _ = Schedule::new(Vec::new(), spread).due_s(Some(&odd), NOW_S);
        }
    }
}

/// The pauses after failures for this cause, one after the other.
fn pauses(cause: Cause, count: usize) -> Vec<u64> {
    let (mut schedule, mut now_s) = (schedule(), NOW_S);
    let mut pauses = Vec::new();
    for _ in 0..count {
        schedule.fail(cause, None, now_s);
        let due_s = schedule.due_s(None, now_s);
        pauses.push(due_s - now_s);
        now_s = due_s;
    }
    pauses
}

#[test]
fn pauses_after_failures_double_up_to_an_hour() {
    assert_eq!(pauses(Cause::Unreachable, 4), [2, 4, 8, 16]);
    assert_eq!(pauses(Cause::Refused, 8), [60, 120, 240, 480, 960, 1920, 3600, 3600]);
    assert_eq!(pauses(Cause::Limited, 2), [3600, 3600]);
    assert_eq!(pauses(Cause::Own, 100).last(), Some(&3600), "no overflow");
}

#[test]
fn pauses_are_spread() {
    let mut schedule = Schedule::new(Vec::new(), u16::MAX);
    schedule.fail(Cause::Refused, None, NOW_S);
    assert_eq!(schedule.due_s(None, NOW_S), NOW_S + 75);
}

#[test]
fn an_authority_that_wants_to_be_asked_later_is_heeded_up_to_a_day() {
    for (wish_s, pause_s) in [(5, 60), (7200, 7200), (u64::MAX, 86_400)] {
        let mut schedule = schedule();
        schedule.fail(Cause::Refused, Some(wish_s), NOW_S);
        assert_eq!(schedule.due_s(None, NOW_S), NOW_S + pause_s);
    }
}

#[test]
fn success_ends_the_pauses() {
    let mut schedule = schedule();
    schedule.fail(Cause::Limited, Some(86_400), NOW_S);
    schedule.succeed(&valid(NOW_S, 3), NOW_S);
    assert!(schedule.due_s(None, NOW_S) <= NOW_S);
    schedule.fail(Cause::Unreachable, None, NOW_S);
    assert_eq!(schedule.due_s(None, NOW_S), NOW_S + 2, "and counting starts anew");
}

#[test]
fn a_certificate_that_is_due_when_it_comes_is_not_asked_for_at_once() {
    let old = valid(NOW_S - 3 * DAY_S, 3);
    let mut schedule = schedule();
    schedule.succeed(&old, NOW_S);
    assert_eq!(schedule.due_s(Some(&old), NOW_S), NOW_S + HOUR_S);
}

#[test]
fn a_refusal_after_an_outage_has_its_own_first_pause() {
    let mut schedule = schedule();
    for _ in 0..10 {
        schedule.fail(Cause::Unreachable, None, NOW_S);
    }
    schedule.fail(Cause::Refused, None, NOW_S);
    assert_eq!(schedule.due_s(None, NOW_S), NOW_S + 60);
    schedule.fail(Cause::Unreachable, None, NOW_S);
    assert_eq!(schedule.due_s(None, NOW_S), NOW_S + 4, "an outage does not end the counting");
}

#[test]
fn a_failure_does_not_put_off_a_renewal_that_is_not_due() {
    let mut schedule = schedule();
    schedule.fail(Cause::Unreachable, None, NOW_S);
    assert_eq!(schedule.due_s(Some(&valid(NOW_S, 3)), NOW_S), NOW_S + 2 * DAY_S);
}

#[test]
fn no_hour_has_more_orders_than_allowed_over_restarts_too() {
    let mut schedule = schedule();
    for second in 0..5 {
        assert!(schedule.due_s(None, NOW_S + second) <= NOW_S + second);
        schedule.order(NOW_S + second);
    }
    assert_eq!(schedule.due_s(None, NOW_S + 5), NOW_S + HOUR_S);
    let remembered = schedule.order(NOW_S + HOUR_S).to_vec();
    assert_eq!(remembered.len(), 5, "what is an hour old is forgotten: {remembered:?}");
    let restarted = Schedule::new(remembered, 0);
    assert_eq!(restarted.due_s(None, NOW_S + HOUR_S), NOW_S + 1 + HOUR_S);
}

#[test]
fn a_clock_that_was_set_back_stops_nothing() {
    let mut schedule = schedule();
    for _ in 0..5 {
        schedule.order(NOW_S);
    }
    schedule.fail(Cause::Limited, None, NOW_S);
    let year_ago_s = NOW_S - 365 * DAY_S;
    assert!(schedule.due_s(None, year_ago_s) <= year_ago_s);
}
