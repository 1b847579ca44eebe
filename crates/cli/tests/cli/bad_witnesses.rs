//! Witnesses that are dead, silent, endless, or answer nonsense, beside a quorum of good ones: the
//! log publishes as fast as before, holds bounded memory, and stops when it is told to.

use crate::fake::{Fake, Request, answer, endless, hold};
use crate::floods::{descriptors, resident_kib};
use crate::harness::Network;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Below the time that the log waits for a witness, and below its interval.
const NOT_DELAYED: Duration = Duration::from_secs(40);
/// What the log waits for a witness, and its interval.
const DELAY: &str = "60s";

fn silent_body(mut stream: TcpStream) {
    if Request::read(&mut stream).is_some() {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
        hold(stream);
    }
}

fn trickling_body(mut stream: TcpStream) {
    if Request::read(&mut stream).is_some() {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n");
        while stream.write_all(b"a").is_ok() {
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }
}

fn conflict(size: &'static str) -> Fake {
    let fields = "Content-Type: text/x.tlog.size\r\n";
    Fake::http(move |_| answer(409, fields, size.as_bytes()))
}

/// Claims to know more than the log, once it is told to. Said at its start, that would end the log.
fn liar(lies: &Arc<AtomicBool>, size: &'static str) -> Fake {
    let (lies, fields) = (Arc::clone(lies), "Content-Type: text/x.tlog.size\r\n");
    Fake::http(move |_| match lies.load(Ordering::SeqCst) {
        true => answer(409, fields, size.as_bytes()),
        false => answer(500, "", b""),
    })
}

/// One of each kind, and what makes the liar lie.
fn bad_witnesses() -> (Vec<Fake>, Arc<AtomicBool>) {
    let lies = Arc::new(AtomicBool::new(false));
    (bad_witnesses_with(&lies), lies)
}

fn bad_witnesses_with(lies: &Arc<AtomicBool>) -> Vec<Fake> {
    let status = |status, fields: &'static str, body: &'static [u8]| {
        Fake::http(move |_| answer(status, fields, body))
    };
    let nobody = b"\xe2\x80\x94 witness.example/w AAAAAAAAAAAAAAAA\n";
    vec![
        Fake::start(hold),
        Fake::start(silent_body),
        Fake::start(trickling_body),
        Fake::start(drop),
        Fake::start(|stream| endless(stream, b"HTTP/1.1 200 OK\r\n\r\n", &[b'a'; 65536])),
        Fake::start(|stream| endless(stream, b"HTTP/1.1 500 X\r\n\r\n", &[b'a'; 65536])),
        Fake::start(|stream| endless(stream, b"HTTP/1.1 200 OK\r\n", &b"a: b\r\n".repeat(1000))),
        Fake::start(|stream| endless(stream, b"", &b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000))),
        Fake::start(|stream| endless(stream, b"", b"\0\xff\0\xff no HTTP")),
        Fake::http(|request| answer(307, &format!("Location: {}\r\n", request.path), b"")),
        status(200, "", b""),
        status(200, "", b"\0\xff garbage"),
        status(200, "", nobody),
        status(204, "", b""),
        status(404, "", b"(404) unknown log\n"),
        status(503, "Retry-After: 0\r\n", b""),
        status(429, "Retry-After: 99999999999999\r\n", b""),
        liar(lies, "9223372036854775807\n"),
        liar(lies, "1\n"),
        conflict("99999999999999999999999\n"),
        conflict("0\n"),
        conflict("-1\n"),
        conflict(""),
    ]
}

/// Adds a witness for each fake to the log's policy, with a quorum of two of all.
fn add_to_policy(network: &Network, fakes: &[Fake]) {
    let policy = network.sandbox.read("log-policy");
    let (before, _) = policy.split_once("group ").unwrap();
    let mut names = vec!["w0".to_owned(), "w1".to_owned()];
    let mut text = before.to_owned();
    for (n, fake) in fakes.iter().enumerate() {
        let name = format!("bad{n}");
        network.sandbox.key(&name);
        text += &format!("witness {name} {} {}\n", network.sandbox.key_hex(&name), fake.url());
        names.push(name);
    }
    text += &format!("group g 2 {}\nquorum g\n", names.join(" "));
    network.sandbox.write("log-policy", text);
}

#[test]
fn bad_witnesses_beside_a_quorum_of_good_ones_delay_nobody() {
    let mut network = Network::start(2, 2);
    let (fakes, lies) = bad_witnesses();
    network.log.take().unwrap().stop();
    add_to_policy(&network, &fakes);
    network.start_log_with(&["--interval", DELAY, "--timeout", DELAY]);
    let pid = network.log.as_ref().unwrap().pid();
    network.sandbox.key("k");
    for round in 0..8 {
        let name = format!("f{round}");
        network.sandbox.write(&name, &name);
        let began = Instant::now();
        network.sandbox.run(&["submit", "-p", "policy", "-k", "k", &name]).ok();
        let took = began.elapsed();
        assert!(took < NOT_DELAYED, "{took:?}");
        lies.store(true, Ordering::SeqCst);
    }
    for (n, fake) in fakes.iter().enumerate() {
        assert!(fake.connections() > 0, "bad{n} was not asked");
    }
    let (resident, open) = (resident_kib(pid), descriptors(pid));
    assert!(resident < 80 << 10, "{resident} KiB");
    assert!(open < 150, "{open} descriptors");
    let began = Instant::now();
    network.log.take().unwrap().stop();
    assert!(began.elapsed() < NOT_DELAYED, "{:?}", began.elapsed());
}

/// The head that a log serves, as soon as it serves one.
fn published_head(url: &str) -> String {
    let began = Instant::now();
    loop {
        let (code, head) = crate::harness::http(url, "GET", "/get-tree-head", b"");
        if code == 200 {
            return head;
        }
        assert!(began.elapsed().as_secs() < 30, "{code} {head}");
        std::thread::yield_now();
    }
}

#[test]
fn a_quorum_that_only_bad_witnesses_could_give_is_never_published() {
    let mut network = Network::start(2, 2);
    let before = published_head(network.log_url());
    let (fakes, lies) = bad_witnesses();
    network.log.take().unwrap().stop();
    add_to_policy(&network, &fakes);
    let policy = network.sandbox.read("log-policy").replace("group g 2", "group g 3");
    network.sandbox.write("log-policy", policy);
    network.start_log();
    network.sandbox.key("k");
    for name in ["f", "g"] {
        network.sandbox.write(name, name);
        let submit = ["submit", "-t", "3s", "-p", "policy", "-k", "k", name];
        network.sandbox.run(&submit).fails_with("no proof within 3 s");
        lies.store(true, Ordering::SeqCst);
    }
    let after = crate::harness::http(network.log_url(), "GET", "/get-tree-head", b"").1;
    assert_eq!(before.lines().next(), after.lines().next());
}
