//! Our log and sigsum-witness.

use crate::harness::Sandbox;
use crate::peers::{peer, peer_command};
use crate::witness_cases as cases;
use crate::witness_rig::{ForeignWitness, WITNESS_KEY};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

/// sigsum-witness with the state file `state`.
struct SigsumWitness(PathBuf);

impl ForeignWitness for SigsumWitness {
    const STATE: &'static [&'static str] = &["state"];

    /// A state file that is not there is one of a new witness.
    fn prepare(&self, _: &Sandbox) {}

    fn command(&self, sandbox: &Sandbox, address: SocketAddr) -> Command {
        let address = address.to_string();
        let args = ["-k", WITNESS_KEY, "--log-key", "log-key.pub", "--state-file", "state"];
        peer_command(sandbox, &self.0, &[&args[..], &[&address]].concat())
    }

    fn stored_size(&self, sandbox: &Sandbox) -> u64 {
        let state = sandbox.read("state");
        let size = state.lines().next().and_then(|line| line.strip_prefix("size="));
        size.unwrap().parse().unwrap()
    }
}

/// Runs a case where the peer is there.
fn with(case: impl Fn(SigsumWitness)) {
    if let Some(program) = peer("sigsum-witness") {
        case(SigsumWitness(program));
    }
}

#[test]
fn an_empty_tree_is_cosigned() {
    with(cases::an_empty_tree_is_cosigned);
}

#[test]
fn a_quorum_is_reached_and_proofs_verify() {
    with(cases::a_quorum_is_reached_and_proofs_verify);
}

#[test]
fn a_restarted_witness_goes_on() {
    with(cases::a_restarted_witness_goes_on);
}

#[test]
fn a_restarted_log_goes_on() {
    with(cases::a_restarted_log_goes_on);
}

#[test]
fn a_log_that_grew_alone_is_cosigned_later() {
    with(cases::a_log_that_grew_alone_is_cosigned_later);
}

#[test]
fn a_witness_that_lost_its_state_is_asked_from_size_0() {
    with(cases::a_witness_that_lost_its_state_is_asked_from_size_0);
}

#[test]
fn a_witness_that_was_set_back_is_asked_from_there() {
    with(cases::a_witness_that_was_set_back_is_asked_from_there);
}

#[test]
fn a_witness_that_knows_more_than_the_log_thinks_cosigns_at_once() {
    with(cases::a_witness_that_knows_more_than_the_log_thinks_cosigns_at_once);
}

#[test]
fn a_log_that_forgot_leaves_is_refused() {
    with(cases::a_log_that_forgot_leaves_is_refused);
}

#[test]
fn a_log_that_forgot_leaves_and_took_others_is_refused() {
    with(cases::a_log_that_forgot_leaves_and_took_others_is_refused);
}
