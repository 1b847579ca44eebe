//! Configuration of a witness: what an operator writes, and what it means.

use crate::engine::{Extensions, LogKeysError, TrustedLog};
use serde::Deserialize;
use sigsum_core::PublicKey;
use sigsum_core::bytes::BytesError;
use sigsum_core::checkpoint::{LineError, Origin};
use sigsum_core::note::{Vkey, VkeyError};
use std::collections::HashSet;
use std::path::PathBuf;

/// Requests that are worked on at once. At 12 000 a second the queue is then 0.1 s long; each holds
/// a parsed body of at most a few hundred KiB.
pub const DEFAULT_MAX_IN_FLIGHT: usize = 1024;
/// Requests of one log that are worked on at once: a log needs one at a time, so the rest are
/// retries or not its own. Keeps one log from filling the queue of all.
pub const MAX_IN_FLIGHT_PER_LOG: usize = 16;
/// How long a request may take until it is dropped: half of the 10 s at whose end log-go has no use
/// for the answer; litewitness's limit too.
pub const DEFAULT_REQUEST_DEADLINE_MS: u64 = 5_000;
/// Signatures that are asked for at once: fills a pool of hardware keys, and keeps what waits out
/// here, where its deadline is looked at.
pub const MAX_SIGNING: usize = 64;
/// When to come back to a witness that is busy, in seconds.
pub const RETRY_AFTER_S: u64 = 1;

/// A witness's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Where to serve: `host:port`, `unix:/path`, `systemd:NAME`.
    pub listen: String,
    /// Where to serve `/metrics` and health; nowhere if absent.
    pub internal_listen: Option<String>,
    /// Path in front of the endpoints, without slashes at its ends; may be empty.
    pub url_prefix: String,
    /// Data directory for many logs. Either this or [`Self::state_file`].
    pub data_dir: Option<PathBuf>,
    /// State file of `sigsum-witness`, for exactly one Sigsum log and one key.
    pub state_file: Option<PathBuf>,
    /// Logs, beside those that were added to the data directory.
    pub logs: Vec<LogConfig>,
    /// Requests that are worked on at once; more get 503.
    pub max_in_flight: usize,
    /// Milliseconds after which a request that is not signed gets 503.
    pub request_deadline_ms: u64,
    /// Trusts a state that was copied or restored. Not part of a file: it is for one start.
    #[serde(skip)]
    pub accept_state: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            internal_listen: None,
            url_prefix: String::new(),
            data_dir: None,
            state_file: None,
            logs: Vec::new(),
            max_in_flight: DEFAULT_MAX_IN_FLIGHT,
            request_deadline_ms: DEFAULT_REQUEST_DEADLINE_MS,
            accept_state: false,
        }
    }
}

/// One log: a Sigsum log by its key, or any log by its vkeys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LogConfig {
    /// Public key of a Sigsum log in hex; its origin and vkey follow from it.
    pub sigsum_key: Option<String>,
    /// First line of the checkpoints; the name of the first vkey if absent.
    pub origin: Option<String>,
    /// Keys that sign the checkpoints, as vkeys of type 1, 4 or 6.
    pub vkeys: Vec<String>,
}

/// A configuration that does not make sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Neither or both of data directory and state file.
    #[error("give either data-dir or state-file")]
    Storage,
    /// A state file with other than one Sigsum log.
    #[error("a state file is for exactly one Sigsum log, given by its key")]
    StateFileLogs,
    /// A state file with other than one key.
    #[error("a state file is for exactly one witness key")]
    StateFileKeys,
    /// No key to cosign with.
    #[error("no witness key")]
    NoKey,
    /// One public key under two names.
    #[error("witness key {0} is given twice; one key cannot be two cosigners")]
    DuplicateKey(PublicKey),
    /// A log is there twice.
    #[error("log {0} is configured twice")]
    DuplicateOrigin(Origin),
    /// A log with both a Sigsum key and an origin or vkeys, or with neither.
    #[error("a log is given either by sigsum-key or by vkeys (and origin)")]
    LogForm,
    /// A Sigsum key that is none.
    #[error("sigsum-key {text:?}: {error}")]
    SigsumKey {
        /// What was given.
        text: String,
        /// What is wrong with it.
        error: BytesError,
    },
    /// A vkey that is none.
    #[error("vkey {text:?}: {error}")]
    Vkey {
        /// What was given.
        text: String,
        /// What is wrong with it.
        error: VkeyError,
    },
    /// An origin that is none.
    #[error("origin {text:?}: {error}")]
    Origin {
        /// What was given.
        text: String,
        /// What is wrong with it.
        error: LineError,
    },
    /// Keys that do not go together.
    #[error(transparent)]
    LogKeys(#[from] LogKeysError),
    /// A number that must not be zero.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
}

/// A log as configured, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSpec {
    /// First line of its checkpoints.
    pub origin: Origin,
    /// Its keys; at least one.
    pub vkeys: Vec<Vkey>,
    /// The key of a Sigsum log that was given as such.
    pub sigsum_key: Option<PublicKey>,
}

impl LogConfig {
    /// A Sigsum log.
    pub fn sigsum(key: &PublicKey) -> Self {
        Self { sigsum_key: Some(key.to_hex()), ..Self::default() }
    }

    /// A log whose origin is the name of its vkey.
    pub fn vkey(vkey: &Vkey) -> Self {
        Self { vkeys: vec![vkey.to_string()], ..Self::default() }
    }

    /// Reads keys and origin.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(&self) -> Result<LogSpec, ConfigError> {
        match &self.sigsum_key {
            Some(text) if self.origin.is_none() && self.vkeys.is_empty() => read_sigsum(text),
            None if !self.vkeys.is_empty() => self.read_vkeys(),
            _ => Err(ConfigError::LogForm),
        }
    }

    fn read_vkeys(&self) -> Result<LogSpec, ConfigError> {
        let vkeys = self.vkeys.iter().map(|t| read_vkey(t)).collect::<Result<Vec<_>, _>>()?;
        let origin = match (&self.origin, vkeys.first()) {
            (Some(text), _) => read_origin(text)?,
            (None, Some(first)) => Origin::from(&first.name),
            (None, None) => return Err(ConfigError::LogForm),
        };
        // Refuses keys that do not go together before anything is stored.
        TrustedLog::new(origin.clone(), &vkeys, Extensions::Cosigned)?;
        Ok(LogSpec { origin, vkeys, sigsum_key: None })
    }
}

fn read_sigsum(text: &str) -> Result<LogSpec, ConfigError> {
    let key = PublicKey::from_hex(text)
        .map_err(|error| ConfigError::SigsumKey { text: text.to_owned(), error })?;
    let vkey = Vkey::sigsum_log(&key);
    Ok(LogSpec { origin: Origin::from(&vkey.name), vkeys: vec![vkey], sigsum_key: Some(key) })
}

/// Reads a vkey from a configuration or a store.
pub(crate) fn read_vkey(text: &str) -> Result<Vkey, ConfigError> {
    Vkey::parse(text).map_err(|error| ConfigError::Vkey { text: text.to_owned(), error })
}

/// Reads an origin from a configuration or a store.
pub(crate) fn read_origin(text: &str) -> Result<Origin, ConfigError> {
    Origin::new(text).map_err(|error| ConfigError::Origin { text: text.to_owned(), error })
}

impl Config {
    /// Reads the logs and checks what has nothing to do with files.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn check(&self, keys: &[PublicKey]) -> Result<Vec<LogSpec>, ConfigError> {
        let mut seen = HashSet::new();
        match keys.iter().find(|key| !seen.insert(**key)) {
            Some(key) => return Err(ConfigError::DuplicateKey(*key)),
            None if keys.is_empty() => return Err(ConfigError::NoKey),
            None => {}
        }
        if self.max_in_flight == 0 {
            return Err(ConfigError::Zero("max-in-flight"));
        }
        if self.request_deadline_ms == 0 {
            return Err(ConfigError::Zero("request-deadline-ms"));
        }
        let logs = self.logs.iter().map(LogConfig::read).collect::<Result<Vec<_>, _>>()?;
        let mut seen = HashSet::new();
        if let Some(twice) = logs.iter().find(|log| !seen.insert(&log.origin)) {
            return Err(ConfigError::DuplicateOrigin(twice.origin.clone()));
        }
        match (&self.data_dir, &self.state_file) {
            (Some(_), None) => Ok(logs),
            (None, Some(_)) if keys.len() != 1 => Err(ConfigError::StateFileKeys),
            (None, Some(_)) if !is_one_sigsum_log(&logs) => Err(ConfigError::StateFileLogs),
            (None, Some(_)) => Ok(logs),
            _ => Err(ConfigError::Storage),
        }
    }
}

fn is_one_sigsum_log(logs: &[LogSpec]) -> bool {
    matches!(logs, [LogSpec { sigsum_key: Some(_), .. }])
}

#[cfg(test)]
mod tests;
