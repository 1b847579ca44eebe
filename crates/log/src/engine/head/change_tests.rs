//! Witnesses that come, stay, move and leave while the log runs, with real cosignatures.

use super::*;
use crate::engine::cosigned::find_cosignature;
use crate::engine::head::{Answer, Event, Request, Restored};
use crate::engine::peer::Condition;
use sigsum_core::checkpoint::SignedCheckpoint;
use sigsum_core::cosignature::{Timestamp, ed25519_line, ed25519_message};
use sigsum_core::note::{KeyName, NoteKey};
use sigsum_core::{Hash, Signature, SignedTreeHead, TreeHead, TreeSize};
use sigsum_keys::{Ed25519Signer, SigningSeed};

const RULES: Rules = Rules {
    interval: Duration::from_secs(10),
    min_interval: Duration::from_millis(100),
    requests_per_day: None,
    publish_without_quorum: false,
};

const LOG: PublicKey = PublicKey::new([99; 32]);

fn signer(number: u8) -> Ed25519Signer {
    Ed25519Signer::from_seed(&SigningSeed::from_bytes([number; 32]))
}

/// A policy over these witnesses, in this order.
fn policy(witnesses: &[u8], quorum: usize) -> Arc<Policy> {
    let keys: Vec<_> = witnesses.iter().map(|number| signer(*number).public_key()).collect();
    Arc::new(Policy::k_of_n(&[LOG], &keys, quorum).expect("a policy"))
}

fn head(size: u64) -> SignedTreeHead {
    let tree_head = TreeHead { size: TreeSize(size), root_hash: Hash::new([1; 32]) };
    SignedTreeHead { tree_head, signature: Signature::new([7; 64]) }
}

/// What witness `number` answers to this request.
fn cosigned(number: u8, request: &Request) -> Answer {
    let checkpoint = SignedCheckpoint::from_sigsum(&request.head, &LOG).checkpoint;
    let time = Timestamp::new(1_700_000_000).expect("below 2^63");
    let signature = signer(number).sign_now(&ed25519_message(time, &checkpoint));
    let name = KeyName::new("witness.example").expect("a name");
    let public = signer(number).public_key();
    let lines = [ed25519_line(&name, &public, time, &signature)];
    let key = NoteKey::CosignatureEd25519(public);
    Answer::Cosigned(find_cosignature(&lines, request.witness, &key, &checkpoint).expect("valid"))
}

/// A log with witnesses 1, 2 and 3, of which 1 and 2 have cosigned a head of five leaves.
fn running() -> HeadEngine {
    let ids: Vec<_> = (0..3).map(WitnessId).collect();
    let mut engine = HeadEngine::new(RULES, policy(&[1, 2, 3], 2), &ids, Restored::default());
    engine.signing();
    engine.head_signed(Duration::ZERO, head(5));
    let requests = engine.requests(Duration::ZERO);
    for (number, request) in [(1, &requests[0]), (2, &requests[1])] {
        engine.answered(Duration::ZERO, request, cosigned(number, request));
    }
    engine.answered(Duration::ZERO, &requests[2], Answer::Failed);
    assert!(engine.take_events().len() >= 3);
    engine
}

fn change(engine: &mut HeadEngine, policy: Arc<Policy>, asked: Vec<Kept>) {
    engine.change(Duration::from_millis(1), Change { rules: RULES, policy, asked }, &LOG);
}

fn stays(id: usize, was: usize) -> Kept {
    Kept { id: WitnessId(id), was: Some(WitnessId(was)), same_place: true }
}

fn is_new(id: usize) -> Kept {
    Kept { id: WitnessId(id), was: None, same_place: false }
}

fn peer(engine: &HeadEngine, id: usize) -> &Peer {
    &engine.peers().iter().find(|(known, _)| known.0 == id).expect("it is asked").1
}

/// Quorum and number of cosignatures of what was to be served since the last call.
fn served(engine: &mut HeadEngine) -> Vec<(bool, usize)> {
    let served = |event| match event {
        Event::Publish { head, quorum, .. } => Some((quorum, head.cosigned().cosignatures().len())),
        _ => None,
    };
    engine.take_events().into_iter().filter_map(served).collect()
}

#[test]
fn what_is_known_of_a_witness_goes_with_it_to_its_new_place() {
    let mut engine = running();
    change(&mut engine, policy(&[3, 2, 1], 2), vec![stays(0, 2), stays(1, 1), stays(2, 0)]);
    assert_eq!(peer(&engine, 0).condition, Condition::Failing);
    assert_eq!(peer(&engine, 2).condition, Condition::Good);
    assert_eq!(peer(&engine, 2).known_size, TreeSize(5));
    assert!(engine.requests(Duration::from_millis(1)).is_empty(), "all were asked in this round");
    assert_eq!(served(&mut engine), [(true, 2)]);
}

#[test]
fn a_new_witness_is_asked_at_once_and_for_the_head_that_is_served() {
    let mut engine = running();
    let now = Duration::from_millis(1);
    change(&mut engine, policy(&[1, 2, 4], 3), vec![stays(0, 0), stays(1, 1), is_new(2)]);
    assert_eq!(served(&mut engine), [(false, 2)], "it stays, and counts for what it is now");
    let requests = engine.requests(now);
    assert_eq!(requests.iter().map(|r| r.witness.0).collect::<Vec<_>>(), [2]);
    assert_eq!(requests[0].head.tree_head.size, TreeSize(5));
    engine.answered(now, &requests[0], cosigned(4, &requests[0]));
    assert_eq!(served(&mut engine), [(true, 3)]);
}

#[test]
fn a_witness_that_moved_is_asked_anew_from_the_size_it_has() {
    let mut engine = running();
    let moved = Kept { same_place: false, ..stays(2, 2) };
    change(&mut engine, policy(&[1, 2, 3], 2), vec![stays(0, 0), stays(1, 1), moved]);
    assert_eq!(
        peer(&engine, 2).condition,
        Condition::Unknown,
        "its failures were of the old place"
    );
    assert_eq!(engine.requests(Duration::from_millis(1)).len(), 1);
    let moved = Kept { same_place: false, ..stays(0, 0) };
    change(&mut engine, policy(&[1, 2, 3], 2), vec![moved, stays(1, 1), stays(2, 2)]);
    assert_eq!(peer(&engine, 0).known_size, TreeSize(5));
}

#[test]
fn a_head_that_waits_is_published_when_the_policy_asks_for_less() {
    let mut engine = running();
    let later = Duration::from_secs(1);
    engine.signing();
    engine.head_signed(later, head(6));
    let requests = engine.requests(later);
    engine.answered(later, &requests[0], cosigned(1, &requests[0]));
    assert!(served(&mut engine).is_empty());
    change(&mut engine, policy(&[1], 1), vec![stays(0, 0)]);
    assert_eq!(engine.published().map(|head| head.tree_head().size), Some(TreeSize(6)));
    assert_eq!(served(&mut engine).last(), Some(&(true, 1)));
}

#[test]
fn a_witness_that_left_and_came_back_has_one_cosignature_as_before() {
    let mut engine = running();
    change(&mut engine, policy(&[1], 1), vec![stays(0, 0)]);
    assert_eq!(engine.peers().len(), 1);
    change(&mut engine, policy(&[2, 1], 2), vec![is_new(0), stays(1, 0)]);
    assert_eq!(served(&mut engine).last(), Some(&(true, 2)), "it had cosigned the head");
    assert_eq!(peer(&engine, 0).known_size, TreeSize(5));
    let now = Duration::from_millis(2);
    for request in engine.requests(now) {
        engine.answered(now, &request, cosigned(2, &request));
    }
    let published = engine.published().expect("it is served");
    assert_eq!(published.to_checkpoint(&LOG).signatures.len(), 3, "the log and two witnesses");
}

#[test]
fn an_answer_for_a_place_that_nobody_has_changes_nothing() {
    let mut engine = running();
    let later = Duration::from_secs(1);
    engine.signing();
    engine.head_signed(later, head(6));
    let requests = engine.requests(later);
    change(&mut engine, policy(&[1], 1), vec![stays(0, 0)]);
    let _ = engine.take_events();
    let before = engine.published().cloned();
    engine.answered(later, &requests[1], cosigned(2, &requests[1]));
    assert_eq!(engine.take_events(), []);
    assert_eq!(engine.published(), before.as_ref());
}

#[test]
fn another_budget_counts_from_now_on_and_keeps_what_is_known() {
    let mut engine = running();
    let rules = Rules { requests_per_day: Some(1), ..RULES };
    let asked = vec![stays(0, 0), stays(1, 1), stays(2, 2)];
    let policy = policy(&[1, 2, 3], 2);
    engine.change(Duration::from_secs(1), Change { rules, policy, asked }, &LOG);
    assert_eq!(peer(&engine, 0).known_size, TreeSize(5));
    engine.refresh(Duration::from_secs(11));
    assert_eq!(engine.requests(Duration::from_secs(11)).len(), 3);
    engine.refresh(Duration::from_secs(21));
    assert!(engine.requests(Duration::from_secs(21)).is_empty(), "the day's request is spent");
}
