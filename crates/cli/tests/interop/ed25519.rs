//! Ed25519: our verdict beside that of Go's `crypto/ed25519`, for which a program of ours in Go
//! speaks (`go/ed25519_verdicts.go`).

mod corners;
mod mutated;

use crate::harness::{Sandbox, say, testdata};
use crate::peers::{peer, run_peer};
use sigsum_core::{PublicKey, Signature};
use std::fmt::Write as _;

/// The order L of the base point, little-endian (RFC 8032 section 5.1).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// A signature to be judged.
struct Case {
    key: [u8; 32],
    signature: Vec<u8>,
    message: Vec<u8>,
}

impl Case {
    fn new(key: [u8; 32], r: [u8; 32], s: [u8; 32], message: &[u8]) -> Self {
        Self { key, signature: [r, s].concat(), message: message.to_vec() }
    }

    /// What our programs say. A signature of another size is refused when it is read.
    fn verifies(&self) -> bool {
        Signature::from_slice(&self.signature)
            .is_ok_and(|signature| PublicKey::new(self.key).verify(&self.message, &signature))
    }

    /// As Go's side reads it.
    fn line(&self) -> String {
        [&self.key[..], &self.signature, &self.message].map(hex).join(" ")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Has both sides judge the cases, which must be one verdict each. How many were accepted; `None`
/// where Go's side is not there.
#[track_caller]
fn accepted_by_both(cases: &[Case]) -> Option<usize> {
    let go = peer("ed25519-verdicts")?;
    let lines: String = cases.iter().map(|case| case.line() + "\n").collect();
    let said = run_peer(&Sandbox::new(), &go, &[], lines.as_bytes()).ok().stdout;
    assert_eq!(said.lines().count(), cases.len());
    let mut accepted = 0;
    for (case, theirs) in cases.iter().zip(said.lines()) {
        let ours = case.verifies();
        assert_eq!(if ours { "1" } else { "0" }, theirs, "ours, Go's: {}", case.line());
        accepted += usize::from(ours);
    }
    say(&format!("{accepted} of {} signatures accepted by both", cases.len()));
    Some(accepted)
}

/// `a + b`, 256 bits little-endian; what does not fit is lost.
fn sum(a: [u8; 32], b: [u8; 32]) -> [u8; 32] {
    let mut carry = 0;
    std::array::from_fn(|i| {
        let digit = u16::from(a[i]) + u16::from(b[i]) + carry;
        carry = digit >> 8;
        digit.to_le_bytes()[0]
    })
}

/// `-a`, 256 bits little-endian.
fn negated(a: [u8; 32]) -> [u8; 32] {
    let mut one = [0; 32];
    one[0] = 1;
    sum(a.map(|byte| !byte), one)
}

fn unhex(value: &serde_json::Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    let byte = |i: usize| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap();
    (0..text.len() / 2).map(byte).collect()
}

#[test]
fn both_give_the_same_verdict_on_wycheproof() {
    let Some(path) = testdata("wycheproof/ed25519_test.json") else { return };
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut cases = Vec::new();
    for group in file["testGroups"].as_array().unwrap() {
        let key: [u8; 32] = unhex(&group["publicKey"]["pk"]).try_into().unwrap();
        for test in group["tests"].as_array().unwrap() {
            let (signature, message) = (unhex(&test["sig"]), unhex(&test["msg"]));
            cases.push(Case { key, signature, message });
        }
    }
    assert_eq!(Some(cases.len() as u64), file["numberOfTests"].as_u64());
    let Some(accepted) = accepted_by_both(&cases) else { return };
    assert!(accepted > 0 && accepted < cases.len());
}

#[test]
fn both_give_the_same_verdict_on_small_order_and_non_canonical_keys_and_signatures() {
    let cases = corners::cases();
    let Some(accepted) = accepted_by_both(&cases) else { return };
    assert!(accepted > 0 && accepted < cases.len());
}

#[test]
fn both_give_the_same_verdict_on_100_000_mutated_signatures() {
    let (cases, untouched) = mutated::cases(100_000);
    let Some(accepted) = accepted_by_both(&cases) else { return };
    assert!(accepted >= untouched && accepted < cases.len(), "{untouched} were not touched");
}
