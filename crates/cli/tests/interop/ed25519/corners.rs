//! Keys and signatures in the corners where Ed25519 implementations differ: every point of small
//! order, every encoding that is not canonical, points with a part of small order, scalars beyond the
//! order; all of them combined.

use super::{Case, ORDER, negated, sum};
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::{EdwardsPoint, Scalar};
use sha2::{Digest as _, Sha512};

/// Scalars of the honest parts of keys and of `R`; any would do.
const KEY_SCALAR: u64 = 0x0123_4567_89ab_cdef;
const NONCE_SCALAR: u64 = 0xfedc_ba98_7654_3210;

/// Whether a combination holds depends on the hash modulo 8.
const MESSAGES: [&[u8]; 4] = [b"", b"a", b"message", &[0xff; 200]];

/// A point as it may stand in a key or a signature, and its multiple of the base point, apart from a
/// part of small order (nothing where no multiple is known).
struct Encoding {
    bytes: [u8; 32],
    scalar: Scalar,
}

/// Every combination. Signatures are made so that they hold apart from what is of small order, so
/// that it is exactly that on which the verdict depends.
pub(super) fn cases() -> Vec<Case> {
    let keys = encodings(Scalar::from(KEY_SCALAR));
    let nonces = encodings(Scalar::from(NONCE_SCALAR));
    let mut cases = Vec::new();
    for key in &keys {
        for nonce in &nonces {
            for message in MESSAGES {
                let fitting = (nonce.scalar + hash(nonce, key, message) * key.scalar).to_bytes();
                let one = Scalar::ONE.to_bytes();
                let all = [
                    fitting,
                    sum(fitting, ORDER),
                    [0; 32],
                    one,
                    sum(ORDER, negated(one)),
                    ORDER,
                    sum(ORDER, one),
                    [0xff; 32],
                ];
                cases.extend(all.map(|s| Case::new(key.bytes, nonce.bytes, s, message)));
            }
        }
    }
    cases
}

/// RFC 8032 section 5.1.7: SHA-512 of `R`, `A` and the message, modulo the order.
fn hash(nonce: &Encoding, key: &Encoding, message: &[u8]) -> Scalar {
    let digest = Sha512::new().chain_update(nonce.bytes).chain_update(key.bytes);
    Scalar::from_bytes_mod_order_wide(&digest.chain_update(message).finalize().into())
}

/// The point with each part of small order, the points of small order alone, and all encodings that
/// are not canonical.
fn encodings(scalar: Scalar) -> Vec<Encoding> {
    let mut all = Vec::new();
    for scalar in [scalar, Scalar::ZERO] {
        let honest = EdwardsPoint::mul_base(&scalar);
        let points = EIGHT_TORSION.iter().map(|small| honest + small);
        all.extend(points.map(|point| Encoding { bytes: point.compress().to_bytes(), scalar }));
    }
    all.extend(non_canonical().into_iter().map(|bytes| Encoding { bytes, scalar: Scalar::ZERO }));
    all
}

/// Each `y` from p to 2^255 - 1 with either sign, and the two points with `x` = 0 with the sign that
/// zero does not have.
fn non_canonical() -> Vec<[u8; 32]> {
    let mut all = Vec::new();
    for sign in [0x7f, 0xff] {
        for low in 0xed..=0xff {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (low, sign);
            all.push(bytes);
        }
    }
    let mut one = [0; 32];
    (one[0], one[31]) = (1, 0x80);
    let mut minus_one = [0xff; 32];
    minus_one[0] = 0xec;
    all.extend([one, minus_one]);
    all
}
