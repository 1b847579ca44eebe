//! Tasks of the workspace, run as `cargo xtask TASK`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what a task prints is what it is run for"
)]

mod ci;
mod command;
mod deploy;
mod drill;
mod interop;
mod measure;
mod tidy;

use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tasks of the Sigsum workspace.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check the house rules that compiler and clippy do not know.
    Tidy,
    /// Run everything that must pass, and say what could not be run.
    Ci {
        /// Only these steps.
        #[arg(value_enum)]
        steps: Vec<ci::Step>,
        /// Write what the steps print to this file, and to the terminal only how each ended and why
        /// those that failed did.
        #[arg(long)]
        log: Option<PathBuf>,
    },
    /// Run the tests against the Go programs of today's network, and print the matrix. Installs them
    /// into `target/peers`; SIGSUM_PEER_SOURCES=DIR builds sigsum-go, log-go and key-mgmt from
    /// checkouts of these names.
    Interop {
        /// Only tests whose names contain one of these.
        tests: Vec<String>,
    },
    /// Build the Debian package from the release executable, into `target/deb`.
    Deb {
        /// Another executable.
        #[arg(long)]
        program: Option<PathBuf>,
    },
    /// Install the package on a machine of namespaces with systemd, and run there every command of
    /// docs/debian.md. Needs root.
    Deploy {
        /// Another executable than the release build.
        #[arg(long)]
        program: Option<PathBuf>,
    },
    /// Measure the release executable (see `bench --help`).
    #[command(disable_help_flag = true)]
    Bench {
        /// For the program that measures; `--no-build` takes what was built before.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Rehearse the loss of a log's primary in network namespaces (see `drill --help`). Needs root;
    /// says so where it cannot. `--migration` rehearses the move of a log from log-go, Trillian and
    /// MariaDB instead: the cells of `interop migration`.
    #[command(disable_help_flag = true)]
    Drill {
        /// For the program that does it; `--no-build` takes what was built before.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Kill servers under load, for longer than CI may (see `soak --help`); `soak crash SEED...` fails
    /// the power of a simulated disk in many more ways than CI does.
    #[command(disable_help_flag = true)]
    Soak {
        /// For the program that does it; `--no-build` takes what was built before.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let root = workspace_root();
    let outcome: Result<bool, Box<dyn Error>> = match Arguments::parse().task {
        Task::Tidy => tidy::run(&root).map_err(Into::into),
        Task::Ci { steps, log } => ci::run(&root, &steps, log.as_deref()).map_err(Into::into),
        Task::Interop { tests } => {
            interop::run(&root, &tests).map(|it| it.is_good()).map_err(Into::into)
        }
        Task::Deb { program } => deploy::package(&root, program.as_deref())
            .map(|package| {
                println!("{}", package.display());
                true
            })
            .map_err(Into::into),
        Task::Deploy { program } => match deploy::test(&root, program.as_deref()) {
            Ok(deploy::Verdict::Passed(commands)) => {
                println!("deploy: {commands} commands");
                Ok(true)
            }
            Ok(deploy::Verdict::Impossible(why)) => {
                println!("skipped: {why}");
                Ok(true)
            }
            Err(error) => Err(error.into()),
        },
        Task::Bench { arguments } => measure::run(&root, "bench", &arguments).map_err(Into::into),
        Task::Drill { arguments } if arguments == [drill::MIGRATION] => {
            interop::run(&root, &[drill::MIGRATION_CELLS.to_owned()])
                .map(|it| it.is_good())
                .map_err(Into::into)
        }
        Task::Drill { arguments } => drill::run(&root, &arguments).map_err(Into::into),
        Task::Soak { arguments } => match arguments.split_first() {
            Some((what, seeds)) if what == "crash" => {
                measure::crash(&root, seeds).map_err(Into::into)
            }
            _ => measure::run(&root, "soak", &arguments).map_err(Into::into),
        },
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The directory of the root manifest: the parent of this package's.
fn workspace_root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

/// The cargo that runs this.
fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
