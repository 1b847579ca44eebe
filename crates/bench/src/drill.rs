//! The drills: a log on several machines loses its primary while submitters are at work, and is
//! brought back as docs/log.md says. Machines are network namespaces on one bridge; the log's address
//! is one that moves between them.
//!
//! In the end: every leaf that was answered 200 is in the tree, once, where it was proven to be; every
//! head that was served is one of the final tree's, and had its quorum; the old primary is refused.

mod cases;
mod clients;
mod nodes;
mod sites;

use crate::failure::Failure;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

/// What is rehearsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// The primary's machine is lost: a follower is promoted, and the log's address moves to it.
    Machine,
    /// The primary's disk is lost, its key and machine are there: the log is restored from a
    /// follower.
    Disk,
}

/// Options of `drill`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What to rehearse (default: everything)
    #[arg(value_enum)]
    cases: Vec<Case>,
    /// Where data directories are made
    #[arg(long)]
    directory: Option<PathBuf>,
}

/// Runs what was asked for. True if nothing was lost or contradicted.
pub(crate) async fn run(options: &Options, program: &Path, data: &Path) -> Result<bool, Failure> {
    let data = options.directory.as_deref().unwrap_or(data);
    let cases = match options.cases.as_slice() {
        [] => Case::value_variants(),
        cases => cases,
    };
    let mut passed = true;
    for case in cases {
        let violations = match case {
            Case::Machine => cases::machine(program, data).await?,
            Case::Disk => cases::disk(program, data).await?,
        };
        passed &= violations.report();
    }
    Ok(passed)
}
