//! Tests of the way between the proof formats.

use super::*;
use crate::bytes::{Hash, Message};
use crate::cosignature::mldsa44_line;
use crate::leaf::{Leaf, leaf_signing_bytes};
use crate::merkle::hash_children;
use crate::note::NoteKey;
use crate::note::testing::{mldsa_cosigner, mldsa_key, mldsa_sign, name, public_key, sign, vkey};
use crate::policy::{PolicyBuilder, PolicyLog, PolicyText};
use crate::tree_head::{SignedTreeHead, TreeHead, TreeSize, sigsum_origin};
use crate::verify::{Input, verify_sigsum};
use crate::wire::log::InclusionProof;
use std::{vec, vec::Vec};

const LOG: u8 = 2;
const SUBMITTER: u8 = 1;
const WITNESSES: [(&str, u8); 2] = [("witness.example/one", 11), ("witness.example/two", 12)];
const MESSAGE: Message = Message::new([9; 32]);
const TAKE: UnknownKeyNames = UnknownKeyNames::TakePolicyName;

fn policy_with(witnesses: Vec<PolicyWitness>) -> Policy {
    let mut policy = PolicyBuilder::new();
    policy.add_log(PolicyLog::sigsum(&public_key(LOG), None)).unwrap();
    let names = witnesses.iter().map(|w| w.name().clone()).collect();
    for witness in witnesses {
        policy.add_witness(witness).unwrap();
    }
    let group = PolicyText::new(b"all-of-them").unwrap();
    policy.add_group(group.clone(), crate::policy::Threshold::All, names).unwrap();
    policy.set_quorum(&group).unwrap();
    policy.finish().unwrap()
}

fn witness((name, number): (&str, u8)) -> PolicyWitness {
    PolicyWitness::sigsum(name.parse().unwrap(), &public_key(number), None)
}

fn policy() -> Policy {
    policy_with(WITNESSES.map(witness).into())
}

fn leaf() -> Leaf {
    let checksum = MESSAGE.checksum();
    Leaf {
        checksum,
        signature: sign(SUBMITTER, &leaf_signing_bytes(&checksum)),
        key_hash: public_key(SUBMITTER).key_hash(),
    }
}

fn cosignature(tree_head: &TreeHead, number: u8) -> Cosignature {
    let text = tree_head.checkpoint_text(&sigsum_origin(&public_key(LOG).key_hash()));
    Cosignature {
        key_hash: public_key(number).key_hash(),
        timestamp_s: 100,
        signature: sign(number, &Cosignature::signing_bytes(100, &text)),
    }
}

fn proof_of(tree_head: TreeHead, inclusion: Option<InclusionProof>) -> SigsumProof {
    let log = public_key(LOG).key_hash();
    let signature = sign(LOG, &tree_head.sigsum_signing_bytes(&log));
    let mut cosigned = CosignedTreeHead::new(SignedTreeHead { tree_head, signature });
    WITNESSES.iter().for_each(|(_, number)| cosigned.insert(cosignature(&tree_head, *number)));
    let leaf = ProofLeaf::from(&leaf());
    SigsumProof { version: ProofVersion::V2, log, leaf, tree_head: cosigned, inclusion }
}

/// A good proof for the second of two leaves.
fn proof() -> SigsumProof {
    let other = Hash::new([5; 32]);
    let root_hash = hash_children(&other, &leaf().hash());
    let inclusion = InclusionProof { leaf_index: LeafIndex(1), path: vec![other] };
    proof_of(TreeHead { size: TreeSize(2), root_hash }, Some(inclusion))
}

fn proof_in_tree_of_one() -> SigsumProof {
    proof_of(TreeHead { size: TreeSize(1), root_hash: leaf().hash() }, None)
}

fn to_tlog(proof: &SigsumProof) -> Result<Converted<TlogProof>, ConvertError> {
    proof.to_tlog(&policy(), TAKE)
}

fn tlog() -> TlogProof {
    to_tlog(&proof()).unwrap().proof
}

fn dropped_hash(number: u8, reason: DropReason) -> DroppedCosignature {
    let cosigner = Cosigner::KeyHash(public_key(number).key_hash());
    DroppedCosignature { cosigner, reason }
}

fn dropped_line(line: &SignatureLine, reason: DropReason) -> DroppedCosignature {
    let cosigner = Cosigner::Line { name: line.name.clone(), key_id: line.key_id };
    DroppedCosignature { cosigner, reason }
}

#[test]
fn there_and_back_is_the_same_proof() {
    for proof in [proof(), proof_in_tree_of_one()] {
        let there = to_tlog(&proof).unwrap();
        assert_eq!(there.dropped, []);
        let read = TlogProof::parse(&there.proof.to_text()).unwrap();
        assert_eq!(read, there.proof);
        let back = read.to_sigsum(&policy()).unwrap();
        assert_eq!((back.proof, back.dropped), (proof, vec![]));
    }
}

#[test]
fn converted_proof_has_the_signatures_of_log_and_witnesses() {
    let tlog = tlog();
    assert_eq!(tlog.extra.len(), SIGSUM_EXTRA_BYTES);
    assert_eq!(tlog.extra[..32], *public_key(SUBMITTER).key_hash().as_bytes());
    let log = Vkey::sigsum_log(&public_key(LOG));
    assert_eq!(tlog.checkpoint.verify_log(&log), LogSignature::Valid);
    for (key_name, number) in WITNESSES {
        let key = NoteKey::CosignatureEd25519(public_key(number));
        let witness = Vkey { name: name(key_name), key };
        assert_eq!(tlog.checkpoint.verify_log(&witness), LogSignature::Valid);
    }
}

#[test]
fn proof_that_went_there_and_back_still_verifies() {
    let back = tlog().to_sigsum(&policy()).unwrap().proof;
    let keys = [public_key(SUBMITTER)];
    assert!(verify_sigsum(&Input::Message(MESSAGE), &keys, &policy(), &back).is_accepted());
}

#[test]
fn public_policy_names_its_witnesses_by_their_key_names() {
    let policy = policy_with(vec![PolicyWitness::from_vkey(
        "short".parse().unwrap(),
        Vkey { name: name("long.example"), key: NoteKey::CosignatureEd25519(public_key(11)) },
        None,
    )]);
    let there = proof().to_tlog(&policy, UnknownKeyNames::Refuse).unwrap();
    assert_eq!(there.proof.checkpoint.signatures[1].name.as_str(), "long.example");
    assert_eq!(there.dropped, [dropped_hash(12, DropReason::UnknownKey)]);
}

#[test]
fn cosignatures_without_key_names_are_dropped_unless_guessed() {
    let there = proof().to_tlog(&policy(), UnknownKeyNames::Refuse).unwrap();
    assert_eq!(there.proof.checkpoint.signatures.len(), 1);
    let both = [11, 12].map(|number| dropped_hash(number, DropReason::NoKeyName));
    assert_eq!(there.dropped, both);
}

#[test]
fn policy_name_that_is_no_key_name_is_not_guessed() {
    let policy = policy_with(vec![witness(("a+b", 11)), witness(WITNESSES[1])]);
    let there = proof().to_tlog(&policy, TAKE).unwrap();
    assert_eq!(there.dropped, [dropped_hash(11, DropReason::NoKeyName)]);
}

#[test]
fn invalid_cosignature_is_dropped_on_the_way_there() {
    let mut proof = proof();
    let mut altered = proof.tree_head.cosignatures()[0];
    altered.timestamp_s = 101;
    proof.tree_head.insert(altered);
    let there = to_tlog(&proof).unwrap();
    assert_eq!(there.dropped, [dropped_hash(11, DropReason::Invalid)]);
}

#[test]
fn proof_of_an_unknown_log_is_refused() {
    let policy = Policy::k_of_n(&[public_key(3)], &[], 0).unwrap();
    let log = public_key(LOG).key_hash();
    assert_eq!(proof().to_tlog(&policy, TAKE), Err(ConvertError::UnknownLog(log)));
    let error = ConvertError::UnknownOrigin(Origin::sigsum(&log));
    assert_eq!(tlog().to_sigsum(&policy), Err(error));
}

#[test]
fn proof_of_a_log_that_is_trusted_for_another_origin_is_refused() {
    let log = public_key(LOG).key_hash();
    let mut policy = PolicyBuilder::new();
    policy.add_log(PolicyLog::from_vkey(vkey("example.com/log", LOG), None)).unwrap();
    policy.set_quorum(&PolicyText::none()).unwrap();
    let policy = policy.finish().unwrap();
    assert_eq!(proof().to_tlog(&policy, TAKE), Err(ConvertError::UnknownLog(log)));
    let error = ConvertError::UnknownOrigin(Origin::sigsum(&log));
    assert_eq!(tlog().to_sigsum(&policy), Err(error));
}

#[test]
fn proof_with_a_bad_log_signature_is_refused() {
    let mut proof = proof();
    proof.tree_head.signed.signature = sign(LOG, b"something else");
    assert_eq!(to_tlog(&proof), Err(ConvertError::LogSignature));
    let mut tlog = tlog();
    tlog.checkpoint.signatures[0].signature[0] ^= 1;
    assert_eq!(tlog.to_sigsum(&policy()), Err(ConvertError::LogSignature));
}

#[test]
fn second_bad_line_of_the_log_is_refused() {
    let mut tlog = tlog();
    let mut line = tlog.checkpoint.signatures[0].clone();
    line.signature[0] ^= 1;
    tlog.checkpoint.signatures.push(line);
    assert_eq!(tlog.to_sigsum(&policy()), Err(ConvertError::LogSignature));
}

#[test]
fn checkpoint_without_a_line_of_the_log_is_refused() {
    let mut tlog = tlog();
    tlog.checkpoint.signatures.remove(0);
    let error = ConvertError::Checkpoint(SigsumError::NoLogSignature);
    assert_eq!(tlog.to_sigsum(&policy()), Err(error));
}

#[test]
fn checkpoint_with_extension_lines_is_refused() {
    let mut tlog = tlog();
    let checkpoint = tlog.checkpoint.checkpoint.clone();
    tlog.checkpoint.checkpoint = checkpoint.with_extensions(vec!["more".into()]).unwrap();
    let error = ConvertError::Checkpoint(SigsumError::Extensions);
    assert_eq!(tlog.to_sigsum(&policy()), Err(error));
}

#[test]
fn proof_of_another_kind_of_log_is_refused() {
    let mut tlog = tlog();
    let origin = Origin::new("example.com/log").unwrap();
    tlog.checkpoint.checkpoint.origin = origin.clone();
    assert_eq!(tlog.to_sigsum(&policy()), Err(ConvertError::UnknownOrigin(origin)));
}

#[test]
fn extra_data_of_another_size_is_refused() {
    for got in [0, 95, 97] {
        let mut tlog = tlog();
        tlog.extra.resize(got, 0);
        assert_eq!(tlog.to_sigsum(&policy()), Err(ConvertError::Extra { got }));
    }
}

#[test]
fn empty_tree_is_refused() {
    let proof = proof_of(TreeHead::empty(), None);
    assert_eq!(to_tlog(&proof), Err(ConvertError::EmptyTree));
}

#[test]
fn missing_path_is_refused() {
    let mut proof = proof();
    proof.inclusion = None;
    assert_eq!(to_tlog(&proof), Err(ConvertError::MissingPath));
    let mut tlog = tlog();
    tlog.path.clear();
    assert_eq!(tlog.to_sigsum(&policy()), Err(ConvertError::MissingPath));
}

#[test]
fn path_or_index_in_a_tree_of_one_is_refused() {
    let one = to_tlog(&proof_in_tree_of_one()).unwrap().proof;
    let with_path = TlogProof { path: vec![Hash::new([1; 32])], ..one.clone() };
    assert_eq!(with_path.to_sigsum(&policy()), Err(ConvertError::PathInTreeOfOne));
    let with_index = TlogProof { index: LeafIndex(1), ..one };
    assert_eq!(with_index.to_sigsum(&policy()), Err(ConvertError::PathInTreeOfOne));
}

#[test]
fn lines_that_sigsum_cannot_carry_are_dropped_on_the_way_back() {
    let mut tlog = tlog();
    let invalid = {
        let mut line = tlog.checkpoint.signatures[1].clone();
        line.signature[20] ^= 1;
        line
    };
    let duplicate = tlog.checkpoint.signatures[2].clone();
    let unknown = SignatureLine { name: name("stranger.example"), ..duplicate.clone() };
    let time = Timestamp::new(100).unwrap();
    let (key, signature) = (mldsa_key(13), mldsa_sign(13, b"not looked at"));
    let ml_dsa = mldsa44_line(&name("pq.example"), &key, time, &signature);
    tlog.checkpoint.signatures[1] = invalid.clone();
    tlog.checkpoint.signatures.extend([duplicate.clone(), unknown.clone(), ml_dsa.clone()]);
    let pq_name = "pq".parse().unwrap();
    let pq = PolicyWitness::from_vkey(pq_name, mldsa_cosigner("pq.example", 13), None);
    let policy = policy_with(vec![witness(WITNESSES[0]), witness(WITNESSES[1]), pq]);
    let back = tlog.to_sigsum(&policy).unwrap();
    assert_eq!(
        back.dropped,
        [
            dropped_line(&invalid, DropReason::Invalid),
            dropped_line(&duplicate, DropReason::Duplicate),
            dropped_line(&unknown, DropReason::UnknownKey),
            dropped_line(&ml_dsa, DropReason::NotEd25519),
        ]
    );
    let kept: Vec<KeyHash> =
        back.proof.tree_head.cosignatures().iter().map(|c| c.key_hash).collect();
    assert_eq!(kept, [public_key(12).key_hash()]);
}
