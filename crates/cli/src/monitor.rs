//! `sigsum monitor`: follow logs and print the leaves of given keys (flags and lines of
//! sigsum-monitor).

use crate::failure::{Failure, key_failure};
use crate::log_level::start_logging;
use crate::policy_choice::PolicyOptions;
use clap::{ArgAction, Args};
use sigsum_client::{BaseUrl, GoDuration, HttpClient, HttpLog, HttpSettings};
use sigsum_core::PublicKey;
use sigsum_core::policy::{Policy, PolicyLog};
use sigsum_keys::read_public_key;
use sigsum_monitor::{Config, Context, Event, MonitoredLog, Report, WatchList};
use sigsum_service::runner::{self, Program};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

/// Options of `monitor`.
#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub(crate) struct Options {
    #[command(flatten)]
    policy: PolicyOptions,
    /// How often to ask the logs for new tree heads
    #[arg(short, long, value_name = "DURATION", default_value = "10m")]
    interval: GoDuration,
    /// Directory to remember in what was read, so that a restart goes on where this run stops
    #[arg(long, value_name = "DIR")]
    state_directory: Option<PathBuf>,
    /// Warn when the newest quorum of cosignatures is older than this
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    max_cosignature_age: GoDuration,
    /// How much to say on standard error: debug, info, warning, error or fatal
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    diagnostics: String,
    /// Print version
    #[arg(short = 'v', long, action = ArgAction::Version)]
    version: Option<bool>,
    /// Public key files of the keys to report; none: report every leaf
    #[arg(value_name = "KEY-FILE")]
    keys: Vec<PathBuf>,
}

/// Events on standard output, alerts on standard error.
struct Printer;

impl Report for Printer {
    fn report(&self, event: &Event) -> io::Result<()> {
        match event {
            Event::Alert { .. } => tracing::warn!("{event}"),
            Event::Recovered { .. } => tracing::info!("{event}"),
            Event::NewTree { .. } | Event::NewLeaves { .. } => {
                let mut out = io::stdout().lock();
                writeln!(out, "{event}")?;
                out.flush()?;
            }
        }
        Ok(())
    }
}

/// Runs until it is told to stop.
pub(crate) fn run(options: Options) -> Result<(), Failure> {
    options.policy.check()?;
    let logging = start_logging(Some(&options.diagnostics), None)?;
    let (keys, policy_name) = read_keys(&options)?;
    let policy = options.policy.select(policy_name.as_deref())?.ok_or_else(|| {
        Failure::new("A policy must be specified, either in pubkey file or using -p or -P")
            .remedy("for example -P sigsum-generic-2025-1, or see `sigsum policy list`")
    })?;
    let logs = logs(&policy)?;
    let beginning = beginning(&options, &policy, keys.len());
    let config = Config {
        policy,
        watch: WatchList::new(&keys),
        interval: options.interval.0,
        state_dir: options.state_directory,
        max_cosignature_age: options.max_cosignature_age.0,
    };
    let (name, version) = ("sigsum monitor", env!("CARGO_PKG_VERSION"));
    let program = Program { name, version, logging: Some(logging), reloads: false };
    runner::run(program, |service| async move {
        tracing::info!("{beginning}");
        let notify = service.notify.clone();
        let context = Context { service, report: Arc::new(Printer) };
        let handle = sigsum_monitor::start(config, logs, context)
            .map_err(|e| Failure::new(e.to_string()))?;
        notify.ready("");
        handle.wait().await;
        Ok(())
    })
    .map_err(|e: runner::RunError<Failure>| match e {
        runner::RunError::Role(failure) => failure,
        other => Failure::new(other.to_string()),
    })
}

/// What the monitor is about to do, in one line.
fn beginning(options: &Options, policy: &Policy, keys: usize) -> String {
    // As a base URL it is shown without credentials.
    let urls = policy.logs().iter().filter_map(PolicyLog::url);
    let urls: Vec<String> =
        urls.filter_map(|url| BaseUrl::parse(url).ok()).map(|url| url.to_string()).collect();
    let watched = match keys {
        0 => "every leaf".to_owned(),
        1 => "the leaves of 1 key".to_owned(),
        n => format!("the leaves of {n} keys"),
    };
    let seconds = options.interval.0.as_secs_f64();
    let from = match &options.state_directory {
        Some(path) => format!("from where {} stopped", path.display()),
        None => "from the first leaf".to_owned(),
    };
    format!("reporting {watched} of {}, every {seconds} s, {from}", urls.join(", "))
}

/// The watched keys, and the policy name that all key files agree on.
fn read_keys(options: &Options) -> Result<(Vec<PublicKey>, Option<String>), Failure> {
    let mut keys = Vec::new();
    let mut names = Vec::new();
    for path in &options.keys {
        let line = read_public_key(path)
            .map_err(|e| key_failure("Failed reading public key files: ", &e))?;
        keys.push(line.key);
        names.push(line.policy_name);
    }
    if options.policy.is_given() {
        return Ok((keys, None));
    }
    let first = names.first().cloned().flatten();
    if let Some(other) = names.iter().find(|name| **name != first) {
        let quoted = |n: &Option<String>| format!("{:?}", n.as_deref().unwrap_or_default());
        let (a, b) = (quoted(other), quoted(&first));
        return Err(Failure::new(format!(
            "Failed reading public key files: conflicting policy names found in pubkeys: {a} != {b}"
        ))
        .remedy("choose the policy with -p or -P"));
    }
    Ok((keys, first))
}

/// The policy's logs that have URLs.
pub(crate) fn logs(policy: &Policy) -> Result<Vec<MonitoredLog>, Failure> {
    let failed = |e: &dyn std::fmt::Display| Failure::new(e.to_string());
    let http = HttpClient::new(HttpSettings::new("monitor"));
    let mut out = Vec::new();
    for log in policy.logs() {
        let (Some(key), Some(url)) = (log.public_key(), log.url()) else { continue };
        let url = BaseUrl::parse(url).map_err(|e| failed(&e))?;
        let api = HttpLog::new(&http, &url).map_err(|e| failed(&e))?;
        out.push(MonitoredLog { key: *key, api: Arc::new(api) });
    }
    Ok(out)
}
