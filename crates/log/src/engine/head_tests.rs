//! The life of heads, step by step, on a clock that the tests set.

use super::*;
use crate::engine::peer::Condition;
use sigsum_core::note::{KeyName, NoteKey, SignatureLine, Vkey};
use sigsum_core::tree_head::Cosignature;
use sigsum_core::{Hash, PublicKey, Signature};

const RULES: Rules = Rules {
    interval: Duration::from_secs(10),
    min_interval: Duration::from_millis(100),
    requests_per_day: None,
    publish_without_quorum: false,
};

fn witness_key(at: usize) -> PublicKey {
    PublicKey::new([u8::try_from(at).expect("few witnesses") + 1; 32])
}

fn policy(witnesses: usize, quorum: usize) -> Arc<Policy> {
    let keys: Vec<_> = (0..witnesses).map(witness_key).collect();
    let log = PublicKey::new([99; 32]);
    Arc::new(Policy::k_of_n(&[log], &keys, quorum).expect("a policy"))
}

fn ids(count: usize) -> Vec<WitnessId> {
    (0..count).map(WitnessId).collect()
}

/// An engine with three witnesses of which two are needed.
fn two_of_three() -> HeadEngine {
    HeadEngine::new(RULES, policy(3, 2), &ids(3), Restored::default())
}

fn head(size: u64) -> SignedTreeHead {
    let root_hash = Hash::new([u8::try_from(size % 251).expect("below 251"); 32]);
    let tree_head = TreeHead { size: TreeSize(size), root_hash };
    SignedTreeHead { tree_head, signature: Signature::new([7; 64]) }
}

fn cosigned_at(witness: WitnessId, timestamp_s: u64) -> Answer {
    let key = witness_key(witness.0);
    let name = KeyName::new("witness.example").expect("a name");
    let vkey = Vkey { name, key: NoteKey::CosignatureEd25519(key) };
    let line = SignatureLine::new(&vkey, timestamp_s.to_be_bytes().to_vec());
    let signature = Signature::new([3; 64]);
    let cosignature = Some(Cosignature { key_hash: key.key_hash(), timestamp_s, signature });
    Answer::Cosigned(Verified { witness, timestamp_s, cosignature, line })
}

fn cosigned(witness: WitnessId) -> Answer {
    cosigned_at(witness, 1_700_000_000)
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Signs a head of this size and gives the requests that follow.
fn sign(engine: &mut HeadEngine, now: Duration, size: u64) -> Vec<Request> {
    assert_eq!(engine.due(now, TreeSize(size)), Due::Sign);
    engine.signing();
    engine.head_signed(now, head(size));
    engine.requests(now)
}

fn published_size(engine: &HeadEngine) -> Option<u64> {
    engine.published().map(|p| p.tree_head().size.0)
}

/// Sizes, cosignatures and quorum of what was to be published since the last call.
fn publications(engine: &mut HeadEngine) -> Vec<(u64, usize, bool)> {
    let published = |event| match event {
        Event::Publish { head, quorum, .. } => {
            Some((head.tree_head().size.0, head.cosigned().cosignatures().len(), quorum))
        }
        _ => None,
    };
    engine.take_events().into_iter().filter_map(published).collect()
}

#[test]
fn a_head_is_published_the_moment_its_quorum_is_met() {
    let mut engine = two_of_three();
    let requests = sign(&mut engine, ms(0), 5);
    assert_eq!(requests.len(), 3, "all witnesses are asked at once");
    assert!(requests.iter().all(|r| r.old_size == TreeSize(0) && r.head == head(5)));
    engine.answered(ms(20), &requests[0], cosigned(WitnessId(0)));
    assert_eq!(published_size(&engine), None);
    engine.answered(ms(21), &requests[2], cosigned(WitnessId(2)));
    assert_eq!(published_size(&engine), Some(5));
    assert_eq!(publications(&mut engine), [(5, 2, true)]);
}

#[test]
fn a_late_cosignature_is_added_to_the_published_head() {
    let mut engine = two_of_three();
    let requests = sign(&mut engine, ms(0), 5);
    engine.answered(ms(1), &requests[0], cosigned(WitnessId(0)));
    engine.answered(ms(2), &requests[1], cosigned(WitnessId(1)));
    engine.take_events();
    engine.answered(ms(3000), &requests[2], cosigned(WitnessId(2)));
    assert_eq!(publications(&mut engine), [(5, 3, true)]);
}

#[test]
fn without_a_quorum_the_last_good_head_stays_and_it_is_said_once() {
    let mut engine = two_of_three();
    let requests = sign(&mut engine, ms(0), 5);
    engine.answered(ms(1), &requests[0], cosigned(WitnessId(0)));
    engine.answered(ms(1), &requests[1], cosigned(WitnessId(1)));
    engine.answered(ms(1), &requests[2], cosigned(WitnessId(2)));
    engine.take_events();

    let requests = sign(&mut engine, ms(200), 6);
    engine.answered(ms(201), &requests[0], cosigned(WitnessId(0)));
    engine.answered(ms(201), &requests[1], Answer::Failed);
    engine.answered(ms(201), &requests[2], Answer::Failed);
    assert_eq!(published_size(&engine), Some(5), "never a step back");
    let missing = |events: Vec<Event>| {
        events.iter().filter(|e| matches!(e, Event::QuorumMissing { .. })).count()
    };
    assert!(engine.is_quorum_missing());
    assert_eq!(missing(engine.take_events()), 1);

    // The next head fares no better: no second line about it.
    let requests = sign(&mut engine, ms(400), 7);
    assert_eq!(requests.len(), 1, "those that failed are left alone for a while");
    engine.answered(ms(401), &requests[0], cosigned(WitnessId(0)));
    engine.tick(ms(10_400));
    assert_eq!(missing(engine.take_events()), 0);
    assert_eq!(published_size(&engine), Some(5));
}

#[test]
fn the_quorum_comes_back_when_a_witness_does() {
    let mut engine = two_of_three();
    let requests = sign(&mut engine, ms(0), 5);
    engine.answered(ms(1), &requests[0], cosigned(WitnessId(0)));
    engine.answered(ms(1), &requests[1], Answer::Failed);
    engine.answered(ms(1), &requests[2], Answer::Failed);
    assert!(engine.is_quorum_missing());
    engine.take_events();
    let wake = engine.next_wake(ms(2), TreeSize(5));
    assert_eq!(wake, ms(501), "the first retry");
    let requests = engine.requests(wake);
    assert_eq!(requests.len(), 2, "only those that failed");
    engine.answered(ms(510), &requests[0], cosigned(WitnessId(1)));
    assert_eq!(published_size(&engine), Some(5));
    assert!(!engine.is_quorum_missing());
    assert!(engine.take_events().contains(&Event::QuorumMet));
}

#[test]
fn publish_without_quorum_publishes_at_the_end_of_the_round() {
    let rules = Rules { publish_without_quorum: true, ..RULES };
    let mut engine = HeadEngine::new(rules, policy(3, 2), &ids(3), Restored::default());
    let requests = sign(&mut engine, ms(0), 5);
    engine.answered(ms(1), &requests[0], cosigned(WitnessId(0)));
    engine.answered(ms(1), &requests[1], Answer::Failed);
    assert_eq!(published_size(&engine), None, "the third may still answer");
    engine.answered(ms(1), &requests[2], Answer::Failed);
    assert_eq!(publications(&mut engine), [(5, 1, false)]);
}

#[test]
fn a_witness_that_never_answers_delays_nothing_that_can_do_without_it() {
    let mut engine = two_of_three();
    for round in 1..20_u64 {
        let now = ms(round * 100);
        let requests = sign(&mut engine, now, round);
        for request in requests.iter().filter(|r| r.witness != WitnessId(1)) {
            engine.answered(now, request, cosigned(request.witness));
        }
        assert_eq!(published_size(&engine), Some(round));
    }
}

#[test]
fn a_slow_witness_that_is_needed_cosigns_the_head_the_others_wait_with() {
    let mut engine = HeadEngine::new(RULES, policy(2, 2), &ids(2), Restored::default());
    let requests = sign(&mut engine, ms(0), 5);
    engine.answered(ms(1), &requests[0], cosigned(WitnessId(0)));
    // Leaves come, but no other head takes the place of the one that is being cosigned.
    assert_eq!(engine.due(ms(900), TreeSize(9)), Due::At(ms(10_000)));
    engine.answered(ms(950), &requests[1], cosigned(WitnessId(1)));
    assert_eq!(published_size(&engine), Some(5));
    assert_eq!(engine.due(ms(950), TreeSize(9)), Due::Sign);
}

#[test]
fn a_head_is_published_even_when_its_quorum_comes_after_the_next_was_signed() {
    let mut engine = HeadEngine::new(RULES, policy(2, 2), &ids(2), Restored::default());
    let first = sign(&mut engine, ms(0), 5);
    engine.answered(ms(1), &first[0], cosigned(WitnessId(0)));
    engine.tick(ms(10_000));
    let second = sign(&mut engine, ms(10_000), 9);
    assert_eq!(second.len(), 1, "one witness is still busy");
    engine.answered(ms(10_001), &second[0], cosigned(WitnessId(0)));
    engine.answered(ms(15_000), &first[1], cosigned(WitnessId(1)));
    assert_eq!(published_size(&engine), Some(5));
    let third = engine.requests(ms(15_000));
    assert_eq!(third[0].head, head(9));
    assert_eq!(third[0].old_size, TreeSize(5));
    engine.answered(ms(20_000), &third[0], cosigned(WitnessId(1)));
    assert_eq!(published_size(&engine), Some(9));
}

#[test]
fn an_older_head_is_not_published_after_a_newer_one() {
    let mut engine = HeadEngine::new(RULES, policy(3, 2), &ids(3), Restored::default());
    let first = sign(&mut engine, ms(0), 5);
    engine.answered(ms(1), &first[0], cosigned(WitnessId(0)));
    engine.tick(ms(10_000));
    let _ = sign(&mut engine, ms(10_000), 9);
    // The second witness answers for the first head late, then both for the second head.
    engine.answered(ms(10_001), &first[1], Answer::Failed);
    let asked = Request { head: head(9), round: 2, ..first[0] };
    engine.answered(ms(10_002), &asked, cosigned(WitnessId(0)));
    engine.answered(
        ms(10_003),
        &Request { witness: WitnessId(1), ..asked },
        cosigned(WitnessId(1)),
    );
    assert_eq!(published_size(&engine), Some(9));
    engine.take_events();
    engine.answered(ms(10_004), &first[2], cosigned(WitnessId(2)));
    assert_eq!(publications(&mut engine), []);
    assert_eq!(published_size(&engine), Some(9));
}

#[test]
fn a_conflict_is_obeyed_once_per_round() {
    let mut engine = two_of_three();
    let requests = sign(&mut engine, ms(0), 50);
    engine.answered(ms(1), &requests[0], Answer::Conflict(TreeSize(17)));
    let again = engine.requests(ms(1));
    assert_eq!(again.len(), 1);
    assert_eq!((again[0].old_size, again[0].retried), (TreeSize(17), true));
    engine.answered(ms(2), &again[0], Answer::Conflict(TreeSize(18)));
    assert_eq!(engine.requests(ms(2)), [], "a second conflict is a failure");
    assert_eq!(engine.peers()[0].1.condition, Condition::Failing);
    let later = engine.requests(ms(600));
    assert_eq!(later[0].old_size, TreeSize(18), "what it said is kept");
}

#[test]
fn a_witness_that_is_ahead_is_reported_and_holds_up_nobody() {
    let mut engine = two_of_three();
    let requests = sign(&mut engine, ms(0), 50);
    engine.answered(ms(1), &requests[0], Answer::Conflict(TreeSize(51)));
    let ahead = Condition::Ahead { size: TreeSize(51) };
    let told = Event::Witness { witness: WitnessId(0), condition: ahead };
    assert!(engine.take_events().contains(&told));
    assert_eq!(engine.requests(ms(1)), []);
    engine.answered(ms(2), &requests[1], cosigned(WitnessId(1)));
    engine.answered(ms(2), &requests[2], cosigned(WitnessId(2)));
    assert_eq!(published_size(&engine), Some(50));
    // It is asked again later, from a size that a proof exists for.
    let again = engine.requests(ms(501));
    assert_eq!(again[0].old_size, TreeSize(50));
}

#[test]
fn a_failing_witness_is_asked_less_and_less_often_up_to_a_bound() {
    let mut engine = two_of_three();
    let requests = sign(&mut engine, ms(0), 5);
    engine.answered(ms(0), &requests[0], cosigned(WitnessId(0)));
    engine.answered(ms(0), &requests[1], cosigned(WitnessId(1)));
    let mut request = requests[2];
    let mut now = ms(0);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        engine.answered(now, &request, Answer::Failed);
        let at = engine.peers()[2].1.due(1).expect("is asked again");
        pauses.push((at - now).as_millis());
        now = at;
        request = engine.requests(now)[0];
    }
    assert_eq!(pauses, [500, 1000, 2000, 4000, 5000, 5000, 5000]);
}

#[test]
fn an_idle_log_asks_its_witnesses_once_an_interval_and_signs_nothing() {
    let mut engine = two_of_three();
    for request in sign(&mut engine, ms(0), 5) {
        engine.answered(ms(1), &request, cosigned_at(request.witness, 100));
    }
    engine.take_events();
    let mut asked = 0;
    for round in 1..=6_u64 {
        let wake = engine.next_wake(ms(round * 10_000 - 5), TreeSize(5));
        assert_eq!(wake, ms(round * 10_000));
        assert_eq!(engine.due(wake, TreeSize(5)), Due::Refresh);
        engine.refresh(wake);
        for request in engine.requests(wake) {
            asked += 1;
            assert_eq!((request.old_size, request.head), (TreeSize(5), head(5)));
            engine.answered(wake, &request, cosigned_at(request.witness, 100 + round));
        }
    }
    assert_eq!(asked, 18, "six refreshes of three witnesses");
    let published = engine.published().expect("published").cosigned();
    assert!(published.cosignatures().iter().all(|c| c.timestamp_s == 106), "fresh times");
}

#[test]
fn a_refresh_that_fails_is_reported_and_keeps_the_old_cosignatures() {
    let mut engine = two_of_three();
    for request in sign(&mut engine, ms(0), 5) {
        engine.answered(ms(1), &request, cosigned(request.witness));
    }
    engine.take_events();
    engine.refresh(ms(10_000));
    for request in engine.requests(ms(10_000)) {
        engine.answered(ms(10_001), &request, Answer::Failed);
    }
    assert!(engine.is_quorum_missing());
    let published = engine.published().expect("published");
    assert!(published.has_quorum(&policy(3, 2)));
    assert_eq!(publications(&mut engine), []);
}

#[test]
fn heads_keep_the_shortest_distance_and_wake_on_a_leaf() {
    let mut engine = two_of_three();
    for request in sign(&mut engine, ms(0), 5) {
        engine.answered(ms(1), &request, cosigned(request.witness));
    }
    assert_eq!(engine.due(ms(50), TreeSize(6)), Due::At(ms(100)));
    assert_eq!(engine.due(ms(100), TreeSize(6)), Due::Sign);
    assert_eq!(engine.due(ms(5000), TreeSize(6)), Due::Sign, "an idle log signs at once");
}

#[test]
fn heads_wait_for_the_budget_of_the_witnesses_that_answer() {
    let rules = Rules { requests_per_day: Some(20), ..RULES };
    let mut engine = HeadEngine::new(rules, policy(3, 2), &ids(3), Restored::default());
    let spacing = ms(86_400_000 / 18);
    for (round, now) in [(1, ms(0)), (2, ms(100)), (3, spacing)] {
        for request in sign(&mut engine, now, round) {
            let answer = match request.witness {
                WitnessId(2) => Answer::Failed,
                witness => cosigned(witness),
            };
            engine.answered(now, &request, answer);
        }
        assert_eq!(published_size(&engine), Some(round));
        if round == 2 {
            assert_eq!(engine.due(ms(300), TreeSize(3)), Due::At(spacing));
        }
    }
    let asked = engine.peers()[2].1.affordable();
    assert!(asked <= spacing * 2, "retries of a failing witness are within its budget too");
}

#[test]
fn while_a_head_is_made_no_other_is_due() {
    let mut engine = two_of_three();
    assert_eq!(engine.due(ms(0), TreeSize(0)), Due::Sign);
    engine.signing();
    assert_eq!(engine.due(ms(1), TreeSize(4)), Due::At(Duration::MAX));
}

#[test]
fn a_failing_signer_is_asked_again_with_growing_pauses_and_refreshes_go_on() {
    let mut engine = two_of_three();
    for request in sign(&mut engine, ms(0), 5) {
        engine.answered(ms(1), &request, cosigned(request.witness));
    }
    engine.signing();
    engine.signing_failed(ms(9000));
    assert_eq!(engine.due(ms(9000), TreeSize(6)), Due::At(ms(9500)));
    engine.signing();
    engine.signing_failed(ms(9500));
    assert_eq!(engine.due(ms(9600), TreeSize(6)), Due::At(ms(10_000)));
    assert_eq!(engine.due(ms(10_000), TreeSize(6)), Due::Refresh, "cosignatures stay fresh");
    engine.refresh(ms(10_000));
    for request in engine.requests(ms(10_000)) {
        engine.answered(ms(10_001), &request, cosigned(request.witness));
    }
    assert_eq!(engine.due(ms(10_500), TreeSize(6)), Due::Sign);
}

#[test]
fn the_first_signature_of_a_process_is_retried_too() {
    let mut engine = two_of_three();
    engine.signing();
    engine.signing_failed(ms(0));
    assert_eq!(engine.due(ms(0), TreeSize(0)), Due::At(ms(500)));
    assert_eq!(engine.due(ms(500), TreeSize(0)), Due::Sign);
}

#[test]
fn a_policy_without_quorum_publishes_at_once() {
    let witness = |at| format!("witness w{at} {}\n", witness_key(at));
    let text = format!("{}{}quorum none\n", witness(0), witness(1));
    let policy = Arc::new(Policy::parse_sigsum(text.as_bytes()).expect("a policy"));
    let mut engine = HeadEngine::new(RULES, policy, &ids(2), Restored::default());
    let requests = sign(&mut engine, ms(0), 0);
    assert_eq!(publications(&mut engine), [(0, 0, true)]);
    assert_eq!(requests.len(), 2, "the witnesses are asked all the same");
    engine.answered(ms(1), &requests[0], cosigned(WitnessId(0)));
    assert_eq!(publications(&mut engine), [(0, 1, true)]);
}

fn restarted(published: Option<CosignedHead>) -> HeadEngine {
    let restored = Restored { published, ..Restored::default() };
    HeadEngine::new(RULES, policy(3, 2), &ids(3), restored)
}

#[test]
fn after_a_restart_the_published_head_stays_until_a_better_one_has_its_quorum() {
    let mut engine = two_of_three();
    for request in sign(&mut engine, ms(0), 5) {
        engine.answered(ms(1), &request, cosigned(request.witness));
    }
    let mut engine = restarted(engine.published().cloned());
    assert_eq!(published_size(&engine), Some(5));
    let requests = sign(&mut engine, ms(0), 8);
    assert!(requests.iter().all(|r| r.old_size == TreeSize(5)), "old sizes survive");
    engine.answered(ms(1), &requests[0], cosigned(WitnessId(0)));
    engine.answered(ms(1), &requests[1], Answer::Failed);
    engine.answered(ms(1), &requests[2], Answer::Failed);
    assert_eq!(published_size(&engine), Some(5));
    assert_eq!(publications(&mut engine), []);
}

#[test]
fn after_a_restart_without_new_leaves_the_same_head_is_refreshed() {
    let mut engine = two_of_three();
    for request in sign(&mut engine, ms(0), 5) {
        engine.answered(ms(1), &request, cosigned_at(request.witness, 100));
    }
    let mut engine = restarted(engine.published().cloned());
    let requests = sign(&mut engine, ms(0), 5);
    assert_eq!(publications(&mut engine), [], "nothing changed yet");
    engine.answered(ms(1), &requests[0], cosigned_at(WitnessId(0), 101));
    assert_eq!(publications(&mut engine), [(5, 3, true)]);
}

#[test]
fn an_older_cosignature_does_not_replace_a_newer_one() {
    let mut engine = two_of_three();
    let requests = sign(&mut engine, ms(0), 5);
    engine.answered(ms(1), &requests[0], cosigned_at(WitnessId(0), 100));
    engine.answered(ms(1), &requests[1], cosigned_at(WitnessId(1), 100));
    engine.take_events();
    engine.answered(ms(2), &requests[0], cosigned_at(WitnessId(0), 99));
    assert_eq!(publications(&mut engine), []);
}

#[path = "head_random_tests.rs"]
mod random;

/// An engine whose first head all witnesses cosigned.
fn idle() -> HeadEngine {
    let mut engine = two_of_three();
    for request in sign(&mut engine, ms(0), 5) {
        engine.answered(ms(10), &request, cosigned(request.witness));
    }
    engine
}

#[test]
fn leaves_of_a_burst_are_signed_together_when_it_pauses() {
    let mut engine = idle();
    let now = ms(500);
    engine.committed(now, TreeSize(6));
    assert_eq!(engine.due(now, TreeSize(6)), Due::At(now + BURST_PAUSE));
    engine.committed(now + ms(4), TreeSize(9));
    assert_eq!(engine.due(now + ms(5), TreeSize(9)), Due::At(now + ms(4) + BURST_PAUSE));
    let over = now + ms(4) + BURST_PAUSE;
    engine.committed(over, TreeSize(9));
    assert_eq!(engine.due(over, TreeSize(9)), Due::Sign);
}

#[test]
fn a_burst_lasts_no_longer_than_the_shortest_time_between_heads() {
    let mut engine = idle();
    engine.rules.min_interval = ms(4);
    let now = ms(500);
    engine.committed(now, TreeSize(6));
    assert_eq!(engine.due(now, TreeSize(6)), Due::At(now + ms(4)));
    engine.committed(now + ms(3), TreeSize(9));
    assert_eq!(engine.due(now + ms(4), TreeSize(9)), Due::Sign);
}

#[test]
fn a_burst_that_does_not_end_is_signed_all_the_same() {
    let mut engine = idle();
    let start = ms(500);
    for n in 0..20 {
        let (now, size) = (start + ms(5 * n), TreeSize(6 + n));
        engine.committed(now, size);
        assert_ne!(engine.due(now, size), Due::Sign, "{n}");
    }
    assert_eq!(engine.due(start + LONGEST_BURST, TreeSize(30)), Due::Sign);
}
