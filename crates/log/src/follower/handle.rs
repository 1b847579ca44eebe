//! A running follower, as whoever started it sees it.

use super::held::Held;
use super::report::{CopyStatus, Reporter};
use sigsum_core::{TreeHead, TreeSize};
use sigsum_service::listen::BoundAddress;
use sigsum_service::serve::ServerHandle;
use sigsum_service::shutdown::Shutdown;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// A running follower. Dropping it does not stop it; its shutdown token or
/// [`FollowerHandle::stop`] does.
pub struct FollowerHandle {
    pub(super) external: ServerHandle,
    pub(super) internal: ServerHandle,
    pub(super) held: Held,
    pub(super) reporter: Arc<Reporter>,
    pub(super) shutdown: Shutdown,
    pub(super) tasks: Vec<JoinHandle<()>>,
}

impl fmt::Debug for FollowerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FollowerHandle").field("internal", self.internal()).finish_non_exhaustive()
    }
}

impl FollowerHandle {
    /// Where the public endpoint listens, at which there is nothing.
    pub fn external(&self) -> &BoundAddress {
        self.external.address()
    }

    /// Where the internal endpoint listens.
    pub fn internal(&self) -> &BoundAddress {
        self.internal.address()
    }

    /// The same, where it is a TCP one.
    pub fn internal_addr(&self) -> Option<SocketAddr> {
        self.internal().tcp()
    }

    /// The tree of what is durable here.
    pub fn head(&self) -> TreeHead {
        self.held.head()
    }

    /// How the follower does.
    pub fn status(&self) -> CopyStatus {
        self.reporter.status(self.held.size())
    }

    /// Waits until so much is held; false when the follower stops before.
    pub async fn until_held(&self, size: TreeSize) -> bool {
        let mut sizes = self.held.sizes();
        tokio::select! {
            reached = sizes.wait_for(|held| *held >= size) => reached.is_ok(),
            () = self.shutdown.triggered() => false,
        }
    }

    /// Stops: running requests end, what is being stored is durable, the data directory is released.
    pub async fn stop(self) {
        self.shutdown.trigger();
        self.wait().await;
    }

    /// Returns when the follower has stopped.
    pub async fn wait(self) {
        let Self { external, internal, held, tasks, .. } = self;
        drop(held);
        for task in tasks {
            let _ = task.await; // a panic was printed
        }
        internal.wait().await;
        external.wait().await;
    }
}
