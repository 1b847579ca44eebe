//! The strict `key=value` lines of the Sigsum wire format (`log.md` section 2.2.1).
//!
//! Keys in a fixed order, no spaces around `=`, values split on single spaces, integers
//! `0|[1-9][0-9]*` up to 2^63-1, one newline behind every line, no carriage return, nothing behind
//! the last line.

use crate::bytes::{BytesError, printable};
use alloc::string::String;
use core::fmt::Write as _;

#[cfg(test)]
mod tests;

/// Integers above this are refused (`log.md` section 2.2.1).
pub const MAX_INTEGER: u64 = i64::MAX as u64;

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The text ended where a line with this key was due.
    #[error("expected {0}=, found the end")]
    UnexpectedEnd(&'static str),
    /// The last line has no newline.
    #[error("line does not end in a newline")]
    NoNewline,
    /// Another key than the one that is due.
    #[error("expected {expected}=, found \"{found}\"")]
    WrongKey {
        /// The key that is due.
        expected: &'static str,
        /// The start of what is there, escaped.
        found: String,
    },
    /// Another number of space-separated words than the key has.
    #[error("expected {expected} values separated by single spaces")]
    WordCount {
        /// Words that the key has.
        expected: usize,
    },
    /// Not `0|[1-9][0-9]*`, or above 2^63-1.
    #[error("not a decimal integer from 0 to 2^63-1")]
    Integer,
    /// Not hex, or of another length.
    #[error("{0}")]
    Bytes(#[from] BytesError),
    /// Bytes behind the last line.
    #[error("unexpected data behind the last line")]
    Trailing,
    /// An empty line was due.
    #[error("expected an empty line")]
    NotEmptyLine,
    /// Two cosignatures with the same key hash (proposal 2026-05-29).
    #[error("second cosignature with the same key hash")]
    DuplicateCosignature,
    /// More repeated lines than the limit of that key.
    #[error("too many lines")]
    TooManyLines,
    /// A byte that the format does not have: not ASCII, or a control character.
    #[error("invalid byte")]
    InvalidByte,
    /// A value that does not fit the others; the text says which.
    #[error("{0}")]
    Value(&'static str),
}

/// A refused text: the line and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct AsciiError {
    /// Line number, counted from one.
    pub line: usize,
    /// What is wrong.
    pub problem: Problem,
}

/// Reads lines in order.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first line.
    ///
    /// # Errors
    /// Bytes that are not printable ASCII or newline.
    pub fn new(text: &'a [u8]) -> Result<Self, AsciiError> {
        let allowed = |b: &u8| *b == b'\n' || (0x20..0x7f).contains(b);
        let refuse = |at: usize| {
            let before = text.get(..at).unwrap_or_default();
            let newlines = before.iter().filter(|b| **b == b'\n').count();
            AsciiError { line: newlines.saturating_add(1), problem: Problem::InvalidByte }
        };
        if let Some(at) = text.iter().position(|b| !allowed(b)) {
            return Err(refuse(at));
        }
        let rest = core::str::from_utf8(text).map_err(|e| refuse(e.valid_up_to()))?;
        Ok(Self { rest, line: 1 })
    }

    /// An error at the line that comes next.
    pub fn error(&self, problem: Problem) -> AsciiError {
        AsciiError { line: self.line, problem }
    }

    /// An error at the line that was read last.
    pub fn error_before(&self, problem: Problem) -> AsciiError {
        AsciiError { line: self.line.saturating_sub(1).max(1), problem }
    }

    /// Whether nothing is left.
    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Whether the next line has this key.
    pub fn next_is(&self, key: &str) -> bool {
        self.rest.strip_prefix(key).is_some_and(|r| r.starts_with('='))
    }

    /// The value of the next line, which must have this key.
    ///
    /// # Errors
    /// End of the text, another key, or no newline.
    pub fn value(&mut self, key: &'static str) -> Result<&'a str, AsciiError> {
        if self.rest.is_empty() {
            return Err(self.error(Problem::UnexpectedEnd(key)));
        }
        let Some((line, rest)) = self.rest.split_once('\n') else {
            return Err(self.error(Problem::NoNewline));
        };
        let Some(value) = line.strip_prefix(key).and_then(|l| l.strip_prefix('=')) else {
            let found = printable(line.as_bytes().get(..32).unwrap_or(line.as_bytes()));
            return Err(self.error(Problem::WrongKey { expected: key, found }));
        };
        self.rest = rest;
        self.line = self.line.saturating_add(1);
        Ok(value)
    }

    /// The value of the next line as text that [`Self::bytes`] decodes.
    ///
    /// # Errors
    /// As [`Self::value`].
    pub fn hex(&mut self, key: &'static str) -> Result<&'a str, AsciiError> {
        self.value(key)
    }

    /// The value of the next line as an integer.
    ///
    /// # Errors
    /// As [`Self::value`], or [`Problem::Integer`].
    pub fn integer(&mut self, key: &'static str) -> Result<u64, AsciiError> {
        let text = self.value(key)?;
        self.number(text)
    }

    /// The value of the next line as exactly `N` words between single spaces.
    ///
    /// # Errors
    /// As [`Self::value`], or [`Problem::WordCount`].
    pub fn words<const N: usize>(&mut self, key: &'static str) -> Result<[&'a str; N], AsciiError> {
        let value = self.value(key)?;
        let mut out = [""; N];
        let mut words = value.split(' ');
        for slot in &mut out {
            match words.next() {
                Some(word) => *slot = word,
                None => return Err(self.error_before(Problem::WordCount { expected: N })),
            }
        }
        match words.next() {
            None => Ok(out),
            Some(_) => Err(self.error_before(Problem::WordCount { expected: N })),
        }
    }

    /// Decodes a word of the line that was read last as an integer.
    ///
    /// # Errors
    /// [`Problem::Integer`].
    pub fn number(&self, word: &str) -> Result<u64, AsciiError> {
        parse_integer(word).ok_or_else(|| self.error_before(Problem::Integer))
    }

    /// Decodes a word of the line that was read last.
    ///
    /// # Errors
    /// [`Problem::Bytes`].
    pub fn bytes<T>(
        &self,
        word: &str,
        decode: impl FnOnce(&str) -> Result<T, BytesError>,
    ) -> Result<T, AsciiError> {
        decode(word).map_err(|e| self.error_before(Problem::Bytes(e)))
    }

    /// Takes one empty line.
    ///
    /// # Errors
    /// [`Problem::NotEmptyLine`].
    pub fn empty_line(&mut self) -> Result<(), AsciiError> {
        let Some(rest) = self.rest.strip_prefix('\n') else {
            return Err(self.error(Problem::NotEmptyLine));
        };
        self.rest = rest;
        self.line = self.line.saturating_add(1);
        Ok(())
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// [`Problem::Trailing`].
    pub fn end(&self) -> Result<(), AsciiError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.error(Problem::Trailing)) }
    }
}

/// Reads `0|[1-9][0-9]*` up to 2^63-1: no sign, no leading zero, no space (which Rust's own parser
/// would partly take).
pub fn parse_integer(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits || (text.len() > 1 && text.starts_with('0')) {
        return None;
    }
    text.parse().ok().filter(|n| *n <= MAX_INTEGER)
}

/// Writes lines.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    out: String,
}

impl Writer {
    /// Starts empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// `key=value` and a newline.
    pub fn text(&mut self, key: &str, value: &str) {
        let _ = writeln!(self.out, "{key}={value}"); // writing to a String cannot fail
    }

    /// `key=N` and a newline.
    pub fn integer(&mut self, key: &str, value: u64) {
        let _ = writeln!(self.out, "{key}={value}"); // as above
    }

    /// `key=word word ...` and a newline.
    pub fn words(&mut self, key: &str, words: &[&str]) {
        self.text(key, &words.join(" "));
    }

    /// A newline alone.
    pub fn empty_line(&mut self) {
        self.out.push('\n');
    }

    /// What was written.
    pub fn finish(self) -> String {
        self.out
    }
}
