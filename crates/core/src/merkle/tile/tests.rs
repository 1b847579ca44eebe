//! Tests of tile coordinates, paths, nodes and bundles.

use super::bundle::{self, BundleError};
use super::{MAX_TILE_PATH_BYTES, TILE_WIDTH, Tile, TileError, TileLevel, TileNodes, TileSlot};
use crate::bytes::Hash;
use crate::merkle::{MAX_TREE_SIZE, NodeId, NodeReader, hash_leaf, prove_inclusion, root};
use crate::tree_head::{LeafIndex, TreeSize};
use proptest::prelude::*;
use std::collections::HashMap;
use std::string::{String, ToString as _};
use std::vec::Vec;

fn hashes(level: u8, index: u64, width: u16) -> Tile {
    Tile::new(TileLevel::Hashes(level), index, width).unwrap()
}

#[test]
fn paths_of_the_specification() {
    let entries = |index, width| Tile::new(TileLevel::Entries, index, width).unwrap();
    let cases = [
        (hashes(0, 1_234_067, 256), "tile/0/x001/x234/067"),
        (hashes(0, 0, 256), "tile/0/000"),
        (hashes(0, 999, 1), "tile/0/999.p/1"),
        (hashes(1, 1000, 255), "tile/1/x001/000.p/255"),
        (hashes(63, 67, 8), "tile/63/067.p/8"),
        (entries(273, 112), "tile/entries/273.p/112"),
        (entries(1_000_000, 256), "tile/entries/x001/x000/000"),
    ];
    for (tile, path) in cases {
        assert_eq!(tile.path(), path);
        assert_eq!(Tile::parse(path), Ok(tile));
    }
}

#[test]
fn the_longest_path_is_as_long_as_the_limit() {
    let tile = Tile::new(TileLevel::Entries, crate::ascii::MAX_INTEGER, 255).unwrap();
    assert_eq!(tile.path().len(), MAX_TILE_PATH_BYTES);
    assert_eq!(Tile::parse(&tile.path()), Ok(tile));
}

#[test]
fn a_tree_of_70_000_has_the_tiles_of_the_specification() {
    let tiles: Vec<Tile> = Tile::all(TreeSize(70_000)).collect();
    let count = |level, full| {
        let of_level = |t: &&Tile| t.level() == TileLevel::Hashes(level) && t.is_full() == full;
        tiles.iter().filter(of_level).count()
    };
    assert_eq!((count(0, true), count(0, false)), (273, 1));
    assert_eq!((count(1, true), count(1, false)), (1, 1));
    assert_eq!((count(2, true), count(2, false)), (0, 1));
    assert_eq!(tiles.len(), 277);
    for tile in [hashes(0, 273, 112), hashes(1, 1, 17), hashes(2, 0, 1)] {
        assert!(tiles.contains(&tile), "{tile}");
    }
}

#[test]
fn a_tree_of_256_has_a_full_and_a_partial_tile() {
    let tiles: Vec<Tile> = Tile::all(TreeSize(256)).collect();
    assert_eq!(tiles, [hashes(0, 0, 256), hashes(1, 0, 1)]);
}

#[test]
fn an_empty_tree_has_no_tiles() {
    assert_eq!(Tile::all(TreeSize(0)).count(), 0);
    assert_eq!(Tile::within(TileLevel::Hashes(0), 0, TreeSize(0)), None);
}

#[test]
fn the_largest_tree_has_eight_levels() {
    let size = TreeSize(MAX_TREE_SIZE);
    assert_eq!(TileLevel::hash_levels(size).count(), 8);
    let top = Tile::within(TileLevel::Hashes(7), 0, size);
    assert_eq!(top, Some(hashes(7, 0, 127)));
    assert_eq!(Tile::within(TileLevel::Hashes(8), 0, size), None);
    assert_eq!(Tile::within(TileLevel::Hashes(0), u64::MAX, size), None);
}

#[test]
fn growth_touches_what_was_partial_and_what_is_new() {
    let between = |old, new| -> Vec<String> {
        let level = TileLevel::Hashes(0);
        Tile::between(level, TreeSize(old), TreeSize(new)).map(|t| t.path()).collect()
    };
    assert_eq!(between(0, 1), ["tile/0/000.p/1"]);
    assert_eq!(between(1, 256), ["tile/0/000"]);
    assert_eq!(between(256, 257), ["tile/0/001.p/1"]);
    assert_eq!(between(255, 513), ["tile/0/000", "tile/0/001", "tile/0/002.p/1"]);
    assert_eq!(between(300, 300), [""; 0]);
    assert_eq!(between(300, 200), [""; 0]);
    let entries = Tile::between(TileLevel::Entries, TreeSize(5), TreeSize(6));
    assert_eq!(entries.map(|t| t.path()).collect::<Vec<_>>(), ["tile/entries/000.p/6"]);
}

#[test]
fn tiles_that_no_path_can_name() {
    let level = TileLevel::Hashes(0);
    assert_eq!(Tile::new(level, 0, 0), Err(TileError::Width));
    assert_eq!(Tile::new(level, 0, 257), Err(TileError::Width));
    assert_eq!(Tile::new(TileLevel::Hashes(64), 0, 1), Err(TileError::Level));
    assert_eq!(Tile::new(level, 1 << 63, 1), Err(TileError::Index));
}

/// Each case is one way of being malformed.
#[test]
fn malformed_paths_are_refused() {
    use TileError::{Index, Level, Prefix, TooLong, Width};
    let long = "tile/entries/".to_string() + &"x001/".repeat(8) + "001";
    let cases: &[(&str, &str, TileError)] = &[
        ("empty", "", Prefix),
        ("leading slash", "/tile/0/000", Prefix),
        ("other prefix", "tiles/0/000", Prefix),
        ("no index", "tile/0", Prefix),
        ("level leading zero", "tile/00/000", Level),
        ("level 64", "tile/64/000", Level),
        ("level 256", "tile/256/000", Level),
        ("level sign", "tile/+1/000", Level),
        ("level empty", "tile//000", Level),
        ("level word", "tile/data/000", Level),
        ("index empty", "tile/0/", Index),
        ("index two digits", "tile/0/00", Index),
        ("index four digits", "tile/0/0000", Index),
        ("index sign", "tile/0/+12", Index),
        ("index not decimal", "tile/0/0a0", Index),
        ("index other digits", "tile/0/\u{0661}0", Index),
        ("group without x", "tile/0/001/067", Index),
        ("last group with x", "tile/0/x001/x067", Index),
        ("capital x", "tile/0/X001/067", Index),
        ("group of zeros in front", "tile/0/x000/067", Index),
        ("empty group", "tile/0/x001//067", Index),
        ("slash behind", "tile/0/067/", Index),
        ("parent directory", "tile/0/../067", Index),
        ("newline behind", "tile/0/067\n", Index),
        ("2^63", "tile/0/x009/x223/x372/x036/x854/x775/808", Index),
        ("above 2^64", "tile/0/x099/x999/x999/x999/x999/x999/999", Index),
        ("width 0", "tile/0/067.p/0", Width),
        ("width 256", "tile/0/067.p/256", Width),
        ("width leading zero", "tile/0/067.p/08", Width),
        ("width empty", "tile/0/067.p/", Width),
        ("width sign", "tile/0/067.p/+8", Width),
        ("width twice", "tile/0/067.p/8.p/8", Width),
        ("width without p", "tile/0/067.8", Index),
        ("width without slash", "tile/0/067.p", Index),
        ("too long", &long, TooLong),
    ];
    for (name, path, error) in cases {
        assert_eq!(Tile::parse(path), Err(*error), "{name}");
    }
}

/// A tree kept as the bytes of its tiles.
struct Tiles {
    size: TreeSize,
    bytes: HashMap<Tile, Vec<u8>>,
}

impl Tiles {
    fn new(size: u64) -> Self {
        let mut level: Vec<Hash> = (0..size).map(|i| hash_leaf(&i.to_le_bytes())).collect();
        let size = TreeSize(size);
        let mut bytes = HashMap::new();
        for kind in TileLevel::hash_levels(size) {
            let tiles: Vec<Tile> = Tile::between(kind, TreeSize(0), size).collect();
            let mut above = Vec::new();
            for (tile, hashes) in tiles.into_iter().zip(level.chunks(256)) {
                let content = hashes.iter().flat_map(|h| *h.as_bytes()).collect::<Vec<u8>>();
                assert_eq!(tile.hash_bytes(), Some(content.len()));
                above.extend(TileNodes::new(&content).unwrap().root());
                bytes.insert(tile, content);
            }
            level = above;
        }
        Self { size, bytes }
    }
}

impl NodeReader for Tiles {
    type Error = String;

    fn node(&self, id: NodeId) -> Result<Hash, String> {
        let slot = TileSlot::of(id);
        let tile = Tile::within(slot.tile_level(), slot.index, self.size).ok_or("no tile")?;
        assert!(slot.end() <= tile.width());
        let bytes = &self.bytes[&tile];
        let hash = slot.hash(bytes).ok_or("tile too short")?;
        assert_eq!(TileNodes::new(bytes).unwrap().get(&slot), Some(hash));
        Ok(hash)
    }
}

#[test]
fn proofs_out_of_tiles_are_those_of_the_tree() {
    let size = 66_000; // three levels, all with partial tiles
    let tiles = Tiles::new(size);
    let mut range = crate::merkle::CompactRange::new();
    range.append_many((0..size).map(|i| hash_leaf(&i.to_le_bytes())));
    assert_eq!(root(&tiles, TreeSize(size)), Ok(range.root_hash()));
    for index in [0, 255, 256, 40_000, 65_535, 65_536, size - 1] {
        let path = prove_inclusion(&tiles, LeafIndex(index), TreeSize(size)).unwrap();
        let claim = crate::merkle::InclusionClaim {
            leaf_hash: hash_leaf(&index.to_le_bytes()),
            leaf_index: LeafIndex(index),
            tree: range.tree_head(),
            path: &path,
        };
        assert_eq!(claim.verify(), Ok(()));
    }
}

#[test]
fn a_tile_too_short_for_a_node_gives_none() {
    let slot = TileSlot::of(NodeId { level: 2, index: 1 });
    assert_eq!((slot.first, slot.end()), (4, 8));
    let bytes = [0u8; 7 * 32];
    assert_eq!(slot.hash(&bytes), None);
    assert_eq!(TileNodes::new(&bytes).unwrap().get(&slot), None);
}

#[test]
fn a_partial_tile_has_no_root() {
    assert_eq!(TileNodes::new(&[0; 255 * 32]).unwrap().root(), None);
    assert!(TileNodes::new(&[0; 256 * 32]).unwrap().root().is_some());
}

#[test]
fn tile_bytes_that_are_no_tile() {
    assert_eq!(TileNodes::new(&[]), None);
    assert_eq!(TileNodes::new(&[0; 33]), None);
    assert_eq!(TileNodes::new(&[0; 257 * 32]), None);
}

#[test]
fn slots_of_the_highest_nodes_do_not_overflow() {
    for level in 0..=u8::MAX {
        let slot = TileSlot::of(NodeId { level, index: u64::MAX });
        assert!(slot.end() <= TILE_WIDTH);
    }
}

#[test]
fn bundle_cut_off_in_a_length() {
    assert_eq!(bundle::read(&[0, 1, 7, 0], 2), Err(BundleError::CutOff { entry: 1 }));
}

#[test]
fn bundle_cut_off_in_an_entry() {
    assert_eq!(bundle::read(&[0, 2, 7], 1), Err(BundleError::CutOff { entry: 0 }));
}

#[test]
fn bundle_with_an_entry_missing() {
    let refused = BundleError::Count { expected: 2, found: 1 };
    assert_eq!(bundle::read(&[0, 1, 7], 2), Err(refused));
}

#[test]
fn bundle_with_an_entry_too_many() {
    let refused = BundleError::Count { expected: 0, found: 1 };
    assert_eq!(bundle::read(&[0, 0], 0), Err(refused));
}

#[test]
fn bundle_of_257_entries() {
    let refused = BundleError::Count { expected: 256, found: 257 };
    assert_eq!(bundle::read(&[0; 2 * 257], 256), Err(refused));
}

#[test]
fn entry_of_65_536_bytes() {
    let mut out = Vec::new();
    assert_eq!(bundle::push(&mut out, &[0; 65_536]), Err(BundleError::EntryTooLong(65_536)));
    assert!(out.is_empty());
    assert_eq!(bundle::push(&mut out, &[0; 65_535]), Ok(()));
}

proptest! {
    #[test]
    fn written_paths_are_read_back(level in 0u8..=64, index in 0..=i64::MAX as u64, width in 1u16..=256) {
        let level = if level == 64 { TileLevel::Entries } else { TileLevel::Hashes(level) };
        let tile = Tile::new(level, index, width).unwrap();
        prop_assert_eq!(Tile::parse(&tile.path()), Ok(tile));
    }

    #[test]
    fn paths_that_are_read_are_written_back(path in "tile/[0-9e]{1,2}(/x[0-9]{3}){0,3}/[0-9]{3}(\\.p/[0-9]{1,3})?") {
        if let Ok(tile) = Tile::parse(&path) {
            prop_assert_eq!(tile.path(), path);
        }
    }

    #[test]
    fn written_bundles_are_read_back(
        entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..=256),
    ) {
        let mut bytes = Vec::new();
        for entry in &entries {
            bundle::push(&mut bytes, entry).unwrap();
        }
        let width = u16::try_from(entries.len()).unwrap();
        prop_assert_eq!(bundle::read(&bytes, width).unwrap(), entries);
    }
}
