//! Our log, and sigsum-submit and sigsum-monitor as its clients.

use crate::dns::NameServer;
use crate::follower::Follower;
use crate::harness::{LOG_ARGS, Network, Sandbox, run_command};
use crate::peers::{peer, peer_command, run_peer};
use crate::submissions::{SUBMIT, both_verifiers_accept, files, reported};
use crate::tap::Tap;

/// Our log with three witnesses, two of which it takes to publish; the key `k`.
fn network() -> Network {
    let network = Network::start(3, 2);
    network.sandbox.key("k");
    network
}

/// Submits files that hold their names with our tool, in this order of leaves.
fn add_leaves(sandbox: &Sandbox, key: &str, names: &[String]) {
    for name in names {
        let args = ["submit", "-p", "policy", "-k", key, name];
        sandbox.run(&args).ok();
    }
}

#[test]
fn sigsum_submit_logs_a_file_with_quorum_and_both_verifiers_accept() {
    let Some(submit) = peer("sigsum-submit") else { return };
    let Some(verifier) = peer("sigsum-verify") else { return };
    let network = network();
    let sandbox = &network.sandbox;
    for name in files(sandbox, "f", 3) {
        run_peer(sandbox, &submit, &[&SUBMIT[..], &[&name]].concat(), b"").ok();
        both_verifiers_accept(sandbox, &verifier, &name);
        let proof = sandbox.read(&format!("{name}.proof"));
        assert!(proof.matches("\ncosignature=").count() >= 2, "{proof}");
    }
}

#[test]
fn sigsum_submit_logs_a_batch_and_both_verifiers_accept() {
    let Some(submit) = peer("sigsum-submit") else { return };
    let Some(verifier) = peer("sigsum-verify") else { return };
    let network = network();
    let sandbox = &network.sandbox;
    let names = files(sandbox, "f", 40);
    let mut args = SUBMIT.to_vec();
    args.extend(names.iter().map(String::as_str));
    run_peer(sandbox, &submit, &args, b"").ok();
    for name in &names {
        both_verifiers_accept(sandbox, &verifier, name);
    }
    // The same command again finds the proofs, and asks no log.
    drop(network.log);
    run_peer(sandbox, &submit, &args, b"").ok();
    sandbox.run(&[&["submit"], &args[..]].concat()).ok();
}

/// Starts the log again, so that it takes two leaves of example.org. Where there is no name server,
/// it is told the key.
fn limit_to_two(network: &mut Network, names: Option<&NameServer>) {
    network.log.take().unwrap().stop();
    let sandbox = &network.sandbox;
    sandbox.write("limits", "domain example.org 2\n");
    let source = match names {
        Some(names) => format!("dns-resolver = '{}'\n", names.address),
        None => format!("[primary.static-keys]\n'example.org' = '{}'\n", sandbox.key_hex("rate")),
    };
    sandbox.write("config", format!("[primary]\nrate-limit-file = 'limits'\n{source}"));
    let args: Vec<_> = LOG_ARGS.into_iter().chain(["--config", "config"]).collect();
    let log = sandbox.daemon(&args);
    let (hex, policy) = (sandbox.key_hex("log-key"), sandbox.read("log-policy"));
    let rest = policy.split_once('\n').unwrap().1;
    sandbox.write("policy", format!("log {hex} {}\n{rest}", log.url));
    network.log = Some(log);
}

#[test]
fn sigsum_submit_logs_a_file_with_a_token_that_our_tool_verifies() {
    let Some(submit) = peer("sigsum-submit") else { return };
    let Some(verifier) = peer("sigsum-verify") else { return };
    let mut network = network();
    network.sandbox.key("rate");
    let names = NameServer::start(&network.sandbox, "example.org", "rate");
    limit_to_two(&mut network, names.as_ref());
    let sandbox = &network.sandbox;
    let tap = Tap::before(network.log_url());
    let policy = sandbox.read("policy");
    sandbox.write("policy", policy.replace(network.log_url(), &tap.url()));
    for name in files(sandbox, "f", 2) {
        let token = ["-d", "example.org", "-a", "rate", &name];
        let args = [&SUBMIT[..], &token].concat();
        let command = peer_command(sandbox, &submit, &args);
        // Without, sigsum-submit only warns that the domain does not publish the key.
        let command = match &names {
            Some(names) => names.seen_by(&command),
            None => command,
        };
        let said = run_command(command, b"").ok().stderr;
        assert!(names.is_none() || !said.contains("does not match DNS"), "{said}");
        both_verifiers_accept(sandbox, &verifier, &name);
    }
    sandbox.write("third", "third");
    let third = [&SUBMIT[..], &["-t", "5s", "-d", "example.org", "-a", "rate", "third"]];
    let refused = run_peer(sandbox, &submit, &third.concat(), b"");
    assert_ne!(refused.code, Some(0));
    let limit = "(429) rate-limit for domain \"example.org\" exceeded";
    assert!(refused.stderr.replace('\\', "").contains(limit), "{}", refused.stderr);
    let tokens = tap.fields("sigsum-token");
    assert!(tokens.len() >= 2, "{tokens:?}");
    let verify = ["token", "verify", "-k", "rate.pub", "-l", "log-key.pub"];
    for token in tokens {
        let (domain, hex) = token.split_once(' ').unwrap();
        assert_eq!(domain, "example.org");
        sandbox.run_with(&verify, hex.as_bytes()).ok();
        if let Some(names) = &names {
            let header = format!("Sigsum-Token: {token}\n");
            run_command(names.seen_by(&sandbox.command(&verify)), header.as_bytes()).ok();
        }
    }
}

#[test]
fn a_request_made_by_either_tool_is_submitted_by_the_other() {
    let Some(submit) = peer("sigsum-submit") else { return };
    let Some(verifier) = peer("sigsum-verify") else { return };
    let network = network();
    let sandbox = &network.sandbox;
    let names = files(sandbox, "f", 2);
    sandbox.run(&["submit", "-k", "k", "f0"]).ok();
    run_peer(sandbox, &submit, &["-p", "policy", "f0.req"], b"").ok();
    run_peer(sandbox, &submit, &["-k", "k", "f1"], b"").ok();
    sandbox.run(&["submit", "-p", "policy", "f1.req"]).ok();
    for name in &names {
        both_verifiers_accept(sandbox, &verifier, name);
    }
}

#[test]
fn sigsum_monitor_follows_the_log_and_reports_exactly_the_leaves_of_the_key() {
    let Some(monitor) = peer("sigsum-monitor") else { return };
    let network = network();
    let sandbox = &network.sandbox;
    sandbox.key("other");
    let names = files(sandbox, "f", 9);
    let start = || {
        // A look that takes longer than the interval ends sigsum-monitor.
        let args = ["-p", "policy", "-i", "5s", "k.pub"];
        Follower::start(peer_command(sandbox, &monitor, &args))
    };
    let mut expected = Vec::new();
    let follower = start();
    for (round, three) in names.chunks(3).enumerate() {
        add_leaves(sandbox, "k", &three[..1]);
        add_leaves(sandbox, "other", &three[1..2]);
        add_leaves(sandbox, "k", &three[2..]);
        let first = 3 * round;
        let new = [(first, &three[0]), (first + 2, &three[2])];
        let new = new.map(|(index, name)| reported(sandbox, index, "k", name));
        assert_eq!(follower.leaves_until(first + 3), new);
        expected.extend(new);
    }
    follower.stop();
    // It remembers nothing: a second run reads all of it again.
    let follower = start();
    assert_eq!(follower.leaves_until(9), expected);
    follower.stop();
}

#[test]
fn sigsum_monitor_and_ours_report_the_same_of_many_batches_and_after_a_restart_of_the_log() {
    let Some(monitor) = peer("sigsum-monitor") else { return };
    let mut network = network();
    // More than one get-leaves answer holds, and not one more: sigsum-monitor does not verify a
    // batch of a single leaf behind another.
    let names = files(&network.sandbox, "f", 515);
    let mut args = vec!["submit", "-p", "policy", "-k", "k"];
    args.extend(names.iter().map(String::as_str));
    network.sandbox.run(&args).ok();
    network.restart_log_in_place(|| ());
    let sandbox = &network.sandbox;
    for keys in [&["k.pub"][..], &[]] {
        let follow = [&["-p", "policy", "-i", "5s"], keys].concat();
        let theirs = Follower::start(peer_command(sandbox, &monitor, &follow));
        let ours = Follower::start(sandbox.command(&[&["monitor"], &follow[..]].concat()));
        let reported = ours.leaves_until(names.len());
        assert_eq!(reported.len(), names.len());
        assert_eq!(theirs.leaves_until(names.len()), reported);
        theirs.stop();
        ours.stop();
    }
}
