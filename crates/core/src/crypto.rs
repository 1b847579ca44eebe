//! SHA-256 and Ed25519 verification.
//!
//! Ed25519 accepts exactly what Go's `crypto/ed25519` accepts: cofactorless equation, canonical
//! `S`, `R` compared bytewise, odd public keys allowed. Other programs re-verify what we accept, so
//! never `verify_strict` (accepts less) and never batches (accept what single checks refuse).

use crate::bytes::{PublicKey, Signature};
use sha2::Digest as _;

#[cfg(test)]
mod tests;

/// SHA-256 of one slice.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(data).into()
}

/// SHA-256 of the concatenation of some slices.
pub fn sha256_parts(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = sha2::Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// An Ed25519 public key with its point decompressed, for keys that check many signatures.
#[derive(Debug, Clone)]
pub struct VerifyingKey {
    key: PublicKey,
    point: ed25519_dalek::VerifyingKey,
}

impl VerifyingKey {
    /// Decompresses the point; `None` where the bytes are no point, so that no signature verifies.
    pub fn new(key: &PublicKey) -> Option<Self> {
        let point = ed25519_dalek::VerifyingKey::from_bytes(key.as_bytes()).ok()?;
        Some(Self { key: *key, point })
    }

    /// The key as it came.
    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// Whether the signature over the message verifies (RFC 8032 section 5.1.7, cofactorless).
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        use ed25519_dalek::Verifier as _;
        let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
        self.point.verify(message, &signature).is_ok()
    }
}

impl PublicKey {
    /// Whether the signature over the message verifies; false too where this is no curve point.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        VerifyingKey::new(self).is_some_and(|key| key.verify(message, signature))
    }
}

/// Computes the [`Message`](crate::Message) of data that comes in pieces.
#[derive(Debug, Clone, Default)]
pub struct MessageHasher(sha2::Sha256);

impl MessageHasher {
    /// Nothing hashed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The message: SHA-256 of all pieces.
    pub fn finish(self) -> crate::Message {
        crate::Message::new(self.0.finalize().into())
    }
}
