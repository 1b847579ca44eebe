//! `sigsum log`: run a log and prepare its directory (flags of sigsum-log-primary and
//! sigsum-mktree).

mod backup;
mod freeze;
mod fsck;
mod owner;
mod reload;
mod secondary;
mod status;
mod takeover;

use crate::failure::{Failure, key_failure};
use crate::files::{print, read_text_file};
use crate::log_level::start_logging;
use clap::{ArgAction, Args, Subcommand};
use reload::{Loaded, Sources};
use sigsum_client::GoDuration;
use sigsum_core::PublicKey;
use sigsum_core::policy::Policy;
use sigsum_keys::read_public_key;
use sigsum_log::config::{FileConfig, FollowerTable, OneOrMore, Settings};
use sigsum_log::mktree;
use sigsum_service::reload::{ReloadMetrics, Watched, follow};
use sigsum_service::runner::{self, Program};
use sigsum_store::StoreError;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What to do with a log.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the log server
    Primary(Box<Primary>),
    /// Hold a copy of another node's log
    Secondary(Box<secondary::Secondary>),
    /// Prepare a new log: its data directory, or log-go's startup file
    Init(Init),
    /// Check a stopped log's data directory, every byte of it, and mend it
    Fsck(fsck::Fsck),
    /// Copy a log's directory while the log runs, or bring such a copy up to date
    Backup(backup::Backup),
    /// Say how a log does
    Status(status::Status),
    /// Close a stopped log for good: one last head, then read only
    Freeze(freeze::Freeze),
    /// Make a stopped follower the log's primary, where nobody knows more than it holds
    Promote(takeover::Promote),
    /// Build a new primary's directory from a follower, or from what the log still serves
    Restore(takeover::Restore),
}

/// Options of `log primary`; each goes before the same key of the configuration file.
#[derive(Debug, Clone, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Primary {
    /// Directory that holds the log (made by `sigsum log init`)
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The log's private key, or a public key file whose private key an ssh-agent holds
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Policy: the witnesses to ask, and the quorum that a head needs to be published
    #[arg(long, value_name = "FILE")]
    policy_file: Option<PathBuf>,
    /// Where clients connect
    #[arg(long, value_name = "HOST:PORT")]
    external_endpoint: Option<String>,
    /// Where metrics and health are served
    #[arg(long, value_name = "HOST:PORT")]
    internal_endpoint: Option<String>,
    /// Path in front of all public endpoints
    #[arg(long, value_name = "PATH")]
    url_prefix: Option<String>,
    /// Time between two tree heads of an idle log, such as 10s
    #[arg(long, value_name = "DURATION")]
    interval: Option<GoDuration>,
    /// Shortest time between two tree heads of a busy log
    #[arg(long, value_name = "DURATION")]
    min_interval: Option<GoDuration>,
    /// Time limit of one request to a witness, and of one request's work
    #[arg(long, value_name = "DURATION")]
    timeout: Option<GoDuration>,
    /// Most leaves in one get-leaves response
    #[arg(long, value_name = "COUNT")]
    max_range: Option<u64>,
    /// "none": no other node holds a copy, and that is meant
    #[arg(long, value_name = "NONE")]
    replication: Option<String>,
    /// A follower: its internal endpoint, and the file with its public key; may be repeated
    #[arg(long = "follower", value_name = "URL,FILE", value_parser = follower)]
    followers: Vec<FollowerTable>,
    /// How many of the followers must hold a leaf before it counts
    #[arg(long, value_name = "COUNT")]
    required: Option<u64>,
    /// The one follower, as log-go names it: its internal endpoint
    #[arg(long, value_name = "URL")]
    secondary_url: Option<String>,
    /// The one follower's public key
    #[arg(long, value_name = "FILE")]
    secondary_pubkey_file: Option<PathBuf>,
    /// Limits on who may add how many leaves (default: nobody is limited)
    #[arg(long, value_name = "FILE")]
    rate_limit_file: Option<PathBuf>,
    /// Let test.sigsum.org submit, whose private key everybody knows
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    allow_test_domain: Option<bool>,
    /// Resolver to ask for the keys of submit tokens (default: the machine's); may be repeated
    #[arg(long = "dns-resolver", value_name = "IP[:PORT]")]
    dns_resolvers: Vec<String>,
    /// File that always holds the last signed tree head, as log-go keeps it
    #[arg(long, value_name = "FILE")]
    sth_file: Option<PathBuf>,
    /// Publish tree heads without a quorum too, as log-go does
    #[arg(long)]
    publish_without_quorum: bool,
    /// Where the tree lives: empty for the data directory, or "ephemeral" for memory only
    #[arg(long, value_name = "BACKEND")]
    backend: Option<String>,
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

/// Options of `log init`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Init {
    /// Directory to make for the log
    #[arg(long, value_name = "DIR", requires = "key_file")]
    data_dir: Option<PathBuf>,
    /// The log's key, private or public
    #[arg(long, value_name = "FILE", requires = "data_dir")]
    key_file: Option<PathBuf>,
    /// Make it for a node that holds a copy: `sigsum log secondary`
    #[arg(long, requires = "data_dir")]
    follower: bool,
    /// The sth file to prepare a start for, as sigsum-mktree does
    #[arg(long, value_name = "FILE", conflicts_with = "data_dir")]
    sth_file: Option<PathBuf>,
    /// empty, local-tree or saved
    #[arg(long, value_name = "MODE", default_value = "empty", conflicts_with = "data_dir")]
    mode: String,
    /// Print help
    #[arg(short = 'h', short_alias = '?', long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// `URL,FILE`.
fn follower(text: &str) -> Result<FollowerTable, String> {
    let (url, file) = text.split_once(',').ok_or("expected URL,FILE")?;
    let (url, pubkey_file) = (Some(url.to_owned()), Some(PathBuf::from(file)));
    Ok(FollowerTable { url, pubkey_file, ..FollowerTable::default() })
}

/// log-go's configuration file.
const SYSTEM_CONFIG: &str = "/etc/sigsum/config.toml";

/// Runs the command.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Primary(flags) => primary(*flags),
        Command::Secondary(flags) => secondary::run(*flags),
        Command::Init(options) => init(&options),
        Command::Fsck(options) => fsck::run(&options),
        Command::Backup(options) => backup::run(&options),
        Command::Status(options) => status::run(&options),
        Command::Freeze(options) => freeze::run(&options),
        Command::Promote(options) => takeover::promote(options),
        Command::Restore(options) => takeover::restore(options),
    }
}

fn config_of_environment() -> Option<PathBuf> {
    std::env::var_os("SIGSUM_LOGSERVER_CONFIG").filter(|v| !v.is_empty()).map(PathBuf::from)
}

/// Where the configuration file is, or would be.
fn config_path(named: Option<&Path>) -> PathBuf {
    let path = named.map(Path::to_owned).or_else(config_of_environment);
    path.unwrap_or_else(|| PathBuf::from(SYSTEM_CONFIG))
}

/// The configuration file's values. As in log-go, a missing file means defaults, even where the
/// environment names it, but not where the command line does.
fn read_config(named: Option<&Path>) -> Result<FileConfig, Failure> {
    let must_exist = named.is_some();
    let is_named = must_exist || config_of_environment().is_some();
    let path = config_path(named);
    let text = match read_text_file(&path) {
        Ok(text) => text,
        Err(failure) if must_exist => return Err(failure),
        Err(failure) => {
            if is_named {
                crate::say(&format!("didn't find configuration file, using defaults: {failure}"));
            }
            return Ok(FileConfig::default());
        }
    };
    let failed = |e: &dyn std::fmt::Display| {
        Failure::new(format!("failed to parse config file {}: {e}", path.display()))
    };
    let text = String::from_utf8(text).map_err(|e| failed(&e))?;
    FileConfig::parse(&text).map_err(|e| failed(&e))
}

/// Lays a flag over the file's value.
fn over<T>(value: &mut Option<T>, flag: Option<T>) {
    if flag.is_some() {
        *value = flag;
    }
}

/// Lays the flags over the file.
fn settings(flags: Primary) -> Result<Settings, Failure> {
    let mut file = read_config(flags.config.as_deref())?;
    over(&mut file.data_dir, flags.data_dir);
    over(&mut file.key_file, flags.key_file);
    over(&mut file.primary.policy_file, flags.policy_file);
    over(&mut file.external_endpoint, flags.external_endpoint);
    over(&mut file.internal_endpoint, flags.internal_endpoint);
    over(&mut file.url_prefix, flags.url_prefix);
    over(&mut file.interval, flags.interval);
    over(&mut file.primary.min_interval, flags.min_interval);
    over(&mut file.timeout, flags.timeout);
    over(&mut file.primary.max_range, flags.max_range);
    over(&mut file.primary.replication, flags.replication);
    over(&mut file.primary.required, flags.required);
    over(&mut file.primary.secondary_url, flags.secondary_url);
    over(&mut file.primary.secondary_pubkey_file, flags.secondary_pubkey_file);
    if !flags.followers.is_empty() {
        file.primary.followers = flags.followers;
    }
    over(&mut file.primary.rate_limit_file, flags.rate_limit_file);
    over(&mut file.primary.allow_test_domain, flags.allow_test_domain);
    if !flags.dns_resolvers.is_empty() {
        file.primary.dns_resolver = Some(OneOrMore::More(flags.dns_resolvers));
    }
    over(&mut file.primary.sth_file, flags.sth_file);
    over(&mut file.backend, flags.backend);
    over(&mut file.log_file, flags.log_file);
    over(&mut file.log_level, flags.log_level);
    if flags.publish_without_quorum {
        file.primary.publish_without_quorum = Some(true);
    }
    file.into_settings().map_err(|e| Failure::new(e.to_string()))
}

fn primary(flags: Primary) -> Result<(), Failure> {
    let mut watched = Watched::new();
    let loaded = Loaded::read(&flags, &mut watched)?;
    let settings = &loaded.settings;
    let logging = start_logging(settings.log_level.as_deref(), settings.log_file.as_deref())?;
    let key_file = settings.key_file.as_ref().ok_or_else(|| {
        Failure::new("the log has no key")
            .remedy("name it with --key-file, or key-file in the configuration file")
    })?;
    let signer = freeze::signer(key_file, &settings.config.storage)
        .map_err(|e| key_failure("setup primary: failed reading private key: ", &e))?;
    let mut sources = Sources::new(flags, &loaded, logging.clone());
    let (doubt, is_alone) = (loaded.doubt(), loaded.is_alone());
    let is_unlimited = loaded.is_unlimited();
    let Loaded { settings, policy } = loaded;
    let (name, version) = ("sigsum log", env!("CARGO_PKG_VERSION"));
    let program = Program { name, version, logging: Some(logging), reloads: true };
    runner::run(program, |service| async move {
        if let Some(doubt) = doubt {
            tracing::warn!("{doubt}");
        }
        if is_unlimited {
            tracing::warn!("{NOT_LIMITED}");
        }
        if is_alone {
            tracing::warn!("{NOT_REPLICATED}");
        }
        let metrics =
            ReloadMetrics::register(&service.metrics, "sigsum_log", service.clock.clone());
        let metrics = metrics.map_err(|e| Failure::new(e.to_string()))?;
        let context = sigsum_log::Context {
            service: service.clone(),
            signer,
            policy: Arc::new(policy),
            witnesses: sigsum_log::Witnesses::FromPolicy,
        };
        let started = sigsum_log::start(settings.config, context).await;
        let handle = started.map_err(|e| start_failure(&e))?;
        say_where(&handle);
        service.notify.ready("");
        let reloader = handle.reloader();
        let reload = async |watched: &mut Watched| sources.reload(&reloader, watched).await;
        tokio::select! {
            ended = handle.wait() => ended.map_err(|e| run_failure(&e)),
            never = follow(&service, &metrics, watched, reload) => match never {},
        }
    })
    .map_err(runner_failure)
}

/// The public key of another node or of the log.
fn node_key(file: &Path) -> Result<PublicKey, Failure> {
    let key = read_public_key(file).map(|line| line.key);
    key.map_err(|e| Failure::new(e.to_string()))
}

/// What an operator may have overlooked.
const NOT_LIMITED: &str = "no rate limits: whoever reaches the log may add any number of leaves; \
                           name them with rate-limit-file";

/// As above.
const NOT_REPLICATED: &str = "the log is not replicated: what this node's disk loses is lost; name \
                              followers, or say replication = \"none\"";

/// Says where the log listens; with port 0 nobody could know otherwise.
fn say_where(handle: &sigsum_log::Handle) {
    let url = handle.url().unwrap_or_else(|| handle.external().to_string());
    crate::say(&format!("listening on {url}"));
    if let Some(internal) = handle.internal_addr() {
        crate::say(&format!("internal endpoint on http://{internal}"));
    }
}

/// What keeps the log from starting, and what the operator can do about it.
fn start_failure(error: &sigsum_log::StartError) -> Failure {
    let failure = Failure::new(format!("setup primary: {error}"));
    match error {
        sigsum_log::StartError::Store(StoreError::NotInitialised { .. }) => failure.remedy(
            "`sigsum log init --data-dir DIR --key-file FILE` makes the directory of a new log; \
             never do it for a log that has run elsewhere",
        ),
        sigsum_log::StartError::Store(error) => with_remedy(failure, error),
        sigsum_log::StartError::IsFollower { .. } => failure.remedy(
            "run it with `sigsum log secondary`; only where the primary is gone for good may it \
             take over, by `sigsum log promote`",
        ),
        _ => failure,
    }
}

/// Why a log that ran has stopped.
fn run_failure(error: &sigsum_log::RunError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        sigsum_log::RunError::Outdated(_) => failure.remedy(
            "this directory is an old copy, or this node was replaced by another; never run the \
             log from it again. If another node runs the log, this one can be its follower, with a \
             new directory. If none does, start from the newest directory or from a follower (see \
             \"Fail-over\" in docs/log.md). If you know that a witness is wrong about this log, \
             take it out of the policy file",
        ),
        _ => failure,
    }
}

/// What to do with any copy of a log that is closed for good.
const CLOSED_REMEDY: &str = "nothing comes after its last head, so any copy of the directory will do: `sigsum log primary \
     --data-dir DIR --key-file LOG-KEY.pub` serves one, and `sigsum log backup` makes one";

/// What the operator can do about a directory that cannot be used.
fn with_remedy(failure: Failure, error: &StoreError) -> Failure {
    match error {
        StoreError::Locked { .. } => {
            failure.remedy("only one process may have a log's directory open; stop the other one")
        }
        StoreError::OtherLog { .. } => {
            failure.remedy("check --data-dir and --key-file: they belong to different logs")
        }
        StoreError::ForGood { .. } => failure.remedy(CLOSED_REMEDY),
        StoreError::Damaged { .. } => failure.remedy(
            "do not delete anything, and do not start from an older copy of the directory: \
             `sigsum log fsck` names all that is wrong, and what can be done about it",
        ),
        _ => failure,
    }
}

fn runner_failure(error: runner::RunError<Failure>) -> Failure {
    match error {
        runner::RunError::Role(failure) => failure,
        other => Failure::new(other.to_string()),
    }
}

/// The log's policy; without one there are no witnesses and no quorum.
fn read_policy(path: Option<&Path>) -> Result<Policy, Failure> {
    let Some(path) = path.filter(|p| !p.as_os_str().is_empty()) else {
        return Policy::parse_sigsum(b"quorum none\n").map_err(|e| Failure::new(e.to_string()));
    };
    let text = read_text_file(path)
        .map_err(|e| Failure::new(format!("Failed witness configuration: {e}")))?;
    Policy::parse_sigsum(&text).map_err(|e| {
        let shown = path.display().to_string();
        Failure::new(format!(
            "Failed witness configuration: failed to parse policy file {shown:?}: {e}"
        ))
    })
}

/// What an operator may not have meant: a log that asks no witness, or too few.
fn policy_doubt(policy: &Policy, is_named: bool) -> Option<&'static str> {
    if !is_named {
        return Some(
            "no policy file: no witness is asked, heads are published without cosignatures",
        );
    }
    let is_asked = |at: usize| policy.witnesses().get(at).is_some_and(|w| w.url().is_some());
    let is_reachable = policy.quorum().evaluate(&is_asked).is_satisfied();
    (!is_reachable).then_some(
        "the policy's witnesses with a URL do not make its quorum: no new head will be published",
    )
}

fn init(options: &Init) -> Result<(), Failure> {
    let (Some(directory), Some(key_file)) = (&options.data_dir, &options.key_file) else {
        return init_startup_file(options);
    };
    owner::check_owner(directory)?;
    let key = log_key(key_file)?;
    let init = if options.follower { sigsum_log::init_follower } else { sigsum_log::init };
    init(directory, &key).map_err(|e| match e {
        StoreError::AlreadyInitialised { .. } => Failure::new(e.to_string())
            .remedy("a log's directory is made once; to start the log use `sigsum log primary`"),
        _ => Failure::new(e.to_string()),
    })?;
    let (dir, hash) = (directory.display(), key.key_hash());
    let made = format!("made {dir}\n\nkey hash     {hash}\npublic key   {key}\n\n");
    print(match options.follower {
        true => format!(
            "{made}\
             It is for a copy of this log. The copy is made by\n\
             `sigsum log secondary --data-dir {dir} --key-file OWN-KEY --primary-url URL`,\n\
             where URL is the primary's internal endpoint. OWN-KEY is this node's key, not the \
             log's.\n",
        ),
        false => format!(
            "{made}\
             Witnesses need the public key: `sigsum witness add-log --sigsum-key {key}`.\n\
             Clients need a policy with the line `log {key} URL`.\n\
             Start the log with `sigsum log primary --data-dir {dir} --key-file FILE`.\n",
        ),
    })
}

/// The log's public key. A private key file tells it too, but asking for either saves a step.
fn log_key(key_file: &Path) -> Result<PublicKey, Failure> {
    let key = read_public_key(key_file).map(|line| line.key).or_else(|_| {
        sigsum_keys::read_private_key(key_file)
            .map(|signer| sigsum_keys::Signer::public_key(&signer))
    });
    key.map_err(|e| Failure::new(e.to_string()))
}

fn init_startup_file(options: &Init) -> Result<(), Failure> {
    let mode =
        options.mode.parse().map_err(|e: mktree::MktreeError| Failure::new(e.to_string()))?;
    let configured = match &options.sth_file {
        Some(path) => path.clone(),
        None => {
            let file = read_config(None)?;
            let default = PathBuf::from(sigsum_log::config::DEFAULT_STH_FILE);
            file.primary.sth_file.unwrap_or(default)
        }
    };
    mktree::run(&configured, mode).map_err(|e| {
        let failure = Failure::new(e.to_string());
        match options.sth_file {
            Some(_) => failure,
            None => failure.remedy(
                "with --data-dir and --key-file this makes a data directory; without them it \
                 prepares log-go's sth file, as sigsum-mktree does",
            ),
        }
    })
}
