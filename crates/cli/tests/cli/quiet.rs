//! How much a healthy log and witness write into their own logs: a line for what changes, none for
//! what is as it should be.

use crate::harness::{Daemon, LOG_ARGS, Network, http};
use crate::leaf::add_leaf_request;
use crate::probe::until;
use crate::wire::ask;
use sigsum_keys::Ed25519Signer;

/// What an hour may bring, and no operator reads with pleasure.
const HOUR_LIMIT_BYTES: usize = 1_000_000;
/// Heads in an hour of a log that refreshes every ten seconds.
const HEADS_IN_AN_HOUR: usize = 360;

fn number(internal: &str, metric: &str) -> u64 {
    let page = http(internal, "GET", "/metrics", b"").1;
    let line = page.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    line.map_or(0, |number| number.trim().parse().unwrap())
}

/// Requests of all statuses that this log sent to its witnesses.
fn asked(internal: &str) -> u64 {
    let page = http(internal, "GET", "/metrics", b"").1;
    let name = "sigsum_log_go_witness_checkpoint_requests_total{";
    let lines = page.lines().filter(|line| line.starts_with(name));
    lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

/// The lines of a program's log behind its first so many.
fn said(daemon: Daemon) -> Vec<String> {
    daemon.stop().lines().map(str::to_owned).collect()
}

#[test]
fn an_hour_of_a_healthy_log_has_no_error_and_few_lines() {
    let mut network = Network::start(2, 2);
    network.log.take().unwrap().stop();
    // Many rounds in a short time: as many as 20 milliseconds between heads give.
    let mut args: Vec<&str> = LOG_ARGS.to_vec();
    args.extend(["--interval", "100ms", "--min-interval", "20ms", "--timeout", "10s"]);
    let mut log = network.sandbox.daemon(&args);
    let internal = log.internal_url();
    let signer = Ed25519Signer::generate().unwrap();
    let mut leaves = 0;
    until(|| {
        let body = add_leaf_request(&signer, leaves).to_body();
        let status = ask(&log.url, "POST", "/add-leaf", &body).status;
        assert!([200, 202].contains(&status), "{status}");
        leaves += 1;
        number(&internal, "sigsum_log_go_witness_quorum_total{status=\"true\"}") >= 50
    });
    until(|| number(&internal, "sigsum_log_published_size") == leaves);
    let rounds = asked(&internal) as usize / 2;
    assert!(rounds >= 50, "{rounds}");
    let before: Vec<String> = log.said.lines().map(str::to_owned).collect();
    let lines: Vec<String> = before.into_iter().chain(said(log)).collect();
    check("log", &lines, rounds);
    for witness in network.witnesses.drain(..) {
        let before: Vec<String> = witness.said.lines().map(str::to_owned).collect();
        let lines: Vec<String> = before.into_iter().chain(said(witness)).collect();
        check("witness", &lines, rounds);
    }
}

/// No error or warning but those of a start; and what was said for these rounds is, for the rounds
/// of an hour, below the limit.
#[track_caller]
fn check(who: &str, lines: &[String], rounds: usize) {
    let errors: Vec<&String> = lines.iter().filter(|line| line.contains("[ERRO]")).collect();
    assert!(errors.is_empty(), "{who}: {errors:?}");
    let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
    let an_hour = bytes * HEADS_IN_AN_HOUR / rounds;
    assert!(an_hour < HOUR_LIMIT_BYTES, "{who}: {an_hour} bytes an hour: {lines:?}");
    // What is said at start and end, and once for each witness; nothing for a head or a leaf.
    assert!(lines.len() < 20, "{who}: {} lines for {rounds} heads: {lines:?}", lines.len());
}
