//! The real executable, run as its users run it.
#![allow(clippy::unwrap_used, reason = "a test that goes wrong may panic")]

mod crash;
mod demo;
mod documents;
mod harness;
mod keys;
mod metrics;
mod network;
mod public_proof;
mod snapshots;
mod start;
mod submit;
mod tokens;
mod witness;
