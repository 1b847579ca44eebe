//! A log, witnesses, a submitter, a verifier and a monitor, each a process of its own.

use crate::harness::{Network, http};
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

#[test]
fn a_file_is_signed_logged_cosigned_verified_and_reported() {
    let network = Network::start(3, 2);
    let sandbox = &network.sandbox;
    sandbox.key("k");
    sandbox.write("f", b"data");
    sandbox.run(&["submit", "-p", "policy", "-k", "k", "f"]).ok();
    let verify = ["verify", "-p", "policy", "-k", "k.pub", "f.proof"];
    sandbox.run_with(&verify, b"data").ok();
    sandbox.run_with(&verify, b"Data").fails_with("leaf signature not valid");

    let mut monitor = sandbox.command(&["monitor", "-p", "policy", "-i", "100ms", "k.pub"]);
    let mut child =
        monitor.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let hash = sandbox.run(&["key", "to-hash", "-k", "k.pub"]).ok().stdout;
    let wanted = format!("  index 0 keyhash {} checksum ", hash.trim());
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let found = lines.map_while(Result::ok).any(|line| line.starts_with(&wanted));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(found, "no line {wanted:?}");
}

#[test]
fn a_proof_that_exists_is_checked_and_not_submitted_again() {
    let network = Network::start(1, 1);
    let sandbox = &network.sandbox;
    sandbox.key("k");
    sandbox.write("f", b"data");
    let submit = ["submit", "-p", "policy", "-k", "k", "f"];
    let said = sandbox.run(&submit).ok().stderr;
    assert!(said.ends_with("[INFO] proof in f.proof\n"), "{said}");
    let proof = sandbox.read("f.proof");
    drop(network.log);
    let said = sandbox.run(&submit).ok().stderr;
    assert_eq!(said, "[INFO] valid proof already in f.proof\n");
    sandbox.write("f", b"altered");
    sandbox.run(&submit).fails_with("Existing proof file \"f.proof\" is not valid: leaf signature");
    assert_eq!(sandbox.read("f.proof"), proof);
}

#[test]
fn a_batch_gives_every_file_its_proof() {
    let network = Network::start(3, 2);
    let sandbox = &network.sandbox;
    sandbox.key("k");
    let names: Vec<String> = (0..100).map(|n| format!("f{n}")).collect();
    for name in &names {
        sandbox.write(name, name);
    }
    let mut args = vec!["submit", "-p", "policy", "-k", "k"];
    args.extend(names.iter().map(String::as_str));
    sandbox.run(&args).ok();
    for name in &names {
        let proof = format!("{name}.proof");
        let verify = ["verify", "-p", "policy", "-k", "k.pub", &proof];
        sandbox.run_with(&verify, name.as_bytes()).ok();
    }
}

#[test]
fn a_proof_that_cannot_be_written_costs_no_other_input_its_proof() {
    let network = Network::start(1, 1);
    let sandbox = &network.sandbox;
    sandbox.key("k");
    // The proof's name is as long as names may be, so that no longer, temporary one can be made.
    let long = "n".repeat(255 - ".proof".len());
    let names = ["a", &long, "b", "c"];
    for name in names {
        sandbox.write(name, name);
    }
    let args = [&["submit", "-p", "policy", "-k", "k"], &names[..]].concat();
    sandbox.run(&args).fails_with(&format!("writing {long}.proof failed: "));
    for name in ["a", "b", "c"] {
        let proof = format!("{name}.proof");
        let verify = ["verify", "-p", "policy", "-k", "k.pub", &proof];
        sandbox.run_with(&verify, name.as_bytes()).ok();
    }
    assert!(!sandbox.path(&format!("{long}.proof")).exists());
}

#[test]
fn a_request_made_on_one_machine_is_submitted_on_another() {
    let network = Network::start(1, 1);
    let sandbox = &network.sandbox;
    sandbox.key("k");
    sandbox.write("f", b"data");
    sandbox.run(&["submit", "-k", "k", "f"]).ok();
    sandbox.run(&["submit", "-p", "policy", "f.req"]).ok();
    sandbox.run_with(&["verify", "-p", "policy", "-k", "k.pub", "f.proof"], b"data").ok();
}

#[test]
fn the_log_serves_its_page_its_metrics_and_its_tiles() {
    let network = Network::start(1, 1);
    let sandbox = &network.sandbox;
    sandbox.key("k");
    sandbox.run_with(&["submit", "-p", "policy", "-k", "k", "-o", "p"], b"data").ok();
    let url = network.log_url();
    let (code, page) = http(url, "GET", "/", b"");
    assert!(code == 200 && page.contains("Software version:"), "{code} {page}");
    let (code, checkpoint) = http(url, "GET", "/checkpoint", b"");
    assert!(code == 200 && checkpoint.starts_with("sigsum.org/v1/tree/"), "{code} {checkpoint}");
    assert_eq!(http(url, "GET", "/tile/0/000.p/1", b"").0, 200);
    assert_eq!(http(url, "GET", "/tile/entries/000.p/1", b"").0, 200);
    assert_eq!(http(url, "GET", "/tile/0/001", b"").0, 404);
}

#[test]
fn one_dead_witness_of_three_keeps_nobody_waiting() {
    let mut network = Network::start(3, 2);
    network.witnesses.remove(0).kill();
    let sandbox = &network.sandbox;
    sandbox.key("k");
    sandbox.run_with(&["submit", "-t", "30s", "-p", "policy", "-k", "k", "-o", "p"], b"data").ok();
}

#[test]
fn daemons_end_well_on_sigterm() {
    let network = Network::start(1, 1);
    network.log.unwrap().stop();
    for witness in network.witnesses {
        witness.stop();
    }
}

#[test]
fn a_log_that_restarts_serves_the_same_cosigned_head_at_once() {
    let mut network = Network::start(2, 2);
    network.sandbox.key("k");
    let args = ["submit", "-p", "policy", "-k", "k", "-o", "p"];
    network.sandbox.run_with(&args, b"data").ok();
    let before = http(network.log_url(), "GET", "/get-tree-head", b"").1;
    for witness in network.witnesses.drain(..) {
        witness.kill();
    }
    network.log.take().unwrap().kill();
    network.start_log();
    let after = http(network.log_url(), "GET", "/get-tree-head", b"").1;
    assert_eq!(before.lines().next(), Some("size=1"));
    assert_eq!(before.matches("cosignature=").count(), 2, "{before}");
    assert_eq!(before, after);
}

#[test]
fn the_testnet_prints_three_commands_that_work() {
    let sandbox = crate::harness::Sandbox::new();
    let mut command = sandbox.command(&["testnet", "--directory", "net"]);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut commands = Vec::new();
    for line in lines.by_ref() {
        if let Some(command) = line.strip_prefix("  sigsum ") {
            commands.push(command.to_owned());
        }
        if line.starts_with("Ctrl-C") {
            break;
        }
    }
    assert_eq!(commands.len(), 3, "{commands:?}");
    let submit: Vec<&str> = commands[0].split(' ').collect();
    sandbox.run(&submit).ok();
    let (verify, input) = commands[1].split_once(" < ").unwrap();
    let verify: Vec<&str> = verify.split(' ').collect();
    let data = std::fs::read(sandbox.path(input)).unwrap();
    let told = sandbox.run_with(&verify, &data).ok().stdout;
    assert!(told.contains("Accepted"), "{told}");
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}
