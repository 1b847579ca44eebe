//! A signed head with the cosignatures that were verified over it, in both forms: the Sigsum one
//! for get-tree-head and the signed note for `checkpoint`.

use sigsum_core::checkpoint::{Checkpoint, SignedCheckpoint};
use sigsum_core::cosignature::{self, CosignatureError, Timestamp};
use sigsum_core::note::{NoteKey, SignatureLine};
use sigsum_core::policy::{Policy, PolicyWitness};
use sigsum_core::tree_head::Cosignature;
use sigsum_core::{CosignedTreeHead, PublicKey, SignedTreeHead, TreeHead};

/// Place of a witness in the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WitnessId(pub usize);

/// A cosignature that verified, with the note line that carried it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Who made it.
    pub witness: WitnessId,
    /// Seconds since the Unix epoch by the witness's clock.
    pub timestamp_s: u64,
    /// The form of get-tree-head, which only Ed25519 cosignatures have.
    pub cosignature: Option<Cosignature>,
    /// The line as the witness wrote it; its name may differ from the policy's.
    pub line: SignatureLine,
}

/// Why a witness's answer counts for nothing; the witness's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// No line is of the witness's key.
    #[error("no line of this witness's key")]
    NoLine,
    /// Time 0 says nothing about the largest tree; it is for subtrees (`tlog-cosignature`).
    #[error("cosignature with time 0")]
    NoTime,
    /// The line of its key does not verify.
    #[error(transparent)]
    Invalid(#[from] CosignatureError),
}

/// Finds a witness's cosignature of this checkpoint among the lines of its answer. Lines of other
/// keys are ignored (`signed-note`); the name in a line is free, as for log-go.
///
/// # Errors
/// [`AnswerError`], about the last line of the key where there are several.
pub fn find_cosignature(
    lines: &[SignatureLine],
    witness: WitnessId,
    key: &NoteKey,
    checkpoint: &Checkpoint,
) -> Result<Verified, AnswerError> {
    let mut refused = AnswerError::NoLine;
    for line in lines.iter().filter(|line| line.is_of_key(key)) {
        match cosignature::verify_line_by_key(line, key, checkpoint) {
            Ok(Timestamp::NONE) => refused = AnswerError::NoTime,
            Ok(time) => {
                let cosignature = match key {
                    NoteKey::CosignatureEd25519(key) => cosignature::from_line(line, key),
                    NoteKey::Ed25519(_) | NoteKey::CosignatureMlDsa44(_) => None,
                };
                let timestamp_s = time.as_s();
                return Ok(Verified { witness, timestamp_s, cosignature, line: line.clone() });
            }
            Err(error) => refused = error.into(),
        }
    }
    Err(refused)
}

/// A signed head and its cosignatures; at most one of each witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CosignedHead {
    cosigned: CosignedTreeHead,
    /// Note lines behind the log's own.
    lines: Vec<SignatureLine>,
    known: Vec<Known>,
}

/// A cosignature of a witness of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    witness: WitnessId,
    timestamp_s: u64,
    /// Place in `lines`.
    line: usize,
}

impl CosignedHead {
    /// A head that nobody cosigned yet.
    pub fn new(signed: SignedTreeHead) -> Self {
        Self { cosigned: CosignedTreeHead::new(signed), lines: Vec::new(), known: Vec::new() }
    }

    /// A head that was published before this process started. Cosignatures of witnesses that left
    /// the policy since stay; those in `verified` count towards its quorum.
    ///
    /// `lines` are the note lines without the log's; each of `verified` has its line there.
    pub fn restored(
        cosigned: CosignedTreeHead,
        lines: Vec<SignatureLine>,
        verified: &[Verified],
    ) -> Self {
        let mut head = Self { cosigned, lines, known: Vec::new() };
        for v in verified {
            if let Some(line) = head.lines.iter().position(|l| *l == v.line) {
                head.known.push(Known { witness: v.witness, timestamp_s: v.timestamp_s, line });
            }
        }
        head
    }

    /// Looks anew at which cosignatures are of witnesses of this policy. All stay; those of others
    /// count for nothing.
    pub fn judge(&mut self, policy: &Policy, log: &PublicKey) {
        let checkpoint = SignedCheckpoint::from_sigsum(&self.cosigned.signed, log).checkpoint;
        let verify = |(at, witness): (usize, &PolicyWitness)| {
            find_cosignature(&self.lines, WitnessId(at), witness.key(), &checkpoint).ok()
        };
        let verified: Vec<_> = policy.witnesses().iter().enumerate().filter_map(verify).collect();
        let (cosigned, lines) = (self.cosigned.clone(), std::mem::take(&mut self.lines));
        *self = Self::restored(cosigned, lines, &verified);
    }

    /// Size and root.
    pub fn tree_head(&self) -> TreeHead {
        self.cosigned.signed.tree_head
    }

    /// The body form of get-tree-head.
    pub fn cosigned(&self) -> &CosignedTreeHead {
        &self.cosigned
    }

    /// Whether this witness cosigned.
    pub fn has(&self, witness: WitnessId) -> bool {
        self.known.iter().any(|k| k.witness == witness)
    }

    /// Whether those who cosigned are enough for the policy.
    pub fn has_quorum(&self, policy: &Policy) -> bool {
        policy.quorum().is_satisfied(&|at| self.has(WitnessId(at)))
    }

    /// The witnesses that cosigned.
    pub fn witnesses(&self) -> impl Iterator<Item = WitnessId> + '_ {
        self.known.iter().map(|k| k.witness)
    }

    /// The witnesses that cosigned, each with the time by its clock in seconds since 1970.
    pub fn times(&self) -> impl Iterator<Item = (WitnessId, u64)> + '_ {
        self.known.iter().map(|k| (k.witness, k.timestamp_s))
    }

    /// Adds a cosignature. A later one of the same witness replaces the earlier, an earlier one
    /// changes nothing. Whether something changed.
    pub fn insert(&mut self, fresh: Verified) -> bool {
        let timestamp_s = fresh.timestamp_s;
        match self.known.iter_mut().find(|k| k.witness == fresh.witness) {
            Some(known) if known.timestamp_s >= timestamp_s => return false,
            Some(known) => {
                known.timestamp_s = timestamp_s;
                if let Some(line) = self.lines.get_mut(known.line) {
                    *line = fresh.line;
                }
            }
            None => {
                let line = self.lines.len();
                self.known.push(Known { witness: fresh.witness, timestamp_s, line });
                self.lines.push(fresh.line);
            }
        }
        if let Some(cosignature) = fresh.cosignature {
            self.cosigned.insert(cosignature);
        }
        true
    }

    /// The signed note: the log's line, then the witnesses'.
    pub fn to_checkpoint(&self, log: &PublicKey) -> SignedCheckpoint {
        let mut checkpoint = SignedCheckpoint::from_sigsum(&self.cosigned.signed, log);
        checkpoint.signatures.extend(self.lines.iter().cloned());
        checkpoint
    }
}

#[cfg(test)]
#[path = "cosigned_tests.rs"]
mod tests;
