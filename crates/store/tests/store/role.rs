//! What a directory says of its node: a primary or a follower.

use crate::support::{fresh, leaf, log_key, reopen};
use sigsum_core::{PublicKey, TreeSize};
use sigsum_store::{Damage, LeafLog as _, Place, Role, Store, StoreError};
use std::fs;

#[allow(clippy::disallowed_methods, reason = "the damage that the store is to find")]
fn write(path: &std::path::Path, bytes: impl AsRef<[u8]>) {
    fs::write(path, bytes).unwrap();
}

fn disk() -> (tempfile::TempDir, Place) {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::dir(dir.path().join("log"));
    (dir, place)
}

#[test]
fn a_directory_is_a_primarys_unless_it_says_otherwise() {
    let (_dir, place) = disk();
    assert_eq!(fresh(&place).role(), Role::Primary);
    assert_eq!(Store::recorded_log_key(&place).unwrap(), None);
    assert!(!place.path().join("role").exists());
}

#[test]
fn a_followers_directory_says_so_and_names_the_logs_key() {
    let (_dir, place) = disk();
    Store::init_follower(&place, &log_key()).unwrap();
    assert_eq!(reopen(&place).role(), Role::Follower);
    assert_eq!(Store::recorded_log_key(&place).unwrap(), Some(log_key()));
    let text = fs::read_to_string(place.path().join("role")).unwrap();
    let last = format!("log_key={}", log_key().to_hex());
    assert_eq!(text.lines().skip(2).collect::<Vec<_>>(), ["role=follower", &last]);
}

#[test]
fn a_role_that_was_changed_is_found_at_the_next_start() {
    let (_dir, place) = disk();
    Store::init_follower(&place, &log_key()).unwrap();
    let store = reopen(&place);
    store.set_role(Role::Primary).unwrap();
    assert_eq!(store.role(), Role::Primary);
    drop(store);
    let store = reopen(&place);
    assert_eq!(store.role(), Role::Primary);
    store.set_role(Role::Follower).unwrap();
    drop(store);
    assert_eq!(reopen(&place).role(), Role::Follower);
}

#[test]
fn a_follower_is_not_made_where_a_log_is_nor_a_log_where_a_follower_is() {
    let (_dir, place) = disk();
    Store::init(&place, &log_key()).unwrap();
    let again = Store::init_follower(&place, &log_key()).unwrap_err();
    assert!(matches!(again, StoreError::AlreadyInitialised { .. }), "{again}");
    let (_dir, place) = disk();
    Store::init_follower(&place, &log_key()).unwrap();
    let again = Store::init(&place, &log_key()).unwrap_err();
    assert!(matches!(again, StoreError::AlreadyInitialised { .. }), "{again}");
}

#[test]
fn an_attempt_to_make_a_follower_that_was_cut_short_leaves_no_role_behind() {
    let (_dir, place) = disk();
    Store::init_follower(&place, &log_key()).unwrap();
    // As if the power had failed before the last step.
    fs::remove_file(place.path().join("identity")).unwrap();
    Store::init(&place, &log_key()).unwrap();
    assert_eq!(reopen(&place).role(), Role::Primary);
}

#[test]
fn a_role_of_another_logs_key_is_refused() {
    let (_dir, place) = disk();
    let other = PublicKey::new([7; 32]);
    Store::init_follower(&place, &other).unwrap();
    let role = fs::read(place.path().join("role")).unwrap();
    let (_dir, place) = disk();
    Store::init(&place, &log_key()).unwrap();
    write(&place.path().join("role"), role);
    match Store::open(&place, &log_key()).unwrap_err() {
        StoreError::OtherLog { found, .. } => assert_eq!(found, other.key_hash()),
        error => panic!("{error}"),
    }
}

#[test]
fn a_damaged_role_is_refused_and_not_taken_for_a_primarys() {
    let (_dir, place) = disk();
    Store::init_follower(&place, &log_key()).unwrap();
    let path = place.path().join("role");
    let text = fs::read_to_string(&path).unwrap();
    write(&path, text.replace("role=follower", "role=primary"));
    match Store::open(&place, &log_key()).unwrap_err() {
        StoreError::Damaged { path: named, damage: Damage::Checksum } => assert_eq!(named, path),
        error => panic!("{error}"),
    }
}

#[test]
fn what_was_known_at_a_promotion_is_kept() {
    let (_dir, place) = disk();
    Store::init_follower(&place, &log_key()).unwrap();
    let store = reopen(&place);
    assert_eq!(store.promotion().unwrap(), None);
    let more = store.promote(TreeSize(1)).unwrap_err();
    assert!(matches!(more, StoreError::OutsideTree { asked: 1, .. }), "{more}");
    assert_eq!(store.role(), Role::Follower);
    let promotion = store.promote(TreeSize(0)).unwrap();
    drop(store);
    let store = reopen(&place);
    assert_eq!((store.role(), store.promotion().unwrap()), (Role::Primary, Some(promotion)));
    store.set_role(Role::Follower).unwrap();
    assert_eq!(store.promotion().unwrap(), None);
}

#[test]
fn a_closed_log_is_nothing_else_again() {
    let (_dir, place) = disk();
    let store = fresh(&place);
    store.set_role(Role::Frozen).unwrap();
    store.set_role(Role::Frozen).unwrap();
    for role in [Role::Primary, Role::Follower] {
        let refused = store.set_role(role).unwrap_err();
        assert!(matches!(refused, StoreError::ForGood { .. }), "{refused}");
    }
    let refused = store.promote(TreeSize(0)).unwrap_err();
    assert!(matches!(refused, StoreError::ForGood { .. }), "{refused}");
    drop(store);
    assert_eq!(reopen(&place).role(), Role::Frozen);
    assert!(!place.path().join("promotion").exists());
}

#[test]
fn fewer_leaves_than_at_the_promotion_are_damage() {
    let (dir, place) = disk();
    Store::init_follower(&place, &log_key()).unwrap();
    let store = reopen(&place);
    store.commit(&[leaf(1)]).unwrap();
    store.promote(TreeSize(1)).unwrap();
    drop(store);
    let promotion = fs::read(place.path().join("promotion")).unwrap();
    let other = Place::dir(dir.path().join("other"));
    Store::init(&other, &log_key()).unwrap();
    write(&other.path().join("promotion"), promotion);
    let error = reopen(&other).promotion().unwrap_err();
    let StoreError::Damaged { path, damage } = error else { panic!("{error}") };
    assert_eq!(path, other.path().join("promotion"));
    assert_eq!(damage, Damage::BeyondData { named: TreeSize(1), present: TreeSize(0) });
}
