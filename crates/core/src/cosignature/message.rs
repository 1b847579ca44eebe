//! The bytes that cosigners sign (`tlog-cosignature`, "Ed25519 signed message", "ML-DSA-44 signed
//! message").

use super::Timestamp;
use crate::bytes::Hash;
use crate::checkpoint::{Checkpoint, Origin};
use crate::note::KeyName;
use crate::tree_head::Cosignature;
use alloc::vec::Vec;

/// Label of the ML-DSA-44 message.
const LABEL: &[u8; 12] = b"subtree/v1\n\0";

/// Most bytes of a cosigner name or an origin in an ML-DSA-44 message: `opaque<1..2^8-1>`.
pub const MAX_COSIGNED_TEXT_BYTES: usize = 255;

/// Why there is no message for a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The cosigner name is longer than [`MAX_COSIGNED_TEXT_BYTES`].
    #[error("cosigner name of {got} bytes, at most {MAX_COSIGNED_TEXT_BYTES}")]
    NameTooLong {
        /// Its size.
        got: usize,
    },
    /// The origin is longer than [`MAX_COSIGNED_TEXT_BYTES`].
    #[error("origin of {got} bytes, at most {MAX_COSIGNED_TEXT_BYTES}")]
    OriginTooLong {
        /// Its size.
        got: usize,
    },
    /// A subtree that does not start at zero has a time.
    #[error("a time with a subtree that does not start at 0")]
    TimeOnSubtree,
}

/// The message of an Ed25519 cosignature: header, time, the whole checkpoint text.
pub fn ed25519_message(time: Timestamp, checkpoint: &Checkpoint) -> Vec<u8> {
    Cosignature::signing_bytes(time.as_s(), &checkpoint.to_text())
}

/// The `cosigned_message` structure that ML-DSA-44 cosigners sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CosignedMessage<'a> {
    /// Name of the cosigner's key.
    pub cosigner_name: &'a KeyName,
    /// When it was signed; zero if the cosigner makes no statement about the largest tree.
    pub timestamp: Timestamp,
    /// Which log.
    pub log_origin: &'a Origin,
    /// Index of the first leaf; zero for a checkpoint.
    pub start: u64,
    /// Index behind the last leaf; the tree size for a checkpoint.
    pub end: u64,
    /// Root hash of the subtree or tree.
    pub hash: Hash,
}

impl<'a> CosignedMessage<'a> {
    /// The message about a checkpoint. Its extension lines are not part of it.
    pub fn checkpoint(name: &'a KeyName, time: Timestamp, checkpoint: &'a Checkpoint) -> Self {
        Self {
            cosigner_name: name,
            timestamp: time,
            log_origin: &checkpoint.origin,
            start: 0,
            end: checkpoint.tree_head.size.0,
            hash: checkpoint.tree_head.root_hash,
        }
    }

    /// The bytes to sign.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, MessageError> {
        if self.start != 0 && self.timestamp != Timestamp::NONE {
            return Err(MessageError::TimeOnSubtree);
        }
        let (name, origin) = (self.cosigner_name.as_str(), self.log_origin.as_str());
        let name_len =
            u8::try_from(name.len()).map_err(|_| MessageError::NameTooLong { got: name.len() })?;
        let origin_len = u8::try_from(origin.len())
            .map_err(|_| MessageError::OriginTooLong { got: origin.len() })?;
        let mut out = Vec::from(LABEL);
        out.push(name_len);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&self.timestamp.as_s().to_be_bytes());
        out.push(origin_len);
        out.extend_from_slice(origin.as_bytes());
        out.extend_from_slice(&self.start.to_be_bytes());
        out.extend_from_slice(&self.end.to_be_bytes());
        out.extend_from_slice(self.hash.as_bytes());
        Ok(out)
    }
}
