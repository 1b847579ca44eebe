//! Random and mutated proofs and policies: `sigsum verify` and sigsum-verify give the same verdict.

mod changes;
mod policies;
mod proofs;
mod random;

use crate::both::Both;
use crate::harness::{Outcome, say};
use random::Random;
use sigsum_keys::{Ed25519Signer, SigningSeed, format_public_key};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Cases of each test.
const CASES: usize = 1000;
/// Cases that are looked at at the same time.
const WORKERS: usize = 2;
/// At least so many of the cases are accepted, or refused; else the test shows too little.
const FEWEST: usize = CASES / 4;
/// Where random numbers begin, unless [`SEED_VARIABLE`] says otherwise.
const SEED: u64 = 20_261_122;
/// Another seed, in decimal digits.
const SEED_VARIABLE: &str = "SIGSUM_INTEROP_SEED";

/// What the proofs are of.
const DATA: &[u8] = b"the data";

/// A verdict on which the two may differ, with the reason; `docs/interop.md` has it too.
struct Known {
    reason: &'static str,
    /// Whether the case is of this kind.
    is: fn(&[u8]) -> bool,
}

/// Differences that stay: none for Sigsum's formats.
const KNOWN: &[Known] = &[];

/// A key that follows from its number.
fn signer(number: u8) -> Ed25519Signer {
    Ed25519Signer::from_seed(&SigningSeed::from_bytes([number; 32]))
}

/// The log of the policies, and one that is not in the fixed one.
const LOGS: [u8; 2] = [1, 2];
/// The submitter in the key file, and one that is not.
const SUBMITTERS: [u8; 2] = [3, 4];
/// Witnesses; the fixed policy has the first three, and needs two.
const WITNESSES: [u8; 5] = [11, 12, 13, 14, 15];

/// How the two judge a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Verdicts {
    ours: bool,
    theirs: bool,
}

/// What became of all cases.
#[derive(Debug, Default)]
struct Tally {
    accepted: usize,
    refused: usize,
    known: Vec<usize>,
    differing: Vec<String>,
}

impl Tally {
    fn add(&mut self, case: &[u8], verdicts: Verdicts) {
        match verdicts {
            Verdicts { ours: true, theirs: true } => self.accepted += 1,
            Verdicts { ours: false, theirs: false } => self.refused += 1,
            _ => match KNOWN.iter().position(|known| (known.is)(case)) {
                Some(known) => self.known.push(known),
                None => self.differing.push(format!("{verdicts:?}: {:?}", lossy(case))),
            },
        }
    }
}

fn lossy(case: &[u8]) -> String {
    String::from_utf8_lossy(case).into_owned()
}

/// Whether the verifier accepts; it must do one or the other, and not crash.
fn accepts(outcome: &Outcome, case: &[u8]) -> bool {
    match outcome.code {
        Some(0) => true,
        Some(1) => false,
        other => panic!("{other:?} {} for {:?}", outcome.stderr, lossy(case)),
    }
}

/// Which of the two files changes from case to case.
#[derive(Clone, Copy)]
enum Varied {
    Proof,
    Policy,
}

fn judge(both: &Both, varied: Varied, number: usize, case: &[u8]) -> Verdicts {
    let file = format!("case-{number}");
    both.sandbox.write(&file, case);
    let (policy, proof) = match varied {
        Varied::Proof => ("policy", file.as_str()),
        Varied::Policy => (file.as_str(), "proof"),
    };
    let args = ["-k", "keys", "-p", policy, proof];
    let ours = accepts(&both.ours(&args, DATA), case);
    let theirs = accepts(&both.theirs(&args, DATA), case);
    Verdicts { ours, theirs }
}

/// Judges all cases, a few at a time, in their order.
fn judge_all(both: &Both, varied: Varied, cases: &[Vec<u8>]) -> Tally {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut judged = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = cases.get(number) else { return judged };
            judged.push((number, judge(both, varied, number, case)));
        }
    };
    let mut judged: Vec<(usize, Verdicts)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    judged.sort_by_key(|(number, _)| *number);
    let mut tally = Tally::default();
    judged.iter().for_each(|(number, verdicts)| tally.add(&cases[*number], *verdicts));
    tally
}

/// Makes the cases and compares the verdicts.
fn compare(varied: Varied, make: fn(&mut Random) -> Vec<u8>) {
    let Some(both) = Both::new("verify") else { return };
    both.sandbox.write("keys", format_public_key(&signer(SUBMITTERS[0]).public_key()));
    both.sandbox.write("policy", policies::fixed());
    both.sandbox.write("proof", proofs::fixed());
    let seed = std::env::var(SEED_VARIABLE).map_or(SEED, |seed| seed.parse().unwrap());
    say(&format!("seed {seed} ({SEED_VARIABLE} sets another one)"));
    let mut random = Random::new(seed);
    let cases: Vec<Vec<u8>> = (0..CASES).map(|_| changes::change(&mut random, make)).collect();
    let tally = judge_all(&both, varied, &cases);
    say(&format!("{} accepted, {} refused by both", tally.accepted, tally.refused));
    for (at, known) in KNOWN.iter().enumerate() {
        let count = tally.known.iter().filter(|found| **found == at).count();
        say(&format!("{count} differ as known: {}", known.reason));
    }
    assert!(tally.differing.is_empty(), "{}", tally.differing.join("\n"));
    assert!(tally.accepted >= FEWEST && tally.refused >= FEWEST, "too one-sided");
}

#[test]
fn a_thousand_proofs_get_the_same_verdict() {
    compare(Varied::Proof, proofs::random);
}

#[test]
fn a_thousand_policies_get_the_same_verdict() {
    compare(Varied::Policy, policies::random);
}
