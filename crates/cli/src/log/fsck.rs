//! `sigsum log fsck`: reads a stopped log's whole data directory and checks every byte of it that is
//! served or signed.

use super::{log_key, with_remedy};
use crate::failure::Failure;
use crate::files::print;
use clap::{ArgAction, Args};
use sigsum_store::{HeadStore as _, LeafLog as _, Place, Recovery, Store, StoreError};
use std::path::{Path, PathBuf};

/// Options of `log fsck`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Fsck {
    /// The log's directory; the log must not run
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// The log's key, private or public
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// Print help
    #[arg(short = 'h', short_alias = '?', long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// Checks, and says what is there.
pub(super) fn run(options: &Fsck) -> Result<(), Failure> {
    let key = log_key(&options.key_file)?;
    let failed = |error: StoreError| with_remedy(Failure::new(error.to_string()), &error);
    let store = Store::open(&Place::dir(&options.data_dir), &key).map_err(failed)?;
    store.wait_for_index().map_err(failed)?;
    store.verify().map_err(failed)?;
    print(summary(&options.data_dir, &store))
}

fn summary(dir: &Path, store: &Store) -> String {
    let tree = store.integrated();
    let mut text = format!(
        "{}: no damage\n\n\
         committed leaves   {}\n\
         leaves in the tree {}, root hash {}\n",
        dir.display(),
        store.committed_size(),
        tree.size,
        tree.root_hash,
    );
    let signed = store.load_head().map(|head| head.tree_head.size);
    text += &match signed {
        Some(size) => format!("last signed head   {size}\n"),
        None => "last signed head   none\n".to_owned(),
    };
    text += &match store.load_published() {
        Some(published) => {
            let (size, cosignatures) =
                (published.head.signed.tree_head.size, published.head.cosignatures().len());
            format!("published head     {size}, cosignatures {cosignatures}\n")
        }
        None => "published head     none\n".to_owned(),
    };
    text + &repairs(store.recovery())
}

/// What a crash had left behind. Opening the directory put it right, as a start of the log does.
fn repairs(recovery: &Recovery) -> String {
    let mut text = String::new();
    if recovery.recovered_leaves > 0 {
        text += &format!("\n{} leaves are in the journal alone\n", recovery.recovered_leaves);
    }
    if recovery.torn_journal_bytes > 0 {
        text += &format!(
            "\na record of {} bytes was being written when the log stopped; it was never \
             acknowledged, and counts for nothing\n",
            recovery.torn_journal_bytes
        );
    }
    for path in &recovery.rewritten {
        text += &format!("\nwrote {} anew, which was out of date\n", path.display());
    }
    text
}
