//! `kill -9` at random moments under load: nothing that was acknowledged is lost, nothing that was
//! served is contradicted. `cargo xtask soak` does the same for longer.

use crate::harness::{LOG_ARGS, Network, Sandbox, http};
use crate::leaf::add_leaf_request;
use crate::wire::try_ask;
use sigsum_core::wire::log::parse_tree_head;
use sigsum_core::{Hash, TreeHead};
use sigsum_keys::Ed25519Signer;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How often the log is killed here.
const KILLS: u32 = 8;
/// Connections that submit at once.
const SUBMITTERS: usize = 4;

/// What clients have seen.
#[derive(Default)]
struct Seen {
    acknowledged: Mutex<Vec<Hash>>,
    heads: Mutex<Vec<TreeHead>>,
    next: AtomicU64,
    stop: AtomicBool,
}

impl Seen {
    /// The log has all that it acknowledged, and its tree contradicts no head that it served.
    #[track_caller]
    fn is_kept_by(&self, url: &str) {
        let acknowledged = self.acknowledged.lock().unwrap();
        assert!(!acknowledged.is_empty());
        let size = wait_until_published(url, &acknowledged);
        let hashes = all_leaf_hashes(url, size);
        for leaf_hash in acknowledged.iter() {
            assert!(hashes.contains(leaf_hash), "an acknowledged leaf is missing");
        }
        for head in self.heads.lock().unwrap().iter() {
            let mut range = sigsum_core::merkle::CompactRange::new();
            range.append_many(hashes.iter().take(head.size.0 as usize).copied());
            assert_eq!(range.tree_head(), *head, "a head that was served is contradicted");
        }
    }

    /// Submits and watches while something is done to the log.
    fn under_load<T>(&self, url: &str, signer: &Ed25519Signer, act: impl FnOnce() -> T) -> T {
        self.stop.store(false, Ordering::SeqCst);
        std::thread::scope(|scope| {
            for _ in 0..SUBMITTERS {
                scope.spawn(|| submit_until_stopped(url, signer, self));
            }
            scope.spawn(|| watch_until_stopped(url, self));
            let done = act();
            self.stop.store(true, Ordering::SeqCst);
            done
        })
    }
}

fn submit_until_stopped(url: &str, signer: &Ed25519Signer, seen: &Seen) {
    while !seen.stop.load(Ordering::SeqCst) {
        let request = add_leaf_request(signer, seen.next.fetch_add(1, Ordering::SeqCst));
        let answer = try_ask(url, "POST", "/add-leaf", &request.to_body());
        if answer.is_some_and(|answer| answer.status == 200) {
            seen.acknowledged.lock().unwrap().push(request.leaf().hash());
        }
    }
}

fn watch_until_stopped(url: &str, seen: &Seen) {
    while !seen.stop.load(Ordering::SeqCst) {
        let Some(answer) = try_ask(url, "GET", "/get-tree-head", b"") else { continue };
        if answer.status != 200 {
            continue;
        }
        let head = parse_tree_head(&answer.body).unwrap();
        assert!(!head.cosignatures().is_empty(), "{}", answer.text());
        let mut heads = seen.heads.lock().unwrap();
        if heads.last() != Some(&head.signed.tree_head) {
            heads.push(head.signed.tree_head);
        }
    }
}

/// All leaf hashes of the log, in order, read over HTTP.
fn all_leaf_hashes(url: &str, size: u64) -> Vec<Hash> {
    let mut out = Vec::new();
    while (out.len() as u64) < size {
        let path = format!("/get-leaves/{}/{}", out.len(), size);
        let (code, body) = http(url, "GET", &path, b"");
        assert_eq!(code, 200, "{body}");
        let leaves = sigsum_core::wire::log::parse_leaves(body.as_bytes(), 1 << 20).unwrap();
        out.extend(leaves.iter().map(sigsum_core::Leaf::hash));
    }
    out
}

#[test]
fn a_log_killed_under_load_keeps_its_word() {
    let mut network = Network::start(1, 1);
    let signer = Ed25519Signer::generate().unwrap();
    let seen = Seen::default();
    for kill in 0..KILLS {
        let url = network.log_url().to_owned();
        seen.under_load(&url, &signer, || {
            // Not a wait for anything: the moment of the crash is what the test varies.
            std::thread::park_timeout(Duration::from_millis(60 + u64::from(kill) * 37));
            network.log.take().unwrap().kill();
        });
        network.start_log();
    }
    seen.is_kept_by(network.log_url());
}

/// Submits nothing more and waits until the published tree has everything acknowledged.
fn wait_until_published(url: &str, acknowledged: &[Hash]) -> u64 {
    for _ in 0..600 {
        // 503 as long as no head has been cosigned.
        let (_, body) = http(url, "GET", "/get-tree-head", b"");
        let head = parse_tree_head(body.as_bytes());
        let size = head.map_or(0, |head| head.signed.tree_head.size.0);
        if size >= acknowledged.len() as u64 {
            let hashes = all_leaf_hashes(url, size);
            if acknowledged.iter().all(|hash| hashes.contains(hash)) {
                return size;
            }
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    panic!("the acknowledged leaves were not published");
}

#[test]
fn sigterm_under_load_loses_nothing_and_ends_well() {
    let mut network = Network::start(1, 1);
    let signer = Ed25519Signer::generate().unwrap();
    let seen = Seen::default();
    for round in 0..3 {
        let url = network.log_url().to_owned();
        seen.under_load(&url, &signer, || {
            std::thread::park_timeout(Duration::from_millis(100 + round * 60));
            network.log.take().unwrap().stop();
        });
        network.start_log();
    }
    seen.is_kept_by(network.log_url());
}

#[test]
fn a_log_killed_while_it_stops_keeps_its_word() {
    let mut network = Network::start(1, 1);
    let signer = Ed25519Signer::generate().unwrap();
    let seen = Seen::default();
    for round in 0..5 {
        let url = network.log_url().to_owned();
        seen.under_load(&url, &signer, || {
            std::thread::park_timeout(Duration::from_millis(60));
            let log = network.log.take().unwrap();
            log.terminate();
            std::thread::park_timeout(Duration::from_millis(round));
            log.kill();
        });
        network.start_log();
    }
    seen.is_kept_by(network.log_url());
}

#[test]
fn a_log_killed_while_it_starts_serves_the_same_head_in_the_end() {
    let mut network = Network::start(1, 1);
    let signer = Ed25519Signer::generate().unwrap();
    let seen = Seen::default();
    let url = network.log_url().to_owned();
    seen.under_load(&url, &signer, || std::thread::park_timeout(Duration::from_millis(300)));
    network.log.take().unwrap().kill();
    for round in 0..20 {
        let mut command = network.sandbox.command(&LOG_ARGS);
        let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::park_timeout(Duration::from_millis(round * 4));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    network.start_log();
    seen.is_kept_by(network.log_url());
}

#[test]
fn a_directory_whose_making_was_killed_is_whole_or_can_be_made_again() {
    let sandbox = Sandbox::new();
    sandbox.key("log-key");
    sandbox.write("log-policy", "quorum none\n");
    let init = ["log", "init", "--data-dir", "log", "--key-file", "log-key"];
    for round in 0..15 {
        let mut command = sandbox.command(&init);
        let null = std::process::Stdio::null;
        let mut child = command.stdout(null()).stderr(null()).spawn().unwrap();
        std::thread::park_timeout(Duration::from_micros(round * 700));
        child.kill().unwrap();
        child.wait().unwrap();
        let _ = sandbox.run(&init); // says so where it was whole
        let log = sandbox.daemon(&LOG_ARGS);
        log.stop();
        std::fs::remove_dir_all(sandbox.path("log")).unwrap();
    }
}
