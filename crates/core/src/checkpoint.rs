//! Checkpoints: tree heads as signed notes (C2SP `tlog-checkpoint`, `log.md` section 2.2.2).
//!
//! # In scope
//! The note text (origin, size, root hash, extension lines), the note around it, the log's
//! signature, and the way to and from Sigsum's own form of a signed tree head.
//!
//! # Out of scope
//! Which log an origin belongs to; cosignatures, see [`crate::cosignature`].

mod sigsum;

pub use crate::note::NoteSignature as LogSignature;
pub use sigsum::SigsumError;

use crate::ascii::parse_integer;
use crate::bytes::{BytesError, Hash, KeyHash};
use crate::note::{NoteError, SignatureLine, SignedNote, Verifier, Vkey};
use crate::tree_head::{TreeHead, TreeSize};
use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::fmt;

/// Why a text is no origin or extension line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// No characters.
    #[error("empty")]
    Empty,
    /// A control character below U+0020, newline among them.
    #[error("control character 0x{0:02x}")]
    ControlCharacter(u8),
}

/// Refuses what cannot be one line of a note.
fn check_line(line: &str) -> Result<(), LineError> {
    if line.is_empty() {
        return Err(LineError::Empty);
    }
    match line.bytes().find(|byte| *byte < 0x20) {
        Some(byte) => Err(LineError::ControlCharacter(byte)),
        None => Ok(()),
    }
}

/// Refuses what cannot be extension lines.
fn check_extensions<'a>(lines: impl Iterator<Item = &'a str>) -> Result<(), CheckpointError> {
    for (line, index) in lines.zip(1_usize..) {
        check_line(line).map_err(|error| CheckpointError::Extension { index, error })?;
    }
    Ok(())
}

/// The identity of a log: the first line of its checkpoints, without the newline. Unlike a key name
/// it may have spaces and plus signs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(String);

impl Origin {
    /// Checks and wraps an origin.
    ///
    /// # Errors
    /// [`LineError`].
    pub fn new(origin: &str) -> Result<Self, LineError> {
        check_line(origin)?;
        Ok(Self(origin.to_owned()))
    }

    /// The origin of the Sigsum log with this key.
    pub fn sigsum(log: &KeyHash) -> Self {
        Self(crate::tree_head::sigsum_origin(log))
    }

    /// The origin.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the origin, as in the paths of a witness's read API (`tlog-witness`, "Monitor
    /// Retrieval Mechanism").
    pub fn hash(&self) -> [u8; 32] {
        crate::crypto::sha256(self.0.as_bytes())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&crate::note::KeyName> for Origin {
    /// Every key name is an origin too.
    fn from(name: &crate::note::KeyName) -> Self {
        Self(name.as_str().to_owned())
    }
}

impl core::str::FromStr for Origin {
    type Err = LineError;
    fn from_str(origin: &str) -> Result<Self, LineError> {
        Self::new(origin)
    }
}

/// Why a note text is no checkpoint, or a note around it no note.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note itself.
    #[error("{0}")]
    Note(#[from] NoteError),
    /// Fewer than three lines.
    #[error("checkpoint of {got} lines, at least 3 are due")]
    TooFewLines {
        /// Lines that are there.
        got: usize,
    },
    /// The text does not end in a newline.
    #[error("the text does not end in a newline")]
    NoFinalNewline,
    /// The first line.
    #[error("origin: {0}")]
    Origin(LineError),
    /// The second line is not `0|[1-9][0-9]*` up to 2^63-1.
    #[error("tree size is not a decimal integer from 0 to 2^63-1")]
    Size,
    /// The third line is not the base64 of 32 bytes.
    #[error("root hash: {0}")]
    RootHash(BytesError),
    /// A line behind the third.
    #[error("extension line {index}: {error}")]
    Extension {
        /// Position among the extension lines, counted from one.
        index: usize,
        /// What is wrong with it.
        error: LineError,
    },
}

/// The text of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: Origin,
    /// Size and root hash.
    pub tree_head: TreeHead,
    /// Each line with its newline. One text, because a peer may send a hundred thousand short ones.
    extensions: String,
}

impl Checkpoint {
    /// A checkpoint without extension lines.
    pub fn new(origin: Origin, tree_head: TreeHead) -> Self {
        Self { origin, tree_head, extensions: String::new() }
    }

    /// Adds extension lines in place of those there were.
    ///
    /// # Errors
    /// [`CheckpointError::Extension`] for lines that are empty or have control characters.
    pub fn with_extensions(mut self, extensions: Vec<String>) -> Result<Self, CheckpointError> {
        check_extensions(extensions.iter().map(String::as_str))?;
        self.extensions = extensions.iter().flat_map(|line| [line, "\n"]).collect();
        Ok(self)
    }

    /// The lines behind the root hash, each with its newline; no log should have any.
    pub fn extensions(&self) -> &str {
        &self.extensions
    }

    /// Reads a note text (`tlog-checkpoint`, section "Note text").
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let lines = text.strip_suffix('\n').ok_or(CheckpointError::NoFinalNewline)?;
        let mut lines = lines.splitn(4, '\n');
        let mut next = |got| lines.next().ok_or(CheckpointError::TooFewLines { got });
        let (origin, size, root_hash) = (next(0)?, next(1)?, next(2)?);
        let origin = Origin::new(origin).map_err(CheckpointError::Origin)?;
        let size = TreeSize(parse_integer(size).ok_or(CheckpointError::Size)?);
        let root_hash = Hash::from_base64(root_hash).map_err(CheckpointError::RootHash)?;
        let mut checkpoint = Self::new(origin, TreeHead { size, root_hash });
        if let Some(extensions) = lines.next() {
            check_extensions(extensions.split('\n'))?;
            checkpoint.extensions = [extensions, "\n"].concat();
        }
        Ok(checkpoint)
    }

    /// The note text, with its final newline: what a log of signature type 1 signs.
    pub fn to_text(&self) -> String {
        let mut text = self.tree_head.checkpoint_text(self.origin.as_str());
        text.push_str(&self.extensions);
        text
    }
}

/// A checkpoint with its signature lines; none of them verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// What the lines are about.
    pub checkpoint: Checkpoint,
    /// The lines, in order, those of unknown keys among them.
    pub signatures: Vec<SignatureLine>,
}

impl SignedCheckpoint {
    /// Reads a note whose text is a checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let (text, signatures) = SignedNote::parse(bytes)?.into_parts();
        Ok(Self { checkpoint: Checkpoint::parse(&text)?, signatures })
    }

    /// The note text.
    pub fn text(&self) -> String {
        self.checkpoint.to_text()
    }

    /// The whole note.
    pub fn to_bytes(&self) -> Vec<u8> {
        alloc::string::ToString::to_string(self).into_bytes()
    }

    /// What the note says of a log key, type 1 or 6 (or 4). The origin is not compared with the key
    /// name: they should be equal and need not be.
    pub fn verify_log(&self, key: &Vkey) -> LogSignature {
        self.verify_log_with(&Verifier::new(key))
    }

    /// As [`Self::verify_log`], with a key made ready.
    pub fn verify_log_with(&self, key: &Verifier) -> LogSignature {
        key.verify_note(&self.text(), &self.signatures)
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text())?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
pub(crate) mod tests;
