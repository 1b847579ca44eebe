//! Settings of a log: what [`crate::start`] takes, and the TOML file of log-go that fills it.

mod admission;
mod file;
mod replication;
mod secondary;
mod tls;

pub use admission::{AdmissionConfig, OneOrMore};
pub use file::{
    DEFAULT_DATA_DIR, DEFAULT_EXTERNAL, DEFAULT_INTERNAL, DEFAULT_STH_FILE, FileConfig,
    FileConfigError, PrimaryTable, SecondaryTable, Settings,
};
pub use replication::{Follower, FollowerTable, KeySource, Replication};
pub use secondary::SecondarySettings;
pub use tls::AcmeTable;

pub use sigsum_client::{DurationError, GoDuration};
use sigsum_service::tls::TlsSource;
use sigsum_store::Place;

use std::path::PathBuf;
use std::time::Duration;

/// Leaves in one get-leaves response, unless configured: log-go's default.
pub const DEFAULT_MAX_RANGE: u64 = 512;
/// Upper bound on that setting: 8192 leaves are 2.2 MB of hex, twice what log-go's operators use.
pub const LARGEST_MAX_RANGE: u64 = 8192;
/// Refresh of an idle log, unless configured: log-go's default.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);
/// Pause between two heads, unless configured. A leaf on an idle log is signed at once; those that
/// come while its head is being cosigned wait this long, which a submitter does not notice and
/// which holds a busy log to ten heads a second.
pub const DEFAULT_MIN_INTERVAL: Duration = Duration::from_millis(100);
/// Limit of one request to a witness, and of waiting for a commit, unless configured: log-go's.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the tree lives.
#[derive(Debug, Clone)]
pub enum Storage {
    /// In this directory, which [`crate::init`] made.
    DataDir(PathBuf),
    /// In memory, gone with the log: a new tree at every start.
    Ephemeral,
    /// On any file system, where `sigsum_store::Store::init` made a store; for tests and faults.
    Place(Place),
}

/// Settings of a running log.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the tree lives.
    pub storage: Storage,
    /// Where the public endpoint listens, as `sigsum_service::listen::Endpoint` reads it.
    pub external: String,
    /// With which certificate that is served over TLS; `None` for plain HTTP behind a proxy.
    pub tls: Option<TlsSource>,
    /// Where metrics, health and the followers' get-leaves are served; `None` for nowhere.
    pub internal: Option<String>,
    /// Path in front of the public endpoints' names; slashes at its ends do not count.
    pub url_prefix: String,
    /// Leaves in one get-leaves response; at most [`LARGEST_MAX_RANGE`].
    pub max_range: u64,
    /// Time between two refreshes of an idle log, and the longest wait for a quorum.
    pub interval: Duration,
    /// Shortest time between two heads.
    pub min_interval: Duration,
    /// Requests that each witness is sent in a day at most (`qpd` in the public lists of logs), so
    /// that a busy log makes its heads less often. `None`: as many as `min_interval` allows.
    pub witness_requests_per_day: Option<u64>,
    /// Limit of one request to a witness, of one signature and of waiting for a commit.
    pub timeout: Duration,
    /// Publish heads without a quorum too, as log-go does.
    pub publish_without_quorum: bool,
    /// Who holds copies, and how many must before a leaf counts.
    pub replication: Replication,
    /// Who may submit how much.
    pub admission: AdmissionConfig,
    /// log-go's sth file to keep up; `None` for none.
    pub sth_file: Option<PathBuf>,
    /// Shown on the start page.
    pub software_version: String,
}

impl Config {
    /// Defaults: both endpoints on free loopback ports, times and sizes of log-go.
    pub fn new(storage: Storage) -> Self {
        Self {
            storage,
            external: "127.0.0.1:0".into(),
            tls: None,
            internal: Some("127.0.0.1:0".into()),
            url_prefix: String::new(),
            max_range: DEFAULT_MAX_RANGE,
            interval: DEFAULT_INTERVAL,
            min_interval: DEFAULT_MIN_INTERVAL,
            witness_requests_per_day: None,
            timeout: DEFAULT_TIMEOUT,
            publish_without_quorum: false,
            replication: Replication::default(),
            admission: AdmissionConfig::default(),
            sth_file: None,
            software_version: env!("CARGO_PKG_VERSION").into(),
        }
    }
}
