//! The C2SP `tlog-proof` format.

use crate::ascii::{AsciiError, Problem};
use crate::bytes::{Hash, from_base64, to_base64};
use crate::checkpoint::{CheckpointError, SignedCheckpoint};
use crate::note::MAX_NOTE_BYTES;
use crate::tree_head::LeafIndex;
use crate::wire::MAX_INTEGER_DIGITS;
use crate::wire::lines::{Lines, MAX_PROOF_LINES_BYTES, push_hashes};
use alloc::{format, vec::Vec};

/// The first line.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Most bytes of extra data. The specification has no limit; it thinks of a hash or a VRF proof,
/// which are below 200 bytes, and Sigsum needs 96.
pub const MAX_EXTRA_BYTES: usize = 64 * 1024;

/// Largest proof that is read: the header, the most extra data, an index, the longest path, the
/// largest note.
pub const MAX_TLOG_PROOF_BYTES: usize = (HEADER.len() + 1)
    + (6 + MAX_EXTRA_BYTES.div_ceil(3) * 4 + 1)
    + (6 + MAX_INTEGER_DIGITS + 1)
    + MAX_PROOF_LINES_BYTES
    + MAX_NOTE_BYTES;

/// Why the text is no `tlog-proof`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// A line in front of the checkpoint.
    #[error(transparent)]
    Line(#[from] AsciiError),
    /// The extra data is larger than [`MAX_EXTRA_BYTES`].
    #[error("line 2: {got} bytes of extra data, at most {MAX_EXTRA_BYTES} are read")]
    ExtraTooLarge {
        /// Bytes that are there.
        got: usize,
    },
    /// The checkpoint.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
}

/// A proof that some entry is in some tree. What the entry is, and what the extra data means, is up
/// to the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Extra data, not authenticated; empty where the proof has none.
    pub extra: Vec<u8>,
    /// Index of the entry.
    pub index: LeafIndex,
    /// Siblings from the leaf upwards (RFC 6962 section 2.1.1).
    pub path: Vec<Hash>,
    /// The checkpoint of the tree, with signatures of the log and of witnesses.
    pub checkpoint: SignedCheckpoint,
}

impl TlogProof {
    /// Reads a proof (`tlog-proof`, section "Format").
    ///
    /// # Errors
    /// [`TlogProofError`].
    pub fn parse(text: &[u8]) -> Result<Self, TlogProofError> {
        const INDEX: &str = "expected \"index\", a space and a leaf index";
        let mut lines = Lines::new(text);
        if lines.line("expected the header of a tlog-proof")? != HEADER {
            return Err(lines.error(Problem::Value("expected the header of a tlog-proof")).into());
        }
        let mut line = lines.line(INDEX)?;
        let mut extra = Vec::new();
        if let Some(encoded) = line.strip_prefix("extra ") {
            extra = read_extra(&lines, encoded)?;
            line = lines.line(INDEX)?;
        }
        let index = line.strip_prefix("index ");
        let index = index.ok_or_else(|| lines.error(Problem::Value(INDEX)))?;
        let index = LeafIndex(lines.integer(index)?);
        let path = lines.hashes()?;
        let checkpoint = SignedCheckpoint::parse(lines.rest())?;
        Ok(Self { extra, index, path, checkpoint })
    }

    /// Writes what [`Self::parse`] reads. UTF-8, for key names may have any letters.
    pub fn to_text(&self) -> Vec<u8> {
        let mut text = format!("{HEADER}\n");
        if !self.extra.is_empty() {
            text.push_str(&format!("extra {}\n", to_base64(&self.extra)));
        }
        text.push_str(&format!("index {}\n", self.index));
        push_hashes(&mut text, &self.path);
        let mut text = text.into_bytes();
        text.extend(self.checkpoint.to_bytes());
        text
    }
}

fn read_extra(lines: &Lines<'_>, encoded: &str) -> Result<Vec<u8>, TlogProofError> {
    if encoded.is_empty() {
        return Err(lines
            .error(Problem::Value("an extra line without data must be left out"))
            .into());
    }
    let extra = from_base64(encoded).map_err(|e| lines.error(Problem::Bytes(e)))?;
    if extra.len() > MAX_EXTRA_BYTES {
        return Err(TlogProofError::ExtraTooLarge { got: extra.len() });
    }
    Ok(extra)
}

#[cfg(test)]
#[path = "tlog_tests.rs"]
mod tests;
