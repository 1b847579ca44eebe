//! The tiles of a directory that may be damaged: which of them are right.
//!
//! For every full tile of level 0 there are up to three opinions on its root: the leaves in the entry
//! bundle, the tile itself, and the tile above. Two that agree are taken; where all differ, the choice
//! is the one by which the recorded root hashes come out.

mod report;

use crate::bundle::{BUNDLE_BYTES, ENTRY_BYTES, check_entries, entries, entry_leaf};
use crate::error::{Damage, StoreError};
use crate::partials;
use crate::place::Place;
use crate::tiles::full;
use crate::tree::TILE_BYTES;
use sigsum_core::merkle::tile::{TILE_WIDTH, Tile, TileLevel, TileNodes};
use sigsum_core::merkle::{CompactRange, hash_children, hash_leaf};
use sigsum_core::{Hash, Leaf, TreeHead, TreeSize};
use std::collections::BTreeMap;

const WIDTH: u64 = TILE_WIDTH as u64;
/// Choices between opinions that are tried: all of them for six places without two opinions that
/// agree. So many independent damages are not repaired by trying.
const MAX_CHOICES: usize = 64;

/// Root hashes that were recorded.
#[derive(Debug, Default)]
pub(super) struct Anchors(Vec<TreeHead>);

impl Anchors {
    pub(super) fn new(tree: Option<TreeHead>, heads: impl Iterator<Item = TreeHead>) -> Self {
        Self(tree.into_iter().chain(heads).collect())
    }
}

/// Leaves from elsewhere, as hashes of whole tiles of level 0, by index; not believed before a root
/// hash vouches for them.
pub(super) type Extra = BTreeMap<u64, Vec<u8>>;

/// What is known of one tile of level 0 and its entries.
#[derive(Debug)]
struct Slot {
    /// The entries' hashes lead here.
    bundle: Result<Hash, Damage>,
    /// The tile leads here.
    tile: Result<Hash, Damage>,
    /// What is taken for right.
    chosen: Option<Hash>,
}

/// The tiles.
#[derive(Debug)]
pub(super) struct TreeFiles {
    pub(super) size: TreeSize,
    /// How far recorded root hashes vouch for what was chosen.
    pub(super) proven: TreeSize,
    slots: Vec<Slot>,
    /// The partial tile of level 0, where the size asks for one.
    edge: Option<Edge>,
    /// Hashes of level 1 and above, where all are known.
    above: Vec<Vec<Hash>>,
    /// Root hashes at recorded sizes, as far as known.
    roots: Vec<TreeHead>,
}

#[derive(Debug)]
struct Edge {
    bundle: Result<Vec<u8>, Damage>,
    tile: Result<Vec<u8>, Damage>,
    chosen: Option<Vec<u8>>,
}

/// Reads a file that has to have a length.
pub(super) fn read(place: &Place, name: &str, expected: usize) -> Result<Vec<u8>, Damage> {
    match place.read(name, expected + 1) {
        Ok(Some(bytes)) if bytes.len() == expected => Ok(bytes),
        Ok(Some(bytes)) => Err(Damage::Length { expected, got: bytes.len() }),
        Ok(None) => Err(Damage::Missing),
        Err(error) => Err(Damage::Unreadable(error.source.to_string())),
    }
}

/// The hashes of the leaves in a bundle, as bytes of a tile.
fn hashes_of(bundle: &[u8]) -> Vec<u8> {
    let hash = |entry: &[u8; ENTRY_BYTES]| hash_leaf(&entry_leaf(entry));
    entries(bundle).iter().flat_map(|entry| *hash(entry).as_bytes()).collect()
}

/// The hashes of leaves, as bytes of a tile.
pub(super) fn tile_of(leaves: &[Leaf]) -> Vec<u8> {
    leaves.iter().flat_map(|leaf| *leaf.hash().as_bytes()).collect()
}

/// The hashes of a bundle whose entries all have the form of leaves.
fn checked_hashes(bundle: &[u8], first: u64) -> Result<Vec<u8>, Damage> {
    let hashes = hashes_of(bundle);
    // Against itself: what is left to find is lengths.
    match check_entries(entries(bundle), first, &hashes) {
        Ok(()) => Ok(hashes),
        Err(damage) => Err(damage.with_other(String::new)),
    }
}

fn root_of(tile: &[u8]) -> Result<Hash, Damage> {
    TileNodes::new(tile).and_then(|nodes| nodes.root()).ok_or(Damage::Missing)
}

fn as_hashes(bytes: &[u8]) -> Vec<Hash> {
    bytes.as_chunks::<{ Hash::LEN }>().0.iter().copied().map(Hash::new).collect()
}

impl TreeFiles {
    pub(super) fn read(
        place: &Place,
        size: TreeSize,
        anchors: &Anchors,
        extra: &Extra,
    ) -> Result<Self, StoreError> {
        let count = size.0 / WIDTH;
        let mut tree = Self {
            size,
            proven: TreeSize(0),
            slots: Vec::new(),
            edge: Self::read_edge(place, size)?,
            above: Vec::new(),
            roots: Vec::new(),
        };
        let mut open = Vec::new();
        for index in 0..count {
            let (slot, opinions) = read_slot(place, index, size, extra.get(&index))?;
            if opinions.len() != 1 {
                open.push((index, opinions));
            }
            tree.slots.push(slot);
        }
        tree.choose(place, &open, anchors, extra)?;
        tree.complete();
        Ok(tree)
    }

    fn read_edge(place: &Place, size: TreeSize) -> Result<Option<Edge>, StoreError> {
        let (index, width) = (size.0 / WIDTH, (size.0 % WIDTH) as usize);
        let (Some(bundle), Some(tile)) = (
            Tile::within(TileLevel::Entries, index, size),
            Tile::within(TileLevel::Hashes(0), index, size),
        ) else {
            return Ok(None);
        };
        let bundle = read(place, &bundle.path(), width * ENTRY_BYTES);
        let bundle = bundle.and_then(|bundle| checked_hashes(&bundle, index * WIDTH));
        let tile = read(place, &tile.path(), width * Hash::LEN);
        Ok(Some(Edge { bundle, tile, chosen: None }))
    }

    /// Tries choices until recorded root hashes come out.
    fn choose(
        &mut self,
        place: &Place,
        open: &[(u64, Vec<Hash>)],
        anchors: &Anchors,
        extra: &Extra,
    ) -> Result<(), StoreError> {
        let mut edges: Vec<Vec<u8>> = Vec::new();
        if let Some(edge) = &self.edge {
            let index = self.size.0 / WIDTH;
            let opinions = [edge.bundle.as_ref().ok(), edge.tile.as_ref().ok(), extra.get(&index)];
            for opinion in opinions.into_iter().flatten() {
                if !edges.contains(opinion) {
                    edges.push(opinion.clone());
                }
            }
        }
        let per_place = open.iter().map(|(_, opinions)| opinions.len().max(1));
        let choices = per_place.fold(edges.len().max(1), usize::saturating_mul);
        for choice in 0..choices.min(MAX_CHOICES) {
            let mut rest = choice;
            let mut pick = |count: usize| {
                let picked = rest % count.max(1);
                rest /= count.max(1);
                picked
            };
            if let Some(edge) = &mut self.edge {
                edge.chosen = edges.get(pick(edges.len())).cloned();
            }
            for (index, opinions) in open {
                let chosen = opinions.get(pick(opinions.len())).copied();
                if let Some(slot) = self.slots.get_mut(*index as usize) {
                    slot.chosen = chosen;
                }
            }
            self.roots.clear();
            let mut proven = TreeSize(0);
            let mut contradicted = false;
            for anchor in &anchors.0 {
                let Some(root_hash) = self.compute_root(place, anchor.size, extra)? else {
                    continue;
                };
                self.roots.push(TreeHead { size: anchor.size, root_hash });
                match root_hash == anchor.root_hash {
                    true => proven = proven.max(anchor.size),
                    false => contradicted = true,
                }
            }
            if proven > self.proven || (choice == 0 && !contradicted) {
                self.proven = proven;
            }
            if !contradicted && (proven.0 > 0 || self.size.0 == 0) {
                return Ok(());
            }
        }
        // No choice brings the recorded hashes out: nothing that was open is known.
        if choices > 1 {
            for (index, _) in open {
                if let Some(slot) = self.slots.get_mut(*index as usize) {
                    slot.chosen = None;
                }
            }
            if let Some(edge) = self.edge.as_mut().filter(|_| edges.len() > 1) {
                edge.chosen = None;
            }
            self.proven = TreeSize(0);
            self.roots.clear();
        }
        Ok(())
    }

    /// The root hash at a size, of what is chosen.
    fn compute_root(
        &self,
        place: &Place,
        size: TreeSize,
        extra: &Extra,
    ) -> Result<Option<Hash>, StoreError> {
        let (tiles, rest) = (size.0 / WIDTH, (size.0 % WIDTH) as usize);
        let Some(slots) = self.slots.get(..tiles as usize) else { return Ok(None) };
        let mut roots = Vec::with_capacity(slots.len());
        for slot in slots {
            let Some(chosen) = slot.chosen else { return Ok(None) };
            roots.push(chosen);
        }
        let tail =
            if rest == 0 { Some(Vec::new()) } else { self.leaf_hashes(place, tiles, extra)? };
        let Some(tail) = tail else { return Ok(None) };
        let Some(tail) = tail.get(..rest * Hash::LEN) else { return Ok(None) };
        let mut peaks = peaks(&roots);
        peaks.extend(self::peaks(&as_hashes(tail)));
        let range = CompactRange::from_hashes(size, peaks);
        Ok(range.ok().map(|range| range.root_hash()))
    }

    /// The right bytes of a tile of level 0, from whatever has them.
    pub(super) fn leaf_hashes(
        &self,
        place: &Place,
        index: u64,
        extra: &Extra,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(slot) = self.slots.get(index as usize) else {
            return Ok(self.edge.as_ref().and_then(|edge| edge.chosen.clone()));
        };
        let Some(chosen) = slot.chosen else { return Ok(None) };
        if slot.tile.as_ref() == Ok(&chosen) {
            return Ok(read(place, &full(TileLevel::Hashes(0), index)?.path(), TILE_BYTES).ok());
        }
        if slot.bundle.as_ref() == Ok(&chosen) {
            let bundle = read(place, &full(TileLevel::Entries, index)?.path(), BUNDLE_BYTES).ok();
            return Ok(bundle.map(|bundle| hashes_of(&bundle)));
        }
        Ok(extra.get(&index).filter(|tile| root_of(tile).as_ref() == Ok(&chosen)).cloned())
    }

    /// Whether recorded root hashes vouch for a tile of level 0.
    pub(super) fn is_proven(&self, index: u64) -> bool {
        ((index + 1) * WIDTH).min(self.size.0) <= self.proven.0
    }

    /// Computes the levels above, where everything below is known.
    fn complete(&mut self) {
        let roots: Option<Vec<Hash>> = self.slots.iter().map(|slot| slot.chosen).collect();
        let Some(mut level) = roots else { return };
        while !level.is_empty() {
            let next = level.as_chunks::<{ TILE_WIDTH as usize }>().0.iter();
            let next = next.filter_map(|hashes| {
                let bytes: Vec<u8> = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
                root_of(&bytes).ok()
            });
            let next = next.collect();
            self.above.push(std::mem::replace(&mut level, next));
        }
        if self.proven == self.size || self.roots.iter().any(|root| root.size == self.size) {
            return;
        }
        // So that it can be recorded again.
        if let Some(root_hash) = self.whole_root() {
            self.roots.push(TreeHead { size: self.size, root_hash });
        }
    }

    fn whole_root(&self) -> Option<Hash> {
        let roots: Option<Vec<Hash>> = self.slots.iter().map(|slot| slot.chosen).collect();
        let mut peaks = peaks(&roots?);
        if let Some(edge) = &self.edge {
            peaks.extend(self::peaks(&as_hashes(edge.chosen.as_ref()?)));
        }
        CompactRange::from_hashes(self.size, peaks).ok().map(|range| range.root_hash())
    }

    /// The root hash at a recorded size, as far as it is known.
    pub(super) fn root(&self, size: TreeSize) -> Option<Hash> {
        self.roots.iter().find(|root| root.size == size).map(|root| root.root_hash)
    }

    /// The whole tree.
    pub(super) fn head(&self) -> Option<TreeHead> {
        let root_hash = self.root(self.size)?;
        Some(TreeHead { size: self.size, root_hash })
    }

    /// Right bytes of a tile above level 0.
    pub(super) fn upper_tile(&self, tile: &Tile) -> Option<Vec<u8>> {
        let TileLevel::Hashes(level @ 1..) = tile.level() else { return None };
        let first = usize::try_from(tile.index() * WIDTH).ok()?;
        let hashes = self.above.get(usize::from(level) - 1)?;
        let hashes = hashes.get(first..first + usize::from(tile.width()))?;
        Some(hashes.iter().flat_map(|hash| *hash.as_bytes()).collect())
    }
}

/// Reads a tile of level 0 and its entries, with the opinions on its root that are worth trying.
fn read_slot(
    place: &Place,
    index: u64,
    size: TreeSize,
    extra: Option<&Vec<u8>>,
) -> Result<(Slot, Vec<Hash>), StoreError> {
    let bundle = read(place, &full(TileLevel::Entries, index)?.path(), BUNDLE_BYTES);
    let bundle = bundle.and_then(|bundle| checked_hashes(&bundle, index * WIDTH));
    let tile = read(place, &full(TileLevel::Hashes(0), index)?.path(), TILE_BYTES);
    if let (Ok(from_entries), Ok(tile)) = (&bundle, &tile)
        && from_entries == tile
    {
        let root = root_of(tile);
        let chosen = root.clone().ok();
        let slot = Slot { bundle: root.clone(), tile: root, chosen };
        return Ok((slot, chosen.into_iter().collect()));
    }
    let bundle = bundle.and_then(|hashes| root_of(&hashes));
    let tile = tile.and_then(|tile| root_of(&tile));
    let above = Tile::within(TileLevel::Hashes(1), index / WIDTH, size);
    let above = above.and_then(|above| {
        let bytes = read(place, &above.path(), usize::from(above.width()) * Hash::LEN).ok()?;
        as_hashes(&bytes).get((index % WIDTH) as usize).copied()
    });
    let from_extra = extra.and_then(|tile| root_of(tile).ok());
    let given = [bundle.as_ref().ok().copied(), tile.as_ref().ok().copied(), above, from_extra];
    let given: Vec<Hash> = given.into_iter().flatten().collect();
    let votes = |root: &Hash| given.iter().filter(|other| *other == root).count();
    let agreed = given.iter().copied().find(|root| votes(root) > 1);
    let mut opinions: Vec<Hash> = Vec::new();
    for root in agreed.into_iter().chain(given.iter().copied().filter(|_| agreed.is_none())) {
        if !opinions.contains(&root) {
            opinions.push(root);
        }
    }
    let chosen = opinions.first().copied().filter(|_| opinions.len() == 1);
    Ok((Slot { bundle, tile, chosen }, opinions))
}

/// Roots of the perfect subtrees of a list of roots of equal height, largest first.
fn peaks(hashes: &[Hash]) -> Vec<Hash> {
    let mut peaks = Vec::new();
    let mut rest = hashes;
    while !rest.is_empty() {
        let width = 1 << rest.len().ilog2();
        let (subtree, behind) = rest.split_at(width);
        let mut level = subtree.to_vec();
        while level.len() > 1 {
            level = level.as_chunks::<2>().0.iter().map(|[a, b]| hash_children(a, b)).collect();
        }
        peaks.extend(level);
        rest = behind;
    }
    peaks
}

/// How far tiles and entries reach that agree with each other, at least to what was signed: for a
/// directory that does not say.
pub(super) fn extent(place: &Place, signed: TreeSize) -> Result<TreeSize, StoreError> {
    let mut index = signed.0 / WIDTH;
    loop {
        let (slot, _) = read_slot(place, index, TreeSize(0), None)?;
        if slot.bundle.is_err() || slot.bundle.as_ref().ok() != slot.tile.as_ref().ok() {
            break;
        }
        index += 1;
    }
    let mut size = (index * WIDTH).max(signed.0);
    for name in place.list(&partials::dir(&full(TileLevel::Entries, index)?))? {
        let Ok(width) = name.parse::<u16>() else { continue };
        let candidate = TreeSize(index * WIDTH + u64::from(width));
        if width >= TILE_WIDTH || candidate.0 <= size {
            continue;
        }
        let edge = TreeFiles::read_edge(place, candidate)?;
        if edge.is_some_and(|edge| edge.bundle.is_ok() && edge.bundle == edge.tile) {
            size = candidate.0;
        }
    }
    Ok(TreeSize(size))
}

/// Whether there are entries or hashes of leaves behind a size.
pub(super) fn reaches_beyond(place: &Place, size: TreeSize) -> Result<bool, StoreError> {
    for level in [TileLevel::Entries, TileLevel::Hashes(0)] {
        let index = size.0 / WIDTH;
        for tile in [full(level, index)?, full(level, index + 1)?] {
            if place.len(&tile.path())?.is_some() {
                return Ok(true);
            }
        }
        let widths = place.list(&partials::dir(&full(level, index)?))?;
        let widths = widths.iter().filter_map(|name| name.parse::<u64>().ok());
        let next = place.list(&partials::dir(&full(level, index + 1)?))?;
        if !next.is_empty() || widths.max().is_some_and(|width| width > size.0 % WIDTH) {
            return Ok(true);
        }
    }
    Ok(false)
}
