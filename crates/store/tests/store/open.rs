//! Which directories are opened and which are refused.

use crate::support::{commit, fresh, log_key, publish, reopen, sign, tree};
use sigsum_core::PublicKey;
use sigsum_store::{Damage, HeadStore as _, LeafLog as _, Place, Store, StoreError};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

fn disk() -> (tempfile::TempDir, Place) {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::dir(dir.path().join("log"));
    (dir, place)
}

fn refused(place: &Place) -> StoreError {
    Store::open(place, &log_key()).unwrap_err()
}

#[test]
fn a_missing_or_empty_directory_holds_no_log() {
    let (dir, place) = disk();
    assert!(matches!(refused(&place), StoreError::NotInitialised { .. }));
    fs::create_dir(dir.path().join("log")).unwrap();
    assert!(matches!(refused(&place), StoreError::NotInitialised { .. }));
    assert_eq!(fs::read_dir(dir.path().join("log")).unwrap().count(), 0, "nothing was made");
    let text = refused(&place).to_string();
    assert!(text.contains("holds no log"), "{text}");
}

#[test]
fn a_directory_is_initialised_once() {
    let (_dir, place) = disk();
    Store::init(&place, &log_key()).unwrap();
    let again = Store::init(&place, &log_key()).unwrap_err();
    assert!(matches!(again, StoreError::AlreadyInitialised { .. }), "{again}");
}

#[test]
fn a_directory_that_lost_its_identity_is_not_initialised_again() {
    let (_dir, place) = disk();
    let store = fresh(&place);
    commit(&store, 0..3);
    store.integrate().unwrap();
    drop(store);
    fs::remove_file(place.path().join("identity")).unwrap();
    let error = Store::init(&place, &log_key()).unwrap_err();
    assert!(matches!(error, StoreError::AlreadyInitialised { .. }), "{error}");
    match refused(&place) {
        StoreError::Damaged { path, damage: Damage::Missing } => {
            assert!(path.ends_with("identity"))
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_second_opener_is_refused() {
    let (_dir, place) = disk();
    let store = fresh(&place);
    let error = refused(&Place::dir(place.path()));
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    assert!(error.to_string().contains("in use"), "{error}");
    drop(store);
    drop(reopen(&place));
}

#[test]
fn a_second_opener_in_memory_is_refused() {
    let place = Place::memory();
    let store = fresh(&place);
    assert!(matches!(refused(&place), StoreError::Locked { .. }));
    drop(store);
    drop(reopen(&place));
}

#[test]
fn the_directory_of_another_log_is_refused() {
    let (_dir, place) = disk();
    drop(fresh(&place));
    let other = PublicKey::new([9; 32]);
    match Store::open(&place, &other).unwrap_err() {
        StoreError::OtherLog { expected, found, .. } => {
            assert_eq!(expected, other.key_hash());
            assert_eq!(found, log_key().key_hash());
        }
        error => panic!("{error}"),
    }
}

/// A store of 600 leaves with a signed and a published head of 500, closed.
fn with_heads(place: &Place) {
    let store = fresh(place);
    commit(&store, 0..500);
    store.integrate().unwrap();
    store.persist_head(&sign(tree(500))).unwrap();
    store.persist_published(&publish(sign(tree(500)))).unwrap();
    commit(&store, 500..600);
    store.integrate().unwrap();
}

#[test]
fn heads_are_there_again_after_a_restart() {
    let (_dir, place) = disk();
    with_heads(&place);
    let store = reopen(&place);
    assert_eq!(store.load_head(), Some(sign(tree(500))));
    assert_eq!(*store.load_published().unwrap(), publish(sign(tree(500))));
    assert_eq!(store.recovery(), &sigsum_store::Recovery::default());
}

/// Copies a file of one store into another, as a backup that is put back in part.
fn put_back(from: &Place, to: &Place, name: &str) {
    fs::copy(from.path().join(name), to.path().join(name)).unwrap();
}

#[test]
fn a_head_larger_than_the_data_is_refused() {
    let ((_one, old), (_two, new)) = (disk(), disk());
    drop(fresh(&old));
    with_heads(&new);
    put_back(&new, &old, "head");
    match refused(&old) {
        StoreError::Damaged { path, damage: Damage::BeyondData { named, present } } => {
            assert!(path.ends_with("head"));
            assert_eq!((named.0, present.0), (500, 0));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_published_head_larger_than_the_signed_one_is_refused() {
    let ((_one, old), (_two, new)) = (disk(), disk());
    with_heads(&new);
    let store = fresh(&old);
    commit(&store, 0..600);
    store.integrate().unwrap();
    drop(store);
    put_back(&new, &old, "published");
    let error = refused(&old);
    assert!(
        matches!(&error, StoreError::Damaged { path, damage: Damage::Missing } if path.ends_with("head")),
        "{error}"
    );
    reopen_with_head(&old, 400);
    let error = refused(&old);
    assert!(
        matches!(&error, StoreError::Damaged { damage: Damage::BehindPublished { .. }, .. }),
        "{error}"
    );
}

/// Signs a head in a store whose published head is hidden meanwhile.
fn reopen_with_head(place: &Place, size: u64) {
    let (file, aside) = (place.path().join("published"), place.path().join("aside"));
    fs::rename(&file, &aside).unwrap();
    reopen(place).persist_head(&sign(tree(size))).unwrap();
    fs::rename(&aside, &file).unwrap();
}

#[test]
fn a_head_of_another_tree_is_refused() {
    let (_dir, place) = disk();
    with_heads(&place);
    let mut head = tree(500);
    head.root_hash = tree(499).root_hash;
    let signed = sign(head);
    rewrite(&place, "head", &signed.tree_head.root_hash.to_hex(), &signed.signature.to_hex());
    let error = refused(&place);
    let of_head = |path: &Path| path.ends_with("head");
    assert!(
        matches!(&error, StoreError::Damaged { path, damage: Damage::Root { .. } } if of_head(path)),
        "{error}"
    );
}

#[test]
fn a_head_that_the_key_did_not_sign_is_refused() {
    let (_dir, place) = disk();
    with_heads(&place);
    let signature = sign(tree(499)).signature.to_hex();
    rewrite(&place, "head", &tree(500).root_hash.to_hex(), &signature);
    let error = refused(&place);
    assert!(matches!(&error, StoreError::Damaged { damage: Damage::Signature, .. }), "{error}");
}

/// Writes a state file with a right checksum around another head of 500 leaves.
fn rewrite(place: &Place, name: &str, root_hash: &str, signature: &str) {
    let body = format!("size=500\nroot_hash={root_hash}\nsignature={signature}\n");
    let sum = sigsum_core::bytes::to_hex(&sigsum_core::crypto::sha256(body.as_bytes()));
    let text = format!("sigsum-store {name} v1\nsha256={sum}\n{body}");
    sigsum_store::durable::write_atomic(&place.path().join(name), text.as_bytes(), 0o600).unwrap();
}

#[test]
fn a_checkpoint_that_is_missing_or_old_is_written_again() {
    let (_dir, place) = disk();
    with_heads(&place);
    let checkpoint = place.path().join("checkpoint");
    let due = fs::read(&checkpoint).unwrap();
    assert_eq!(due, publish(sign(tree(500))).checkpoint);
    fs::remove_file(&checkpoint).unwrap();
    let store = reopen(&place);
    assert_eq!(store.recovery().rewritten, [checkpoint.as_path()]);
    assert_eq!(fs::read(&checkpoint).unwrap(), due);
}

#[test]
fn served_files_are_readable_by_others_and_the_rest_is_not() {
    let (_dir, place) = disk();
    with_heads(&place);
    let mode = |name: &str| {
        let permissions = fs::metadata(place.path().join(name)).unwrap().permissions();
        permissions.mode() & 0o777
    };
    for name in ["checkpoint", "tile/0/000", "tile/0/001.p/244", "tile/entries/000"] {
        assert_eq!(mode(name), 0o644, "{name}");
    }
    for name in ["identity", "tree", "head", "published", "LOCK"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    for name in ["", "tile", "tile/0", "tile/0/001.p", "tile/entries"] {
        assert_eq!(mode(name), 0o755, "{name}");
    }
    assert_eq!(mode("journal"), 0o700);
    for entry in fs::read_dir(place.path().join("journal")).unwrap() {
        let name = entry.unwrap().file_name();
        assert_eq!(mode(&format!("journal/{}", name.to_str().unwrap())), 0o600);
    }
}
