//! A running log, as whoever started it sees it.

use crate::api::LogService;
use crate::guard::Outdated;
use crate::limits::{KeeperThread, LimitsStatus};
use crate::publisher::HeadStatus;
use crate::reload::Reloader;
use crate::replication::{Replication, ReplicationStatus};
use crate::sequencer::SequencerThread;
use crate::status::{Board, Overview};
use sigsum_api::LogApi;
use sigsum_core::TreeSize;
use sigsum_service::http::Prefix;
use sigsum_service::listen::BoundAddress;
use sigsum_service::serve::ServerHandle;
use sigsum_service::shutdown::Shutdown;
use sigsum_store::LogStore;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What a log can say of itself.
#[derive(Debug, Clone)]
pub struct Status {
    /// Leaves that are durable.
    pub committed_size: TreeSize,
    /// Size of the served head; `None` before the first.
    pub published_size: Option<TreeSize>,
    /// Cosignatures of the served head.
    pub cosignatures: usize,
    /// Whether the served head has the policy's quorum.
    pub quorum: bool,
    /// Of the next heads and the witnesses.
    pub heads: HeadStatus,
    /// Of the followers; none where the log has none.
    pub replication: Option<ReplicationStatus>,
    /// The limits in force; `None` where nobody is limited.
    pub limits: Option<LimitsStatus>,
}

/// A running log. Dropping it does not stop the log; its shutdown token or [`Handle::stop`] does.
pub struct Handle {
    external: BoundAddress,
    internal: Option<BoundAddress>,
    prefix: Prefix,
    reloader: Reloader,
    service: LogService,
    store: Arc<dyn LogStore>,
    heads: watch::Receiver<HeadStatus>,
    board: Arc<Board>,
    replication: Option<Arc<Replication>>,
    shutdown: Shutdown,
    ended: JoinHandle<Result<(), RunError>>,
}

/// Why a log stopped without being told to. Its data directory is as after any crash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// Configuration: the data directory is an old one. Nothing was signed that was not before.
    #[error(transparent)]
    Outdated(#[from] Outdated),
    /// Us: the thread that commits leaves is gone.
    #[error("the sequencer ended unexpectedly")]
    Sequencer,
    /// Us: the task that makes and publishes heads is gone.
    #[error("the publisher ended unexpectedly")]
    Publisher,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut log = f.debug_struct("Handle");
        log.field("external", &self.external).field("internal", &self.internal);
        log.finish_non_exhaustive()
    }
}

/// What a log consists of while it runs.
pub(crate) struct Parts {
    pub(crate) prefix: Prefix,
    pub(crate) reloader: Reloader,
    pub(crate) service: LogService,
    pub(crate) store: Arc<dyn LogStore>,
    pub(crate) heads: watch::Receiver<HeadStatus>,
    pub(crate) board: Arc<Board>,
    pub(crate) watching: JoinHandle<()>,
    pub(crate) replication: Option<Arc<Replication>>,
    pub(crate) following: Vec<JoinHandle<()>>,
    pub(crate) shutdown: Shutdown,
    pub(crate) external: ServerHandle,
    pub(crate) internal: Option<ServerHandle>,
    pub(crate) publishing: JoinHandle<Result<(), RunError>>,
    pub(crate) indexing: JoinHandle<()>,
    pub(crate) sequencing: SequencerThread,
    pub(crate) keeping: Option<KeeperThread>,
}

impl Handle {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { prefix, reloader, service, store, heads, board, .. } = parts;
        if let Some(replication) = &parts.replication {
            board.show_followers(Arc::clone(replication));
        }
        let (replication, shutdown) = (parts.replication, parts.shutdown);
        let external = parts.external.address().clone();
        let internal = parts.internal.as_ref().map(|server| server.address().clone());
        let ended = Ending {
            external: parts.external,
            internal: parts.internal,
            publishing: parts.publishing,
            indexing: parts.indexing,
            watching: parts.watching,
            following: parts.following,
            sequencing: parts.sequencing,
            keeping: parts.keeping,
        };
        let ended = tokio::spawn(ended.run(shutdown.clone()));
        Self {
            external,
            internal,
            prefix,
            reloader,
            service,
            store,
            heads,
            board,
            replication,
            shutdown,
            ended,
        }
    }

    /// Where the public endpoint listens.
    pub fn external(&self) -> &BoundAddress {
        &self.external
    }

    /// Where the internal endpoint listens.
    pub fn internal(&self) -> Option<&BoundAddress> {
        self.internal.as_ref()
    }

    /// The public endpoint's address, where it is a TCP one.
    pub fn external_addr(&self) -> Option<SocketAddr> {
        self.external.tcp()
    }

    /// The internal endpoint's address, where there is one and it is a TCP one.
    pub fn internal_addr(&self) -> Option<SocketAddr> {
        self.internal.as_ref().and_then(BoundAddress::tcp)
    }

    /// Base URL of the public endpoint, without a slash at its end; `None` where it is no TCP one.
    pub fn url(&self) -> Option<String> {
        let address = self.external_addr()?;
        let path = self.prefix.route("");
        let scheme = if self.reloader.is_https() { "https" } else { "http" };
        Some(format!("{scheme}://{address}{}", path.trim_end_matches('/')))
    }

    /// The log without HTTP. Clones hold on to the data directory: drop them before another
    /// process, or another [`crate::start`], is to open it.
    pub fn api(&self) -> Arc<dyn LogApi> {
        Arc::new(self.service.clone())
    }

    /// Gives the log new settings while it runs.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// How the log does.
    pub fn status(&self) -> Status {
        let served = self.service.served().head();
        let published = served.as_ref();
        Status {
            committed_size: self.store.committed_size(),
            published_size: published.map(|head| head.size()),
            cosignatures: published.map_or(0, |head| head.cosigned.cosignatures().len()),
            quorum: published.is_some_and(|head| head.quorum),
            heads: self.heads.borrow().clone(),
            replication: self.replication.as_ref().map(|replication| replication.status()),
            limits: self.service.gate().limits.status(),
        }
    }

    /// All that the status page tells.
    pub fn overview(&self) -> Overview {
        self.board.overview()
    }

    /// Waits until the status is as asked for; looks again whenever something happened to heads or
    /// witnesses. False when the log stops before.
    pub async fn until(&self, mut reached: impl FnMut(&Status) -> bool) -> bool {
        let mut heads = self.heads.clone();
        while !reached(&self.status()) {
            if heads.changed().await.is_err() {
                return false;
            }
        }
        true
    }

    /// Stops: no new connections, running requests end, what waits is committed, the data
    /// directory is released.
    ///
    /// # Errors
    /// [`RunError`] where the log had stopped by itself.
    pub async fn stop(self) -> Result<(), RunError> {
        self.shutdown.trigger();
        self.wait().await
    }

    /// Returns when the log has stopped.
    ///
    /// # Errors
    /// [`RunError`] where it did so by itself.
    pub async fn wait(self) -> Result<(), RunError> {
        let Self { ended, service, store, board, replication, .. } = self;
        drop((service, store, board, replication));
        // The task does not panic; it is gone only with its runtime.
        ended.await.unwrap_or(Ok(()))
    }
}

/// The parts of a log that have an end.
struct Ending {
    external: ServerHandle,
    internal: Option<ServerHandle>,
    publishing: JoinHandle<Result<(), RunError>>,
    indexing: JoinHandle<()>,
    watching: JoinHandle<()>,
    following: Vec<JoinHandle<()>>,
    sequencing: SequencerThread,
    /// Goes last: the sequencer charges what it commits.
    keeping: Option<KeeperThread>,
}

impl Ending {
    /// Waits for the end, and ends the parts in the order that lets each finish its work. The
    /// servers and the publisher hear the shutdown by themselves; the sequencer must outlive the
    /// requests that wait for it.
    async fn run(mut self, shutdown: Shutdown) -> Result<(), RunError> {
        // A log that no longer makes heads, or commits, had better be restarted than look alive.
        let published = self.publishing.await.unwrap_or(Err(RunError::Publisher));
        if let Err(error) = &published {
            tracing::error!("{error}: the log stops");
            shutdown.trigger();
        }
        self.external.wait().await;
        if let Some(internal) = self.internal {
            internal.wait().await;
        }
        // They have heard the shutdown too, and must not hold on to the store for longer.
        let mut ended = self.watching.await;
        for task in self.following {
            ended = ended.and(task.await);
        }
        let stop = move || {
            self.sequencing.stop();
            drop(self.keeping);
        };
        let stopped = tokio::task::spawn_blocking(stop).await;
        if let Err(error) = stopped.and(self.indexing.await).and(ended) {
            tracing::error!(%error, "a part of the log ended badly");
        }
        published
    }
}
