//! Closing a log: a last head with a quorum, then read only for good.

use crate::harness::{Daemon, LOG_ARGS, Network, http};
use crate::probe::until;
use std::path::Path;

const FREEZE: [&str; 7] =
    ["log", "freeze", "--data-dir", "log", "--key-file", "log-key.pub", "--for-good"];

const BACKUP: [&str; 8] =
    ["log", "backup", "--data-dir", "log", "--to", "saved", "--key-file", "log-key.pub"];

/// A network whose log has two leaves, the second perhaps not published.
fn network() -> Network {
    let network = Network::start(2, 2);
    network.sandbox.key("k");
    network.sandbox.run_with(&["submit", "-p", "policy", "-k", "k", "-o", "p"], b"first").ok();
    network
}

/// add-leaf of this data.
fn add(network: &Network, url: &str, data: &[u8]) -> (u16, String) {
    let request = network.sandbox.run_with(&["submit", "-k", "k"], data).ok().stdout;
    http(url, "POST", "/add-leaf", request.as_bytes())
}

fn size(url: &str) -> String {
    let (_, head) = http(url, "GET", "/get-tree-head", b"");
    head.lines().next().unwrap_or_default().to_owned()
}

fn stage(internal: &str) -> serde_json::Value {
    let (code, status) = http(internal, "GET", "/status.json", b"");
    assert_eq!(code, 200, "{status}");
    serde_json::from_str::<serde_json::Value>(&status).unwrap()["stage"].clone()
}

/// The log's files but those that say nothing: the lock.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

#[test]
fn a_closed_log_publishes_all_it_took_and_is_read_only_for_good() {
    let mut network = network();
    let running = network.sandbox.run(&FREEZE);
    running.fails_with("in use by another process");
    // A leaf that is acknowledged and not published: no witness answers when it comes.
    let urls: Vec<String> = network.witnesses.iter().map(|w| w.url.clone()).collect();
    network.witnesses.drain(..).for_each(|witness| drop(witness.stop()));
    assert_eq!(add(&network, network.log_url(), b"second").0, 202, "a tree of one leaf is served");
    network.log.take().unwrap().kill();

    network.sandbox.run(&FREEZE[..6]).fails_with("--for-good");
    let said = network.sandbox.run(&FREEZE).ok().stdout;
    assert!(said.contains("log is closed, with 2 leaves."), "{said}");
    assert!(network.sandbox.run(&FREEZE).ok().stdout.contains("closed already"));
    // Not before its last head is out: until then a follower may have to finish this.
    let said = network.sandbox.run(&BACKUP).ok().stdout;
    assert!(!said.contains("closed"), "{said}");
    assert!(network.sandbox.read("saved/role").contains("role=follower\n"));

    // Without its witnesses it cannot publish its last head, takes no leaf, and says so.
    let mut log = network.sandbox.daemon(&LOG_ARGS);
    let internal = log.internal_url();
    assert_eq!(stage(&internal), "closing");
    assert_eq!(size(&log.url), "size=1");
    log.kill();
    // It has them again; what was taken is published, and then nothing more is done.
    network.witnesses = urls.iter().enumerate().map(|(n, url)| witness(&network, n, url)).collect();
    let mut log = network.sandbox.daemon(&LOG_ARGS);
    let internal = log.internal_url();
    until(|| stage(&internal) == "closed");
    assert_eq!(size(&log.url), "size=2");
    let head = http(&log.url, "GET", "/get-tree-head", b"").1;
    assert_eq!(head.matches("cosignature=").count(), 2, "{head}");
    let (code, text) = add(&network, &log.url, b"third");
    assert_eq!(code, 403, "{text}");
    assert!(text.contains("closed for good"), "{text}");
    assert_eq!(add(&network, &log.url, b"second").0, 200, "what it has it has");
    assert_eq!(http(&internal, "GET", "/readyz", b"").0, 200);
    assert!(http(&internal, "GET", "/metrics", b"").1.contains("sigsum_log_frozen 1\n"));
    assert!(http(&log.url, "GET", "/", b"").1.contains("This log is closed for good"));
    assert!(http(&internal, "GET", "/status", b"").1.contains("The log is closed"));
    log.stop();

    // From then on it needs neither key nor witnesses, and stays as it is.
    std::fs::remove_file(network.sandbox.path("log-key")).unwrap();
    network.witnesses.drain(..).for_each(|witness| drop(witness.stop()));
    let mut args = LOG_ARGS;
    args[5] = "log-key.pub";
    for _ in 0..2 {
        let mut log = network.sandbox.daemon(&args);
        let internal = log.internal_url();
        until(|| stage(&internal) == "closed");
        assert_eq!(http(&log.url, "GET", "/get-tree-head", b"").1, head);
        assert_eq!(add(&network, &log.url, b"third").0, 403);
        assert_eq!(http(&log.url, "GET", "/get-leaves/0/2", b"").0, 200);
        assert_eq!(http(&internal, "GET", "/readyz", b"").0, 200);
        log.kill();
    }
    // Submitters are told, and go to another log where there is one.
    let log = network.sandbox.daemon(&args);
    let policy = network.sandbox.read("log-policy");
    let rest = policy.split_once('\n').unwrap().1;
    let hex = network.sandbox.key_hex("log-key");
    network.sandbox.write("policy", format!("log {hex} {}\n{rest}", log.url));
    let submit = ["submit", "-t", "50s", "-p", "policy", "-k", "k", "-o", "q"];
    network.sandbox.run_with(&submit, b"fourth").fails_with("this log is closed for good");
}

fn witness(network: &Network, n: usize, url: &str) -> Daemon {
    let (key, dir) = (format!("w{n}-key"), format!("w{n}"));
    let address = url.strip_prefix("http://").unwrap();
    network.sandbox.daemon(&["witness", "run", "--data-dir", &dir, "-k", &key, "--listen", address])
}

#[test]
fn a_log_that_is_killed_while_it_closes_closes_at_the_next_start() {
    let mut network = network();
    network.sandbox.run_with(&["submit", "-p", "policy", "-k", "k", "-o", "q"], b"second").ok();
    let url = network.log_url().to_owned();
    for number in 0..20u8 {
        assert_eq!(add(&network, &url, &[number]).0, 200);
    }
    network.log.take().unwrap().kill();
    // The mark is one file that is replaced as a whole: there before or not.
    copy(&network.sandbox.path("log"), &network.sandbox.path("before"));
    network.sandbox.run(&FREEZE).ok();
    let changed: Vec<String> = std::fs::read_dir(network.sandbox.path("log"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !network.sandbox.path("before").join(name).exists())
        .collect();
    assert_eq!(changed, ["role"]);
    // Killed at any moment of its last round, it goes on with that.
    for moment_ms in [0, 5, 20, 50, 100] {
        let log = network.sandbox.daemon(&LOG_ARGS);
        std::thread::park_timeout(std::time::Duration::from_millis(moment_ms));
        // 503 where it has not yet heard from its witnesses.
        assert!([403, 503].contains(&add(&network, &log.url, b"late").0));
        log.kill();
    }
    let mut log = network.sandbox.daemon(&LOG_ARGS);
    let internal = log.internal_url();
    until(|| stage(&internal) == "closed");
    assert_eq!(size(&log.url), "size=22");
    log.stop();
    let fsck = ["log", "fsck", "--data-dir", "log", "--key-file", "log-key.pub"];
    network.sandbox.run(&fsck).ok();
}

/// A network whose log is closed, and stopped.
fn closed() -> Network {
    let mut network = network();
    network.log.take().unwrap().stop();
    network.sandbox.run(&FREEZE).ok();
    let mut log = network.sandbox.daemon(&LOG_ARGS);
    let internal = log.internal_url();
    until(|| stage(&internal) == "closed");
    log.stop();
    network
}

#[test]
fn a_copy_of_a_closed_log_is_served_and_never_a_primary_again() {
    let network = closed();
    let sandbox = &network.sandbox;
    crate::guard::copy(sandbox, "log", "copied");
    for _ in 0..2 {
        let said = sandbox.run(&BACKUP).ok().stdout;
        assert!(said.contains("the log is closed for good, and so is this copy"), "{said}");
    }
    let remedy = "hint: nothing comes after its last head, so any copy of the directory will do";
    for dir in ["log", "copied", "saved"] {
        let role = sandbox.read(&format!("{dir}/role"));
        let promote = ["log", "promote", "--data-dir", dir, "--policy-file", "log-policy"];
        for more in [&[][..], &["--accept-unreachable"]] {
            let refused = sandbox.run(&[&promote[..], more].concat());
            refused.fails_with("this log is closed for good, and to promote it").fails_with(remedy);
        }
        let key = ["--key-file", "log-key.pub", "--policy-file", "log-policy"];
        let restore = ["log", "restore", "--from", "http://127.0.0.1:9", "--data-dir", dir];
        let refused = sandbox.run(&[&restore[..], &key].concat());
        refused.fails_with("this log is closed for good, and to restore").fails_with(remedy);
        let follow = ["log", "secondary", "--data-dir", dir, "--key-file", "k"];
        let refused =
            sandbox.run(&[&follow[..], &["--primary-url", "http://127.0.0.1:9"]].concat());
        refused.fails_with("is closed for good: there is nothing to follow").fails_with(remedy);
        sandbox.run(&["log", "fsck", "--data-dir", dir, "--key-file", "log-key.pub"]).ok();
        assert_eq!(sandbox.read(&format!("{dir}/role")), role);
    }
    let mut args = LOG_ARGS;
    (args[3], args[5]) = ("saved", "log-key.pub");
    let mut log = sandbox.daemon(&args);
    let internal = log.internal_url();
    until(|| stage(&internal) == "closed");
    assert_eq!(size(&log.url), "size=1");
    assert_eq!(add(&network, &log.url, b"late").0, 403);
}

#[test]
fn a_followers_directory_is_not_closed() {
    let network = Network::start(0, 0);
    let init = ["log", "init", "--follower", "--data-dir", "copy", "--key-file", "log-key.pub"];
    network.sandbox.run(&init).ok();
    let mut freeze = FREEZE;
    freeze[3] = "copy";
    network.sandbox.run(&freeze).fails_with("is a follower's");
}
