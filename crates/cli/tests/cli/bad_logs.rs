//! `sigsum submit` against logs that fail, limit, lie or forget: it ends in time, says why, and
//! never writes a proof that does not verify.

use crate::fake::{Fake, Request, answer, endless, pass};
use crate::harness::{Network, Outcome};
use crate::wire::ask;
use rustix::process::{Pid, Signal, kill_process};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A log with one witness and a leaf that is not ours, and something in front of it.
struct Lab {
    network: Network,
    _front: Fake,
}

impl Lab {
    /// `respond` is given the log's URL and each request; where it gives nothing the log answers.
    fn behind(respond: impl Fn(&str, &Request) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let network = Network::start(1, 1);
        let sandbox = &network.sandbox;
        for key in ["k", "other"] {
            sandbox.key(key);
        }
        for name in ["other0", "other1"] {
            sandbox.write(name, name);
            sandbox.run(&["submit", "-p", "policy", "-k", "other", name]).ok();
        }
        sandbox.write("f", "data");
        let url = network.log_url().to_owned();
        let front = {
            let url = url.clone();
            Fake::http(move |request| respond(&url, request).unwrap_or_else(|| pass(&url, request)))
        };
        let policy = sandbox.read("policy");
        sandbox.write("front-policy", policy.replace(&url, &front.url()));
        Self { network, _front: front }
    }

    fn submit(&self, timeout: &str) -> Outcome {
        let args = ["submit", "-t", timeout, "-p", "front-policy", "-k", "k", "f"];
        self.network.sandbox.run(&args)
    }

    /// It failed, said why, and left no proof.
    #[track_caller]
    fn fails_with(&self, timeout: &str, text: &str) {
        self.submit(timeout).fails_with(text);
        assert!(!self.network.sandbox.path("f.proof").exists());
    }

    /// It went well, and the proof verifies.
    #[track_caller]
    fn gives_a_proof(&self) {
        self.submit("50s").ok();
        let args = ["verify", "-p", "policy", "-k", "k.pub", "f.proof"];
        self.network.sandbox.run_with(&args, b"data").ok();
    }
}

#[test]
fn a_log_that_answers_500_is_given_up_soon() {
    let lab = Lab::behind(|_, _| Some(answer(500, "", b"Internal Server Error\n")));
    let began = Instant::now();
    lab.fails_with("60s", "all logs failed, giving up");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn a_log_that_fails_for_a_while_is_waited_for() {
    let requests = AtomicUsize::new(0);
    let lab = Lab::behind(move |_, _| {
        let number = requests.fetch_add(1, Ordering::SeqCst);
        (number < 2).then(|| answer(503, "Retry-After: 1\r\n", b"(503) soon\n"))
    });
    lab.gives_a_proof();
}

#[test]
fn a_rate_limit_with_a_time_is_waited_for() {
    let limited = Mutex::new(None);
    let lab = Lab::behind(move |_, request| {
        if request.path != "/add-leaf" {
            return None;
        }
        let since = *limited.lock().unwrap().get_or_insert_with(Instant::now);
        let is_over = since.elapsed() >= Duration::from_millis(900);
        // Whoever does not wait is limited anew, for longer than the test.
        (!is_over).then(|| answer(429, "Retry-After: 1\r\n", b"(429) one a second\n"))
    });
    lab.gives_a_proof();
}

#[test]
fn a_rate_limit_beyond_the_deadline_ends_it_at_once_and_names_the_time() {
    let lab = Lab::behind(|_, _| Some(answer(429, "Retry-After: 3600\r\n", b"(429) tomorrow\n")));
    let began = Instant::now();
    lab.fails_with("40s", "asks to wait for 3600 s");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn a_dead_log_makes_room_for_the_next() {
    let lab = Lab::behind(|_, _| None);
    let dead = Fake::start(drop).url(); // and gone
    let sandbox = &lab.network.sandbox;
    let policy = sandbox.read("front-policy");
    sandbox.write("front-policy", format!("log {} {dead}\n{policy}", sandbox.key_hex("other")));
    lab.gives_a_proof();
}

/// An answer of the log to an inclusion proof, changed.
fn with_proofs(change: fn(String) -> String) -> Lab {
    Lab::behind(move |url, request| {
        if !request.path.starts_with("/get-inclusion-proof") {
            return None;
        }
        let got = ask(url, "GET", &request.path, b"");
        (got.status == 200).then(|| answer(200, "", change(got.text()).as_bytes()))
    })
}

#[test]
fn a_proof_with_a_wrong_node_is_refused() {
    let lab = with_proofs(|proof| {
        let last = proof.trim_end().rsplit_once('=').unwrap().1.to_owned();
        proof.replace(&last, &"00".repeat(32))
    });
    lab.fails_with("20s", "invalid inclusion proof from log");
}

#[test]
fn a_proof_of_another_leaf_is_refused() {
    let lab = with_proofs(|proof| proof.replacen("leaf_index=2", "leaf_index=1", 1));
    lab.fails_with("20s", "invalid inclusion proof from log");
}

#[test]
fn a_proof_of_64_nodes_is_refused() {
    let lab = with_proofs(|proof| proof + &format!("node_hash={}\n", "00".repeat(32)).repeat(64));
    lab.fails_with(
        "5s",
        "it gives no inclusion proof: unexpected answer with status 200: body is longer",
    );
}

#[test]
fn an_index_beyond_the_tree_is_refused() {
    let lab =
        with_proofs(|proof| proof.replacen("leaf_index=2", "leaf_index=9223372036854775807", 1));
    lab.fails_with("20s", "invalid inclusion proof from log");
}

#[test]
fn heads_that_go_backwards_now_and_then_keep_nobody_from_a_proof() {
    let (old, count) = (Mutex::new(None::<Vec<u8>>), AtomicUsize::new(0));
    let lab = Lab::behind(move |url, request| {
        if request.path != "/get-tree-head" {
            return None;
        }
        let new = ask(url, "GET", "/get-tree-head", b"").body;
        let old = old.lock().unwrap().get_or_insert_with(|| new.clone()).clone();
        let is_new = count.fetch_add(1, Ordering::SeqCst) % 3 == 2;
        Some(answer(200, "", if is_new { &new } else { &old }))
    });
    lab.gives_a_proof();
}

/// The log's heads, changed.
fn with_heads(change: fn(String) -> String) -> Lab {
    Lab::behind(move |url, request| {
        let is_head = request.path == "/get-tree-head";
        is_head.then(|| {
            let head = ask(url, "GET", "/get-tree-head", b"").text();
            answer(200, "", change(head).as_bytes())
        })
    })
}

#[test]
fn heads_without_their_quorum_prove_nothing() {
    let lab = with_heads(|head| head.lines().take(3).map(|line| line.to_owned() + "\n").collect());
    lab.fails_with("3s", "no proof within 3 s");
}

#[test]
fn heads_that_the_log_did_not_sign_prove_nothing() {
    let lab = with_heads(|head| {
        let signature = head.lines().nth(2).unwrap().to_owned();
        head.replace(&signature, &format!("signature={}", "00".repeat(64)))
    });
    lab.fails_with("3s", "no proof within 3 s");
}

#[test]
fn a_cosignature_of_another_tree_proves_nothing() {
    let lab = with_heads(|head| head.replacen("size=", "size=1", 1));
    lab.fails_with("3s", "no proof within 3 s");
}

#[test]
fn a_log_that_takes_leaves_and_never_logs_them_is_named_at_the_deadline() {
    let lab = Lab::behind(|_, request| {
        (request.path == "/add-leaf").then(|| answer(202, "", b"(202) Accepted\n"))
    });
    lab.fails_with("3s", "took the leaf, but its tree head of size 2 does not include the leaf");
}

#[test]
fn a_page_of_a_proxy_is_no_success() {
    let lab = Lab::behind(|_, _| Some(answer(200, "", b"<html>Welcome to the hotel</html>")));
    lab.fails_with("20s", "Welcome to the hotel");
}

#[test]
fn endless_answers_are_cut_off() {
    let lab = Lab::behind(|_, _| None);
    let flood = Fake::start(|stream| {
        endless(stream, b"HTTP/1.1 200 OK\r\n\r\n", &[b'a'; 65536]);
    });
    let sandbox = &lab.network.sandbox;
    let hex = sandbox.key_hex("log-key");
    sandbox.write("front-policy", format!("log {hex} {}\nquorum none\n", flood.url()));
    lab.fails_with("20s", "longer than");
}

#[test]
fn a_terminal_is_not_sent_what_a_log_says() {
    let lab = Lab::behind(|_, _| Some(answer(403, "", b"(403) \x1b[2J\x07 gone\n")));
    let outcome = lab.submit("20s");
    assert_eq!(outcome.code, Some(1));
    assert!(!outcome.stderr.contains('\u{1b}') && !outcome.stderr.contains('\u{7}'));
    assert!(outcome.stderr.contains("gone"), "{}", outcome.stderr);
}

/// A batch whose proofs are computed from the leaves that the log serves, which are changed.
fn batch_with_leaves(change: fn(String) -> Vec<u8>) {
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let lab = Lab::behind(move |url, request| {
        let is_leaves = request.path.starts_with("/get-leaves/");
        is_leaves.then(|| {
            count.fetch_add(1, Ordering::SeqCst);
            answer(200, "", &change(ask(url, "GET", &request.path, b"").text()))
        })
    });
    let sandbox = &lab.network.sandbox;
    let names: Vec<String> = (0..40).map(|n| format!("b{n}")).collect();
    for name in &names {
        sandbox.write(name, name);
    }
    let mut args = vec!["submit", "-t", "40s", "-p", "front-policy", "-k", "k"];
    args.extend(names.iter().map(String::as_str));
    sandbox.run(&args).ok();
    for name in &names {
        let proof = format!("{name}.proof");
        let verify = ["verify", "-p", "policy", "-k", "k.pub", &proof];
        sandbox.run_with(&verify, name.as_bytes()).ok();
    }
    assert!(served.load(Ordering::SeqCst) > 0, "no leaves were read");
}

#[test]
fn leaves_in_another_order_keep_no_batch_from_its_proofs() {
    batch_with_leaves(|leaves| {
        let mut lines: Vec<&str> = leaves.lines().collect();
        lines.reverse();
        (lines.join("\n") + "\n").into_bytes()
    });
}

#[test]
fn leaves_that_are_missing_keep_no_batch_from_its_proofs() {
    batch_with_leaves(|leaves| {
        leaves.lines().take(1).map(|l| l.to_owned() + "\n").collect::<String>().into_bytes()
    });
}

#[test]
fn leaves_that_are_garbage_keep_no_batch_from_its_proofs() {
    batch_with_leaves(|_| b"\0\xff".to_vec());
}

#[test]
fn ctrl_c_in_a_batch_keeps_the_proofs_that_are_done() {
    // One leaf, the first to come, is never logged.
    let stuck = Mutex::new(None::<Vec<u8>>);
    let lab = Lab::behind(move |_, request| {
        let mut stuck = stuck.lock().unwrap();
        let is_stuck = request.path == "/add-leaf"
            && *stuck.get_or_insert_with(|| request.body.clone()) == request.body;
        is_stuck.then(|| answer(202, "", b"(202) Accepted\n"))
    });
    let sandbox = &lab.network.sandbox;
    let names: Vec<String> = (0..10).map(|n| format!("b{n}")).collect();
    for name in &names {
        sandbox.write(name, name);
    }
    let proofs = || names.iter().filter(|n| sandbox.path(&format!("{n}.proof")).exists()).count();
    let mut args = vec!["submit", "-p", "front-policy", "-k", "k"];
    args.extend(names.iter().map(String::as_str));
    let mut command = sandbox.command(&args);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while proofs() < names.len() - 1 {
        assert!(child.try_wait().unwrap().is_none(), "it ended with {} proofs", proofs());
        std::thread::yield_now();
    }
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    // Tests that a shell runs in the background inherit that SIGINT is ignored.
    for signal in [Signal::INT, Signal::TERM] {
        kill_process(pid, signal).unwrap();
    }
    assert!(!child.wait().unwrap().success());
    assert_eq!(proofs(), names.len() - 1);
    // The same command, with a log that proves, does only what is missing.
    args[2] = "policy";
    sandbox.run(&args).ok();
    for name in &names {
        let proof = format!("{name}.proof");
        let verify = ["verify", "-p", "policy", "-k", "k.pub", &proof];
        sandbox.run_with(&verify, name.as_bytes()).ok();
    }
}
