//! What can go wrong with a store, by fault: the operator's configuration, the disk, the caller, us.

use crate::durable::FileError;
use sigsum_core::ascii::AsciiError;
use sigsum_core::merkle::MerkleError;
use sigsum_core::{Hash, KeyHash, LeafIndex, TreeHead, TreeSize};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// What is wrong with a file whose bytes are not those that were written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The file is not there.
    #[error("the file is missing")]
    Missing,
    /// The file has another length than its name and place ask for.
    #[error("{got} bytes instead of {expected}")]
    Length {
        /// Bytes that are due.
        expected: usize,
        /// Bytes that are there; `expected + 1` stands for any larger number.
        got: usize,
    },
    /// The disk does not give it.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// Another file has other hashes for the same leaves.
    #[error("contradicts {other}")]
    Contradicts {
        /// The other file.
        other: String,
    },
    /// The first lines of a state file are not those of its kind and version.
    #[error("does not begin with \"{0}\" and a checksum")]
    Header(String),
    /// The checksum does not match the text behind it.
    #[error("the checksum does not match the contents")]
    Checksum,
    /// The text is not as it must be.
    #[error("{0}")]
    Text(#[from] AsciiError),
    /// An entry of a bundle does not have the two length bytes of a leaf.
    #[error("entry {index} does not have the length of a leaf")]
    EntryLength {
        /// The leaf.
        index: LeafIndex,
    },
    /// A leaf does not hash to what the level-0 tile says. Either may be at fault.
    #[error("leaf {index} does not match its hash in {other}")]
    LeafHash {
        /// The leaf.
        index: LeafIndex,
        /// The tile that has the hash.
        other: String,
    },
    /// The hashes of a tile do not lead to the hash that the tile above has for it. Either may be
    /// at fault.
    #[error("does not lead to hash {slot} of {other}")]
    TileHash {
        /// The tile above.
        other: String,
        /// Position of the hash in it.
        slot: usize,
    },
    /// The file was right when it was read first and has changed since.
    #[error("has changed since it was read first")]
    Changed,
    /// The tiles lead to another root hash than was recorded with their size.
    #[error("the tiles of {size} leaves lead to root hash {computed}, not {recorded}")]
    Root {
        /// Size of the tree.
        size: TreeSize,
        /// Root hash of the tiles.
        computed: Hash,
        /// Root hash in the file.
        recorded: Hash,
    },
    /// A journal record is broken although a whole one or a mark follows, so that it was not being
    /// written when the machine stopped.
    #[error("the record at byte {offset}, of leaf {index}, is broken, though it was durable")]
    Record {
        /// Where the record begins.
        offset: u64,
        /// The first leaf it should hold.
        index: LeafIndex,
    },
    /// Committed leaves are in no file.
    #[error("no record of the leaves from {from} to {to}")]
    Gap {
        /// The first missing leaf.
        from: LeafIndex,
        /// The first leaf that is there again.
        to: LeafIndex,
    },
    /// The log's signature does not verify.
    #[error("the log's signature does not verify")]
    Signature,
    /// The last signed head is smaller than the published one: the file is from an earlier time.
    #[error("names a tree of {head} leaves, but {published} are published")]
    BehindPublished {
        /// Size of the signed head.
        head: TreeSize,
        /// Size of the published head.
        published: TreeSize,
    },
    /// A file names a larger tree than there is: the data is older than the file.
    #[error("names a tree of {named} leaves, but the data has {present}")]
    BeyondData {
        /// Size in the file.
        named: TreeSize,
        /// Leaves in the tiles.
        present: TreeSize,
    },
}

/// Why a store could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Configuration: there is no store in the directory.
    #[error("{} holds no log; to start a new one there, initialise it first", dir.display())]
    NotInitialised {
        /// The directory.
        dir: PathBuf,
    },
    /// Configuration: there is a store in the directory already.
    #[error("{} already holds a log", dir.display())]
    AlreadyInitialised {
        /// The directory.
        dir: PathBuf,
    },
    /// Configuration: another process, or another part of this one, has the directory.
    #[error("{} is in use by another process", dir.display())]
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// Configuration: the log was closed for good, and is to be something else.
    #[error("{} holds a log that is closed for good", dir.display())]
    ForGood {
        /// The directory.
        dir: PathBuf,
    },
    /// Configuration: the directory is another log's.
    #[error("{} belongs to the log with key hash {found}, not {expected}", dir.display())]
    OtherLog {
        /// The directory.
        dir: PathBuf,
        /// Hash of the key that was given.
        expected: KeyHash,
        /// Hash of the key in the directory.
        found: KeyHash,
    },
    /// Disk: a file is damaged or missing.
    #[error("{}: {damage}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
    /// Disk: a file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// Disk: damage or a failure that was found earlier, by the thread that looks for it.
    #[error(transparent)]
    Earlier(Arc<StoreError>),
    /// Us: the store is being closed.
    #[error("the store is being closed")]
    Closed,
    /// System: no thread could be started.
    #[error("starting a thread: {0}")]
    Thread(io::Error),
    /// System: no random numbers for the secret of the index.
    #[error("random numbers: {0}")]
    Random(getrandom::Error),
    /// Not yet: the leaf index is being built.
    #[error("the leaf index is still being built")]
    IndexBuilding,
    /// Caller: leaves or a tree beyond what there is.
    #[error("{asked} is beyond the {size} leaves there are")]
    OutsideTree {
        /// The first number that is too large.
        asked: u64,
        /// Leaves that there are.
        size: TreeSize,
    },
    /// Caller: no such proof.
    #[error(transparent)]
    Proof(#[from] MerkleError),
    /// Us: a head that would take back or contradict the last one.
    #[error("head {new:?} contradicts the last one, {last:?}")]
    HeadContradicts {
        /// The head that was to be stored.
        new: TreeHead,
        /// The head that is stored.
        last: TreeHead,
    },
    /// Us: a head whose signature does not verify or whose root hash is not that of our tree.
    #[error("head {head:?} is not one that this log may sign: {problem}")]
    HeadRefused {
        /// The head that was to be stored.
        head: TreeHead,
        /// What is wrong.
        problem: &'static str,
    },
    /// Us: the leaf index has no room for more leaves than 2^40.
    #[error("the log is full")]
    Full,
}

impl StoreError {
    /// Whether the same call may work later without a restart: no space left, index not built yet, or
    /// not readable for now.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::IndexBuilding => true,
            Self::File(error) => is_no_space(&error.source),
            Self::Earlier(error) => error.may_pass(),
            _ => false,
        }
    }

    /// Whether the disk refused something that it may not refuse the next time; damage is no such
    /// thing.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::File(_) => true,
            Self::Earlier(error) => error.may_pass(),
            _ => false,
        }
    }

    /// For [`StoreError::Damaged`].
    pub(crate) fn damaged(path: impl Into<PathBuf>, damage: Damage) -> Self {
        Self::Damaged { path: path.into(), damage }
    }
}

/// Whether an error says that the disk, the quota or the file is full.
pub(crate) fn is_no_space(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
