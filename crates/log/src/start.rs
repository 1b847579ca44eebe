//! Starts a log: opens its data and puts the parts together.

use crate::api::{Gates, LogService};
use crate::config::{Config, FileConfigError};
use crate::engine::guard::GuardRules;
use crate::engine::head::{HeadEngine, Restored, Rules};
use crate::gate::Gate;
use crate::guard::GuardGate;
use crate::handle::{Handle, Parts};
use crate::indexing;
use crate::limits::LimitsError;
use crate::metrics::{CommitObserver, LogMetrics, gauge_value};
use crate::open;
use crate::publisher::{HeadMaker, HeadStatus, Publisher};
use crate::reload::{Reloader, ServiceRules};
use crate::replication;
use crate::sequencer::{Sequencer, SequencerThread};
use crate::serve::{self, External, Replica};
use crate::served::{Served, ServedHead};
use crate::signing::WatchedSigner;
use crate::status::{Board, Live};
use crate::sth::{SthError, SthFile};
use crate::watch::Watch;
use crate::witnesses::{self, Asker, KnownPeer, WitnessSetupError, Witnesses};
use arc_swap::ArcSwap;
use axum::Router;
use sigsum_core::checkpoint::CheckpointError;
use sigsum_core::policy::Policy;
use sigsum_core::{PublicKey, TreeSize};
use sigsum_keys::Signer;
use sigsum_service::health::{self, Part};
use sigsum_service::http::{Prefix, PrefixError, finish};
use sigsum_service::listen::{Endpoint, ListenError, Listener};
use sigsum_service::metrics::{self as pages, MetricsError};
use sigsum_service::runner;
use sigsum_service::serve::{Limits, ServerHandle, spawn};
use sigsum_service::shutdown::Shutdown;
use sigsum_service::tls::{Tls, TlsError};
use sigsum_store::{HeadStore as _, LeafLog as _, LogStore, Role, Store, StoreError};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// A start waits so long for the leaf index, so that a small log takes leaves from its first
/// request on. A large one serves reads meanwhile, as its index takes longer.
const INDEX_GRACE: Duration = Duration::from_millis(250);

/// What a log is given besides its settings.
#[derive(Debug, Clone)]
pub struct Context {
    /// Clock, shutdown, metrics and health of the process.
    pub service: runner::Context,
    /// The log's key.
    pub signer: Arc<dyn Signer>,
    /// Whose cosignatures are gathered, and how many make a head worth publishing.
    pub policy: Arc<Policy>,
    /// How the witnesses are reached.
    pub witnesses: Witnesses,
}

/// Why a log did not start; nothing was signed or served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Configuration: a value that makes no sense.
    #[error(transparent)]
    Config(#[from] FileConfigError),
    /// Configuration: the URL prefix.
    #[error(transparent)]
    Prefix(#[from] PrefixError),
    /// Configuration or system: an endpoint that cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Configuration: the rate limits.
    #[error("initializing rate limiter failed: {0}")]
    Limits(#[from] LimitsError),
    /// Configuration: the witnesses.
    #[error(transparent)]
    Witnesses(#[from] WitnessSetupError),
    /// Configuration or disk: the sth file or startup file.
    #[error(transparent)]
    Sth(#[from] SthError),
    /// Configuration or disk: the data directory is in use, of another log, not initialised or
    /// damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Configuration: the directory is one that follows another node.
    #[error("{} is a follower's: it holds a copy of a log that another node signs", dir.display())]
    IsFollower {
        /// The directory.
        dir: PathBuf,
    },
    /// Configuration: a follower whose every answer would be a tree head of the log.
    #[error("follower {0} has the log's own key; a follower needs a key of its own")]
    FollowerHasLogKey(String),
    /// Configuration: another node of the log that cannot be asked.
    #[error("{url}: {problem}")]
    NodeUrl {
        /// Its URL.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Disk: the published checkpoint cannot be read.
    #[error("the published checkpoint in the data directory: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// Us: two logs share one registry of metrics.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// Configuration: the certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// System: no thread for the sequencer.
    #[error("cannot start the sequencer: {0}")]
    Thread(io::Error),
}

/// The metrics, with what was there before this process.
fn metrics(
    service: &runner::Context,
    store: &Store,
    served: &Served,
) -> Result<Arc<LogMetrics>, MetricsError> {
    let metrics = LogMetrics::register(&service.metrics)?;
    let now_s = service.clock.now_s();
    metrics.committed_size.set(gauge_value(store.committed_size().0));
    metrics.ground.frozen.set(i64::from(store.role() == Role::Frozen));
    // A log that has never met a quorum has lacked it since it was started, at least.
    metrics.quorum_time_s.set(gauge_value(now_s));
    if let Some(head) = served.head() {
        if let Some(newest_s) = head.times.iter().map(|(_, time_s)| *time_s).max() {
            let newest_s = gauge_value(newest_s.min(now_s));
            metrics.published_time_s.set(newest_s);
            metrics.quorum_time_s.set(newest_s);
        }
        let cosignatures = head.cosigned.cosignatures().len();
        metrics.published_size.set(gauge_value(head.size().0));
        metrics.published_cosignatures.set(gauge_value(cosignatures as u64));
    }
    Ok(metrics)
}

/// Starts a log. When this returns, both endpoints listen and the last published head is served;
/// add-leaf may still be answered 503 for a moment where the log is large.
///
/// # Errors
/// [`StartError`].
pub async fn start(config: Config, context: Context) -> Result<Handle, StartError> {
    config.check()?;
    let (prefix, tls) = (Prefix::parse(&config.url_prefix)?, tls(&config)?);
    let (log, sth) = (context.signer.public_key(), open::sth_file(&config));
    let peers = witnesses::resolve(context.witnesses.clone(), &context.policy)?;
    let store = open_beside(&config, sth.clone(), log).await?;
    let is_frozen = store.role() == Role::Frozen;
    let served = Arc::new(Served::default());
    let restored = restore(&store, &config, &context, &served)?;
    let listeners = listen(&config, &context, tls.as_ref()).await?;
    let metrics = metrics(&context.service, &store, &served)?;
    let (gate, keeping) = Gate::open(&config, &context, &metrics).await?;
    let parts = &context.service.health;
    let shutdown = context.service.shutdown.child();
    let (indexing, indexed) = indexing::watch(&store, parts.part("leaf index"), &shutdown);
    let _ = tokio::time::timeout(INDEX_GRACE, indexed).await; // ready or not, reads go on
    let store: Arc<dyn LogStore> = store;

    let (sequencer, sequencing, growth) = sequencer(&store, &metrics, parts.part("journal"))?;
    let rules = Arc::new(ArcSwap::from_pointee(ServiceRules::of(&config)));
    let (guarding, guard) = GuardGate::new(&context.service)?;
    let (signed, replica) = Replica::of(&store, &growth, &shutdown);
    let followed = replication::begin(&config, &context, &store, &metrics, growth, &shutdown)?;
    let gates = Gates { guard, gate: gate.clone(), replicated: followed.replicated(), is_frozen };
    let service = LogService::new(store.clone(), sequencer, served.clone(), rules.clone(), gates);

    let (status, heads) = watch::channel(HeadStatus::default());
    let (change, changes) = mpsc::channel(1);
    let signer = watched_signer(&context, &metrics);
    let live = Live::new(&store, &served, &heads, &signer, &rules);
    let board = board(&config, &context, &prefix, live, &gate);
    let watch = Watch::new(&board, &metrics).run(shutdown.clone());
    let publisher = Publisher {
        engine: engine(&config, &context, &peers, restored),
        maker: maker(&config, signer, store.clone(), sth),
        asker: Asker { store: store.clone(), log, timeout: config.timeout },
        peers: peers.into_iter().map(|peer| (peer.id, Arc::new(peer))).collect(),
        is_frozen,
        served,
        clock: context.service.clock.clone(),
        metrics: metrics.clone(),
        followed: followed.limit,
        signed,
        status,
        changes,
        health: parts.part("tree head"),
        guard: guarding,
    };
    let publishing = tokio::spawn(publisher.run(shutdown.clone()));
    let routers = Routers::new(&context, &prefix, &service, &board);
    let (external, internal) = routers.serve(listeners, replica, &metrics, &shutdown).await;
    Ok(Handle::new(Parts {
        prefix,
        reloader: Reloader::new(config, context, (rules, gate), change, tls),
        service,
        store,
        heads,
        board,
        watching: tokio::spawn(watch),
        replication: followed.replication,
        following: followed.tasks,
        shutdown,
        external,
        internal,
        publishing,
        indexing,
        sequencing,
        keeping,
    }))
}

/// What the pages are made from.
fn board(
    config: &Config,
    context: &Context,
    prefix: &Prefix,
    live: Live,
    gate: &Gate,
) -> Arc<Board> {
    let board = Board::new(config, context, prefix, live);
    let (public, internal) = (gate.clone(), gate.clone());
    board.add_section(true, move || public.public_section());
    board.add_section(false, move || internal.counters_section());
    Arc::new(board)
}

/// What makes heads.
fn maker(
    config: &Config,
    signer: Arc<WatchedSigner>,
    store: Arc<dyn LogStore>,
    sth: Option<SthFile>,
) -> Arc<HeadMaker> {
    let log = signer.public_key();
    Arc::new(HeadMaker { store, signer, log, sth, timeout: config.timeout })
}

/// What the two endpoints are made from.
struct Routers<'a> {
    context: &'a Context,
    prefix: &'a Prefix,
    service: &'a LogService,
    board: Arc<Board>,
}

impl<'a> Routers<'a> {
    fn new(
        context: &'a Context,
        prefix: &'a Prefix,
        service: &'a LogService,
        board: &Arc<Board>,
    ) -> Self {
        Self { context, prefix, service, board: board.clone() }
    }

    /// The internal endpoint is served at once. The public one waits a little for the start guard:
    /// from an old directory clients would read an old head.
    async fn serve(
        &self,
        (external, internal): (Listener, Option<Listener>),
        replica: Replica,
        metrics: &LogMetrics,
        shutdown: &Shutdown,
    ) -> (ServerHandle, Option<ServerHandle>) {
        let serve = |listener, router| spawn(listener, router, shutdown, Limits::default());
        let internal = internal.map(|listener| serve(listener, self.internal(replica)));
        self.service.guard_heard().await;
        (serve(external, self.external(metrics)), internal)
    }

    fn external(&self, metrics: &LogMetrics) -> Router {
        serve::external_router(External {
            log: self.service.clone(),
            tiles: serve::TileCache::default(),
            prefix: self.prefix.clone(),
            board: self.board.clone(),
            metrics: serve::EndpointsMetrics::new(&metrics.http),
        })
    }

    fn internal(&self, replica: Replica) -> Router {
        let process = &self.context.service;
        let health = health::routes(process.health.clone());
        let watched = pages::routes(process.metrics.clone()).merge(health);
        let nodes = serve::replica_routes(replica, self.prefix);
        finish(nodes.merge(watched).merge(serve::status_router(self.board.clone())))
    }
}

/// What clients are shown; `None` for plain HTTP.
fn tls(config: &Config) -> Result<Option<Tls>, TlsError> {
    config.tls.as_ref().map(Tls::open).transpose()
}

/// Binds the external and, where configured, the internal endpoint.
async fn listen(
    config: &Config,
    context: &Context,
    tls: Option<&Tls>,
) -> Result<(Listener, Option<Listener>), StartError> {
    let mut external = config.external.parse::<Endpoint>()?.bind().await?;
    if let Some(tls) = tls {
        external = external.with_tls(tls.clone());
        tls.watch(&context.service, "sigsum_log")?;
    }
    let internal = match &config.internal {
        Some(address) => Some(address.parse::<Endpoint>()?.bind().await?),
        None => None,
    };
    Ok((external, internal))
}

/// Opens the data beside the runtime's workers: a large log takes a moment.
async fn open_beside(
    config: &Config,
    sth: Option<SthFile>,
    log: PublicKey,
) -> Result<Arc<Store>, StartError> {
    let storage = config.storage.clone();
    let open = move || open::open(&storage, sth.as_ref(), &log);
    match tokio::task::spawn_blocking(open).await {
        Ok(opened) => Ok(Arc::new(opened?)),
        Err(error) => Err(StartError::Thread(io::Error::other(error))),
    }
}

/// Serves the head that was published last, if any, and says what the start is guarded by.
fn restore(
    store: &Store,
    config: &Config,
    context: &Context,
    served: &Served,
) -> Result<Restored, StartError> {
    let (log, policy) = (context.signer.public_key(), &context.policy);
    let known = store.promotion()?.map(|promotion| promotion.known_size).unwrap_or_default();
    let published = store.load_published();
    let published = published.map(|head| open::restore(&head, &log, policy)).transpose()?;
    if let Some(head) = &published {
        let quorum = head.has_quorum(policy);
        if !quorum {
            let size = head.tree_head().size;
            tracing::warn!(%size, "the restored head lacks the policy's quorum");
        }
        // A node that took over may have a head from before one that clients have seen: to them the
        // log would have shrunk. They get the next one.
        if head.tree_head().size >= known {
            served.replace(ServedHead::new(head, quorum, &log));
        }
    }
    let signed = store.load_head().map(|head| head.tree_head.size).unwrap_or_default();
    let guard = GuardRules {
        signed_size: signed.max(known),
        committed_size: store.committed_size(),
        followers: config.replication.followers.len(),
        required_followers: config.replication.required,
        lenient: config.publish_without_quorum,
    };
    Ok(Restored { published, guard: Some(guard), floor: known })
}

/// Starts the thread that commits leaves; the receiver hears how large the tree is.
fn sequencer(
    store: &Arc<dyn LogStore>,
    metrics: &Arc<LogMetrics>,
    health: Part,
) -> Result<(Sequencer, SequencerThread, watch::Receiver<TreeSize>), StartError> {
    let (grown, growth) = watch::channel(store.committed_size());
    let observer = Box::new(CommitObserver::new(metrics.clone(), health));
    let started = Sequencer::start(store.clone(), observer, grown);
    let (sequencer, thread) = started.map_err(StartError::Thread)?;
    Ok((sequencer, thread, growth))
}

fn watched_signer(context: &Context, metrics: &Arc<LogMetrics>) -> Arc<WatchedSigner> {
    let service = &context.service;
    WatchedSigner::new(
        context.signer.clone(),
        service.clock.clone(),
        metrics.clone(),
        service.health.part("key"),
    )
}

fn engine(
    config: &Config,
    context: &Context,
    peers: &[KnownPeer],
    restored: Restored,
) -> HeadEngine {
    let asked: Vec<_> = peers.iter().map(|peer| peer.id).collect();
    HeadEngine::new(Rules::of(config), context.policy.clone(), &asked, restored)
}
