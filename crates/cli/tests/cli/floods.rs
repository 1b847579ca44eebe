//! Peers that are many, ask for much, or read nothing: the servers go on for everybody else, and
//! hold bounded memory and no descriptor for long.

use crate::harness::{Network, Sandbox};
use crate::wire::{ask, connect};
use std::io::Write as _;
use std::net::TcpStream;

/// Open descriptors of a process.
pub(crate) fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Resident memory of a process.
pub(crate) fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Waits until the process holds no more descriptors than this.
#[track_caller]
fn descriptors_fall_to(pid: u32, most: usize) {
    for _ in 0..300 {
        if descriptors(pid) <= most {
            return;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    panic!("{} descriptors are open, expected {most}", descriptors(pid));
}

#[test]
fn thousands_of_connections_leave_no_descriptor_behind() {
    let network = Network::start(0, 0);
    let url = network.log_url();
    let pid = network.log.as_ref().unwrap().pid();
    let before = descriptors(pid);
    for round in 0..10 {
        let streams: Vec<TcpStream> = (0..500).map(|_| connect(url)).collect();
        for (n, mut stream) in streams.into_iter().enumerate() {
            let _ = match (n + round) % 4 {
                0 => stream.write_all(b"GET /get-tree-head HTTP/1.1\r\nHost: x\r\n\r\n"),
                1 => stream.write_all(b"GET /get-tree"),
                2 => stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
                _ => Ok(()),
            };
        }
    }
    descriptors_fall_to(pid, before);
    assert_eq!(ask(url, "GET", "/get-tree-head", b"").status, 200);
}

/// Connections that are held open at once: more than a server keeps (4096), so that it has closed
/// all others by then.
const HELD_CONNECTIONS: usize = 4_400;

#[test]
fn more_idle_connections_than_a_witness_has_places_shut_nobody_out() {
    let sandbox = Sandbox::new();
    sandbox.key("w");
    sandbox.run(&["witness", "init", "--data-dir", "state", "-k", "w"]).ok();
    let run = ["witness", "run", "--data-dir", "state", "-k", "w", "--listen", "127.0.0.1:0"];
    let witness = sandbox.daemon(&run);
    bears_idle_connections(HELD_CONNECTIONS, &witness.url, witness.pid(), "/");
}

#[test]
fn more_idle_connections_than_a_log_has_places_shut_nobody_out() {
    let network = Network::start(0, 0);
    let pid = network.log.as_ref().unwrap().pid();
    bears_idle_connections(20_000, network.log_url(), pid, "/get-tree-head");
}

fn bears_idle_connections(connections: usize, url: &str, pid: u32, path: &str) {
    let Some(limit) = open_file_limit() else { return };
    let mut idle = std::collections::VecDeque::new();
    for _ in 0..connections {
        idle.push_back(connect(url));
        if idle.len() > HELD_CONNECTIONS.min(limit) {
            idle.pop_front();
        }
    }
    for _ in 0..5 {
        assert_eq!(ask(url, "GET", path, b"").status, 200);
    }
    assert!(resident_kib(pid) < 300 << 10, "{} KiB", resident_kib(pid));
    drop(idle);
    assert_eq!(ask(url, "GET", path, b"").status, 200);
}

/// Connections that this process may open; `None`, said aloud, where that is too few.
fn open_file_limit() -> Option<usize> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit); // looked at below
    let current = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // Two tests at once, each with HELD_CONNECTIONS.
    if current < 10_000 {
        crate::harness::say(&format!("skipped: only {current} files may be open"));
        return None;
    }
    usize::try_from(current).ok().map(|current| current - 1_000)
}

/// A frame of RFC 9113 section 4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;

/// Preface and settings of an HTTP/2 client, with this window for answers.
fn hello(window: u32) -> Vec<u8> {
    let setting = [&[0, 4], &window.to_be_bytes()[..]].concat();
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &setting)].concat()
}

/// GET of a path, whole.
fn get(stream: u32, path: &str) -> Vec<u8> {
    let length = u8::try_from(path.len()).unwrap();
    // `:method: GET`, `:scheme: http`, a literal `:path`, a literal `:authority: x`.
    let fields = [&[0x82, 0x86, 0x04, length], path.as_bytes(), &[0x01, 1, b'x']].concat();
    frame(HEADERS, 0x5, stream, &fields)
}

/// A log of its own with so many leaves that an answer to get-leaves is large.
fn log_with_large_answers() -> Network {
    let network = Network::start(0, 0);
    network.sandbox.key("k");
    let names: Vec<String> = (0..512).map(|n| format!("f{n}")).collect();
    for name in &names {
        network.sandbox.write(name, name);
    }
    let mut args = vec!["submit", "-p", "policy", "-k", "k"];
    args.extend(names.iter().map(String::as_str));
    network.sandbox.run(&args).ok();
    network
}

#[test]
fn answers_that_nobody_reads_take_bounded_memory_and_make_room() {
    let network = log_with_large_answers();
    let (url, pid) = (network.log_url(), network.log.as_ref().unwrap().pid());
    let requests: Vec<u8> = (0..32).flat_map(|n| get(2 * n + 1, "/get-leaves/0/512")).collect();
    // 120 connections want 520 MB.
    let mut deaf: Vec<TcpStream> = (0..120).map(|_| connect(url)).collect();
    for stream in &mut deaf {
        stream.write_all(&[hello(0), requests.clone()].concat()).unwrap();
    }
    // Small answers go on at once, large ones as soon as someone has been cut for them.
    assert_eq!(ask(url, "GET", "/get-tree-head", b"").status, 200);
    let mut refused = 0;
    while ask(url, "GET", "/get-leaves/0/512", b"").status != 200 {
        refused += 1;
        std::thread::park_timeout(std::time::Duration::from_millis(100));
        assert!(refused < 600, "no room is made");
    }
    let resident = resident_kib(pid);
    assert!(resident < 450 << 10, "{resident} KiB");
}

#[test]
fn floods_of_http2_frames_end_with_the_connection_and_not_with_the_log() {
    let network = Network::start(0, 0);
    let (url, pid) = (network.log_url(), network.log.as_ref().unwrap().pid());
    let resets = |n: u32| {
        let stream = 2 * n + 1;
        [get(stream, "/get-tree-head"), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    };
    let begun = frame(HEADERS, 0x1, 1, &[0x82, 0x86, 0x84]);
    let endless = frame(CONTINUATION, 0, 1, &[&[0x00, 1, b'a', 100][..], &[b'b'; 100]].concat());
    let pings = frame(PING, 0, 0, b"12345678");
    let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 1]);
    flood(url, &[], resets);
    flood(url, &begun, |_| endless.repeat(50));
    flood(url, &[], |_| pings.repeat(20));
    flood(url, &[], |_| settings.repeat(20));
    assert_eq!(ask(url, "GET", "/get-tree-head", b"").status, 200);
    let resident = resident_kib(pid);
    assert!(resident < 100 << 10, "{resident} KiB");
}

/// Sends frames until the server closes or has taken thousands, and reads nothing meanwhile.
fn flood(url: &str, first: &[u8], frames: impl Fn(u32) -> Vec<u8>) {
    let mut stream = connect(url);
    // Where the server stops reading because its answers are not read, that is its good right.
    stream.set_write_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
    let mut bytes = [hello(65_535), first.to_vec()].concat();
    for n in 0..3_000 {
        if stream.write_all(&bytes).is_err() {
            return;
        }
        bytes = frames(n);
    }
}
