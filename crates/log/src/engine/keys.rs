//! Decompressed submitter keys, so that a key's second leaf costs a fifth less to verify.
//!
//! Only a key that made a valid signature enters, so that forged requests cannot push others out.

use sigsum_core::crypto::VerifyingKey;
use sigsum_core::{Message, PublicKey, Signature};
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

/// Keys kept: 16 384 of 230 bytes with their table slot are 5 MiB, more submitters than a public
/// log sees in a day (288 leaves a day and domain are customary).
pub const DEFAULT_KEYS: usize = 16_384;

/// Parts with a lock each, so that two workers seldom meet.
const SHARDS: usize = 16;

/// A bounded cache that drops what was not used since the hand passed it (the clock algorithm).
#[derive(Debug)]
pub struct KeyCache {
    shards: Vec<RwLock<Shard>>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Shard {
    places: HashMap<PublicKey, usize>,
    slots: Vec<Slot>,
    hand: usize,
    capacity: usize,
}

#[derive(Debug)]
struct Slot {
    key: VerifyingKey,
    used: AtomicBool,
}

impl KeyCache {
    /// A cache of about this many keys.
    pub fn new(keys: usize) -> Self {
        let capacity = keys.div_ceil(SHARDS).max(1);
        let shard = || RwLock::new(Shard { capacity, ..Shard::default() });
        Self { shards: (0..SHARDS).map(|_| shard()).collect(), hasher: RandomState::new() }
    }

    /// Whether the leaf signature over this message's checksum verifies under the key.
    #[must_use]
    pub fn verify(&self, key: &PublicKey, message: &Message, signature: &Signature) -> bool {
        let signed = sigsum_core::leaf::leaf_signing_bytes(&message.checksum());
        let Some(shard) = self.shard(key) else { return key.verify(&signed, signature) };
        let known = shard.read().unwrap_or_else(PoisonError::into_inner).get(key);
        if let Some(known) = known {
            return known.verify(&signed, signature);
        }
        let Some(fresh) = VerifyingKey::new(key) else { return false };
        let valid = fresh.verify(&signed, signature);
        if valid {
            shard.write().unwrap_or_else(PoisonError::into_inner).insert(fresh);
        }
        valid
    }

    /// Keys that are kept now.
    pub fn len(&self) -> usize {
        let count = |s: &RwLock<Shard>| s.read().map_or(0, |s| s.slots.len());
        self.shards.iter().map(count).sum()
    }

    /// Whether no key is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, key: &PublicKey) -> Option<&RwLock<Shard>> {
        let hash = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        self.shards.get(hash)
    }
}

impl Shard {
    fn get(&self, key: &PublicKey) -> Option<VerifyingKey> {
        let slot = self.slots.get(*self.places.get(key)?)?;
        slot.used.store(true, Ordering::Relaxed);
        Some(slot.key.clone())
    }

    fn insert(&mut self, key: VerifyingKey) {
        let name = *key.public_key();
        if self.places.contains_key(&name) {
            return;
        }
        let fresh = Slot { key, used: AtomicBool::new(false) };
        if self.slots.len() < self.capacity {
            self.places.insert(name, self.slots.len());
            self.slots.push(fresh);
            return;
        }
        // Every pass clears the mark, so the second round finds a slot at the latest.
        for _ in 0..self.slots.len().saturating_mul(2) {
            let place = self.hand;
            self.hand = (place + 1) % self.slots.len();
            let Some(slot) = self.slots.get_mut(place) else { return };
            if !slot.used.swap(false, Ordering::Relaxed) {
                self.places.remove(slot.key.public_key());
                *slot = fresh;
                self.places.insert(name, place);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigsum_keys::{Ed25519Signer, SigningSeed};

    fn signer(number: u8) -> Ed25519Signer {
        Ed25519Signer::from_seed(&SigningSeed::from_bytes([number; 32]))
    }

    fn sign(signer: &Ed25519Signer, message: &Message) -> Signature {
        signer.sign_now(&sigsum_core::leaf::leaf_signing_bytes(&message.checksum()))
    }

    fn verify(cache: &KeyCache, number: u8) -> bool {
        let signer = signer(number);
        let message = Message::new([number; 32]);
        cache.verify(&signer.public_key(), &message, &sign(&signer, &message))
    }

    #[test]
    fn a_cached_key_verifies_what_a_fresh_one_does() {
        let cache = KeyCache::new(16);
        let key = signer(1).public_key();
        let message = Message::new([5; 32]);
        let good = sign(&signer(1), &message);
        for _ in 0..2 {
            assert!(cache.verify(&key, &message, &good));
            assert!(!cache.verify(&key, &Message::new([6; 32]), &good));
            assert!(!cache.verify(&key, &message, &sign(&signer(2), &message)));
        }
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn forged_requests_and_bytes_that_are_no_key_do_not_enter() {
        let cache = KeyCache::new(16);
        let signature = Signature::new([1; 64]);
        assert!(!cache.verify(&signer(1).public_key(), &Message::new([0; 32]), &signature));
        // y = 2 is on no point of the curve.
        let mut no_point = [0; 32];
        no_point[0] = 2;
        assert!(!cache.verify(&PublicKey::new(no_point), &Message::new([0; 32]), &signature));
        assert!(cache.is_empty());
    }

    #[test]
    fn the_cache_stays_within_its_bound() {
        let cache = KeyCache::new(SHARDS);
        assert!((0..100).all(|number| verify(&cache, number)));
        assert!(cache.len() <= SHARDS, "{} keys", cache.len());
        assert!((0..100).all(|number| verify(&cache, number)), "evicted keys verify too");
    }

    #[test]
    fn a_key_in_use_outlives_keys_seen_once() {
        let mut shard = Shard { capacity: 4, ..Shard::default() };
        let key = |number| VerifyingKey::new(&signer(number).public_key()).expect("a point");
        for number in 0..4 {
            shard.insert(key(number));
        }
        for number in 4..50 {
            assert!(shard.get(&signer(0).public_key()).is_some(), "before key {number}");
            shard.insert(key(number));
        }
        assert_eq!((shard.slots.len(), shard.places.len()), (4, 4));
    }
}
