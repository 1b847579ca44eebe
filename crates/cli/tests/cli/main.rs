//! The real executable, run as its users run it.
#![allow(clippy::unwrap_used, reason = "a test that goes wrong may panic")]

mod at_once;
mod bad_checkpoints;
mod bad_input;
mod bad_logs;
mod bad_monitored;
mod bad_witnesses;
mod connections;
mod crash;
mod crash_witness;
mod demo;
mod documents;
mod fake;
mod floods;
mod fsck;
mod full_disk;
mod guard;
mod harness;
mod keys;
mod lab;
mod leaf;
mod metrics;
mod network;
mod probe;
mod prometheus;
mod public_proof;
mod reload;
mod signed_log;
mod snapshots;
mod start;
mod submit;
mod tokens;
mod wire;
mod witness;
