//! Metrics of a running log and a running witness, compared with their document.

use crate::copies::Replicated;
use crate::documents::document;
use crate::harness::{Network, http};
use sigsum_keys::Ed25519Signer;
use std::collections::{BTreeMap, BTreeSet};

/// What a log without TLS does not have; with TLS it is looked at where that is tested.
const WITH_TLS: [&str; 3] = [
    "sigsum_log_tls_certificate_expiry_time_seconds",
    "sigsum_log_acme_failing",
    "sigsum_log_acme_orders_total",
];

/// Names and kinds of the page of metrics.
fn shown(internal_url: &str) -> BTreeMap<String, String> {
    let (code, page) = http(internal_url, "GET", "/metrics", b"");
    assert_eq!(code, 200, "{page}");
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let pair = |line: &str| line.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned()));
    types.filter_map(pair).collect()
}

/// Names of a section's table, each with the cell behind it.
fn documented(heading: &str) -> BTreeMap<String, String> {
    let text = document("docs/metrics.md");
    let section = text.split(heading).nth(1).unwrap().split("\n## ").next().unwrap();
    let mut found = BTreeMap::new();
    for row in section.lines().filter_map(|line| line.strip_prefix("| `")) {
        let mut cells = row.split(" | ");
        let (names, second) = (cells.next().unwrap(), cells.next().unwrap());
        for name in names.split('`').step_by(2).filter(|name| !name.is_empty()) {
            found.insert(name.to_owned(), second.to_owned());
        }
    }
    found
}

/// The page shows what the section and that of the process list, and nothing else.
fn compare(page: &BTreeMap<String, String>, heading: &str) {
    let (own, process) = (documented(heading), documented("\n## Process\n"));
    for (name, kind) in page {
        match own.get(name) {
            Some(listed) => assert_eq!(listed, kind, "{name}"),
            None => assert!(process.contains_key(name), "docs/metrics.md lacks {name}"),
        }
    }
    for name in own.keys().chain(process.keys()) {
        let is_there = page.contains_key(name) || WITH_TLS.contains(&name.as_str());
        assert!(is_there, "{name} of docs/metrics.md is not shown");
    }
}

#[test]
fn the_metrics_of_a_log_are_those_of_the_document() {
    let mut network = Network::start(1, 1);
    network.sandbox.key("k");
    let submit = ["submit", "-p", "policy", "-k", "k", "-o", "p"];
    network.sandbox.run_with(&submit, b"data").ok();
    let mut page = shown(&network.log.as_mut().unwrap().internal_url());
    // What is told of followers, by a log that has some.
    let log = Replicated::start(1, 1);
    log.settle(&Ed25519Signer::generate().unwrap(), 0);
    page.append(&mut shown(&log.internal_url));
    compare(&page, "\n## Log\n");
}

#[test]
fn the_metrics_of_a_follower_are_those_of_the_document() {
    let log = Replicated::start(1, 1);
    log.settle(&Ed25519Signer::generate().unwrap(), 0);
    compare(&shown(&log.copies[0].internal_url), "\n## Follower\n");
}

#[test]
fn the_metrics_of_a_witness_are_those_of_the_document() {
    let mut network = Network::start(1, 1);
    network.witnesses.remove(0).stop();
    let mut witness = network.sandbox.daemon(&[
        "witness",
        "run",
        "--data-dir",
        "w0",
        "-k",
        "w0-key",
        "--listen",
        "127.0.0.1:0",
        "--internal-listen",
        "127.0.0.1:0",
    ]);
    assert_eq!(http(&witness.url, "POST", "/add-checkpoint", b"").0, 400);
    compare(&shown(&witness.internal_url()), "\n## Witness\n");
}

/// All names of the document's tables.
pub(crate) fn documented_everywhere() -> BTreeSet<String> {
    let sections =
        ["\n## Log\n", "\n## Follower\n", "\n## Witness\n", "\n## Probe\n", "\n## Process\n"];
    sections.into_iter().flat_map(|heading| documented(heading).into_keys()).collect()
}

#[test]
fn the_metrics_of_a_probe_are_those_of_the_document() {
    let network = Network::start(1, 1);
    network.sandbox.run_with(&["key", "generate", "-o", "k"], b"").ok();
    network.sandbox.run_with(&["submit", "-p", "policy", "-k", "k", "-o", "p"], b"data").ok();
    let args = ["probe", "-p", "policy", "--interval", "1h", "--listen", "127.0.0.1:0"];
    let probe = network.sandbox.daemon(&args);
    crate::probe::until(|| shown(&probe.url).contains_key("sigsum_probe_step_seconds"));
    compare(&shown(&probe.url), "\n## Probe\n");
}

#[test]
fn every_metric_in_the_text_is_in_a_table() {
    let text = document("docs/metrics.md");
    let known = documented_everywhere();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_name = |word: &&str| {
        (word.starts_with("sigsum_") || word.starts_with("process_")) && !word.ends_with('_')
    };
    for word in words.filter(is_name) {
        assert!(known.contains(word), "{word}");
    }
}
