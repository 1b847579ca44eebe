//! What becomes of a backup that was taken under load: a primary, a follower, or the start of a
//! restored directory; and what it does not become.

use crate::copies::{Load, leaves_of, metric, until};
use crate::guard::{grow, published};
use crate::harness::{Daemon, LOG_ARGS, Network, Outcome, Sandbox, http};
use sigsum_core::wire::log::parse_signed_tree_head;
use sigsum_keys::Ed25519Signer;

/// Leaves that are answered 200 in each phase.
const PHASE: usize = 120;
const KEY: [&str; 2] = ["--key-file", "log-key.pub"];

fn backup(sandbox: &Sandbox, to: &str) -> Outcome {
    sandbox.run(&[&["log", "backup", "--data-dir", "log", "--to", to], &KEY[..]].concat())
}

fn promote(sandbox: &Sandbox, dir: &str) -> Outcome {
    sandbox.run(&["log", "promote", "--data-dir", dir, "--policy-file", "log-policy"])
}

/// Leaves in the tree of a directory that nobody has open.
fn size(sandbox: &Sandbox, dir: &str) -> u64 {
    let said = sandbox.run(&[&["log", "fsck", "--data-dir", dir], &KEY[..]].concat()).ok().stdout;
    let rest = said.split_once("leaves in the tree ").unwrap().1;
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

/// A follower from a directory, and its internal endpoint.
fn follow(sandbox: &Sandbox, dir: &str, primary: &str) -> (Daemon, String) {
    let endpoints = ["--external-endpoint", "127.0.0.1:0", "--internal-endpoint", "127.0.0.1:0"];
    let args = ["log", "secondary", "--data-dir", dir, "--key-file", "f-key"];
    let primary = ["--primary-url", primary, "--interval", "1s"];
    let mut daemon = sandbox.daemon(&[&args[..], &endpoints, &primary].concat());
    let internal = daemon.internal_url();
    (daemon, internal)
}

fn held(internal: &str) -> u64 {
    let body = http(internal, "GET", "/get-secondary-tree-head", b"").1;
    parse_signed_tree_head(body.as_bytes()).map_or(0, |head| head.tree_head.size.0)
}

/// A log under load, of which the backup `early` was taken, and another one that was brought up to
/// date; then everything is published.
struct Busy {
    network: Network,
    signer: Ed25519Signer,
    load: Load,
    internal: String,
}

impl Busy {
    fn start() -> Self {
        let mut network = Network::start(2, 2);
        let internal = network.log.as_mut().unwrap().internal_url();
        let (signer, load) = (Ed25519Signer::generate().unwrap(), Load::default());
        (0..2).for_each(|number| grow(network.log_url(), &signer, number));
        let sandbox = &network.sandbox;
        load.during(network.log_url(), &signer, || {
            load.more(PHASE);
            backup(sandbox, "early").ok();
            backup(sandbox, "late").ok();
            load.more(PHASE);
            backup(sandbox, "late").ok();
            load.more(PHASE);
        });
        let committed = || metric(&internal, "sigsum_log_committed_size").map(|size| size as u64);
        until("all is published", || Some(published(network.log_url())) == committed());
        sandbox.key("f-key");
        Self { network, signer, load, internal }
    }

    fn sandbox(&self) -> &Sandbox {
        &self.network.sandbox
    }
}

#[test]
fn a_backup_becomes_the_primary_where_it_has_all_that_was_signed_and_no_other_does() {
    let mut busy = Busy::start();
    busy.network.log.take().unwrap().kill();
    let (early, late) = (size(busy.sandbox(), "early"), size(busy.sandbox(), "late"));
    assert!(early < late, "{early} {late}");
    for (dir, size) in [("early", early), ("late", late)] {
        let holds = format!("this directory holds {size}, and to go on from it would fork the log");
        let refused = promote(busy.sandbox(), dir).fails_with(&holds);
        refused.fails_with("hint: find the newest directory there is");
    }
    // What is left of the primary's disk is enough.
    backup(busy.sandbox(), "late").ok();
    let told = promote(busy.sandbox(), "late").ok().stdout;
    assert!(told.contains("late is the primary's now"), "{told}");
    let mut args = LOG_ARGS;
    args[3] = "late";
    let mut log = busy.sandbox().daemon(&args);
    let internal = log.internal_url();
    let all = published(&log.url);
    busy.load.is_held_by(1, &[leaves_of(&internal, all)]);
    grow(&log.url, &busy.signer, all);
    promote(busy.sandbox(), "early").fails_with("would fork the log");
}

#[test]
fn a_follower_begins_with_what_a_backup_has() {
    let busy = Busy::start();
    let before = size(busy.sandbox(), "early");
    // Without its primary it has what the backup has.
    let (follower, internal) = follow(busy.sandbox(), "early", "http://127.0.0.1:9");
    assert_eq!(held(&internal), before);
    assert_eq!(leaves_of(&internal, before), leaves_of(&busy.internal, before));
    follower.stop();
    let (follower, internal) = follow(busy.sandbox(), "early", &busy.internal);
    let all = published(busy.network.log_url());
    until("the follower has all", || held(&internal) == all);
    busy.load.is_held_by(1, &[leaves_of(&internal, all)]);
    // It is in use: no backup goes there, and nothing is promoted under it.
    backup(busy.sandbox(), "early").fails_with("is in use by another process");
    promote(busy.sandbox(), "early").fails_with("is in use by another process");
    // A primary is restored from it.
    let restore = ["log", "restore", "--from", &internal, "--data-dir", "new"];
    let more = [&restore[..], &KEY, &["--policy-file", "log-policy"]].concat();
    let told = busy.sandbox().run(&more).ok().stdout;
    assert!(told.contains(&format!("new: {all} leaves from http://")), "{told}");
    follower.stop();
}

#[test]
fn a_restored_directory_begins_with_what_a_backup_has_and_a_directory_is_no_source() {
    let busy = Busy::start();
    let before = size(busy.sandbox(), "early");
    let restore = |from: &str, dir: &str| {
        let args = ["log", "restore", "--from", from, "--data-dir", dir];
        busy.sandbox().run(&[&args[..], &KEY, &["--policy-file", "log-policy"]].concat())
    };
    let refused = restore("late", "new").fails_with("--from: late is a directory, not a URL");
    refused.fails_with("hint: a backup is a follower's directory: `sigsum log promote");
    let told = restore(&busy.internal, "early").ok().stdout;
    assert!(told.contains(&format!("{before} of them from an earlier attempt")), "{told}");
    assert!(told.contains("early is the primary's now"), "{told}");
    assert_eq!(size(busy.sandbox(), "early"), published(busy.network.log_url()));
    // From then on it is no copy any more.
    backup(busy.sandbox(), "early").fails_with("early holds a primary's directory, and no copy");
}
