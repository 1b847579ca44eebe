//! sigsum-log-primary with witnesses of ours.

use crate::cosigner::{Cosigner, Form};
use crate::harness::Sandbox;
use crate::heads::{Observer, PATIENCE, get, request};
use crate::peers::{PeerDaemon, free_address, peer, peer_command, run_peer};
use sigsum_core::bytes::Message;
use sigsum_core::leaf::leaf_signing_bytes;
use sigsum_core::wire::log::AddLeafRequest;
use sigsum_keys::{Ed25519Signer, SigningSeed};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// Between two looks at the log's metrics.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// What log-go counts for each request to a witness.
const ASKED: &str = "sigsum_log_go_witness_checkpoint_requests_total";

/// The log, its two witnesses, and the policy in the file `policy`, whose quorum is both.
pub(crate) struct GoRig {
    pub(crate) sandbox: Sandbox,
    pub(crate) witnesses: [Cosigner; 2],
    pub(crate) observer: Observer,
    primary: PathBuf,
    options: Vec<String>,
    external: SocketAddr,
    internal: SocketAddr,
    daemon: Option<PeerDaemon>,
}

impl GoRig {
    /// With the backend that keeps the tree in memory.
    pub(crate) fn ephemeral(options: &[&str]) -> Option<Self> {
        let rig = Self::prepared(&[&["--backend", "ephemeral"], options].concat());
        rig.map(Self::started)
    }

    /// Gives the stopped log an empty tree, as on the first day.
    pub(crate) fn empty_log(&self) {
        std::fs::remove_file(self.sandbox.path("sth")).unwrap();
        let mktree = peer("sigsum-mktree").unwrap();
        run_peer(&self.sandbox, &mktree, &["--sth-file", "sth"], b"").ok();
    }

    /// Everything but the log runs; `None`, said aloud, without log-go.
    pub(crate) fn prepared(options: &[&str]) -> Option<Self> {
        Self::prepared_in(Sandbox::new(), options)
    }

    /// The same, in a sandbox in which something is already.
    pub(crate) fn prepared_in(sandbox: Sandbox, options: &[&str]) -> Option<Self> {
        let (primary, mktree) = (peer("sigsum-log-primary")?, peer("sigsum-mktree")?);
        sandbox.key("log-key");
        run_peer(&sandbox, &mktree, &["--sth-file", "sth"], b"").ok();
        let (external, internal) = (free_address(), free_address());
        let witnesses = [
            Cosigner::start(&sandbox, "directory", Form::Directory),
            Cosigner::start(&sandbox, "file", Form::StateFile),
        ];
        let hex = sandbox.key_hex("log-key");
        let lines = witnesses.each_ref().map(|witness| witness.policy_line(&sandbox)).concat();
        let names = witnesses.each_ref().map(Cosigner::name).join(" ");
        let quorum = format!("{lines}group both all {names}\nquorum both\n");
        sandbox.write("log-policy", format!("log {hex}\n{quorum}"));
        sandbox.write("policy", format!("log {hex} http://{external}\n{quorum}"));
        let observer = Observer::new(&sandbox);
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let daemon = None;
        Some(Self { sandbox, witnesses, observer, primary, options, external, internal, daemon })
    }

    pub(crate) fn started(mut self) -> Self {
        self.start_log();
        self
    }

    /// How the log is started.
    pub(crate) fn log_command(&self) -> Command {
        let (external, internal) = (self.external.to_string(), self.internal.to_string());
        let args = ["--key-file", "log-key", "--policy-file", "log-policy", "--sth-file", "sth"];
        let endpoints = ["--external-endpoint", &external, "--internal-endpoint", &internal];
        let options = self.options.iter().map(String::as_str);
        let all: Vec<&str> = args.into_iter().chain(endpoints).chain(options).collect();
        peer_command(&self.sandbox, &self.primary, &all)
    }

    pub(crate) fn start_log(&mut self) {
        self.start_log_with(self.log_command());
    }

    /// Starts the log in another way.
    pub(crate) fn start_log_with(&mut self, command: Command) {
        self.daemon = Some(PeerDaemon::start(command, self.external));
    }

    /// SIGTERM.
    pub(crate) fn stop_log(&mut self) {
        self.daemon.take().unwrap().stop();
    }

    /// SIGKILL, as a crash.
    pub(crate) fn kill_log(&mut self) {
        self.daemon.take().unwrap().kill();
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.external)
    }

    pub(crate) fn internal_url(&self) -> String {
        format!("http://{}", self.internal)
    }

    /// What the log has printed.
    pub(crate) fn said(&self) -> String {
        self.daemon.as_ref().map_or(String::new(), PeerDaemon::said)
    }

    /// Adds the leaf of a number, without waiting for a head with it.
    #[track_caller]
    pub(crate) fn add_leaf(&self, tree: &str, number: u64) {
        let body = leaf(tree, number).to_body();
        let (status, answer) = request(&self.url(), "POST", "/add-leaf", &body).unwrap();
        assert!(matches!(status, 200 | 202), "{status} {}", String::from_utf8_lossy(&answer));
    }

    /// What the log counts by now.
    #[track_caller]
    pub(crate) fn asked(&self) -> Asked {
        Asked::at(&self.internal_url())
    }

    /// Waits until it has asked so, so often.
    #[track_caller]
    pub(crate) fn wait_until_asked(&self, labels: &[&str], times: u64) {
        let until = Instant::now() + PATIENCE;
        while self.asked().times(labels) < times {
            assert!(Instant::now() < until, "{labels:?} not {times} times: {}", self.said());
            std::thread::park_timeout(LOOK_INTERVAL);
        }
    }
}

/// How often the log has asked its witnesses, at one moment.
pub(crate) struct Asked(String);

impl Asked {
    /// By the log with this internal endpoint.
    #[track_caller]
    pub(crate) fn at(internal_url: &str) -> Self {
        let (status, page) = get(internal_url, "/metrics").unwrap();
        assert_eq!(status, 200);
        Self(String::from_utf8(page).unwrap())
    }

    /// Of those whose labels have all these texts.
    pub(crate) fn times(&self, labels: &[&str]) -> u64 {
        let lines = self.0.lines().filter(|line| line.starts_with(&format!("{ASKED}{{")));
        let lines = lines.filter(|line| labels.iter().all(|label| line.contains(label)));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64).sum()
    }
}

/// A leaf that follows from the name of a tree and a number.
pub(crate) fn leaf(tree: &str, number: u64) -> AddLeafRequest {
    let signer = Ed25519Signer::from_seed(&SigningSeed::from_bytes([7; 32]));
    let message = Message::of_data(format!("{tree} {number}").as_bytes());
    let signature = signer.sign_now(&leaf_signing_bytes(&message.checksum()));
    AddLeafRequest { message, signature, public_key: signer.public_key() }
}
