//! Files that are missing or altered are found and named, and nothing out of them is served.

use crate::support::{commit, fresh, leaf, log_key, publish, reopen, sign, tree};
use sigsum_core::merkle::tile::Tile;
use sigsum_core::{LeafIndex, TreeSize};
use sigsum_store::{
    Damage, HeadStore as _, LeafLog as _, Place, Store, StoreError, TreeReader as _,
};
use std::fs;
use std::path::{Path, PathBuf};

const SIZE: u64 = 66_000;
/// Leaves that are in the journal only.
const JOURNAL: u64 = 5;

/// A closed log of three levels of tiles, with heads, and leaves in the journal.
struct Closed {
    _dir: tempfile::TempDir,
    place: Place,
}

impl Closed {
    fn new(size: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::dir(dir.path());
        let store = fresh(&place);
        commit(&store, 0..size);
        store.integrate().unwrap();
        store.persist_head(&sign(tree(size))).unwrap();
        store.persist_published(&publish(sign(tree(size)))).unwrap();
        (0..JOURNAL).for_each(|n| commit(&store, size + n..size + n + 1));
        Self { _dir: dir, place }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Flips a bit, does something, and flips it back.
    fn with_flipped<T>(&self, name: &str, at: usize, work: impl FnOnce() -> T) -> T {
        flip(&self.path(name), at);
        let result = work();
        flip(&self.path(name), at);
        result
    }

    /// Hides a file while doing something.
    fn without<T>(&self, name: &str, work: impl FnOnce() -> T) -> T {
        let (path, hidden) = (self.path(name), self.path("hidden"));
        fs::rename(&path, &hidden).unwrap();
        let result = work();
        fs::rename(&hidden, &path).unwrap();
        result
    }

    fn open(&self) -> Result<Store, StoreError> {
        Store::open(&self.place, &log_key())
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x04;
    sigsum_store::durable::write_atomic(path, &bytes, 0o644).unwrap();
}

/// Whether the error names the file, as the one that is damaged or the one it was held against.
fn names(error: &StoreError, name: &str) -> bool {
    error.to_string().contains(name)
}

fn innermost(error: &StoreError) -> &StoreError {
    match error {
        StoreError::Earlier(earlier) => innermost(earlier),
        other => other,
    }
}

/// The size has edges on all three levels: 66 000 = 257 * 256 + 208, 257 = 256 + 1.
const EDGES: [&str; 4] =
    ["tile/entries/257.p/208", "tile/0/257.p/208", "tile/1/001.p/1", "tile/2/000.p/1"];
const FULL_HASHES: [&str; 3] = ["tile/0/000", "tile/0/100", "tile/1/000"];

#[test]
fn a_flipped_bit_in_what_is_read_at_once_is_found_at_the_start() {
    let log = Closed::new(SIZE);
    let state_files = ["identity", "tree", "head", "published"];
    for name in state_files.into_iter().chain(EDGES) {
        let length = fs::read(log.path(name)).unwrap().len();
        for at in [0, length / 2, length - 1] {
            let error = log.with_flipped(name, at, || log.open().unwrap_err());
            assert!(matches!(error, StoreError::Damaged { .. }), "{name} at {at}: {error}");
            assert!(names(&error, name), "{name} at {at}: {error}");
        }
    }
    reopen(&log.place).verify().unwrap();
}

#[test]
fn a_flipped_bit_in_a_journal_record_is_found_at_the_start() {
    let log = Closed::new(300);
    let name = "journal/00000000000000000000.keyed";
    // The record behind those of the first 300 leaves, which others follow.
    let at = 16 + 300 * 128 + 16 + 64;
    let error = log.with_flipped(name, at, || log.open().unwrap_err());
    let record = matches!(
        &error,
        StoreError::Damaged { damage: Damage::Record { index: LeafIndex(300), .. }, .. }
    );
    assert!(record && names(&error, name), "{error}");
    // What is in tiles as well does not matter.
    log.with_flipped(name, 64, || drop(reopen(&log.place)));
}

#[test]
fn a_flipped_bit_in_a_full_tile_of_hashes_is_found_soon_after_the_start() {
    let log = Closed::new(SIZE);
    for name in FULL_HASHES {
        let error = log.with_flipped(name, 100, || {
            let store = log.open().unwrap();
            store.verify().unwrap_err()
        });
        assert!(names(&error, name), "{name}: {error}");
        // Without being asked for.
        log.with_flipped(name, 100, || {
            let store = log.open().unwrap();
            let error = loop {
                match store.index_of(&leaf(SIZE + 100).hash()) {
                    Err(StoreError::IndexBuilding) | Ok(_) => std::thread::yield_now(),
                    Err(error) => break error,
                }
            };
            assert!(names(innermost(&error), name), "{name}: {error}");
            assert!(store.commit(&[leaf(SIZE + 100)]).is_err());
        });
    }
}

#[test]
fn nothing_is_served_out_of_a_damaged_tile() {
    let log = Closed::new(SIZE);
    for (name, leaf) in [("tile/0/000", 3), ("tile/0/100", 25_700), ("tile/1/000", 9)] {
        log.with_flipped(name, 100, || {
            let store = log.open().unwrap();
            let tile = Tile::parse(name).unwrap();
            assert!(names(&store.tile(&tile).unwrap_err(), name));
            let part = Tile::parse(&format!("{name}.p/1")).unwrap();
            assert!(names(&store.tile(&part).unwrap_err(), name), "nor a part of it");
            let error = store.inclusion_proof(LeafIndex(leaf), TreeSize(SIZE)).unwrap_err();
            assert!(names(&error, name), "{name}: {error}");
        });
    }
    log.with_flipped("tile/entries/002", 5000, || {
        let store = log.open().unwrap();
        let error = store.leaves(LeafIndex(600), LeafIndex(601)).unwrap_err();
        let damage = |damage: &Damage| {
            matches!(damage, Damage::LeafHash { index, .. } if index.0 == 512 + 5000 / 130)
        };
        let found = matches!(&error, StoreError::Damaged { damage: d, .. } if damage(d));
        assert!(found && names(&error, "tile/entries/002"), "{error}");
        assert!(names(&store.tile(&Tile::parse("tile/entries/002").unwrap()).unwrap_err(), "002"));
        assert!(names(&store.verify().unwrap_err(), "tile/entries/002"));
        assert_eq!(store.leaves(LeafIndex(0), LeafIndex(512)).unwrap().len(), 512);
    });
    log.with_flipped("tile/entries/002", 130, || {
        let error = log.open().unwrap().leaves(LeafIndex(513), LeafIndex(514)).unwrap_err();
        let found =
            |damage: &Damage| matches!(damage, Damage::EntryLength { index } if index.0 == 513);
        assert!(matches!(&error, StoreError::Damaged { damage, .. } if found(damage)), "{error}");
    });
}

#[test]
fn a_tile_that_changes_after_it_was_read_is_found() {
    let log = Closed::new(600);
    let store = reopen(&log.place);
    for name in ["tile/entries/000", "tile/0/001"] {
        let tile = Tile::parse(name).unwrap();
        let before = store.tile(&tile).unwrap();
        let error = log.with_flipped(name, 1000, || store.tile(&tile).unwrap_err());
        let changed = matches!(&error, StoreError::Damaged { damage: Damage::Changed, .. });
        assert!(changed && names(&error, name), "{error}");
        assert_eq!(store.tile(&tile).unwrap(), before, "and is served again when it is right");
    }
}

#[test]
fn a_flipped_bit_in_a_file_for_static_servers_is_found_by_verifying() {
    let log = Closed::new(600);
    let store = reopen(&log.place);
    commit(&store, 600 + JOURNAL..620);
    store.integrate().unwrap();
    for name in ["checkpoint", "tile/0/002.p/88", "tile/entries/002.p/88", "tile/0/002.p/108"] {
        let error = log.with_flipped(name, 20, || store.verify().unwrap_err());
        let changed = matches!(&error, StoreError::Damaged { damage: Damage::Changed, .. });
        assert!(changed && names(&error, name), "{name}: {error}");
    }
    store.verify().unwrap();
}

#[test]
fn a_missing_file_is_named() {
    let log = Closed::new(SIZE);
    let is_missing = |error: &StoreError, name: &str| {
        let missing =
            matches!(innermost(error), StoreError::Damaged { damage: Damage::Missing, .. });
        assert!(missing && names(error, name), "{name}: {error}");
    };
    for name in ["identity", "tree", "head"].into_iter().chain(EDGES) {
        is_missing(&log.without(name, || log.open().unwrap_err()), name);
    }
    for name in FULL_HASHES.into_iter().chain(["tile/entries/000", "tile/entries/200"]) {
        is_missing(&log.without(name, || log.open().unwrap().verify().unwrap_err()), name);
    }
    // Level-0 tiles are what the index is made of.
    let error = log.without("tile/0/007", || log.open().unwrap().wait_for_index().unwrap_err());
    is_missing(&error, "tile/0/007");
    let log = Closed::new(300);
    is_missing(
        &log.without("journal/00000000000000000000.keyed", || log.open().unwrap_err()),
        "journal",
    );
}

#[test]
fn a_tile_of_another_length_is_named() {
    let log = Closed::new(600);
    for (name, length) in
        [("tile/0/002.p/88", 88 * 32 - 1), ("tile/entries/002.p/88", 88 * 130 + 1)]
    {
        let before = fs::read(log.path(name)).unwrap();
        let mut wrong = before.clone();
        wrong.resize(length, 0);
        sigsum_store::durable::write_atomic(&log.path(name), &wrong, 0o644).unwrap();
        let error = log.open().unwrap_err();
        let damage = matches!(&error, StoreError::Damaged { damage: Damage::Length { .. }, .. });
        assert!(damage && names(&error, name), "{error}");
        sigsum_store::durable::write_atomic(&log.path(name), &before, 0o644).unwrap();
    }
}

#[test]
fn a_tile_of_another_log_is_named() {
    let log = Closed::new(SIZE);
    let other = "tile/0/101";
    // A right tile in the wrong place, consistent in itself.
    fs::copy(log.path(other), log.path("tile/0/100")).unwrap();
    let error = log.open().unwrap().verify().unwrap_err();
    let hash =
        matches!(&error, StoreError::Damaged { damage: Damage::TileHash { slot: 100, .. }, .. });
    assert!(hash && names(&error, "tile/0/100"), "{error}");
}
