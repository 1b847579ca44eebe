//! Leaves in, proofs out, over restarts.

use crate::support::{
    check, check_inclusion, commit, fresh, hashes, leaf, leaves, log_key, reopen, tree,
};
use proptest::prelude::*;
use sigsum_core::merkle::{ConsistencyClaim, SizePair};
use sigsum_core::{LeafIndex, TreeHead, TreeSize};
use sigsum_store::{
    Committed, IndexState, LeafLog as _, Place, Store, StoreError, TreeReader as _,
};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

fn check_consistency(store: &Store, old: TreeHead, new: TreeHead) {
    let path = store.consistency_proof(SizePair { old: old.size, new: new.size }).unwrap();
    let claim = ConsistencyClaim { old, new, path: &path };
    claim.verify().unwrap_or_else(|error| panic!("{} to {}: {error}", old.size, new.size));
}

#[test]
fn a_leaf_is_added_once() {
    let store = fresh(&Place::memory());
    let batch = [leaf(0), leaf(1), leaf(0)];
    let at = |index, is_new| Committed { index: LeafIndex(index), is_new };
    assert_eq!(store.commit(&batch).unwrap(), [at(0, true), at(1, true), at(0, false)]);
    assert_eq!(store.commit(&[leaf(1), leaf(2)]).unwrap(), [at(1, false), at(2, true)]);
    store.integrate().unwrap();
    assert_eq!(store.commit(&[leaf(2), leaf(3)]).unwrap(), [at(2, false), at(3, true)]);
    assert_eq!(store.commit(&[]).unwrap(), []);
    check(&store, 4, 3);
}

#[test]
fn an_integration_ends_while_leaves_keep_coming() {
    const MOST: u64 = 40_000;
    let dir = tempfile::tempdir().unwrap();
    let store = fresh(&Place::dir(dir.path()));
    commit(&store, 0..1);
    let (next, ended) = (AtomicU64::new(1), AtomicBool::new(false));
    let keep_committing = || {
        while !ended.load(Ordering::Relaxed) {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= MOST {
                break;
            }
            store.commit(&[leaf(n)]).unwrap();
        }
    };
    let head = std::thread::scope(|scope| {
        // So many that some of their leaves are always waiting.
        (0..8).for_each(|_| drop(scope.spawn(keep_committing)));
        let head = store.integrate().unwrap();
        ended.store(true, Ordering::Relaxed);
        head
    });
    let committed = store.committed_size();
    assert!((1..MOST).contains(&head.size.0), "{} of {committed}", head.size);
    assert_eq!(store.integrate().unwrap().size, committed);
}

#[test]
fn random_batches_over_restarts_make_the_tree_of_the_definition() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::dir(dir.path());
    let mut store = fresh(&place);
    let (mut size, mut integrated) = (0, 0);
    for (round, batch) in (0..).zip([1, 3, 251, 1, 256, 700, 90, 512, 33, 2000, 5, 1300]) {
        commit(&store, size..size + batch);
        size += batch;
        if round % 3 != 1 {
            assert_eq!(store.integrate().unwrap(), tree(size));
            integrated = size;
        }
        if round % 4 == 2 {
            drop(store);
            store = reopen(&place);
            assert_eq!(store.recovery().recovered_leaves, size - integrated);
        }
        check(&store, size, integrated);
    }
    for n in (0..integrated).step_by(7) {
        check_inclusion(&store, n, tree(integrated));
        check_inclusion(&store, n, tree(n + 1));
        assert_eq!(store.root_hash(TreeSize(n)).unwrap(), tree(n).root_hash);
    }
    for old in (0..=integrated).step_by(97) {
        for new in (old..=integrated).step_by(511) {
            check_consistency(&store, tree(old), tree(new));
        }
    }
    store.verify().unwrap();
}

#[test]
fn every_proof_of_a_small_tree_verifies() {
    let store = fresh(&Place::memory());
    commit(&store, 0..300);
    store.integrate().unwrap();
    for size in (1..=300).step_by(13) {
        (0..size).for_each(|n| check_inclusion(&store, n, tree(size)));
        (0..=size).for_each(|old| check_consistency(&store, tree(old), tree(size)));
    }
}

#[test]
fn three_levels_of_tiles_give_right_proofs() {
    let place = Place::memory();
    let store = fresh(&place);
    commit(&store, 0..66_000);
    store.integrate().unwrap();
    commit(&store, 66_000..66_500);
    store.integrate().unwrap();
    drop(store);
    let store = reopen(&place);
    let head = tree(66_500);
    assert_eq!(store.integrated(), head);
    for n in [0, 1, 255, 256, 40_000, 65_535, 65_536, 66_303, 66_304, 66_499] {
        check_inclusion(&store, n, head);
        assert_eq!(store.index_of(&leaf(n).hash()).unwrap(), Some(LeafIndex(n)));
    }
    for old in [0, 1, 256, 65_535, 65_536, 65_537, 66_304, 66_500] {
        check_consistency(&store, tree(old), head);
    }
    assert_eq!(store.leaves(LeafIndex(65_000), LeafIndex(65_700)).unwrap(), leaves(65_000..65_700));
    store.verify().unwrap();
}

#[test]
fn ranges_of_leaves_come_from_tiles_and_journal() {
    let store = fresh(&Place::memory());
    commit(&store, 0..600);
    store.integrate().unwrap();
    commit(&store, 600..900);
    for (first, end) in
        [(0, 900), (0, 1), (255, 257), (500, 620), (599, 600), (600, 601), (700, 900)]
    {
        let found = store.leaves(LeafIndex(first), LeafIndex(end)).unwrap();
        assert_eq!(found, leaves(first..end), "{first}..{end}");
    }
    assert!(store.leaves(LeafIndex(10), LeafIndex(10)).unwrap().is_empty());
    assert!(store.leaves(LeafIndex(11), LeafIndex(10)).unwrap().is_empty());
}

#[test]
fn what_is_beyond_the_tree_is_refused() {
    let store = fresh(&Place::memory());
    commit(&store, 0..10);
    store.integrate().unwrap();
    commit(&store, 10..12);
    let outside = |error: StoreError, asked: u64, size: u64| match error {
        StoreError::OutsideTree { asked: a, size: s } => assert_eq!((a, s.0), (asked, size)),
        other => panic!("{other}"),
    };
    outside(store.leaves(LeafIndex(0), LeafIndex(13)).unwrap_err(), 13, 12);
    outside(store.root_hash(TreeSize(11)).unwrap_err(), 11, 10);
    outside(store.inclusion_proof(LeafIndex(0), TreeSize(11)).unwrap_err(), 11, 10);
    let sizes = SizePair { old: TreeSize(1), new: TreeSize(u64::MAX) };
    outside(store.consistency_proof(sizes).unwrap_err(), u64::MAX, 10);
    let error = store.inclusion_proof(LeafIndex(10), TreeSize(10)).unwrap_err();
    assert!(matches!(error, StoreError::Proof(_)), "{error}");
    let sizes = SizePair { old: TreeSize(9), new: TreeSize(8) };
    let error = store.consistency_proof(sizes).unwrap_err();
    assert!(matches!(error, StoreError::Proof(_)), "{error}");
}

#[test]
fn commits_go_on_while_leaves_are_integrated() {
    let place = Place::memory();
    let store = fresh(&place);
    std::thread::scope(|scope| {
        let committer = scope.spawn(|| {
            (0..60).for_each(|round| commit(&store, round * 50..(round + 1) * 50));
        });
        let reader = scope.spawn(|| {
            while store.committed_size() < TreeSize(3000) {
                let size = store.committed_size().0;
                assert!(store.leaves(LeafIndex(0), LeafIndex(size)).unwrap() == leaves(0..size));
                if let Some(last) = size.checked_sub(1) {
                    let found = store.index_of(&hashes(size)[last as usize]).unwrap();
                    assert_eq!(found, Some(LeafIndex(last)));
                }
            }
        });
        while !committer.is_finished() {
            let head = store.integrate().unwrap();
            assert_eq!(head, tree(head.size.0));
        }
        committer.join().unwrap();
        reader.join().unwrap();
    });
    store.integrate().unwrap();
    check(&store, 3000, 3000);
    drop(store);
    check(&reopen(&place), 3000, 3000);
}

#[test]
fn an_empty_store_is_the_empty_tree() {
    let place = Place::memory();
    drop(fresh(&place));
    let store = reopen(&place);
    check(&store, 0, 0);
    assert_eq!(store.integrate().unwrap(), TreeHead::empty());
    assert_eq!(store.root_hash(TreeSize(0)).unwrap(), TreeHead::empty().root_hash);
    assert!(matches!(store.index_state(), IndexState::Ready));
    store.verify().unwrap();
}

#[test]
fn a_store_that_is_dropped_gives_the_directory_free_even_while_the_index_is_built() {
    let place = Place::memory();
    let store = fresh(&place);
    commit(&store, 0..5000);
    store.integrate().unwrap();
    drop(store);
    for _ in 0..5 {
        drop(Store::open(&place, &log_key()).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_order_of_commits_and_integrations_ends_in_the_same_tree(
        steps in proptest::collection::vec((0u64..400, any::<bool>(), any::<bool>()), 1..8),
    ) {
        let place = Place::memory();
        let mut store = fresh(&place);
        let mut size = 0;
        for (batch, integrate, restart) in steps {
            commit(&store, size..size + batch);
            size += batch;
            if integrate {
                store.integrate().unwrap();
            }
            if restart {
                drop(store);
                store = reopen(&place);
            }
        }
        prop_assert_eq!(store.integrate().unwrap(), tree(size));
        check(&store, size, size);
        store.verify().unwrap();
    }
}
