//! Writing proofs: those of a batch come in bursts, and go to the disk together.

use super::{Level, OUTPUT_MODE, progress};
use crate::failure::Failure;
use crate::files::{write_output, write_outputs};
use std::path::PathBuf;
use std::sync::mpsc;

/// A proof to be written.
#[derive(Debug)]
pub(super) struct NewProof {
    pub(super) text: String,
    /// `None` for standard output.
    pub(super) path: Option<PathBuf>,
}

/// Writes proofs until nobody can send more. What came while others were written is written next,
/// all of it at once: nothing waits, and a batch that is interrupted keeps what it has. A file that
/// cannot be written keeps no other from being written; the first failure is given at the end.
pub(super) fn write_proofs(proofs: &mpsc::Receiver<NewProof>, level: Level) -> Result<(), Failure> {
    let mut first_failure = Ok(());
    while let Ok(first) = proofs.recv() {
        let group: Vec<NewProof> = std::iter::once(first).chain(proofs.try_iter()).collect();
        first_failure = first_failure.and(write_group(&group, level));
    }
    first_failure
}

fn write_group(group: &[NewProof], level: Level) -> Result<(), Failure> {
    let files: Vec<_> = group
        .iter()
        .filter_map(|proof| Some((proof.path.as_deref()?, proof.text.as_bytes())))
        .collect();
    if files.len() == group.len() && write_outputs(&files, OUTPUT_MODE).is_ok() {
        group.iter().for_each(|proof| tell(proof, level));
        return Ok(());
    }
    // Standard output, or one of the files cannot be written: one by one it shows which.
    let mut first_failure = Ok(());
    for proof in group {
        let written = write_output(proof.path.as_deref(), proof.text.as_bytes(), OUTPUT_MODE);
        if written.is_ok() {
            tell(proof, level);
        }
        first_failure = first_failure.and(written);
    }
    first_failure
}

fn tell(proof: &NewProof, level: Level) {
    if let Some(path) = &proof.path {
        progress::say_at(level, Level::Info, &format!("proof in {}", path.display()));
    }
}
