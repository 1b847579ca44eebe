//! A witness: cosigns the checkpoints of logs that only ever grew (C2SP `tlog-witness`,
//! `tlog-cosignature`).
//!
//! # In scope
//! The `add-checkpoint` call and the read API, Ed25519 cosignatures, a durable state per log, a
//! data directory for many logs and the state file of the one-log tool `sigsum-witness`.
//!
//! # Out of scope
//! Key files and arguments (`sigsum-cli` reads them), TLS, bastions. ML-DSA-44 cosignatures and
//! `sign-subtree` are not there yet.
//!
//! # Layers
//! [`engine`] decides and has no side effects, [`store`] keeps the state durable, [`witness`] takes
//! a request through both under one lock per log, `serve` is its HTTP.

pub mod admin;
pub mod config;
pub mod cosigner;
pub mod engine;
mod metrics;
mod run;
mod serve;
pub mod store;
#[cfg(test)]
mod testing;
pub mod witness;

pub use config::{Config, ConfigError, LogConfig};
pub use cosigner::CosignerKey;
pub use run::{Handle, StartError, start};
pub use witness::Witness;
