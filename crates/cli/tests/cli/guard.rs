//! A log that is started from a directory which is not the newest, as its operator meets it.

use crate::harness::{LOG_ARGS, Network, Sandbox, http};
use crate::leaf::add_leaf_request;
use crate::wire::try_ask;
use sigsum_core::wire::log::parse_tree_head;
use sigsum_keys::Ed25519Signer;
use std::process::Command;
use std::time::{Duration, Instant};

/// What a busy machine needs at most.
const LIMIT: Duration = Duration::from_secs(60);

/// Copies a directory as an operator would.
pub(crate) fn copy(sandbox: &Sandbox, from: &str, to: &str) {
    let status = Command::new("cp").arg("-a").args([sandbox.path(from), sandbox.path(to)]).status();
    assert!(status.unwrap().success());
}

/// Submits one more leaf and waits until a head covers it.
pub(crate) fn grow(url: &str, signer: &Ed25519Signer, number: u64) {
    let until = Instant::now() + LIMIT;
    let body = add_leaf_request(signer, number).to_body();
    while http(url, "POST", "/add-leaf", &body).0 != 200 || published(url) <= number {
        assert!(Instant::now() < until, "leaf {number} is not published");
        std::thread::yield_now();
    }
}

pub(crate) fn published(url: &str) -> u64 {
    let (_, body) = http(url, "GET", "/get-tree-head", b"");
    parse_tree_head(body.as_bytes()).map_or(0, |head| head.signed.tree_head.size.0)
}

#[test]
fn an_old_copy_ends_with_status_1_and_says_what_to_do() {
    let mut network = Network::start(1, 1);
    let signer = Ed25519Signer::generate().unwrap();
    grow(network.log_url(), &signer, 0);
    network.log.take().unwrap().stop();
    copy(&network.sandbox, "log", "old");
    network.start_log();
    grow(network.log_url(), &signer, 1);
    network.log.take().unwrap().stop();

    let mut args = LOG_ARGS;
    args[3] = "old";
    let head = network.sandbox.read("old/head");
    let refused = network.sandbox.run(&args);
    let witness = network.witnesses[0].url.strip_prefix("http://").unwrap();
    let refused = refused.fails_with(&format!(
        "witness {witness} knows this log with 2 leaves, this data directory with 1; to go on from \
         here would fork the log, so nothing was signed"
    ));
    let refused =
        refused.fails_with("hint: this directory is an old copy, or this node was replaced");
    assert!(refused.stderr.contains("take it out of the policy file"), "{}", refused.stderr);
    assert_eq!(network.sandbox.read("old/head"), head, "nothing was signed");

    // The newest directory goes on.
    network.start_log();
    grow(network.log_url(), &signer, 2);
}

#[test]
fn a_log_without_its_witnesses_serves_reads_and_goes_on_when_they_come() {
    let mut network = Network::start(1, 1);
    let signer = Ed25519Signer::generate().unwrap();
    grow(network.log_url(), &signer, 0);
    network.log.take().unwrap().stop();
    let witness = network.witnesses.remove(0);
    let address = witness.url.strip_prefix("http://").unwrap().to_owned();
    witness.kill();

    network.start_log();
    let log = network.log.as_mut().unwrap();
    let (url, internal) = (log.url.clone(), log.internal_url());
    assert_eq!(published(&url), 1);
    let body = add_leaf_request(&signer, 1).to_body();
    let answer = try_ask(&url, "POST", "/add-leaf", &body).unwrap();
    assert_eq!((answer.status, answer.field("retry-after")), (503, Some("5")), "{}", answer.text());
    let (code, ready) = http(&internal, "GET", "/readyz", b"");
    assert!(code == 503 && ready.contains("start guard: "), "{code} {ready}");
    let (_, metrics) = http(&internal, "GET", "/metrics", b"");
    assert!(metrics.contains("\nsigsum_log_start_guard_waiting 1\n"), "{metrics}");

    let args = ["witness", "run", "--data-dir", "w0", "-k", "w0-key", "--listen", &address];
    network.witnesses.push(network.sandbox.daemon(&args));
    grow(&url, &signer, 1);
}
