//! Good signatures, and what becomes of them when something is changed.

use super::{Case, ORDER, negated, sum};
use crate::harness::say;
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::CompressedEdwardsY;
use sigsum_keys::{Ed25519Signer, SigningSeed};

/// Change it to see others.
const SEED: u64 = 0x5167_5315;

const KEYS: u64 = 256;
const MAX_MESSAGE_BYTES: u64 = 96;

/// One in so many is left as it is, by the numbers of [`mutate`].
const MUTATIONS: u64 = 13;

/// SplitMix64 (Steele, Lea, Flood 2014), so that a run can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.below(256).to_le_bytes()[0]
    }

    fn flip_bit(&mut self, bytes: &mut [u8]) {
        let bit = self.index(8 * bytes.len());
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

/// So many cases, and how many of them hold unchanged signatures.
pub(super) fn cases(count: usize) -> (Vec<Case>, usize) {
    say(&format!("seed {SEED:#x}"));
    let mut random = Random(SEED);
    let signers: Vec<Ed25519Signer> = (0..KEYS)
        .map(|_| SigningSeed::from_bytes(std::array::from_fn(|_| random.byte())))
        .map(|seed| Ed25519Signer::from_seed(&seed))
        .collect();
    let mut untouched = 0;
    let mut case = || {
        let signer = &signers[random.index(signers.len())];
        let other = &signers[random.index(signers.len())];
        let length = random.below(MAX_MESSAGE_BYTES + 1);
        let message: Vec<u8> = (0..length).map(|_| random.byte()).collect();
        let signature = *signer.sign_now(&message).as_bytes();
        let (r, s) = signature.split_at(32);
        let mut parts = Parts {
            key: *signer.public_key().as_bytes(),
            r: r.try_into().unwrap(),
            s: s.try_into().unwrap(),
            message,
        };
        let kind = random.below(MUTATIONS);
        mutate(&mut parts, kind, *other.public_key().as_bytes(), &mut random);
        untouched += usize::from(kind == 0);
        Case::new(parts.key, parts.r, parts.s, &parts.message)
    };
    let cases = (0..count).map(|_| case()).collect();
    (cases, untouched)
}

struct Parts {
    key: [u8; 32],
    r: [u8; 32],
    s: [u8; 32],
    message: Vec<u8>,
}

fn mutate(parts: &mut Parts, kind: u64, other_key: [u8; 32], random: &mut Random) {
    match kind {
        0 => {}
        1 => random.flip_bit(&mut parts.key),
        2 => random.flip_bit(&mut parts.r),
        3 => random.flip_bit(&mut parts.s),
        4 if parts.message.is_empty() => parts.message.push(0),
        4 => random.flip_bit(&mut parts.message),
        5 => parts.s = sum(parts.s, ORDER),
        6 => parts.s = sum(ORDER, negated(parts.s)),
        7 => parts.key[31] ^= 0x80,
        8 => parts.r[31] ^= 0x80,
        9 => parts.key = other_key,
        10 => parts.r = with_small_order(parts.r, random),
        11 => parts.key = with_small_order(parts.key, random),
        _ => std::mem::swap(&mut parts.r, &mut parts.s),
    }
}

/// The point and one of small order, which may be zero.
fn with_small_order(bytes: [u8; 32], random: &mut Random) -> [u8; 32] {
    let point = CompressedEdwardsY(bytes).decompress().unwrap();
    (point + EIGHT_TORSION[random.index(EIGHT_TORSION.len())]).compress().to_bytes()
}
