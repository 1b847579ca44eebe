//! One log as a running witness holds it, and the table of all.

use super::evidence::Evidence;
use crate::config::MAX_IN_FLIGHT_PER_LOG;
use crate::engine::TrustedLog;
use crate::store::LogId;
use crate::store::writer::{LogState, Turn};
use arc_swap::{ArcSwap, ArcSwapOption};
use sigsum_core::TreeHead;
use sigsum_core::checkpoint::Origin;
use std::collections::HashMap;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use tokio::sync::{Mutex, Semaphore};

/// A cosigned checkpoint as the read API serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Size and root hash.
    pub tree_head: TreeHead,
    /// The signed note: lines of the log, then of this witness.
    pub note: String,
}

/// What the page of a witness says of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStatus {
    /// First line of its checkpoints.
    pub origin: Origin,
    /// The newest cosigned head; `None` if it was never cosigned.
    pub tree_head: Option<TreeHead>,
}

/// A log that is served.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) id: LogId,
    trusted: ArcSwap<TrustedLog>,
    state: Arc<Mutex<LogState>>,
    /// What it was caught at.
    pub(super) evidence: Evidence,
    /// Requests of this log that may be worked on.
    pub(super) places: Semaphore,
    published: ArcSwapOption<Published>,
}

impl Log {
    pub(crate) fn new(id: LogId, trusted: TrustedLog, head: TreeHead) -> Self {
        Self {
            id,
            trusted: ArcSwap::from_pointee(trusted),
            state: Arc::new(Mutex::new(LogState { head })),
            evidence: Evidence::default(),
            places: Semaphore::new(MAX_IN_FLIGHT_PER_LOG),
            published: ArcSwapOption::empty(),
        }
    }

    pub(super) fn origin(&self) -> Origin {
        self.trusted.load().origin().clone()
    }

    pub(super) fn trusted(&self) -> Arc<TrustedLog> {
        self.trusted.load_full()
    }

    /// Waits for the log's lock.
    pub(super) async fn turn(&self) -> Turn {
        Arc::clone(&self.state).lock_owned().await
    }

    pub(super) fn published(&self) -> Option<Arc<Published>> {
        self.published.load_full()
    }

    pub(super) fn publish(&self, published: Published) {
        self.published.store(Some(Arc::new(published)));
    }
}

#[derive(Debug, Default, Clone)]
struct Maps {
    by_origin: HashMap<Origin, Arc<Log>>,
    by_hash: HashMap<[u8; 32], Arc<Log>>,
}

/// All logs; grows only.
#[derive(Debug, Default)]
pub(super) struct LogTable {
    maps: ArcSwap<Maps>,
    /// Held while the maps are replaced.
    growing: StdMutex<()>,
}

impl LogTable {
    pub(super) fn by_origin(&self, origin: &Origin) -> Option<Arc<Log>> {
        self.maps.load().by_origin.get(origin).cloned()
    }

    pub(super) fn by_hash(&self, origin_hash: &[u8; 32]) -> Option<Arc<Log>> {
        self.maps.load().by_hash.get(origin_hash).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.maps.load().by_origin.len()
    }

    /// Adds logs. One that is there keeps its state and takes the given keys. Gives the number of
    /// new ones.
    pub(super) fn add(&self, logs: Vec<Arc<Log>>) -> usize {
        let _growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut maps = Maps::clone(&self.maps.load());
        let mut new = 0usize;
        for log in logs {
            let origin = log.origin();
            if let Some(known) = maps.by_origin.get(&origin) {
                known.trusted.store(log.trusted.load_full());
                continue;
            }
            maps.by_hash.insert(origin.hash(), Arc::clone(&log));
            maps.by_origin.insert(origin, log);
            new = new.saturating_add(1);
        }
        self.maps.store(Arc::new(maps));
        new
    }

    pub(super) fn statuses(&self) -> Vec<LogStatus> {
        let maps = self.maps.load();
        let status = |(origin, log): (&Origin, &Arc<Log>)| LogStatus {
            origin: origin.clone(),
            tree_head: log.published().map(|published| published.tree_head),
        };
        let mut statuses: Vec<_> = maps.by_origin.iter().map(status).collect();
        statuses.sort_by(|a, b| a.origin.cmp(&b.origin));
        statuses
    }
}
