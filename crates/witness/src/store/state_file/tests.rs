//! The state file: the Go tool's format, texts and start-up checks, and crashes at each step.

use super::*;
use crate::testing::{TestLog, cosigner, signer};
use sigsum_keys::Ed25519Signer;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use tempfile::TempDir;

const TIME_S: u64 = 1_700_000_000;

fn dir() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    (dir, path)
}

fn tree() -> TestLog {
    TestLog::new(1)
}

fn open(path: &Path) -> Result<(StateFile, StoredLog), StateFileError> {
    StateFile::open(path, &cosigner(), &tree().signer.public_key())
}

fn text(path: &Path) -> String {
    open(path).unwrap_err().to_string()
}

/// A state file as the Go tool would write it.
fn state(tree: &TestLog, size: u64, own: &Ed25519Signer) -> CosignedTreeHead {
    let signed = tree.checkpoint(size).to_sigsum(&tree.signer.public_key()).unwrap();
    let bytes = Cosignature::signing_bytes(TIME_S, &tree.checkpoint(size).text());
    let signature = own.sign_now(&bytes);
    let key_hash = own.public_key().key_hash();
    let mut head = CosignedTreeHead::new(signed);
    head.insert(Cosignature { key_hash, timestamp_s: TIME_S, signature });
    head
}

fn write(path: &Path, text: &str) {
    durable::write_atomic(path, text.as_bytes(), 0o644).unwrap();
}

fn advance(old: u64, new: u64) -> Advance {
    let (expected, new) = (tree().head(old), tree().head(new));
    let checkpoint = tree().checkpoint(new.size.0).to_string();
    Advance { log: LOG, expected, new, checkpoint }
}

fn cosigned(size: u64) -> Cosigned {
    let head = state(&tree(), size, &signer(0xee));
    let note = cosigned_note(&head, &cosigner(), &tree().signer.public_key()).unwrap();
    Cosigned { log: LOG, note }
}

#[test]
fn no_file_is_the_empty_tree() {
    let (_dir, path) = dir();
    let (_, stored) = open(&path).unwrap();
    assert_eq!((stored.head, stored.checkpoint, stored.cosigned), (TreeHead::empty(), None, None));
}

#[test]
fn a_file_of_the_go_tool_is_taken_up() {
    let (_dir, path) = dir();
    write(&path, &tree_head_body(&state(&tree(), 7, &signer(0xee))));
    let (_, stored) = open(&path).unwrap();
    assert_eq!(stored.head, tree().head(7));
    assert_eq!(stored.cosigned, Some(cosigned(7).note));
}

#[test]
fn what_is_written_has_the_go_tools_format_and_mode() {
    let (_dir, path) = dir();
    let (mut store, _) = open(&path).unwrap();
    store.commit(&[advance(0, 7)], &[]).unwrap();
    store.commit(&[], &[cosigned(7)]).unwrap();
    let expected = tree_head_body(&state(&tree(), 7, &signer(0xee)));
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    let keys: Vec<_> = expected.lines().map(|line| line.split('=').next().unwrap()).collect();
    assert_eq!(keys, ["size", "root_hash", "signature", "cosignature"]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    let mut names: Vec<_> =
        fs::read_dir(path.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["state", "state.lock"], "only the lock is left beside the state file");
}

#[test]
fn a_log_signature_that_does_not_verify_is_refused_in_the_go_tools_words() {
    let (_dir, path) = dir();
    let mut head = state(&tree(), 7, &signer(0xee));
    head.signed.signature = signer(3).sign_now(b"other");
    write(&path, &tree_head_body(&head));
    assert_eq!(text(&path), "Invalid log signature on stored tree head");
}

#[test]
fn the_state_of_another_log_is_refused_in_the_go_tools_words() {
    let (_dir, path) = dir();
    write(&path, &tree_head_body(&state(&TestLog::new(2), 7, &signer(0xee))));
    assert_eq!(text(&path), "Invalid log signature on stored tree head");
}

#[test]
fn the_state_of_another_witness_is_refused_in_the_go_tools_words() {
    let (_dir, path) = dir();
    write(&path, &tree_head_body(&state(&tree(), 7, &signer(3))));
    assert_eq!(text(&path), "No matching cosignature on stored tree head");
}

#[test]
fn a_cosignature_that_does_not_verify_is_refused_in_the_go_tools_words() {
    let (_dir, path) = dir();
    let mut head = state(&tree(), 7, &signer(0xee));
    let own = head.cosignatures()[0];
    head.insert(Cosignature { timestamp_s: TIME_S + 1, ..own });
    write(&path, &tree_head_body(&head));
    assert_eq!(text(&path), "Invalid cosignature on stored tree head");
}

#[test]
fn a_file_that_is_no_tree_head_is_refused_by_name_and_line() {
    let (_dir, path) = dir();
    write(&path, "size=07\n");
    let refusal = text(&path);
    assert!(refusal.contains("/state: line 1"), "{refusal}");
}

#[test]
fn an_empty_file_is_refused() {
    let (_dir, path) = dir();
    write(&path, "");
    assert!(matches!(open(&path), Err(StateFileError::Syntax { .. })));
}

#[test]
fn a_file_that_is_too_long_is_refused() {
    let (_dir, path) = dir();
    write(&path, &"x".repeat(MAX_TREE_HEAD_BODY_BYTES + 1));
    assert!(text(&path).ends_with("too long"));
}

#[test]
fn a_file_that_cannot_be_read_is_refused() {
    let (dir, _) = dir();
    assert!(matches!(open(dir.path()), Err(StateFileError::Read { .. })));
}

#[test]
fn a_crash_between_persisting_and_signing_keeps_the_new_size() {
    let (_dir, path) = dir();
    let (mut store, _) = open(&path).unwrap();
    store.commit(&[advance(0, 7)], &[]).unwrap();
    store.commit(&[], &[cosigned(7)]).unwrap();
    store.commit(&[advance(7, 9)], &[]).unwrap();
    drop(store);
    let (_, stored) = open(&path).unwrap();
    assert_eq!(stored.head, tree().head(9));
    assert_eq!(stored.checkpoint, Some(tree().checkpoint(9).to_string()));
    assert_eq!(stored.cosigned, Some(cosigned(7).note), "the last that was cosigned");
}

#[test]
fn a_crash_before_the_pending_file_is_removed_changes_nothing() {
    let (_dir, path) = dir();
    let (mut store, _) = open(&path).unwrap();
    store.commit(&[advance(0, 7)], &[]).unwrap();
    let pending = fs::read(&store.pending).unwrap();
    store.commit(&[], &[cosigned(7)]).unwrap();
    durable::write_atomic(&store.pending, &pending, 0o644).unwrap();
    drop(store);
    assert_eq!(open(&path).unwrap().1.head, tree().head(7));
}

#[test]
fn a_pending_head_that_contradicts_the_state_is_refused() {
    let (_dir, path) = dir();
    let (store, _) = open(&path).unwrap();
    write(&path, &tree_head_body(&state(&tree(), 7, &signer(0xee))));
    let fork = state(&tree().fork(0), 7, &signer(0xee));
    write(&store.pending, &signed_tree_head_body(&fork.signed));
    drop(store);
    assert!(matches!(open(&path), Err(StateFileError::Contradiction { .. })));
}

#[test]
fn a_pending_head_of_another_log_is_refused() {
    let (_dir, path) = dir();
    let (store, _) = open(&path).unwrap();
    let other = state(&TestLog::new(2), 7, &signer(0xee));
    write(&store.pending, &signed_tree_head_body(&other.signed));
    drop(store);
    assert_eq!(text(&path), "Invalid log signature on stored tree head");
}

#[test]
fn a_second_witness_on_the_same_file_is_refused() {
    let (_dir, path) = dir();
    let (first, _) = open(&path).unwrap();
    assert!(matches!(open(&path), Err(StateFileError::Lock(LockError::Held { .. }))));
    drop(first);
    open(&path).unwrap();
}

#[test]
fn an_advance_compares_and_sets() {
    let (_dir, path) = dir();
    let (mut store, _) = open(&path).unwrap();
    let batch = [advance(0, 7), advance(0, 9), advance(7, 7)];
    let expected = [Outcome::Advanced, Outcome::Conflict(tree().head(7)), Outcome::Advanced];
    assert_eq!(store.commit(&batch, &[]).unwrap(), expected);
}

#[test]
fn a_step_backwards_is_refused() {
    let (_dir, path) = dir();
    let (mut store, _) = open(&path).unwrap();
    store.commit(&[advance(0, 7)], &[]).unwrap();
    let result = store.commit(&[advance(7, 6)], &[]);
    assert!(matches!(result, Err(StoreError::Backwards { .. })), "{result:?}");
}
