//! The add-leaf request body (`log.md` section 3.5).

use crate::ascii::{AsciiError, Reader};
use crate::bytes::{Message, PublicKey, Signature};
use crate::crypto::VerifyingKey;
use crate::leaf::{Leaf, leaf_signing_bytes};
use alloc::vec::Vec;

const MESSAGE: &[u8] = b"message=";
const SIGNATURE: &[u8] = b"\nsignature=";
const PUBLIC_KEY: &[u8] = b"\npublic_key=";

/// Size of every valid body: `message=` and 64 digits, `signature=` and 128, `public_key=` and 64,
/// and three newlines.
pub const ADD_LEAF_BODY_BYTES: usize = 8 + 64 + 11 + 128 + 12 + 64 + 1;

/// Limit on the body that is read. More than any valid body, so that a client that sends a little
/// too much still learns what is wrong with it.
pub const MAX_ADD_LEAF_BODY_BYTES: usize = 1024;

/// A submission: what to log, and the key that signed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddLeafRequest {
    /// The message whose checksum the leaf records.
    pub message: Message,
    /// Signature over [`leaf_signing_bytes`] of that checksum.
    pub signature: Signature,
    /// The submitter's key.
    pub public_key: PublicKey,
}

impl AddLeafRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// [`AsciiError`] with the line at fault.
    pub fn parse(body: &[u8]) -> Result<Self, AsciiError> {
        // Valid bodies have one shape only; the reader is for finding out what is wrong.
        match Self::parse_fixed(body) {
            Some(request) => Ok(request),
            None => Self::parse_lines(body),
        }
    }

    fn parse_fixed(body: &[u8]) -> Option<Self> {
        let (message, rest) = body.strip_prefix(MESSAGE)?.split_at_checked(64)?;
        let (signature, rest) = rest.strip_prefix(SIGNATURE)?.split_at_checked(128)?;
        let (public_key, rest) = rest.strip_prefix(PUBLIC_KEY)?.split_at_checked(64)?;
        if rest != b"\n" {
            return None;
        }
        Some(Self {
            message: Message::new(crate::wire::hex::array(message)?),
            signature: Signature::new(crate::wire::hex::array(signature)?),
            public_key: PublicKey::new(crate::wire::hex::array(public_key)?),
        })
    }

    fn parse_lines(body: &[u8]) -> Result<Self, AsciiError> {
        let mut reader = Reader::new(body)?;
        let message = reader.value("message").and_then(|v| reader.bytes(v, Message::from_hex))?;
        let signature =
            reader.value("signature").and_then(|v| reader.bytes(v, Signature::from_hex))?;
        let public_key =
            reader.value("public_key").and_then(|v| reader.bytes(v, PublicKey::from_hex))?;
        reader.end()?;
        Ok(Self { message, signature, public_key })
    }

    /// The body; [`ADD_LEAF_BODY_BYTES`] long.
    pub fn to_body(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(ADD_LEAF_BODY_BYTES);
        out.extend_from_slice(MESSAGE);
        crate::wire::hex::push(&mut out, self.message.as_bytes());
        out.extend_from_slice(SIGNATURE);
        crate::wire::hex::push(&mut out, self.signature.as_bytes());
        out.extend_from_slice(PUBLIC_KEY);
        crate::wire::hex::push(&mut out, self.public_key.as_bytes());
        out.push(b'\n');
        out
    }

    /// Whether the key made the signature over the message's checksum.
    #[must_use]
    pub fn verify(&self) -> bool {
        VerifyingKey::new(&self.public_key).is_some_and(|key| self.verify_with(&key))
    }

    /// As [`Self::verify`], with the point already decompressed; false if `key` is another key.
    #[must_use]
    pub fn verify_with(&self, key: &VerifyingKey) -> bool {
        *key.public_key() == self.public_key
            && key.verify(&leaf_signing_bytes(&self.message.checksum()), &self.signature)
    }

    /// The leaf that the log stores for this request; the signature is not checked here.
    pub fn leaf(&self) -> Leaf {
        Leaf {
            checksum: self.message.checksum(),
            signature: self.signature,
            key_hash: self.public_key.key_hash(),
        }
    }
}

#[cfg(test)]
#[path = "add_leaf_tests.rs"]
mod tests;
