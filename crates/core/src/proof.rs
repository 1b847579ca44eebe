//! Proofs of logging: Sigsum's format and C2SP `tlog-proof`, and the way between them.
//!
//! A Sigsum proof names log and witnesses by key hash, a `tlog-proof` has signature lines with key
//! names and key ids. Going from one to the other needs the keys, which a [`crate::policy::Policy`]
//! has; see [`SigsumProof::to_tlog`] and [`TlogProof::to_sigsum`] for what is lost.

mod convert;
mod sigsum;
mod tlog;

pub use convert::{
    ConvertError, Converted, Cosigner, DropReason, DroppedCosignature, SIGSUM_EXTRA_BYTES,
};
pub use sigsum::{MAX_SIGSUM_PROOF_BYTES, ProofError, ProofLeaf, ProofVersion, SigsumProof};
pub use tlog::{MAX_EXTRA_BYTES, MAX_TLOG_PROOF_BYTES, TlogProof, TlogProofError};
