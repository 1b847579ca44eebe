//! The real executable and the Go programs of today's network, in both directions: one test for
//! each cell of the matrix in `docs/interop.md`. Run by `cargo xtask interop`, which installs the
//! peers; without them each test says that it was not run.
#![allow(clippy::unwrap_used, reason = "a test that goes wrong may panic")]

#[path = "../cli/harness.rs"]
#[allow(dead_code, reason = "shared with the tests of the executable alone")]
mod harness;

#[path = "../cli/fake.rs"]
#[allow(dead_code, reason = "shared with the tests of the executable alone")]
mod fake;

#[path = "../cli/wire.rs"]
#[allow(dead_code, reason = "shared with the tests of the executable alone")]
mod wire;

mod acme;
mod acme_rig;
mod agents;
mod both;
mod cosigner;
mod dns;
mod ed25519;
mod follower;
mod formats;
mod go_log;
mod go_log_trillian;
mod go_rig;
mod heads;
mod migration;
mod our_log;
mod our_log_litewitness;
mod our_log_sigsum_witness;
mod our_witness;
mod peers;
mod secondaries;
mod ssh_agent;
mod submissions;
mod tap;
mod trillian;
mod witness_cases;
mod witness_rig;
