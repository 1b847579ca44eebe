//! How often signatures are checked.

use super::super::testing::vkey;
use super::*;
use alloc::vec;
use core::cell::Cell;

#[test]
fn repeated_signature_is_checked_once() {
    let key = vkey("a", 1);
    let (one, two) = (SignatureLine::new(&key, vec![1; 64]), SignatureLine::new(&key, vec![2; 64]));
    let lines = [one.clone(), two.clone(), one.clone(), two, one];
    let checks = Cell::new(0);
    let verdict = Verifier::new(&key).judge(&lines, |_| {
        checks.set(checks.get() + 1);
        true
    });
    assert_eq!((verdict, checks.get()), (NoteSignature::Valid, 2));
}

#[test]
fn nothing_is_checked_behind_a_bad_signature() {
    let key = vkey("a", 1);
    let lines = [1, 2, 3].map(|byte| SignatureLine::new(&key, vec![byte; 64]));
    let checks = Cell::new(0);
    let verdict = Verifier::new(&key).judge(&lines, |_| {
        checks.set(checks.get() + 1);
        false
    });
    assert_eq!((verdict, checks.get()), (NoteSignature::Invalid, 1));
}
