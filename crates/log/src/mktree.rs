//! What `sigsum-mktree` does: prepares the startup file that lets a log without an sth file start.

use crate::sth::{StartupMode, SthFile};
use sigsum_store::durable::{FileError, PUBLIC_FILE};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What the log is to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// A new tree.
    #[default]
    Empty,
    /// The tree that its data directory holds, without an sth file.
    LocalTree,
    /// The sth file that is there; only checked.
    Saved,
}

/// Why the log could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum MktreeError {
    /// A file is there that must not be, or the other way round.
    #[error("Unexpected file {path:?}, inconsistent with specified startup state.")]
    Unexpected {
        /// The file.
        path: PathBuf,
    },
    /// There is no sth file to start from.
    #[error("Missing file {path:?}, inconsistent with specified startup state.")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The startup file could not be made; one that is there already included.
    #[error("creating startup file failed: {0}")]
    Create(FileError),
    /// The directory could not be looked at.
    #[error(transparent)]
    Look(FileError),
    /// Not the name of a mode.
    #[error("unknown mode {0:?}, must be one of \"empty\", \"local-tree\", or \"saved\"")]
    UnknownMode(String),
}

impl FromStr for Mode {
    type Err = MktreeError;
    fn from_str(text: &str) -> Result<Self, MktreeError> {
        match text {
            "empty" => Ok(Self::Empty),
            "local-tree" => Ok(Self::LocalTree),
            "saved" => Ok(Self::Saved),
            other => Err(MktreeError::UnknownMode(other.to_owned())),
        }
    }
}

/// Prepares a start, or checks that nothing needs preparing.
///
/// # Errors
/// [`MktreeError`]; nothing was changed then.
pub fn run(sth_file: &Path, mode: Mode) -> Result<(), MktreeError> {
    let sth = SthFile::new(sth_file);
    let startup = match mode {
        Mode::Empty => StartupMode::Empty,
        Mode::LocalTree => StartupMode::LocalTree,
        Mode::Saved => return check_saved(&sth),
    };
    if sth.exists().map_err(MktreeError::Look)? {
        return Err(MktreeError::Unexpected { path: sth.path().to_owned() });
    }
    let text = format!("startup={startup}"); // without a newline, as log-go's
    sth.startup().create_new(text.as_bytes(), PUBLIC_FILE).map_err(MktreeError::Create)
}

fn check_saved(sth: &SthFile) -> Result<(), MktreeError> {
    if !sth.exists().map_err(MktreeError::Look)? {
        return Err(MktreeError::Missing { path: sth.path().to_owned() });
    }
    if sth.startup().exists().map_err(MktreeError::Look)? {
        return Err(MktreeError::Unexpected { path: sth.startup().path().to_owned() });
    }
    Ok(())
}
