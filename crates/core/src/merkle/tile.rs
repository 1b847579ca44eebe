//! Tiles: how a tree is laid out as files and served (`tlog-tiles`).

pub mod bundle;
mod nodes;
#[cfg(test)]
mod tests;

pub use nodes::{TileNodes, TileSlot};

use crate::ascii::parse_integer;
use crate::tree_head::TreeSize;
use alloc::{format, string::String};
use core::fmt;

/// Hashes in a full tile (`tlog-tiles`, "Merkle Tree").
pub const TILE_WIDTH: u16 = 256;
/// Levels of the tree that a tile spans.
pub const TILE_HEIGHT: u8 = 8;
/// Highest tile level that a path may have (`tlog-tiles`: 0 to 63); trees reach level 7.
pub const MAX_TILE_LEVEL: u8 = 63;
/// Longest path: `tile/entries/`, six groups `x999/`, a last group, `.p/255`. Seven groups hold
/// every index up to 2^63-1.
pub const MAX_TILE_PATH_BYTES: usize = 13 + 6 * 5 + 3 + 6;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileLevel {
    /// Log entries (an "entry bundle"), as many as the tile of level 0 has hashes.
    Entries,
    /// Hashes of perfect subtrees of `256^level` leaves.
    Hashes(u8),
}

impl TileLevel {
    /// Hashes, or entries, of this level that a tree of that size has.
    pub fn count(self, size: TreeSize) -> u64 {
        let level = match self {
            Self::Entries => 0,
            Self::Hashes(level) => level,
        };
        size.0.checked_shr(u32::from(level).saturating_mul(8)).unwrap_or(0)
    }

    /// The levels of hashes that a tree of that size has, lowest first.
    pub fn hash_levels(size: TreeSize) -> impl Iterator<Item = Self> {
        (0..=MAX_TILE_LEVEL).map(Self::Hashes).take_while(move |level| level.count(size) > 0)
    }
}

/// Why a path names no tile. The peer who asked is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// Longer than [`MAX_TILE_PATH_BYTES`].
    #[error("tile path is too long")]
    TooLong,
    /// Does not begin with `tile/` and a level.
    #[error("not a tile path")]
    Prefix,
    /// The level is neither `entries` nor a number from 0 to 63 without leading zeros.
    #[error("invalid tile level")]
    Level,
    /// Not groups of three digits, all but the last behind an `x` and the first not `x000`; or
    /// above 2^63-1.
    #[error("invalid tile index")]
    Index,
    /// Not a number from 1 to 255 without leading zeros; 1 to 256 where the width was not read
    /// from a path.
    #[error("invalid tile width")]
    Width,
}

/// A tile, full or partial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    level: TileLevel,
    index: u64,
    width: u16,
}

impl Tile {
    /// A tile of `width` hashes or entries, 1 to [`TILE_WIDTH`].
    ///
    /// # Errors
    /// [`TileError`] for what no path can say.
    pub fn new(level: TileLevel, index: u64, width: u16) -> Result<Self, TileError> {
        if matches!(level, TileLevel::Hashes(level) if level > MAX_TILE_LEVEL) {
            return Err(TileError::Level);
        }
        if index > crate::ascii::MAX_INTEGER {
            return Err(TileError::Index);
        }
        if width == 0 || width > TILE_WIDTH {
            return Err(TileError::Width);
        }
        Ok(Self { level, index, width })
    }

    /// The tile at that place with the width it has in a tree of that size; none where the tree
    /// does not reach it.
    pub fn within(level: TileLevel, index: u64, size: TreeSize) -> Option<Self> {
        let first = index.checked_mul(u64::from(TILE_WIDTH))?;
        let width = level.count(size).checked_sub(first)?.min(u64::from(TILE_WIDTH));
        Self::new(level, index, u16::try_from(width).ok()?).ok()
    }

    /// The tiles of a level that a tree gains or widens as it grows from `old` to `new` leaves,
    /// as they are in the new tree, in order.
    pub fn between(level: TileLevel, old: TreeSize, new: TreeSize) -> impl Iterator<Item = Self> {
        let (had, has) = (level.count(old), level.count(new));
        let (first, end) = (had >> TILE_HEIGHT, has.div_ceil(u64::from(TILE_WIDTH)));
        let end = if has > had { end } else { first };
        (first..end).filter_map(move |index| Self::within(level, index, new))
    }

    /// All tiles of hashes that a tree of that size has, lowest level first.
    pub fn all(size: TreeSize) -> impl Iterator<Item = Self> {
        TileLevel::hash_levels(size).flat_map(move |level| Self::between(level, TreeSize(0), size))
    }

    /// What it holds.
    pub fn level(&self) -> TileLevel {
        self.level
    }

    /// Position among the tiles of its level.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Number of hashes or entries, 1 to [`TILE_WIDTH`].
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Whether it can grow no more.
    pub fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The full tile at the same place.
    pub fn full(&self) -> Self {
        Self { width: TILE_WIDTH, ..*self }
    }

    /// Size in bytes of a tile of hashes; none for entries, whose size is theirs.
    pub fn hash_bytes(&self) -> Option<usize> {
        match self.level {
            TileLevel::Entries => None,
            TileLevel::Hashes(_) => Some(usize::from(self.width).saturating_mul(32)),
        }
    }

    /// The path under the log's prefix, such as `tile/0/x001/067.p/8`.
    pub fn path(&self) -> String {
        format!("{self}")
    }

    /// Reads what [`Self::path`] writes, and nothing else: every tile has one path.
    ///
    /// # Errors
    /// [`TileError`].
    pub fn parse(path: &str) -> Result<Self, TileError> {
        if path.len() > MAX_TILE_PATH_BYTES {
            return Err(TileError::TooLong);
        }
        let rest = path.strip_prefix("tile/").ok_or(TileError::Prefix)?;
        let (level, rest) = rest.split_once('/').ok_or(TileError::Prefix)?;
        let level = match level {
            "entries" => TileLevel::Entries,
            number => TileLevel::Hashes(small_number(number).ok_or(TileError::Level)?),
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => {
                let width = small_number::<u8>(width).filter(|w| *w > 0);
                (index, u16::from(width.ok_or(TileError::Width)?))
            }
            None => (rest, TILE_WIDTH),
        };
        Self::new(level, parse_index(index).ok_or(TileError::Index)?, width)
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            TileLevel::Entries => f.write_str("tile/entries")?,
            TileLevel::Hashes(level) => write!(f, "tile/{level}")?,
        }
        write_index(f, self.index)?;
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

/// `/x001/x234/067`: three digits a group, all but the last behind an `x`.
fn write_index(f: &mut fmt::Formatter<'_>, index: u64) -> fmt::Result {
    let mut divisor = 1u64;
    while index / 1000 >= divisor {
        divisor = divisor.saturating_mul(1000); // at most 10^18, which u64 holds
    }
    while divisor > 1 {
        write!(f, "/x{:03}", index.checked_div(divisor).unwrap_or(0) % 1000)?;
        divisor /= 1000;
    }
    write!(f, "/{:03}", index % 1000)
}

fn parse_index(text: &str) -> Option<u64> {
    if text.starts_with("x000/") {
        return None; // the same tile has a shorter path
    }
    let mut groups = text.split('/').rev();
    let last = three_digits(groups.next()?)?;
    let mut index = last;
    let mut unit = 1u64;
    for group in groups {
        unit = unit.checked_mul(1000)?;
        let value = three_digits(group.strip_prefix('x')?)?;
        index = index.checked_add(value.checked_mul(unit)?)?;
    }
    Some(index)
}

fn three_digits(text: &str) -> Option<u64> {
    let digits = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

fn small_number<T: TryFrom<u64>>(text: &str) -> Option<T> {
    parse_integer(text).and_then(|number| T::try_from(number).ok())
}
