//! `sigsum log freeze`: closes a log for good.

use super::owner::check_owner;
use super::{log_key, with_remedy};
use crate::failure::Failure;
use crate::files::{agent_socket, print};
use clap::{ArgAction, Args};
use sigsum_keys::{KeyFileError, PublicOnlySigner, Signer, load_service_signer, read_public_key};
use sigsum_log::Storage;
use sigsum_store::{LeafLog as _, Place, Role, Store, StoreError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Options of `log freeze`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Freeze {
    /// The log's directory; the log must not run
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// The log's key, private or public
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// Say that this is meant: there is no way back
    #[arg(long)]
    for_good: bool,
    /// Print help
    #[arg(short = 'h', short_alias = '?', long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// Marks the directory; the next start of the log publishes its last head.
pub(super) fn run(options: &Freeze) -> Result<(), Failure> {
    if !options.for_good {
        return Err(Failure::new("a closed log is never opened again; nothing was changed")
            .remedy("if this is what you mean, say so with --for-good"));
    }
    check_owner(&options.data_dir)?;
    let key = log_key(&options.key_file)?;
    let failed = |error: StoreError| with_remedy(Failure::new(error.to_string()), &error);
    let store = Store::open(&Place::dir(&options.data_dir), &key).map_err(failed)?;
    let directory = options.data_dir.display();
    match store.role() {
        Role::Follower => {
            return Err(Failure::new(format!("{directory} is a follower's"))
                .remedy("close the log where it is signed, at its primary"));
        }
        Role::Frozen => {
            return print(format!("{directory} is closed already\n"));
        }
        Role::Primary => store.set_role(Role::Frozen).map_err(failed)?,
    }
    print(format!(
        "{directory} is closed, with {} leaves.\n\n\
         Start the log once more, as before: it takes no new leaf, has its last head cosigned and\n\
         published, and is read only from then on. After that it needs neither its private key nor\n\
         its witnesses; any static file server can serve the tiles.\n",
        store.committed_size()
    ))
}

/// The log's signer. A log that is closed runs with its public key alone, too.
pub(super) fn signer(key_file: &Path, storage: &Storage) -> Result<Arc<dyn Signer>, KeyFileError> {
    match load_service_signer(key_file, agent_socket().as_deref()) {
        Ok(loaded) => Ok(loaded.signer),
        Err(KeyFileError::NoAgent { .. }) if is_frozen(storage) => {
            Ok(Arc::new(PublicOnlySigner(read_public_key(key_file)?.key)))
        }
        Err(error) => Err(error),
    }
}

/// Whether the directory says so; what is wrong with it shows when it is opened.
fn is_frozen(storage: &Storage) -> bool {
    match storage {
        Storage::DataDir(dir) => {
            matches!(Store::recorded_role(&Place::dir(dir)), Ok(Some(Role::Frozen)))
        }
        Storage::Ephemeral | Storage::Place(_) => false,
    }
}
