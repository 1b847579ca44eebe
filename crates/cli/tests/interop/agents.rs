//! Our agent client with OpenSSH's ssh-agent and with sigsum-agent: tools, log and witness sign
//! through each. The private key files are removed as soon as the agent has them.

use crate::harness::{Daemon, LOG_ARGS, Outcome, Sandbox, run_command};
use crate::peers::{peer, peer_command};
use crate::ssh_agent::SshAgent;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// An agent that does not listen after so long will not.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Between two attempts to connect.
const PROBE_INTERVAL: Duration = Duration::from_millis(20);

/// ssh-agent takes messages of up to 256 KiB.
const LONG_BYTES: usize = 100_000;
/// sigsum-agent takes up to 10 000 bytes in a request, which is the message and some more. What
/// Sigsum signs is a few hundred bytes; only `sigsum key sign` may have longer ones.
const LONG_BYTES_FOR_SIGSUM_AGENT: usize = 9_900;

/// Holds the keys of a test.
enum Agents {
    /// One agent with all of them.
    OpenSsh(SshAgent),
    /// An agent for each, as they hold no more than one.
    Sigsum(Vec<SigsumAgent>),
}

impl Agents {
    /// OpenSSH's, with key pairs made for it; `None`, said aloud, where it is not installed.
    fn open_ssh(sandbox: &Sandbox, keys: &[&str]) -> Option<Self> {
        if !SshAgent::is_installed() {
            return None;
        }
        let agent = SshAgent::start(sandbox);
        for key in keys {
            sandbox.key(key);
            agent.add(sandbox, key);
            forget(sandbox, key);
        }
        Some(Self::OpenSsh(agent))
    }

    /// Sigsum's, likewise.
    fn sigsum(sandbox: &Sandbox, keys: &[&'static str]) -> Option<Self> {
        let program = peer("sigsum-agent")?;
        let start = |key: &&'static str| {
            sandbox.key(key);
            let agent = SigsumAgent::start(sandbox, &program, key);
            forget(sandbox, key);
            agent
        };
        Some(Self::Sigsum(keys.iter().map(start).collect()))
    }

    /// The socket of the agent with this key.
    fn socket(&self, key: &str) -> &str {
        match self {
            Self::OpenSsh(agent) => agent.socket(),
            Self::Sigsum(agents) => &agents.iter().find(|agent| agent.key == key).unwrap().socket,
        }
    }

    /// Runs a command of ours that is to sign with this key.
    fn run(&self, sandbox: &Sandbox, key: &str, args: &[&str], stdin: &[u8]) -> Outcome {
        let mut command = sandbox.command(args);
        command.env("SSH_AUTH_SOCK", self.socket(key));
        run_command(command, stdin)
    }

    /// Starts a daemon of ours that is to sign with this key.
    fn daemon(&self, sandbox: &Sandbox, key: &str, args: &[&str]) -> Daemon {
        let mut command = sandbox.command(args);
        command.env("SSH_AUTH_SOCK", self.socket(key));
        Daemon::start(command)
    }
}

/// A running sigsum-agent.
struct SigsumAgent {
    child: Child,
    key: &'static str,
    socket: String,
}

impl SigsumAgent {
    fn start(sandbox: &Sandbox, program: &PathBuf, key: &'static str) -> Self {
        let socket = sandbox.arg(&format!("{key}.socket"));
        let mut command = peer_command(sandbox, program, &["-k", key, "-s", &socket]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let mut agent = Self { child, key, socket };
        let until = Instant::now() + START_LIMIT;
        while UnixStream::connect(&agent.socket).is_err() {
            let ended = agent.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < until, "no sigsum-agent: {ended:?}");
            std::thread::park_timeout(PROBE_INTERVAL);
        }
        agent
    }
}

impl Drop for SigsumAgent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// From here on the agent alone has the private key.
fn forget(sandbox: &Sandbox, key: &str) {
    std::fs::remove_file(sandbox.path(key)).unwrap();
}

/// Signatures of several sizes, by two keys.
fn tools_sign(sandbox: &Sandbox, agents: &Agents, long_bytes: usize) {
    for (key, data) in [("k", &b""[..]), ("k", b"data"), ("k2", &vec![0xff; long_bytes])] {
        let public = format!("{key}.pub");
        let sign = ["key", "sign", "-k", &public, "-o", "s"];
        agents.run(sandbox, key, &sign, data).ok();
        let verify = ["key", "verify", "-k", &public, "-s", "s"];
        sandbox.run_with(&verify, data).ok();
        sandbox.run_with(&verify, b"other").fails_with("Signature is not valid");
    }
    let token = ["token", "create", "-k", "k.pub", "--log-key", "k2.pub", "-o", "token"];
    agents.run(sandbox, "k", &token, b"").ok();
    let verify = ["token", "verify", "-k", "k.pub", "--log-key", "k2.pub"];
    sandbox.run_with(&verify, sandbox.read("token").as_bytes()).ok();
}

/// A log, its witness and a submitter, each with its key in an agent.
fn a_network_signs(sandbox: &Sandbox, agents: &Agents) {
    let init = ["witness", "init", "--data-dir", "w", "-k", "witness-key.pub"];
    agents.run(sandbox, "witness-key", &init, b"").ok();
    let add = ["witness", "add-log", "--data-dir", "w", "--sigsum-key", "log-key.pub"];
    sandbox.run(&add).ok();
    let args = ["witness", "run", "--data-dir", "w", "-k", "witness-key.pub", "--listen"];
    let listen = [&args[..], &["127.0.0.1:0"]].concat();
    let witness = agents.daemon(sandbox, "witness-key", &listen);

    let (log_hex, witness_hex) = (sandbox.key_hex("log-key"), sandbox.key_hex("witness-key"));
    let rest = format!("witness w {witness_hex} {}\nquorum w\n", witness.url);
    sandbox.write("log-policy", format!("log {log_hex}\n{rest}"));
    let init = ["log", "init", "--data-dir", "log", "--key-file", "log-key.pub"];
    agents.run(sandbox, "log-key", &init, b"").ok();
    let args = LOG_ARGS.map(|arg| if arg == "log-key" { "log-key.pub" } else { arg });
    let log = agents.daemon(sandbox, "log-key", &args);
    sandbox.write("policy", format!("log {log_hex} {}\n{rest}", log.url));

    sandbox.write("f", b"data");
    let submit = ["submit", "-p", "policy", "-k", "k.pub", "-t", "60s", "f"];
    agents.run(sandbox, "k", &submit, b"").ok();
    let verify = ["verify", "-p", "policy", "-k", "k.pub", "f.proof"];
    sandbox.run_with(&verify, b"data").ok();
}

/// An agent without the key is no substitute for one with it.
fn a_key_that_is_not_there_is_missed(sandbox: &Sandbox, agents: &Agents) {
    sandbox.key("elsewhere");
    let sign = ["key", "sign", "-k", "elsewhere.pub", "-o", "s"];
    let outcome = agents.run(sandbox, "k", &sign, b"data");
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert!(!sandbox.path("s").exists());
}

const TOOL_KEYS: [&str; 2] = ["k", "k2"];
const NETWORK_KEYS: [&str; 3] = ["k", "log-key", "witness-key"];

#[test]
fn our_tools_sign_through_ssh_agent() {
    let sandbox = Sandbox::new();
    let Some(agents) = Agents::open_ssh(&sandbox, &TOOL_KEYS) else { return };
    tools_sign(&sandbox, &agents, LONG_BYTES);
}

#[test]
fn our_tools_sign_through_sigsum_agent() {
    let sandbox = Sandbox::new();
    let Some(agents) = Agents::sigsum(&sandbox, &TOOL_KEYS) else { return };
    tools_sign(&sandbox, &agents, LONG_BYTES_FOR_SIGSUM_AGENT);
}

#[test]
fn a_message_that_is_too_long_for_sigsum_agent_is_not_signed() {
    let sandbox = Sandbox::new();
    let Some(agents) = Agents::sigsum(&sandbox, &["k"]) else { return };
    let sign = ["key", "sign", "-k", "k.pub", "-o", "s"];
    agents.run(&sandbox, "k", &sign, &[0; LONG_BYTES]).fails_with("signing failed: ");
    assert!(!sandbox.path("s").exists());
    agents.run(&sandbox, "k", &sign, b"data").ok();
}

#[test]
fn our_log_witness_and_submitter_sign_through_ssh_agent() {
    let sandbox = Sandbox::new();
    let Some(agents) = Agents::open_ssh(&sandbox, &NETWORK_KEYS) else { return };
    a_network_signs(&sandbox, &agents);
}

#[test]
fn our_log_witness_and_submitter_sign_through_sigsum_agent() {
    let sandbox = Sandbox::new();
    let Some(agents) = Agents::sigsum(&sandbox, &NETWORK_KEYS) else { return };
    a_network_signs(&sandbox, &agents);
}

#[test]
fn a_key_that_ssh_agent_lacks_is_missed() {
    let sandbox = Sandbox::new();
    let Some(agents) = Agents::open_ssh(&sandbox, &["k"]) else { return };
    a_key_that_is_not_there_is_missed(&sandbox, &agents);
}

#[test]
fn a_key_that_sigsum_agent_lacks_is_missed() {
    let sandbox = Sandbox::new();
    let Some(agents) = Agents::sigsum(&sandbox, &["k"]) else { return };
    a_key_that_is_not_there_is_missed(&sandbox, &agents);
}

#[test]
fn our_tools_sign_as_the_command_that_sigsum_agent_runs() {
    let Some(program) = peer("sigsum-agent") else { return };
    let sandbox = Sandbox::new();
    sandbox.key("k");
    let ours = env!("CARGO_BIN_EXE_sigsum");
    let args = ["-k", "k", ours, "key", "sign", "-k", "k.pub", "-o", "s"];
    run_command(peer_command(&sandbox, &program, &args), b"data").ok();
    sandbox.run_with(&["key", "verify", "-k", "k.pub", "-s", "s"], b"data").ok();
}
