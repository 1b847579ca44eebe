//! OpenSSH's ssh-agent with keys of a test.

use crate::harness::{Sandbox, run_command, say};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// An agent that does not listen after so long will not.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Between two attempts to connect.
const PROBE_INTERVAL: Duration = Duration::from_millis(20);

/// A running ssh-agent.
pub(crate) struct SshAgent {
    child: Child,
    socket: String,
}

impl SshAgent {
    /// Whether OpenSSH's programs are there; says so where they are not.
    pub(crate) fn is_installed() -> bool {
        let is_there = |program| {
            let mut command = Command::new(program);
            command.args(["-?"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok()
        };
        let all = ["ssh-agent", "ssh-add", "ssh-keygen"].into_iter().all(is_there);
        if !all {
            say("skipped: OpenSSH's ssh-agent, ssh-add and ssh-keygen are not installed");
        }
        all
    }

    /// Starts an agent without keys, with its socket in the sandbox.
    pub(crate) fn start(sandbox: &Sandbox) -> Self {
        let socket = sandbox.arg("ssh-agent");
        let mut command = Command::new("ssh-agent");
        command.args(["-D", "-a", &socket]).stdin(Stdio::null()).stdout(Stdio::null());
        let agent = Self { child: command.spawn().unwrap(), socket };
        let until = Instant::now() + START_LIMIT;
        while UnixStream::connect(&agent.socket).is_err() {
            assert!(Instant::now() < until, "no ssh-agent at {}", agent.socket);
            std::thread::park_timeout(PROBE_INTERVAL);
        }
        agent
    }

    /// Loads a private key file.
    #[track_caller]
    pub(crate) fn add(&self, sandbox: &Sandbox, key: &str) {
        let mut command = Command::new("ssh-add");
        command.args(["-q", &sandbox.arg(key)]).env("SSH_AUTH_SOCK", &self.socket);
        run_command(command, b"").ok();
    }

    /// Path of the socket.
    pub(crate) fn socket(&self) -> &str {
        &self.socket
    }
}

impl Drop for SshAgent {
    fn drop(&mut self) {
        let _ = self.child.kill(); // ended already where the test stopped it
        let _ = self.child.wait();
    }
}
