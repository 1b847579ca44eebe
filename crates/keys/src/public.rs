//! OpenSSH public keys, alone or as a list, with the `sigsum-policy="NAME"` option.
//!
//! The line format is that of `sshd(8)`, "AUTHORIZED_KEYS FILE FORMAT", with no option but ours:
//! `[sigsum-policy="NAME"] ssh-ed25519 BASE64 [comment]`. Fields are separated by spaces and tabs
//! only, so that a comment may run over line ends and a file without a comment may end in one.

use crate::wire::{BlobError, ED25519, parse_public_key_blob, public_key_blob, shown};
use sigsum_core::{PublicKey, bytes};

/// The option that names a policy, up to its value.
const POLICY_OPTION: &[u8] = b"sigsum-policy=";

/// Why a public key was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// Fewer than two fields (behind the option, if there is one).
    #[error("invalid public key, expected a key type and the key in base64")]
    Fields,
    /// The option's value is not a name in double quotes.
    #[error("invalid option {0}: expected sigsum-policy=\"NAME\"")]
    PolicyOption(String),
    /// Another key type, an option that Sigsum does not know, or no public key at all.
    #[error("unsupported public key type: {0}")]
    KeyType(String),
    /// The key is not base64.
    #[error("invalid public key, not base64")]
    NotBase64,
    /// The decoded key is of another type than the line says, or malformed.
    #[error("invalid public key: {0}")]
    Blob(#[from] BlobError),
}

/// A public key as a line or file holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKeyLine {
    /// The key.
    pub key: PublicKey,
    /// The policy that its owner wants proofs to be checked against; never empty.
    pub policy_name: Option<String>,
}

/// Reads one public key: a line, or a whole file of which the first key counts.
///
/// # Errors
/// [`PublicKeyError`].
pub fn parse_public_key(text: &[u8]) -> Result<PublicKeyLine, PublicKeyError> {
    let mut fields = text.split(|b| matches!(b, b' ' | b'\t')).filter(|f| !f.is_empty()).peekable();
    let first = fields.peek().copied().ok_or(PublicKeyError::Fields)?;
    let policy_name = match first.strip_prefix(POLICY_OPTION) {
        Some(value) => {
            fields.next();
            Some(policy_name(value).ok_or_else(|| PublicKeyError::PolicyOption(shown(first)))?)
        }
        None => None,
    };
    let (Some(key_type), Some(encoded)) = (fields.next(), fields.next()) else {
        return Err(PublicKeyError::Fields);
    };
    if key_type != ED25519 {
        return Err(PublicKeyError::KeyType(shown(key_type)));
    }
    // Line ends are no separators, so one may stick to the key; base64 skips them.
    let encoded: Vec<u8> =
        encoded.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    let encoded = str::from_utf8(&encoded).map_err(|_| PublicKeyError::NotBase64)?;
    let blob = bytes::from_base64(encoded).map_err(|_| PublicKeyError::NotBase64)?;
    Ok(PublicKeyLine { key: parse_public_key_blob(&blob)?, policy_name })
}

/// The name inside the quotes of the option's value.
fn policy_name(value: &[u8]) -> Option<String> {
    let name = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let allowed = |b: &u8| !matches!(b, b'"' | b'\'' | b'\\' | b' ' | b'\n');
    if name.is_empty() || !name.iter().all(allowed) {
        return None;
    }
    str::from_utf8(name).ok().map(str::to_owned)
}

/// A public key file: type, base64, the comment `sigsum key`, newline.
pub fn format_public_key(key: &PublicKey) -> String {
    format!("ssh-ed25519 {} sigsum key\n", bytes::to_base64(&public_key_blob(key)))
}

/// Why a list of keys was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyListError {
    /// A line that is neither empty nor a comment, and no key either.
    #[error("invalid public key on line {line}: {error}")]
    Line {
        /// Counted from one.
        line: usize,
        /// What is wrong with it.
        error: PublicKeyError,
    },
    /// The same key for the second time.
    #[error("duplicate public key on line {line}")]
    Duplicate {
        /// Counted from one.
        line: usize,
    },
    /// No key in the file.
    #[error("no public keys found")]
    Empty,
    /// Two keys name different policies; no name is different from any.
    #[error("conflicting policy names found in pubkeys: {other:?} != {first:?}")]
    PolicyConflict {
        /// What the first key names; empty for nothing.
        first: String,
        /// What the key that differs names; empty for nothing.
        other: String,
    },
}

/// One or more distinct keys, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyList {
    lines: Vec<PublicKeyLine>,
}

impl KeyList {
    /// The keys with what stands beside them; at least one.
    pub fn lines(&self) -> &[PublicKeyLine] {
        &self.lines
    }

    /// The keys alone.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.lines.iter().map(|line| &line.key)
    }

    /// The policy that the keys name; all must name the same, or none.
    ///
    /// # Errors
    /// [`KeyListError::PolicyConflict`].
    pub fn policy_name(&self) -> Result<Option<&str>, KeyListError> {
        common_policy_name(&self.lines)
    }
}

/// The policy name that all keys share; for key files read one by one, too.
///
/// # Errors
/// [`KeyListError::PolicyConflict`].
pub fn common_policy_name(lines: &[PublicKeyLine]) -> Result<Option<&str>, KeyListError> {
    let mut names = lines.iter().map(|line| line.policy_name.as_deref());
    let first = names.next().flatten();
    match names.find(|name| *name != first) {
        None => Ok(first),
        Some(other) => Err(KeyListError::PolicyConflict {
            first: first.unwrap_or_default().to_owned(),
            other: other.unwrap_or_default().to_owned(),
        }),
    }
}

/// Reads a list of keys, one a line. Lines that are empty or start with `#` are skipped; every
/// other line must be a key.
///
/// # Errors
/// [`KeyListError`], never of the kind [`KeyListError::PolicyConflict`].
pub fn parse_key_list(text: &[u8]) -> Result<KeyList, KeyListError> {
    let mut lines: Vec<PublicKeyLine> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (at, line) in text.split(|b| *b == b'\n').enumerate() {
        let number = at.saturating_add(1);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let parsed =
            parse_public_key(line).map_err(|error| KeyListError::Line { line: number, error })?;
        if !seen.insert(parsed.key) {
            return Err(KeyListError::Duplicate { line: number });
        }
        lines.push(parsed);
    }
    if lines.is_empty() { Err(KeyListError::Empty) } else { Ok(KeyList { lines }) }
}

#[cfg(test)]
#[path = "public_tests.rs"]
mod tests;
