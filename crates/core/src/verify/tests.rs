//! Verification of made-up proofs: every failure, their order, and what the verdict tells.
//! `public_proof_tests.rs` has a real one.

use super::*;
use crate::bytes::{Hash, KeyHash};
use crate::leaf::leaf_signing_bytes;
use crate::merkle::{MerkleError, hash_children};
use crate::note::testing::{public_key, sign, vkey};
use crate::policy::{PolicyBuilder, PolicyLog, PolicyText};
use crate::proof::{ProofLeaf, ProofVersion};
use crate::tree_head::{CosignedTreeHead, SignedTreeHead, TreeHead, TreeSize};
use crate::wire::log::InclusionProof;
use std::{format, string::String, string::ToString as _, vec};

const MESSAGE: Message = Message::new([9; 32]);
const OTHER_LEAF: Hash = Hash::new([5; 32]);

const SUBMITTER: u8 = 1;
const LOG: u8 = 2;
const WITNESSES: [u8; 3] = [11, 12, 13];

/// Two of three witnesses.
fn policy() -> Policy {
    Policy::k_of_n(&[public_key(LOG)], &WITNESSES.map(public_key), 2).unwrap()
}

fn leaf() -> Leaf {
    let checksum = MESSAGE.checksum();
    Leaf {
        checksum,
        signature: sign(SUBMITTER, &leaf_signing_bytes(&checksum)),
        key_hash: public_key(SUBMITTER).key_hash(),
    }
}

fn signed(tree_head: TreeHead) -> CosignedTreeHead {
    let bytes = tree_head.sigsum_signing_bytes(&public_key(LOG).key_hash());
    CosignedTreeHead::new(SignedTreeHead { tree_head, signature: sign(LOG, &bytes) })
}

fn cosign(proof: &mut SigsumProof, seed: u8, timestamp_s: u64) {
    let text = proof.tree_head.signed.tree_head.checkpoint_text(&sigsum_origin(&proof.log));
    let bytes = Cosignature::signing_bytes(timestamp_s, &text);
    let key_hash = public_key(seed).key_hash();
    proof.tree_head.insert(Cosignature { key_hash, timestamp_s, signature: sign(seed, &bytes) });
}

/// A proof for the second of two leaves, without cosignatures.
fn bare_proof() -> SigsumProof {
    let root_hash = hash_children(&OTHER_LEAF, &leaf().hash());
    SigsumProof {
        version: ProofVersion::V2,
        log: public_key(LOG).key_hash(),
        leaf: ProofLeaf::from(&leaf()),
        tree_head: signed(TreeHead { size: TreeSize(2), root_hash }),
        inclusion: Some(InclusionProof { leaf_index: LeafIndex(1), path: vec![OTHER_LEAF] }),
    }
}

/// The same with the cosignatures of two witnesses, at times 100 and 200.
fn proof() -> SigsumProof {
    let mut proof = bare_proof();
    cosign(&mut proof, WITNESSES[0], 200);
    cosign(&mut proof, WITNESSES[1], 100);
    proof
}

fn verdict(proof: &SigsumProof) -> Verdict {
    verify_sigsum(&Input::Message(MESSAGE), &[public_key(SUBMITTER)], &policy(), proof)
}

fn refusal(proof: &SigsumProof) -> String {
    let verdict = verdict(proof);
    assert!(!verdict.is_accepted());
    verdict.first_failure().unwrap().to_string()
}

#[test]
fn good_proof_is_accepted() {
    let verdict = verdict(&proof());
    assert!(verdict.is_accepted());
    assert_eq!(verdict.failures(), []);
    assert_eq!(verdict.leaf().state, SignerState::Valid);
    assert_eq!(verdict.log().state, SignerState::Valid);
    assert_eq!(verdict.tree().inclusion, Ok(()));
    assert_eq!(verdict.tree().leaf_index, LeafIndex(1));
}

#[test]
fn checksum_does_as_well_as_the_message() {
    let input = Input::Checksum(MESSAGE.checksum());
    let keys = [public_key(7), public_key(SUBMITTER)];
    assert!(verify_sigsum(&input, &keys, &policy(), &proof()).is_accepted());
}

#[test]
fn tree_of_one_leaf_is_accepted() {
    let mut proof = bare_proof();
    proof.tree_head = signed(TreeHead { size: TreeSize(1), root_hash: leaf().hash() });
    proof.inclusion = None;
    WITNESSES.iter().for_each(|seed| cosign(&mut proof, *seed, 1));
    assert!(verdict(&proof).is_accepted());
    let again = SigsumProof::parse(proof.to_text().as_bytes()).unwrap();
    assert!(verdict(&again).is_accepted());
}

#[test]
fn witnesses_are_told_apart() {
    let mut proof = bare_proof();
    cosign(&mut proof, 77, 50);
    cosign(&mut proof, WITNESSES[2], 300);
    cosign(&mut proof, WITNESSES[0], 200);
    let mut altered = proof.tree_head.cosignatures()[2];
    altered.timestamp_s = 201;
    proof.tree_head.insert(altered);
    let verdict = verdict(&proof);
    let found: Vec<(Option<String>, KeyHash, WitnessState)> = verdict
        .witnesses()
        .iter()
        .map(|w| (w.name.as_ref().map(|name| name.to_string()), w.key_hash, w.state))
        .collect();
    let of = |seed| public_key(seed).key_hash();
    assert_eq!(
        found,
        [
            (Some("w0".into()), of(WITNESSES[0]), WitnessState::Invalid { time_s: 201 }),
            (Some("w1".into()), of(WITNESSES[1]), WitnessState::Absent),
            (Some("w2".into()), of(WITNESSES[2]), WitnessState::Valid { time_s: 300 }),
            (None, of(77), WitnessState::Unknown { time_s: 50 }),
        ]
    );
    assert!(!verdict.quorum().is_satisfied());
    assert_eq!(
        verdict.first_failure().unwrap().to_string(),
        "not enough cosignatures, total: 3, verified: 1, failed to verify: 1"
    );
}

#[test]
fn quorum_time_is_that_of_the_oldest_cosignature_needed() {
    assert_eq!(verdict(&proof()).quorum_time_s(), Some(100));
    let mut three = proof();
    cosign(&mut three, WITNESSES[2], 150);
    assert_eq!(verdict(&three).quorum_time_s(), Some(150));
    assert_eq!(verdict(&bare_proof()).quorum_time_s(), None);
}

#[test]
fn policy_without_witnesses_needs_no_cosignatures() {
    let policy = Policy::k_of_n(&[public_key(LOG)], &[], 0).unwrap();
    let keys = [public_key(SUBMITTER)];
    let verdict = verify_sigsum(&Input::Message(MESSAGE), &keys, &policy, &bare_proof());
    assert!(verdict.is_accepted());
    assert_eq!(verdict.quorum_time_s(), None);
}

#[test]
fn unknown_submitter_is_refused() {
    let refused = verify_sigsum(&Input::Message(MESSAGE), &[public_key(7)], &policy(), &proof());
    assert_eq!(refused.failures(), [VerifyFailure::UnknownLeafKey]);
    assert_eq!(refused.first_failure().unwrap().to_string(), "unknown leaf key hash");
    assert_eq!(refused.tree().inclusion, Ok(()), "checked all the same");
}

#[test]
fn no_submitters_at_all_are_refused() {
    let refused = verify_sigsum(&Input::Message(MESSAGE), &[], &policy(), &proof());
    assert_eq!(refused.failures(), [VerifyFailure::UnknownLeafKey]);
}

#[test]
fn other_message_is_refused() {
    let input = Input::Message(Message::new([8; 32]));
    let refused = verify_sigsum(&input, &[public_key(SUBMITTER)], &policy(), &proof());
    assert_eq!(refused.first_failure().unwrap().to_string(), "leaf signature not valid");
    let mismatch = VerifyFailure::Inclusion(MerkleError::RootMismatch);
    assert_eq!(refused.failures(), [VerifyFailure::LeafSignature, mismatch]);
}

#[test]
fn altered_leaf_signature_is_refused() {
    let mut proof = proof();
    proof.leaf.signature = sign(SUBMITTER, b"something else");
    assert_eq!(refusal(&proof), "leaf signature not valid");
}

#[test]
fn unknown_log_is_refused() {
    let mut proof = bare_proof();
    proof.log = public_key(3).key_hash();
    cosign(&mut proof, WITNESSES[0], 1);
    cosign(&mut proof, WITNESSES[1], 1);
    assert_eq!(refusal(&proof), "unknown log");
    assert!(verdict(&proof).quorum().is_satisfied(), "checked all the same");
}

/// Its owner may run two logs; the policy speaks of the other one, so nobody may watch this one.
#[test]
fn log_whose_key_is_trusted_for_another_origin_is_unknown() {
    let mut policy = PolicyBuilder::new();
    policy.add_log(PolicyLog::from_vkey(vkey("example.com/log", LOG), None)).unwrap();
    policy.set_quorum(&PolicyText::none()).unwrap();
    let policy = policy.finish().unwrap();
    let keys = [public_key(SUBMITTER)];
    let refused = verify_sigsum(&Input::Message(MESSAGE), &keys, &policy, &bare_proof());
    assert_eq!(refused.failures(), [VerifyFailure::UnknownLog]);
}

#[test]
fn altered_log_signature_is_refused() {
    let mut proof = proof();
    proof.tree_head.signed.signature = sign(LOG, b"something else");
    assert_eq!(refusal(&proof), "invalid log signature");
}

#[test]
fn altered_tree_size_is_refused() {
    let mut proof = proof();
    proof.tree_head.signed.tree_head.size = TreeSize(3);
    assert_eq!(refusal(&proof), "invalid log signature");
}

#[test]
fn proof_without_cosignatures_is_refused() {
    let expected = "not enough cosignatures, total: 0, verified: 0, failed to verify: 0";
    assert_eq!(refusal(&bare_proof()), expected);
}

#[test]
fn cosignature_under_the_key_hash_of_another_witness_is_refused() {
    let mut proof = proof();
    let mut stolen = proof.tree_head.cosignatures()[0];
    stolen.key_hash = public_key(WITNESSES[1]).key_hash();
    proof.tree_head.insert(stolen);
    let expected = "not enough cosignatures, total: 2, verified: 1, failed to verify: 1";
    assert_eq!(refusal(&proof), expected);
}

#[test]
fn cosignatures_of_unknown_witnesses_do_not_count() {
    let mut proof = bare_proof();
    (50..60).for_each(|seed| cosign(&mut proof, seed, 1));
    let expected = "not enough cosignatures, total: 10, verified: 0, failed to verify: 0";
    assert_eq!(refusal(&proof), expected);
}

#[test]
fn wrong_index_is_refused() {
    let mut proof = proof();
    proof.inclusion.as_mut().unwrap().leaf_index = LeafIndex(0);
    assert_eq!(refusal(&proof), "invalid proof: root mismatch");
}

#[test]
fn index_outside_of_the_tree_is_refused() {
    let mut proof = proof();
    proof.inclusion.as_mut().unwrap().leaf_index = LeafIndex(2);
    assert_eq!(refusal(&proof), "proof input is malformed: index out of range");
}

#[test]
fn path_of_another_length_is_refused() {
    let mut proof = proof();
    proof.inclusion.as_mut().unwrap().path.push(OTHER_LEAF);
    assert_eq!(refusal(&proof), "proof input is malformed: path length 2, should be 1");
    proof.inclusion.as_mut().unwrap().path.clear();
    assert_eq!(refusal(&proof), "proof input is malformed: path length 0, should be 1");
}

#[test]
fn missing_inclusion_proof_is_refused() {
    let mut proof = proof();
    proof.inclusion = None;
    assert_eq!(refusal(&proof), "proof input is malformed: path length 0, should be 1");
}

#[test]
fn altered_path_is_refused() {
    let mut proof = proof();
    proof.inclusion.as_mut().unwrap().path[0] = Hash::new([6; 32]);
    assert_eq!(refusal(&proof), "invalid proof: root mismatch");
}

#[test]
fn failures_come_in_the_order_of_the_go_tools() {
    let mut proof = bare_proof();
    proof.leaf.signature = sign(SUBMITTER, b"something else");
    proof.tree_head.signed.signature = sign(LOG, b"something else");
    assert_eq!(
        verdict(&proof).failures(),
        [
            VerifyFailure::LeafSignature,
            VerifyFailure::LogSignature,
            VerifyFailure::Quorum { total: 0, verified: 0, failed: 0 },
            VerifyFailure::Inclusion(MerkleError::RootMismatch),
        ]
    );
    let nothing = Policy::k_of_n(&[], &[], 0).unwrap();
    let strangers = verify_sigsum(&Input::Message(MESSAGE), &[], &nothing, &proof);
    let mismatch = VerifyFailure::Inclusion(MerkleError::RootMismatch);
    let (leaf, log) = (VerifyFailure::UnknownLeafKey, VerifyFailure::UnknownLog);
    assert_eq!(strangers.failures(), [leaf, log, mismatch]);
}

#[test]
fn verdict_explains_itself() {
    let of = |seed| public_key(seed).key_hash();
    let mut proof = bare_proof();
    cosign(&mut proof, WITNESSES[0], 1_770_193_051);
    cosign(&mut proof, 77, 0);
    let expected = format!(
        "Refused: not enough cosignatures, total: 2, verified: 1, failed to verify: 0.
  Too few witnesses of the policy cosigned the tree head: the proof was made under another policy, \
or cosignatures are missing or were altered.
Leaf: key hash {}: known key, signature valid
Log: key hash {}: known key, signature valid
Inclusion: leaf 1 of 2: proven
Witnesses:
  valid   2026-02-04T08:17:31Z w0 ({})
  absent                       w1 ({})
  absent                       w2 ({})
  unknown 1970-01-01T00:00:00Z ({})
Quorum: not met
  g: 1 of 3, needed 2: not enough; missing: w1, w2
",
        of(SUBMITTER),
        of(LOG),
        of(WITNESSES[0]),
        of(WITNESSES[1]),
        of(WITNESSES[2]),
        of(77),
    );
    assert_eq!(verdict(&proof).to_string(), expected);
}

#[test]
fn accepted_verdict_without_witnesses_does_not_say_that_any_vouches() {
    let policy = Policy::k_of_n(&[public_key(LOG)], &WITNESSES.map(public_key), 2).unwrap();
    let none = Policy::k_of_n(&[public_key(LOG)], &[], 0).unwrap();
    let text = |policy| {
        verify_sigsum(&Input::Message(MESSAGE), &[public_key(SUBMITTER)], policy, &proof())
            .to_string()
    };
    assert!(text(&policy).starts_with("Accepted: the leaf is logged, and the policy's quorum"));
    assert!(text(&none).starts_with("Accepted: the leaf is in a tree that the log signed. No"));
}

#[test]
fn inclusion_in_a_tree_that_no_known_log_signed_is_called_that() {
    let mut proof = proof();
    proof.tree_head.signed.signature = sign(LOG, b"something else");
    let text = verdict(&proof).to_string();
    assert!(text.contains("leaf 1 of 2: proven, but no known log signed that tree\n"), "{text}");
}

#[test]
fn accepted_verdict_says_when_the_quorum_was_met() {
    let text = verdict(&proof()).to_string();
    assert!(text.starts_with("Accepted: "), "{text}");
    assert!(text.ends_with("Quorum time: 1970-01-01T00:01:40Z\n"), "{text}");
}
