//! The Sigsum protocol as async traits: what a log and a witness do for a caller, how they fail,
//! and which HTTP status each failure has.
//!
//! # In scope
//! Traits, error enums, and the one place where errors become statuses and public texts.
//!
//! # Out of scope
//! HTTP itself: `sigsum-client` implements the traits over it, and the servers of `sigsum-log` and
//! `sigsum-witness` serve anything that implements them. Called directly, the same traits join a
//! client and a server in one process.

mod error;
mod log;
mod witness;

pub use error::{ApiError, ErrorStatus};
pub use log::{AddLeafStatus, LogApi};
pub use witness::{AddCheckpointError, WitnessApi};
