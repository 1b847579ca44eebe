//! Names and URLs of policies: octets that a line can carry as one field (`doc/policy.md` and
//! `tlog-policy`, "Character set").

use super::quote::go_quoted;
use alloc::{string::String, vec::Vec};
use core::{fmt, str::FromStr};

/// Why octets are no name or URL of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyTextError {
    /// No octets.
    #[error("empty name or URL")]
    Empty,
    /// White space or a control character.
    #[error("byte 0x{0:02x} in a name or URL")]
    Byte(u8),
}

/// A name or URL: one or more octets without space, tab and control characters. Octets above 0x7f
/// are opaque: they should be UTF-8 and need not be, and names are compared octet by octet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyText(Vec<u8>);

impl PolicyText {
    /// Checks and wraps octets.
    ///
    /// # Errors
    /// [`PolicyTextError`].
    pub fn new(octets: &[u8]) -> Result<Self, PolicyTextError> {
        if octets.is_empty() {
            return Err(PolicyTextError::Empty);
        }
        match octets.iter().find(|octet| **octet <= b' ' || **octet == 0x7f) {
            Some(octet) => Err(PolicyTextError::Byte(*octet)),
            None => Ok(Self(octets.to_vec())),
        }
    }

    /// The predefined name of the quorum that asks for nothing.
    pub fn none() -> Self {
        Self(b"none".to_vec())
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, where it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        core::str::from_utf8(&self.0).ok()
    }

    /// In quotes, as Go's `%q` writes it.
    pub fn quoted(&self) -> String {
        go_quoted(&self.0)
    }
}

impl fmt::Display for PolicyText {
    /// Octets that are not UTF-8 come out as replacement characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&String::from_utf8_lossy(&self.0))
    }
}

impl FromStr for PolicyText {
    type Err = PolicyTextError;
    fn from_str(text: &str) -> Result<Self, PolicyTextError> {
        Self::new(text.as_bytes())
    }
}
