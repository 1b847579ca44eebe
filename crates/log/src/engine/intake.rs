//! Leaves between their request and their commit: one place per leaf hash, any number of waiters.
//!
//! The sequencer owns one [`Intake`] behind a lock. A leaf hash is in it from its first request
//! until its batch is durable *and* indexed, so that a second request meets it either here or in
//! the index, and no leaf gets two indices.

use sigsum_core::{Hash, Leaf};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Leaves that wait for a commit or are being committed. At the bar of 12 000 leaves a second this
/// is more than one second of a stalled disk; with 128 bytes, a hash and a waiter each it is 6 MiB.
pub const MAX_WAITING_LEAVES: usize = 16_384;
/// Requests that wait for those leaves (many may wait for one).
pub const MAX_WAITERS: usize = 65_536;
/// A commit is due at once when this many leaves wait (measured: `docs/decisions`, add-leaf).
pub const FULL_BATCH: usize = 64;
/// Leaves in one commit at most; 1024 are 128 KiB, still one write.
pub const MAX_BATCH: usize = 1024;

/// What became of an offered leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// It waits for a commit.
    Queued {
        /// Whether the sequencer has to be told: it is the first, or completes a full batch.
        wake: bool,
    },
    /// The same leaf waits already; this request shares its outcome.
    Joined,
    /// Too much waits; nothing was changed.
    Full,
}

/// A leaf with its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashedLeaf {
    /// RFC 6962 leaf hash of `leaf`.
    pub hash: Hash,
    /// The leaf.
    pub leaf: Leaf,
}

/// The waiting leaves, who waits for them, and what each leaf's first request was let in with.
#[derive(Debug)]
pub struct Intake<W, P> {
    waiting: Vec<HashedLeaf>,
    in_flight: HashMap<Hash, Waiters<W, P>>,
    waiters: usize,
}

#[derive(Debug)]
struct Waiters<W, P> {
    permit: P,
    first: W,
    more: Vec<W>,
}

/// A batch whose commit is over.
#[derive(Debug, PartialEq, Eq)]
pub struct Finished<W, P> {
    /// Everyone who waited for it.
    pub waiters: Vec<W>,
    /// The permits of its leaves, in the order of the batch.
    pub permits: Vec<P>,
}

impl<W, P> Default for Intake<W, P> {
    fn default() -> Self {
        Self { waiting: Vec::new(), in_flight: HashMap::new(), waiters: 0 }
    }
}

impl<W, P> Intake<W, P> {
    /// Takes a leaf that the index does not know, or a further waiter for one that is in flight.
    /// The waiter is dropped where the answer is [`Offered::Full`]. A leaf's first request only is
    /// asked to be let in.
    ///
    /// # Errors
    /// That of `admit`; nothing was changed.
    pub fn offer<E>(
        &mut self,
        leaf: HashedLeaf,
        waiter: W,
        admit: impl FnOnce() -> Result<P, E>,
    ) -> Result<Offered, E> {
        let full = self.in_flight.len() >= MAX_WAITING_LEAVES;
        if self.waiters >= MAX_WAITERS {
            return Ok(Offered::Full);
        }
        Ok(match self.in_flight.entry(leaf.hash) {
            Entry::Occupied(mut entry) => {
                entry.get_mut().more.push(waiter);
                self.waiters += 1;
                Offered::Joined
            }
            Entry::Vacant(_) if full => Offered::Full,
            Entry::Vacant(entry) => {
                let permit = admit()?;
                entry.insert(Waiters { permit, first: waiter, more: Vec::new() });
                self.waiters += 1;
                self.waiting.push(leaf);
                let waiting = self.waiting.len();
                Offered::Queued { wake: waiting == 1 || waiting == FULL_BATCH }
            }
        })
    }

    /// Whether this leaf waits or is being committed.
    pub fn contains(&self, hash: &Hash) -> bool {
        self.in_flight.contains_key(hash)
    }

    /// Leaves that no commit has taken yet.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Leaves for the next commit, in order of arrival, at most [`MAX_BATCH`].
    pub fn take_batch(&mut self) -> Vec<HashedLeaf> {
        if self.waiting.len() <= MAX_BATCH {
            return std::mem::take(&mut self.waiting);
        }
        let later = self.waiting.split_off(MAX_BATCH);
        std::mem::replace(&mut self.waiting, later)
    }

    /// The commit of this batch is over, well or badly.
    pub fn finish(&mut self, batch: &[HashedLeaf]) -> Finished<W, P> {
        let mut waiters = Vec::with_capacity(batch.len());
        let mut permits = Vec::with_capacity(batch.len());
        for leaf in batch {
            if let Some(over) = self.in_flight.remove(&leaf.hash) {
                waiters.push(over.first);
                waiters.extend(over.more);
                permits.push(over.permit);
            }
        }
        self.waiters = self.waiters.saturating_sub(waiters.len());
        Finished { waiters, permits }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigsum_core::{Checksum, KeyHash, Signature};

    fn leaf(number: u32) -> HashedLeaf {
        let mut checksum = [0; 32];
        checksum[..4].copy_from_slice(&number.to_be_bytes());
        let leaf = Leaf {
            checksum: Checksum::new(checksum),
            signature: Signature::new([1; 64]),
            key_hash: KeyHash::new([2; 32]),
        };
        HashedLeaf { hash: leaf.hash(), leaf }
    }

    /// Lets everybody in.
    fn offer<W>(intake: &mut Intake<W, u32>, leaf: HashedLeaf, waiter: W) -> Offered {
        let permit = u32::from_be_bytes(leaf.leaf.checksum.as_bytes()[..4].try_into().unwrap());
        intake.offer(leaf, waiter, || Ok::<_, ()>(permit)).unwrap()
    }

    #[test]
    fn only_a_leaf_that_is_not_in_flight_is_asked_to_be_let_in() {
        let mut intake = Intake::default();
        let refused = intake.offer(leaf(1), 'a', || Err::<u32, _>("no"));
        assert_eq!(refused, Err("no"));
        assert!(!intake.contains(&leaf(1).hash));
        assert_eq!(offer(&mut intake, leaf(1), 'b'), Offered::Queued { wake: true });
        assert_eq!(offer(&mut intake, leaf(2), 'c'), Offered::Queued { wake: false });
        let joined = intake.offer(leaf(1), 'd', || -> Result<u32, ()> { unreachable!() });
        assert_eq!(joined, Ok(Offered::Joined));
        let batch = intake.take_batch();
        let finished = Finished { waiters: vec!['b', 'd', 'c'], permits: vec![1, 2] };
        assert_eq!(intake.finish(&batch), finished);
    }

    #[test]
    fn the_first_leaf_and_a_full_batch_wake_the_sequencer() {
        let mut intake = Intake::default();
        for number in 0..200 {
            let wake = number == 0 || number as usize == FULL_BATCH - 1;
            assert_eq!(
                offer(&mut intake, leaf(number), number),
                Offered::Queued { wake },
                "{number}"
            );
        }
    }

    #[test]
    fn the_same_leaf_has_one_place_before_and_during_its_commit() {
        let mut intake = Intake::default();
        offer(&mut intake, leaf(1), "first");
        assert_eq!(offer(&mut intake, leaf(1), "while it waits"), Offered::Joined);
        let batch = intake.take_batch();
        assert_eq!(batch, [leaf(1)]);
        assert_eq!(offer(&mut intake, leaf(1), "while it is committed"), Offered::Joined);
        assert_eq!(intake.waiting(), 0, "it is not committed twice");
        let told = ["first", "while it waits", "while it is committed"];
        assert_eq!(intake.finish(&batch).waiters, told);
        assert!(!intake.contains(&leaf(1).hash));
    }

    #[test]
    fn leaves_that_come_during_a_commit_wait_for_the_next() {
        let mut intake = Intake::default();
        offer(&mut intake, leaf(1), 1);
        let first = intake.take_batch();
        assert_eq!(offer(&mut intake, leaf(2), 2), Offered::Queued { wake: true });
        assert_eq!(intake.finish(&first).waiters, [1]);
        assert_eq!(intake.take_batch(), [leaf(2)]);
    }

    #[test]
    fn after_a_failed_commit_a_leaf_may_come_again() {
        let mut intake = Intake::default();
        offer(&mut intake, leaf(1), 1);
        let batch = intake.take_batch();
        intake.finish(&batch);
        assert_eq!(offer(&mut intake, leaf(1), 1), Offered::Queued { wake: true });
    }

    #[test]
    fn a_batch_is_bounded_and_in_order_of_arrival() {
        let mut intake = Intake::default();
        for number in 0..1500 {
            offer(&mut intake, leaf(number), ());
        }
        let numbers = |batch: Vec<HashedLeaf>| batch.iter().map(|l| l.hash).collect::<Vec<_>>();
        let all: Vec<_> = (0..1500).map(|number| leaf(number).hash).collect();
        assert_eq!(numbers(intake.take_batch()), all[..MAX_BATCH]);
        assert_eq!(numbers(intake.take_batch()), all[MAX_BATCH..]);
    }

    #[test]
    fn leaves_and_waiters_are_bounded_and_leave_room_again() {
        let mut intake = Intake::default();
        for number in 0..MAX_WAITING_LEAVES as u32 {
            assert_ne!(offer(&mut intake, leaf(number), ()), Offered::Full);
        }
        assert_eq!(offer(&mut intake, leaf(1 << 30), ()), Offered::Full);
        let mut joined = MAX_WAITING_LEAVES;
        while offer(&mut intake, leaf(0), ()) == Offered::Joined {
            joined += 1;
        }
        assert_eq!(joined, MAX_WAITERS);
        let batch = intake.take_batch();
        assert_eq!(
            intake.finish(&batch).waiters.len(),
            MAX_BATCH + MAX_WAITERS - MAX_WAITING_LEAVES
        );
        assert_ne!(offer(&mut intake, leaf(1 << 30), ()), Offered::Full);
    }
}
