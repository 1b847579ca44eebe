//! What the monitor tells: new heads, new leaves, alerts; and how it prints them.

use sigsum_core::{KeyHash, Leaf, LeafIndex, TreeSize};
use std::fmt;
use std::io;

/// A leaf of a watched key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// Where it stands in the log.
    pub index: LeafIndex,
    /// The leaf.
    pub leaf: Leaf,
}

/// Something that is wrong with a log, or with the way to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Alert {
    /// The log could not be reached or answered with an error; the monitor goes on trying.
    #[error("Log not responding as expected: {0}")]
    NotResponding(String),
    /// A head whose signature does not verify with the log's key.
    #[error("Invalid log signature: tree head of size {size}")]
    InvalidSignature {
        /// Size of the refused head.
        size: TreeSize,
    },
    /// Proof of misbehaviour: two views of the log that cannot both be true.
    #[error("Log tree head not consistent: {0}")]
    Inconsistent(String),
    /// Too few valid cosignatures for the policy's quorum.
    #[error("Warning: quorum not reached: {0}")]
    NoQuorum(String),
    /// The newest time at which the quorum held is too long ago.
    #[error("Warning: newest quorum of cosignatures is {age_s} s old, limit {limit_s} s")]
    Stale {
        /// Age in seconds.
        age_s: u64,
        /// Limit in seconds.
        limit_s: u64,
    },
    /// The monitor itself could not deliver an event or save its state; it tries again.
    #[error("Other: {0}")]
    Local(String),
    /// A leaf under a watched key hash whose signature does not verify.
    #[error("Other: leaf {index} names a watched key, but its signature is invalid")]
    ForgedLeaf {
        /// Where it stands.
        index: LeafIndex,
    },
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A larger tree, verified as far as a head can be.
    NewTree {
        /// The log.
        log: KeyHash,
        /// Its size now.
        size: TreeSize,
    },
    /// Leaves were read and proven to be in the tree.
    NewLeaves {
        /// The log.
        log: KeyHash,
        /// Leaves of watched keys among them.
        matches: Vec<Match>,
        /// Leaves read since the start of the log.
        total_processed: LeafIndex,
    },
    /// Something is wrong. Reported once until it ends or changes.
    Alert {
        /// The log.
        log: KeyHash,
        /// What is wrong.
        alert: Alert,
    },
    /// What the last alert of this log said is over.
    Recovered {
        /// The log.
        log: KeyHash,
    },
}

impl fmt::Display for Event {
    /// The lines of sigsum-monitor, without a final newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewTree { log, size } => write!(f, "New {log} tree, size {size}"),
            Self::NewLeaves { log, matches, total_processed } => {
                let count = matches.len();
                write!(f, "New {log} leaves, count {count}, total processed {total_processed}")?;
                for Match { index, leaf } in matches {
                    let (key_hash, checksum) = (leaf.key_hash, leaf.checksum);
                    write!(f, "\n  index {index} keyhash {key_hash} checksum {checksum}")?;
                }
                Ok(())
            }
            Self::Alert { log, alert } => write!(f, "Alert log {log}: monitoring alert: {alert}"),
            Self::Recovered { log } => write!(f, "Log {log}: responding and consistent again"),
        }
    }
}

/// Where events go. State is saved only after an event was reported, so that after a crash an event
/// may come twice but is never lost.
pub trait Report: Send + Sync {
    /// Delivers one event.
    ///
    /// # Errors
    /// Whatever keeps the event from being delivered; the monitor then keeps its state and tries
    /// the same leaves again.
    fn report(&self, event: &Event) -> io::Result<()>;
}
