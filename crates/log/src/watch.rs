//! What the log looks after beside its work: how much room the disk has, how fast the tree grows,
//! and whether the key can still be used while nobody asks for a new head.

use crate::metrics::{LogMetrics, gauge_value};
use crate::status::Board;
use sigsum_service::shutdown::Shutdown;
use std::sync::Arc;
use std::time::Duration;

/// Longest time between two looks; metrics are commonly read every 15 to 60 seconds.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Shortest time between two looks: an HSM signs ten times a second at most.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// The task that looks.
pub(crate) struct Watch {
    board: Arc<Board>,
    metrics: Arc<LogMetrics>,
}

impl Watch {
    pub(crate) fn new(board: &Arc<Board>, metrics: &Arc<LogMetrics>) -> Self {
        Self { board: board.clone(), metrics: metrics.clone() }
    }

    /// The log's refresh, which a reload may change: a key that cannot be used is noticed within one.
    fn interval(&self) -> Duration {
        self.board.live.rules.load().interval
    }

    /// Looks until the shutdown.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        while !shutdown.is_triggered() {
            self.look();
            let pause = self.interval().clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
            tokio::select! {
                () = shutdown.triggered() => break,
                () = tokio::time::sleep(pause) => {}
            }
            tokio::select! {
                () = shutdown.triggered() => break,
                () = self.check_signer() => {}
            }
        }
    }

    fn look(&self) {
        self.board.note_size();
        if let Some(disk) = self.board.disk() {
            self.metrics.ground.disk_free_bytes.with(&[]).set(gauge_value(disk.free_bytes));
            self.metrics.ground.disk_total_bytes.with(&[]).set(gauge_value(disk.total_bytes));
        }
    }

    /// Asks for the last signature once more, unless one was made lately.
    async fn check_signer(&self) {
        let (signer, store) = (&self.board.live.signer, &self.board.live.store);
        let timeout = self.board.live.rules.load().commit_timeout;
        if self.board.is_closed() || signer.signed_within(self.interval()) {
            return;
        }
        let Some(head) = store.load_head() else { return };
        let bytes = head.tree_head.sigsum_signing_bytes(&signer.public_key().key_hash());
        let _ = signer.sign(&bytes, timeout).await; // it notes by itself how that ended
    }
}
