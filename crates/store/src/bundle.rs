//! Entry bundles of leaves (`tlog-tiles`, "Log entries").

use crate::error::Damage;
use crate::journal::LeafBytes;
use sigsum_core::merkle::hash_leaf;
use sigsum_core::merkle::tile::TILE_WIDTH;
use sigsum_core::{Hash, Leaf, LeafIndex};

/// What precedes each leaf: its length.
const ENTRY_PREFIX: [u8; 2] = (Leaf::LEN as u16).to_be_bytes();
/// Bytes of a leaf in a bundle.
pub(crate) const ENTRY_BYTES: usize = ENTRY_PREFIX.len() + Leaf::LEN;
/// Bytes of a full bundle.
pub(crate) const BUNDLE_BYTES: usize = TILE_WIDTH as usize * ENTRY_BYTES;

/// The bytes of a bundle.
pub(crate) fn write_bundle(leaves: &[LeafBytes]) -> Vec<u8> {
    let mut out = Vec::with_capacity(leaves.len() * ENTRY_BYTES);
    for leaf in leaves {
        out.extend_from_slice(&ENTRY_PREFIX);
        out.extend_from_slice(leaf);
    }
    out
}

/// The entries of a bundle; none of a part of one.
pub(crate) fn entries(bundle: &[u8]) -> &[[u8; ENTRY_BYTES]] {
    bundle.as_chunks().0
}

/// The leaf of an entry.
pub(crate) fn entry_leaf(entry: &[u8; ENTRY_BYTES]) -> LeafBytes {
    let mut leaf = [0; Leaf::LEN];
    leaf.copy_from_slice(&entry[ENTRY_PREFIX.len()..]);
    leaf
}

/// What may be wrong with an entry; the damage without the name of the tile it was held against.
#[derive(Debug)]
pub(crate) enum EntryDamage {
    Length(LeafIndex),
    Hash(LeafIndex),
}

impl EntryDamage {
    pub(crate) fn with_other(self, other: impl FnOnce() -> String) -> Damage {
        match self {
            Self::Length(index) => Damage::EntryLength { index },
            Self::Hash(index) => Damage::LeafHash { index, other: other() },
        }
    }
}

/// Whether entries have the length of leaves, and the hashes in the bytes of the tile beside them.
pub(crate) fn check_entries(
    entries: &[[u8; ENTRY_BYTES]],
    first: u64,
    tile: &[u8],
) -> Result<(), EntryDamage> {
    let (hashes, _) = tile.as_chunks::<{ Hash::LEN }>();
    for (number, entry) in (0..).zip(entries) {
        let index = LeafIndex(first + number as u64);
        let Some((&ENTRY_PREFIX, leaf)) = entry.split_first_chunk() else {
            return Err(EntryDamage::Length(index));
        };
        if hashes.get(number) != Some(hash_leaf(leaf).as_bytes()) {
            return Err(EntryDamage::Hash(index));
        }
    }
    Ok(())
}
