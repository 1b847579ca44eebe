//! `sigsum log backup`: a copy of a log's directory, made while the log runs.

use super::{log_key, with_remedy};
use crate::failure::Failure;
use crate::files::print;
use clap::{ArgAction, Args};
use sigsum_store::Place;
use sigsum_store::backup::{BackupError, backup};
use std::path::PathBuf;

/// Options of `log backup`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Backup {
    /// The log's directory; the log may run
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Where the copy is, or is to be made; brought up to date where there is one
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// The log's key, private or public
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// Print help
    #[arg(short = 'h', short_alias = '?', long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// Copies what is new, checks it, and says what the copy has.
pub(super) fn run(options: &Backup) -> Result<(), Failure> {
    let key = log_key(&options.key_file)?;
    let (from, to) = (Place::dir(&options.data_dir), Place::dir(&options.to));
    let done = backup(&from, &to, &key).map_err(|error| {
        let failure = Failure::new(error.to_string());
        match &error {
            BackupError::Store(error) => with_remedy(failure, error),
            BackupError::NotACopy { .. } => {
                failure.remedy("name a directory that is not there yet, or one that holds a backup")
            }
            BackupError::SourceIsOlder { .. } | BackupError::Forked { .. } => failure.remedy(
                "do not let the log run from this directory before you know why; the copy is what \
                 it was",
            ),
            BackupError::UsedByAFollower { .. } => failure.remedy(
                "name another directory, or start the follower again and let it run until the \
                 primary has published them",
            ),
        }
    })?;
    let size = |size: Option<sigsum_core::TreeSize>| {
        size.map_or_else(|| "none".to_owned(), |size| size.to_string())
    };
    print(format!(
        "{to}: {new} new leaves, {tiles} tiles copied and checked\n\n\
         leaves in the tree {tree}, root hash {root}\n\
         last signed head   {head}\n\
         published head     {published}\n{closed}",
        to = options.to.display(),
        new = done.tree.size.0 - done.before.0,
        tiles = done.tiles,
        tree = done.tree.size,
        root = done.tree.root_hash,
        head = size(done.head),
        published = size(done.published),
        closed =
            if done.is_closed { "the log is closed for good, and so is this copy\n" } else { "" },
    ))
}
