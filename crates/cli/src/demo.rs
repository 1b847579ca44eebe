//! `sigsum demo`: the whole system at work in one process, told in plain words.

mod alter;
mod story;
mod tell;

use crate::failure::Failure;
use clap::Args;
use std::path::PathBuf;

/// Options of `demo`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Files to sign and log; each gets a FILE.proof beside it, in place of one that is there
    /// (default: a file made for the demo)
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Keep keys, policy, tree and states in this directory; without it they are removed, and the
    /// proofs cannot be verified any more
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
}

/// Runs the story.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    crate::runtime()?.block_on(story::tell_it(options))
}
