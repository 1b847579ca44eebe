//! Our secondary behind sigsum-log-primary, and sigsum-log-secondary behind ours.

use crate::go_rig::{GoRig, leaf};
use crate::harness::{Daemon, Sandbox};
use crate::heads::{PATIENCE, get, request};
use crate::peers::{PeerDaemon, free_address, peer, peer_command};
use crate::trillian::Trillian;
use sigsum_core::Leaf;
use sigsum_core::wire::log::{parse_leaves, parse_tree_head};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < limit, "not within {} s: {what}", PATIENCE.as_secs());
        std::thread::park_timeout(LOOK_INTERVAL);
    }
}

pub(crate) fn metric(internal_url: &str, name: &str) -> Option<f64> {
    let (_, page) = get(internal_url, "/metrics")?;
    let page = String::from_utf8(page).unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok())
}

/// The first leaves of what a node shows.
#[track_caller]
pub(crate) fn leaves(url: &str, count: usize) -> Vec<Leaf> {
    let mut found: Vec<Leaf> = Vec::new();
    while found.len() < count {
        let (status, body) = get(url, &format!("/get-leaves/{}/{count}", found.len())).unwrap();
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        found.extend(parse_leaves(&body, count).unwrap());
    }
    found
}

/// The log of others with our secondary behind it, which every leaf waits for.
struct BehindGo {
    rig: GoRig,
    internal: SocketAddr,
    secondary: Option<Daemon>,
}

impl BehindGo {
    fn start(sandbox: Sandbox, options: &[&str]) -> Option<Self> {
        let internal = free_address();
        let url = format!("http://{internal}");
        let followed = ["--secondary-url", &url, "--secondary-pubkey-file", "copy-key.pub"];
        let options = [options, &followed, &["--interval", "1s"]].concat();
        sandbox.key("copy-key");
        let rig = GoRig::prepared_in(sandbox, &options)?.started();
        let init = ["log", "init", "--follower", "--data-dir", "copy", "--key-file", "log-key.pub"];
        rig.sandbox.run(&init).ok();
        let mut started = Self { rig, internal, secondary: None };
        started.start_secondary();
        Some(started)
    }

    fn start_secondary(&mut self) {
        let (primary, external) = (self.rig.internal_url(), self.rig.url());
        let endpoint = self.internal.to_string();
        let args = ["log", "secondary", "--data-dir", "copy", "--key-file", "copy-key"];
        let urls = ["--primary-url", &primary, "--primary-external-url", &external];
        let endpoints = ["--external-endpoint", "127.0.0.1:0", "--internal-endpoint", &endpoint];
        let all = [&args[..], &urls, &endpoints, &["--interval", "1s"]].concat();
        self.secondary = Some(self.rig.sandbox.daemon(&all));
    }

    /// Adds leaves until there are so many, and compares what both sides have.
    #[track_caller]
    fn grow(&self, from: u64, to: u64) {
        for number in from..to {
            self.rig.add_leaf("tree", number);
        }
        self.rig.observer.cosigned(to);
        let url = format!("http://{}", self.internal);
        until("our secondary verified the head", || {
            metric(&url, "sigsum_secondary_verified_size") == Some(to as f64)
        });
        let count = usize::try_from(to).unwrap();
        assert_eq!(leaves(&url, count), leaves(&self.rig.url(), count));
    }

    /// The log goes on with it, also after it was killed.
    fn goes_on_with_us(mut self) {
        self.grow(0, 130);
        self.secondary.take().unwrap().kill();
        for number in 130..140 {
            self.rig.add_leaf("tree", number);
        }
        self.start_secondary();
        self.grow(140, 150);
        let said = self.secondary.take().unwrap().stop();
        assert!(!said.contains("[ERRO]"), "{said}");
    }
}

#[test]
fn our_secondary_follows_sigsum_log_primary() {
    let Some(log) = BehindGo::start(Sandbox::new(), &["--backend", "ephemeral"]) else { return };
    log.goes_on_with_us();
}

#[test]
fn our_secondary_follows_sigsum_log_primary_on_trillian() {
    // Looked for first, as the rest takes long to start.
    let Some(_) = peer("sigsum-log-primary") else { return };
    let sandbox = Sandbox::new();
    let Some(trillian) = Trillian::start(&sandbox) else { return };
    let options = ["--trillian-rpc-server", &trillian.rpc, "--trillian-tree-id-file", "tree-id"];
    let Some(log) = BehindGo::start(sandbox, &options) else { return };
    log.goes_on_with_us();
}

/// Our log with the secondary of others behind it.
struct BehindOurs {
    sandbox: Sandbox,
    program: PathBuf,
    primary: Daemon,
    primary_url: String,
    internal: SocketAddr,
    secondary: Option<PeerDaemon>,
}

impl BehindOurs {
    fn start() -> Option<Self> {
        let program = peer("sigsum-log-secondary")?;
        let sandbox = Sandbox::new();
        ["log-key", "copy-key"].into_iter().for_each(|key| sandbox.key(key));
        sandbox.write("log-policy", "quorum none\n");
        sandbox.run(&["log", "init", "--data-dir", "log", "--key-file", "log-key"]).ok();
        let internal = free_address();
        let url = format!("http://{internal}");
        let args = ["log", "primary", "--data-dir", "log", "--key-file", "log-key"];
        let rest = ["--policy-file", "log-policy", "--interval", "1s"];
        let endpoints =
            ["--external-endpoint", "127.0.0.1:0", "--internal-endpoint", "127.0.0.1:0"];
        let followed = ["--secondary-url", &url, "--secondary-pubkey-file", "copy-key.pub"];
        let mut primary = sandbox.daemon(&[&args[..], &rest, &endpoints, &followed].concat());
        let primary_url = primary.internal_url();
        let secondary = None;
        let mut log = Self { sandbox, program, primary, primary_url, internal, secondary };
        log.start_secondary();
        Some(log)
    }

    fn start_secondary(&mut self) {
        let (internal, external) = (self.internal.to_string(), free_address().to_string());
        let endpoints = ["--external-endpoint", &external, "--internal-endpoint", &internal];
        let args = ["--backend", "ephemeral", "--key-file", "copy-key", "--interval", "1s"];
        let all = [&args[..], &endpoints, &["--primary-url", &self.primary_url]].concat();
        let command = peer_command(&self.sandbox, &self.program, &all);
        self.secondary = Some(PeerDaemon::start(command, self.internal));
    }

    /// The status of a leaf.
    fn submit(&self, number: u64) -> u16 {
        let body = leaf("tree", number).to_body();
        request(&self.primary.url, "POST", "/add-leaf", &body).unwrap().0
    }

    fn published(&self) -> u64 {
        let (_, body) = get(&self.primary.url, "/get-tree-head").unwrap();
        parse_tree_head(&body).map_or(0, |head| head.signed.tree_head.size.0)
    }
}

#[test]
fn sigsum_log_secondary_follows_our_log() {
    let Some(mut log) = BehindOurs::start() else { return };
    until("the log takes leaves", || log.submit(0) != 503);
    for number in 1..250 {
        assert!(matches!(log.submit(number), 200 | 202));
    }
    until("all are published", || log.published() == 250);
    assert_eq!(log.submit(249), 200);
    // Nobody waits for a follower that is asked once an interval.
    assert_eq!(log.submit(250), 202);
    until("the leaf is acknowledged", || log.submit(250) == 200);
    log.secondary.take().unwrap().kill();
    until("the primary notices", || {
        metric(&log.primary_url, "sigsum_log_followers_missing") == Some(1.0)
    });
    assert_eq!(log.submit(251), 202);
    assert_eq!(log.submit(250), 200, "what is published stays");
    // Its tree was in memory: it begins anew.
    log.start_secondary();
    until("all are published", || log.published() == 252);
    assert_eq!(log.submit(251), 200);
}

#[test]
fn sigsum_log_secondary_gets_all_leaves_of_a_log_that_was_there_before() {
    let Some(mut log) = BehindOurs::start() else { return };
    until("the log takes leaves", || log.submit(0) != 503);
    log.secondary.take().unwrap().kill();
    // Several of its batches of 100, and not a whole number of them.
    for number in 1..777 {
        assert_eq!(log.submit(number), 202);
    }
    log.start_secondary();
    until("all are published", || log.published() == 777);
}
