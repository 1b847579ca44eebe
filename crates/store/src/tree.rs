//! The right edge of the tree: all that is needed to let it grow, and what tiles that adds.

use crate::bundle::write_bundle;
use crate::journal::LeafBytes;
use sigsum_core::merkle::CompactRange;
use sigsum_core::merkle::tile::{TILE_HEIGHT, TILE_WIDTH, Tile, TileLevel, TileNodes, TileSlot};
use sigsum_core::{Hash, TreeHead, TreeSize};
use std::sync::Arc;

/// Bytes of a full tile of hashes.
pub(crate) const TILE_BYTES: usize = TILE_WIDTH as usize * Hash::LEN;

/// The partial tile at the right edge of one level.
#[derive(Debug, Clone)]
pub(crate) struct Edge {
    /// Its bytes, as in the file.
    pub(crate) bytes: Vec<u8>,
    /// What they determine.
    pub(crate) nodes: Arc<TileNodes>,
}

impl Edge {
    /// From the bytes of a tile; none where they are no tile.
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        Some(Self { bytes: bytes.to_vec(), nodes: Arc::new(TileNodes::new(bytes)?) })
    }
}

/// The tree that the tiles hold, with everything that is not in full tiles. Never changed:
/// growing makes another one.
#[derive(Debug, Clone)]
pub(crate) struct TreeState {
    head: TreeHead,
    range: CompactRange,
    /// Leaves of the last entry bundle, where that is partial.
    entries: Vec<LeafBytes>,
    /// By level; none where the last tile of a level is full.
    edges: Vec<Option<Edge>>,
}

impl TreeState {
    /// The tree without leaves.
    pub(crate) fn empty() -> Self {
        Self {
            head: TreeHead::empty(),
            range: CompactRange::new(),
            entries: Vec::new(),
            edges: Vec::new(),
        }
    }

    /// A tree of that size from its edges; none where they are not those of such a tree.
    pub(crate) fn new(
        size: TreeSize,
        entries: Vec<LeafBytes>,
        edges: Vec<Option<Edge>>,
    ) -> Option<Self> {
        let range = CompactRange::from_hashes(size, peaks(size, &edges)?).ok()?;
        Some(Self { head: range.tree_head(), range, entries, edges })
    }

    /// Size and root hash.
    pub(crate) fn head(&self) -> TreeHead {
        self.head
    }

    pub(crate) fn size(&self) -> TreeSize {
        self.head.size
    }

    pub(crate) fn range(&self) -> &CompactRange {
        &self.range
    }

    /// Leaves of the last entry bundle, where that is partial.
    pub(crate) fn edge_entries(&self) -> &[LeafBytes] {
        &self.entries
    }

    /// The partial tile of a level.
    pub(crate) fn edge(&self, level: u8) -> Option<&Edge> {
        self.edges.get(usize::from(level))?.as_ref()
    }

    /// Adds leaves, with their hashes. Gives away every tile that this fills or widens, as it is
    /// in the new tree, entries before hashes.
    ///
    /// # Errors
    /// The first one of `emit`.
    pub(crate) fn grow<E>(
        &self,
        leaves: &[LeafBytes],
        hashes: &[Hash],
        mut emit: impl FnMut(Tile, &[u8]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let old = self.size();
        let size = TreeSize(old.0 + leaves.len() as u64);
        let entries = [&self.entries[..], leaves].concat();
        let mut bundles = entries.chunks(usize::from(TILE_WIDTH));
        for (tile, bundle) in Tile::between(TileLevel::Entries, old, size).zip(&mut bundles) {
            emit(tile, &write_bundle(bundle))?;
        }
        let mut edges = self.edges.clone();
        let mut incoming: Vec<u8> = hashes.iter().flat_map(Hash::as_bytes).copied().collect();
        let mut level = 0;
        while !incoming.is_empty() {
            let mut bytes = self.edge(level).map(|edge| edge.bytes.clone()).unwrap_or_default();
            bytes.append(&mut incoming);
            let tiles = Tile::between(TileLevel::Hashes(level), old, size);
            for (tile, chunk) in tiles.zip(bytes.chunks(TILE_BYTES)) {
                emit(tile, chunk)?;
                let root = TileNodes::new(chunk).and_then(|nodes| nodes.root());
                incoming.extend(root.iter().flat_map(Hash::as_bytes));
            }
            let rest = bytes.len() % TILE_BYTES;
            edges.resize(edges.len().max(usize::from(level) + 1), None);
            edges[usize::from(level)] = Edge::new(&bytes[bytes.len() - rest..]);
            level += 1;
        }
        let rest = entries.len() % usize::from(TILE_WIDTH);
        let entries = entries[entries.len() - rest..].to_vec();
        // The edges were made for just this size.
        Ok(Self::new(size, entries, edges).unwrap_or_else(Self::empty))
    }
}

/// Roots of the perfect subtrees that the tree consists of, largest first: within each edge, one
/// for every bit of its width.
fn peaks(size: TreeSize, edges: &[Option<Edge>]) -> Option<Vec<Hash>> {
    let mut peaks = Vec::new();
    for level in (0..8u8).rev() {
        let width = (TileLevel::Hashes(level).count(size) % u64::from(TILE_WIDTH)) as u16;
        for height in (0..TILE_HEIGHT).rev().filter(|height| width >> height & 1 == 1) {
            let edge = edges.get(usize::from(level))?.as_ref()?;
            let first = width >> (height + 1) << (height + 1);
            peaks.push(edge.nodes.get(&TileSlot { level, index: 0, first, height })?);
        }
    }
    Some(peaks)
}
