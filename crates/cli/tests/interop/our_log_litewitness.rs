//! Our log and litewitness, whose logs witnessctl adds and whose key OpenSSH's ssh-agent holds.

use crate::harness::{Network, Sandbox, run_command};
use crate::peers::{PeerDaemon, free_address, peer, peer_command, run_peer};
use crate::ssh_agent::SshAgent;
use crate::witness_cases as cases;
use crate::witness_rig::{ForeignWitness, WITNESS_KEY};
use std::cell::OnceCell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

/// litewitness with the database `lite.db`.
struct Litewitness {
    program: PathBuf,
    control: PathBuf,
    agent: OnceCell<SshAgent>,
}

impl ForeignWitness for Litewitness {
    const STATE: &'static [&'static str] = &["lite.db", "lite.db-wal", "lite.db-shm"];

    /// Makes the database, and loads the key that our tool made.
    fn prepare(&self, sandbox: &Sandbox) {
        self.agent.get_or_init(|| SshAgent::start(sandbox)).add(sandbox, WITNESS_KEY);
        let hex = sandbox.key_hex("log-key");
        let args = ["add-sigsum-log", "-db", "lite.db", "-key", &hex];
        let said = run_peer(sandbox, &self.control, &args, b"").ok().stderr;
        assert!(said.contains("Added Sigsum log \"sigsum.org/v1/tree/"), "{said}");
    }

    fn command(&self, sandbox: &Sandbox, address: SocketAddr) -> Command {
        let address = address.to_string();
        let fingerprint = fingerprint(sandbox);
        let socket = self.agent.get().unwrap().socket();
        let args = [
            "-name",
            "litewitness.example/w",
            "-db",
            "lite.db",
            "-ssh-agent",
            socket,
            "-key",
            &fingerprint,
            "-listen",
            &address,
        ];
        peer_command(sandbox, &self.program, &args)
    }

    fn stored_size(&self, sandbox: &Sandbox) -> u64 {
        let listed = run_peer(sandbox, &self.control, &["list-logs", "-db", "lite.db"], b"").ok();
        let log: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
        log["size"].as_u64().unwrap()
    }
}

/// The witness's key as OpenSSH names it: `SHA256:` and base64.
fn fingerprint(sandbox: &Sandbox) -> String {
    let mut command = Command::new("ssh-keygen");
    command.args(["-l", "-f", &sandbox.arg(&format!("{WITNESS_KEY}.pub"))]);
    let line = run_command(command, b"").ok().stdout;
    line.split(' ').nth(1).unwrap().to_owned()
}

/// Runs a case where the peer and OpenSSH are there.
fn with(case: impl Fn(Litewitness)) {
    let (Some(program), Some(control)) = (peer("litewitness"), peer("witnessctl")) else { return };
    if SshAgent::is_installed() {
        case(Litewitness { program, control, agent: OnceCell::new() });
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

/// Adds witnesses to the log's policy, all of which have to cosign.
fn demand_all(sandbox: &Sandbox, witnesses: &[(&str, SocketAddr)]) {
    let line = |(key, address): &(&str, SocketAddr)| {
        format!("witness {key} {} http://{address}\n", sandbox.key_hex(key))
    };
    let lines: String = witnesses.iter().map(line).collect();
    let names: Vec<_> = witnesses.iter().map(|(key, _)| *key).collect();
    let group = format!("{lines}group g all w0 {}\n", names.join(" "));
    let policy = sandbox.read("log-policy").replacen("group g 1 w0\n", &group, 1);
    sandbox.write("log-policy", policy);
}

#[test]
fn litewitness_sigsum_witness_and_ours_cosign_the_same_head() {
    let Some(sigsum_witness) = peer("sigsum-witness") else { return };
    with(|litewitness| {
        let mut network = Network::start(1, 1);
        let sandbox = &network.sandbox;
        ["k", WITNESS_KEY, "go-key"].into_iter().for_each(|name| sandbox.key(name));
        litewitness.prepare(sandbox);
        let (lite, go) = (free_address(), free_address());
        let args = ["-k", "go-key", "--log-key", "log-key.pub", "--state-file", "state"];
        let address = go.to_string();
        let args = [&args[..], &[&address]].concat();
        let _daemons = [
            PeerDaemon::start(litewitness.command(sandbox, lite), lite),
            PeerDaemon::start(peer_command(sandbox, &sigsum_witness, &args), go),
        ];
        network.log.take().unwrap().stop();
        demand_all(&network.sandbox, &[(WITNESS_KEY, lite), ("go-key", go)]);
        network.start_log();
        let sandbox = &network.sandbox;
        sandbox.write("f", b"data");
        sandbox.run(&["submit", "-t", "60s", "-p", "policy", "-k", "k", "f"]).ok();
        assert_eq!(sandbox.read("f.proof").matches("cosignature=").count(), 3);
        let args = ["-p", "policy", "-k", "k.pub", "f.proof"];
        sandbox.run_with(&[&["verify"][..], &args].concat(), b"data").ok();
        if let Some(verifier) = peer("sigsum-verify") {
            run_peer(sandbox, &verifier, &args, b"data").ok();
        }
    });
}
