//! A proof from a public log, verified under a built-in policy, and refused after any alteration.
//! Needs the project's test data; says so and passes where it is missing.

use super::*;
use crate::note::testing::testdata;
use crate::policy::named;
use crate::tree_head::CosignedTreeHead;
use std::string::String;

struct Case {
    data: Vec<u8>,
    key: PublicKey,
    policy: Policy,
    text: Vec<u8>,
}

impl Case {
    fn load() -> Option<Self> {
        let text = testdata("serviceberry-hello.proof")?;
        let key = String::from_utf8(testdata("serviceberry-hello.pub.hex")?).unwrap();
        let policy = named::builtin("sigsum-test-2025-3").unwrap();
        Some(Self {
            data: testdata("serviceberry-hello.txt")?,
            key: PublicKey::from_hex(key.trim()).unwrap(),
            policy: Policy::parse_sigsum(policy).unwrap(),
            text,
        })
    }

    fn proof(&self) -> SigsumProof {
        SigsumProof::parse(&self.text).unwrap()
    }

    fn verdict(&self, proof: &SigsumProof) -> Verdict {
        verify_sigsum(&Input::data(&self.data), &[self.key], &self.policy, proof)
    }

    /// The proof with as few cosignatures as the quorum needs: every one of them counts.
    fn tight_proof(&self) -> SigsumProof {
        let mut proof = self.proof();
        for cosignature in self.proof().tree_head.cosignatures() {
            let mut fewer = proof.clone();
            fewer.tree_head = CosignedTreeHead::new(proof.tree_head.signed);
            let others = proof.tree_head.cosignatures().iter();
            others
                .filter(|c| c.key_hash != cosignature.key_hash)
                .for_each(|c| fewer.tree_head.insert(*c));
            if self.verdict(&fewer).is_accepted() {
                proof = fewer;
            }
        }
        proof
    }
}

/// Every text with one byte changed: to a neighbour, and to the other case or something else.
fn altered(text: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> + '_ {
    let one = |at: usize, bits: u8| {
        let mut copy = text.to_vec();
        copy[at] ^= bits;
        (at, copy)
    };
    (0..text.len()).flat_map(move |at| [1, 0x20].map(|bits| one(at, bits)))
}

#[test]
fn proof_of_a_public_log_is_accepted() {
    let Some(case) = Case::load() else { return };
    let proof = case.proof();
    assert_eq!(proof.to_text().into_bytes(), case.text, "written back byte for byte");
    let verdict = case.verdict(&proof);
    assert!(verdict.is_accepted(), "{verdict}");
    assert_eq!(verdict.tree().tree_head.size.0, 381_382);
    assert_eq!(verdict.quorum_time_s(), Some(1_770_193_051));
    let valid = verdict.witnesses().iter();
    let valid = valid.filter(|w| matches!(w.state, WitnessState::Valid { .. })).count();
    assert_eq!(valid, 8, "{verdict}");
}

#[test]
fn any_altered_byte_of_the_file_is_refused() {
    let Some(mut case) = Case::load() else { return };
    let proof = case.proof();
    for at in 0..case.data.len() {
        case.data[at] ^= 1;
        let failure = case.verdict(&proof).first_failure();
        assert_eq!(failure, Some(VerifyFailure::LeafSignature), "byte {at}");
        case.data[at] ^= 1;
    }
    case.data.push(b'\n');
    assert!(!case.verdict(&proof).is_accepted());
}

#[test]
fn any_altered_byte_of_a_proof_without_spare_cosignatures_is_refused() {
    let Some(case) = Case::load() else { return };
    let tight = case.tight_proof();
    let mut same = 0;
    for (at, text) in altered(tight.to_text().as_bytes()) {
        let Ok(proof) = SigsumProof::parse(&text) else { continue };
        if proof == tight {
            same += 1; // the other case of a hex digit
        } else {
            assert!(!case.verdict(&proof).is_accepted(), "byte {at}");
        }
    }
    assert!(same > 100, "hex of either case is the same proof");
}

#[test]
fn altered_byte_of_the_whole_proof_costs_a_cosignature_at_least() {
    let Some(case) = Case::load() else { return };
    let original = case.proof();
    for (at, text) in altered(&case.text) {
        let Ok(proof) = SigsumProof::parse(&text) else { continue };
        let verdict = case.verdict(&proof);
        if proof == original || !verdict.is_accepted() {
            continue;
        }
        let kept = |name: &str| panic!("byte {at} of {name} was altered and accepted");
        if (proof.log, proof.leaf) != (original.log, original.leaf) {
            kept("the leaf part");
        }
        if (proof.tree_head.signed, &proof.inclusion)
            != (original.tree_head.signed, &original.inclusion)
        {
            kept("the tree head or inclusion part");
        }
        for witness in verdict.witnesses() {
            let WitnessState::Valid { .. } = witness.state else { continue };
            let same = |head: &CosignedTreeHead| {
                head.cosignatures().iter().find(|c| c.key_hash == witness.key_hash).copied()
            };
            if same(&proof.tree_head) != same(&original.tree_head) {
                kept("a cosignature");
            }
        }
    }
}

#[test]
fn any_missing_line_is_refused_unless_it_is_a_spare_cosignature() {
    let Some(case) = Case::load() else { return };
    let text = case.tight_proof().to_text();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for missing in 0..lines.len() {
        let fewer: String =
            lines.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, l)| *l).collect();
        let accepted =
            SigsumProof::parse(fewer.as_bytes()).is_ok_and(|p| case.verdict(&p).is_accepted());
        assert!(!accepted, "line {} is missing", missing + 1);
    }
}

#[test]
fn other_policies_and_keys_refuse_the_proof() {
    let Some(mut case) = Case::load() else { return };
    let proof = case.proof();
    for name in ["sigsum-generic-2025-1", "sigsum-test1-2025", "sigsum-test2-2025"] {
        case.policy = Policy::parse_sigsum(named::builtin(name).unwrap()).unwrap();
        assert_eq!(case.verdict(&proof).first_failure(), Some(VerifyFailure::UnknownLog), "{name}");
    }
    case.key = PublicKey::new([1; 32]);
    let failure = case.verdict(&proof).first_failure();
    assert_eq!(failure, Some(VerifyFailure::UnknownLeafKey));
}
