//! Times of answers, outages, and floods.

use super::*;

const S: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

fn keys(byte: u8) -> Answer {
    let keys = vec![sigsum_core::PublicKey::new([byte; 32])];
    Answer::Keys(Arc::new(DomainKeys { keys, ignored: 0, malformed: 0 }))
}

fn fresh(answer: Answer, may_recheck: bool) -> Known {
    Known::Fresh { answer, may_recheck }
}

#[test]
fn an_answer_holds_for_its_time_within_bounds() {
    let now = Instant::now();
    for (answer, ttl, held) in [
        (keys(1), 60 * S, 60 * S),
        (keys(1), Duration::ZERO, MIN_TTL),
        (keys(1), 86_400 * S, MAX_TTL),
        (Answer::Missing, Duration::ZERO, MIN_TTL),
        (Answer::Missing, 3600 * S, MAX_MISSING_TTL),
    ] {
        let mut cache = Cache::default();
        assert_eq!(cache.get("a.test", now), Known::Unknown);
        cache.put("a.test", answer.clone(), ttl, now);
        assert_eq!(cache.get("a.test", now), fresh(answer.clone(), false));
        let late = now + held - MS;
        assert_eq!(cache.get("a.test", late), fresh(answer.clone(), held > RECHECK_AGE));
        let over = match answer {
            Answer::Keys(_) => Known::Old(answer),
            Answer::Missing => Known::Unknown,
        };
        assert_eq!(cache.get("a.test", now + held), over);
    }
}

#[test]
fn while_dns_fails_the_last_answer_serves_for_a_day() {
    let mut cache = Cache::default();
    let now = Instant::now();
    cache.put("a.test", keys(1), 60 * S, now);
    let later = now + 61 * S;
    cache.failed("a.test", later);
    assert_eq!(cache.get("a.test", later), Known::Failing(Some(keys(1))));
    assert_eq!(cache.get("a.test", later + FAILURE_PAUSE), Known::Old(keys(1)), "asked again");
    let end = now + 60 * S + MAX_STALE;
    cache.failed("a.test", end - MS);
    assert_eq!(cache.get("a.test", end - MS), Known::Failing(Some(keys(1))));
    assert_eq!(cache.get("a.test", end), Known::Failing(None));
    assert_eq!(cache.get("a.test", end + FAILURE_PAUSE), Known::Unknown);
}

#[test]
fn a_failure_is_remembered_for_a_moment_where_nothing_is_known() {
    let mut cache = Cache::default();
    let now = Instant::now();
    cache.failed("a.test", now);
    assert_eq!(cache.get("a.test", now + FAILURE_PAUSE - MS), Known::Failing(None));
    assert_eq!(cache.get("a.test", now + FAILURE_PAUSE), Known::Unknown);
    cache.put("b.test", Answer::Missing, 60 * S, now);
    cache.failed("b.test", now + 60 * S);
    assert_eq!(cache.get("b.test", now + 60 * S), Known::Failing(None), "nothing to go on with");
}

#[test]
fn an_answer_that_holds_is_not_touched_by_a_failed_recheck() {
    let mut cache = Cache::default();
    let now = Instant::now();
    cache.put("a.test", keys(1), 600 * S, now);
    let later = now + RECHECK_AGE;
    assert_eq!(cache.get("a.test", later), fresh(keys(1), true));
    cache.failed("a.test", later);
    assert_eq!(cache.get("a.test", later), fresh(keys(1), false));
}

#[test]
fn a_domain_that_took_its_record_away_has_none() {
    let mut cache = Cache::default();
    let now = Instant::now();
    cache.put("a.test", keys(1), 60 * S, now);
    cache.put("a.test", Answer::Missing, 60 * S, now + 60 * S);
    cache.failed("a.test", now + 120 * S);
    assert_eq!(cache.get("a.test", now + 120 * S), Known::Failing(None));
}

#[test]
fn a_token_stays_confirmed_as_long_as_the_records_are_the_same() {
    let (now, token) = (Instant::now(), Signature::new([5; 64]));
    let mut cache = Cache::default();
    cache.put("a.test", keys(1), 60 * S, now);
    cache.confirm("a.test", &keys(1), token);
    assert!(cache.is_confirmed("a.test", &token));
    assert!(!cache.is_confirmed("a.test", &Signature::new([6; 64])));
    assert!(!cache.is_confirmed("b.test", &token));
    cache.put("a.test", keys(1), 60 * S, now);
    assert!(cache.is_confirmed("a.test", &token));
    cache.put("a.test", keys(2), 60 * S, now);
    assert!(!cache.is_confirmed("a.test", &token));
    cache.confirm("a.test", &keys(1), token);
    assert!(!cache.is_confirmed("a.test", &token), "of an answer that another took the place of");
}

#[test]
fn a_flood_of_domains_is_bounded_and_spares_those_that_leaves_came_from() {
    let now = Instant::now();
    let mut cache = Cache::default();
    cache.put("known.test", keys(1), 60 * S, now);
    cache.trust("known.test");
    assert!(cache.is_trusted("known.test"));
    cache.put("first.test", keys(1), 60 * S, now);
    for number in 0..2 * MAX_OTHERS as u32 {
        cache.put(&format!("{number}.test"), keys(2), 60 * S, now + MS * number);
    }
    assert_eq!(cache.len(), MAX_OTHERS + 1);
    assert_eq!(cache.get("first.test", now), Known::Unknown, "unused for longest");
    assert_eq!(cache.get("known.test", now), fresh(keys(1), false));
}
