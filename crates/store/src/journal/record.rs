//! One journal record: some leaves, committed together.
//!
//! ```text
//! length of what is behind the checksum   4 bytes, little endian
//! CRC-32C of the segment's secret and
//!   everything but itself                 4 bytes, little endian
//! index of the first leaf                 8 bytes, little endian
//! leaves                                  128 bytes each, at least one
//! ```
//!
//! A [`Mark`] has the same header, with the index behind the last leaf, and no leaves; it is
//! overwritten by the next record. Versions that know no marks take them for the end.

use super::segment::Seed;
use sigsum_core::Leaf;

/// A leaf's binary form.
pub(crate) type LeafBytes = [u8; Leaf::LEN];

/// Bytes before the leaves.
pub(crate) const HEADER_BYTES: usize = 16;
/// Bytes of the header that the length counts: the index.
const COUNTED_HEADER_BYTES: usize = 8;
/// Records begin at multiples of this: header and leaf lengths both are.
pub(crate) const ALIGNMENT: usize = 16;

/// A record that was read: its checksum was right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    /// Index of the first leaf.
    pub(crate) first: u64,
    /// The leaves; one at least.
    pub(crate) leaves: &'a [LeafBytes],
}

impl Record<'_> {
    /// Index behind the last leaf.
    pub(crate) fn end(&self) -> u64 {
        self.first.saturating_add(self.leaves.len() as u64)
    }

    /// Bytes of the record.
    pub(crate) fn len(&self) -> usize {
        record_bytes(self.leaves.len())
    }
}

/// Bytes of a record of so many leaves.
pub(crate) fn record_bytes(leaves: usize) -> usize {
    HEADER_BYTES + leaves * Leaf::LEN
}

/// Appends a record to a buffer. The caller sees to it that there are leaves and that their bytes
/// stay far below 2^32.
pub(crate) fn write(seed: Seed, first: u64, leaves: &[LeafBytes], out: &mut Vec<u8>) {
    let length = (COUNTED_HEADER_BYTES + leaves.len() * Leaf::LEN) as u32;
    let body = leaves.as_flattened();
    out.reserve(HEADER_BYTES + body.len());
    out.extend_from_slice(&length.to_le_bytes());
    let sum = seed.checksum([&length.to_le_bytes(), &first.to_le_bytes(), body]);
    out.extend_from_slice(&sum.to_le_bytes());
    out.extend_from_slice(&first.to_le_bytes());
    out.extend_from_slice(body);
}

/// A record that a header announces; its checksum has not been looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Announced<'a> {
    record: Record<'a>,
    length: [u8; 4],
    checksum: u32,
}

impl<'a> Announced<'a> {
    /// Reads the header at the start of the bytes; none where no record can begin like that, or
    /// where it would end behind the bytes.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (checksum, rest) = rest.split_first_chunk::<4>()?;
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let counted = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let body = rest.get(..counted.checked_sub(COUNTED_HEADER_BYTES)?)?;
        let (leaves, odd) = body.as_chunks::<{ Leaf::LEN }>();
        if leaves.is_empty() || !odd.is_empty() {
            return None;
        }
        let record = Record { first: u64::from_le_bytes(*first), leaves };
        Some(Self { record, length: *length, checksum: u32::from_le_bytes(*checksum) })
    }

    /// Index of the first leaf, as far as the header can be trusted.
    pub(crate) fn first(&self) -> u64 {
        self.record.first
    }

    /// Bytes of the record, as far as the header can be trusted.
    pub(crate) fn len(&self) -> usize {
        self.record.len()
    }

    /// The record, if its checksum is right for a segment with this seed.
    pub(crate) fn check(&self, seed: Seed) -> Option<Record<'a>> {
        let Record { first, leaves } = self.record;
        let right = seed.checksum([&self.length, &first.to_le_bytes(), leaves.as_flattened()]);
        (right == self.checksum).then_some(self.record)
    }
}

/// What is known of the leaves before it. It was written after they were durable, so that a broken
/// record before it cannot have been torn by a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// All leaves below this index are durable. Not durable itself: it is there soon after.
    Durable(u64),
    /// As above, and the next leaf is in the segment of that name, which is durable too.
    Continued(u64),
}

/// What tells [`Mark::Continued`] from [`Mark::Durable`], which has nothing behind its index.
const CONTINUED: &[u8; 16] = b"continued behind";
/// Bytes of the longest mark: kept free at the end of a segment.
pub(crate) const MARK_BYTES: usize = HEADER_BYTES + CONTINUED.len();

impl Mark {
    /// Index behind the last leaf before it.
    pub(crate) fn index(self) -> u64 {
        match self {
            Self::Durable(index) | Self::Continued(index) => index,
        }
    }

    /// Its bytes in a segment with this seed.
    pub(crate) fn to_bytes(self, seed: Seed) -> Vec<u8> {
        let body: &[u8] = match self {
            Self::Durable(_) => &[],
            Self::Continued(_) => CONTINUED,
        };
        let length = ((COUNTED_HEADER_BYTES + body.len()) as u32).to_le_bytes();
        let index = self.index().to_le_bytes();
        let sum = seed.checksum([&length, &index, body]).to_le_bytes();
        [&length[..], &sum, &index, body].concat()
    }

    /// Reads one of a segment with this seed at the start of the bytes.
    pub(crate) fn read(bytes: &[u8], seed: Seed) -> Option<Self> {
        let (index, _) = bytes.get(COUNTED_HEADER_BYTES..)?.split_first_chunk::<8>()?;
        let index = u64::from_le_bytes(*index);
        let marks = [Self::Durable(index), Self::Continued(index)];
        marks.into_iter().find(|mark| bytes.starts_with(&mark.to_bytes(seed)))
    }
}
