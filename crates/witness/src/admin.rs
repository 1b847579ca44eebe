//! What an operator does to a data directory: make it, add and list logs.
//!
//! Adding and listing work beside a running witness, which takes new logs up with
//! [`crate::Handle::reload`] or at its next start. Nothing here removes anything: a log whose state
//! is forgotten could be cosigned backwards.

use crate::config::{ConfigError, LogConfig};
use crate::engine::{Extensions, TrustedLog};
use crate::store::sqlite::{OpenError, SqliteStore};
use crate::store::{StoreError, StoredLog};
use crate::witness::load::all_vkeys;
use sigsum_core::checkpoint::Origin;
use sigsum_core::{PublicKey, TreeHead};
use std::path::Path;

/// A data directory was not changed, or not read.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The directory.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log that was given.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        Self::Open(error.into())
    }
}

/// What [`add_log`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedLog {
    /// First line of the log's checkpoints.
    pub origin: Origin,
    /// Whether the log was not there before.
    pub is_new: bool,
    /// Keys that were not there before.
    pub new_keys: usize,
}

/// A log as [`list_logs`] gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogInfo {
    /// First line of the log's checkpoints.
    pub origin: String,
    /// Keys in the data directory; a configuration may have more.
    pub vkeys: Vec<String>,
    /// The newest head that was cosigned, or was about to be.
    pub tree_head: TreeHead,
}

/// Makes a data directory for a witness with these keys.
///
/// # Errors
/// [`AdminError`]; among others where there is a state already.
pub fn init(data_dir: &Path, keys: &[PublicKey]) -> Result<(), AdminError> {
    if keys.is_empty() {
        return Err(ConfigError::NoKey.into());
    }
    Ok(SqliteStore::init(data_dir, keys)?)
}

/// Makes one more key known to a data directory. The key must never have cosigned elsewhere.
///
/// # Errors
/// [`AdminError`].
pub fn add_key(data_dir: &Path, key: &PublicKey) -> Result<(), AdminError> {
    Ok(SqliteStore::add_key(data_dir, key)?)
}

/// Adds a log, or keys to a log that is there.
///
/// # Errors
/// [`AdminError`].
pub fn add_log(data_dir: &Path, log: &LogConfig) -> Result<AddedLog, AdminError> {
    let spec = log.read()?;
    let mut store = SqliteStore::connect(data_dir)?;
    let known = store.logs()?.into_iter().find(|l| l.origin == spec.origin.as_str());
    let stored = known.as_ref().map(|l| l.vkeys.clone()).unwrap_or_default();
    let vkeys = all_vkeys(&spec.vkeys, &stored)?;
    TrustedLog::new(spec.origin.clone(), &vkeys, Extensions::Cosigned)
        .map_err(ConfigError::from)?;
    let texts: Vec<String> = spec.vkeys.iter().map(ToString::to_string).collect();
    let new_keys = store.add_vkeys(spec.origin.as_str(), &texts)?;
    Ok(AddedLog { origin: spec.origin, is_new: known.is_none(), new_keys })
}

/// All logs of a data directory, by origin.
///
/// # Errors
/// [`AdminError`].
pub fn list_logs(data_dir: &Path) -> Result<Vec<LogInfo>, AdminError> {
    let info =
        |log: StoredLog| LogInfo { origin: log.origin, vkeys: log.vkeys, tree_head: log.head };
    Ok(SqliteStore::connect(data_dir)?.logs()?.into_iter().map(info).collect())
}
