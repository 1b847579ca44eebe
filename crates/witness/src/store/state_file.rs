//! The state file of `sigsum-witness`: one log, one key, the format that the Go tool reads and
//! writes.
//!
//! The format holds a cosigned head, so it can only be written after the witness has signed. The head
//! is made durable first, in a file beside it, and that file goes away when the state file has
//! caught up.

#[cfg(test)]
mod tests;

use super::{Advance, Backend, Cosigned, LogId, Outcome, StoreError, StoredLog, may_follow};
use crate::cosigner::CosignerKey;
use sigsum_core::checkpoint::SignedCheckpoint;
use sigsum_core::cosignature::{Timestamp, ed25519_line, from_line};
use sigsum_core::tree_head::{Cosignature, sigsum_origin};
use sigsum_core::wire::log::{
    MAX_SIGNED_TREE_HEAD_BODY_BYTES, MAX_TREE_HEAD_BODY_BYTES, parse_signed_tree_head,
    parse_tree_head, signed_tree_head_body, tree_head_body,
};
use sigsum_core::{CosignedTreeHead, PublicKey, SignedTreeHead, TreeHead};
use sigsum_store::durable::{self, LockError, LockFile};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The only log of a state file.
const LOG: LogId = LogId(0);
/// Behind the state file's name: the head that is about to be signed.
const PENDING_SUFFIX: &str = ".pending";
/// Behind the state file's name: held by the one witness that runs on it. The state file itself
/// is replaced at each write, so that a lock on it would soon be on no file at all.
const LOCK_SUFFIX: &str = ".lock";

/// A state file is not used. The first three texts are those of the Go tool.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// The log did not sign the stored head.
    #[error("Invalid log signature on stored tree head")]
    LogSignature,
    /// There is no cosignature of this witness's key.
    #[error("No matching cosignature on stored tree head")]
    NoCosignature,
    /// This witness did not make the stored cosignature.
    #[error("Invalid cosignature on stored tree head")]
    Cosignature,
    /// Not a cosigned tree head.
    #[error("invalid state file {}: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The pending head is another tree of the size that the state file has.
    #[error("{} contradicts the state file", path.display())]
    Contradiction {
        /// The file with the pending head.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("open {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// Another witness runs on it, or the lock file beside it cannot be made.
    #[error(transparent)]
    Lock(#[from] LockError),
}

/// The state of the witness with one key for one Sigsum log.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    pending: PathBuf,
    log: PublicKey,
    witness: PublicKey,
    head: TreeHead,
    /// Two witnesses on one file, each with a head of its own in memory, would sign two trees.
    _lock: LockFile,
}

impl StateFile {
    /// Reads and checks the state, and takes its lock; no file is the empty tree.
    ///
    /// # Errors
    /// [`StateFileError`].
    pub fn open(
        path: &Path,
        key: &CosignerKey,
        log: &PublicKey,
    ) -> Result<(Self, StoredLog), StateFileError> {
        let witness = key.public_key();
        let pending = beside(path, PENDING_SUFFIX);
        let lock = LockFile::acquire(&beside(path, LOCK_SUFFIX))?;
        let cosigned = read_cosigned(path, &witness, log)?;
        let signed = newest(&pending, cosigned.as_ref().map(|c| c.signed), log)?;
        let head = signed.map_or_else(TreeHead::empty, |s| s.tree_head);
        let stored = StoredLog {
            id: LOG,
            origin: sigsum_origin(&log.key_hash()),
            head,
            vkeys: Vec::new(),
            checkpoint: signed.map(|s| SignedCheckpoint::from_sigsum(&s, log).to_string()),
            cosigned: cosigned.and_then(|c| cosigned_note(&c, key, log)),
        };
        let store = Self { path: path.to_owned(), pending, log: *log, witness, head, _lock: lock };
        Ok((store, stored))
    }

    fn write_pending(&self, checkpoint: &str) -> Result<(), StoreError> {
        let signed = self.signed_head(checkpoint)?;
        let body = signed_tree_head_body(&signed);
        Ok(durable::write_atomic(&self.pending, body.as_bytes(), durable::PUBLIC_FILE)?)
    }

    fn write_cosigned(&self, note: &str) -> Result<(), StoreError> {
        let mut head = CosignedTreeHead::new(self.signed_head(note)?);
        head.insert(self.own_cosignature(note)?);
        let body = tree_head_body(&head);
        durable::write_atomic(&self.path, body.as_bytes(), durable::PUBLIC_FILE)?;
        match std::fs::remove_file(&self.pending) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::Io { action: "remove", path: self.pending.clone(), source })
            }
            _ => Ok(()),
        }
    }

    fn signed_head(&self, note: &str) -> Result<SignedTreeHead, StoreError> {
        let damaged = StoreError::Damaged("checkpoint is not one of the Sigsum log");
        let checkpoint = SignedCheckpoint::parse(note.as_bytes());
        checkpoint.ok().and_then(|c| c.to_sigsum(&self.log).ok()).ok_or(damaged)
    }

    fn own_cosignature(&self, note: &str) -> Result<Cosignature, StoreError> {
        let damaged = StoreError::Damaged("checkpoint has no cosignature of this witness");
        let checkpoint = SignedCheckpoint::parse(note.as_bytes()).ok();
        let own = |c: SignedCheckpoint| {
            c.signatures.iter().find_map(|line| from_line(line, &self.witness))
        };
        checkpoint.and_then(own).ok_or(damaged)
    }
}

impl Backend for StateFile {
    fn commit(
        &mut self,
        advances: &[Advance],
        cosigned: &[Cosigned],
    ) -> Result<Vec<Outcome>, StoreError> {
        let mut outcomes = Vec::with_capacity(advances.len());
        for Advance { log, expected, new, checkpoint } in advances {
            if !may_follow(expected, new) {
                let (from, to) = (expected.size.0, new.size.0);
                return Err(StoreError::Backwards { log: *log, from, to });
            }
            if *expected != self.head {
                outcomes.push(Outcome::Conflict(self.head));
                continue;
            }
            self.write_pending(checkpoint)?;
            self.head = *new;
            outcomes.push(Outcome::Advanced);
        }
        for Cosigned { note, .. } in cosigned {
            self.write_cosigned(note)?;
        }
        Ok(outcomes)
    }

    /// Scripts around the Go tool read the file when the answer is there.
    fn records_before_reply(&self) -> bool {
        true
    }
}

/// The file whose name is longer by a suffix.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn read_cosigned(
    path: &Path,
    witness: &PublicKey,
    log: &PublicKey,
) -> Result<Option<CosignedTreeHead>, StateFileError> {
    let Some(bytes) = read_if_there(path, MAX_TREE_HEAD_BODY_BYTES)? else { return Ok(None) };
    let head = parse_tree_head(&bytes).map_err(|e| syntax(path, &e))?;
    if !head.signed.verify(log) {
        return Err(StateFileError::LogSignature);
    }
    let own = |c: &&Cosignature| c.key_hash == witness.key_hash();
    let cosignature = head.cosignatures().iter().find(own).ok_or(StateFileError::NoCosignature)?;
    let text = head.signed.tree_head.checkpoint_text(&sigsum_origin(&log.key_hash()));
    if !cosignature.verify(witness, &text) {
        return Err(StateFileError::Cosignature);
    }
    Ok(Some(head))
}

/// The stored head as the read API serves it.
fn cosigned_note(head: &CosignedTreeHead, key: &CosignerKey, log: &PublicKey) -> Option<String> {
    let own = key.public_key();
    let cosignature = head.cosignatures().iter().find(|c| c.key_hash == own.key_hash())?;
    let time = Timestamp::new(cosignature.timestamp_s)?;
    let mut note = SignedCheckpoint::from_sigsum(&head.signed, log);
    note.signatures.push(ed25519_line(key.name(), &own, time, &cosignature.signature));
    Some(note.to_string())
}

/// The newer of the state file's head and the pending one.
fn newest(
    pending: &Path,
    stored: Option<SignedTreeHead>,
    log: &PublicKey,
) -> Result<Option<SignedTreeHead>, StateFileError> {
    let Some(bytes) = read_if_there(pending, MAX_SIGNED_TREE_HEAD_BODY_BYTES)? else {
        return Ok(stored);
    };
    let next = parse_signed_tree_head(&bytes).map_err(|e| syntax(pending, &e))?;
    if !next.verify(log) {
        return Err(StateFileError::LogSignature);
    }
    match stored {
        Some(old) if old.tree_head.size > next.tree_head.size => Ok(Some(old)),
        Some(old) if !may_follow(&old.tree_head, &next.tree_head) => {
            Err(StateFileError::Contradiction { path: pending.to_owned() })
        }
        _ => Ok(Some(next)),
    }
}

fn read_if_there(path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StateFileError> {
    let read = |source| StateFileError::Read { path: path.to_owned(), source };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(read(source)),
    };
    let mut bytes = Vec::new();
    file.take(max_bytes as u64 + 1).read_to_end(&mut bytes).map_err(read)?;
    if bytes.len() > max_bytes {
        return Err(syntax(path, &"too long"));
    }
    Ok(Some(bytes))
}

fn syntax(path: &Path, problem: &dyn std::fmt::Display) -> StateFileError {
    StateFileError::Syntax { path: path.to_owned(), problem: problem.to_string() }
}
