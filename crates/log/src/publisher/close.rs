//! The end of a log that is closed for good: one last head with a quorum, and nothing after it.

use super::{Publisher, Running};
use crate::served::ServedHead;
use serde::Serialize;

/// Where a log is in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// It takes leaves.
    #[default]
    Open,
    /// It takes none any more; its last head still lacks the quorum.
    Closing,
    /// Its last head is published. It is read, and needs neither key nor witnesses.
    Closed,
}

impl Publisher {
    /// Whether the last head is published, and nothing is under way that could be added to it.
    /// Known from what is on disk alone, so that a crash at any moment changes nothing.
    pub(super) fn is_finished(&self, running: &Running) -> bool {
        // All that was acknowledged, also what followers do not hold yet.
        let committed = self.asker.store.committed_size();
        let is_last = |head: &ServedHead| head.quorum && head.size() == committed;
        self.is_frozen
            && running.heads.is_empty()
            && running.asked.is_empty()
            && running.unpublished.is_none()
            && self.served.head().is_some_and(|head| is_last(&head))
    }

    /// Nothing is signed and nobody is asked from here on.
    pub(super) fn close(&self, running: &mut Running) {
        running.stage = Stage::Closed;
        // Nothing more is signed, whatever is known elsewhere; a guard that is up still would never
        // be lifted.
        self.guard.begin(false);
        self.health.ready();
        self.status.send_replace(self.report(running.started.elapsed(), running));
        let size = self.served.size();
        tracing::info!(%size, "the log is closed: its last head is published");
    }
}
