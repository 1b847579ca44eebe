//! Entry bundles: the log entries of a tile of level 0, each behind its length in two bytes, big
//! endian (`tlog-tiles`, "Log entries").

use super::TILE_WIDTH;
use alloc::vec::Vec;

/// Longest entry: what two bytes can say.
pub const MAX_ENTRY_BYTES: usize = u16::MAX as usize;
/// Longest bundle: [`TILE_WIDTH`] of the longest entries.
pub const MAX_BUNDLE_BYTES: usize = TILE_WIDTH as usize * (2 + MAX_ENTRY_BYTES);

/// Why a bundle was refused; its sender is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It ends within a length or an entry.
    #[error("entry {entry} is cut off")]
    CutOff {
        /// The entry, counted from zero.
        entry: usize,
    },
    /// Another number of entries than the tile's width.
    #[error("expected {expected} entries, found {found}")]
    Count {
        /// Entries that are due.
        expected: u16,
        /// Entries found; at most one more than 256.
        found: usize,
    },
    /// An entry to be written is longer than [`MAX_ENTRY_BYTES`].
    #[error("entry of {0} bytes is too long")]
    EntryTooLong(usize),
}

/// Reads a bundle of exactly `width` entries.
///
/// # Errors
/// [`BundleError::CutOff`], [`BundleError::Count`].
pub fn read(bundle: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::new();
    let mut rest = bundle;
    while !rest.is_empty() {
        if entries.len() >= usize::from(TILE_WIDTH) {
            let found = entries.len().saturating_add(1);
            return Err(BundleError::Count { expected: width, found });
        }
        let cut_off = BundleError::CutOff { entry: entries.len() };
        let (length, behind) = rest.split_first_chunk::<2>().ok_or(cut_off)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, behind) = behind.split_at_checked(length).ok_or(cut_off)?;
        entries.push(entry);
        rest = behind;
    }
    if entries.len() != usize::from(width) {
        return Err(BundleError::Count { expected: width, found: entries.len() });
    }
    Ok(entries)
}

/// Appends an entry to a bundle.
///
/// # Errors
/// [`BundleError::EntryTooLong`].
pub fn push(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), BundleError> {
    let length = u16::try_from(entry.len()).map_err(|_| BundleError::EntryTooLong(entry.len()))?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}
