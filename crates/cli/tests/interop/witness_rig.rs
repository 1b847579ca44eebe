//! Our log with a witness of others as its quorum, and what befalls the two.

use crate::harness::{LOG_ARGS, Network, Sandbox, http};
use crate::peers::{PeerDaemon, free_address, peer, run_peer};
use sigsum_core::checkpoint::{Checkpoint, Origin};
use sigsum_core::tree_head::Cosignature;
use sigsum_core::wire::log::parse_tree_head;
use sigsum_core::{CosignedTreeHead, PublicKey};
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

/// What does not come after so long will not.
const LIMIT: Duration = Duration::from_secs(60);
/// Between two looks at something that is awaited.
const PROBE_INTERVAL: Duration = Duration::from_millis(20);
/// The witness's key file; the public one has `.pub` behind it.
pub(crate) const WITNESS_KEY: &str = "witness-key";

/// A witness program of others.
pub(crate) trait ForeignWitness {
    /// The files of its state, in the sandbox.
    const STATE: &'static [&'static str];

    /// Makes what it needs before its first start, and again where its state was deleted.
    fn prepare(&self, sandbox: &Sandbox);

    /// How it is started.
    fn command(&self, sandbox: &Sandbox, address: SocketAddr) -> Command;

    /// The size that it holds for the log, as its own state says.
    fn stored_size(&self, sandbox: &Sandbox) -> u64;
}

/// The two, both running unless a test has stopped one.
pub(crate) struct Rig<W> {
    witness: W,
    address: SocketAddr,
    daemon: Option<PeerDaemon>,
    pub(crate) network: Network,
    internal: String,
}

/// Waits for a condition, with a limit.
#[track_caller]
fn until<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        match look() {
            Ok(found) => return found,
            Err(found) => assert!(Instant::now() < end, "no {what}: {found}"),
        }
        std::thread::park_timeout(PROBE_INTERVAL);
    }
}

/// Copies a file or a directory as it is.
fn copy(sandbox: &Sandbox, from: &str, to: &str) {
    let args = ["-a", &sandbox.arg(from), &sandbox.arg(to)];
    assert!(Command::new("cp").args(args).status().unwrap().success());
}

impl<W: ForeignWitness> Rig<W> {
    /// Makes keys, starts the witness and the log.
    pub(crate) fn start(witness: W) -> Self {
        let sandbox = Sandbox::new();
        for name in ["log-key", "k", WITNESS_KEY] {
            sandbox.key(name);
        }
        witness.prepare(&sandbox);
        sandbox.run(&["log", "init", "--data-dir", "log", "--key-file", "log-key"]).ok();
        let network = Network { sandbox, log: None, witnesses: Vec::new() };
        let address = free_address();
        let mut rig = Self { witness, address, daemon: None, network, internal: String::new() };
        rig.start_witness();
        rig.demand_cosignatures();
        rig.start_log();
        rig
    }

    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.network.sandbox
    }

    pub(crate) fn start_witness(&mut self) {
        let command = self.witness.command(self.sandbox(), self.address);
        self.daemon = Some(PeerDaemon::start(command, self.address));
    }

    pub(crate) fn kill_witness(&mut self) {
        self.daemon.take().unwrap().kill();
    }

    pub(crate) fn start_log(&mut self) {
        self.network.start_log();
        self.internal = self.network.log.as_mut().unwrap().internal_url();
    }

    /// The log ends by itself, saying this.
    #[track_caller]
    pub(crate) fn assert_log_is_refused(&self, text: &str) {
        self.sandbox().run(&LOG_ARGS).fails_with(text);
    }

    pub(crate) fn stop_log(&mut self) {
        self.network.log.take().unwrap().stop();
    }

    /// From its next start on, the log publishes what the witness has cosigned.
    pub(crate) fn demand_cosignatures(&self) {
        let hex = self.sandbox().key_hex(WITNESS_KEY);
        self.log_policy(&format!("witness w {hex} http://{}\nquorum w\n", self.address));
    }

    /// From its next start on, the log asks nobody.
    pub(crate) fn demand_nothing(&self) {
        self.log_policy("quorum none\n");
    }

    fn log_policy(&self, rest: &str) {
        let hex = self.sandbox().key_hex("log-key");
        self.sandbox().write("log-policy", format!("log {hex}\n{rest}"));
    }

    /// Hands the log's checkpoint to the witness, as to one that knows nothing of the log.
    pub(crate) fn hand_checkpoint_to_witness(&self) {
        let (code, checkpoint) = http(self.network.log_url(), "GET", "/checkpoint", b"");
        assert_eq!(code, 200, "{checkpoint}");
        let body = format!("old 0\n\n{checkpoint}");
        let url = format!("http://{}", self.address);
        let (code, answer) = http(&url, "POST", "/add-checkpoint", body.as_bytes());
        assert_eq!(code, 200, "{answer}");
    }

    /// Keeps the state of the stopped witness under a name.
    pub(crate) fn save_witness(&self, name: &str) {
        for file in W::STATE.iter().filter(|file| self.sandbox().path(file).exists()) {
            copy(self.sandbox(), file, &format!("{file}.{name}"));
        }
    }

    /// Deletes the state of the stopped witness.
    pub(crate) fn delete_witness_state(&self) {
        for file in W::STATE.iter().filter(|file| self.sandbox().path(file).exists()) {
            std::fs::remove_file(self.sandbox().path(file)).unwrap();
        }
    }

    /// Sets the stopped witness back to a state that was kept.
    pub(crate) fn restore_witness(&self, name: &str) {
        self.delete_witness_state();
        for file in W::STATE {
            let saved = format!("{file}.{name}");
            if self.sandbox().path(&saved).exists() {
                copy(self.sandbox(), &saved, file);
            }
        }
    }

    /// Makes what the witness needs where its state was deleted.
    pub(crate) fn prepare_witness(&self) {
        self.witness.prepare(self.sandbox());
    }

    /// Keeps the directory of the stopped log under a name.
    pub(crate) fn save_log(&self, name: &str) {
        copy(self.sandbox(), "log", name);
    }

    /// Sets the stopped log back to a directory that was kept.
    pub(crate) fn restore_log(&self, name: &str) {
        std::fs::remove_dir_all(self.sandbox().path("log")).unwrap();
        copy(self.sandbox(), name, "log");
    }

    #[track_caller]
    pub(crate) fn assert_witness_has(&self, size: u64) {
        assert_eq!(self.witness.stored_size(self.sandbox()), size);
    }

    /// Submits a file with its name as contents, and has the proof verified by our verifier and
    /// by that of others.
    #[track_caller]
    pub(crate) fn submit(&self, name: &str) {
        let sandbox = self.sandbox();
        sandbox.write(name, name);
        sandbox.run(&["submit", "-t", "60s", "-p", "policy", "-k", "k", name]).ok();
        let proof = format!("{name}.proof");
        let args = ["-p", "policy", "-k", "k.pub", &proof];
        let verify = [&["verify"][..], &args].concat();
        sandbox.run_with(&verify, name.as_bytes()).ok();
        if let Some(verifier) = peer("sigsum-verify") {
            run_peer(sandbox, &verifier, &args, name.as_bytes()).ok();
        }
    }

    /// Adds a leaf and does not wait for a head with it; the log may tell to ask again.
    #[track_caller]
    pub(crate) fn add_leaf(&self, name: &str) {
        let request = self.sandbox().run_with(&["submit", "-k", "k"], name.as_bytes()).ok().stdout;
        let (code, body) = http(self.network.log_url(), "POST", "/add-leaf", request.as_bytes());
        // The second leaf's is 202 while the published head has one leaf.
        assert!(matches!(code, 200 | 202), "{code} {body}");
    }

    /// The head that the log serves; `Err` where it serves none.
    pub(crate) fn head(&self) -> Result<CosignedTreeHead, String> {
        let (code, body) = http(self.network.log_url(), "GET", "/get-tree-head", b"");
        if code != 200 {
            return Err(format!("{code} {body}"));
        }
        parse_tree_head(body.as_bytes()).map_err(|error| format!("{error}: {body}"))
    }

    /// The log serves a head of this size, signed by itself and cosigned by the witness.
    #[track_caller]
    pub(crate) fn wait_for_cosigned_head(&self, size: u64) -> CosignedTreeHead {
        let log = self.public_key("log-key");
        let witness = self.public_key(WITNESS_KEY);
        let head = until("cosigned head", || {
            let head = self.head()?;
            let is_it = head.signed.tree_head.size.0 == size && head.cosignatures().len() == 1;
            if is_it { Ok(head) } else { Err(format!("{head:?}")) }
        });
        assert!(head.signed.verify(&log), "the log's signature");
        let origin = Origin::sigsum(&log.key_hash());
        let text = Checkpoint::new(origin, head.signed.tree_head).to_text();
        let verifies = |c: &Cosignature| c.verify(&witness, &text);
        assert!(head.cosignatures().iter().all(verifies), "{head:?}");
        head
    }

    fn public_key(&self, name: &str) -> PublicKey {
        PublicKey::from_hex(&self.sandbox().key_hex(name)).unwrap()
    }

    /// The sum of a metric of the running log, over the lines that have this in their labels.
    fn metric(&self, name: &str, label: &str) -> u64 {
        let (code, page) = http(&self.internal, "GET", "/metrics", b"");
        assert_eq!(code, 200, "{page}");
        let lines = page.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        let values = lines.filter(|line| line.contains(label)).map(|line| {
            let value = line.rsplit(' ').next().unwrap();
            value.parse::<u64>().unwrap()
        });
        values.sum()
    }

    /// Waits until the running log has got such an answer from the witness.
    #[track_caller]
    pub(crate) fn wait_for_status(&self, status: u16) {
        let name = "sigsum_log_go_witness_checkpoint_requests_total";
        let label = format!("status=\"{status}\"");
        until(&format!("answer {status}"), || match self.metric(name, &label) {
            0 => Err("none".to_owned()),
            _ => Ok(()),
        });
    }
}
