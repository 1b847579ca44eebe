//! Which heads a store takes: never one that takes back an earlier one.

use crate::support::{commit, fresh, publish, sign, tree};
use sigsum_core::{Signature, TreeSize};
use sigsum_store::{HeadStore as _, LeafLog as _, Place, Store, StoreError};

/// A store with 100 leaves in the tree and 10 behind it.
fn store() -> Store {
    let store = fresh(&Place::memory());
    commit(&store, 0..100);
    store.integrate().unwrap();
    commit(&store, 100..110);
    store
}

fn is_refused(error: StoreError, why: &str) {
    match error {
        StoreError::HeadRefused { problem, .. } => assert!(problem.contains(why), "{problem}"),
        other => panic!("{other}"),
    }
}

#[test]
fn heads_of_growing_size_are_taken() {
    let store = store();
    for size in [0, 1, 50, 50, 100] {
        store.persist_head(&sign(tree(size))).unwrap();
        assert_eq!(store.load_head(), Some(sign(tree(size))));
    }
}

#[test]
fn a_smaller_head_is_refused() {
    let store = store();
    store.persist_head(&sign(tree(60))).unwrap();
    let error = store.persist_head(&sign(tree(59))).unwrap_err();
    assert!(matches!(error, StoreError::HeadContradicts { .. }), "{error}");
    assert_eq!(store.load_head(), Some(sign(tree(60))));
}

#[test]
fn another_root_hash_for_the_same_size_is_refused() {
    let store = store();
    store.persist_head(&sign(tree(60))).unwrap();
    let mut forked = tree(60);
    forked.root_hash = tree(61).root_hash;
    let error = store.persist_head(&sign(forked)).unwrap_err();
    assert!(matches!(error, StoreError::HeadContradicts { .. }), "{error}");
}

#[test]
fn a_head_beyond_the_integrated_tree_is_refused() {
    let store = store();
    is_refused(store.persist_head(&sign(tree(101))).unwrap_err(), "beyond");
    assert_eq!(store.load_head(), None);
}

#[test]
fn a_head_of_another_tree_is_refused() {
    let store = store();
    let mut head = tree(60);
    head.size = TreeSize(61);
    is_refused(store.persist_head(&sign(head)).unwrap_err(), "root hash");
}

#[test]
fn a_head_with_a_wrong_signature_is_refused() {
    let store = store();
    let mut head = sign(tree(60));
    head.signature = Signature::new([1; 64]);
    is_refused(store.persist_head(&head).unwrap_err(), "signature");
}

#[test]
fn only_what_was_signed_is_published() {
    let store = store();
    is_refused(store.persist_published(&publish(sign(tree(50)))).unwrap_err(), "recorded");
    store.persist_head(&sign(tree(50))).unwrap();
    is_refused(store.persist_published(&publish(sign(tree(51)))).unwrap_err(), "recorded");
    store.persist_published(&publish(sign(tree(50)))).unwrap();
    assert_eq!(*store.load_published().unwrap(), publish(sign(tree(50))));
}

#[test]
fn a_published_head_is_not_taken_back() {
    let store = store();
    store.persist_head(&sign(tree(70))).unwrap();
    store.persist_published(&publish(sign(tree(60)))).unwrap();
    let error = store.persist_published(&publish(sign(tree(50)))).unwrap_err();
    assert!(matches!(error, StoreError::HeadContradicts { .. }), "{error}");
    // Late cosignatures come for the same head.
    let mut more = publish(sign(tree(60)));
    more.checkpoint.extend_from_slice("\u{2014} late.witness BBBB\n".as_bytes());
    store.persist_published(&more).unwrap();
    assert_eq!(*store.load_published().unwrap(), more);
}

#[test]
fn a_checkpoint_of_another_head_is_refused() {
    let store = store();
    store.persist_head(&sign(tree(70))).unwrap();
    let mut mixed = publish(sign(tree(60)));
    mixed.checkpoint = publish(sign(tree(70))).checkpoint;
    is_refused(store.persist_published(&mixed).unwrap_err(), "checkpoint");
}
