//! Who can sign: the [`Signer`] trait, and a key in memory.

use crate::agent::AgentError;
use crate::seed::{RandomError, SigningSeed};
use async_trait::async_trait;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use sigsum_core::{PublicKey, Signature};
use std::sync::Arc;

/// Why there is no signature.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SignError {
    /// The ssh-agent did not sign.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The signer answered with a signature that does not verify; it was thrown away.
    #[error("the signer returned an invalid signature for key {0}")]
    Invalid(PublicKey),
    /// There is no private key, and there need not be one.
    #[error("only the public key {0} is there")]
    PublicOnly(PublicKey),
}

/// Something that holds one Ed25519 key and signs with it.
#[async_trait]
pub trait Signer: Send + Sync + std::fmt::Debug {
    /// The public half of the key.
    fn public_key(&self) -> PublicKey;

    /// Signs a message (RFC 8032 section 5.1.6). The same message gives the same signature, so a
    /// call may be repeated.
    ///
    /// # Errors
    /// [`SignError`]; another call may succeed, since an agent can come back.
    async fn sign(&self, message: &[u8]) -> Result<Signature, SignError>;
}

/// A key without its private half, for a log that is closed: it serves what it signed once.
#[derive(Debug, Clone, Copy)]
pub struct PublicOnlySigner(pub PublicKey);

#[async_trait]
impl Signer for PublicOnlySigner {
    fn public_key(&self) -> PublicKey {
        self.0
    }

    async fn sign(&self, _message: &[u8]) -> Result<Signature, SignError> {
        Err(SignError::PublicOnly(self.0))
    }
}

/// A key in this process's memory. Clones share it.
#[derive(Clone)]
pub struct Ed25519Signer {
    inner: Arc<Inner>,
}

struct Inner {
    seed: SigningSeed,
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl Ed25519Signer {
    /// The signer of this seed.
    #[allow(clippy::expect_used, reason = "any 32 bytes are a seed, and the public key has 32")]
    pub fn from_seed(seed: &SigningSeed) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose())
            .expect("refuses only seeds that are not 32 bytes");
        let public = PublicKey::from_slice(pair.public_key().as_ref())
            .expect("an Ed25519 public key has 32 bytes");
        Self { inner: Arc::new(Inner { seed: seed.clone(), pair, public }) }
    }

    /// A new key.
    ///
    /// # Errors
    /// [`RandomError`].
    pub fn generate() -> Result<Self, RandomError> {
        Ok(Self::from_seed(&SigningSeed::generate()?))
    }

    /// Signs at once; nothing can go wrong with a key in memory.
    #[allow(clippy::expect_used, reason = "an Ed25519 signature has 64 bytes")]
    pub fn sign_now(&self, message: &[u8]) -> Signature {
        Signature::from_slice(self.inner.pair.sign(message).as_ref())
            .expect("an Ed25519 signature has 64 bytes")
    }

    /// The public half of the key.
    pub fn public_key(&self) -> PublicKey {
        self.inner.public
    }

    /// The secret half of the key.
    pub fn seed(&self) -> &SigningSeed {
        &self.inner.seed
    }
}

impl std::fmt::Debug for Ed25519Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ed25519Signer({})", self.inner.public)
    }
}

#[async_trait]
impl Signer for Ed25519Signer {
    fn public_key(&self) -> PublicKey {
        self.inner.public
    }

    async fn sign(&self, message: &[u8]) -> Result<Signature, SignError> {
        Ok(self.sign_now(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032 section 7.1, TEST 2.
    #[tokio::test]
    async fn signs_as_rfc_8032_says() {
        let seed = SigningSeed::from_hex(
            b"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        )
        .unwrap();
        let signer = Ed25519Signer::from_seed(&seed);
        let expected = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                        085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(
            signer.public_key().to_hex(),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
        );
        assert_eq!(signer.sign_now(&[0x72]).to_hex(), expected);
        assert_eq!(signer.sign(&[0x72]).await.unwrap().to_hex(), expected);
    }

    #[test]
    fn new_keys_differ_and_their_signatures_verify() {
        let (a, b) = (Ed25519Signer::generate().unwrap(), Ed25519Signer::generate().unwrap());
        assert_ne!(a.public_key(), b.public_key());
        assert!(a.public_key().verify(b"m", &a.sign_now(b"m")));
        assert!(!b.public_key().verify(b"m", &a.sign_now(b"m")));
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let seed = SigningSeed::from_bytes([0xa5; 32]);
        let signer = Ed25519Signer::from_seed(&seed);
        let text = format!("{seed:?} {signer:?} {:?}", &signer as &dyn Signer);
        assert!(!text.contains("a5a5") && !text.contains("165"), "{text}");
        assert!(text.contains(&signer.public_key().to_hex()));
    }
}
