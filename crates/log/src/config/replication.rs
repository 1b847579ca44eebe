//! Which nodes hold copies of a primary's log, as configured: `replication`, `required` and
//! `[[primary.followers]]` of ours, and log-go's `secondary-url` with `secondary-pubkey-file`.
//!
//! Half a configuration is refused: an operator who believes in a copy that nobody makes finds out
//! on the worst of days.

use super::FileConfigError;
use super::file::PrimaryTable;
use serde::Deserialize;
use serde::de::IgnoredAny;
use sigsum_core::PublicKey;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A node that holds a copy of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follower<K = PublicKey> {
    /// Base URL of its internal endpoint, with its prefix if it has one.
    pub url: String,
    /// What its tree heads are signed with.
    pub key: K,
}

/// The followers of a primary; none by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replication<K = PublicKey> {
    /// All that are asked.
    pub followers: Vec<Follower<K>>,
    /// How many of them must hold a leaf before it is answered 200 or signed.
    pub required: usize,
}

impl<K> Default for Replication<K> {
    fn default() -> Self {
        Self { followers: Vec::new(), required: 0 }
    }
}

impl<K> Replication<K> {
    /// Whether the log is on one node alone.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.followers.is_empty()
    }
}

/// A follower's key as a configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// The file that holds it.
    File(PathBuf),
    /// The key itself.
    Key(PublicKey),
}

impl Replication<KeySource> {
    /// The files that hold keys.
    pub fn key_files(&self) -> impl Iterator<Item = &Path> {
        self.followers.iter().filter_map(|follower| match &follower.key {
            KeySource::File(path) => Some(path.as_path()),
            KeySource::Key(_) => None,
        })
    }

    /// Reads the key files.
    ///
    /// # Errors
    /// What `read` says.
    pub fn with_keys<E>(
        self,
        mut read: impl FnMut(&Path) -> Result<PublicKey, E>,
    ) -> Result<Replication, E> {
        let follower = |Follower { url, key }: Follower<KeySource>| match key {
            KeySource::File(path) => Ok(Follower { url, key: read(&path)? }),
            KeySource::Key(key) => Ok(Follower { url, key }),
        };
        let followers = self.followers.into_iter().map(follower).collect::<Result<_, E>>()?;
        Ok(Replication { followers, required: self.required })
    }
}

impl Replication {
    /// Whether every follower counts once, and enough of them can be had.
    ///
    /// # Errors
    /// [`FileConfigError::SameFollowerKey`], [`FileConfigError::RequiredWithoutFollowers`],
    /// [`FileConfigError::OutOfRange`].
    pub fn check(&self) -> Result<(), FileConfigError> {
        for (at, Follower { url, key }) in self.followers.iter().enumerate() {
            let earlier = self.followers.iter().take(at).find(|earlier| earlier.key == *key);
            if let Some(earlier) = earlier {
                let (first, second) = (earlier.url.clone(), url.clone());
                return Err(FileConfigError::SameFollowerKey { first, second });
            }
        }
        match (self.required, self.followers.len()) {
            (0, 0) => Ok(()),
            (_, 0) => Err(FileConfigError::RequiredWithoutFollowers),
            (required, count) if (1..=count).contains(&required) => Ok(()),
            (_, count) => {
                let max = count as u64;
                Err(FileConfigError::OutOfRange { key: "required", min: 1, max })
            }
        }
    }
}

/// One of `[[primary.followers]]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FollowerTable {
    /// Base URL of its internal endpoint.
    pub url: Option<String>,
    /// File with its public key; this or `key`.
    pub pubkey_file: Option<PathBuf>,
    /// Its public key in hex.
    pub key: Option<String>,
    /// What is left.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, IgnoredAny>,
}

impl FollowerTable {
    fn read(&self) -> Result<Follower<KeySource>, FileConfigError> {
        let url = text(self.url.as_deref()).ok_or(FileConfigError::FollowerWithoutUrl)?.to_owned();
        let key = match (path(self.pubkey_file.as_deref()), text(self.key.as_deref())) {
            (Some(file), None) => KeySource::File(file.to_owned()),
            (None, Some(key)) => match PublicKey::from_hex(key) {
                Ok(key) => KeySource::Key(key),
                Err(error) => {
                    return Err(FileConfigError::FollowerKey { url, problem: error.to_string() });
                }
            },
            (None, None) => return Err(FileConfigError::FollowerWithoutKey { url }),
            (Some(_), Some(_)) => return Err(FileConfigError::FollowerWithTwoKeys { url }),
        };
        Ok(Follower { url, key })
    }
}

/// Empty counts as unset, as in log-go.
fn text(value: Option<&str>) -> Option<&str> {
    value.filter(|value| !value.is_empty())
}

fn path(value: Option<&Path>) -> Option<&Path> {
    value.filter(|path| !path.as_os_str().is_empty())
}

/// log-go's one secondary, which every leaf waits for.
fn secondary(table: &PrimaryTable) -> Result<Option<Follower<KeySource>>, FileConfigError> {
    let url = text(table.secondary_url.as_deref());
    match (url, path(table.secondary_pubkey_file.as_deref())) {
        (None, None) => Ok(None),
        (Some(url), Some(file)) => {
            Ok(Some(Follower { url: url.to_owned(), key: KeySource::File(file.to_owned()) }))
        }
        (Some(_), None) => Err(FileConfigError::SecondaryWithoutKey),
        (None, Some(_)) => Err(FileConfigError::SecondaryWithoutUrl),
    }
}

/// What the primary's table says of followers.
pub(super) fn read(table: &PrimaryTable) -> Result<Replication<KeySource>, FileConfigError> {
    let declared_none = match text(table.replication.as_deref()) {
        None => false,
        Some("none") => true,
        Some(other) => return Err(FileConfigError::UnknownReplication(other.to_owned())),
    };
    let secondary = secondary(table)?;
    let own = table.followers.iter().map(FollowerTable::read).collect::<Result<Vec<_>, _>>()?;
    let (followers, required) = match (secondary, own) {
        (Some(_), own) if !own.is_empty() => return Err(FileConfigError::SecondaryAndFollowers),
        (Some(secondary), _) => (vec![secondary], Some(table.required.unwrap_or(1))),
        (None, own) => (own, table.required),
    };
    if declared_none && !followers.is_empty() {
        return Err(FileConfigError::NoneWithFollowers);
    }
    let same = followers.iter().enumerate().find(|(at, follower)| {
        followers.iter().take(*at).any(|earlier| earlier.url == follower.url)
    });
    if let Some((_, follower)) = same {
        return Err(FileConfigError::SameFollowerUrl { url: follower.url.clone() });
    }
    let count = followers.len() as u64;
    let required = match (required, count) {
        (None, 0) => 0,
        (Some(_), 0) => return Err(FileConfigError::RequiredWithoutFollowers),
        (None, _) => return Err(FileConfigError::RequiredMissing { followers: count }),
        (Some(required), _) if (1..=count).contains(&required) => required,
        (Some(_), _) => {
            return Err(FileConfigError::OutOfRange { key: "required", min: 1, max: count });
        }
    };
    // Not larger than the number of followers.
    Ok(Replication { followers, required: usize::try_from(required).unwrap_or(usize::MAX) })
}

#[cfg(test)]
#[path = "replication_tests.rs"]
mod tests;
