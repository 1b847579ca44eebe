//! A DNS resolver of the test's own: unbound, on loopback.

use crate::harness::{Sandbox, say};
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};

/// How often a port is tried that was free a moment before.
const ATTEMPTS: usize = 20;

/// A resolver that runs until it is dropped.
pub(crate) struct Resolver {
    child: Child,
    /// Where it answers.
    pub(crate) address: SocketAddr,
}

impl Resolver {
    /// Serves these TXT records, `(name, text)`, with this time to live. Other names below `test.`
    /// do not exist, and those below `broken.example.` are answered SERVFAIL. `None`, said aloud,
    /// where unbound is not installed.
    pub(crate) fn start(sandbox: &Sandbox, ttl_s: u32, records: &[(&str, &str)]) -> Option<Self> {
        let program = ["unbound", "/usr/sbin/unbound"]
            .into_iter()
            .find(|program| Command::new(program).arg("-V").output().is_ok());
        let Some(program) = program else {
            say("skipped: no unbound here (package unbound)");
            return None;
        };
        // It cannot be told to take any free port, so that another may be faster now and then.
        let started = (0..ATTEMPTS).find_map(|_| Self::try_start(program, sandbox, ttl_s, records));
        Some(started.unwrap_or_else(|| panic!("unbound does not start")))
    }

    fn try_start(
        program: &str,
        sandbox: &Sandbox,
        ttl_s: u32,
        records: &[(&str, &str)],
    ) -> Option<Self> {
        let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let data: String = records
            .iter()
            .map(|(name, text)| format!("  local-data: '{name}. {ttl_s} IN TXT \"{text}\"'\n"))
            .collect();
        // Forwarding to this machine itself is forbidden by default, which fails at once.
        let config = format!(
            "server:\n  interface: 127.0.0.1\n  port: {port}\n  do-daemonize: no\n  \
             username: \"\"\n  chroot: \"\"\n  directory: \".\"\n  pidfile: \"\"\n  \
             use-syslog: no\n  logfile: \"\"\n  verbosity: 1\n  module-config: \"iterator\"\n  \
             num-threads: 1\n  local-zone: \"test.\" static\n{data}\
             forward-zone:\n  name: \"broken.example.\"\n  forward-addr: 127.0.0.1@1\n\
             remote-control:\n  control-enable: no\n",
            port = address.port()
        );
        let file = format!("unbound-{}.conf", address.port());
        sandbox.write(&file, config);
        let mut child = Command::new(program)
            .args(["-d", "-c", &file])
            .current_dir(sandbox.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let started = lines.by_ref().map_while(Result::ok).any(|l| l.contains("start of service"));
        let resolver = Self { child, address };
        std::thread::spawn(move || lines.for_each(drop)); // it must not block on a full pipe
        started.then_some(resolver)
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
