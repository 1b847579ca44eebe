//! ML-DSA-44 public keys, signatures and verification (FIPS 204): pure mode, empty context.

use crate::bytes::{self, BytesError};
use alloc::boxed::Box;
use core::fmt;
use ml_dsa::MlDsa44;

macro_rules! long_bytes {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Size in bytes.
            pub const LEN: usize = $len;

            /// Wraps the bytes as they are.
            pub const fn new(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Takes a slice of exactly [`Self::LEN`] bytes.
            ///
            /// # Errors
            /// [`BytesError::Length`].
            pub fn from_slice(bytes: &[u8]) -> Result<Self, BytesError> {
                match bytes.try_into() {
                    Ok(array) => Ok(Self(array)),
                    Err(_) => Err(BytesError::Length { expected: $len, got: bytes.len() }),
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // the start is enough to tell two apart in a message
                let start = self.0.get(..16).unwrap_or_default();
                write!(f, concat!(stringify!($name), "({}...)"), bytes::to_hex(start))
            }
        }
    };
}

long_bytes!(
    /// An encoded ML-DSA-44 public key (FIPS 204 section 4, table 2). Any bytes are a key.
    MlDsa44PublicKey, 1312);
long_bytes!(
    /// An encoded ML-DSA-44 signature (FIPS 204 section 4, table 2); not checked.
    MlDsa44Signature, 2420);

/// A public key with its matrix expanded, for keys that check many signatures.
#[derive(Debug, Clone)]
pub struct MlDsa44VerifyingKey(Box<ml_dsa::VerifyingKey<MlDsa44>>);

impl MlDsa44VerifyingKey {
    /// Expands a key.
    pub fn new(key: &MlDsa44PublicKey) -> Self {
        Self(Box::new(ml_dsa::VerifyingKey::decode(key.as_bytes().into())))
    }

    /// Whether the signature over the message verifies (FIPS 204 algorithm 3, empty context).
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &MlDsa44Signature) -> bool {
        self.verify_with_context(message, b"", signature)
    }

    /// As [`Self::verify`], with a context string; a context over 255 bytes verifies nothing.
    fn verify_with_context(
        &self,
        message: &[u8],
        context: &[u8],
        signature: &MlDsa44Signature,
    ) -> bool {
        ml_dsa::Signature::<MlDsa44>::decode(signature.as_bytes().into())
            .is_some_and(|s| self.0.verify_with_context(message, context, &s))
    }
}

impl MlDsa44PublicKey {
    /// Whether the signature over the message verifies (FIPS 204 algorithm 3, empty context).
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &MlDsa44Signature) -> bool {
        MlDsa44VerifyingKey::new(self).verify(message, signature)
    }
}

#[cfg(test)]
mod tests;
