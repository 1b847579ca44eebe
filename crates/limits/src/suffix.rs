//! The Public Suffix List: under which names anybody may register one.
//!
//! Format: <https://github.com/publicsuffix/list/wiki/Format>. A name that no rule matches has no
//! registered domain here, as in log-go (the list's own default rule `*` would let any name in). What
//! an exception names is a registered domain, as the list's format says; log-go goes on upwards.

use crate::domain::{Domain, DomainError};
use std::collections::{HashMap, HashSet};

/// Longest file. The list of 2025 has 330 kB; in ten years it grew to twice its size.
pub const MAX_SUFFIX_FILE_BYTES: usize = 4 << 20;

/// Why a file is no list of suffixes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SuffixError {
    /// Longer than [`MAX_SUFFIX_FILE_BYTES`].
    #[error("is longer than {MAX_SUFFIX_FILE_BYTES} bytes")]
    TooLong,
    /// A line that is not UTF-8.
    #[error("line {0}: not UTF-8")]
    Utf8(usize),
    /// A line that begins with one slash.
    #[error("line {0}: malformed comment")]
    Comment(usize),
    /// A rule with `*` that does not begin with `*.`.
    #[error("line {0}: invalid wildcard rule")]
    Wildcard(usize),
    /// A rule that is no name.
    #[error("line {line}: the name {problem}")]
    Name {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: DomainError,
    },
    /// `!name` without the rule `*.` that it is an exception of.
    #[error("line {0}: exception for a wildcard that is not there")]
    Exception(usize),
    /// No rule at all: an empty file, or another one.
    #[error("has no rule")]
    Empty,
}

/// What the list says of a name.
enum Rule {
    Suffix,
    /// A name that somebody registered, in spite of a wildcard.
    Exception,
    None,
}

/// Rules of the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SuffixList {
    suffixes: HashSet<Domain>,
    /// Below these every label makes a suffix, but for the exceptions.
    wildcards: HashMap<Domain, HashSet<Box<str>>>,
}

impl SuffixList {
    /// Reads the list. All of it must be in order.
    ///
    /// # Errors
    /// [`SuffixError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SuffixError> {
        if bytes.len() > MAX_SUFFIX_FILE_BYTES {
            return Err(SuffixError::TooLong);
        }
        let mut list = Self::default();
        let mut exceptions = Vec::new();
        for (at, bytes) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let line = at.saturating_add(1);
            let name = |text: &str| {
                Domain::parse(text).map_err(|problem| SuffixError::Name { line, problem })
            };
            let text = str::from_utf8(bytes).map_err(|_| SuffixError::Utf8(line))?;
            // A rule ends at the first white space.
            let Some(rule) = text.split_whitespace().next() else { continue };
            if rule.starts_with('/') {
                if !rule.starts_with("//") {
                    return Err(SuffixError::Comment(line));
                }
            } else if let Some(rule) = rule.strip_prefix('!') {
                exceptions.push((line, name(rule)?));
            } else if rule.starts_with('*') {
                let parent = rule.strip_prefix("*.").ok_or(SuffixError::Wildcard(line))?;
                list.wildcards.entry(name(parent)?).or_default();
            } else {
                list.suffixes.insert(name(rule)?);
            }
        }
        for (line, exception) in exceptions {
            list.except(&exception).ok_or(SuffixError::Exception(line))?;
        }
        if list.is_empty() { Err(SuffixError::Empty) } else { Ok(list) }
    }

    fn except(&mut self, exception: &Domain) -> Option<()> {
        let (label, parent) = exception.as_str().split_once('.')?;
        self.wildcards.get_mut(parent)?.insert(label.into());
        Some(())
    }

    /// Rules in the list, exceptions not counted.
    pub fn len(&self) -> usize {
        self.suffixes.len().saturating_add(self.wildcards.len())
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The suffix of a name and the label before it; the name itself where it is a suffix; `None`
    /// where no rule matches.
    pub fn registered_domain(&self, domain: &Domain) -> Option<Domain> {
        let mut below = None;
        for name in domain.and_above() {
            let found = match self.rule(name) {
                Rule::Suffix => below.unwrap_or(name),
                Rule::Exception => name,
                Rule::None => {
                    below = Some(name);
                    continue;
                }
            };
            return Some(Domain::trusted(found));
        }
        None
    }

    fn rule(&self, name: &str) -> Rule {
        if self.suffixes.contains(name) {
            return Rule::Suffix;
        }
        let parent = name.split_once('.');
        let exceptions = parent.and_then(|(label, up)| Some((label, self.wildcards.get(up)?)));
        match exceptions {
            Some((label, exceptions)) if exceptions.contains(label) => Rule::Exception,
            Some(_) => Rule::Suffix,
            None => Rule::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "// a comment\norg\nnet \n example.com trailing words\n\n\
                           *.example.net\n!foo.example.net\n\u{9999}\u{6e2f}\nck\n*.ck\n!www.ck\n";

    fn registered(domain: &str) -> Option<String> {
        let list = SuffixList::parse(EXAMPLE.as_bytes()).unwrap();
        Some(list.registered_domain(&Domain::parse(domain).unwrap())?.to_string())
    }

    #[test]
    fn a_registered_domain_is_the_suffix_and_one_label() {
        for (domain, expected) in [
            ("example.org", Some("example.org")),
            ("a.b.example.org", Some("example.org")),
            ("org", Some("org")),
            ("example.com", Some("example.com")),
            ("foo.example.com", Some("foo.example.com")),
            ("bar.foo.example.com", Some("foo.example.com")),
            ("a.foo.bar.example.net", Some("foo.bar.example.net")),
            ("bar.example.net", Some("bar.example.net")),
            ("bar.foo.example.net", Some("foo.example.net")),
            ("a.b.c.ck", Some("b.c.ck")),
            ("a.www.ck", Some("www.ck")),
            ("a.xn--j6w193g", Some("a.\u{9999}\u{6e2f}")),
            ("bar.example.mil", None),
            ("com", None),
        ] {
            assert_eq!(registered(domain).as_deref(), expected, "{domain}");
        }
    }

    #[test]
    fn each_kind_of_malformed_list_is_refused() {
        let parse = |text: &[u8]| SuffixList::parse(text).unwrap_err();
        assert_eq!(parse(b"org\n/ x\n"), SuffixError::Comment(2));
        assert_eq!(parse(b"org\n*example\n"), SuffixError::Wildcard(2));
        assert_eq!(parse(b"*.ck\n!www.example\n"), SuffixError::Exception(2));
        assert_eq!(parse(b"*.ck\n!ck\n"), SuffixError::Exception(2));
        assert_eq!(parse(b"org\n\xff\n"), SuffixError::Utf8(2));
        assert_eq!(parse(b"// nothing\n"), SuffixError::Empty);
        assert_eq!(parse(&vec![b'a'; MAX_SUFFIX_FILE_BYTES + 1]), SuffixError::TooLong);
        let problem = DomainError::Character;
        assert_eq!(parse(b"org\n<html>\n"), SuffixError::Name { line: 2, problem });
        assert_eq!(
            parse(b"!a b\n*.\n"),
            SuffixError::Name { line: 2, problem: DomainError::Empty }
        );
    }

    #[test]
    fn debians_list_is_read() {
        let Ok(bytes) = std::fs::read("/usr/share/publicsuffix/public_suffix_list.dat") else {
            eprintln!("skipped: no list of public suffixes here (package publicsuffix)");
            return;
        };
        let list = SuffixList::parse(&bytes).unwrap();
        assert!(list.len() > 8000, "{}", list.len());
        for (domain, expected) in [
            ("www.sigsum.org", "sigsum.org"),
            ("a.b.co.uk", "b.co.uk"),
            ("a.www.ck", "www.ck"),
            ("x.xn--55qx5d.cn", "x.\u{516c}\u{53f8}.cn"),
        ] {
            let found = list.registered_domain(&Domain::parse(domain).unwrap());
            assert_eq!(found.unwrap().as_str(), expected);
        }
    }
}
