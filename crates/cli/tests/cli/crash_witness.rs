//! `kill -9` of a witness at random moments under load: what it cosigned it never contradicts, and
//! logs that are out of step with it get in step by its 409.

use crate::harness::{Daemon, Network, Sandbox, http};
use crate::probe::until;
use crate::signed_log::SignedLog;
use crate::wire::{ask, try_ask};
use sigsum_core::PublicKey;
use sigsum_core::cosignature::from_line;
use sigsum_core::wire::witness::{parse_conflict, parse_signature_lines};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How often the witness is killed here; `cargo xtask soak` does it for longer.
const KILLS: u64 = 10;
/// Leaves of each log; more than are cosigned.
const LEAVES: usize = 20_000;

/// One log as its operator sees it.
struct Client {
    log: SignedLog,
    /// Another tree under the same key.
    fork: SignedLog,
    /// The largest size that was answered 200.
    cosigned: AtomicU64,
    /// The largest size that was sent.
    sent: AtomicU64,
}

impl Client {
    fn new(key: u8) -> Self {
        let [log, fork] = ["true", "fork"].map(|tree| SignedLog::new(key, tree, LEAVES));
        Self { log, fork, cosigned: AtomicU64::new(0), sent: AtomicU64::new(0) }
    }

    /// Grows and has its heads cosigned until told to stop. It believes 409, as logs do.
    fn run(&self, url: &str, witness: &PublicKey, stop: &AtomicBool) {
        let mut old = self.cosigned.load(Ordering::SeqCst);
        while !stop.load(Ordering::SeqCst) {
            let size = self.sent.load(Ordering::SeqCst).max(old) + 1;
            self.sent.store(size, Ordering::SeqCst);
            let body = self.log.request(old, size).to_body();
            let Some(answer) = try_ask(url, "POST", "/add-checkpoint", &body) else { continue };
            match answer.status {
                200 => {
                    self.check_cosignature(&answer.body, witness, size);
                    self.cosigned.store(size, Ordering::SeqCst);
                    old = size;
                }
                409 => old = self.check_conflict(&answer.body),
                503 => {}
                status => panic!("{status} {}", answer.text()),
            }
        }
    }

    fn check_cosignature(&self, body: &[u8], witness: &PublicKey, size: u64) {
        let text = self.log.checkpoint(size).checkpoint.to_text();
        let lines = parse_signature_lines(body).unwrap();
        let own = lines.iter().find_map(|line| from_line(line, witness)).unwrap();
        assert!(own.verify(witness, &text), "the cosignature of size {size} does not verify");
    }

    /// A size that the witness names is one that it was sent, and none below what it cosigned.
    fn check_conflict(&self, body: &[u8]) -> u64 {
        let size = parse_conflict(body).unwrap().0;
        let (cosigned, sent) =
            (self.cosigned.load(Ordering::SeqCst), self.sent.load(Ordering::SeqCst));
        assert!(size >= cosigned, "the witness cosigned {cosigned} and knows of {size}");
        assert!(size <= sent, "the witness knows {size}, but only {sent} was sent");
        size
    }

    /// Asks for the stored size, by a request that is behind.
    fn stored_size(&self, url: &str) -> u64 {
        let body = self.log.request(0, 1).to_body();
        let answer = ask(url, "POST", "/add-checkpoint", &body);
        match answer.status {
            409 => self.check_conflict(&answer.body),
            status => panic!("{status} {}", answer.text()),
        }
    }

    /// Another tree of the same log is never cosigned, from whatever size it claims to come.
    fn is_refused_a_fork(&self, url: &str) {
        let stored = self.stored_size(url);
        for (old, new) in [(0, stored), (stored, stored), (stored, stored + 1), (0, stored + 1)] {
            let body = self.fork.request(old, new).to_body();
            let answer = ask(url, "POST", "/add-checkpoint", &body);
            assert!(matches!(answer.status, 409 | 422), "{old} {new}: {}", answer.status);
        }
    }
}

/// A witness that is started again and again.
struct Witness {
    sandbox: Sandbox,
    args: Vec<&'static str>,
}

impl Witness {
    fn start(&self) -> Daemon {
        self.sandbox.daemon(&self.args)
    }

    fn public_key(&self) -> PublicKey {
        PublicKey::from_hex(&self.sandbox.key_hex("w")).unwrap()
    }
}

/// Kills the witness at moments spread over its work, and compares after each start.
fn kill_again_and_again(witness: &Witness, clients: &[Client]) {
    let key = witness.public_key();
    let mut daemon = witness.start();
    for kill in 0..KILLS {
        let stop = AtomicBool::new(false);
        let url = daemon.url.clone();
        std::thread::scope(|scope| {
            let (url, key, stop) = (&url, &key, &stop);
            for client in clients {
                scope.spawn(move || client.run(url, key, stop));
            }
            // Not a wait for anything: the moment of the crash is what the test varies.
            std::thread::park_timeout(Duration::from_millis(25 + kill * 23 % 170));
            daemon.kill();
            stop.store(true, Ordering::SeqCst);
        });
        daemon = witness.start();
        for client in clients {
            if client.cosigned.load(Ordering::SeqCst) > 0 {
                client.is_refused_a_fork(&daemon.url);
            }
        }
    }
    for client in clients {
        assert!(client.cosigned.load(Ordering::SeqCst) > 0, "nothing was cosigned");
    }
    daemon.stop();
}

#[test]
fn a_witness_of_two_logs_killed_under_load_never_steps_back() {
    let clients = [Client::new(1), Client::new(2)];
    let sandbox = Sandbox::new();
    sandbox.key("w");
    sandbox.run(&["witness", "init", "--data-dir", "state", "-k", "w"]).ok();
    for client in &clients {
        let key = client.log.key_hex();
        sandbox.run(&["witness", "add-log", "--data-dir", "state", "--sigsum-key", &key]).ok();
    }
    let args = vec!["witness", "run", "--data-dir", "state", "-k", "w", "--listen", "127.0.0.1:0"];
    kill_again_and_again(&Witness { sandbox, args }, &clients);
}

#[test]
fn a_witness_with_a_state_file_killed_under_load_never_steps_back() {
    let clients = [Client::new(1)];
    let sandbox = Sandbox::new();
    sandbox.key("w");
    sandbox.write("log.hex", clients[0].log.key_hex());
    sandbox.run(&["key", "from-hex", "-k", "log.hex", "-o", "log.pub"]).ok();
    let args = vec![
        "witness",
        "single",
        "-k",
        "w",
        "--log-key",
        "log.pub",
        "--state-file",
        "state",
        "127.0.0.1:0",
    ];
    kill_again_and_again(&Witness { sandbox, args }, &clients);
}

#[test]
fn a_log_gets_its_quorum_again_after_every_crash_of_its_witness() {
    let mut network = Network::start(1, 1);
    network.sandbox.key("k");
    let listen = network.witnesses[0].url.strip_prefix("http://").unwrap().to_owned();
    // Without its witness the log has to wait, right after its start.
    until(|| http(network.log_url(), "GET", "/get-tree-head", b"").0 == 200);
    for round in 0..4 {
        network.witnesses.remove(0).kill();
        let name = format!("f{round}");
        network.sandbox.write(&name, &name);
        // The log signs a head for this leaf while nobody is there to cosign it.
        let request = network.sandbox.run(&["submit", "-k", "k", &name]).ok();
        assert_eq!(request.code, Some(0));
        let body = network.sandbox.read(&format!("{name}.req"));
        let status = http(network.log_url(), "POST", "/add-leaf", body.as_bytes()).0;
        // The second leaf's is 202 while the head has one leaf.
        assert!(matches!(status, 200 | 202), "{status}");
        let args = ["witness", "run", "--data-dir", "w0", "-k", "w0-key", "--listen", &listen];
        network.witnesses.push(network.sandbox.daemon(&args));
        let submit = ["submit", "-t", "50s", "-p", "policy", "-k", "k", &name];
        network.sandbox.run(&submit).ok();
    }
    let (_, head) = http(network.log_url(), "GET", "/get-tree-head", b"");
    assert!(head.starts_with("size=4\n") && head.contains("cosignature="), "{head}");
}
