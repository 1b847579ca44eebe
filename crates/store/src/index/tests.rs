//! Tests of the index.

use super::{Build, CHUNK_LEAVES, HashIndex, HashSource, MAX_LEAVES, Mixer};
use sigsum_core::Hash;
use sigsum_core::crypto::sha256;

fn hash(n: u64) -> Hash {
    Hash::new(sha256(&n.to_be_bytes()))
}

/// Every hash gets bucket 0 and tag 0.
fn colliding() -> Mixer {
    Mixer::new(&[0; Mixer::SECRET_BYTES])
}

/// Fails to read a chunk, if any.
struct Numbers {
    broken_chunk: Option<u64>,
}

const NUMBERS: Numbers = Numbers { broken_chunk: None };

impl HashSource for Numbers {
    type Error = u64;
    fn read_chunk(&self, chunk: u64, buffer: &mut Vec<u8>) -> Result<(), u64> {
        if Some(chunk) == self.broken_chunk {
            return Err(chunk);
        }
        let numbers = chunk * CHUNK_LEAVES..(chunk + 1) * CHUNK_LEAVES;
        numbers.for_each(|n| buffer.extend_from_slice(hash(n).as_bytes()));
        Ok(())
    }
}

#[test]
fn a_leaf_that_was_added_is_a_candidate() {
    let index = HashIndex::new(Mixer::random().unwrap(), 0);
    (0..5000).for_each(|n| index.insert(&hash(n), n * 3));
    for n in 0..5000 {
        assert!(index.candidates(&hash(n)).contains(&(n * 3)));
    }
    let strangers = (5000..10_000).filter(|n| !index.candidates(&hash(*n)).is_empty()).count();
    assert!(strangers < 5, "{strangers} false candidates among 5000");
}

#[test]
fn equal_buckets_and_tags_keep_all_entries() {
    let index = HashIndex::new(colliding(), 0);
    (0..300).for_each(|n| index.insert(&hash(n), n));
    assert_eq!(index.candidates(&hash(77)), (0..300).collect::<Vec<_>>());
}

#[test]
fn the_same_hash_may_be_added_twice() {
    let index = HashIndex::new(Mixer::random().unwrap(), 0);
    index.insert(&hash(1), 10);
    index.insert(&hash(1), 20);
    assert_eq!(index.candidates(&hash(1)), [10, 20]);
}

#[test]
fn the_largest_index_fits() {
    let index = HashIndex::new(Mixer::random().unwrap(), 0);
    index.insert(&hash(1), MAX_LEAVES - 1);
    assert_eq!(index.candidates(&hash(1)), [MAX_LEAVES - 1]);
}

#[test]
fn a_build_finds_what_was_read() {
    for mixer in [Mixer::random().unwrap(), colliding()] {
        let chunks = 20;
        let index =
            Build::new(mixer, chunks, chunks * CHUNK_LEAVES).run(&NUMBERS).unwrap().unwrap();
        for n in 0..chunks * CHUNK_LEAVES {
            assert!(index.candidates(&hash(n)).contains(&n));
        }
    }
}

#[test]
fn a_build_of_nothing_is_empty() {
    let index = Build::new(Mixer::random().unwrap(), 0, 0).run(&NUMBERS).unwrap().unwrap();
    assert!(index.candidates(&hash(0)).is_empty());
}

#[test]
fn a_chunk_that_cannot_be_read_ends_a_build() {
    let build = Build::new(Mixer::random().unwrap(), 1000, 1000);
    assert_eq!(build.run(&Numbers { broken_chunk: Some(30) }).unwrap_err(), 30);
}

#[test]
fn a_build_that_is_stopped_gives_nothing() {
    let build = Build::new(Mixer::random().unwrap(), 50, 1000);
    build.stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(build.run(&NUMBERS).unwrap().is_none());
}

#[test]
fn a_mix_depends_on_every_byte_and_on_the_secret() {
    let (one, other) = (Mixer::random().unwrap(), Mixer::random().unwrap());
    let base = hash(1);
    assert_ne!(one.mix(&base), other.mix(&base));
    for at in 0..Hash::LEN {
        let mut bytes = *base.as_bytes();
        bytes[at] ^= 1;
        assert_ne!(one.mix(&base), one.mix(&Hash::new(bytes)), "byte {at}");
    }
    assert!(!format!("{one:?}").contains("keys"));
}
