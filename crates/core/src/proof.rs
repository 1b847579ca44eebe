//! Proofs of logging: Sigsum's format and C2SP `tlog-proof`, and the way between them.

mod sigsum;

pub use sigsum::{MAX_SIGSUM_PROOF_BYTES, ProofError, ProofLeaf, ProofVersion, SigsumProof};
