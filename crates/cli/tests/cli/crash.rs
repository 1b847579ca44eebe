//! `kill -9` at random moments under load: nothing that was acknowledged is lost, nothing that was
//! served is contradicted. `cargo xtask soak` does the same for longer.

use crate::harness::{Network, http};
use sigsum_core::leaf::leaf_signing_bytes;
use sigsum_core::wire::log::{AddLeafRequest, parse_tree_head};
use sigsum_core::{Hash, Message, TreeHead};
use sigsum_keys::Ed25519Signer;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
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

fn request(signer: &Ed25519Signer, number: u64) -> AddLeafRequest {
    let message = Message::of_data(&number.to_be_bytes());
    let signature = signer.sign_now(&leaf_signing_bytes(&message.checksum()));
    AddLeafRequest { message, signature, public_key: signer.public_key() }
}

/// The log may vanish in the middle of an answer, so failures are expected here.
fn try_http(url: &str, method: &str, path: &str, body: &[u8]) -> Option<(u16, String)> {
    let (url, method, path, body) =
        (url.to_owned(), method.to_owned(), path.to_owned(), body.to_vec());
    std::panic::catch_unwind(move || http(&url, &method, &path, &body)).ok()
}

fn submit_until_stopped(url: &str, signer: &Ed25519Signer, seen: &Seen) {
    while !seen.stop.load(Ordering::SeqCst) {
        let request = request(signer, seen.next.fetch_add(1, Ordering::SeqCst));
        let Some((200, _)) = try_http(url, "POST", "/add-leaf", &request.to_body()) else {
            continue;
        };
        seen.acknowledged.lock().unwrap().push(request.leaf().hash());
    }
}

fn watch_until_stopped(url: &str, seen: &Seen) {
    while !seen.stop.load(Ordering::SeqCst) {
        let Some((200, body)) = try_http(url, "GET", "/get-tree-head", b"") else { continue };
        let Ok(head) = parse_tree_head(body.as_bytes()) else { continue };
        assert!(!head.cosignatures().is_empty() || head.signed.tree_head.size.0 == 0, "{body}");
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
    std::panic::set_hook(Box::new(|_| {})); // expected failures of clients say nothing
    let mut network = Network::start(1, 1);
    let signer = Ed25519Signer::generate().unwrap();
    let seen = Arc::new(Seen::default());
    for kill in 0..KILLS {
        seen.stop.store(false, Ordering::SeqCst);
        let url = network.log_url().to_owned();
        std::thread::scope(|scope| {
            for _ in 0..SUBMITTERS {
                scope.spawn(|| submit_until_stopped(&url, &signer, &seen));
            }
            scope.spawn(|| watch_until_stopped(&url, &seen));
            // Not a wait for anything: the moment of the crash is what the test varies.
            std::thread::park_timeout(Duration::from_millis(60 + u64::from(kill) * 37));
            network.log.take().unwrap().kill();
            seen.stop.store(true, Ordering::SeqCst);
        });
        network.start_log();
    }
    let _ = std::panic::take_hook();
    let acknowledged = seen.acknowledged.lock().unwrap();
    assert!(!acknowledged.is_empty());
    let size = wait_until_published(network.log_url(), &acknowledged);
    let hashes = all_leaf_hashes(network.log_url(), size);
    for leaf_hash in acknowledged.iter() {
        assert!(hashes.contains(leaf_hash), "an acknowledged leaf is missing");
    }
    for head in seen.heads.lock().unwrap().iter() {
        let mut range = sigsum_core::merkle::CompactRange::new();
        range.append_many(hashes.iter().take(head.size.0 as usize).copied());
        assert_eq!(range.tree_head(), *head, "a head that was served is contradicted");
    }
}

/// Submits nothing more and waits until the published tree has everything acknowledged.
fn wait_until_published(url: &str, acknowledged: &[Hash]) -> u64 {
    for _ in 0..600 {
        let (_, body) = http(url, "GET", "/get-tree-head", b"");
        let size = parse_tree_head(body.as_bytes()).unwrap().signed.tree_head.size.0;
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
