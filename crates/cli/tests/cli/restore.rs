//! A new primary's directory, built from what is left of the log.

use crate::fake::{Fake, answer, pass};
use crate::guard::{copy, grow, published};
use crate::harness::{LOG_ARGS, Network, Outcome, Sandbox, http};
use crate::leaf::add_leaf_request;
use crate::wire::ask;
use sigsum_keys::Ed25519Signer;
use std::process::Stdio;
use std::time::Duration;

/// More than one answer of the log holds.
const LEAVES: u64 = 1300;

fn restore(sandbox: &Sandbox, from: &str, dir: &str) -> Outcome {
    sandbox.run(&arguments(from, dir))
}

fn arguments<'a>(from: &'a str, dir: &'a str) -> [&'a str; 10] {
    let (key, policy) = ("log-key.pub", "log-policy");
    [
        "log",
        "restore",
        "--from",
        from,
        "--data-dir",
        dir,
        "--key-file",
        key,
        "--policy-file",
        policy,
    ]
}

/// A running log of so many leaves.
fn log_of(leaves: u64) -> (Network, Ed25519Signer) {
    let network = Network::start(1, 1);
    let signer = Ed25519Signer::generate().unwrap();
    let url = network.log_url();
    std::thread::scope(|scope| {
        for part in 0..4 {
            let signer = &signer;
            scope.spawn(move || {
                for number in (part..leaves - 1).step_by(4) {
                    let body = add_leaf_request(signer, number).to_body();
                    let (code, text) = http(url, "POST", "/add-leaf", &body);
                    assert!(matches!(code, 200 | 202), "{code} {text}");
                }
            });
        }
    });
    grow(url, &signer, leaves - 1);
    (network, signer)
}

#[test]
fn a_log_is_restored_from_its_public_endpoint_and_goes_on() {
    let (mut network, signer) = log_of(LEAVES);
    let leaves = ask(network.log_url(), "GET", "/get-leaves/700/1200", b"").body;
    let told = restore(&network.sandbox, network.log_url(), "new").ok().stdout;
    assert!(told.contains(&format!("new: {LEAVES} leaves from http://")), "{told}");
    assert!(told.contains("This is what was published."), "{told}");
    assert!(told.contains("new is the primary's now"), "{told}");
    assert!(told.contains("were compared; it was 0."), "no follower was: {told}");
    network.log.take().unwrap().kill();

    let fsck = ["log", "fsck", "--data-dir", "new", "--key-file", "log-key.pub"];
    network.sandbox.run(&fsck).ok();
    let mut args = LOG_ARGS;
    args[3] = "new";
    let log = network.sandbox.daemon(&args);
    // The published head came along, with its cosignature.
    assert!(http(&log.url, "GET", "/get-tree-head", b"").1.contains("\ncosignature="));
    assert_eq!(ask(&log.url, "GET", "/get-leaves/700/1200", b"").body, leaves);
    grow(&log.url, &signer, LEAVES);
    network.sandbox.run(&LOG_ARGS).fails_with("would fork the log, so nothing was signed");
}

#[test]
fn a_copy_that_is_killed_at_any_moment_goes_on_where_it_was() {
    let (network, _) = log_of(LEAVES);
    let args = arguments(network.log_url(), "new");
    for round in 0..12 {
        let mut command = network.sandbox.command(&args);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::park_timeout(Duration::from_millis(10 + round * 12));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let last = network.sandbox.run(&args);
    // The twelfth may have got to the end.
    if last.code == Some(1) {
        last.fails_with("this directory is a primary's already");
    }
    let fsck = ["log", "fsck", "--data-dir", "new", "--key-file", "log-key.pub"];
    let told = network.sandbox.run(&fsck).ok().stdout;
    assert!(told.contains(&format!("leaves in the tree {LEAVES},")), "{told}");
    assert!(told.contains(&format!("last signed head   {LEAVES}\n")), "{told}");
}

#[test]
fn an_older_source_is_refused_where_a_witness_knows_more_and_a_newer_one_goes_on() {
    let (mut network, signer) = log_of(2);
    network.log.take().unwrap().stop();
    copy(&network.sandbox, "log", "old");
    network.start_log();
    grow(network.log_url(), &signer, 2);
    // A server that asks no witness does not find out that it is old.
    let mut args = LOG_ARGS.to_vec();
    args[3] = "old";
    args.drain(6..8);
    let old = network.sandbox.daemon(&args);
    assert_eq!(published(&old.url), 2);
    let refused = restore(&network.sandbox, &old.url, "new");
    let refused = refused.fails_with("knows 3 leaves; this directory holds 2, and to go on from");
    assert!(refused.stdout.contains("new: 2 leaves from"), "{}", refused.stdout);
    let told = restore(&network.sandbox, network.log_url(), "new").ok().stdout;
    assert!(told.contains("new: 3 leaves from"), "{told}");
    assert!(told.contains("2 of them from an earlier attempt"), "{told}");
}

#[test]
fn an_internal_endpoint_counts_as_one_that_was_compared_and_alone_it_is_not_enough() {
    let (mut network, _) = log_of(2);
    let internal = network.log.as_mut().unwrap().internal_url();
    network.sandbox.write("no-quorum", "quorum none\n");
    let mut args = arguments(&internal, "new");
    args[9] = "no-quorum";
    network.sandbox.run(&args).fails_with("nobody was asked: name the policy with the log's");
    assert!(network.sandbox.read("new/role").contains("follower"));
    let told = restore(&network.sandbox, &internal, "new").ok().stdout;
    assert!(told.contains("were compared; it was 1."), "{told}");
}

#[test]
fn the_directory_and_the_source_of_another_log_are_refused() {
    let (network, _) = log_of(2);
    let (other, _) = log_of(2);
    let refused = restore(&network.sandbox, other.log_url(), "new");
    refused.fails_with("is not signed with this log's key");
    let theirs = other.sandbox.arg("log");
    let refused = restore(&network.sandbox, network.log_url(), &theirs);
    refused.fails_with("is in use by another process");
    let mut other = other;
    other.log.take().unwrap().stop();
    let refused = restore(&network.sandbox, network.log_url(), &theirs);
    refused.fails_with("belongs to the log with key hash");
    let nobody = restore(&network.sandbox, "http://127.0.0.1:9", "new");
    nobody.fails_with("gives no signed tree head");
}

#[test]
fn leaves_that_are_not_those_of_the_head_are_refused() {
    let (network, _) = log_of(5);
    let log = network.log_url().to_owned();
    let liar = Fake::http(move |request| {
        let honest = pass(&log, request);
        if !request.path.starts_with("/get-leaves/") {
            return honest;
        }
        // Two leaves change places.
        let body = ask(&log, "GET", &request.path, b"").text();
        let mut lines: Vec<_> = body.lines().collect();
        let last = lines.len() - 1;
        lines.swap(0, last);
        answer(200, "", (lines.join("\n") + "\n").as_bytes())
    });
    let refused = restore(&network.sandbox, &liar.url(), "new");
    let refused = refused.fails_with("the leaves do not lead to the signed tree head of 5 leaves");
    refused.fails_with("hint: remove new, and restore from another node");
    // The honest source does not make such a directory good.
    let refused = restore(&network.sandbox, network.log_url(), "new");
    refused.fails_with("the leaves do not lead to the signed tree head of 5 leaves");
    let mut args = LOG_ARGS;
    args[3] = "new";
    network.sandbox.run(&args).fails_with("sigsum log promote");
}

#[test]
fn a_source_that_ends_early_is_not_taken_for_the_whole() {
    let (network, _) = log_of(5);
    let log = network.log_url().to_owned();
    let short = Fake::http(move |request| match request.path.as_str() {
        "/get-leaves/0/5" => {
            pass(&log, &crate::fake::Request { path: "/get-leaves/0/3".into(), ..request.clone() })
        }
        path if path.starts_with("/get-leaves/") => answer(500, "", b"no disk\n"),
        _ => pass(&log, request),
    });
    let refused = restore(&network.sandbox, &short.url(), "new");
    let refused = refused.fails_with("leaves from 3 on: ");
    refused.fails_with("hint: the same command goes on where it was cut short");
    let told = restore(&network.sandbox, network.log_url(), "new").ok().stdout;
    assert!(told.contains("3 of them from an earlier attempt"), "{told}");
}
