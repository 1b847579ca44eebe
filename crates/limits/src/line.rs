//! One line of a rate-limit file.

use crate::domain::{Domain, DomainError};
use crate::file::Class;
use sigsum_core::KeyHash;

/// Longest line: log-go's reader ends there too (Go's `bufio.Scanner`).
pub const MAX_LINE_BYTES: usize = 64 * 1024 - 1;
/// Largest limit: log-go keeps it in 31 bits.
pub const MAX_LIMIT: u32 = (1 << 31) - 1;
/// Longest period of a burst; what is longer is the day's business.
pub const MAX_BURST_PERIOD_S: u32 = 3600;

/// Why a line was refused. Where log-go has a text for it, it is log-go's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Longer than [`MAX_LINE_BYTES`].
    #[error("longer than {MAX_LINE_BYTES} bytes")]
    TooLong,
    /// Bytes before a comment that are not UTF-8.
    #[error("not UTF-8")]
    Utf8,
    /// The first word means nothing.
    #[error("unknown config keyword {0:?}")]
    Keyword(String),
    /// Too few or too many words.
    #[error("invalid config line {0:?}")]
    Words(String),
    /// A limit that is no unsigned decimal number.
    #[error("limit {0:?} is not a number")]
    Number(String),
    /// A limit above [`MAX_LIMIT`].
    #[error("limit {0:?} is too large")]
    TooLarge(String),
    /// A key hash that is not hex.
    #[error("key hash {0:?} is not hex")]
    Hex(String),
    /// A key hash of another length than 64 digits.
    #[error("invalid length of key hash {0:?}")]
    HashLength(String),
    /// A domain that is none.
    #[error("domain {text:?} {problem}")]
    Domain {
        /// What stands there.
        text: String,
        /// What is wrong with it.
        problem: DomainError,
    },
    /// A burst of no leaf.
    #[error("a burst of 0 leaves would refuse everything; a limit of 0 says so")]
    NoBurst,
    /// A burst's period that is none.
    #[error("period {0:?} is not a number of seconds from 1 to {MAX_BURST_PERIOD_S}")]
    Period(String),
    /// The key has a line already.
    #[error("invalid multiple key {0}")]
    MultipleKey(KeyHash),
    /// The domain has a line already.
    #[error("invalid multiple domain {0}")]
    MultipleDomain(Domain),
    /// A line of which there may be one.
    #[error("invalid multiple {0:?} lines in rate-limit configuration")]
    Multiple(&'static str),
}

/// At most so many leaves at once, and as many again for each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst {
    /// Leaves, 1 or more.
    pub leaves: u32,
    /// Seconds in which as many leaves are allowed again, one by one; 1 or more.
    pub period_s: u32,
}

/// A line that says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    Key(KeyHash, u32),
    Domain(Domain, u32),
    Public(String, u32),
    Global(u32),
    GlobalPublic(u32),
    Burst(Class, Burst),
}

/// Reads one line without its end; `None` where it is empty or a comment.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Line>, LineError> {
    if bytes.len() > MAX_LINE_BYTES {
        return Err(LineError::TooLong);
    }
    let said = bytes.split(|byte| *byte == b'#').next().unwrap_or_default();
    let said = str::from_utf8(said).map_err(|_| LineError::Utf8)?;
    let words: Vec<_> = said.split_whitespace().collect();
    let line = match *words.as_slice() {
        [] => return Ok(None),
        ["key", hash, limit] => Line::Key(key_hash(hash)?, number(limit)?),
        ["domain", name, limit] => {
            let failed = |problem| LineError::Domain { text: clip(name), problem };
            Line::Domain(Domain::parse(name).map_err(failed)?, number(limit)?)
        }
        ["public", file, limit] => Line::Public(file.to_owned(), number(limit)?),
        ["global", limit] => Line::Global(number(limit)?),
        ["global-public", limit] => Line::GlobalPublic(number(limit)?),
        [keyword, leaves, period] => match Class::of_burst(keyword) {
            Some(class) => Line::Burst(class, burst(leaves, period)?),
            None if is_known(keyword) => return Err(LineError::Words(clip(said.trim()))),
            None => return Err(LineError::Keyword(clip(keyword))),
        },
        _ => return Err(LineError::Words(clip(said.trim()))),
    };
    Ok(Some(line))
}

/// What an error shows of a text: enough to find it.
fn clip(text: &str) -> String {
    const SHOWN: usize = 200;
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    shown
}

/// Keywords of lines with two words.
fn is_known(keyword: &str) -> bool {
    matches!(keyword, "global" | "global-public")
}

fn key_hash(text: &str) -> Result<KeyHash, LineError> {
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(LineError::Hex(clip(text)));
    }
    KeyHash::from_hex(text).map_err(|_| LineError::HashLength(clip(text)))
}

/// An unsigned decimal number; log-go allows zeros in front of it, and no sign.
fn number(text: &str) -> Result<u32, LineError> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(LineError::Number(clip(text)));
    }
    let number = text.parse::<u32>().ok().filter(|number| *number <= MAX_LIMIT);
    number.ok_or_else(|| LineError::TooLarge(clip(text)))
}

fn burst(leaves: &str, period: &str) -> Result<Burst, LineError> {
    let leaves = number(leaves)?;
    if leaves == 0 {
        return Err(LineError::NoBurst);
    }
    let period_s = number(period).ok().filter(|s| (1..=MAX_BURST_PERIOD_S).contains(s));
    let period_s = period_s.ok_or_else(|| LineError::Period(clip(period)))?;
    Ok(Burst { leaves, period_s })
}
