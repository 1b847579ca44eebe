//! Where a leaf is, by its hash: in memory, rebuilt at every start.
//!
//! `2^k` buckets of entries of eight bytes: 24 bits of tag, 40 bits of leaf index. Bucket and tag
//! come from a mix of the leaf hash with a secret of this process, since submitters can choose
//! among leaf hashes. What is found here is a *candidate*: the caller compares the whole hash with
//! the truth, and two leaves may well have the same bucket and tag.
//!
//! About 11 bytes a leaf after a start. The number of buckets, and the room in them, is fixed at
//! start from the size of the log; what comes later goes into overflow buckets that grow one by
//! one, never all at once. A restart is what makes them short again.

mod build;
mod mix;
#[cfg(test)]
mod tests;

pub(crate) use build::{Build, CHUNK_LEAVES, HashSource};
pub(crate) use mix::Mixer;

use sigsum_core::Hash;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// Bits of an entry that hold the leaf index.
const INDEX_BITS: u32 = 40;
/// Most leaves that can be indexed; at 12.7 bytes a leaf, long beyond the memory of one machine.
pub(crate) const MAX_LEAVES: u64 = 1 << INDEX_BITS;
const TAG_MASK: u64 = (1 << (64 - INDEX_BITS)) - 1;

/// Parts with a lock of their own, so that readers and the one writer rarely meet. A power of two.
const SHARD_BITS: u32 = 6;
/// At least so many buckets (2 MiB of them), so that a log that starts empty and grows to ten
/// million leaves without a restart has 150 entries in a bucket, which is a microsecond.
const MIN_BUCKET_BITS: u32 = 16;
/// Entries that any bucket has room for.
const MIN_ROOM: usize = 4;
/// Leaves for each bucket at start; between half of this and all of it, as buckets are a power of
/// two.
const LEAVES_PER_BUCKET: u64 = 32;

/// Which bucket and tag a leaf hash has.
#[derive(Debug, Clone)]
struct Layout {
    mixer: Mixer,
    bucket_bits: u32,
    /// Entries that a bucket has room for from the start.
    room: usize,
}

/// A leaf hash, mixed.
#[derive(Debug, Clone, Copy)]
struct Mixed(u64);

impl Layout {
    fn new(mixer: Mixer, leaves: u64) -> Self {
        let buckets = (leaves / LEAVES_PER_BUCKET).max(1).next_power_of_two();
        // Tag and bucket bits must not overlap.
        let bucket_bits = buckets.ilog2().clamp(MIN_BUCKET_BITS, INDEX_BITS);
        // Entries are spread at random (Poisson): with room for one and a half standard deviations
        // above the mean, one bucket in fifteen overflows.
        let mean = leaves.min(MAX_LEAVES) >> bucket_bits;
        let room = usize::try_from(mean + (mean * 9 / 4).isqrt()).unwrap_or(0).max(MIN_ROOM);
        Self { mixer, bucket_bits, room }
    }

    fn mix(&self, hash: &Hash) -> Mixed {
        Mixed(self.mixer.mix(hash))
    }

    fn shard(mixed: Mixed) -> usize {
        (mixed.0 >> (64 - SHARD_BITS)) as usize
    }

    fn bucket(&self, mixed: Mixed) -> usize {
        // The bits behind those that name the shard.
        ((mixed.0 << SHARD_BITS) >> (64 - self.shard_bucket_bits())) as usize
    }

    fn shard_bucket_bits(&self) -> u32 {
        self.bucket_bits - SHARD_BITS
    }

    fn entry(mixed: Mixed, index: u64) -> u64 {
        ((mixed.0 & TAG_MASK) << INDEX_BITS) | (index & (MAX_LEAVES - 1))
    }

    fn new_shard(&self) -> Shard {
        Shard::new(1 << self.shard_bucket_bits(), self.room)
    }
}

/// Some of the buckets. Those of one shard are one piece of memory, so that adding an entry misses
/// the processor's cache once.
#[derive(Debug)]
struct Shard {
    /// Entries that a bucket has room for here.
    room: usize,
    /// Entries in each bucket, up to its room.
    used: Vec<u16>,
    /// The buckets, one behind the other.
    slots: Vec<u64>,
    /// Further entries of buckets that are full.
    overflow: HashMap<usize, Vec<u64>>,
}

impl Shard {
    fn new(buckets: usize, room: usize) -> Self {
        let slots = vec![0; buckets * room];
        Self { room, used: vec![0; buckets], slots, overflow: HashMap::new() }
    }

    fn insert(&mut self, bucket: usize, entry: u64) {
        // The layout gives no bucket that is not there.
        let Some(used) = self.used.get_mut(bucket) else { return };
        if usize::from(*used) < self.room {
            if let Some(slot) = self.slots.get_mut(bucket * self.room + usize::from(*used)) {
                *slot = entry;
                *used += 1;
            }
            return;
        }
        let more = self.overflow.entry(bucket).or_default();
        if more.len() == more.capacity() {
            // By a quarter at a time: half of what Vec would waste.
            more.reserve_exact((more.len() / 4).max(4));
        }
        more.push(entry);
    }

    /// All entries of a bucket.
    fn entries(&self, bucket: usize) -> impl Iterator<Item = u64> {
        let used = self.used.get(bucket).map_or(0, |used| usize::from(*used));
        let slots = self.slots.get(bucket * self.room..).and_then(|slots| slots.get(..used));
        // Only a full bucket has more elsewhere.
        let more = if used == self.room { self.overflow.get(&bucket) } else { None };
        slots.into_iter().flatten().chain(more.into_iter().flatten()).copied()
    }
}

/// The index.
#[derive(Debug)]
pub(crate) struct HashIndex {
    layout: Layout,
    shards: Vec<RwLock<Shard>>,
}

impl HashIndex {
    /// An empty one, laid out for so many leaves.
    #[cfg(test)]
    pub(crate) fn new(mixer: Mixer, leaves: u64) -> Self {
        let layout = Layout::new(mixer, leaves);
        let shards = (0..1usize << SHARD_BITS).map(|_| layout.new_shard()).collect();
        Self::from_shards(layout, shards)
    }

    fn from_shards(layout: Layout, shards: Vec<Shard>) -> Self {
        Self { layout, shards: shards.into_iter().map(RwLock::new).collect() }
    }

    /// Adds a leaf; the same hash may be added with several indices.
    pub(crate) fn insert(&self, hash: &Hash, index: u64) {
        let mixed = self.layout.mix(hash);
        if let Some(shard) = self.shards.get(Layout::shard(mixed)) {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            shard.insert(self.layout.bucket(mixed), Layout::entry(mixed, index));
        }
    }

    /// Indices that may be those of the leaf with this hash, in the order they were added; empty
    /// nearly always where there is no such leaf.
    pub(crate) fn candidates(&self, hash: &Hash) -> Vec<u64> {
        let mixed = self.layout.mix(hash);
        let Some(shard) = self.shards.get(Layout::shard(mixed)) else { return Vec::new() };
        let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
        let tag = mixed.0 & TAG_MASK;
        let entries = shard.entries(self.layout.bucket(mixed));
        let same_tag = entries.filter(|entry| entry >> INDEX_BITS == tag);
        same_tag.map(|entry| entry & (MAX_LEAVES - 1)).collect()
    }
}
