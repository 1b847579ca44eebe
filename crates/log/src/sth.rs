//! The sth file and the startup file of log-go, for operators and scripts that know them.
//!
//! The data directory is the truth. The sth file repeats the last signed head where log-go keeps
//! it; what it says is compared with the data directory at start, and a contradiction is refused.

use sigsum_core::ascii::AsciiError;
use sigsum_core::wire::log::{parse_signed_tree_head, signed_tree_head_body};
use sigsum_core::{PublicKey, SignedTreeHead, TreeHead};
use sigsum_store::durable::{FileError, PUBLIC_FILE, SmallFile};
use sigsum_store::{LogStore, Place, StoreError};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Suffix that makes the startup file's name out of the sth file's.
const STARTUP_SUFFIX: &str = ".startup";
/// Longest sth file: size, root hash and signature lines take at most 262 bytes.
const MAX_STH_BYTES: usize = 1024;
/// Longest startup file that is looked at; only its first line counts.
const MAX_STARTUP_BYTES: usize = 1024;

/// What a log without an sth file starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartupMode {
    /// A new tree.
    Empty,
    /// The tree that the data directory holds.
    LocalTree,
}

impl fmt::Display for StartupMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty",
            Self::LocalTree => "local-tree",
        })
    }
}

/// Why the sth or startup file does not let the log start.
#[derive(Debug, thiserror::Error)]
pub enum SthError {
    /// Reading or writing one of the files.
    #[error(transparent)]
    File(#[from] FileError),
    /// The startup file has no text.
    #[error("startup file empty")]
    StartupEmpty,
    /// Its first line is something else.
    #[error("missing startup= keyword in startup file")]
    StartupKeyword,
    /// The mode is not one of log-go's.
    #[error("invalid startup mode {0:?}")]
    StartupMode(String),
    /// The sth file is not a signed tree head.
    #[error("parse {}: {error}", path.display())]
    Parse {
        /// The sth file.
        path: PathBuf,
        /// What is wrong with it.
        error: AsciiError,
    },
    /// Another log signed it, or none.
    #[error("{} is not signed by this log's key", path.display())]
    OtherKey {
        /// The sth file.
        path: PathBuf,
    },
    /// There is neither an sth file nor a startup file, and no head to write one from.
    #[error("{} does not exist; `sigsum log init` (or sigsum-mktree) starts a new log", path.display())]
    Missing {
        /// The sth file.
        path: PathBuf,
    },
    /// The sth file names a tree that the data directory does not hold. Signing now would fork
    /// the log.
    #[error(
        "{} names the tree of size {} and root hash {}, which the data directory (size {}) does not hold",
        path.display(), named.size, named.root_hash, present.size
    )]
    Contradiction {
        /// The sth file.
        path: PathBuf,
        /// The tree it names.
        named: TreeHead,
        /// The tree in the data directory.
        present: TreeHead,
    },
    /// The startup file says `empty`, and the data directory has leaves or a head.
    #[error("{} says empty, but the data directory holds a tree of size {}", path.display(), present.size)]
    NotEmpty {
        /// The startup file.
        path: PathBuf,
        /// The tree in the data directory.
        present: TreeHead,
    },
    /// The data directory could not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An sth file and its startup file.
#[derive(Debug, Clone)]
pub struct SthFile {
    file: SmallFile,
}

/// What the two files say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SthState {
    /// From the startup file.
    pub startup: Option<StartupMode>,
    /// From the sth file; signed by this log.
    pub saved: Option<SignedTreeHead>,
}

impl SthFile {
    /// Names the sth file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { file: SmallFile::new(path) }
    }

    /// Names the sth file, on the file system that the data is on.
    pub fn on(place: &Place, path: impl AsRef<Path>) -> Self {
        Self { file: place.file(path) }
    }

    /// The sth file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The startup file.
    pub fn startup(&self) -> SmallFile {
        self.file.beside(STARTUP_SUFFIX)
    }

    /// Whether there is an sth file, readable or not.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn exists(&self) -> Result<bool, FileError> {
        self.file.exists()
    }

    /// Reads both files.
    ///
    /// # Errors
    /// [`SthError`] for a file that cannot be read or is malformed, or of another log.
    pub fn load(&self, log: &PublicKey) -> Result<SthState, SthError> {
        let startup = match self.startup().read(MAX_STARTUP_BYTES)? {
            Some(bytes) => Some(parse_startup(&bytes)?),
            None => None,
        };
        let saved = match self.file.read(MAX_STH_BYTES)? {
            Some(bytes) => Some(self.parse(&bytes, log)?),
            None => None,
        };
        Ok(SthState { startup, saved })
    }

    fn parse(&self, bytes: &[u8], log: &PublicKey) -> Result<SignedTreeHead, SthError> {
        let path = || self.path().to_owned();
        let head = parse_signed_tree_head(bytes);
        let head = head.map_err(|error| SthError::Parse { path: path(), error })?;
        if head.verify(log) { Ok(head) } else { Err(SthError::OtherKey { path: path() }) }
    }

    /// Compares what the files say with the tree of the data directory.
    ///
    /// # Errors
    /// [`SthError::Contradiction`], [`SthError::NotEmpty`], [`SthError::Missing`].
    pub fn check(
        &self,
        state: &SthState,
        store: &dyn LogStore,
        initialised: bool,
    ) -> Result<(), SthError> {
        let present = store.integrated();
        let is_fresh = store.committed_size().0 == 0 && store.load_head().is_none();
        if let Some(saved) = state.saved {
            let named = saved.tree_head;
            let held =
                named.size <= present.size && store.root_hash(named.size)? == named.root_hash;
            if !held {
                let path = self.path().to_owned();
                return Err(SthError::Contradiction { path, named, present });
            }
            return Ok(());
        }
        match state.startup {
            Some(StartupMode::Empty) if !is_fresh => {
                Err(SthError::NotEmpty { path: self.startup().path().to_owned(), present })
            }
            Some(_) => Ok(()),
            // The data directory was initialised for this key, or has a head to write it from.
            None if initialised || !is_fresh => Ok(()),
            None => Err(SthError::Missing { path: self.path().to_owned() }),
        }
    }

    /// Replaces the sth file.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn write(&self, head: &SignedTreeHead) -> Result<(), FileError> {
        let body = signed_tree_head_body(head);
        self.file.replace(body.as_bytes(), PUBLIC_FILE)
    }

    /// Removes the startup file, once the tree is there. Durable, as a startup file that says
    /// `empty` and comes back after a crash would keep the log from starting.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn remove_startup(&self) -> Result<(), FileError> {
        self.startup().remove()
    }
}

/// Reads the first line of a startup file: `startup=empty` or `startup=local-tree`.
fn parse_startup(bytes: &[u8]) -> Result<StartupMode, SthError> {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().next().ok_or(SthError::StartupEmpty)?.trim();
    let mode = line.strip_prefix("startup=").ok_or(SthError::StartupKeyword)?;
    mode.parse()
}

impl FromStr for StartupMode {
    type Err = SthError;
    fn from_str(text: &str) -> Result<Self, SthError> {
        match text {
            "empty" => Ok(Self::Empty),
            "local-tree" => Ok(Self::LocalTree),
            other => Err(SthError::StartupMode(other.to_owned())),
        }
    }
}
