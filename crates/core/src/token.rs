//! Submit tokens: proof that a submitter controls a domain (`log.md` section 4).

use crate::bytes::{PublicKey, Signature};
use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

#[cfg(test)]
mod tests;

/// Name of the HTTP header that carries a token.
pub const TOKEN_HEADER: &str = "Sigsum-Token";
/// DNS label in front of the domain that holds the key's TXT records.
pub const TOKEN_DNS_LABEL: &str = "_sigsum_v1";
/// Longest domain name in text form (RFC 1035 section 2.3.4: 255 octets on the wire).
pub const MAX_DOMAIN_BYTES: usize = 253;

const TOKEN_NAMESPACE: &[u8] = b"sigsum.org/v1/submit-token\0";

/// Why a header value was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not `DOMAIN HEX` with exactly one space.
    #[error("expected a domain and a signature separated by one space")]
    Form,
    /// The domain is empty, longer than DNS allows, or has other characters than letters, digits,
    /// `-`, `_` and `.` (names in other scripts are sent as A-labels).
    #[error("invalid domain")]
    Domain,
    /// Not 128 hex digits.
    #[error("invalid signature: {0}")]
    Signature(#[from] crate::bytes::BytesError),
}

/// A submit token as the header carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmitToken {
    /// The domain that publishes the rate-limit key, as the submitter wrote it.
    pub domain: String,
    /// Signature over [`token_signing_bytes`] of the log's key.
    pub signature: Signature,
}

/// What the rate-limit key signs: namespace, NUL, the log's public key; 59 bytes.
pub fn token_signing_bytes(log_key: &PublicKey) -> Vec<u8> {
    [TOKEN_NAMESPACE, log_key.as_bytes()].concat()
}

impl SubmitToken {
    /// Reads a header value `DOMAIN HEX128`.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn from_header(value: &str) -> Result<Self, TokenError> {
        let (domain, signature) = value.split_once(' ').ok_or(TokenError::Form)?;
        if signature.contains(' ') {
            return Err(TokenError::Form);
        }
        // What Go's resolver takes. Ours reads `\.` and `\046` as dots within a label, so that the
        // name asked for would not be the one that rate limits compare.
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if domain.is_empty() || domain.len() > MAX_DOMAIN_BYTES || !domain.bytes().all(allowed) {
            return Err(TokenError::Domain);
        }
        Ok(Self { domain: domain.to_owned(), signature: Signature::from_hex(signature)? })
    }

    /// The header value.
    pub fn to_header(&self) -> String {
        format!("{} {}", self.domain, self.signature)
    }

    /// Whether the holder of this rate-limit key made the token for that log.
    #[must_use]
    pub fn verify(&self, rate_limit_key: &PublicKey, log_key: &PublicKey) -> bool {
        rate_limit_key.verify(&token_signing_bytes(log_key), &self.signature)
    }
}
