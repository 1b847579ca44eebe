//! log-go's `config.toml`, with the keys that are ours alone.
//!
//! Every field is optional, so that flags can be laid over the file before
//! [`FileConfig::into_settings`] fills in defaults. Keys of parts that do not exist here (Trillian)
//! are read and ignored.

use super::admission::{self, OneOrMore};
use super::replication::{self, FollowerTable, KeySource, Replication};
use super::tls::{self, AcmeTable};
use super::{Config, GoDuration, LARGEST_MAX_RANGE, Storage};
use serde::Deserialize;
use serde::de::IgnoredAny;
use sigsum_service::acme::AcmeConfigError;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Where the tree lives, unless configured.
pub const DEFAULT_DATA_DIR: &str = "/var/lib/sigsum-log/data";
/// log-go's default sth file.
pub const DEFAULT_STH_FILE: &str = "/var/lib/sigsum-log/sth";
/// log-go's default endpoints.
pub const DEFAULT_EXTERNAL: &str = "localhost:6965";
/// As above, the internal one.
pub const DEFAULT_INTERNAL: &str = "localhost:6967";

/// Shortest interval and timeout: less than a request over a loopback takes.
pub(super) const SHORTEST_TIME: Duration = Duration::from_millis(1);

/// Why a configuration was refused; always the operator's to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileConfigError {
    /// Not TOML, or a value of another type.
    #[error("{0}")]
    Toml(String),
    /// Keys that neither log-go nor this program has.
    #[error("unknown keywords: [{}]", .0.join(" "))]
    UnknownKeywords(Vec<String>),
    /// log-go's database server.
    #[error(
        "backend = \"trillian\": this log keeps its tree in data-dir and does not read Trillian's. To \
         take over the log, follow it with `sigsum log secondary`, and then run `sigsum log \
         promote`: see \"Coming from log-go\" in docs/log.md. In either case remove the line"
    )]
    Trillian,
    /// No storage of that name.
    #[error("unknown backend {0:?}, must be empty (the data directory) or \"ephemeral\"")]
    UnknownBackend(String),
    /// log-go's secondary, halfway.
    #[error(
        "secondary-url is set without secondary-pubkey-file: a follower without its key counts for \
         nothing; set both, or neither"
    )]
    SecondaryWithoutKey,
    /// The other half.
    #[error(
        "secondary-pubkey-file is set without secondary-url: nobody would be asked; set both, or \
         neither"
    )]
    SecondaryWithoutUrl,
    /// Two ways of saying it at once.
    #[error("secondary-url and followers are both set; name every follower under followers")]
    SecondaryAndFollowers,
    /// A word that `replication` does not have.
    #[error("unknown replication {0:?}, must be \"none\", or absent where followers are named")]
    UnknownReplication(String),
    /// A contradiction.
    #[error("replication = \"none\", but followers are named; remove one of the two")]
    NoneWithFollowers,
    /// Followers, but no number of them.
    #[error(
        "{followers} follower(s) are named, but not how many must hold a leaf before it counts; set \
         required, from 1 to {followers}"
    )]
    RequiredMissing {
        /// Followers that are named.
        followers: u64,
    },
    /// A number, but no followers.
    #[error("required is set, but no follower is named")]
    RequiredWithoutFollowers,
    /// A follower that cannot be asked.
    #[error("a follower has no url")]
    FollowerWithoutUrl,
    /// A follower whose answers could not be checked.
    #[error("follower {url} has neither pubkey-file nor key")]
    FollowerWithoutKey {
        /// The follower.
        url: String,
    },
    /// A follower with two keys.
    #[error("follower {url} has both pubkey-file and key; set one of the two")]
    FollowerWithTwoKeys {
        /// The follower.
        url: String,
    },
    /// What is no key.
    #[error("follower {url}: key: {problem}")]
    FollowerKey {
        /// The follower.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// One node would count twice.
    #[error("follower {url} is named twice")]
    SameFollowerUrl {
        /// The follower.
        url: String,
    },
    /// As above, by two names.
    #[error("followers {first} and {second} have the same key; one node would count twice")]
    SameFollowerKey {
        /// The one that is named first.
        first: String,
        /// The other.
        second: String,
    },
    /// A secondary that does not know what to follow.
    #[error("primary-url is not set: whom to follow, the primary's internal endpoint")]
    PrimaryUrlMissing,
    /// A follower that forgets.
    #[error("backend = \"ephemeral\": a follower that keeps nothing is none; remove the line")]
    EphemeralFollower,
    /// A certificate without its key, or the other way round.
    #[error("only one of tls-cert-file and tls-key-file is set; TLS needs both")]
    HalfTls,
    /// Two certificates for one endpoint.
    #[error(
        "tls-cert-file and [acme] are both set; remove the files to have a certificate from the \
         authority, or [acme] to use theirs"
    )]
    TlsTwice,
    /// Certificates by ACME, halfway.
    #[error("acme.{key} is not set: {needed}")]
    AcmeIncomplete {
        /// The key.
        key: &'static str,
        /// What it is needed for.
        needed: &'static str,
    },
    /// An authority's terms, which nobody has agreed to.
    #[error(
        "acme.agree-to-terms is not true: an authority gives certificates to those alone who agree \
         to its terms; read them (its directory names them), and set it to true"
    )]
    AcmeTerms,
    /// Certificates by ACME that cannot be asked for.
    #[error("[acme]: {0}")]
    Acme(#[from] AcmeConfigError),
    /// A time in which nothing can be done.
    #[error("{key} must be at least 1ms; 10s is usual")]
    TooShort {
        /// The key, or flag.
        key: &'static str,
    },
    /// A resolver that cannot be asked.
    #[error("dns-resolver: {0:?} is no address, such as 127.0.0.1 or [::1]:5353")]
    DnsResolver(String),
    /// A key of the configuration that is none, or of what is no domain.
    #[error("static-keys: {domain:?}: {problem}")]
    StaticKey {
        /// The domain.
        domain: String,
        /// What is wrong with it, or with its key.
        problem: String,
    },
    /// A number outside of its range.
    #[error("{key} must be from {min} to {max}")]
    OutOfRange {
        /// The key, or flag.
        key: &'static str,
        /// Smallest value.
        min: u64,
        /// Largest value.
        max: u64,
    },
}

/// `[primary]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PrimaryTable {
    /// Trust policy whose witnesses are asked and whose quorum gates publication.
    pub policy_file: Option<PathBuf>,
    /// Who may submit how much.
    pub rate_limit_file: Option<PathBuf>,
    /// Lets log-go's test domain submit, whose private key everybody knows.
    pub allow_test_domain: Option<bool>,
    /// Ours: who is asked for submit tokens' keys; the machine's resolvers where this is absent.
    pub dns_resolver: Option<OneOrMore>,
    /// Ours: keys that count for a domain beside those in DNS.
    #[serde(default)]
    pub static_keys: BTreeMap<String, OneOrMore>,
    /// The one follower that log-go knows: its internal endpoint.
    pub secondary_url: Option<String>,
    /// The same follower's key.
    pub secondary_pubkey_file: Option<PathBuf>,
    /// Ours: `none` says that having no follower is meant.
    pub replication: Option<String>,
    /// Ours: the followers.
    #[serde(default)]
    pub followers: Vec<FollowerTable>,
    /// Ours: how many of them must hold a leaf before it counts.
    pub required: Option<u64>,
    /// The last signed head, for scripts that read it there.
    pub sth_file: Option<PathBuf>,
    /// Leaves in one get-leaves response.
    pub max_range: Option<u64>,
    /// Ours: shortest time between two heads.
    pub min_interval: Option<GoDuration>,
    /// Ours: requests that each witness is sent in a day at most.
    pub witness_requests_per_day: Option<u64>,
    /// Ours: publish heads without a quorum, as log-go does.
    pub publish_without_quorum: Option<bool>,
    /// What is left.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, IgnoredAny>,
}

/// `[secondary]`; read so that a file may serve both servers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SecondaryTable {
    /// The primary to follow: its internal endpoint.
    pub primary_url: Option<String>,
    /// Ours: where the tree heads of a log-go primary are read, to check the leaves against.
    pub primary_external_url: Option<String>,
    /// Ours: the log's public key, for the first start in a new directory.
    pub log_key_file: Option<PathBuf>,
    /// What is left.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, IgnoredAny>,
}

/// The whole file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FileConfig {
    /// Path in front of the public endpoints' names.
    pub url_prefix: Option<String>,
    /// Limit of one request to a witness.
    pub timeout: Option<GoDuration>,
    /// Time between two refreshes of an idle log.
    pub interval: Option<GoDuration>,
    /// Where the log of the program goes.
    pub log_file: Option<PathBuf>,
    /// `debug`, `info`, `warning`, `error` or `fatal`.
    pub log_level: Option<String>,
    /// Where the public endpoint listens.
    pub external_endpoint: Option<String>,
    /// Where the internal endpoint listens.
    pub internal_endpoint: Option<String>,
    /// Ours: certificate of the public endpoint, with those that lead to a root.
    pub tls_cert_file: Option<PathBuf>,
    /// Ours: its key.
    pub tls_key_file: Option<PathBuf>,
    /// Ours: `[acme]`, for a certificate from an authority.
    pub acme: Option<AcmeTable>,
    /// Ignored: there is no Trillian.
    pub trillian_rpc_server: Option<String>,
    /// `ephemeral` for memory; empty or absent for the data directory.
    pub backend: Option<String>,
    /// Ignored, as above.
    pub trillian_tree_id_file: Option<PathBuf>,
    /// The log's key, or the public key of one that an ssh-agent holds.
    pub key_file: Option<PathBuf>,
    /// Ours: the data directory.
    pub data_dir: Option<PathBuf>,
    /// `[primary]`.
    #[serde(default)]
    pub primary: PrimaryTable,
    /// `[secondary]`.
    #[serde(default)]
    pub secondary: SecondaryTable,
    /// What is left.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, IgnoredAny>,
}

/// What a primary is started from.
#[derive(Debug, Clone)]
pub struct Settings {
    /// For [`crate::start`].
    pub config: Config,
    /// The log's key.
    pub key_file: Option<PathBuf>,
    /// Who holds copies; goes into `config` once the key files have been read.
    pub replication: Replication<KeySource>,
    /// Whether the operator said that nobody does.
    pub declared_none: bool,
    /// The trust policy; `None` for no witnesses and no quorum.
    pub policy_file: Option<PathBuf>,
    /// Where the log of the program goes; `None` for standard error.
    pub log_file: Option<PathBuf>,
    /// How much goes there.
    pub log_level: Option<String>,
}

impl FileConfig {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// [`FileConfigError::Toml`], [`FileConfigError::UnknownKeywords`].
    pub fn parse(text: &str) -> Result<Self, FileConfigError> {
        let file: Self = toml::from_str(text).map_err(|e| FileConfigError::Toml(e.to_string()))?;
        let primary = file.primary.unknown.keys().map(|key| format!("primary.{key}"));
        let secondary = file.secondary.unknown.keys().map(|key| format!("secondary.{key}"));
        let followers = file.primary.followers.iter().flat_map(|table| table.unknown.keys());
        let followers = followers.map(|key| format!("primary.followers.{key}"));
        let acme = file.acme.iter().flat_map(|table| table.unknown.keys());
        let acme = acme.map(|key| format!("acme.{key}"));
        let unknown = file.unknown.keys().cloned().chain(acme).chain(primary).chain(followers);
        let unknown: Vec<_> = unknown.chain(secondary).collect();
        if unknown.is_empty() { Ok(file) } else { Err(FileConfigError::UnknownKeywords(unknown)) }
    }

    /// Fills in log-go's defaults and checks what is set.
    ///
    /// # Errors
    /// [`FileConfigError`].
    pub fn into_settings(self) -> Result<Settings, FileConfigError> {
        let admission = admission::read(&self.primary)?;
        let replication = replication::read(&self.primary)?;
        let declared_none = self.primary.replication.as_deref() == Some("none");
        let is_default_dir = self.data_dir.is_none();
        let data_dir = self.data_dir.unwrap_or_else(|| DEFAULT_DATA_DIR.into());
        let storage = match self.backend.as_deref() {
            None | Some("") => Storage::DataDir(data_dir),
            Some("trillian") => return Err(FileConfigError::Trillian),
            Some("ephemeral") => Storage::Ephemeral,
            Some(other) => return Err(FileConfigError::UnknownBackend(other.to_owned())),
        };
        let mut config = Config::new(storage);
        config.external = self.external_endpoint.unwrap_or_else(|| DEFAULT_EXTERNAL.into());
        config.internal = Some(self.internal_endpoint.unwrap_or_else(|| DEFAULT_INTERNAL.into()));
        config.url_prefix = self.url_prefix.unwrap_or_default();
        config.tls = tls::read(self.tls_cert_file, self.tls_key_file, self.acme.as_ref())?;
        config.interval = self.interval.map_or(config.interval, |d| d.0);
        config.timeout = self.timeout.map_or(config.timeout, |d| d.0);
        config.min_interval = self.primary.min_interval.map_or(config.min_interval, |d| d.0);
        config.max_range = self.primary.max_range.unwrap_or(config.max_range);
        config.witness_requests_per_day = self.primary.witness_requests_per_day;
        config.publish_without_quorum = self.primary.publish_without_quorum.unwrap_or(false);
        config.admission = admission;
        // log-go's default place goes with its default directory, not with one of the operator's,
        // nor with a tree that is gone when the process ends.
        let keeps_sth = is_default_dir && matches!(config.storage, Storage::DataDir(_));
        let default_sth = keeps_sth.then(|| DEFAULT_STH_FILE.into());
        config.sth_file = self.primary.sth_file.or(default_sth);
        config.check()?;
        Ok(Settings {
            config,
            key_file: self.key_file,
            replication,
            declared_none,
            policy_file: self.primary.policy_file,
            log_file: self.log_file,
            log_level: self.log_level,
        })
    }
}

impl Config {
    /// Checks that numbers and times make sense.
    ///
    /// # Errors
    /// [`FileConfigError::OutOfRange`].
    pub fn check(&self) -> Result<(), FileConfigError> {
        let out_of_range = |key, min, max| Err(FileConfigError::OutOfRange { key, min, max });
        if self.max_range == 0 || self.max_range > LARGEST_MAX_RANGE {
            return out_of_range("max-range", 1, LARGEST_MAX_RANGE);
        }
        if self.witness_requests_per_day == Some(0) {
            return out_of_range("witness-requests-per-day", 1, u32::MAX.into());
        }
        self.replication.check()?;
        for (key, time) in [("interval", self.interval), ("timeout", self.timeout)] {
            if time < SHORTEST_TIME {
                return Err(FileConfigError::TooShort { key });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
