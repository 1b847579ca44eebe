//! Values that a store takes and gives.

use crate::error::StoreError;
use sigsum_core::{CosignedTreeHead, LeafIndex, TreeSize};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// What the node with a data directory does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It gives leaves their indices and signs tree heads.
    Primary,
    /// It holds a copy of another node's log and signs nothing for it.
    Follower,
    /// It was a primary; the log is closed for good and takes no leaf any more.
    Frozen,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Primary => "primary",
            Self::Follower => "follower",
            Self::Frozen => "frozen",
        })
    }
}

/// What was known when a node that held a copy became the primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promotion {
    /// The largest tree of the log that anyone who was asked knew. Its head may never have reached
    /// this node, but its leaves have.
    pub known_size: TreeSize,
    /// Leaves that the node held.
    pub held_size: TreeSize,
}

/// What became of one leaf of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Where the leaf is; this never changes.
    pub index: LeafIndex,
    /// Whether this commit added it; false where the log had it, or the batch had it before.
    pub is_new: bool,
}

/// A head as it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The head with its cosignatures, for get-tree-head.
    pub head: CosignedTreeHead,
    /// The same as a `tlog-checkpoint`: a signed note, byte for byte as served.
    pub checkpoint: Vec<u8>,
}

/// How far the leaf index is.
#[derive(Debug, Clone)]
pub enum IndexState {
    /// Being built; leaves cannot be added or found by hash yet.
    Building {
        /// Leaves that were read.
        done: u64,
        /// Leaves to read.
        total: u64,
    },
    /// In use.
    Ready,
    /// Could not be built, or the tiles turned out damaged afterwards: no leaves can be added. Where
    /// the reason [may pass](StoreError::may_pass), it is tried again by itself.
    Failed(Arc<StoreError>),
}

/// What opening a store had to repair; all of it is what a crash leaves behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Leaves found in the journal that are not in tiles yet.
    pub recovered_leaves: u64,
    /// Bytes of a journal record that was being written and was never acknowledged; dropped.
    pub torn_journal_bytes: u64,
    /// Files that were missing or out of date and could be made again.
    pub rewritten: Vec<PathBuf>,
}
