//! Trust policies: known logs, known witnesses, and which witnesses make a quorum.
//!
//! # In scope
//! Two text formats with one grammar: Sigsum's, with keys in hex (`doc/policy.md` of sigsum-go), and
//! C2SP `tlog-policy`, with vkeys. Reading, building, writing, quorum evaluation with its reasons,
//! and the named policies that are built in.
//!
//! # Out of scope
//! Finding policy files; what signatures verify.
//!
//! Both formats take what the other tools take: a threshold may be written `+2` or `02`, the last
//! newline may be missing. Sigsum policies may have carriage returns at line ends, which Go's line
//! scanner drops.
//!
//! A `tlog-policy` may list logs with vkeys of type 1 and 6, the ones `tlog-checkpoint` describes,
//! and witnesses with type 4 and 6. A log with a key of type 4 is refused: that is a witness's key
//! on the wrong line.

mod builder;
mod entity;
mod error;
pub mod named;
mod parse;
mod quorum;
mod quote;
mod text;
mod write;

pub use builder::{PolicyBuilder, Threshold};
pub use entity::{PolicyLog, PolicyWitness};
pub use error::{NameUse, PolicyError, PolicyErrorKind, PublicKeyHexError};
pub use quorum::{
    Group, GroupReport, Member, MemberReport, Quorum, QuorumOutcome, QuorumReport, Target,
};
pub use quote::go_quoted;
pub use text::{PolicyText, PolicyTextError};
pub use write::{PolicyWriteError, UnknownKeyNames};

use crate::bytes::{KeyHash, PublicKey};
use crate::tree_head::CosignedTreeHead;
use alloc::{format, vec::Vec};

/// Most logs of a policy. The specifications ask for 32; a monitor's policy may list every public
/// log there is, so 32 times that.
pub const MAX_LOGS: usize = 1024;

/// Most witnesses of a policy. The specifications ask for 32. A log adds a cosignature of each
/// witness of its policy to its head, so more than a head can have would make it unreadable.
pub const MAX_WITNESSES: usize = CosignedTreeHead::MAX_COSIGNATURES;

/// Most groups of a policy. The specifications ask for 32; more groups than witnesses are groups of
/// one member.
pub const MAX_GROUPS: usize = MAX_WITNESSES;

/// Largest policy file: 2 KiB for each log, witness and group, which holds an ML-DSA-44 vkey (1,752
/// bytes of base64) and a URL.
pub const MAX_POLICY_BYTES: usize = (MAX_LOGS + MAX_WITNESSES + MAX_GROUPS) * 2048;

/// Longest line, without its newline, as with Go's `bufio.Scanner` (64 KiB with the newline).
pub const MAX_LINE_BYTES: usize = 64 * 1024 - 1;

/// A policy. Witnesses are known by their index in [`Policy::witnesses`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    quorum: Quorum,
}

impl Policy {
    /// Reads Sigsum's format.
    ///
    /// # Errors
    /// [`PolicyError`], whose text is that of the Go tools.
    pub fn parse_sigsum(bytes: &[u8]) -> Result<Self, PolicyError> {
        parse::parse(bytes, parse::Format::Sigsum)
    }

    /// Reads C2SP `tlog-policy`.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn parse_tlog(bytes: &[u8]) -> Result<Self, PolicyError> {
        parse::parse(bytes, parse::Format::Tlog)
    }

    /// A policy that asks for `threshold` of the witnesses, or for none if there are none; they are
    /// named `w0`, `w1` and so on, and the group `g`.
    ///
    /// # Errors
    /// Duplicate keys, a threshold that is zero or above the number of witnesses, too many.
    pub fn k_of_n(
        logs: &[PublicKey],
        witnesses: &[PublicKey],
        threshold: usize,
    ) -> Result<Self, PolicyErrorKind> {
        let mut builder = PolicyBuilder::new();
        for log in logs {
            builder.add_log(PolicyLog::sigsum(log, None))?;
        }
        let mut names = Vec::new();
        for (key, index) in witnesses.iter().zip(0_usize..) {
            let name = PolicyText::new(format!("w{index}").as_bytes())?;
            builder.add_witness(PolicyWitness::sigsum(name.clone(), key, None))?;
            names.push(name);
        }
        if names.is_empty() && threshold == 0 {
            builder.set_quorum(&PolicyText::none())?;
        } else {
            let group = PolicyText::new(b"g")?;
            builder.add_group(group.clone(), Threshold::AtLeast(threshold), names)?;
            builder.set_quorum(&group)?;
        }
        builder.finish()
    }

    /// The logs, in the order of their lines.
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The witnesses, in the order of their lines, those outside the quorum too.
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// Which witnesses suffice.
    pub fn quorum(&self) -> &Quorum {
        &self.quorum
    }

    /// The log whose public key has this hash.
    pub fn log_by_key_hash(&self, key_hash: &KeyHash) -> Option<&PolicyLog> {
        self.logs.iter().find(|log| log.key_hash() == *key_hash)
    }

    /// The Sigsum log with this key hash: one whose origin is the one that Sigsum gives to its key.
    /// Where a `tlog-policy` has the key for another origin, it trusts another log: nobody promised
    /// to watch a Sigsum log of that key.
    pub fn sigsum_log(&self, key_hash: &KeyHash) -> Option<&PolicyLog> {
        self.log_by_key_hash(key_hash).filter(|log| log.is_sigsum())
    }

    /// The logs with this origin; a log may have several keys.
    pub fn logs_by_origin<'a>(&'a self, origin: &'a str) -> impl Iterator<Item = &'a PolicyLog> {
        self.logs.iter().filter(move |log| log.origin().as_str() == origin)
    }

    /// Index and witness whose public key has this hash.
    pub fn witness_by_key_hash(&self, key_hash: &KeyHash) -> Option<(usize, &PolicyWitness)> {
        self.witnesses.iter().enumerate().find(|(_, witness)| witness.key_hash() == *key_hash)
    }
}

#[cfg(test)]
pub(crate) mod tests;
