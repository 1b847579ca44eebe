//! Building the index out of all leaf hashes there are, on all cores.
//!
//! Every thread reads its share of the hashes and owns its share of the shards. Entries are put in
//! in batches for one shard, whose buckets then stay in the processor's cache. Those for shards of
//! others travel through bounded channels; a thread whose peer is busy empties its own channel
//! meanwhile, so that none waits for another in a circle.

use super::{HashIndex, Layout, Mixer, SHARD_BITS, Shard};
use sigsum_core::Hash;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread;

/// Leaf hashes in a chunk: those of a full tile.
pub(crate) const CHUNK_LEAVES: u64 = 256;
/// Entries in a batch: 16 KiB, few enough to stay in the cache.
const BATCH_ENTRIES: usize = 1024;
/// Batches that may wait for a thread.
const CHANNEL_BATCHES: usize = 64;
/// Chunks from which on a build is worth threads and whole batches: below, both cost more than the
/// reading.
const SMALL_BUILD_CHUNKS: u64 = 64;
/// Most threads; more than these wait for the memory.
const MAX_THREADS: usize = 8;

/// Where the leaf hashes come from.
pub(crate) trait HashSource: Sync {
    /// Why a chunk cannot be read.
    type Error: Send;

    /// Appends the bytes of the hashes of one chunk to an empty buffer.
    ///
    /// # Errors
    /// Those of the implementation; they end the build.
    fn read_chunk(&self, chunk: u64, buffer: &mut Vec<u8>) -> Result<(), Self::Error>;
}

/// A build: what it needs and how far it is.
#[derive(Debug)]
pub(crate) struct Build {
    layout: Layout,
    chunks: u64,
    next_chunk: AtomicU64,
    /// Chunks that were read.
    done: AtomicU64,
    /// Set from outside, or by a thread that failed: the others give up.
    pub(crate) stop: AtomicBool,
}

/// Entries for one shard, with their buckets.
#[derive(Debug)]
struct Batch {
    shard: usize,
    entries: Vec<(u32, u64)>,
}

impl Build {
    /// A build of `chunks` whole chunks, laid out for `leaves` leaves.
    pub(crate) fn new(mixer: Mixer, chunks: u64, leaves: u64) -> Self {
        let layout = Layout::new(mixer, leaves);
        let next_chunk = AtomicU64::new(0);
        Self { layout, chunks, next_chunk, done: AtomicU64::new(0), stop: AtomicBool::new(false) }
    }

    /// Chunks that were read, and all of them.
    pub(crate) fn progress(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.chunks)
    }

    /// Reads all chunks; none where it was stopped.
    ///
    /// # Errors
    /// The first one of the source.
    pub(crate) fn run<S: HashSource>(&self, source: &S) -> Result<Option<HashIndex>, S::Error> {
        let threads = match self.chunks {
            ..SMALL_BUILD_CHUNKS => 1,
            _ => thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS),
        };
        let (senders, inboxes): (Vec<_>, Vec<_>) =
            (0..threads).map(|_| sync_channel::<Batch>(CHANNEL_BATCHES)).unzip();
        let results = thread::scope(|scope| {
            let workers: Vec<_> = inboxes
                .into_iter()
                .enumerate()
                .map(|(number, inbox)| {
                    let senders = senders.clone();
                    scope.spawn(move || {
                        Worker::new(self, number, threads, inbox).run(source, senders)
                    })
                })
                .collect();
            drop(senders);
            workers.into_iter().map(|worker| worker.join()).collect::<Vec<_>>()
        });
        let mut shards: Vec<Option<Shard>> = (0..1usize << SHARD_BITS).map(|_| None).collect();
        for result in results {
            let owned = result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            for (number, shard) in owned {
                if let Some(slot) = shards.get_mut(number) {
                    *slot = Some(shard);
                }
            }
        }
        if self.stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let shards = shards.into_iter().map(|s| s.unwrap_or_else(|| self.layout.new_shard()));
        Ok(Some(HashIndex::from_shards(self.layout.clone(), shards.collect())))
    }

    fn take_chunk(&self) -> Option<u64> {
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        let chunk = self.next_chunk.fetch_add(1, Ordering::Relaxed);
        (chunk < self.chunks).then_some(chunk)
    }
}

/// One thread of a build; it owns every shard whose number leaves its own when divided by the
/// number of threads.
struct Worker<'a> {
    build: &'a Build,
    number: usize,
    threads: usize,
    inbox: Receiver<Batch>,
    owned: Vec<Shard>,
}

impl<'a> Worker<'a> {
    fn new(build: &'a Build, number: usize, threads: usize, inbox: Receiver<Batch>) -> Self {
        let count = (number..1 << SHARD_BITS).step_by(threads).count();
        let owned = (0..count).map(|_| build.layout.new_shard()).collect();
        Self { build, number, threads, inbox, owned }
    }

    fn run<S: HashSource>(
        mut self,
        source: &S,
        senders: Vec<SyncSender<Batch>>,
    ) -> Result<Vec<(usize, Shard)>, S::Error> {
        let capacity = if self.build.chunks < SMALL_BUILD_CHUNKS { 0 } else { BATCH_ENTRIES };
        let batch = |shard| Batch { shard, entries: Vec::with_capacity(capacity) };
        let mut batches: Vec<Batch> = (0..1 << SHARD_BITS).map(batch).collect();
        let mut buffer = Vec::new();
        while let Some(chunk) = self.build.take_chunk() {
            buffer.clear();
            if let Err(error) = source.read_chunk(chunk, &mut buffer) {
                self.build.stop.store(true, Ordering::Relaxed);
                return Err(error);
            }
            let (hashes, _) = buffer.as_chunks::<{ Hash::LEN }>();
            for (index, hash) in (chunk * CHUNK_LEAVES..).zip(hashes) {
                let layout = &self.build.layout;
                let mixed = layout.mix(&Hash::new(*hash));
                let shard = Layout::shard(mixed);
                let Some(batch) = batches.get_mut(shard) else { continue };
                // Memory ends long before there are 2^32 buckets in a shard.
                batch.entries.push((layout.bucket(mixed) as u32, Layout::entry(mixed, index)));
                if batch.entries.len() == BATCH_ENTRIES {
                    let full = std::mem::replace(
                        batch,
                        Batch { shard, entries: Vec::with_capacity(capacity) },
                    );
                    self.deliver(&senders, full);
                }
            }
            self.build.done.fetch_add(1, Ordering::Relaxed);
            while let Ok(batch) = self.inbox.try_recv() {
                self.insert(&batch);
            }
        }
        for batch in batches {
            self.deliver(&senders, batch);
        }
        drop(senders);
        while let Ok(batch) = self.inbox.recv() {
            self.insert(&batch);
        }
        let numbers = (self.number..).step_by(self.threads);
        Ok(numbers.zip(self.owned).collect())
    }

    /// Hands a batch to its owner, and takes in what others send while the owner is busy.
    fn deliver(&mut self, senders: &[SyncSender<Batch>], mut batch: Batch) {
        let owner = batch.shard % self.threads;
        let Some(to) = senders.get(owner).filter(|_| owner != self.number) else {
            return self.insert(&batch);
        };
        loop {
            match to.try_send(batch) {
                // The owner is gone only after a failure, which ends the build anyway.
                Ok(()) | Err(TrySendError::Disconnected(_)) => return,
                Err(TrySendError::Full(back)) => batch = back,
            }
            match self.inbox.try_recv() {
                Ok(received) => self.insert(&received),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => thread::yield_now(),
            }
        }
    }

    fn insert(&mut self, batch: &Batch) {
        if let Some(shard) = self.owned.get_mut(batch.shard / self.threads) {
            for (bucket, entry) in &batch.entries {
                shard.insert(*bucket as usize, *entry);
            }
        }
    }
}
