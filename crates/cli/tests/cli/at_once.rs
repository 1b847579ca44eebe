//! Two of everything: processes that share a directory or a leaf with another.

use crate::harness::{Network, Sandbox, http};
use crate::wire::ask;
use std::process::{Child, Command, Output, Stdio};

/// Starts commands at the same time and waits for all.
fn all_at_once(commands: impl IntoIterator<Item = Command>) -> Vec<Output> {
    let start = |mut command: Command| {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<Child> = commands.into_iter().map(start).collect();
    children.into_iter().map(|child| child.wait_with_output().unwrap()).collect()
}

fn size(url: &str) -> u64 {
    let (_, head) = http(url, "GET", "/get-tree-head", b"");
    let line = head.lines().next().unwrap_or_default();
    line.strip_prefix("size=").map_or(0, |size| size.parse().unwrap())
}

#[test]
fn a_second_witness_on_a_directory_is_refused() {
    let network = Network::start(1, 1);
    let args = ["witness", "run", "--data-dir", "w0", "-k", "w0-key", "--listen", "127.0.0.1:0"];
    network.sandbox.run(&args).fails_with("locked by another process");
}

#[test]
fn a_second_witness_on_a_state_file_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.key("w");
    sandbox.key("log");
    let args = [
        "witness",
        "single",
        "-k",
        "w",
        "--log-key",
        "log.pub",
        "--state-file",
        "state",
        "127.0.0.1:0",
    ];
    let first = sandbox.daemon(&args);
    sandbox.run(&args).fails_with("locked by another process");
    first.stop();
    sandbox.daemon(&args).stop();
}

#[test]
fn a_second_monitor_on_a_state_directory_is_refused() {
    let network = Network::start(0, 0);
    let args = ["monitor", "-p", "policy", "-i", "100ms", "--state-directory", "state"];
    let mut command = network.sandbox.command(&args);
    let mut first = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let lock = network.sandbox.path("state/watched-keys");
    while !lock.exists() {
        std::thread::yield_now();
    }
    let second = network.sandbox.run(&args);
    first.kill().unwrap();
    first.wait().unwrap();
    second.fails_with("locked by another process");
}

#[test]
fn of_several_that_make_a_log_or_a_witness_one_does() {
    let sandbox = Sandbox::new();
    sandbox.key("k");
    let inits: [&[&str]; 2] = [
        &["log", "init", "--data-dir", "log", "--key-file", "k"],
        &["witness", "init", "--data-dir", "witness", "-k", "k"],
    ];
    for init in inits {
        let outputs = all_at_once((0..8).map(|_| sandbox.command(init)));
        let made = outputs.iter().filter(|output| output.status.success()).count();
        assert_eq!(made, 1, "{outputs:?}");
    }
}

#[test]
fn logs_added_at_once_to_a_running_witness_are_all_there() {
    let network = Network::start(1, 1);
    let sandbox = &network.sandbox;
    let keys: Vec<String> = (1..=10).map(|n| format!("{n:064x}")).collect();
    let add = |key: &String| {
        sandbox.command(&["witness", "add-log", "--data-dir", "w0", "--sigsum-key", key])
    };
    for output in all_at_once(keys.iter().map(add)) {
        assert!(output.status.success(), "{output:?}");
    }
    let list = sandbox.run(&["witness", "list-logs", "--data-dir", "w0"]).ok().stdout;
    assert_eq!(list.lines().count(), 11, "{list}");
}

#[test]
fn one_leaf_submitted_fifty_times_at_once_has_one_index() {
    let network = Network::start(1, 1);
    let (sandbox, url) = (&network.sandbox, network.log_url());
    sandbox.key("k");
    let request = sandbox.run_with(&["submit", "-k", "k"], b"data").ok().stdout;
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                assert_eq!(ask(url, "POST", "/add-leaf", request.as_bytes()).status, 200);
            });
        }
    });
    // Another leaf behind shows that the head is not older than the fifty.
    sandbox.write("f", "other");
    sandbox.run(&["submit", "-p", "policy", "-k", "k", "f"]).ok();
    assert_eq!(size(url), 2);
}

#[test]
fn the_same_batch_from_two_processes_is_logged_once_and_proven_to_both() {
    let network = Network::start(1, 1);
    let sandbox = &network.sandbox;
    sandbox.key("k");
    let names: Vec<String> = (0..50).map(|n| format!("f{n}")).collect();
    for name in &names {
        sandbox.write(name, name);
    }
    let mut args = vec!["submit", "-p", "policy", "-k", "k"];
    args.extend(names.iter().map(String::as_str));
    for output in all_at_once((0..2).map(|_| sandbox.command(&args))) {
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(size(network.log_url()), 50);
    for name in &names {
        let proof = format!("{name}.proof");
        let verify = ["verify", "-p", "policy", "-k", "k.pub", &proof];
        sandbox.run_with(&verify, name.as_bytes()).ok();
    }
    let entries = std::fs::read_dir(sandbox.path("")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = names.filter(|name| name.ends_with(".tmp")).collect();
    assert_eq!(left, Vec::<String>::new());
}
