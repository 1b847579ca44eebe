//! Benchmarks, soaks and drills of the `sigsum` executable: it runs as the processes that an operator
//! would run, on loopback or in network namespaces, and this one plays their peers. Run as `cargo
//! xtask bench`, `soak` and `drill`, which build both executables first.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what this program prints is what it is run for"
)]

mod bench;
mod daemon;
mod drill;
mod failure;
mod http;
mod latency;
mod load;
mod network;
mod preload;
mod random;
mod report;
mod slow_link;
mod soak;
mod tree;
mod usage;

use clap::{Parser, Subcommand};
use failure::Failure;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};

/// Benchmarks and soaks of the `sigsum` executable.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Measure rates, latencies, processor time and disk space; asserts nothing about them
    Bench(bench::Options),
    /// Rehearse the loss of a log's primary, in network namespaces; needs root
    Drill(drill::Options),
    /// Kill servers at random moments under load, and look whether they keep their word
    Soak(soak::Options),
}

fn main() -> ExitCode {
    raise_open_file_limit();
    match run(&Arguments::parse().task) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("failed: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Raises the soft limit on open files to the hard one: a connection takes one, and a login may have
/// a soft limit of 1024. Where the hard one is too low, what needs more says so.
fn raise_open_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

fn run(task: &Task) -> Result<bool, Failure> {
    let own = std::env::current_exe().map_err(Failure::file("find", "this executable"))?;
    let program = own.with_file_name("sigsum");
    // Beside what was built: on a disk, which a directory for temporary files need not be.
    let data: PathBuf = own.with_file_name("bench-data");
    match task {
        // One thread for the load: it takes no more than that, and disturbs the servers less.
        Task::Bench(options) => runtime(Builder::new_current_thread())?
            .block_on(bench::run(options, &program, &data))
            .map(|()| true),
        Task::Drill(options) => {
            runtime(Builder::new_multi_thread())?.block_on(drill::run(options, &program, &data))
        }
        Task::Soak(options) => {
            runtime(Builder::new_multi_thread())?.block_on(soak::run(options, &program, &data))
        }
    }
}

fn runtime(mut builder: Builder) -> Result<Runtime, Failure> {
    builder.enable_all().build().map_err(Failure::preparing("a runtime"))
}
