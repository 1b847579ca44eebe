//! `sigsum monitor` on logs that fork, shrink, lie or vanish, and under `kill -9`.

use crate::fake::{Fake, Request, answer, pass};
use crate::harness::{Network, Sandbox};
use crate::wire::ask;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStderr, ChildStdout, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

/// What is not said in this time will not be.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running monitor that looks ten times a second.
struct Monitor {
    child: Child,
    events: mpsc::Receiver<String>,
    diagnostics: mpsc::Receiver<String>,
}

impl Monitor {
    fn start(sandbox: &Sandbox, policy: &str) -> Self {
        let args = ["monitor", "-p", policy, "-i", "100ms", "--state-directory", "state"];
        let mut command = sandbox.command(&args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let events = lines(child.stdout.take().unwrap());
        let diagnostics = lines(child.stderr.take().unwrap());
        Self { child, events, diagnostics }
    }

    /// Waits for an alert with this text.
    #[track_caller]
    fn says(&self, text: &str) {
        wait_for(&self.diagnostics, text);
    }

    /// Waits for a line of the report with this text.
    #[track_caller]
    fn reports(&self, text: &str) {
        wait_for(&self.events, text);
    }

    /// Kills it; gives what it has reported and nobody has looked at.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.events.iter().collect()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.child.kill(); // may have ended
        let _ = self.child.wait();
    }
}

#[track_caller]
fn wait_for(lines: &mpsc::Receiver<String>, text: &str) {
    let mut said = String::new();
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) if line.contains(text) => return,
            Ok(line) => said += &format!("{line}\n"),
            Err(_) => panic!("no {text:?} in:\n{said}"),
        }
    }
}

fn lines(from: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let _ = sender.send(line); // the test may have ended
        }
    });
    receiver
}

/// A network whose log has this many leaves, named by a word.
fn network_with(leaves: usize, word: &str) -> Network {
    let network = Network::start(1, 1);
    network.sandbox.key("k");
    add_leaves(&network, leaves, word);
    network
}

fn add_leaves(network: &Network, leaves: usize, word: &str) {
    let names: Vec<String> = (0..leaves).map(|n| format!("{word}{n}")).collect();
    for name in &names {
        network.sandbox.write(name, name);
    }
    let mut args = vec!["submit", "-p", "policy", "-k", "k"];
    args.extend(names.iter().map(String::as_str));
    network.sandbox.run(&args).ok();
}

/// Puts something in front of the log; `front-policy` leads there.
fn in_front(
    network: &Network,
    respond: impl Fn(&str, &Request) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> Fake {
    let url = network.log_url().to_owned();
    let front = {
        let url = url.clone();
        Fake::http(move |request| respond(&url, request).unwrap_or_else(|| pass(&url, request)))
    };
    let policy = network.sandbox.read("policy");
    network.sandbox.write("front-policy", policy.replace(&url, &front.url()));
    front
}

#[test]
fn a_log_that_forks_raises_an_alert_and_none_of_the_other_trees_leaves_is_reported() {
    let mut network = network_with(3, "true");
    let is_forked = Arc::new(AtomicBool::new(false));
    let fork = Arc::new(Mutex::new(String::new()));
    let _front = {
        let (is_forked, fork) = (Arc::clone(&is_forked), Arc::clone(&fork));
        in_front(&network, move |_, request| {
            is_forked.load(Ordering::SeqCst).then(|| pass(&fork.lock().unwrap(), request))
        })
    };
    let monitor = Monitor::start(&network.sandbox, "front-policy");
    monitor.reports("total processed 3");

    // A second log under the same key, which nobody should ever make; its witness does not know.
    let policy = network.sandbox.read("log-policy");
    let log = policy.lines().next().unwrap().to_owned();
    network.sandbox.write("log-policy", format!("{log}\nquorum none\n"));
    std::fs::rename(network.sandbox.path("log"), network.sandbox.path("true-log")).unwrap();
    network.sandbox.run(&["log", "init", "--data-dir", "log", "--key-file", "log-key"]).ok();
    network.start_log();
    add_leaves(&network, 5, "fork");
    network.log_url().clone_into(&mut fork.lock().unwrap());
    is_forked.store(true, Ordering::SeqCst);
    monitor.says("from size 3 to size 5");
    let reported: Vec<u64> = indices(&monitor.kill()).collect();
    assert_eq!(reported, [0, 1, 2]);
}

#[test]
fn a_log_that_shrinks_raises_an_alert_and_its_return_is_told() {
    let network = network_with(2, "first");
    let old = ask(network.log_url(), "GET", "/get-tree-head", b"").body;
    add_leaves(&network, 2, "second");
    let is_old = Arc::new(AtomicBool::new(false));
    let _front = {
        let is_old = Arc::clone(&is_old);
        in_front(&network, move |_, request| {
            let is_old = is_old.load(Ordering::SeqCst) && request.path == "/get-tree-head";
            is_old.then(|| answer(200, "", &old))
        })
    };
    let monitor = Monitor::start(&network.sandbox, "front-policy");
    monitor.reports("total processed 4");
    is_old.store(true, Ordering::SeqCst);
    monitor.says("monitored log has shrunk from size 4 to 2");
    is_old.store(false, Ordering::SeqCst);
    add_leaves(&network, 1, "third");
    monitor.reports("total processed 5");
}

#[test]
fn leaves_that_are_not_those_of_the_head_raise_an_alert_and_are_not_reported() {
    let network = network_with(4, "f");
    let _front = in_front(&network, |url, request| {
        let leaves = request.path.starts_with("/get-leaves/").then(|| {
            let got = ask(url, "GET", &request.path, b"").text();
            let mut lines: Vec<&str> = got.lines().collect();
            lines.swap(0, 1);
            lines.join("\n") + "\n"
        });
        leaves.map(|text| answer(200, "", text.as_bytes()))
    });
    let monitor = Monitor::start(&network.sandbox, "front-policy");
    monitor.reports("tree, size 4");
    monitor.says("leaves served are not those of the head of size 4");
    let reported = monitor.kill();
    assert!(!reported.iter().any(|line| line.contains("index")), "{reported:?}");
}

#[test]
fn a_head_without_quorum_raises_an_alert() {
    let network = network_with(1, "f");
    let _front = in_front(&network, |url, request| {
        let head = (request.path == "/get-tree-head").then(|| {
            let head = ask(url, "GET", "/get-tree-head", b"").text();
            head.lines().take(3).map(|line| line.to_owned() + "\n").collect::<String>()
        });
        head.map(|text| answer(200, "", text.as_bytes()))
    });
    let monitor = Monitor::start(&network.sandbox, "front-policy");
    monitor.says("0 of 1, needed 1");
}

#[test]
fn garbage_endless_answers_and_errors_raise_an_alert_and_end_nothing() {
    let network = network_with(1, "f");
    let mode = Arc::new(Mutex::new(0));
    let _front = {
        let mode = Arc::clone(&mode);
        in_front(&network, move |_, _| match *mode.lock().unwrap() {
            0 => Some(answer(200, "", b"\0\xff garbage")),
            1 => Some(answer(500, "", b"Internal Server Error\n")),
            2 => Some(answer(200, "", &[b'a'; 1 << 22])),
            _ => None,
        })
    };
    let monitor = Monitor::start(&network.sandbox, "front-policy");
    monitor.says("not responding as expected");
    for next in 1..=3 {
        *mode.lock().unwrap() = next;
    }
    monitor.reports("total processed 1");
}

#[test]
fn a_log_that_dies_ends_nothing_and_is_followed_when_it_is_back() {
    let mut network = network_with(1, "f");
    let monitor = Monitor::start(&network.sandbox, "policy");
    monitor.reports("total processed 1");
    network.restart_log_in_place(|| monitor.says("not responding as expected"));
    add_leaves(&network, 1, "g");
    monitor.reports("total processed 2");
}

/// The indices in lines of a report.
fn indices(lines: &[String]) -> impl Iterator<Item = u64> {
    let index = |line: &String| line.trim().strip_prefix("index ")?.split(' ').next()?.parse().ok();
    lines.iter().filter_map(index)
}

#[test]
fn kill_at_any_moment_loses_no_leaf() {
    let network = network_with(40, "f");
    let mut seen = BTreeSet::new();
    for round in 0..20 {
        let monitor = Monitor::start(&network.sandbox, "policy");
        // Not a wait for anything: the moment of the crash is what the test varies.
        std::thread::park_timeout(Duration::from_millis(4 * round));
        seen.extend(indices(&monitor.kill()));
        add_leaves(&network, 1, &format!("round{round}"));
    }
    let monitor = Monitor::start(&network.sandbox, "policy");
    add_leaves(&network, 1, "last");
    let mut said = Vec::new();
    while !said.last().is_some_and(|line: &String| line.contains("total processed 61")) {
        said.push(monitor.events.recv_timeout(PATIENCE).unwrap());
    }
    std::thread::park_timeout(Duration::from_millis(20));
    said.extend(monitor.kill());
    seen.extend(indices(&said));
    assert_eq!(seen, (0..61).collect());
}

/// A monitor whose output is a pipe that nobody reads yet.
fn unread(network: &Network) -> (Child, ChildStdout, ChildStderr) {
    let mut command = network.sandbox.command(&["monitor", "-p", "policy", "-i", "100ms"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    (child, stdout, stderr)
}

#[test]
fn a_monitor_whose_reader_is_gone_ends() {
    let network = network_with(1, "f");
    let (mut child, stdout, _stderr) = unread(&network);
    drop(stdout);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_monitor_whose_reader_does_not_read_heeds_sigterm() {
    // More than a pipe holds.
    let network = network_with(500, "f");
    let (mut child, stdout, stderr) = unread(&network);
    let mut said = BufReader::new(stderr).lines().map_while(Result::ok);
    assert!(said.any(|line| line.contains("reporting every leaf")));
    let mut first = BufReader::with_capacity(16, stdout);
    first.read_line(&mut String::new()).unwrap();
    first.read_line(&mut String::new()).unwrap();
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}
