//! New settings for a running log: what can be taken up is, what needs a restart is named.

use crate::config::{Config, FileConfigError, Storage};
use crate::engine::head::Rules;
use crate::gate::{self, Gate};
use crate::limits::{LimitsError, Loaded};
use crate::publisher::NewRules;
use crate::start::Context;
use crate::witnesses::{self, WitnessSetupError, Witnesses};
use arc_swap::ArcSwap;
use sigsum_core::policy::Policy;
use sigsum_service::clock::Clock;
use sigsum_service::tls::{Certificate, Tls, TlsError, TlsFiles, TlsSource};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// What the request handlers, and who looks after the log, take from the configuration each time anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ServiceRules {
    /// Leaves in one get-leaves response.
    pub(crate) max_range: u64,
    /// How long a submission waits for its commit.
    pub(crate) commit_timeout: Duration,
    /// The log's refresh.
    pub(crate) interval: Duration,
}

impl ServiceRules {
    pub(crate) fn of(config: &Config) -> Self {
        let Config { max_range, timeout: commit_timeout, interval, .. } = *config;
        Self { max_range, commit_timeout, interval }
    }
}

/// What a log is given anew.
#[derive(Debug, Clone)]
pub struct NewSettings {
    /// The whole configuration, as for a start.
    pub config: Config,
    /// Whose cosignatures are gathered, and how many make a head worth publishing.
    pub policy: Arc<Policy>,
    /// How the witnesses are reached.
    pub witnesses: Witnesses,
}

/// What became of new settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Keys of the configuration whose new value, or file, is in force.
    pub changed: Vec<&'static str>,
    /// Keys whose new value counts from the next start on.
    pub needs_restart: Vec<&'static str>,
}

/// Why new settings were refused. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// Configuration: a value that makes no sense.
    #[error(transparent)]
    Config(#[from] FileConfigError),
    /// Configuration: the certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Configuration: the rate limits.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// Configuration: the witnesses.
    #[error(transparent)]
    Witnesses(#[from] WitnessSetupError),
    /// The log is stopping.
    #[error("the log is stopping")]
    Stopping,
}

/// Gives a running log new settings. Clones are for the same log; they do not hold on to its data
/// directory.
#[derive(Clone)]
pub struct Reloader {
    service: Arc<ArcSwap<ServiceRules>>,
    gate: Gate,
    publisher: mpsc::Sender<NewRules>,
    tls: Option<Tls>,
    clock: Arc<dyn Clock>,
    current: Arc<Mutex<Current>>,
}

/// What the log runs with.
#[derive(Debug)]
struct Current {
    config: Config,
    policy: Arc<Policy>,
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader").field("current", &self.current).finish_non_exhaustive()
    }
}

impl Reloader {
    pub(crate) fn new(
        config: Config,
        context: Context,
        (service, gate): (Arc<ArcSwap<ServiceRules>>, Gate),
        publisher: mpsc::Sender<NewRules>,
        tls: Option<Tls>,
    ) -> Self {
        let (policy, clock) = (context.policy, context.service.clock);
        let current = Arc::new(Mutex::new(Current { config, policy }));
        Self { service, gate, publisher, tls, clock, current }
    }

    /// Takes up new settings, all of them or none. Returns when they are in force. Requests that are
    /// being answered are not disturbed.
    ///
    /// # Errors
    /// [`ReloadError`].
    pub async fn reload(&self, new: NewSettings) -> Result<Reloaded, ReloadError> {
        new.config.check()?;
        let peers = witnesses::resolve(new.witnesses, &new.policy)?;
        let certificate = self.certificate(&new.config)?;
        // Read anew: the files may say something else under the same names.
        let limits = gate::read(&new.config.admission).await?;
        let mut reloaded = self.compare(&new.config, &new.policy, limits.as_ref());
        if reloaded.changed.is_empty() {
            reloaded.changed.extend(self.show(certificate));
            return Ok(reloaded);
        }
        let (done, taken) = oneshot::channel();
        let rules = NewRules {
            rules: Rules::of(&new.config),
            policy: Arc::clone(&new.policy),
            peers,
            timeout: new.config.timeout,
            done,
        };
        self.publisher.send(rules).await.map_err(|_| ReloadError::Stopping)?;
        taken.await.map_err(|_| ReloadError::Stopping)?;
        reloaded.changed.extend(self.show(certificate));
        self.service.store(Arc::new(ServiceRules::of(&new.config)));
        self.gate.put(&new.config.admission, limits);
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Current { config: running(&current.config, new.config), policy: new.policy };
        Ok(reloaded)
    }

    /// The certificate that is in the files now, which must be of use at this time. A log that has
    /// its certificate from an authority reads none.
    fn certificate(&self, new: &Config) -> Result<Option<Certificate>, TlsError> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(_), Some(files)) = (files(&current.config), files(new)) else { return Ok(None) };
        drop(current);
        let certificate = Certificate::read(files)?;
        certificate.check_time(&*self.clock)?;
        Ok(Some(certificate))
    }

    /// Shows this certificate to clients; its key where it is another one than before.
    fn show(&self, certificate: Option<Certificate>) -> Option<&'static str> {
        let is_new = self.tls.as_ref()?.replace(certificate?);
        is_new.then_some("tls-cert-file")
    }

    /// Whether the public endpoint speaks TLS.
    pub(crate) fn is_https(&self) -> bool {
        self.tls.is_some()
    }

    fn compare(&self, new: &Config, policy: &Policy, limits: Option<&Loaded>) -> Reloaded {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let old = &current.config;
        let differing = |keys: &[(&'static str, bool)]| {
            keys.iter().filter(|(_, same)| !same).map(|(key, _)| *key).collect()
        };
        Reloaded {
            changed: differing(&[
                ("policy-file", *current.policy == *policy),
                ("rate-limit-file", !self.gate.differs(limits)),
                ("dns-resolver", old.admission.dns_resolvers == new.admission.dns_resolvers),
                ("static-keys", old.admission.static_keys == new.admission.static_keys),
                ("interval", old.interval == new.interval),
                ("timeout", old.timeout == new.timeout),
                ("min-interval", old.min_interval == new.min_interval),
                ("max-range", old.max_range == new.max_range),
                (
                    "witness-requests-per-day",
                    old.witness_requests_per_day == new.witness_requests_per_day,
                ),
                (
                    "publish-without-quorum",
                    old.publish_without_quorum == new.publish_without_quorum,
                ),
            ]),
            needs_restart: differing(&[
                ("data-dir", same_storage(&old.storage, &new.storage)),
                ("external-endpoint", old.external == new.external),
                ("internal-endpoint", old.internal == new.internal),
                ("url-prefix", old.url_prefix == new.url_prefix),
                ("sth-file", old.sth_file == new.sth_file),
                ("tls-cert-file", files(old).is_some() == files(new).is_some()),
                ("acme", authority(old) == authority(new)),
                ("followers", old.replication == new.replication),
            ]),
        }
    }
}

/// What the log runs with from now on: values that need a restart stay, so that each later reload
/// names them again.
fn running(old: &Config, new: Config) -> Config {
    Config {
        storage: old.storage.clone(),
        external: old.external.clone(),
        internal: old.internal.clone(),
        url_prefix: old.url_prefix.clone(),
        sth_file: old.sth_file.clone(),
        replication: old.replication.clone(),
        tls: new
            .tls
            .filter(|new| new.files().is_some() && files(old).is_some())
            .or(old.tls.clone()),
        ..new
    }
}

/// The certificate's files, where they are somebody else's.
fn files(config: &Config) -> Option<&TlsFiles> {
    config.tls.as_ref().and_then(TlsSource::files)
}

/// Whom the certificate is from, where that is the log's to ask.
fn authority(config: &Config) -> Option<&TlsSource> {
    config.tls.as_ref().filter(|source| source.files().is_none())
}

fn same_storage(old: &Storage, new: &Storage) -> bool {
    match (old, new) {
        (Storage::DataDir(old), Storage::DataDir(new)) => old == new,
        (Storage::Ephemeral, Storage::Ephemeral) => true,
        (Storage::Place(old), Storage::Place(new)) => old.path() == new.path(),
        _ => false,
    }
}
