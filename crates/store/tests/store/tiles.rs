//! Tiles as served, and as they lie on disk.

use crate::support::{commit, fresh, hashes, leaf, publish, reopen, sign, tree};
use sigsum_core::merkle::hash_children;
use sigsum_core::merkle::tile::{Tile, TileLevel};
use sigsum_core::{Hash, TreeSize};
use sigsum_store::{HeadStore as _, LeafLog as _, Place, Store, TreeReader as _};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn get(store: &Store, path: &str) -> Option<Vec<u8>> {
    store.tile(&Tile::parse(path).unwrap()).unwrap()
}

/// Every file under `tile/`.
fn files(place: &Place) -> BTreeSet<String> {
    fn walk(dir: &Path, prefix: &str, out: &mut BTreeSet<String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}/{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), &name, out);
            } else {
                out.insert(name);
            }
        }
    }
    let mut out = BTreeSet::new();
    walk(&place.path().join("tile"), "tile", &mut out);
    out
}

fn disk() -> (tempfile::TempDir, Place) {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::dir(dir.path());
    (dir, place)
}

fn integrate(store: &Store, size: u64) {
    commit(store, store.committed_size().0..size);
    store.integrate().unwrap();
}

#[test]
fn tiles_have_the_bytes_of_the_specification() {
    let store = fresh(&Place::memory());
    integrate(&store, 600);
    let hashes = hashes(600);
    let bytes = |hashes: &[Hash]| hashes.iter().flat_map(|h| *h.as_bytes()).collect::<Vec<u8>>();
    assert_eq!(get(&store, "tile/0/000").unwrap(), bytes(&hashes[..256]));
    assert_eq!(get(&store, "tile/0/002.p/88").unwrap(), bytes(&hashes[512..]));
    let root = |hashes: &[Hash]| crate::support::naive_root(hashes);
    let level_1 = [root(&hashes[..256]), root(&hashes[256..512])];
    assert_eq!(get(&store, "tile/1/000.p/2").unwrap(), bytes(&level_1));
    assert_eq!(
        tree(512).root_hash,
        hash_children(&level_1[0], &level_1[1]),
        "level 1 has roots of full tiles"
    );
    let bundle: Vec<u8> =
        (512..600).flat_map(|n| [&[0, 128][..], &leaf(n).to_bytes()].concat()).collect();
    assert_eq!(get(&store, "tile/entries/002.p/88").unwrap(), bundle);
    assert_eq!(get(&store, "tile/entries/000").unwrap().len(), 256 * 130);
}

#[test]
fn any_narrower_tile_is_found_and_no_wider_one() {
    let store = fresh(&Place::memory());
    integrate(&store, 300);
    let full = get(&store, "tile/0/000").unwrap();
    assert_eq!(get(&store, "tile/0/000.p/17").unwrap(), full[..17 * 32]);
    let edge = get(&store, "tile/0/001.p/44").unwrap();
    assert_eq!(get(&store, "tile/0/001.p/9").unwrap(), edge[..9 * 32]);
    assert_eq!(get(&store, "tile/entries/001.p/1").unwrap().len(), 130);
    for beyond in ["tile/0/001", "tile/0/001.p/45", "tile/1/000.p/2", "tile/2/000.p/1"] {
        assert_eq!(get(&store, beyond), None, "{beyond}");
    }
    for beyond in ["tile/0/002.p/1", "tile/entries/001.p/45", "tile/63/000.p/1", "tile/0/x999/000"]
    {
        assert_eq!(get(&store, beyond), None, "{beyond}");
    }
}

#[test]
fn files_are_what_is_served() {
    let (_dir, place) = disk();
    let store = fresh(&place);
    for size in [3, 256, 300, 66_000] {
        integrate(&store, size);
        for level in TileLevel::hash_levels(TreeSize(size)).chain([TileLevel::Entries]) {
            for tile in Tile::between(level, TreeSize(0), TreeSize(size)) {
                let file = fs::read(place.path().join(tile.path())).unwrap();
                assert!(Some(file) == store.tile(&tile).unwrap(), "{tile} of {size}");
            }
        }
    }
}

#[test]
fn partial_tiles_stay_until_the_tile_is_full() {
    let (_dir, place) = disk();
    let store = fresh(&place);
    let partial = |files: &BTreeSet<String>| -> Vec<String> {
        files.iter().filter(|name| name.contains(".p/")).cloned().collect()
    };
    integrate(&store, 10);
    integrate(&store, 20);
    let found = partial(&files(&place));
    assert_eq!(
        found,
        ["tile/0/000.p/10", "tile/0/000.p/20", "tile/entries/000.p/10", "tile/entries/000.p/20"]
    );
    integrate(&store, 256);
    assert_eq!(partial(&files(&place)), ["tile/1/000.p/1"]);
    assert!(!place.path().join("tile/0/000.p").exists());
    integrate(&store, 260);
    assert_eq!(
        partial(&files(&place)),
        ["tile/0/001.p/4", "tile/1/000.p/1", "tile/entries/001.p/4"]
    );
}

#[test]
fn partial_tiles_of_the_signed_and_the_published_head_stay() {
    let (_dir, place) = disk();
    let store = fresh(&place);
    let is_there = |width: u64| {
        let files = files(&place);
        let both = ["tile/0/000.p", "tile/entries/000.p"];
        let found = both.map(|dir| files.contains(&format!("{dir}/{width}")));
        assert_eq!(found[0], found[1]);
        found[0]
    };
    integrate(&store, 10);
    store.persist_head(&sign(tree(10))).unwrap();
    store.persist_published(&publish(sign(tree(10)))).unwrap();
    integrate(&store, 20);
    store.persist_head(&sign(tree(20))).unwrap();
    integrate(&store, 30);
    integrate(&store, 300);
    assert!(is_there(10) && is_there(20) && !is_there(30));
    store.persist_published(&publish(sign(tree(20)))).unwrap();
    assert!(!is_there(10) && is_there(20));
    store.persist_head(&sign(tree(300))).unwrap();
    store.persist_published(&publish(sign(tree(300)))).unwrap();
    assert!(!is_there(20));
    assert!(!place.path().join("tile/0/000.p").exists());
    store.verify().unwrap();
}

#[test]
fn a_head_of_a_size_that_was_never_integrated_gets_its_partial_tiles() {
    let (_dir, place) = disk();
    let store = fresh(&place);
    integrate(&store, 600);
    store.persist_head(&sign(tree(260))).unwrap();
    for (name, len) in
        [("tile/0/001.p/4", 4 * 32), ("tile/entries/001.p/4", 4 * 130), ("tile/1/000.p/1", 32)]
    {
        assert_eq!(fs::metadata(place.path().join(name)).unwrap().len(), len, "{name}");
    }
    store.verify().unwrap();
}

#[test]
fn what_a_crash_left_of_partial_tiles_is_removed_at_the_next_start() {
    let (_dir, place) = disk();
    let store = fresh(&place);
    integrate(&store, 300);
    drop(store);
    let left = place.path().join("tile/0/000.p");
    fs::create_dir(&left).unwrap();
    fs::copy(place.path().join("tile/0/001.p/44"), left.join("44")).unwrap();
    fs::copy(place.path().join("tile/0/001.p/44"), left.join(".45.tmp")).unwrap();
    let store = reopen(&place);
    store.verify().unwrap(); // or the thread that looks over the tiles, whichever comes first
    assert!(!left.exists());
}

#[test]
fn disk_use_for_each_leaf_is_small() {
    let (_dir, place) = disk();
    let store = fresh(&place);
    let size = 40_000;
    for end in (4_000..=size).step_by(4_000) {
        integrate(&store, end);
    }
    let tiles: u64 =
        files(&place).iter().map(|name| fs::metadata(place.path().join(name)).unwrap().len()).sum();
    assert!(tiles < size * 165, "{} bytes a leaf in tiles", tiles / size);
    let journal: u64 = fs::read_dir(place.path().join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(journal <= 3 << 20, "{journal} bytes of journal");
}
