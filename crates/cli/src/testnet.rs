//! `sigsum testnet`: a private network to try the tools on, until it is told to stop.

use crate::failure::{Failure, file_failure};
use crate::files::print;
use clap::Args;
use sigsum_keys::{Ed25519Signer, Existing, write_key_pair};
use sigsum_service::clock::SystemClock;
use sigsum_service::runner::{self, Program};
use sigsum_store::durable;
use sigsum_testnet::{Network, Settings};
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

/// Runs until SIGINT or SIGTERM.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let temporary = tempfile::tempdir().map_err(failed)?;
    let root = match &options.directory {
        Some(path) => {
            std::fs::create_dir_all(path).map_err(|e| file_failure("mkdir", path, &e))?;
            path.clone()
        }
        None => temporary.path().to_owned(),
    };
    let program = Program { name: "sigsum testnet", version: env!("CARGO_PKG_VERSION") };
    runner::run(program, |context| async move {
        let mut settings = Settings::new(&root, Arc::new(SystemClock));
        settings.witnesses = usize::from(options.witnesses);
        settings.quorum = settings.witnesses / 2 + 1;
        let network = Network::start(&settings).await.map_err(|e| {
            failed(e).remedy("a directory that has been a testnet's before cannot be used again")
        })?;
        let shown = introduce(&network, &root);
        if shown.is_ok() {
            context.shutdown.triggered().await;
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
fn introduce(network: &Network, root: &Path) -> Result<(), Failure> {
    let key_file = root.join("submit-key");
    let signer = Ed25519Signer::generate().map_err(failed)?;
    write_key_pair(&key_file, &signer, Existing::Refuse).map_err(failed)?;
    let example = root.join("hello.txt");
    durable::write_atomic(&example, b"Hello, Sigsum!\n", durable::PUBLIC_FILE).map_err(failed)?;
    let mut text = String::from("A Sigsum network is up.\n\n");
    text += &format!("log         {}\n", network.log_url);
    text += &format!("            key hash {}\n", network.log_key.key_hash());
    if let Some(internal) = network.log.internal_addr() {
        text += &format!("            metrics  http://{internal}/metrics\n");
    }
    for witness in &network.witnesses {
        text += &format!("{}   {}\n", witness.name, witness.url);
        text += &format!("            key hash {}\n", witness.key.key_hash());
    }
    let (policy, key, file) =
        (network.policy_file.display(), key_file.display(), example.display());
    text += &format!("policy      {policy}\nkey         {key} and {key}.pub\n\n");
    text += "Sign and log a file, verify the proof, watch the key:\n\n";
    text += &format!("  sigsum submit -p {policy} -k {key} {file}\n");
    text += &format!("  sigsum verify --explain -p {policy} -k {key}.pub {file}.proof < {file}\n");
    text += &format!("  sigsum monitor -p {policy} -i 2s {key}.pub\n\n");
    text += "Ctrl-C stops it.\n";
    print(text)
}
