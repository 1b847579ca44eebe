//! Data directories that a log must not start on, and log-go's sth and startup files.

use super::support::*;
use sigsum_core::merkle::tile::{Tile, TileLevel};
use sigsum_core::wire::log::{parse_signed_tree_head, signed_tree_head_body};
use sigsum_core::{Hash, SignedTreeHead, TreeHead, TreeSize};
use sigsum_log::sth::SthError;
use sigsum_log::{StartError, Storage, mktree};
use sigsum_store::{Place, StoreError};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A directory with an initialised log.
fn directory() -> (TempDir, Setup) {
    let dir = tempfile::tempdir().expect("a directory");
    sigsum_log::init(&dir.path().join("log"), &log_key()).expect("a new log");
    let setup = Setup::on(Storage::DataDir(dir.path().join("log")), 1, 1);
    (dir, setup)
}

async fn refused(setup: &Setup) -> StartError {
    setup.try_start().await.err().expect("the start is refused")
}

/// Runs the log once, up to this size.
async fn grow(setup: &Setup, size: u64) {
    let log = setup.start().await;
    log.submit(0..size).await;
    log.published(size).await;
    log.stop().await;
}

#[tokio::test]
async fn a_directory_that_was_not_initialised_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    for path in [dir.path().to_owned(), dir.path().join("missing")] {
        let setup = Setup::on(Storage::DataDir(path), 1, 1);
        let error = refused(&setup).await;
        assert!(matches!(error, StartError::Store(StoreError::NotInitialised { .. })), "{error}");
    }
}

#[tokio::test]
async fn a_second_init_is_refused() {
    let (dir, _setup) = directory();
    let error = sigsum_log::init(&dir.path().join("log"), &log_key()).expect_err("refused");
    assert!(matches!(error, StoreError::AlreadyInitialised { .. }), "{error}");
}

#[tokio::test]
async fn a_directory_in_use_is_refused() {
    let (_dir, setup) = directory();
    let log = setup.start().await;
    let error = refused(&setup).await;
    assert!(matches!(error, StartError::Store(StoreError::Locked { .. })), "{error}");
    log.stop().await;
    setup.start().await.stop().await;
}

#[tokio::test]
async fn a_directory_of_another_log_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    sigsum_log::init(dir.path(), &signer(7).public_key()).expect("a new log");
    let error = refused(&Setup::on(Storage::DataDir(dir.path().into()), 1, 1)).await;
    assert!(matches!(error, StartError::Store(StoreError::OtherLog { .. })), "{error}");
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { out.extend(files(&path)) } else { out.push(path) }
    }
    out
}

#[tokio::test]
async fn a_torn_journal_record_is_dropped_and_all_else_is_there() {
    let (dir, setup) = directory();
    let log = setup.start().await;
    log.guard_passed().await;
    setup.witnesses[0].is(Mood::Silent);
    log.submit(0..30).await;
    log.stop().await;
    // A record that was being written when the power went: its start is there, its end is not.
    let journal = dir.path().join("log/journal");
    let segment = files(&journal).into_iter().find(|f| !f.ends_with("spare")).expect("a segment");
    let mut bytes = fs::read(&segment).expect("readable");
    let end = bytes.iter().rposition(|b| *b != 0).expect("records") + 1;
    let torn = bytes[..end.min(90)].to_vec();
    let place = end.next_multiple_of(8);
    bytes.resize(bytes.len().max(place + torn.len()), 0);
    bytes[place..place + torn.len()].copy_from_slice(&torn);
    fs::write(&segment, bytes).expect("writable");
    setup.witnesses[0].is(Mood::Good);
    let log = setup.start().await;
    assert_eq!(log.published(30).await.signed.tree_head.size, TreeSize(30));
}

#[tokio::test]
async fn a_missing_or_damaged_tile_at_the_edge_is_named() {
    for damage in [|path: &Path| fs::remove_file(path).expect("removed"), flip] {
        let (dir, setup) = directory();
        grow(&setup, 300).await;
        // 300 leaves: the full tile 0/000 is what tile 1/000 is made of.
        let tile = dir.path().join("log/tile/0/000");
        damage(&tile);
        let error = setup.try_start().await;
        let text = match error {
            Err(error) => {
                let named = matches!(error, StartError::Store(StoreError::Damaged { .. }));
                assert!(named, "{error}");
                error.to_string()
            }
            // Tiles behind the edge are looked over once the log runs: nothing is accepted then.
            Ok(log) => {
                let answer = log.handle.api().add_leaf(&submission(0), None).await;
                assert!(answer.is_err(), "{answer:?}");
                answer.expect_err("damage").to_string()
            }
        };
        assert!(text.contains("tile/0/000"), "{text}");
    }
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).expect("readable");
    bytes[100] ^= 1;
    fs::write(path, bytes).expect("writable");
}

#[tokio::test]
async fn an_altered_head_file_is_refused() {
    let (dir, setup) = directory();
    grow(&setup, 10).await;
    let head = files(&dir.path().join("log")).into_iter().find(|f| f.ends_with("head"));
    flip(&head.expect("a head file"));
    let error = refused(&setup).await;
    assert!(matches!(error, StartError::Store(StoreError::Damaged { .. })), "{error}");
}

#[tokio::test]
async fn the_directory_can_be_served_by_anything_that_serves_files() {
    let (dir, setup) = directory();
    let log = setup.start().await;
    log.submit(0..300).await;
    log.published(300).await;
    let size = TreeSize(300);
    let bundles = Tile::between(TileLevel::Entries, TreeSize(0), size);
    let paths = Tile::all(size).chain(bundles).map(|tile| tile.path());
    for path in paths.chain(["checkpoint".into()]) {
        let served = log.get(&format!("/{path}")).await;
        let stored = fs::read(dir.path().join("log").join(&path)).expect("there");
        assert_eq!(served.body, stored, "{path}");
    }
}

fn with_sth(setup: &mut Setup, dir: &TempDir) -> PathBuf {
    let path = dir.path().join("sth");
    setup.config.sth_file = Some(path.clone());
    path
}

fn head_signed_by(number: u8, tree_head: TreeHead) -> SignedTreeHead {
    let signer = signer(number);
    let bytes = tree_head.sigsum_signing_bytes(&signer.public_key().key_hash());
    SignedTreeHead { tree_head, signature: signer.sign_now(&bytes) }
}

#[tokio::test]
async fn the_sth_file_follows_the_signed_head() {
    let (dir, mut setup) = directory();
    let path = with_sth(&mut setup, &dir);
    grow(&setup, 5).await;
    let head = parse_signed_tree_head(&fs::read(&path).expect("there")).expect("well formed");
    assert_eq!(head.tree_head.size, TreeSize(5));
    assert!(head.verify(&log_key()));
    fs::remove_file(&path).expect("removed");
    let log = setup.start().await;
    assert!(path.exists(), "written anew from the data directory");
    log.stop().await;
}

#[tokio::test]
async fn mktree_and_start_make_a_log_as_with_log_go() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut setup = Setup::on(Storage::DataDir(dir.path().join("log")), 1, 1);
    let path = with_sth(&mut setup, &dir);
    mktree::run(&path, mktree::Mode::Empty).expect("prepared");
    let startup = dir.path().join("sth.startup");
    assert_eq!(fs::read_to_string(&startup).expect("there"), "startup=empty");
    grow(&setup, 3).await;
    assert!(!startup.exists());
    grow(&setup, 4).await;
}

#[tokio::test]
async fn an_ephemeral_log_starts_as_with_log_go_and_never_from_an_old_head() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut setup = Setup::on(Storage::Ephemeral, 1, 1);
    let path = with_sth(&mut setup, &dir);
    let error = refused(&setup).await;
    assert!(matches!(error, StartError::Sth(SthError::Missing { .. })), "{error}");
    mktree::run(&path, mktree::Mode::Empty).expect("prepared");
    grow(&setup, 3).await;
    let error = refused(&setup).await;
    assert!(matches!(error, StartError::Sth(SthError::Contradiction { .. })), "{error}");
    setup.config.sth_file = None;
    setup.witnesses = vec![TestWitness::new(0)];
    grow(&setup, 3).await;
}

#[tokio::test]
async fn an_sth_file_that_contradicts_the_data_is_refused() {
    let (dir, mut setup) = directory();
    let path = with_sth(&mut setup, &dir);
    grow(&setup, 5).await;
    let other_root = TreeHead { size: TreeSize(5), root_hash: Hash::new([1; 32]) };
    let larger = TreeHead { size: TreeSize(6), ..other_root };
    for head in [other_root, larger] {
        fs::write(&path, signed_tree_head_body(&head_signed_by(200, head))).expect("written");
        let error = refused(&setup).await;
        assert!(matches!(error, StartError::Sth(SthError::Contradiction { .. })), "{error}");
    }
    // An older head of the same tree is no contradiction: the data directory is ahead of it.
    let empty = head_signed_by(200, TreeHead::empty());
    fs::write(&path, signed_tree_head_body(&empty)).expect("written");
    setup.start().await.stop().await;
}

#[tokio::test]
async fn sth_files_that_are_malformed_or_of_another_key_are_refused() {
    let (dir, mut setup) = directory();
    let path = with_sth(&mut setup, &dir);
    let other = signed_tree_head_body(&head_signed_by(9, TreeHead::empty()));
    fs::write(&path, other).expect("written");
    let error = refused(&setup).await;
    assert!(matches!(error, StartError::Sth(SthError::OtherKey { .. })), "{error}");
    let good = signed_tree_head_body(&head_signed_by(200, TreeHead::empty()));
    for bad in [String::new(), good.replace('\n', "\r\n"), format!("{good}x=1\n"), good.repeat(9)] {
        fs::write(&path, bad).expect("written");
        let error = refused(&setup).await;
        assert!(matches!(error, StartError::Sth(SthError::Parse { .. })), "{error}");
    }
}

#[tokio::test]
async fn startup_files_that_are_malformed_are_refused_with_the_words_of_log_go() {
    let (dir, mut setup) = directory();
    with_sth(&mut setup, &dir);
    let startup = dir.path().join("sth.startup");
    for (text, message) in [
        ("", "startup file empty"),
        ("mode=empty", "missing startup= keyword in startup file"),
        ("startup=saved", "invalid startup mode \"saved\""),
        ("\nstartup=empty", "missing startup= keyword in startup file"),
    ] {
        fs::write(&startup, text).expect("written");
        assert_eq!(refused(&setup).await.to_string(), message);
    }
    fs::write(&startup, " startup=empty \r\nanything").expect("written");
    setup.start().await.stop().await;
}

#[tokio::test]
async fn startup_empty_is_refused_where_there_is_a_tree_and_local_tree_takes_it() {
    let (dir, mut setup) = directory();
    grow(&setup, 5).await;
    let path = with_sth(&mut setup, &dir);
    mktree::run(&path, mktree::Mode::Empty).expect("prepared");
    let error = refused(&setup).await;
    assert!(matches!(error, StartError::Sth(SthError::NotEmpty { .. })), "{error}");
    fs::remove_file(dir.path().join("sth.startup")).expect("removed");
    mktree::run(&path, mktree::Mode::LocalTree).expect("prepared");
    let log = setup.start().await;
    assert_eq!(log.head().await.signed.tree_head.size, TreeSize(5));
}

#[test]
fn mktree_refuses_what_does_not_fit_its_mode() {
    let dir = tempfile::tempdir().expect("a directory");
    let (sth, startup) = (dir.path().join("sth"), dir.path().join("sth.startup"));
    let error = |mode| mktree::run(&sth, mode).expect_err("refused").to_string();
    assert_eq!(
        error(mktree::Mode::Saved),
        format!("Missing file {sth:?}, inconsistent with specified startup state.")
    );
    fs::write(&sth, "x").expect("written");
    for mode in [mktree::Mode::Empty, mktree::Mode::LocalTree] {
        let unexpected =
            format!("Unexpected file {sth:?}, inconsistent with specified startup state.");
        assert_eq!(error(mode), unexpected);
    }
    mktree::run(&sth, mktree::Mode::Saved).expect("fits");
    fs::write(&startup, "startup=empty").expect("written");
    assert!(error(mktree::Mode::Saved).starts_with("Unexpected file"));
    fs::remove_file(&sth).expect("removed");
    assert!(error(mktree::Mode::Empty).starts_with("creating startup file failed: "));
    let unknown = "x".parse::<mktree::Mode>().expect_err("refused").to_string();
    assert_eq!(
        unknown,
        "unknown mode \"x\", must be one of \"empty\", \"local-tree\", or \"saved\""
    );
}

#[tokio::test]
async fn a_place_in_memory_outlives_the_log_on_it() {
    let place = Place::memory();
    sigsum_store::Store::init(&place, &log_key()).expect("a new store");
    let setup = Setup::on(Storage::Place(place), 1, 1);
    grow(&setup, 2).await;
    let log = setup.start().await;
    assert_eq!(log.handle.status().committed_size, TreeSize(2));
}
