//! A name server of the test's own. Go programs ask the servers in `/etc/resolv.conf` and nothing
//! else, so that a program which is to ask this one gets a view of the file system in which that
//! file is another one. Both the view and port 53 take privileges that not every machine gives.

use crate::harness::{Sandbox, say};
use crate::peers::free_address;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};

/// RFC 1035: the header, the type TXT, and the codes of an answer.
const HEADER_BYTES: usize = 12;
const TXT: [u8; 2] = [0, 16];
const NO_ERROR: u8 = 0;
const NAME_ERROR: u8 = 3;

/// Serves TXT records until the test program ends.
pub(crate) struct NameServer {
    resolv_conf: String,
    /// Where it answers.
    pub(crate) address: SocketAddr,
}

impl NameServer {
    /// Serves the record that `sigsum token record` makes of a key, for this domain; `None`, said
    /// aloud, where this machine does not let it.
    pub(crate) fn start(sandbox: &Sandbox, domain: &str, key: &str) -> Option<Self> {
        let host = free_address().ip();
        let Ok(socket) = UdpSocket::bind((host, 53)) else {
            say("skipped: DNS, as this user may not serve names at port 53");
            return None;
        };
        sandbox.write("resolv.conf", format!("nameserver {host}\n"));
        let resolv_conf = sandbox.arg("resolv.conf");
        let server = Self { resolv_conf, address: (host, 53).into() };
        let mut nothing = Command::new("true");
        let mut trial = server.seen_by(nothing.current_dir(sandbox.path("")));
        let is_seen = trial.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        if !is_seen {
            say("skipped: DNS, as this user may not give a program its own /etc/resolv.conf");
            return None;
        }
        let name = format!("_sigsum_v1.{domain}");
        let text = sandbox.key_hex(key);
        std::thread::spawn(move || serve(&socket, &name, &text));
        Some(server)
    }

    /// The command, seeing this name server and no other.
    pub(crate) fn seen_by(&self, command: &Command) -> Command {
        let script = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
        let mut seeing = Command::new("unshare");
        seeing.args(["-m", "sh", "-c", script, &self.resolv_conf]);
        seeing.arg(command.get_program()).args(command.get_args());
        seeing.current_dir(command.get_current_dir().unwrap()).env("GODEBUG", "netdns=go");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => seeing.env(name, value),
                None => seeing.env_remove(name),
            };
        }
        seeing
    }
}

fn serve(socket: &UdpSocket, name: &str, text: &str) {
    let mut buffer = [0; 4096];
    while let Ok((count, client)) = socket.recv_from(&mut buffer) {
        if let Some(answer) = answer(&buffer[..count], name, text) {
            let _ = socket.send_to(&answer, client); // a client may be gone
        }
    }
}

/// The answer to a query of one question; `None` where it is none.
fn answer(query: &[u8], name: &str, text: &str) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut at = HEADER_BYTES;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let question = query.get(HEADER_BYTES..at + 4)?;
    let is_there = labels.join(".") == name && query.get(at..at + 2)? == TXT;
    let code = if labels.join(".") == name { NO_ERROR } else { NAME_ERROR };
    let mut answer = query.get(..2)?.to_vec();
    answer.extend_from_slice(&[0x81, 0x80 | code, 0, 1, 0, u8::from(is_there), 0, 0, 0, 0]);
    answer.extend_from_slice(question);
    if is_there {
        let length = u8::try_from(text.len()).unwrap();
        answer.extend_from_slice(&[0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, length + 1, length]);
        answer.extend_from_slice(text.as_bytes());
    }
    Some(answer)
}
