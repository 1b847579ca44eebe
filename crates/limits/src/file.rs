//! The rate-limit file: log-go's lines, and ours.
//!
//! | line | limit of leaves in 24 hours |
//! |---|---|
//! | `key HASH N` | with this submitter key, whatever the token |
//! | `domain NAME N` | with tokens of this domain or one below it, all together |
//! | `public FILE N` | of each registered domain, by this list of public suffixes |
//! | `global N` | ours: of all |
//! | `global-public N` | ours: of all that the `public` line lets in |
//! | `burst-key N SECONDS`, `burst-domain`, `burst-public`, `burst-global` | ours: at most N at once, as many again in so many seconds; for each counter of this kind |
//!
//! `#` begins a comment anywhere. log-go refuses a file with a line of ours, so that nobody takes a
//! limit for enforced that is not. log-go ignores what follows a line that is too long or cannot be
//! read; here it refuses the whole file.

use crate::domain::Domain;
use crate::line::{Burst, Line, LineError, parse};
use sigsum_core::KeyHash;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::{self, Write as _};

/// Longest file: 100 000 lines with a key and a comment.
pub const MAX_FILE_BYTES: usize = 16 << 20;

/// Why a file was refused, as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Longer than [`MAX_FILE_BYTES`].
    #[error("longer than {MAX_FILE_BYTES} bytes")]
    TooLong,
    /// A line.
    #[error("line {number}: {problem}")]
    Line {
        /// Which, from 1.
        number: usize,
        /// What is wrong with it.
        problem: LineError,
    },
}

/// Kinds of counters that a line of bursts may be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Those of `key` lines.
    Key,
    /// Those of `domain` lines.
    Domain,
    /// Those of registered domains.
    Public,
    /// The one of the whole log.
    Global,
}

impl Class {
    pub(crate) const ALL: [Self; 4] = [Self::Key, Self::Domain, Self::Public, Self::Global];

    const fn keyword(self) -> &'static str {
        match self {
            Self::Key => "burst-key",
            Self::Domain => "burst-domain",
            Self::Public => "burst-public",
            Self::Global => "burst-global",
        }
    }

    pub(crate) fn of_burst(keyword: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.keyword() == keyword)
    }
}

/// The `public` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicLine {
    /// Path of a copy of the Public Suffix List.
    pub suffix_file: String,
    /// Leaves in 24 hours for each registered domain.
    pub limit: u32,
}

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitFile {
    /// `key` lines.
    pub keys: HashMap<KeyHash, u32>,
    /// `domain` lines.
    pub domains: HashMap<Domain, u32>,
    /// The `public` line.
    pub public: Option<PublicLine>,
    /// The `global` line.
    pub global: Option<u32>,
    /// The `global-public` line.
    pub global_public: Option<u32>,
    /// `burst-...` lines.
    pub bursts: HashMap<Class, Burst>,
}

impl LimitFile {
    /// Reads a file. All of it must be in order.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, FileError> {
        if bytes.len() > MAX_FILE_BYTES {
            return Err(FileError::TooLong);
        }
        let mut file = Self::default();
        for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let taken = parse(line).and_then(|line| line.map_or(Ok(()), |line| file.take(line)));
            let number = at.saturating_add(1);
            taken.map_err(|problem| FileError::Line { number, problem })?;
        }
        Ok(file)
    }

    fn take(&mut self, line: Line) -> Result<(), LineError> {
        let multiple = LineError::Multiple;
        match line {
            Line::Key(hash, limit) => once(self.keys.entry(hash), limit, LineError::MultipleKey),
            Line::Domain(domain, limit) => {
                once(self.domains.entry(domain), limit, LineError::MultipleDomain)
            }
            Line::Public(suffix_file, limit) => {
                set(&mut self.public, PublicLine { suffix_file, limit }, multiple("public"))
            }
            Line::Global(limit) => set(&mut self.global, limit, multiple("global")),
            Line::GlobalPublic(limit) => {
                set(&mut self.global_public, limit, multiple("global-public"))
            }
            Line::Burst(class, burst) => {
                once(self.bursts.entry(class), burst, |class| multiple(class.keyword()))
            }
        }
    }
}

fn once<K: Clone, V>(
    place: Entry<'_, K, V>,
    value: V,
    taken: impl FnOnce(K) -> LineError,
) -> Result<(), LineError> {
    match place {
        Entry::Occupied(place) => Err(taken(place.key().clone())),
        Entry::Vacant(place) => {
            place.insert(value);
            Ok(())
        }
    }
}

fn set<V>(place: &mut Option<V>, value: V, taken: LineError) -> Result<(), LineError> {
    match place {
        Some(_) => Err(taken),
        None => {
            *place = Some(value);
            Ok(())
        }
    }
}

/// The file that says the same, without comments, in a fixed order.
impl fmt::Display for LimitFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        lines.extend(self.keys.iter().map(|(hash, limit)| format!("key {hash} {limit}")));
        lines.extend(self.domains.iter().map(|(name, limit)| format!("domain {name} {limit}")));
        lines.sort();
        if let Some(PublicLine { suffix_file, limit }) = &self.public {
            lines.push(format!("public {suffix_file} {limit}"));
        }
        lines.extend(self.global.map(|limit| format!("global {limit}")));
        lines.extend(self.global_public.map(|limit| format!("global-public {limit}")));
        for class in Class::ALL {
            let burst = self.bursts.get(&class);
            lines.extend(burst.map(|b| format!("{} {} {}", class.keyword(), b.leaves, b.period_s)));
        }
        lines.into_iter().try_for_each(|line| {
            f.write_str(&line)?;
            f.write_char('\n')
        })
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
