//! From stored logs and configured keys to logs that are served.

use super::log::{Log, Published};
use crate::config::{ConfigError, LogSpec, read_origin, read_vkey};
use crate::engine::{Extensions, TrustedLog, trusted_signatures};
use crate::store::StoredLog;
use sigsum_core::checkpoint::{LogSignature, Origin, SignedCheckpoint};
use sigsum_core::note::{Verifier, Vkey};
use std::collections::HashMap;
use std::sync::Arc;

/// A log cannot be taken up from the store.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The stored checkpoint is not one of the stored head.
    #[error("the stored checkpoint of {origin} does not match its stored size and root hash")]
    Damaged {
        /// Which log.
        origin: Origin,
    },
    /// Stored or configured keys do not go together.
    #[error(transparent)]
    Keys(#[from] ConfigError),
}

/// A checkpoint that was persisted and not recorded as cosigned.
#[derive(Debug)]
pub(crate) struct Unrecorded {
    pub(super) log: Arc<Log>,
    pub(super) note: SignedCheckpoint,
}

/// Logs that are ready to be served.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) logs: Vec<Arc<Log>>,
    pub(crate) unrecorded: Vec<Unrecorded>,
}

/// Puts together what is stored and what is configured. A log with neither configured nor stored
/// keys is not served; its state stays.
///
/// # Errors
/// [`LoadError`].
pub(crate) fn load(
    stored: Vec<StoredLog>,
    specs: &[LogSpec],
    own: &[Vkey],
    extensions: Extensions,
) -> Result<Loaded, LoadError> {
    let specs: HashMap<&str, &LogSpec> = specs.iter().map(|s| (s.origin.as_str(), s)).collect();
    let own: Vec<Verifier> = own.iter().map(Verifier::new).collect();
    let mut loaded = Loaded::default();
    for stored in stored {
        let configured = specs.get(stored.origin.as_str()).map(|spec| spec.vkeys.as_slice());
        let vkeys = all_vkeys(configured.unwrap_or_default(), &stored.vkeys)?;
        if vkeys.is_empty() {
            continue;
        }
        let origin = read_origin(&stored.origin)?;
        let trusted = TrustedLog::new(origin, &vkeys, extensions).map_err(ConfigError::from)?;
        load_one(&stored, trusted, &own, &mut loaded)?;
    }
    Ok(loaded)
}

/// Configured keys, then stored ones; those in both once.
pub(crate) fn all_vkeys(configured: &[Vkey], stored: &[String]) -> Result<Vec<Vkey>, ConfigError> {
    let mut vkeys = configured.to_vec();
    for text in stored {
        let vkey = read_vkey(text)?;
        if !vkeys.contains(&vkey) {
            vkeys.push(vkey);
        }
    }
    Ok(vkeys)
}

fn load_one(
    stored: &StoredLog,
    trusted: TrustedLog,
    own: &[Verifier],
    loaded: &mut Loaded,
) -> Result<(), LoadError> {
    let origin = trusted.origin().clone();
    let damaged = || LoadError::Damaged { origin: origin.clone() };
    let note = match &stored.checkpoint {
        None => None,
        Some(text) => Some(SignedCheckpoint::parse(text.as_bytes()).map_err(|_| damaged())?),
    };
    let of_head = |note: &SignedCheckpoint| {
        note.checkpoint.origin == origin && note.checkpoint.tree_head == stored.head
    };
    if note.as_ref().is_some_and(|note| !of_head(note)) {
        return Err(damaged());
    }
    // Keys that were taken out of the configuration since leave a checkpoint that nobody vouches for.
    let note = note.filter(|note| trusted_signatures(&trusted, note).is_ok());
    let log = Arc::new(Log::new(stored.id, trusted, stored.head));
    let published = stored.cosigned.as_deref().and_then(|text| cosigned(text, &origin, own));
    let is_newest = published.as_ref().is_some_and(|p| p.tree_head == stored.head);
    if let Some(published) = published {
        log.publish(published);
    }
    if let Some(note) = note.filter(|_| !is_newest) {
        loaded.unrecorded.push(Unrecorded { log: Arc::clone(&log), note });
    }
    loaded.logs.push(log);
    Ok(())
}

/// A recorded checkpoint, if all own keys have cosigned it.
fn cosigned(text: &str, origin: &Origin, own: &[Verifier]) -> Option<Published> {
    let note = SignedCheckpoint::parse(text.as_bytes()).ok()?;
    let by_all = own.iter().all(|key| note.verify_log_with(key) == LogSignature::Valid);
    if note.checkpoint.origin != *origin || !by_all {
        return None;
    }
    Some(Published { tree_head: note.checkpoint.tree_head, note: text.to_owned() })
}
