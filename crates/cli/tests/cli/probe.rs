//! `sigsum probe`: logs that are well, and each way in which one is not.

use crate::fake::{Fake, Request, answer, pass};
use crate::harness::{Daemon, Network, Outcome, http};
use crate::prometheus::Agent;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Longest wait for what a daemon should do within a second or two.
const LIMIT: Duration = Duration::from_secs(60);

fn probe(network: &Network, args: &[&str]) -> Outcome {
    network.sandbox.run(&[&["probe", "-p", "policy", "-t", "40s"], args].concat())
}

/// A network with a leaf in its log.
fn network() -> Network {
    let network = Network::start(2, 1);
    network.sandbox.key("k");
    network.sandbox.run_with(&["submit", "-p", "policy", "-k", "k", "-o", "p"], b"x").ok();
    network
}

/// The lines of the steps, each as `step outcome`.
fn steps(outcome: &Outcome) -> Vec<String> {
    let lines = outcome.stdout.lines().filter(|line| line.starts_with("  "));
    let words = lines.map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" "));
    words.filter(|words| !words.starts_with("head ") && !words.starts_with("not ")).collect()
}

/// The log with something in front of it, which `respond` may answer for; the policy names that.
fn behind(
    network: &Network,
    respond: impl Fn(&Request) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> Fake {
    let url = network.log_url().to_owned();
    let log = url.clone();
    let front = Fake::http(move |request| respond(request).unwrap_or_else(|| pass(&log, request)));
    let policy = network.sandbox.read("policy").replace(&url, &front.url());
    network.sandbox.write("policy", policy);
    front
}

#[test]
fn a_log_that_is_well_passes_every_step() {
    let network = network();
    let seen = probe(&network, &[]).ok();
    let names =
        ["get-tree-head", "checkpoint", "get-leaves", "tile", "add-leaf", "merged", "quorum"];
    assert_eq!(steps(&seen), names.map(|name| format!("{name} good")), "{}", seen.stdout);
    assert!(seen.stdout.contains("of 2 witnesses, newest "), "{}", seen.stdout);

    let line = probe(&network, &["--json"]).ok().stdout;
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(json["log"], network.log_url());
    assert_eq!(
        json["up"],
        serde_json::json!({"read": true, "submit": true, "merged": true, "quorum": true})
    );
    assert_eq!(json["head"]["size"], 2, "each probe leaves a leaf");
}

#[test]
fn reading_alone_leaves_no_leaf() {
    let network = network();
    let seen = probe(&network, &["--read-only"]).ok();
    let names = ["get-tree-head", "checkpoint", "get-leaves", "tile", "quorum"];
    assert_eq!(steps(&seen), names.map(|name| format!("{name} good")), "{}", seen.stdout);
    assert!(http(network.log_url(), "GET", "/get-tree-head", b"").1.starts_with("size=1\n"));
}

#[test]
fn a_log_without_a_quorum_takes_leaves_and_proves_none() {
    let mut network = network();
    network.witnesses.drain(..).for_each(|witness| drop(witness.stop()));
    let args = ["probe", "-p", "policy", "-t", "2s", "--metrics-file", "m.prom"];
    let seen = network.sandbox.run(&args).fails_with("1 of 1 logs failed");
    assert!(steps(&seen).ends_with(&[
        "add-leaf good".into(),
        "merged FAILED".into(),
        "quorum FAILED".into()
    ]));
    let metrics = network.sandbox.read("m.prom");
    let log = network.log_url().strip_prefix("http://").unwrap().to_owned();
    for (service, up) in [("read", 1), ("submit", 1), ("merged", 0), ("quorum", 0)] {
        let line = format!("sigsum_probe_up{{log=\"{log}\",service=\"{service}\"}} {up}\n");
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
    // Its head grows old meanwhile.
    let until = Instant::now() + LIMIT;
    loop {
        let seen = probe(&network, &["--read-only", "--max-age", "1s"]);
        if seen.code == Some(1) {
            assert!(seen.stdout.contains("stale: the newest cosignature is"), "{}", seen.stdout);
            break;
        }
        assert!(Instant::now() < until, "{}", seen.stdout);
    }
}

#[test]
fn a_log_that_does_not_answer_is_down() {
    let mut network = network();
    network.log.take().unwrap().stop();
    let seen = probe(&network, &[]).fails_with("1 of 1 logs failed");
    assert_eq!(steps(&seen), ["get-tree-head FAILED", "add-leaf FAILED"]);
    assert!(seen.stdout.contains("Connection refused"), "{}", seen.stdout);
}

#[test]
fn a_log_that_limits_us_is_not_down_and_is_left_alone() {
    let network = network();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let front = behind(&network, move |request| {
        (request.path == "/add-leaf").then(|| {
            count.fetch_add(1, Ordering::SeqCst);
            answer(429, "Retry-After: 1000\r\n", b"(429) rate-limit for domain exceeded\n")
        })
    });
    let seen = probe(&network, &[]).ok();
    assert!(steps(&seen).ends_with(&["add-leaf skipped".into(), "quorum good".into()]), "{seen:?}");
    assert!(seen.stdout.contains("left alone for 1000 s"), "{}", seen.stdout);

    let args = ["probe", "-p", "policy", "--interval", "1s", "--listen", "127.0.0.1:0"];
    let daemon = network.sandbox.daemon(&args);
    let connections = front.connections();
    until_metric(&daemon.url, "sigsum_probe_up{", "service=\"read\"} 1");
    let first = sample(&daemon.url, "sigsum_probe_time_seconds{");
    until(|| sample(&daemon.url, "sigsum_probe_time_seconds{") != first);
    assert!(front.connections() >= connections);
    assert_eq!(asked.load(Ordering::SeqCst), 2, "one of each program");
    let page = http(&daemon.url, "GET", "/metrics", b"").1;
    assert!(
        !page.contains("service=\"submit\""),
        "it says nothing of what it does not know: {page}"
    );
    daemon.stop();
}

#[test]
fn a_log_that_contradicts_itself_is_found_out() {
    let hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for (path, status, body, step, text) in [
        ("/tile/0/", 200, hash, "tile", "does not end with the last leaf"),
        ("/tile/entries/", 200, "\0\u{1}x", "tile", "expected 2 entries, found 1"),
        ("/checkpoint", 200, "sigsum.org/v1/tree/x\n1\n", "checkpoint", "malformed"),
        ("/get-leaves/", 500, "no\n", "get-leaves", "no"),
        ("/get-inclusion-proof/", 404, "(404) Not Found\n", "get-leaves", "Not Found"),
    ] {
        let network = network();
        network.sandbox.run_with(&["submit", "-p", "policy", "-k", "k", "-o", "q"], b"y").ok();
        let _front = behind(&network, move |request| {
            request.path.starts_with(path).then(|| answer(status, "", body.as_bytes()))
        });
        let seen = probe(&network, &["--read-only"]).fails_with("1 of 1 logs failed");
        let failed: Vec<_> = seen.stdout.lines().filter(|line| line.contains("FAILED")).collect();
        assert_eq!(failed.len(), 1, "{path}: {}", seen.stdout);
        assert!(
            failed[0].trim().starts_with(step) && failed[0].contains(text),
            "{path}: {failed:?}"
        );
    }
}

#[test]
fn a_log_without_tiles_is_well() {
    let network = network();
    let _front = behind(&network, |request| {
        let is_ours = request.path.starts_with("/tile") || request.path == "/checkpoint";
        is_ours.then(|| answer(404, "", b"404 page not found\n"))
    });
    let seen = probe(&network, &[]).ok();
    for step in ["checkpoint skipped", "tile skipped", "quorum good"] {
        assert!(steps(&seen).iter().any(|line| line == step), "{step}: {}", seen.stdout);
    }
}

#[test]
fn a_log_that_forgets_its_tree_is_found_out_by_a_daemon() {
    let network = network();
    let old = http(network.log_url(), "GET", "/get-tree-head", b"").1;
    network.sandbox.run_with(&["submit", "-p", "policy", "-k", "k", "-o", "q"], b"y").ok();
    let forgets = Arc::new(AtomicUsize::new(0));
    let is_forgetful = Arc::clone(&forgets);
    let _front = behind(&network, move |request| {
        let is_asked = request.path == "/get-tree-head" && is_forgetful.load(Ordering::SeqCst) > 0;
        is_asked.then(|| answer(200, "", old.as_bytes()))
    });
    let args =
        ["probe", "-p", "policy", "--read-only", "--interval", "1s", "--listen", "127.0.0.1:0"];
    let daemon = network.sandbox.daemon(&args);
    until_metric(&daemon.url, "sigsum_probe_up{", "service=\"read\"} 1");
    forgets.store(1, Ordering::SeqCst);
    until_metric(&daemon.url, "sigsum_probe_step_failed{", "step=\"get-consistency-proof\"} 1");
    until_metric(&daemon.url, "sigsum_probe_up{", "service=\"read\"} 0");
    let said = daemon.stop();
    assert!(said.contains("the tree shrank from 2 to 1 leaves"), "{said}");
}

#[test]
fn a_daemon_tells_when_a_log_goes_and_comes_back() {
    let mut network = network();
    let args = ["probe", "-p", "policy", "--interval", "1s", "--listen", "127.0.0.1:0"];
    let daemon = network.sandbox.daemon(&args);
    until_metric(&daemon.url, "sigsum_probe_up{", "service=\"quorum\"} 1");
    let url = daemon.url.clone();
    network.restart_log_in_place(|| {
        until_metric(&url, "sigsum_probe_up{", "service=\"read\"} 0");
    });
    until_metric(&daemon.url, "sigsum_probe_up{", "service=\"read\"} 1");
    let said = daemon.stop();
    let changes = said.lines().filter(|line| line.contains("service=\"read\""));
    assert_eq!(changes.count(), 3, "up, down, up and nothing else: {said}");
}

#[test]
fn a_daemon_whose_key_is_gone_looks_on_and_submits_again_when_it_is_back() {
    let network = network();
    let Some(agent) = Agent::start(&network.sandbox) else { return };
    let args = ["probe", "-p", "policy", "-k", "log-key.pub", "--interval", "1s"];
    let mut command = network.sandbox.command(&[&args[..], &["--listen", "127.0.0.1:0"]].concat());
    command.env("SSH_AUTH_SOCK", &agent.socket);
    let mut daemon = Daemon::start(command);
    until_metric(&daemon.url, "sigsum_probe_up{", "service=\"submit\"} 1");
    drop(agent);
    daemon.until_said("no leaf is submitted until one can be signed: Signing failed");
    let time = sample(&daemon.url, "sigsum_probe_time_seconds{");
    until(|| sample(&daemon.url, "sigsum_probe_time_seconds{") != time);
    let _agent = Agent::start(&network.sandbox).unwrap();
    daemon.until_said("leaves are signed and submitted again");
    daemon.stop();
}

#[test]
fn a_file_that_cron_writes_keeps_what_a_look_says_nothing_about() {
    let mut network = network();
    let args = ["--metrics-file", "m.prom"];
    probe(&network, &args).ok();
    let first = network.sandbox.read("m.prom");
    network.log.take().unwrap().stop();
    probe(&network, &args).fails_with("1 of 1 logs failed");
    let second = network.sandbox.read("m.prom");
    let lines = |file: &str, beginning: &str| -> Vec<String> {
        file.lines().filter(|line| line.starts_with(beginning)).map(str::to_owned).collect()
    };
    for (beginning, count) in [
        ("sigsum_probe_success_time_seconds{", 4),
        ("sigsum_probe_step_seconds{", 7),
        ("sigsum_probe_tree_size{", 1),
        ("sigsum_probe_witness_cosigned{", 2),
    ] {
        assert_eq!(lines(&first, beginning).len(), count, "{beginning} in {first}");
        assert_eq!(lines(&second, beginning), lines(&first, beginning), "{second}");
    }
    let up = lines(&second, "sigsum_probe_up{");
    let is = |service: &str, up_: i32| {
        up.iter().any(|line| line.ends_with(&format!("service=\"{service}\"}} {up_}")))
    };
    assert!(is("read", 0) && is("submit", 0) && is("quorum", 1), "{second}");
    // Of another log, what the file says is not taken over.
    let policy = network.sandbox.read("policy").replace("127.0.0.1", "localhost");
    network.sandbox.write("policy", policy);
    probe(&network, &args).fails_with("1 of 1 logs failed");
    assert!(!network.sandbox.read("m.prom").contains("127.0.0.1"));
}

#[test]
fn a_daemon_without_a_configuration_ends_with_its_terminal_unless_nohup_started_it() {
    let network = network();
    let args = ["probe", "-p", "policy", "--interval", "1s", "--listen", "127.0.0.1:0"];
    let daemon = network.sandbox.daemon(&args);
    daemon.hang_up();
    daemon.ended();
    let plain = network.sandbox.command(&args);
    let mut command = std::process::Command::new("nohup");
    command.arg(plain.get_program()).args(args).current_dir(network.sandbox.path(""));
    let daemon = Daemon::start(command);
    daemon.hang_up();
    let time = sample(&daemon.url, "sigsum_probe_time_seconds{");
    until(|| sample(&daemon.url, "sigsum_probe_time_seconds{") != time);
    daemon.stop();
}

#[test]
fn what_makes_no_sense_is_refused() {
    let network = network();
    probe(&network, &["--listen", "127.0.0.1:0"]).code.filter(|code| *code != 0).unwrap();
    probe(&network, &["--interval", "0s"]).fails_with("--interval must be at least 1s");
    probe(&network, &["--url", "http://127.0.0.1:1"])
        .fails_with("a log line with exactly this URL");
    probe(&network, &["-d", "example.org"]).code.filter(|code| *code != 0).unwrap();
    network.sandbox.run(&["probe"]).fails_with("A policy must be specified");
    probe(&network, &["--read-only", "--metrics-file", "missing/m.prom"])
        .fails_with("missing/m.prom");
    let url = network.log_url().to_owned();
    probe(&network, &["--read-only", "--url", &url]).ok();
}

/// Waits for something that a daemon does.
#[track_caller]
pub(crate) fn until(mut reached: impl FnMut() -> bool) {
    let until = Instant::now() + LIMIT;
    while !reached() {
        assert!(Instant::now() < until, "it does not happen");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// The first line of the metrics that begins so.
fn sample(url: &str, beginning: &str) -> Option<String> {
    let page = http(url, "GET", "/metrics", b"").1;
    page.lines().find(|line| line.starts_with(beginning)).map(str::to_owned)
}

/// Waits for a line of the metrics that begins and ends so.
#[track_caller]
fn until_metric(url: &str, beginning: &str, end: &str) {
    let is_there = |line: &str| line.starts_with(beginning) && line.ends_with(end);
    let deadline = Instant::now() + LIMIT;
    loop {
        let page = http(url, "GET", "/metrics", b"").1;
        if page.lines().any(is_there) {
            return;
        }
        assert!(Instant::now() < deadline, "no {beginning}...{end} in {page}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}
