//! Starts a follower: opens its copy and puts the parts together.

use super::copy::Copier;
use super::handle::FollowerHandle;
use super::heads::HeadCheck;
use super::held::Held;
use super::report::{FollowerMetrics, Reporter};
use super::serve::{self, Teller};
use super::status;
use crate::config::Storage;
use crate::integrating::Integrating;
use crate::replication::{INTEGRATE_AFTER, connect, node_client};
use crate::serve::{Replica, replica_routes};
use axum::Router;
use sigsum_core::wire::log::endpoint;
use sigsum_core::{PublicKey, TreeSize};
use sigsum_keys::Signer;
use sigsum_service::health;
use sigsum_service::http::{Prefix, PrefixError, finish};
use sigsum_service::listen::{Endpoint, ListenError};
use sigsum_service::metrics::{self, MetricsError};
use sigsum_service::runner;
use sigsum_service::serve::{Limits, spawn};
use sigsum_service::shutdown::Shutdown;
use sigsum_store::{HeadStore as _, LeafLog as _, Place, Role, Store, StoreError};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// Settings of a follower.
#[derive(Debug, Clone)]
pub struct FollowerConfig {
    /// Where the copy is; [`crate::init_follower`] made it. A follower in memory is for tests.
    pub storage: Storage,
    /// The primary's internal endpoint, with its prefix if it has one.
    pub primary_url: String,
    /// Where a log-go primary's tree heads are read, whose internal endpoint shows none.
    pub primary_external_url: Option<String>,
    /// Where there is nothing for the public, as `sigsum_service::listen::Endpoint` reads it.
    pub external: String,
    /// Where the primary asks.
    pub internal: String,
    /// Path in front of the endpoints' names.
    pub url_prefix: String,
    /// How often a primary that does not keep answers back is asked.
    pub interval: Duration,
    /// Limit of one signature, and of a connection.
    pub timeout: Duration,
}

impl FollowerConfig {
    /// Defaults: both endpoints on free loopback ports, times of log-go.
    pub fn new(storage: Storage, primary_url: impl Into<String>) -> Self {
        Self {
            storage,
            primary_url: primary_url.into(),
            primary_external_url: None,
            external: "127.0.0.1:0".into(),
            internal: "127.0.0.1:0".into(),
            url_prefix: String::new(),
            interval: crate::config::DEFAULT_INTERVAL,
            timeout: crate::config::DEFAULT_TIMEOUT,
        }
    }
}

/// What a follower is given besides its settings.
#[derive(Debug, Clone)]
pub struct FollowerContext {
    /// Clock, shutdown, metrics and health of the process.
    pub service: runner::Context,
    /// The follower's own key.
    pub signer: Arc<dyn Signer>,
    /// The key of the log that is copied.
    pub log: PublicKey,
}

/// Why a follower did not start.
#[derive(Debug, thiserror::Error)]
pub enum FollowerStartError {
    /// Configuration: every answer would be a tree head of the log.
    #[error("the follower's key is the log's own; a follower needs a key of its own")]
    HasLogKey,
    /// Configuration: the directory is one in which a log runs.
    #[error("{} is a primary's: the log that it holds is signed there", dir.display())]
    IsPrimary {
        /// The directory.
        dir: PathBuf,
    },
    /// Configuration: the log is closed for good, and there is nothing to follow.
    #[error("{} holds a log that is closed for good: there is nothing to follow", dir.display())]
    IsClosed {
        /// The directory.
        dir: PathBuf,
    },
    /// Configuration: another node of the log that cannot be asked.
    #[error("{url}: {problem}")]
    NodeUrl {
        /// Its URL.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Configuration: the URL prefix.
    #[error(transparent)]
    Prefix(#[from] PrefixError),
    /// Configuration or system: an endpoint that cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Configuration or disk: the data directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Us: two nodes share one registry of metrics.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
}

/// Starts a follower. When this returns, its endpoints listen and it asks the primary.
///
/// # Errors
/// [`FollowerStartError`].
pub async fn start(
    config: FollowerConfig,
    context: FollowerContext,
) -> Result<FollowerHandle, FollowerStartError> {
    if context.signer.public_key() == context.log {
        return Err(FollowerStartError::HasLogKey);
    }
    let prefix = Prefix::parse(&config.url_prefix)?;
    let client = node_client(config.timeout);
    let node = |url: &str| {
        connect(&client, url)
            .map_err(|problem| FollowerStartError::NodeUrl { url: url.to_owned(), problem })
    };
    let (label, primary) = node(&config.primary_url)?;
    let external_url = config.primary_external_url.as_deref();
    let primary_external = external_url.map(node).transpose()?.map(|(_, api)| api);
    let held = open_beside(config.storage.clone(), context.log).await?;
    let external = config.external.parse::<Endpoint>()?.bind().await?;
    let internal = config.internal.parse::<Endpoint>()?.bind().await?;

    let service = &context.service;
    let shutdown = service.shutdown.child();
    let last = held.store.load_head().map(|head| head.tree_head.size);
    let metrics = FollowerMetrics::register(&service.metrics)?;
    let (clock, health) = (service.clock.clone(), service.health.part("copy"));
    let reporter = Arc::new(Reporter::new(metrics, clock, health, label, held.size(), last));
    let (verified, signed) = watch::channel(last.unwrap_or_default());
    let heads = HeadCheck {
        primary: primary.clone(),
        external: primary_external,
        log: context.log,
        held: held.clone(),
        reporter: reporter.clone(),
        verified: Arc::new(verified),
        interval: config.interval,
        shutdown: shutdown.clone(),
        looking: Arc::default(),
    };
    let copier = Copier {
        primary,
        held: held.clone(),
        heads: heads.clone(),
        reporter: reporter.clone(),
        interval: config.interval,
        shutdown: shutdown.clone(),
    };
    let teller = Teller {
        held: held.clone(),
        signer: context.signer.clone(),
        timeout: config.timeout,
        metrics: reporter.metrics.http.endpoint(endpoint::GET_SECONDARY_TREE_HEAD),
        shutdown: shutdown.clone(),
        last: Arc::new(Mutex::new(None)),
    };
    let replica = Replica {
        store: held.store.clone(),
        committed: held.sizes(),
        signed,
        shutdown: shutdown.clone(),
    };
    let nodes = replica_routes(replica, &prefix).merge(serve::routes(teller, &prefix));
    let integrating = integrate(held.clone(), shutdown.clone());
    let (copying, checking) = (tokio::spawn(copier.run()), tokio::spawn(heads.run()));
    let tasks = vec![copying, checking, tokio::spawn(integrating)];
    let external = spawn(external, finish(Router::new()), &shutdown, Limits::default());
    let watched = watched_routes(status::Sources::of(&config.storage, &context, &held, &reporter));
    let internal = spawn(internal, finish(nodes.merge(watched)), &shutdown, Limits::default());
    Ok(FollowerHandle { external, internal, held, reporter, shutdown, tasks })
}

fn watched_routes(sources: status::Sources) -> Router {
    let service = &sources.service;
    let health = health::routes(service.health.clone());
    metrics::routes(service.metrics.clone()).merge(health).merge(status::routes(sources))
}

/// Takes leaves into tiles while a long copy is under way, beside the copying.
async fn integrate(held: Held, shutdown: Shutdown) {
    let mut sizes = held.sizes();
    let mut integrating = Integrating::default();
    loop {
        let due = TreeSize(held.store.integrated().size.0.saturating_add(INTEGRATE_AFTER));
        tokio::select! {
            () = shutdown.triggered() => return,
            reached = sizes.wait_for(|size| *size >= due) => if reached.is_err() { return },
        }
        let store = held.store.clone();
        if !integrating.run(move || store.integrate()).await {
            tokio::select! {
                () = shutdown.triggered() => return,
                () = tokio::time::sleep(crate::engine::pace::LONGEST_PAUSE) => {}
            }
        }
    }
}

/// Opens the copy beside the runtime's workers: a large one takes a moment.
async fn open_beside(storage: Storage, log: PublicKey) -> Result<Held, FollowerStartError> {
    let opened = tokio::task::spawn_blocking(move || open(storage, &log)).await;
    // Where it panicked that was printed.
    opened.unwrap_or_else(|_| Err(StoreError::Closed.into()))
}

fn open(storage: Storage, log: &PublicKey) -> Result<Held, FollowerStartError> {
    let place = match storage {
        Storage::DataDir(dir) => Place::dir(dir),
        Storage::Place(place) => place,
        Storage::Ephemeral => {
            let place = Place::memory();
            Store::init_follower(&place, log)?;
            place
        }
    };
    let store = Store::open(&place, log)?;
    let dir = || place.path().to_owned();
    match store.role() {
        Role::Follower => {}
        Role::Frozen => return Err(FollowerStartError::IsClosed { dir: dir() }),
        Role::Primary => return Err(FollowerStartError::IsPrimary { dir: dir() }),
    }
    let recovery = store.recovery();
    tracing::info!(
        dir = %place.path().display(),
        torn_journal_bytes = recovery.torn_journal_bytes,
        recovered_leaves = recovery.recovered_leaves,
        rewritten_files = recovery.rewritten.len(),
        "data opened"
    );
    store.wait_for_index()?;
    Ok(Held::new(Arc::new(store))?)
}
