//! The start of a segment file: what makes its checksums its own.
//!
//! ```text
//! `sigsum journal 2`       16 bytes
//! secret                   16 bytes, random, of this file
//! records                  from there on
//! ```
//!
//! What a submitter sends stands in the file as it came, and parts of a leaf can be chosen freely: a
//! part of its signature where the key is of small order. Without the secret a leaf could hold what
//! is read as a record or mark when a record is torn before it, or when the file is used again.
//! Segments of versions before this one have no such start, and checksums without a secret.

use super::DIR;
use super::record::ALIGNMENT;
use crate::durable::{FileError, Operation, failed, write_synced};
use crate::fs::PRIVATE_FILE;
use crate::place::Place;
use std::io;

/// Bytes of a segment: over 8000 leaves, so that at 30 000 leaves a second one commit in a hundred
/// begins a new one; small enough to be nothing beside a log, and to be read whole at start.
pub(crate) const SEGMENT_BYTES: usize = 1 << 20;
/// Begins a segment. As a record's header it would announce more than a segment holds.
const MAGIC: &[u8; 16] = b"sigsum journal 2";
/// Bytes of the secret: nobody can guess them, nor the 32 bits that are left of them in a checksum
/// without sending some 2^32 leaves.
const SECRET_BYTES: usize = 16;
/// Where the records of a segment begin.
pub(crate) const START_BYTES: usize = MAGIC.len() + SECRET_BYTES;
const _: () = assert!(START_BYTES.is_multiple_of(ALIGNMENT));

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

/// The seed of a segment, and where its records begin.
pub(crate) fn start(bytes: &[u8]) -> (Seed, usize) {
    let rest = bytes.strip_prefix(MAGIC).and_then(|rest| rest.get(..SECRET_BYTES));
    rest.map_or((Seed::NONE, 0), |secret| (Seed::of(secret), START_BYTES))
}

/// Makes a segment without records, all of whose bytes exist, so that no write to it has to grow it;
/// whole when it has its name.
pub(crate) fn make(place: &Place, name: &str) -> Result<Seed, FileError> {
    let path = place.join(name);
    let mut secret = [0; SECRET_BYTES];
    let random = getrandom::fill(&mut secret).map_err(|e| io::Error::other(e.to_string()));
    random.map_err(failed(Operation::Create, &path))?;
    let mut bytes = [MAGIC.as_slice(), &secret].concat();
    bytes.resize(SEGMENT_BYTES, 0);
    let temporary = format!("{name}.tmp");
    write_synced(place.fs(), &place.join(&temporary), &bytes, PRIVATE_FILE)
        .and_then(|()| place.rename(&temporary, name))
        .inspect_err(|_| {
            let _ = place.remove_file(&temporary); // the first error is the one to report
        })?;
    place.sync_dir(DIR)?;
    Ok(Seed::of(&secret))
}
