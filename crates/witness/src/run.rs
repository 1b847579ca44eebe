//! Starts a witness: state, store's thread, listeners; and stops it.

use crate::config::{Config, ConfigError, LogSpec};
use crate::cosigner::CosignerKey;
use crate::engine::Extensions;
use crate::metrics::WitnessMetrics;
use crate::serve;
use crate::store::sqlite::{OpenError, SqliteStore};
use crate::store::state_file::{StateFile, StateFileError};
use crate::store::writer::Writer;
use crate::store::{Backend, StoreError, StoredLog};
use crate::witness::load::{LoadError, Loaded, load};
use crate::witness::{Parts, Witness};
use sigsum_core::PublicKey;
use sigsum_core::note::Vkey;
use sigsum_service::http::{Prefix, PrefixError};
use sigsum_service::listen::{BoundAddress, Endpoint, ListenError, Listener};
use sigsum_service::metrics::{HttpMetrics, MetricsError};
use sigsum_service::runner::Context;
use sigsum_service::serve::{Limits, ServerHandle, spawn};
use sigsum_service::{health, metrics};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Time for requests to finish once a witness is stopped; the Go tool gives as much.
const DRAIN_MS: u64 = 10_000;

/// A witness does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data directory.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The state file.
    #[error(transparent)]
    StateFile(#[from] StateFileError),
    /// The content of the store.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The prefix.
    #[error(transparent)]
    Prefix(#[from] PrefixError),
    /// An address to listen on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Two witnesses with one registry.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The operating system gives no thread.
    #[error("store's thread: {0}")]
    Thread(#[source] std::io::Error),
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Open(error.into())
    }
}

/// A running witness.
#[derive(Debug)]
pub struct Handle {
    witness: Arc<Witness>,
    server: ServerHandle,
    internal: Option<ServerHandle>,
    url_prefix: String,
    source: Source,
}

/// Where logs come from when they are taken up again.
#[derive(Debug, Clone)]
struct Source {
    /// `None` with a state file, whose one log never changes.
    data_dir: Option<PathBuf>,
    specs: Vec<LogSpec>,
}

/// Starts a witness with these keys. Each runs with a registry of its own. Blocks for the time
/// that opening the store takes.
///
/// # Errors
/// [`StartError`].
pub async fn start(
    config: Config,
    keys: Vec<CosignerKey>,
    context: Context,
) -> Result<Handle, StartError> {
    let specs = config.check(&public_keys(&keys))?;
    let prefix = Prefix::parse(&config.url_prefix)?;
    let (backend, loaded) = open(&config, &specs, &keys)?;
    let listener = bind(&config.listen).await?;
    let internal = match &config.internal_listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let http_metrics = HttpMetrics::register(&context.metrics, "sigsum_witness")?;
    let witness = Arc::new(assemble(&config, keys, backend, &context)?);
    witness.add_logs(loaded.logs);
    let router = serve::router(Arc::clone(&witness), &prefix, &http_metrics);
    let server = spawn(listener, router, &context.shutdown, limits());
    let internal = internal.map(|listener| serve_internal(listener, &context));
    let cosigner = Arc::clone(&witness);
    tokio::spawn(async move { cosigner.cosign_unrecorded(loaded.unrecorded).await });
    let source = Source { data_dir: config.data_dir, specs };
    Ok(Handle { witness, server, internal, url_prefix: prefix.to_string(), source })
}

/// A witness without logs, over an open store.
///
/// # Errors
/// [`StartError::Metrics`], [`StartError::Thread`].
pub(crate) fn assemble(
    config: &Config,
    keys: Vec<CosignerKey>,
    backend: Box<dyn Backend>,
    context: &Context,
) -> Result<Witness, StartError> {
    let metrics = WitnessMetrics::register(&context.metrics)?;
    let writer = Writer::spawn(backend, config.max_in_flight, metrics.store.clone())
        .map_err(StartError::Thread)?;
    Ok(Witness::new(Parts {
        keys,
        writer,
        clock: Arc::clone(&context.clock),
        deadline: Duration::from_millis(config.request_deadline_ms),
        max_in_flight: config.max_in_flight,
        metrics,
    }))
}

/// Opens the store that the configuration names, with all logs.
///
/// # Errors
/// [`StartError`].
pub(crate) fn open(
    config: &Config,
    specs: &[LogSpec],
    keys: &[CosignerKey],
) -> Result<(Box<dyn Backend>, Loaded), StartError> {
    let vkeys: Vec<Vkey> = keys.iter().map(CosignerKey::vkey).collect();
    if let (Some(path), [spec], [own]) = (&config.state_file, specs, keys) {
        let log = spec.sigsum_key.ok_or(ConfigError::StateFileLogs)?;
        let (store, stored) = StateFile::open(path, own, &log)?;
        let loaded = load(vec![stored], specs, &vkeys, Extensions::Refused)?;
        return Ok((Box::new(store), loaded));
    }
    let dir = config.data_dir.as_ref().ok_or(ConfigError::Storage)?;
    let mut store = SqliteStore::open(dir, &public_keys(keys), config.accept_state)?;
    let loaded = load(stored_logs(&mut store, specs)?, specs, &vkeys, Extensions::Cosigned)?;
    Ok((Box::new(store), loaded))
}

fn public_keys(keys: &[CosignerKey]) -> Vec<PublicKey> {
    keys.iter().map(CosignerKey::public_key).collect()
}

/// The stored logs, after a state was made for those that are new in the configuration.
fn stored_logs(store: &mut SqliteStore, specs: &[LogSpec]) -> Result<Vec<StoredLog>, StoreError> {
    store.ensure_logs(specs.iter().map(|spec| spec.origin.as_str()))?;
    store.logs()
}

async fn bind(address: &str) -> Result<Listener, ListenError> {
    address.parse::<Endpoint>()?.bind().await
}

#[allow(clippy::field_reassign_with_default, reason = "the struct is non_exhaustive")]
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.drain_ms = DRAIN_MS;
    limits
}

fn serve_internal(listener: Listener, context: &Context) -> ServerHandle {
    let router =
        metrics::routes(context.metrics.clone()).merge(health::routes(context.health.clone()));
    spawn(listener, router, &context.shutdown, limits())
}

impl Handle {
    /// The witness itself, to be asked without HTTP.
    pub fn witness(&self) -> &Arc<Witness> {
        &self.witness
    }

    /// Where it serves.
    pub fn address(&self) -> &BoundAddress {
        self.server.address()
    }

    /// Where it serves `/metrics`, if it does.
    pub fn internal_address(&self) -> Option<&BoundAddress> {
        self.internal.as_ref().map(ServerHandle::address)
    }

    /// Submission and monitoring prefix, as written into a policy; `None` on a unix socket.
    pub fn url(&self) -> Option<String> {
        let address: SocketAddr = self.address().tcp()?;
        let prefix = &self.url_prefix;
        let slash = if prefix.is_empty() { "" } else { "/" };
        Some(format!("http://{address}{slash}{prefix}"))
    }

    /// Takes up logs and keys that were added to the data directory since. Gives the number of new
    /// logs.
    ///
    /// # Errors
    /// [`StartError`]; nothing has changed then.
    pub async fn reload(&self) -> Result<usize, StartError> {
        let (source, witness) = (self.source.clone(), Arc::clone(&self.witness));
        let reload = move || {
            let Some(dir) = source.data_dir else { return Ok(0) };
            let stored = SqliteStore::connect(&dir)?.logs()?;
            let loaded = load(stored, &source.specs, &witness.vkeys(), Extensions::Cosigned)?;
            Ok(witness.add_logs(loaded.logs))
        };
        match tokio::task::spawn_blocking(reload).await {
            Ok(result) => result,
            Err(failed) => Err(StartError::Thread(failed.into())),
        }
    }

    /// Stops to accept, lets running requests finish, closes the store.
    pub async fn stop(self) {
        if let Some(internal) = self.internal {
            let _ = internal.stop().await;
        }
        let _ = self.server.stop().await;
        close(self.witness).await;
    }

    /// Returns when the context's shutdown was triggered, running requests have finished, and the
    /// store is closed.
    pub async fn wait(self) {
        let _ = self.server.wait().await;
        if let Some(internal) = self.internal {
            let _ = internal.wait().await;
        }
        close(self.witness).await;
    }
}

async fn close(witness: Arc<Witness>) {
    if let Err(error) = tokio::task::spawn_blocking(move || witness.close()).await {
        tracing::error!(%error, "closing the store");
    }
}
