//! The 32 secret bytes of an Ed25519 key, wiped when dropped.

use crate::private::PrivateKeyError;
use zeroize::Zeroizing;

/// The operating system gave no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random numbers: {0}")]
pub struct RandomError(getrandom::Error);

/// Fills a buffer with the operating system's random numbers.
pub(crate) fn fill_random(buffer: &mut [u8]) -> Result<(), RandomError> {
    getrandom::fill(buffer).map_err(RandomError)
}

/// A random number, for choices that nobody should be able to predict.
///
/// # Errors
/// [`RandomError`].
pub fn random_u64() -> Result<u64, RandomError> {
    let mut bytes = [0u8; 8];
    fill_random(&mut bytes)?;
    Ok(u64::from_be_bytes(bytes))
}

/// An Ed25519 private key as RFC 8032 section 5.1.5 defines it: 32 secret bytes.
#[derive(Clone)]
pub struct SigningSeed(Zeroizing<[u8; 32]>);

impl SigningSeed {
    /// Takes the bytes as they are.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Takes a slice of exactly 32 bytes; unlike an array argument it leaves no copy behind.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut seed = Zeroizing::new([0u8; 32]);
        if bytes.len() != seed.len() {
            return None;
        }
        seed.copy_from_slice(bytes);
        Some(Self(seed))
    }

    /// Reads exactly 64 hex digits of any case.
    ///
    /// # Errors
    /// [`PrivateKeyError::NotAKey`].
    pub fn from_hex(text: &[u8]) -> Result<Self, PrivateKeyError> {
        let mut seed = Zeroizing::new([0u8; 32]);
        if text.len() != 64 || base16ct::mixed::decode(text, seed.as_mut_slice()).is_err() {
            return Err(PrivateKeyError::NotAKey);
        }
        Ok(Self(seed))
    }

    /// A new key.
    ///
    /// # Errors
    /// [`RandomError`].
    pub fn generate() -> Result<Self, RandomError> {
        let mut seed = Zeroizing::new([0u8; 32]);
        fill_random(seed.as_mut_slice())?;
        Ok(Self(seed))
    }

    /// The secret bytes; keep copies of them in memory that is wiped.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for SigningSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningSeed(..)")
    }
}
