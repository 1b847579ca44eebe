//! A segment file: its name, and the start that makes its checksums its own.
//!
//! ```text
//! `sigsum journal 2`                      16 bytes
//! secret                                  12 bytes, random, of this file
//! CRC-32C of both                          4 bytes, little endian
//! records
//! the same 32 bytes again, at the very end
//! ```
//!
//! What a submitter sends stands in the file as it came, and parts of a leaf can be chosen freely: a
//! part of its signature where the key is of small order. Without the secret a leaf could hold what
//! is read as a record or mark when a record is torn before it, or when the file is used again.
//!
//! Segments of earlier versions have a name without [`SUFFIX`], no start, and checksums without a
//! secret. Those versions do not take the others for segments, and refuse to start without any.

use super::DIR;
use super::record::ALIGNMENT;
use crate::durable::{FileError, Operation, failed, write_synced};
use crate::fs::PRIVATE_FILE;
use crate::place::Place;
use std::io;

/// Bytes of a segment: over 8000 leaves, so that at 30 000 leaves a second one commit in a hundred
/// begins a new one; small enough to be nothing beside a log, and to be read whole at start.
pub(crate) const SEGMENT_BYTES: usize = 1 << 20;
/// Begins a segment.
const MAGIC: &[u8; 16] = b"sigsum journal 2";
/// Bytes of the secret: nobody can guess them, nor the 32 bits that are left of them in a checksum
/// without sending some 2^32 leaves.
const SECRET_BYTES: usize = 12;
/// Where the records of a segment begin.
pub(crate) const START_BYTES: usize = MAGIC.len() + SECRET_BYTES + 4;
/// Where they end at the latest: behind it is the start once more, in case the first rots.
pub(crate) const END: usize = SEGMENT_BYTES - START_BYTES;
const _: () = assert!(START_BYTES.is_multiple_of(ALIGNMENT));

/// Behind the number in a segment's name. No digit but 0: see `open::is_in_use`.
const SUFFIX: &str = ".keyed";

/// Which segment a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentName {
    /// Index of the leaf that was due when it was begun.
    pub(crate) first: u64,
    /// Whether an earlier version made it.
    pub(crate) is_old: bool,
}

impl SegmentName {
    /// Of a segment that is begun now.
    pub(crate) fn new(first: u64) -> Self {
        Self { first, is_old: false }
    }

    /// Reads the name of a file, without the directory.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let digits = name.strip_suffix(SUFFIX);
        let (digits, is_old) = (digits.unwrap_or(name), digits.is_none());
        let is_number = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
        let first = digits.parse().ok().filter(|_| is_number)?;
        Some(Self { first, is_old })
    }

    /// The name in the data directory.
    pub(crate) fn path(self) -> String {
        let suffix = if self.is_old { "" } else { SUFFIX };
        format!("{DIR}/{:020}{suffix}", self.first)
    }
}

/// What the checksums of a segment begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seed(u32);

impl Seed {
    /// Of a segment that an earlier version made.
    pub(crate) const NONE: Self = Self(0);

    /// Of a segment with this secret.
    pub(crate) fn of(secret: &[u8]) -> Self {
        Self(crc32c::crc32c(secret))
    }

    /// The checksum of bytes in parts.
    pub(crate) fn checksum(self, parts: [&[u8]; 3]) -> u32 {
        parts.into_iter().fold(self.0, crc32c::crc32c_append)
    }
}

/// The seed in a segment's first bytes.
pub(crate) fn seed_at_start(bytes: &[u8]) -> Option<Seed> {
    let (start, sum) = bytes.get(..START_BYTES)?.split_last_chunk::<4>()?;
    let secret = start.strip_prefix(MAGIC)?;
    (crc32c::crc32c(start).to_le_bytes() == *sum).then(|| Seed::of(secret))
}

/// The seed of a whole segment.
pub(crate) fn seed(bytes: &[u8]) -> Option<Seed> {
    seed_at_start(bytes).or_else(|| seed_at_start(bytes.get(END..)?))
}

/// Makes a segment without records, all of whose bytes exist, so that no write to it has to grow it;
/// whole when it has its name.
pub(crate) fn make(place: &Place, name: &str) -> Result<Seed, FileError> {
    let path = place.join(name);
    let mut secret = [0; SECRET_BYTES];
    let random = getrandom::fill(&mut secret).map_err(|e| io::Error::other(e.to_string()));
    random.map_err(failed(Operation::Create, &path))?;
    let mut start = [MAGIC.as_slice(), &secret].concat();
    start.extend_from_slice(&crc32c::crc32c(&start).to_le_bytes());
    let mut bytes = start.clone();
    bytes.resize(END, 0);
    bytes.extend_from_slice(&start);
    let temporary = format!("{name}.tmp");
    write_synced(place.fs(), &place.join(&temporary), &bytes, PRIVATE_FILE)
        .and_then(|()| place.rename(&temporary, name))
        .inspect_err(|_| {
            let _ = place.remove_file(&temporary); // the first error is the one to report
        })?;
    place.sync_dir(DIR)?;
    Ok(Seed::of(&secret))
}
