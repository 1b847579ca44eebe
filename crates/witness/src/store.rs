//! What a witness keeps: per origin the newest head it vouched for, and how a store changes it.
//!
//! A store sits behind [`Backend`], a small synchronous trait that only the writer thread
//! (`store/writer.rs`) calls. Two exist: [`sqlite`] for a data directory with many logs,
//! [`state_file`] for the one log of `sigsum-witness`.

pub(crate) mod guard;
pub mod sqlite;
pub mod state_file;
pub(crate) mod writer;

pub use guard::GuardError;

use sigsum_core::TreeHead;
use std::path::PathBuf;

/// Names a log inside one store; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogId(pub i64);

/// A log as a store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLog {
    /// Its name in this store.
    pub id: LogId,
    /// First line of its checkpoints.
    pub origin: String,
    /// The newest head the witness decided to cosign; size 0 if there was none.
    pub head: TreeHead,
    /// Verifier keys that were added to the store; none means that the log is known by its
    /// configuration or not served.
    pub vkeys: Vec<String>,
    /// The checkpoint of [`Self::head`] with the log signatures that were verified; none if there
    /// was none.
    pub checkpoint: Option<String>,
    /// The last checkpoint that was recorded with this witness's cosignatures. After a crash it
    /// may be older than [`Self::checkpoint`].
    pub cosigned: Option<String>,
}

/// The wish to move one log's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// The log.
    pub log: LogId,
    /// What the store must hold for this to happen.
    pub expected: TreeHead,
    /// What it holds afterwards: larger than [`Self::expected`], or the same.
    pub new: TreeHead,
    /// The checkpoint of [`Self::new`] with the log signatures that were verified.
    pub checkpoint: String,
}

/// A checkpoint with this witness's cosignatures, for the read API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    /// The log.
    pub log: LogId,
    /// The whole signed note.
    pub note: String,
}

/// What became of an [`Advance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The store holds the new head.
    Advanced,
    /// The store holds this head, which is not the expected one, and was not changed.
    Conflict(TreeHead),
}

/// A durable store of heads.
pub trait Backend: Send + 'static {
    /// Applies a batch in order, as one transaction.
    ///
    /// *Atomic*: each advance compares and sets; nobody else can write between the two. An advance
    /// to a smaller tree, or to the same size with another root, is never applied.
    /// *Durable*: on `Ok`, what it reports as advanced survives the loss of power. On `Err`, the
    /// caller knows nothing and sends nothing; a later call reports the head that is stored.
    /// *Retry*: the same batch may be given again; what was applied then reports a conflict.
    ///
    /// The result has one outcome per advance. `cosigned` may be lost with the process; the witness
    /// then cosigns the stored checkpoint anew.
    ///
    /// # Errors
    /// [`StoreError`]: always our own fault.
    fn commit(
        &mut self,
        advances: &[Advance],
        cosigned: &[Cosigned],
    ) -> Result<Vec<Outcome>, StoreError>;

    /// Whether a cosigned checkpoint must be recorded before it is handed out.
    fn records_before_reply(&self) -> bool {
        false
    }

    /// Ends in good order: called once, after the last commit.
    fn close(&mut self) {}
}

/// The store cannot do its work. Never caused by a request.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite says no.
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The file system says no.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried, such as `open`.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A durable write failed.
    #[error(transparent)]
    File(#[from] sigsum_store::durable::FileError),
    /// A move to a smaller tree, or to another tree of the same size, was asked for: a bug.
    #[error("refused to move {log:?} from size {from} to size {to}")]
    Backwards {
        /// The log.
        log: LogId,
        /// Stored size.
        from: u64,
        /// Size asked for.
        to: u64,
    },
    /// A stored value that this program cannot have written.
    #[error("stored data is damaged: {0}")]
    Damaged(&'static str),
    /// A number that does not fit the store.
    #[error("tree size {0} is above 2^63-1")]
    SizeTooLarge(u64),
}

/// Whether a head may follow another as far as sizes and equal roots tell; consistency is proven
/// before.
pub(crate) fn may_follow(old: &TreeHead, new: &TreeHead) -> bool {
    new.size > old.size || new == old
}
