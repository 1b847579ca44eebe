//! Opens a log's data and compares it with what the sth file, the startup file and the published
//! checkpoint say, before anything is signed or served.

use crate::config::{Config, Storage};
use crate::engine::cosigned::CosignedHead;
use crate::start::StartError;
use crate::sth::{StartupMode, SthError, SthFile, SthState};
use sigsum_core::PublicKey;
use sigsum_core::checkpoint::SignedCheckpoint;
use sigsum_core::note::Vkey;
use sigsum_core::policy::Policy;
use sigsum_store::{HeadStore as _, Place, Published, Role, Store, StoreError};
use std::path::Path;

/// Makes an empty data directory for the log with this key. [`crate::start`] refuses a directory
/// that this has not made: a new tree under a key that signed before would fork the log.
///
/// # Errors
/// [`StoreError::AlreadyInitialised`], or a failure of the file system.
pub fn init(data_dir: &Path, log: &PublicKey) -> Result<(), StoreError> {
    Store::init(&Place::dir(data_dir), log)
}

/// The sth file: on the file system of the data.
pub(crate) fn sth_file(config: &Config) -> Option<SthFile> {
    let path = config.sth_file.as_ref()?;
    Some(match &config.storage {
        Storage::Place(place) => SthFile::on(place, path),
        Storage::DataDir(_) | Storage::Ephemeral => SthFile::new(path),
    })
}

/// Makes an empty data directory for a follower of the log with this key.
///
/// # Errors
/// As [`init`].
pub fn init_follower(data_dir: &Path, log: &PublicKey) -> Result<(), StoreError> {
    Store::init_follower(&Place::dir(data_dir), log)
}

/// Opens the data. Blocks.
pub(crate) fn open(
    storage: &Storage,
    sth: Option<&SthFile>,
    log: &PublicKey,
) -> Result<Store, StartError> {
    let state = match sth {
        Some(sth) => sth.load(log)?,
        None => SthState { startup: None, saved: None },
    };
    let (place, initialised) = prepare(storage, state.startup, log)?;
    let store = Store::open(&place, log)?;
    if store.role() == Role::Follower {
        return Err(StartError::IsFollower { dir: place.path().to_owned() });
    }
    let recovery = store.recovery();
    tracing::info!(
        dir = %place.path().display(),
        torn_journal_bytes = recovery.torn_journal_bytes,
        recovered_leaves = recovery.recovered_leaves,
        rewritten_files = recovery.rewritten.len(),
        "data opened"
    );
    let Some(sth) = sth else { return Ok(store) };
    sth.check(&state, &store, initialised)?;
    // Before anything is written: a second start must not take the tree for a new one.
    if state.startup.is_some() {
        sth.remove_startup().map_err(SthError::from)?;
    }
    if let (None, Some(head)) = (state.saved, store.load_head()) {
        sth.write(&head).map_err(SthError::from)?;
    }
    Ok(store)
}

/// Names the place, and makes a new store there where that was asked for.
fn prepare(
    storage: &Storage,
    startup: Option<StartupMode>,
    log: &PublicKey,
) -> Result<(Place, bool), StartError> {
    let place = match storage {
        Storage::DataDir(dir) => Place::dir(dir),
        Storage::Place(place) => place.clone(),
        Storage::Ephemeral => {
            let place = Place::memory();
            Store::init(&place, log)?;
            return Ok((place, false));
        }
    };
    if startup == Some(StartupMode::Empty) {
        match Store::init(&place, log) {
            // Whether it is empty is checked once it is open.
            Ok(()) | Err(StoreError::AlreadyInitialised { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok((place, true))
}

/// The head that was published last, with those of its cosignatures that the policy knows marked.
pub(crate) fn restore(
    published: &Published,
    log: &PublicKey,
    policy: &Policy,
) -> Result<CosignedHead, StartError> {
    let signatures = SignedCheckpoint::parse(&published.checkpoint)?.signatures;
    let own = Vkey::sigsum_log(log);
    let lines: Vec<_> = signatures.into_iter().filter(|line| !line.is_of(&own)).collect();
    let mut head = CosignedHead::restored(published.head.clone(), lines, &[]);
    head.judge(policy, log);
    Ok(head)
}
