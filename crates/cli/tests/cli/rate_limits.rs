//! Rate limits and submit tokens of a running log: what counts, what does not, what is said, and what
//! lasts.

use crate::harness::{Daemon, LOG_ARGS, Network, Sandbox, http};
use crate::leaf::add_leaf_request;
use crate::resolver::Resolver;
use crate::wire::{Answer, authority, connect, exchange};
use sigsum_core::PublicKey;
use sigsum_core::token::{SubmitToken, token_signing_bytes};
use sigsum_core::wire::log::AddLeafRequest;
use sigsum_core::{Message, Signature};
use sigsum_keys::{Ed25519Signer, SigningSeed};
use std::io::Write as _;
use std::time::{Duration, Instant};

/// What a busy machine may take for anything.
const LIMIT: Duration = Duration::from_secs(60);

fn signer(byte: u8) -> Ed25519Signer {
    Ed25519Signer::from_seed(&SigningSeed::from_bytes([byte; 32]))
}

/// Adds a leaf, with a submit token or without.
pub(crate) fn add_leaf(url: &str, request: &AddLeafRequest, token: Option<&str>) -> Answer {
    let body = request.to_body();
    let token = token.map_or(String::new(), |token| format!("Sigsum-Token: {token}\r\n"));
    let head = format!(
        "POST /add-leaf HTTP/1.1\r\nHost: {}\r\n{token}Connection: close\r\n\
         Content-Length: {}\r\n\r\n",
        authority(url),
        body.len()
    );
    exchange(url, &[head.as_bytes(), &body].concat()).unwrap()
}

/// A submit token for the log with the key `log-key`.
pub(crate) fn token_for(sandbox: &Sandbox, signer: &Ed25519Signer, domain: &str) -> String {
    let log = PublicKey::from_hex(&sandbox.key_hex("log-key")).unwrap();
    let signature = signer.sign_now(&token_signing_bytes(&log));
    SubmitToken { domain: domain.to_owned(), signature }.to_header()
}

/// A log without witnesses, and how it is started.
struct Limited {
    network: Network,
    more_args: Vec<String>,
    internal: String,
}

impl Limited {
    /// With this rate-limit file and these further arguments.
    fn start(limits: &str, more_args: &[&str]) -> Self {
        Self::start_in(Sandbox::new(), limits, more_args)
    }

    fn start_in(sandbox: Sandbox, limits: &str, more_args: &[&str]) -> Self {
        let mut network = Network::start_in(sandbox, 0, 0);
        network.log.take().unwrap().stop();
        network.sandbox.write("limits", limits);
        let mut all = vec!["--rate-limit-file", "limits"];
        all.extend(more_args);
        let more_args = all.into_iter().map(str::to_owned).collect();
        let mut limited = Self { network, more_args, internal: String::new() };
        limited.start_again();
        limited
    }

    fn start_again(&mut self) {
        let more_args = self.more_args.iter().map(String::as_str);
        let args: Vec<_> = LOG_ARGS.into_iter().chain(more_args).collect();
        let mut log = self.network.sandbox.daemon(&args);
        self.internal = log.internal_url();
        let (hex, url) = (self.network.sandbox.key_hex("log-key"), &log.url);
        self.network.sandbox.write("policy", format!("log {hex} {url}\nquorum none\n"));
        self.network.log = Some(log);
        let url = self.network.log_url();
        until("a first head", || http(url, "GET", "/get-tree-head", b"").0 == 200);
    }

    fn take(&mut self) -> Daemon {
        self.network.log.take().unwrap()
    }

    fn add(&self, request: &AddLeafRequest, token: Option<&str>) -> Answer {
        add_leaf(self.network.log_url(), request, token)
    }

    /// Adds a leaf of a number; the status.
    fn add_number(&self, byte: u8, number: u64, token: Option<&str>) -> u16 {
        let answer = self.add(&add_leaf_request(&signer(byte), number), token);
        // Two leaves before a head of both: see what the log says of sigsum-submit.
        if answer.status == 202 { 200 } else { answer.status }
    }

    fn token(&self, byte: u8, domain: &str) -> String {
        token_for(&self.network.sandbox, &signer(byte), domain)
    }

    fn metric(&self, name: &str) -> u64 {
        let page = http(&self.internal, "GET", "/metrics", b"").1;
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{name} in {page}")).parse().unwrap()
    }
}

#[track_caller]
fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let until = Instant::now() + LIMIT;
    while !reached() {
        assert!(Instant::now() < until, "not reached: {what}");
        std::thread::yield_now();
    }
}

fn key_line(byte: u8, limit: u32) -> String {
    format!("key {} {limit}\n", signer(byte).public_key().key_hash())
}

#[test]
fn one_leaf_asked_for_three_hundred_times_costs_one() {
    let log = Limited::start(&key_line(1, 2), &[]);
    let request = add_leaf_request(&signer(1), 1);
    for _ in 0..300 {
        assert_eq!(log.add(&request, None).status, 200);
    }
    assert_eq!(log.add_number(1, 2, None), 200);
    let refused = log.add(&add_leaf_request(&signer(1), 3), None);
    assert_eq!(refused.status, 429);
    let key = signer(1).public_key().key_hash();
    let text = refused.text();
    let begin = format!("(429) rate-limit for key {key} exceeded: ");
    assert!(text.starts_with(&begin), "{text}");
    assert!(text.contains("2 leaves in 24 hours; come back in "), "{text}");
    let seconds: u64 = refused.field("retry-after").unwrap().parse().unwrap();
    assert!((86_400 - 120..=86_400).contains(&seconds), "{seconds}");
    assert!(text.contains(&format!("come back in {seconds} s")), "{text}");
    assert_eq!(log.add(&request, None).status, 200, "what is known is always answered");
    let nobody = log.add(&add_leaf_request(&signer(2), 1), None);
    let text = nobody.text();
    assert!(text.starts_with("(429) rate-limit for unknown domain exceeded"), "{text}");
    assert_eq!((nobody.status, nobody.field("retry-after")), (429, None));
}

#[test]
fn ten_thousand_forged_leaves_cost_a_listed_key_nothing() {
    const FORGED: u32 = 10_000;
    /// Requests that are sent before their answers are read.
    const AT_ONCE: u32 = 50;
    let log = Limited::start(&key_line(1, 1), &[]);
    let url = log.network.log_url();
    let mut stream = connect(url);
    for start in (0..FORGED).step_by(AT_ONCE as usize) {
        let mut bytes = Vec::new();
        for number in start..start + AT_ONCE {
            let mut signature = [7; 64];
            signature[..4].copy_from_slice(&number.to_be_bytes());
            let forged = AddLeafRequest {
                message: Message::of_data(&number.to_be_bytes()),
                signature: Signature::new(signature),
                public_key: signer(1).public_key(),
            };
            let body = forged.to_body();
            let length = body.len();
            bytes.extend_from_slice(b"POST /add-leaf HTTP/1.1\r\nHost: x\r\n");
            bytes.extend_from_slice(format!("Content-Length: {length}\r\n\r\n").as_bytes());
            bytes.extend_from_slice(&body);
        }
        stream.write_all(&bytes).unwrap();
        let mut bytes = Vec::new();
        let count = |bytes: &[u8]| bytes.windows(13).filter(|w| w == b"HTTP/1.1 403 ").count();
        while count(&bytes) < AT_ONCE as usize {
            let answer = read_some(&mut stream);
            bytes.extend_from_slice(&answer);
        }
    }
    assert_eq!(log.add_number(1, 1, None), 200, "the owner's next submission");
    assert_eq!(log.add_number(1, 2, None), 429, "the limit is in force");
    let size = http(url, "GET", "/get-tree-head", b"").1;
    assert!(size.starts_with("size=0") || size.starts_with("size=1"), "{size}");
}

fn read_some(stream: &mut std::net::TcpStream) -> Vec<u8> {
    use std::io::Read as _;
    let mut buffer = vec![0; 65536];
    let count = stream.read(&mut buffer).unwrap();
    assert_ne!(count, 0, "closed");
    buffer.truncate(count);
    buffer
}

#[test]
fn counters_outlast_a_restart_and_a_crash() {
    let mut log = Limited::start(&key_line(1, 3), &[]);
    assert_eq!(log.add_number(1, 1, None), 200);
    log.take().stop();
    log.start_again();
    assert_eq!(log.add_number(1, 2, None), 200);
    let quota = log.network.sandbox.path("log/quota");
    until("the counters are saved", || {
        let files = std::fs::read_dir(&quota).unwrap().map(|file| file.unwrap().path());
        let added = files.filter(|path| path.to_str().unwrap().contains("added-"));
        added.into_iter().any(|path| std::fs::read_to_string(path).unwrap().contains("key:"))
    });
    log.take().kill();
    log.start_again();
    assert_eq!(log.add_number(1, 3, None), 200);
    assert_eq!(log.add_number(1, 4, None), 429, "three in three lives");
    assert_eq!(log.metric("sigsum_log_refused_total{limit=\"key\"}"), 1);
}

#[test]
fn tokens_are_checked_with_dns_and_limits_hold_by_registered_domain() {
    let sandbox = Sandbox::new();
    sandbox.write("suffixes", "test\nb.test\n");
    let (good, old) = (signer(5).public_key().to_hex(), signer(6).public_key().to_hex());
    let records = [
        ("_sigsum_v1.a.test", &*good),
        ("_sigsum_v1.www.a.test", &good),
        ("_sigsum_v1.x.b.test", &good),
        ("_sigsum_v0.old.test", &old),
        ("_sigsum_v1.xn--rka-qla.test", &good),
        ("_sigsum_v1.test.sigsum.org", &good),
    ];
    let Some(dns) = Resolver::start(&sandbox, 60, &records) else { return };
    let limits = "public suffixes 2\ndomain r\u{e4}ka.test 1\n";
    let resolver = dns.address.to_string();
    let log = Limited::start_in(sandbox, limits, &["--dns-resolver", &resolver]);
    let add = |byte, domain, number| log.add_number(1, number, Some(&log.token(byte, domain)));
    assert_eq!((add(5, "a.test", 1), add(5, "WWW.A.test", 2)), (200, 200));
    let over = log.add(&add_leaf_request(&signer(1), 3), Some(&log.token(5, "www.a.test")));
    let text = over.text();
    assert_eq!(over.status, 429, "{text}");
    assert!(text.starts_with("(429) rate-limit for domain \"www.a.test\" exceeded"), "{text}");
    assert!(text.contains("registered domain a.test is 2 leaves in 24 hours"), "{text}");
    assert!(over.field("retry-after").is_some());
    assert_eq!(add(5, "x.b.test", 4), 200, "another registered domain");
    assert_eq!(add(6, "old.test", 5), 200, "the old label");
    assert_eq!((add(5, "xn--rka-qla.test", 6), add(5, "xn--rka-qla.test", 7)), (200, 429));
    assert_eq!(add(5, "test.sigsum.org", 8), 429, "banned");
    for (byte, domain, begin) in [
        (6, "a.test", "(400) validating token signature failed, ignored keys: 0, "),
        (5, "nothing.test", "(400) token: dns look-up failed: "),
        (5, "a..test", "(400) token: dns look-up failed: "),
    ] {
        let refused = log.add(&add_leaf_request(&signer(1), 9), Some(&log.token(byte, domain)));
        let text = refused.text();
        assert_eq!(refused.status, 400, "{domain}: {text}");
        assert!(text.starts_with(begin), "{domain}: {text}");
    }
    let other_log = signer(5).sign_now(&token_signing_bytes(&signer(9).public_key()));
    let other_log = SubmitToken { domain: "old.test".into(), signature: other_log }.to_header();
    assert_eq!(log.add_number(1, 9, Some(&other_log)), 400, "a token of another log");
    let broken = log.add(&add_leaf_request(&signer(1), 9), Some(&log.token(5, "a.broken.example")));
    assert_eq!((broken.status, broken.field("retry-after")), (503, Some("5")));
    let known = log.add(&add_leaf_request(&signer(1), 1), Some(&log.token(5, "a.broken.example")));
    assert_eq!(known.status, 200, "what is known needs no answer of DNS");
}

#[test]
fn while_dns_is_down_known_submitters_are_not_concerned() {
    let sandbox = Sandbox::new();
    sandbox.write("suffixes", "test\n");
    let key = signer(5).public_key().to_hex();
    let records = [("_sigsum_v1.a.test", &*key), ("_sigsum_v1.b.test", &key)];
    let Some(dns) = Resolver::start(&sandbox, 0, &records) else { return };
    let resolver = dns.address.to_string();
    let log = Limited::start_in(sandbox, "public suffixes 1000\n", &["--dns-resolver", &resolver]);
    let known = log.token(5, "a.test");
    assert_eq!(log.add_number(1, 0, Some(&known)), 200);
    drop(dns);
    let unknown = log.add(&add_leaf_request(&signer(1), 1), Some(&log.token(5, "b.test")));
    assert_eq!(unknown.status, 503);
    assert!(unknown.field("retry-after").is_some());
    let mut number = 10;
    until("the answer that is kept is over, and serves all the same", || {
        number += 1;
        assert_eq!(log.add_number(1, 10 + number % 50, Some(&known)), 200);
        log.metric("sigsum_log_tokens_total{outcome=\"stale\"}") >= 20
    });
    assert!(log.metric("sigsum_log_dns_look_ups_total{outcome=\"failed\"}") >= 2);
}

#[test]
fn a_token_is_checked_without_limits_too_and_static_keys_need_no_dns() {
    let mut network = Network::start(0, 0);
    network.log.take().unwrap().stop();
    let key = signer(5).public_key().to_hex();
    let config = format!(
        "[primary]\ndns-resolver = '127.0.0.1:1'\n[primary.static-keys]\n'own.test' = '{key}'\n"
    );
    network.sandbox.write("config", config);
    let args: Vec<_> = LOG_ARGS.into_iter().chain(["--config", "config"]).collect();
    let daemon = network.sandbox.daemon(&args);
    assert!(daemon.said.contains("[WARN] no rate limits"), "{}", daemon.said);
    network.log = Some(daemon);
    let log = Limited { network, more_args: Vec::new(), internal: String::new() };
    assert_eq!(log.add_number(1, 1, Some(&log.token(5, "own.test"))), 200);
    assert_eq!(log.add_number(1, 2, Some(&log.token(6, "other.test"))), 503);
    assert_eq!(log.add_number(1, 3, None), 200);
}

#[test]
fn a_rate_limit_file_that_is_wrong_keeps_the_log_from_starting() {
    let network = Network::start(0, 0);
    let sandbox = &network.sandbox;
    sandbox.run(&["log", "init", "--data-dir", "other", "--key-file", "log-key"]).ok();
    let mut args = LOG_ARGS;
    args[3] = "other";
    let args: Vec<_> = args.into_iter().chain(["--rate-limit-file", "limits"]).collect();
    let fails = |text: &str, problem: &str| {
        sandbox.write("limits", text);
        let failed = sandbox.run(&args).fails_with("initializing rate limiter failed: ");
        assert!(failed.stderr.contains(problem), "{}", failed.stderr);
    };
    fails("# first\nkeys x 1\n", "line 2: unknown config keyword \"keys\"");
    fails("key 00 1\n", "line 1: invalid length of key hash \"00\"");
    fails("domain *.example.org 1\n", "line 1: domain \"*.example.org\" has a character");
    fails("global 2147483648\n", "line 1: limit \"2147483648\" is too large");
    fails("public nowhere 1\n", "no such file");
    sandbox.write("suffixes", "test\n/ no comment\n");
    fails("public suffixes 1\n", "suffixes: line 2: malformed comment");
    std::fs::remove_file(sandbox.path("limits")).unwrap();
    sandbox.run(&args).fails_with("rate-limit file limits: no such file");
}

#[test]
fn a_submitter_over_its_limit_is_told_at_once_and_stops() {
    let sandbox = Sandbox::new();
    sandbox.key("k");
    let log = Limited::start_in(sandbox, "global 0\n", &[]);
    let args = ["submit", "-p", "policy", "-k", "k", "-o", "proof"];
    let refused = log.network.sandbox.run_with(&args, b"data");
    let text = refused.fails_with("rate-limit for unknown domain exceeded").stderr;
    assert!(text.contains("is not listed"), "{text}");
    let hash = log.network.sandbox.run(&["key", "to-hash", "-k", "k.pub"]).ok().stdout;
    log.network.sandbox.write("limits", format!("key {} 1\n", hash.trim()));
    until("the changed file is in force", || {
        let code = log.network.sandbox.run_with(&args, b"data").code;
        code == Some(0)
    });
    let args = ["submit", "-p", "policy", "-k", "k", "-o", "proof2"];
    let refused = log.network.sandbox.run_with(&args, b"more data");
    refused.fails_with(&format!("rate-limit for key {} exceeded", hash.trim()));
}

#[test]
fn a_changed_file_is_taken_up_whole_or_not_at_all_and_counters_stay() {
    let mut log = Limited::start(&key_line(1, 1), &[]);
    assert_eq!((log.add_number(1, 1, None), log.add_number(1, 2, None)), (200, 429));
    // A list of keys, and then a line that is wrong: nothing of it may hold.
    log.network.sandbox.write("limits", format!("{}nonsense\n", key_line(1, 100)));
    until("the bad file is refused", || log.metric("sigsum_log_config_reload_failed") == 1);
    assert_eq!(log.add_number(1, 2, None), 429);
    log.network.sandbox.write("limits", key_line(1, 2));
    until("the good file is in force", || log.add_number(1, 2, None) == 200);
    assert_eq!(log.add_number(1, 3, None), 429, "the first leaf counts still");
    let said = log.take().stop();
    assert!(said.contains("invalid config line \"nonsense\""), "{said}");
}
