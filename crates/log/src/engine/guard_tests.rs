//! The guard by itself, and what the head engine does while it is up.

use super::*;
use crate::engine::cosigned::{CosignedHead, Verified};
use crate::engine::head::{Answer, Change, Due, Event, HeadEngine, Kept, Request, Restored, Rules};
use sigsum_core::note::{KeyName, NoteKey, SignatureLine, Vkey};
use sigsum_core::{Hash, PublicKey, Signature, SignedTreeHead, TreeHead};

const RULES: Rules = Rules {
    interval: Duration::from_secs(10),
    min_interval: Duration::from_millis(100),
    requests_per_day: None,
    publish_without_quorum: false,
};

/// A directory with a signed head of 10 leaves and 12 that are durable, without followers.
const GUARD: GuardRules = GuardRules {
    signed_size: TreeSize(10),
    committed_size: TreeSize(12),
    followers: 0,
    required_followers: 0,
    lenient: false,
};

fn key(at: usize) -> PublicKey {
    PublicKey::new([u8::try_from(at).expect("few") + 1; 32])
}

fn policy(witnesses: usize, quorum: usize) -> Arc<Policy> {
    let keys: Vec<_> = (0..witnesses).map(key).collect();
    Arc::new(Policy::k_of_n(&[key(98)], &keys, quorum).expect("a policy"))
}

fn ids(count: usize) -> Vec<WitnessId> {
    (0..count).map(WitnessId).collect()
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn head(size: u64) -> SignedTreeHead {
    let tree_head = TreeHead { size: TreeSize(size), root_hash: Hash::new([1; 32]) };
    SignedTreeHead { tree_head, signature: Signature::new([7; 64]) }
}

fn cosigned(witness: WitnessId) -> Answer {
    let name = KeyName::new("witness.example").expect("a name");
    let vkey = Vkey { name, key: NoteKey::CosignatureEd25519(key(witness.0)) };
    let line = SignatureLine::new(&vkey, vec![0; 72]);
    Answer::Cosigned(Verified { witness, timestamp_s: 1, cosignature: None, line })
}

/// Two of three witnesses are needed; the last signed head has been made, and is shown.
fn started(rules: GuardRules) -> (HeadEngine, Vec<Request>) {
    started_with(RULES, policy(3, 2), rules)
}

fn started_with(
    rules: Rules,
    policy: Arc<Policy>,
    guard: GuardRules,
) -> (HeadEngine, Vec<Request>) {
    let witnesses = ids(policy.witnesses().len());
    let shown = head(guard.signed_size.0.min(10));
    let restored = Restored { guard: Some(guard), ..Restored::default() };
    let mut engine = HeadEngine::new(rules, policy, &witnesses, restored);
    assert_eq!(engine.due(ms(0), TreeSize(12)), Due::Sign);
    engine.signing();
    engine.head_signed(ms(0), shown);
    let requests = engine.requests(ms(0));
    (engine, requests)
}

fn has_passed(engine: &mut HeadEngine) -> bool {
    engine.take_events().iter().any(|event| matches!(event, Event::GuardPassed { .. }))
}

fn refusal(engine: &mut HeadEngine) -> Option<Refusal> {
    engine.take_events().into_iter().find_map(|event| match event {
        Event::Refused(refusal) => Some(refusal),
        _ => None,
    })
}

#[test]
fn the_last_signed_head_is_shown_from_its_own_size() {
    let (_, requests) = started(GUARD);
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert_eq!((request.old_size, request.head), (TreeSize(10), head(10)));
    }
}

#[test]
fn nothing_more_is_signed_before_a_quorum_has_answered() {
    let (mut engine, requests) = started(GUARD);
    engine.answered(ms(5), &requests[0], cosigned(WitnessId(0)));
    for at in [5, 500, 5_000, 10_000, 60_000] {
        engine.tick(ms(at));
        assert_ne!(engine.due(ms(at), TreeSize(12)), Due::Sign, "at {at} ms");
    }
    assert!(engine.is_guarded());
    assert!(!has_passed(&mut engine));
}

#[test]
fn all_answers_let_the_log_go_on_at_once() {
    let (mut engine, requests) = started(GUARD);
    let answers = [cosigned(WitnessId(0)), cosigned(WitnessId(1)), Answer::Failed];
    for (request, answer) in requests.iter().zip(answers) {
        assert!(engine.is_guarded());
        engine.answered(ms(5), request, answer);
    }
    assert!(has_passed(&mut engine));
    assert_eq!(engine.due(ms(200), TreeSize(12)), Due::Sign);
}

#[test]
fn a_silent_witness_beside_a_quorum_is_waited_for_a_moment_only() {
    let (mut engine, requests) = started(GUARD);
    engine.answered(ms(5), &requests[0], cosigned(WitnessId(0)));
    engine.answered(ms(7), &requests[1], cosigned(WitnessId(1)));
    engine.tick(ms(8));
    assert!(engine.is_guarded());
    let wake = engine.next_wake(ms(8), TreeSize(12));
    assert!(wake <= ms(7) + OTHERS_PAUSE && wake > ms(8), "{wake:?}");
    engine.tick(ms(7) + OTHERS_PAUSE);
    assert!(has_passed(&mut engine));
}

#[test]
fn a_witness_that_knows_more_ends_the_log() {
    let (mut engine, requests) = started(GUARD);
    engine.answered(ms(1), &requests[2], Answer::Conflict(TreeSize(11)));
    let who = Party::Witness(WitnessId(2));
    let known = Knowledge::UpTo(TreeSize(11));
    assert_eq!(refusal(&mut engine), Some(Refusal { who, known, ours: TreeSize(10) }));
    for (request, id) in requests.iter().zip(ids(2)) {
        engine.answered(ms(2), request, cosigned(id));
    }
    assert!(!has_passed(&mut engine), "whatever the others say");
    assert_eq!(engine.due(ms(60_000), TreeSize(12)), Due::At(Duration::MAX));
    assert_eq!(engine.requests(ms(60_000)), []);
    assert_eq!(engine.next_wake(ms(60_000), TreeSize(12)), Duration::MAX);
}

#[test]
fn a_witness_with_another_tree_of_our_size_ends_the_log() {
    let (mut engine, requests) = started(GUARD);
    engine.answered(ms(1), &requests[0], Answer::OtherTree);
    let known = Knowledge::Other(TreeSize(10));
    assert_eq!(refusal(&mut engine).map(|refusal| refusal.known), Some(known));
}

#[test]
fn a_refused_proof_from_an_older_size_tells_nothing() {
    let (mut engine, requests) = started(GUARD);
    engine.answered(ms(1), &requests[0], Answer::Conflict(TreeSize(4)));
    let again = engine.requests(ms(1));
    assert_eq!((again.len(), again[0].old_size), (1, TreeSize(4)));
    engine.answered(ms(2), &again[0], Answer::OtherTree);
    assert_eq!(refusal(&mut engine), None);
}

#[test]
fn a_witness_that_is_behind_counts_as_heard() {
    let (mut engine, requests) = started(GUARD);
    engine.answered(ms(1), &requests[0], Answer::Conflict(TreeSize(4)));
    engine.answered(ms(1), &requests[1], Answer::Conflict(TreeSize(0)));
    engine.answered(ms(1), &requests[2], Answer::Failed);
    assert!(has_passed(&mut engine));
}

#[test]
fn who_fails_is_asked_again_and_the_log_goes_on_by_itself() {
    let (mut engine, requests) = started(GUARD);
    for request in &requests {
        engine.answered(ms(1), request, Answer::Failed);
    }
    let waits = |event: &Event| matches!(event, Event::GuardWaits { quorum_missing: true, .. });
    assert_eq!(engine.take_events().iter().filter(|event| waits(event)).count(), 1);
    let wake = engine.next_wake(ms(1), TreeSize(12));
    assert!(wake > ms(1) && wake < ms(2_000), "{wake:?}");
    let again = engine.requests(wake);
    assert_eq!(again.len(), 3);
    for (request, id) in again.iter().zip(ids(3)) {
        engine.answered(wake, request, cosigned(id));
    }
    assert!(has_passed(&mut engine));
}

#[test]
fn witnesses_that_cannot_make_the_quorum_never_let_it_go_on() {
    let policy = policy(3, 2);
    let restored = Restored { guard: Some(GUARD), ..Restored::default() };
    let mut engine = HeadEngine::new(RULES, policy, &ids(1), restored);
    engine.head_signed(ms(0), head(10));
    let requests = engine.requests(ms(0));
    engine.answered(ms(1), &requests[0], cosigned(WitnessId(0)));
    engine.tick(ms(600_000));
    assert!(engine.is_guarded());
}

#[test]
fn a_witness_that_does_not_know_the_log_tells_nothing_once_that_has_begun() {
    let (mut engine, requests) = started(GUARD);
    engine.answered(ms(1), &requests[0], Answer::Unknown);
    engine.answered(ms(1), &requests[1], Answer::Unknown);
    engine.answered(ms(1), &requests[2], cosigned(WitnessId(2)));
    engine.tick(ms(600_000));
    assert!(!has_passed(&mut engine), "a proxy may have said so");
    // Leaves that no head was signed over are not nothing.
    let begun = GuardRules { signed_size: TreeSize(0), committed_size: TreeSize(1), ..GUARD };
    let new = GuardRules { committed_size: TreeSize(0), ..begun.clone() };
    for (rules, passes) in [(begun, false), (new, true)] {
        let (mut engine, requests) = started(rules);
        engine.answered(ms(1), &requests[0], Answer::Unknown);
        engine.answered(ms(1), &requests[1], Answer::Unknown);
        engine.answered(ms(1), &requests[2], Answer::Failed);
        assert_eq!(has_passed(&mut engine), passes);
    }
}

#[test]
fn a_new_log_is_not_ended_by_a_witness_that_refuses_its_empty_tree() {
    let new = GuardRules { signed_size: TreeSize(0), committed_size: TreeSize(0), ..GUARD };
    let (mut engine, requests) = started(new);
    engine.answered(ms(1), &requests[0], Answer::OtherTree);
    assert_eq!(refusal(&mut engine), None);
}

#[test]
fn a_log_that_publishes_without_a_quorum_starts_without_one_once_it_has_waited() {
    let lenient = GuardRules { lenient: true, ..GUARD };
    let (mut engine, requests) = started(lenient);
    for request in &requests {
        engine.answered(ms(1), request, Answer::Failed);
    }
    engine.tick(LONGEST_WAIT - ms(1));
    assert!(!has_passed(&mut engine), "the network may not be up yet");
    let mut wake = ms(1);
    while wake < LONGEST_WAIT {
        let next = engine.next_wake(wake, TreeSize(12));
        assert!(next > wake && next <= LONGEST_WAIT, "{next:?}");
        wake = next;
        for request in engine.requests(wake) {
            engine.answered(wake, &request, Answer::Failed);
        }
        engine.tick(wake);
    }
    assert!(has_passed(&mut engine), "nobody answers");
}

#[test]
fn a_log_that_publishes_without_a_quorum_hears_who_answers_in_time() {
    let (mut engine, requests) = started(GuardRules { lenient: true, ..GUARD });
    for request in &requests {
        engine.answered(ms(1), request, Answer::Failed);
    }
    let again = engine.requests(ms(9_000));
    engine.answered(ms(9_000), &again[0], Answer::Conflict(TreeSize(11)));
    assert!(refusal(&mut engine).is_some());
}

#[test]
fn where_one_quorum_need_not_share_a_witness_with_another_all_are_waited_for() {
    // Witness 0 alone makes a quorum, so that it may be the only one that knows a later head.
    let (mut engine, requests) = started_with(RULES, policy(3, 1), GUARD);
    engine.answered(ms(1), &requests[1], cosigned(WitnessId(1)));
    engine.answered(ms(1), &requests[2], cosigned(WitnessId(2)));
    engine.tick(ms(1) + OTHERS_PAUSE);
    assert!(!has_passed(&mut engine));
    assert_eq!(engine.due(ms(5_000), TreeSize(12)), Due::At(ms(10_000)), "nothing is signed");
    engine.answered(ms(9_000), &requests[0], Answer::Conflict(TreeSize(11)));
    assert!(refusal(&mut engine).is_some());

    // One that is gone for good does not end the log.
    let (mut engine, requests) = started_with(RULES, policy(3, 1), GUARD);
    engine.answered(ms(1), &requests[0], Answer::Failed);
    engine.answered(ms(2), &requests[1], cosigned(WitnessId(1)));
    engine.answered(ms(3), &requests[2], cosigned(WitnessId(2)));
    engine.tick(ms(1) + LONGEST_WAIT);
    assert!(!has_passed(&mut engine));
    assert!(engine.next_wake(ms(9_999), TreeSize(12)) <= ms(2) + LONGEST_WAIT);
    engine.tick(ms(2) + LONGEST_WAIT);
    let silent = vec![Party::Witness(WitnessId(0))];
    let passed = Event::GuardPassed { took: ms(2) + LONGEST_WAIT, silent };
    assert!(engine.take_events().contains(&passed));
}

#[test]
fn all_that_can_answer_let_the_log_go_on_at_once_whatever_the_quorum() {
    for quorum in [1, 2, 3] {
        let (mut engine, requests) = started_with(RULES, policy(3, quorum), GUARD);
        for (request, id) in requests.iter().zip(ids(3)) {
            assert!(engine.is_guarded());
            engine.answered(ms(5), request, cosigned(id));
        }
        assert!(has_passed(&mut engine), "{quorum} of 3");
    }
    // One of two is asked, as the other has no URL.
    let restored = Restored { guard: Some(GUARD), ..Restored::default() };
    let mut engine = HeadEngine::new(RULES, policy(2, 1), &ids(1), restored);
    engine.head_signed(ms(0), head(10));
    let requests = engine.requests(ms(0));
    engine.answered(ms(5), &requests[0], cosigned(WitnessId(0)));
    assert!(has_passed(&mut engine));
}

#[test]
fn a_policy_that_asks_for_nothing_still_has_its_witnesses_heard() {
    let witness = |at| format!("witness w{at} {}\n", key(at));
    let text = format!("{}{}quorum none\n", witness(0), witness(1));
    let policy = Arc::new(Policy::parse_sigsum(text.as_bytes()).expect("a policy"));
    let (mut engine, requests) = started_with(RULES, policy.clone(), GUARD);
    engine.answered(ms(1), &requests[0], Answer::Failed);
    engine.answered(ms(1), &requests[1], cosigned(WitnessId(1)));
    engine.tick(LONGEST_WAIT - ms(1));
    assert!(!has_passed(&mut engine));
    engine.tick(LONGEST_WAIT);
    assert!(has_passed(&mut engine));

    let (mut engine, requests) = started_with(RULES, policy, GUARD);
    for (request, id) in requests.iter().zip(ids(2)) {
        engine.answered(ms(5), request, cosigned(id));
    }
    assert!(has_passed(&mut engine), "both have answered");
}

#[test]
fn followers_that_could_hold_what_no_other_does_are_waited_for_a_little() {
    let of_three = |required| GuardRules { followers: 3, required_followers: required, ..GUARD };
    // What one of three holds, two of them may not hold; what two hold, one of two does.
    for (required, pause) in [(1, FOLLOWERS_PAUSE), (2, OTHERS_PAUSE)] {
        let (mut engine, requests) = started(of_three(required));
        for (request, id) in requests.iter().zip(ids(3)) {
            engine.answered(ms(1), request, cosigned(id));
        }
        engine.follower_heard(ms(1), 0, Knowledge::UpTo(TreeSize(12)));
        engine.follower_heard(ms(1), 2, Knowledge::UpTo(TreeSize(9)));
        engine.tick(ms(1) + pause - ms(1));
        assert!(!has_passed(&mut engine), "{required} of 3");
        assert!(engine.next_wake(pause, TreeSize(12)) <= ms(1) + pause);
        engine.tick(ms(1) + pause);
        assert!(has_passed(&mut engine), "{required} of 3");
    }
    let (mut engine, _) = started_with(RULES, policy(0, 0), of_three(1));
    for follower in 0..3 {
        assert!(engine.is_guarded());
        engine.follower_heard(ms(1), follower, Knowledge::UpTo(TreeSize(12)));
    }
    assert!(has_passed(&mut engine), "all have answered");
}

#[test]
fn a_log_without_witnesses_goes_on_at_once() {
    let (mut engine, requests) = started_with(RULES, policy(0, 0), GUARD);
    assert_eq!(requests, []);
    assert!(has_passed(&mut engine));
}

#[test]
fn followers_that_are_required_must_be_heard_and_have_no_more_leaves() {
    let rules = GuardRules { followers: 2, required_followers: 1, ..GUARD };
    let (mut engine, requests) = started(rules.clone());
    for (request, id) in requests.iter().zip(ids(3)) {
        engine.answered(ms(1), request, cosigned(id));
    }
    engine.tick(ms(5_000));
    assert!(!has_passed(&mut engine));
    assert_ne!(engine.next_wake(ms(5_000), TreeSize(12)), ms(5_000), "no busy loop");
    engine.follower_heard(ms(60_001), 1, Knowledge::Unheard);
    assert!(engine.is_guarded());
    engine.follower_heard(ms(60_002), 0, Knowledge::UpTo(TreeSize(12)));
    engine.tick(ms(60_002) + FOLLOWERS_PAUSE);
    assert!(has_passed(&mut engine));

    let (mut engine, _) = started(rules);
    engine.follower_heard(ms(1), 1, Knowledge::UpTo(TreeSize(13)));
    let who = Party::Follower(1);
    let known = Knowledge::UpTo(TreeSize(13));
    assert_eq!(refusal(&mut engine), Some(Refusal { who, known, ours: TreeSize(12) }));
}

#[test]
fn another_policy_is_what_is_waited_for_then() {
    let (mut engine, requests) = started(GUARD);
    engine.answered(ms(1), &requests[2], cosigned(WitnessId(2)));
    engine.answered(ms(1), &requests[0], Answer::Failed);
    engine.tick(ms(2));
    assert!(engine.is_guarded());
    // The two that do not answer leave the policy; a new one comes.
    let keys = [key(2), key(7)];
    let kept = [Some(WitnessId(2)), None];
    let asked = ids(2).into_iter().zip(kept);
    let asked = asked.map(|(id, was)| Kept { id, was, same_place: was.is_some() }).collect();
    let policy = Arc::new(Policy::k_of_n(&[key(98)], &keys, 2).expect("a policy"));
    engine.change(ms(3), Change { rules: RULES, policy, asked }, &key(98));
    assert!(engine.is_guarded(), "one of the two was never asked");
    let requests = engine.requests(ms(3));
    assert_eq!(requests.len(), 1);
    assert_eq!((requests[0].witness, requests[0].old_size), (WitnessId(1), TreeSize(10)));
    engine.answered(ms(4), &requests[0], cosigned(WitnessId(1)));
    assert!(has_passed(&mut engine));
}

#[test]
fn what_witnesses_knew_at_a_promotion_is_no_refusal_and_the_next_head_is_signed_soon() {
    // The last signed head that reached the follower has 10 leaves, one of 12 was signed after it.
    let rules = GuardRules { signed_size: TreeSize(12), ..GUARD };
    let (mut engine, requests) = started(rules);
    assert_eq!(requests[0].old_size, TreeSize(10));
    engine.answered(ms(1), &requests[0], Answer::Conflict(TreeSize(12)));
    engine.answered(ms(1), &requests[1], Answer::Conflict(TreeSize(11)));
    engine.answered(ms(1), &requests[2], Answer::Failed);
    assert!(has_passed(&mut engine));
    assert_eq!(engine.requests(ms(1)), [], "they could only say the same again");
    assert_eq!(engine.due(ms(100), TreeSize(12)), Due::Sign);
    engine.head_signed(ms(100), head(12));
    let old_sizes: Vec<_> = engine.requests(ms(100)).iter().map(|r| r.old_size.0).collect();
    assert_eq!(old_sizes, [12, 11]);
}

/// What was to be served since the last call, by size.
fn served(engine: &mut HeadEngine) -> Vec<u64> {
    let served = |event| match event {
        Event::Publish { head, .. } => Some(head.tree_head().size.0),
        _ => None,
    };
    engine.take_events().into_iter().filter_map(served).collect()
}

#[test]
fn no_head_is_served_that_is_smaller_than_one_that_clients_of_the_old_primary_may_have_seen() {
    // Published here are 10 leaves; at the promotion, a head of 12 was known.
    let mut published = CosignedHead::new(head(10));
    for id in ids(2) {
        let Answer::Cosigned(verified) = cosigned(id) else { unreachable!() };
        assert!(published.insert(verified));
    }
    let guard = GuardRules { signed_size: TreeSize(12), ..GUARD };
    let restored = Restored { published: Some(published), guard: Some(guard), floor: TreeSize(12) };
    let mut engine = HeadEngine::new(RULES, policy(3, 2), &ids(3), restored);
    engine.head_signed(ms(0), head(10));
    let requests = engine.requests(ms(0));
    for (request, id) in requests.iter().zip(ids(3)) {
        engine.answered(ms(1), request, cosigned(id));
    }
    assert_eq!(served(&mut engine), Vec::<u64>::new(), "a late cosignature");
    let asked = ids(3).into_iter();
    let asked = asked.map(|id| Kept { id, was: Some(id), same_place: true }).collect();
    let change = Change { rules: RULES, policy: policy(3, 1), asked };
    engine.change(ms(2), change, &key(98));
    assert_eq!(served(&mut engine), Vec::<u64>::new(), "another policy");
    // Followers hold 11 by now.
    for (at, size, expected) in [(200, 11, vec![]), (400, 12, vec![12]), (600, 13, vec![13])] {
        engine.signing();
        engine.head_signed(ms(at), head(size));
        let request = engine.requests(ms(at))[0];
        engine.answered(ms(at + 1), &request, cosigned(request.witness));
        assert_eq!(served(&mut engine), expected);
        for id in [1, 2] {
            let late = Request { witness: WitnessId(id), ..request };
            engine.answered(ms(at + 2), &late, Answer::Failed);
        }
    }
}
