//! The real executable, run as its users run it.

mod crash;
mod demo;
mod harness;
mod keys;
mod network;
mod public_proof;
mod snapshots;
mod start;
mod submit;
mod tokens;
