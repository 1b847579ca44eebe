//! `sigsum witness`: run a witness for many logs from a data directory, or for one log with the
//! flags of sigsum-witness.

use crate::failure::{Failure, key_failure};
use crate::files::{agent_socket, print, read_text_file};
use crate::log_level::start_logging;
use clap::{Args, Subcommand};
use sigsum_core::PublicKey;
use sigsum_keys::{LoadedSigner, load_service_signer, read_public_key};
use sigsum_service::logging::LogControl;
use sigsum_service::reload::{ReloadMetrics, Summary, Watched, follow};
use sigsum_service::runner::{self, Program};
use sigsum_witness::admin::{self, AdminError};
use sigsum_witness::store::GuardError;
use sigsum_witness::store::sqlite::OpenError;
use sigsum_witness::{Config, CosignerKey, LogConfig};
use std::path::{Path, PathBuf};

/// What to do with a witness.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the data directory of a new witness, and print what others need to know of it
    Init(Init),
    /// Add a log to a witness
    AddLog(AddLog),
    /// List the logs of a witness with the size and root last cosigned
    ListLogs(ListLogs),
    /// Run a witness
    Run(Run),
    /// Run a witness for a single log, as sigsum-witness does
    Single(Single),
}

/// Key options that init and run share.
#[derive(Debug, Args)]
pub(crate) struct KeyOptions {
    /// The witness's private key, or a public key file whose private key an ssh-agent holds
    #[arg(short = 'k', long, value_name = "KEY-FILE")]
    signing_key: PathBuf,
    /// Name in cosignature lines, a URL without scheme (default: sigsum.org/v1/witness/KEYHASH)
    #[arg(short, long)]
    name: Option<String>,
}

/// Options of `witness init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Directory to make for the witness
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    #[command(flatten)]
    key: KeyOptions,
    /// The directory exists: only make this key known to it
    #[arg(long)]
    add_key: bool,
}

/// Options of `witness add-log`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("log").required(true).args(["sigsum_key", "vkey"])))]
pub(crate) struct AddLog {
    /// The witness's data directory
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Public key of a Sigsum log: a key file, or 64 hex digits
    #[arg(long, value_name = "KEY")]
    sigsum_key: Option<String>,
    /// Verifier key of any other log; may be given more than once
    #[arg(long, value_name = "VKEY")]
    vkey: Vec<String>,
    /// Origin line of the log's checkpoints (default: the name in the first vkey)
    #[arg(long, requires = "vkey")]
    origin: Option<String>,
}

/// Options of `witness list-logs`.
#[derive(Debug, Args)]
pub(crate) struct ListLogs {
    /// The witness's data directory
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
}

/// Options of `witness run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The witness's data directory
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    key: KeyOptions,
    /// Where logs connect (default: localhost:7380)
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Where metrics and health are served (default: nowhere)
    #[arg(long, value_name = "HOST:PORT")]
    internal_listen: Option<String>,
    /// Path in front of all endpoints
    #[arg(long, value_name = "PATH")]
    url_prefix: Option<String>,
    /// Configuration file; flags go before it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Accept that the state was copied or restored: only when no newer state exists anywhere
    #[arg(long)]
    accept_state: bool,
    /// debug, info, warning, error or fatal
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

/// Options of `witness single`.
#[derive(Debug, Args)]
pub(crate) struct Single {
    /// The witness's private key, or a public key file whose private key an ssh-agent holds
    #[arg(short = 'k', long, value_name = "KEY-FILE")]
    signing_key: PathBuf,
    /// Public key file of the log
    #[arg(long, value_name = "KEY-FILE")]
    log_key: PathBuf,
    /// File that holds the last cosigned tree head
    #[arg(long, value_name = "FILE")]
    state_file: PathBuf,
    /// Path in front of the endpoint
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true)]
    url_prefix: String,
    /// Where to listen
    #[arg(value_name = "HOST:PORT")]
    listen: String,
}

/// Where a witness listens unless it is told otherwise; litewitness's default.
const DEFAULT_LISTEN: &str = "localhost:7380";

/// Runs the command.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Init(options) => init(&options),
        Command::AddLog(options) => add_log(&options),
        Command::ListLogs(options) => list_logs(&options),
        Command::Run(options) => run_many(options),
        Command::Single(options) => run_single(options),
    }
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(error.to_string())
}

fn cosigner(path: &Path, name: Option<&str>) -> Result<CosignerKey, Failure> {
    let LoadedSigner { signer, .. } =
        load_service_signer(path, agent_socket().as_deref()).map_err(|e| key_failure("", &e))?;
    CosignerKey::named(name, signer).map_err(|e| {
        Failure::new(format!("invalid witness name {:?}: {e}", name.unwrap_or_default()))
            .remedy("a name is a URL without scheme, such as witness.example.org/w1")
    })
}

fn init(options: &Init) -> Result<(), Failure> {
    let key = cosigner(&options.key.signing_key, options.key.name.as_deref())?;
    let public = key.public_key();
    if options.add_key {
        admin::add_key(&options.data_dir, &public).map_err(failed)?;
        return print(format!("{} knows the key {}\n", options.data_dir.display(), key.vkey()));
    }
    admin::init(&options.data_dir, &[public]).map_err(|e| match e {
        AdminError::Open(OpenError::Guard(GuardError::Exists { .. })) => failed(e)
            .remedy("a witness's directory is made once; to start it use `sigsum witness run`"),
        _ => failed(e),
    })?;
    print(format!(
        "made {dir}\n\n\
         key hash     {hash}\n\
         public key   {public}\n\
         vkey         {vkey}\n\n\
         Log operators need the public key or vkey, and the URL. Add the logs to cosign with\n\
         `sigsum witness add-log --data-dir {dir}`, then start with `sigsum witness run`.\n",
        dir = options.data_dir.display(),
        hash = public.key_hash(),
        vkey = key.vkey(),
    ))
}

/// A key given as a file or as hex.
fn public_key(text: &str) -> Result<PublicKey, Failure> {
    match PublicKey::from_hex(text) {
        Ok(key) => Ok(key),
        Err(_) => Ok(read_public_key(Path::new(text)).map_err(|e| key_failure("", &e))?.key),
    }
}

fn add_log(options: &AddLog) -> Result<(), Failure> {
    let log = match &options.sigsum_key {
        Some(key) => LogConfig::sigsum(&public_key(key)?),
        None => LogConfig {
            origin: options.origin.clone(),
            vkeys: options.vkey.clone(),
            ..LogConfig::default()
        },
    };
    let added = admin::add_log(&options.data_dir, &log).map_err(failed)?;
    let origin = added.origin.as_str();
    let what = match (added.is_new, added.new_keys) {
        (false, 0) => {
            return print(format!("Log {origin:?} is there already, nothing has changed.\n"));
        }
        (false, 1) => format!("Added a key to log {origin:?}."),
        (false, n) => format!("Added {n} keys to log {origin:?}."),
        (true, _) => format!("Added log {origin:?}."),
    };
    print(format!("{what}\nA running witness takes it up on SIGHUP, others at their next start.\n"))
}

fn list_logs(options: &ListLogs) -> Result<(), Failure> {
    let mut out = String::new();
    for log in admin::list_logs(&options.data_dir).map_err(failed)? {
        let object = serde_json::json!({
            "origin": log.origin.as_str(),
            "size": log.tree_head.size.0,
            "root_hash": log.tree_head.root_hash.to_base64(),
            "keys": log.vkeys.iter().map(ToString::to_string).collect::<Vec<_>>(),
        });
        out.push_str(&format!("{object}\n"));
    }
    print(out)
}

fn run_many(options: Run) -> Result<(), Failure> {
    let logging = start_logging(options.log_level.as_deref(), None)?;
    let mut config = match &options.config {
        Some(path) => read_config(path)?,
        None => Config { listen: DEFAULT_LISTEN.to_owned(), ..Config::default() },
    };
    config.listen = options.listen.unwrap_or(config.listen);
    config.internal_listen = options.internal_listen.or(config.internal_listen);
    config.url_prefix = options.url_prefix.unwrap_or(config.url_prefix);
    config.data_dir = options.data_dir.or(config.data_dir);
    config.accept_state = options.accept_state;
    let key = cosigner(&options.key.signing_key, options.key.name.as_deref())?;
    serve(config, key, logging)
}

/// Reads a configuration file. Where it names no address, the default is the command's, as with
/// flags alone.
fn read_config(path: &Path) -> Result<Config, Failure> {
    let refuse = |e: toml::de::Error| {
        Failure::new(format!("failed to parse config file {}: {e}", path.display()))
    };
    let text = String::from_utf8(read_text_file(path)?).map_err(failed)?;
    let mut config: Config = toml::from_str(&text).map_err(refuse)?;
    let keys: toml::Table = toml::from_str(&text).map_err(refuse)?;
    if !keys.contains_key("listen") {
        config.listen = DEFAULT_LISTEN.to_owned();
    }
    Ok(config)
}

fn run_single(options: Single) -> Result<(), Failure> {
    let logging = start_logging(None, None)?;
    let log = read_public_key(&options.log_key).map_err(|e| key_failure("", &e))?.key;
    let config = Config {
        listen: options.listen,
        url_prefix: options.url_prefix,
        state_file: Some(options.state_file),
        logs: vec![LogConfig::sigsum(&log)],
        ..Config::default()
    };
    let key = cosigner(&options.signing_key, None)?;
    serve(config, key, logging)
}

fn serve(config: Config, key: CosignerKey, logging: LogControl) -> Result<(), Failure> {
    let (name, version) = ("sigsum witness", env!("CARGO_PKG_VERSION"));
    let program = Program { name, version, logging: Some(logging), reloads: true };
    runner::run(program, |service| async move {
        let (shutdown, clock) = (service.shutdown.clone(), service.clock.clone());
        let metrics = ReloadMetrics::register(&service.metrics, "sigsum_witness", clock);
        let metrics = metrics.map_err(failed)?;
        let handle =
            sigsum_witness::start(config, vec![key], service.clone()).await.map_err(failed)?;
        let url = handle.url().unwrap_or_else(|| handle.address().to_string());
        crate::say(&format!("listening on {url}"));
        if let Some(internal) = handle.internal_address() {
            let scheme = if internal.tcp().is_some() { "http://" } else { "" };
            crate::say(&format!("internal endpoint on {scheme}{internal}"));
        }
        service.notify.ready("");
        // The logs that were added to the data directory are taken up.
        let reload = async |_: &mut Watched| match handle.reload().await {
            Ok(0) => Ok(Summary::default()),
            Ok(logs) => {
                let changed = vec![format!("logs (+{logs})")];
                Ok(Summary { changed, needs_restart: Vec::new() })
            }
            Err(error) => Err(error.to_string()),
        };
        tokio::select! {
            () = shutdown.triggered() => {}
            never = follow(&service, &metrics, Watched::new(), reload) => match never {},
        }
        handle.stop().await;
        Ok(())
    })
    .map_err(|e: runner::RunError<Failure>| match e {
        runner::RunError::Role(failure) => failure,
        other => failed(other),
    })
}
