//! The `sigsum` command: one executable for every role of Sigsum. This file only dispatches.

mod failure;
mod files;
mod input;
mod key;
mod links;
mod names;
mod policy;
mod policy_choice;
#[cfg(feature = "log")]
mod shell;
mod submit;
mod token;
mod verdict_json;
mod verify;

#[cfg(feature = "testnet")]
mod demo;
#[cfg(feature = "log")]
mod log;
#[cfg(any(feature = "log", feature = "witness", feature = "monitor", feature = "probe"))]
mod log_level;
#[cfg(feature = "monitor")]
mod monitor;
#[cfg(feature = "probe")]
mod probe;
#[cfg(feature = "testnet")]
mod testnet;
#[cfg(feature = "witness")]
mod witness;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use failure::Failure;
use std::process::ExitCode;

/// Sigsum: make each use of a signing key visible.
#[derive(Debug, Parser)]
#[command(
    name = "sigsum",
    version,
    propagate_version = true,
    max_term_width = 100,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The roles and tools.
#[derive(Debug, Subcommand)]
enum Command {
    /// Show the whole system at work, in one process, on this machine
    #[cfg(feature = "testnet")]
    Demo(demo::Options),
    /// Keep a private network up to try the tools on
    #[cfg(feature = "testnet")]
    Testnet(testnet::Options),
    /// Make, convert and use keys
    #[command(subcommand)]
    Key(key::Command),
    /// Sign checksums, submit them to a log, collect proofs
    ///
    /// With a policy, each input is signed and submitted, and the proof is written (FILE.proof).
    /// Without one, the output is an add-leaf request (FILE.req), which another machine can submit.
    /// An input whose proof exists is only checked.
    Submit(submit::Options),
    /// Verify a proof offline
    Verify(verify::Options),
    /// Make and verify submit tokens for logs that limit rates by domain
    #[command(subcommand)]
    Token(token::Command),
    /// List and show named policies
    #[command(subcommand)]
    Policy(policy::Command),
    /// Follow logs and report the leaves of given keys
    #[cfg(feature = "monitor")]
    Monitor(monitor::Options),
    /// Look at logs from outside: read, submit, verify, compare; for cron, or as a daemon
    ///
    /// Submits one fresh leaf to each log of the policy, verifies its proof, and compares what the
    /// log's endpoints say. The exit status is 0 where nothing failed. With --interval it goes on.
    #[cfg(feature = "probe")]
    Probe(probe::Options),
    /// Run a log
    #[cfg(feature = "log")]
    #[command(subcommand)]
    Log(log::Command),
    /// Run a witness
    #[cfg(feature = "witness")]
    #[command(subcommand)]
    Witness(witness::Command),
    /// Make links with the names of the Go tools to this program
    Links(links::Options),
}

fn main() -> ExitCode {
    let (name, words) = names::resolve(std::env::args_os().collect());
    let parsed = Cli::command()
        .try_get_matches_from(words)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, everything else is a failure; the Go tools know only 1.
            let code = if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
            let _ = error.print(); // nobody is left to tell when the terminal is gone
            return code;
        }
    };
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) if failure.is_silent() => ExitCode::FAILURE,
        Err(failure) => {
            say(&format!("{name}: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        #[cfg(feature = "testnet")]
        Command::Demo(options) => demo::run(&options),
        #[cfg(feature = "testnet")]
        Command::Testnet(options) => testnet::run(&options),
        Command::Key(command) => key::run(command),
        Command::Submit(options) => submit::run(&options),
        Command::Verify(options) => verify::run(&options),
        Command::Token(command) => token::run(&command),
        Command::Policy(command) => policy::run(&command),
        #[cfg(feature = "monitor")]
        Command::Monitor(options) => monitor::run(options),
        #[cfg(feature = "probe")]
        Command::Probe(options) => probe::run(options),
        #[cfg(feature = "log")]
        Command::Log(command) => log::run(command),
        #[cfg(feature = "witness")]
        Command::Witness(command) => witness::run(command),
        Command::Links(options) => links::run(&options),
    }
}

/// One line to the user on standard error.
pub(crate) fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr().lock(), "{line}"); // nobody is left to tell
}

/// A runtime for commands that talk to agents or logs.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Failure::new(format!("starting the runtime failed: {e}")))
}
