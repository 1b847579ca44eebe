//! The programs that the matrix talks to, where `cargo xtask interop` has put them.

use crate::harness::{Outcome, Sandbox, run_command, say};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Directory of the installed peers.
const PEERS_VARIABLE: &str = "SIGSUM_PEERS";
/// A peer that does not listen after so long will not.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Between two attempts to connect to a peer that starts.
const PROBE_INTERVAL: Duration = Duration::from_millis(20);

/// Where a peer program is; `None`, said aloud, where it was not installed.
pub(crate) fn peer(name: &str) -> Option<PathBuf> {
    let Some(directory) = std::env::var_os(PEERS_VARIABLE) else {
        say("not run here: `cargo xtask interop` runs it");
        return None;
    };
    let program = PathBuf::from(directory).join(name);
    if !program.exists() {
        say(&format!("skipped: {name} is not installed"));
        return None;
    }
    Some(program)
}

/// A command of a peer, in the sandbox's directory and without the user's environment that it looks
/// at.
pub(crate) fn peer_command(sandbox: &Sandbox, program: &PathBuf, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(sandbox.path(""))
        .env_remove("SSH_AUTH_SOCK")
        .env_remove("SIGSUM_POLICY_DIR")
        .env("SIGSUM_LOGSERVER_CONFIG", "");
    command
}

/// Runs a peer to its end.
pub(crate) fn run_peer(
    sandbox: &Sandbox,
    program: &PathBuf,
    args: &[&str],
    stdin: &[u8],
) -> Outcome {
    run_command(peer_command(sandbox, program, args), stdin)
}

/// An address that nothing else listens on: each call takes another loopback address, so that the
/// port stays free between this and the start of the peer.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [low, high, ..] = std::process::id().to_le_bytes();
    let host = Ipv4Addr::new(127, 64 | (high & 63), low, NEXT.fetch_add(1, Ordering::Relaxed));
    TcpListener::bind((host, 0)).unwrap().local_addr().unwrap()
}

/// A peer that serves.
pub(crate) struct PeerDaemon {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl PeerDaemon {
    /// Starts it and waits until it accepts connections at `address`.
    #[track_caller]
    pub(crate) fn start(mut command: Command, address: SocketAddr) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().unwrap(), &said);
        collect(child.stderr.take().unwrap(), &said);
        let mut daemon = Self { child, said };
        let until = Instant::now() + START_LIMIT;
        while TcpStream::connect(address).is_err() {
            let ended = daemon.child.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {}", daemon.said());
            assert!(Instant::now() < until, "does not listen on {address}: {}", daemon.said());
            std::thread::park_timeout(PROBE_INTERVAL);
        }
        daemon
    }

    /// What it has printed.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// SIGTERM; the peer must end well.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.said());
    }

    /// SIGKILL, as a crash.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for PeerDaemon {
    fn drop(&mut self) {
        let _ = self.child.kill(); // ended already where the test stopped it
        let _ = self.child.wait();
    }
}

fn collect(from: impl std::io::Read + Send + 'static, into: &Arc<Mutex<String>>) {
    let into = Arc::clone(into);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            *into.lock().unwrap() += &(line + "\n");
        }
    });
}
