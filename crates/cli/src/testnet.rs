//! `sigsum testnet`: a private network to try the tools on, until it is told to stop.

use crate::failure::{Failure, file_failure};
use crate::files::print;
use crate::shell::{missing_from_path, shell_word};
use clap::Args;
use sigsum_keys::{Ed25519Signer, Existing, KeyFileError, write_key_pair};
use sigsum_service::clock::SystemClock;
use sigsum_service::runner::{self, Program};
use sigsum_store::durable;
use sigsum_testnet::{BuildError, Network, Settings};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Options of `testnet`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Directory for keys, policy, tree and states (default: a temporary one, removed at the end)
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// How many witnesses run; more than half of them make the quorum
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=32))]
    witnesses: u8,
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(error.to_string())
}

/// A network that did not start.
pub(crate) fn build_failure(error: &BuildError) -> Failure {
    let failure = failed(error);
    match error {
        BuildError::Key(KeyFileError::Exists { .. }) => failure
            .remedy("this directory has held a network before; name one that is new or empty"),
        _ => failure,
    }
}

/// Runs until SIGINT or SIGTERM.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let temporary = tempfile::Builder::new().prefix("sigsum-testnet-").tempdir().map_err(failed)?;
    let root = match &options.directory {
        Some(path) => {
            std::fs::create_dir_all(path).map_err(|e| file_failure("mkdir", path, &e))?;
            // The commands that are printed are for any directory of any terminal.
            path.canonicalize().map_err(|e| file_failure("open", path, &e))?
        }
        None => temporary.path().to_owned(),
    };
    let is_kept = options.directory.is_some();
    let (name, version) = ("sigsum testnet", env!("CARGO_PKG_VERSION"));
    let program = Program { name, version, logging: None, reloads: false };
    runner::run(program, |context| async move {
        let mut settings = Settings::new(&root, Arc::new(SystemClock));
        settings.witnesses = usize::from(options.witnesses);
        settings.quorum = settings.witnesses / 2 + 1;
        let network = Network::start(&settings).await.map_err(|e| build_failure(&e))?;
        let shown = introduce(&network, &root, is_kept);
        if shown.is_ok() {
            // It belongs to a terminal, and ends with that.
            let mut hangup = context.reload.requests();
            tokio::select! {
                () = context.shutdown.triggered() => {}
                () = hangup.next() => {}
            }
        }
        network.stop().await.map_err(failed)?;
        shown
    })
    .map_err(|e: runner::RunError<Failure>| match e {
        runner::RunError::Role(failure) => failure,
        other => failed(other),
    })
}

/// Makes a key and a file to play with, and prints what there is and what to do.
fn introduce(network: &Network, root: &Path, is_kept: bool) -> Result<(), Failure> {
    let key_file = root.join("submit-key");
    let signer = Ed25519Signer::generate().map_err(failed)?;
    write_key_pair(&key_file, &signer, Existing::Refuse).map_err(failed)?;
    let example = root.join("hello.txt");
    durable::write_atomic(&example, b"Hello, Sigsum!\n", durable::PUBLIC_FILE).map_err(failed)?;
    let mut text = String::from("A Sigsum network is up.\n\n");
    let mut row = |name: &str, value: &str| text += &format!("{name:<11} {value}\n");
    row("log", &network.log_url);
    row("", &format!("key hash {}", network.log_key.key_hash()));
    if let Some(internal) = network.log.internal_addr() {
        row("", &format!("metrics  http://{internal}/metrics"));
    }
    for witness in &network.witnesses {
        row(&witness.name, &witness.url);
        row("", &format!("key hash {}", witness.key.key_hash()));
    }
    row("policy", &network.policy_file.display().to_string());
    row("key", &format!("{0} and {0}.pub", key_file.display()));
    let end = if is_kept { "kept" } else { "removed at the end" };
    row("directory", &format!("{} (keys, tree and states; {end})", root.display()));
    text += &commands(&network.policy_file, &key_file, &example);
    text += "\nCtrl-C stops it.\n";
    print(text)
}

/// What to copy into another terminal.
fn commands(policy: &Path, key: &Path, file: &Path) -> String {
    let (policy, private, file) = (shell_word(policy), shell_word(key), shell_word(file));
    let public = shell_word(&key.with_extension("pub"));
    let proof = format!("{file}.proof");
    let mut text = String::from("\nSign and log a file, verify the proof, watch the key:\n\n");
    if let Some(directory) = missing_from_path() {
        text += &format!("  export PATH={}:$PATH\n", shell_word(&directory));
    }
    text += &format!("  sigsum submit -p {policy} -k {private} {file}\n");
    text += &format!("  sigsum verify --explain -p {policy} -k {public} {proof} < {file}\n");
    text += &format!("  sigsum monitor -p {policy} -i 2s {public}\n");
    text
}
