//! `sigsum log secondary`: holds a copy of another node's log (flags of sigsum-log-secondary).

use super::{CLOSED_REMEDY, node_key, over, read_config, runner_failure, with_remedy};
use crate::failure::{Failure, key_failure};
use crate::files::agent_socket;
use crate::log_level::start_logging;
use clap::{ArgAction, Args};
use sigsum_client::GoDuration;
use sigsum_core::PublicKey;
use sigsum_keys::load_service_signer;
use sigsum_log::Storage;
use sigsum_log::config::SecondarySettings;
use sigsum_log::follower::{self, FollowerContext, FollowerHandle, FollowerStartError};
use sigsum_service::listen::BoundAddress;
use sigsum_service::runner::{self, Program};
use sigsum_store::{Place, Store, StoreError};
use std::path::{Path, PathBuf};

/// Options of `log secondary`; each goes before the same key of the configuration file.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Secondary {
    /// Directory that holds the copy (made by `sigsum log init --follower`)
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// This node's own private key, or a public key file whose private key an ssh-agent holds
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Whom to follow: the primary's internal endpoint
    #[arg(long, value_name = "URL")]
    primary_url: Option<String>,
    /// Where a log-go primary's tree heads are read, to check the leaves against
    #[arg(long, value_name = "URL")]
    primary_external_url: Option<String>,
    /// The log's public key; makes the directory where there is none
    #[arg(long, value_name = "FILE")]
    log_key_file: Option<PathBuf>,
    /// Where clients would connect; there is nothing for them
    #[arg(long, value_name = "HOST:PORT")]
    external_endpoint: Option<String>,
    /// Where the primary asks, and metrics and health are served
    #[arg(long, value_name = "HOST:PORT")]
    internal_endpoint: Option<String>,
    /// Path in front of the endpoints that the primary asks
    #[arg(long, value_name = "PATH")]
    url_prefix: Option<String>,
    /// How often a primary is asked that does not keep its answer back, such as 10s
    #[arg(long, value_name = "DURATION")]
    interval: Option<GoDuration>,
    /// Time limit of one signature and of a connection
    #[arg(long, value_name = "DURATION")]
    timeout: Option<GoDuration>,
    /// Append the program's log to this file (default: standard error)
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
    /// debug, info, warning, error or fatal
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Configuration file (default: $SIGSUM_LOGSERVER_CONFIG or /etc/sigsum/config.toml)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print help
    #[arg(short = 'h', short_alias = '?', long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// Lays the flags over the file.
fn settings(flags: Secondary) -> Result<SecondarySettings, Failure> {
    let mut file = read_config(flags.config.as_deref())?;
    over(&mut file.data_dir, flags.data_dir);
    over(&mut file.key_file, flags.key_file);
    over(&mut file.secondary.primary_url, flags.primary_url);
    over(&mut file.secondary.primary_external_url, flags.primary_external_url);
    over(&mut file.secondary.log_key_file, flags.log_key_file);
    over(&mut file.external_endpoint, flags.external_endpoint);
    over(&mut file.internal_endpoint, flags.internal_endpoint);
    over(&mut file.url_prefix, flags.url_prefix);
    over(&mut file.interval, flags.interval);
    over(&mut file.timeout, flags.timeout);
    over(&mut file.log_file, flags.log_file);
    over(&mut file.log_level, flags.log_level);
    file.into_secondary_settings().map_err(|e| Failure::new(e.to_string()))
}

/// Runs the secondary.
pub(super) fn run(flags: Secondary) -> Result<(), Failure> {
    let settings = settings(flags)?;
    let logging = start_logging(settings.log_level.as_deref(), settings.log_file.as_deref())?;
    let key_file = settings.key_file.ok_or_else(|| {
        Failure::new("the secondary has no key")
            .remedy("name it with --key-file, or key-file in the configuration file")
    })?;
    let signer = load_service_signer(&key_file, agent_socket().as_deref())
        .map_err(|e| key_failure("setup secondary: failed reading private key: ", &e))?
        .signer;
    let config = settings.config;
    let log = log_key(&config.storage, settings.log_key_file.as_deref())?;
    let (name, version) = ("sigsum log secondary", env!("CARGO_PKG_VERSION"));
    let program = Program { name, version, logging: Some(logging), reloads: true };
    runner::run(program, |service| async move {
        let notify = service.notify.clone();
        let context = FollowerContext { service, signer, log };
        let handle = follower::start(config, context).await.map_err(|e| start_failure(&e))?;
        say_where(&handle);
        notify.ready("");
        handle.wait().await;
        Ok(())
    })
    .map_err(runner_failure)
}

/// Which log is copied: the file says, or the directory does. With the file, a directory that is
/// missing is made: an empty copy does no harm.
fn log_key(storage: &Storage, file: Option<&Path>) -> Result<PublicKey, Failure> {
    let Storage::DataDir(dir) = storage else {
        return Err(Failure::new("a secondary needs a data directory"));
    };
    let failed =
        |error: StoreError| with_remedy(Failure::new(format!("setup secondary: {error}")), &error);
    let recorded = Store::recorded_log_key(&Place::dir(dir)).map_err(failed)?;
    let Some(file) = file else {
        return recorded.ok_or_else(|| {
            Failure::new(format!("setup secondary: {} holds no copy of a log", dir.display()))
                .remedy(
                    "make it with `sigsum log init --follower --data-dir DIR --key-file LOG-KEY`, \
                     or name the log's public key with --log-key-file",
                )
        });
    };
    let key = node_key(file)?;
    if recorded.is_none() {
        match sigsum_log::init_follower(dir, &key) {
            // What is there says itself what it is.
            Ok(()) | Err(StoreError::AlreadyInitialised { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(key)
}

/// Says where the secondary listens; with port 0 nobody could know otherwise.
fn say_where(handle: &FollowerHandle) {
    let shown = |address: &BoundAddress| match address.tcp() {
        Some(tcp) => format!("http://{tcp}"),
        None => address.to_string(),
    };
    crate::say(&format!("listening on {}", shown(handle.external())));
    crate::say(&format!("internal endpoint on {}", shown(handle.internal())));
}

/// What keeps the secondary from starting, and what the operator can do about it.
fn start_failure(error: &FollowerStartError) -> Failure {
    let failure = Failure::new(format!("setup secondary: {error}"));
    match error {
        FollowerStartError::IsPrimary { .. } => failure.remedy(
            "to follow another node, make a directory of its own with `sigsum log init --follower`",
        ),
        FollowerStartError::IsClosed { .. } => failure.remedy(CLOSED_REMEDY),
        FollowerStartError::HasLogKey => failure
            .remedy("make one with `sigsum key generate`, and give the primary its .pub file"),
        FollowerStartError::Store(error) => with_remedy(failure, error),
        _ => failure,
    }
}
