//! Lines in front of a checkpoint: keywords, base64 hashes, an empty line, then a note. Shared by the
//! witness requests (`tlog-witness`) and by `tlog-proof`.

use crate::ascii::{AsciiError, Problem, parse_integer};
use crate::bytes::Hash;
use crate::merkle::MAX_PROOF_HASHES;
use alloc::{string::String, vec::Vec};

/// A base64 hash and its newline.
pub(crate) const HASH_LINE_BYTES: usize = 44 + 1;

/// The longest proof, one line a hash, and the empty line behind it.
pub(crate) const MAX_PROOF_LINES_BYTES: usize = MAX_PROOF_HASHES * HASH_LINE_BYTES + 1;

/// Reads lines in order; what is left is the note.
#[derive(Debug, Clone)]
pub(crate) struct Lines<'a> {
    rest: &'a [u8],
    line: usize,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { rest: text, line: 1 }
    }

    /// What was not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// An error at the line that was read last.
    pub(crate) fn error(&self, problem: Problem) -> AsciiError {
        AsciiError { line: self.line.saturating_sub(1).max(1), problem }
    }

    /// The next line without its newline; `expected` says what it should have been.
    pub(crate) fn line(&mut self, expected: &'static str) -> Result<&'a str, AsciiError> {
        let here = self.line;
        let refuse = |problem| AsciiError { line: here, problem };
        if self.rest.is_empty() {
            return Err(refuse(Problem::Value(expected)));
        }
        let newline = self.rest.iter().position(|b| *b == b'\n');
        let Some((line, rest)) = newline.and_then(|at| self.rest.split_at_checked(at)) else {
            return Err(refuse(Problem::NoNewline));
        };
        let allowed = |b: &u8| (0x20..0x7f).contains(b);
        let line = core::str::from_utf8(line).ok().filter(|l| l.as_bytes().iter().all(allowed));
        self.rest = rest.split_first().map_or(rest, |(_, behind)| behind);
        self.line = here.saturating_add(1);
        line.ok_or_else(|| refuse(Problem::InvalidByte))
    }

    /// What follows a keyword and a space in the next line.
    pub(crate) fn keyword(
        &mut self,
        keyword: &str,
        expected: &'static str,
    ) -> Result<&'a str, AsciiError> {
        let line = self.line(expected)?;
        let value = line.strip_prefix(keyword).and_then(|rest| rest.strip_prefix(' '));
        value.ok_or_else(|| self.error(Problem::Value(expected)))
    }

    /// A decimal integer of the line that was read last.
    pub(crate) fn integer(&self, text: &str) -> Result<u64, AsciiError> {
        parse_integer(text).ok_or_else(|| self.error(Problem::Integer))
    }

    /// A base64 hash of the line that was read last.
    pub(crate) fn hash(&self, text: &str) -> Result<Hash, AsciiError> {
        Hash::from_base64(text).map_err(|e| self.error(Problem::Bytes(e)))
    }

    /// Hash lines up to and with an empty line; at most [`MAX_PROOF_HASHES`].
    pub(crate) fn hashes(&mut self) -> Result<Vec<Hash>, AsciiError> {
        let mut hashes = Vec::new();
        loop {
            let line = self.line("expected a proof line or an empty line")?;
            if line.is_empty() {
                return Ok(hashes);
            }
            if hashes.len() >= MAX_PROOF_HASHES {
                return Err(self.error(Problem::TooManyLines));
            }
            hashes.push(self.hash(line)?);
        }
    }
}

/// Writes what [`Lines::hashes`] reads.
pub(crate) fn push_hashes(out: &mut String, hashes: &[Hash]) {
    for hash in hashes {
        out.push_str(&hash.to_base64());
        out.push('\n');
    }
    out.push('\n');
}
