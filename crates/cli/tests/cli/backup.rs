//! `sigsum log backup`, `status`, and `fsck --repair` with a copy: what an operator has when a disk
//! goes bad.

use crate::harness::{LOG_ARGS, Network, Outcome, Sandbox};
use crate::start::find;
use std::os::unix::fs::FileExt as _;
use std::process::Stdio;
use std::time::Duration;

const KEY: [&str; 2] = ["--key-file", "log-key.pub"];

fn log(sandbox: &Sandbox, command: &str, args: &[&str]) -> Outcome {
    sandbox.run(&[&["log", command], args].concat())
}

fn backup(sandbox: &Sandbox, to: &str) -> Outcome {
    log(sandbox, "backup", &[&["--data-dir", "log", "--to", to], &KEY[..]].concat())
}

fn fsck(sandbox: &Sandbox, dir: &str, more: &[&str]) -> Outcome {
    log(sandbox, "fsck", &[&["--data-dir", dir], &KEY[..], more].concat())
}

/// Has so many leaves published, with numbers from `first` on.
fn submit(network: &Network, first: u32, count: u32) {
    let sandbox = &network.sandbox;
    let names: Vec<String> = (first..first + count).map(|n| format!("f{n}")).collect();
    names.iter().for_each(|name| sandbox.write(name, name));
    let mut args = vec!["submit", "-p", "policy", "-k", "k"];
    args.extend(names.iter().map(String::as_str));
    sandbox.run(&args).ok();
}

/// A running log with three leaves.
fn running() -> Network {
    let network = Network::start(0, 0);
    network.sandbox.key("k");
    submit(&network, 0, 3);
    network
}

#[allow(clippy::disallowed_methods, reason = "the damage that is to be found")]
fn flip(sandbox: &Sandbox, part: &str, at: u64) -> std::path::PathBuf {
    let path = find(&sandbox.path("log"), part);
    let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 4], at).unwrap();
    path
}

#[test]
fn a_backup_is_made_while_the_log_runs_and_no_primary_starts_from_it() {
    let network = running();
    let sandbox = &network.sandbox;
    let said = backup(sandbox, "copy").ok().stdout;
    assert!(said.contains("3 new leaves") && said.contains("published head     3"), "{said}");
    submit(&network, 3, 2);
    let said = backup(sandbox, "copy").ok().stdout;
    assert!(said.contains("2 new leaves") && said.contains("published head     5"), "{said}");
    let said = fsck(sandbox, "copy", &[]).ok().stdout;
    assert!(said.contains("copy: no damage"), "{said}");
    let mut args = LOG_ARGS;
    args[3] = "copy";
    let refused = sandbox.run(&args);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("follower"), "{}", refused.stderr);
    // Nor is the log's own directory taken for a copy.
    let refused =
        log(sandbox, "backup", &[&["--data-dir", "copy", "--to", "log"], &KEY[..]].concat());
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
}

#[test]
fn a_backup_that_is_killed_does_not_keep_the_next_one_from_working() {
    let network = running();
    let sandbox = &network.sandbox;
    for round in 0..12 {
        let args = [&["log", "backup", "--data-dir", "log", "--to", "copy"], &KEY[..]].concat();
        let mut command = sandbox.command(&args);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::park_timeout(Duration::from_millis(round * 3));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    backup(sandbox, "copy").ok();
    assert!(fsck(sandbox, "copy", &[]).ok().stdout.contains("leaves in the tree 3"));
}

#[test]
fn leaves_that_rotted_come_back_from_a_backup_and_nothing_is_lost() {
    let mut network = running();
    backup(&network.sandbox, "copy").ok();
    network.log.take().unwrap().stop();
    let sandbox = &network.sandbox;
    let (entries, hashes) = (flip(sandbox, "tile/entries", 60), flip(sandbox, "tile/0/", 40));
    let text = fsck(sandbox, "log", &[]).fails_with("2 files are damaged").stderr;
    for path in [&entries, &hashes] {
        let name = path.to_str().unwrap().rsplit_once("/log/").unwrap().1;
        assert!(text.contains(name), "{text}");
    }
    assert!(
        text.contains("--repair --from URL") && text.contains("do not delete anything"),
        "{text}"
    );
    fsck(sandbox, "log", &["--repair"]).fails_with("2 files are damaged");
    let said = fsck(sandbox, "log", &["--repair", "--from", "copy"]).ok().stdout;
    assert!(said.contains("taken from the copy") && said.contains("log: no damage"), "{said}");
    assert!(said.contains("damaged/tile-entries"), "{said}");
    network.start_log();
    submit(&network, 3, 1);
}

#[test]
fn leaves_that_rotted_come_back_from_another_node_over_http() {
    let mut network = running();
    network.log.take().unwrap().stop();
    // Another node: a copy of the directory that serves it.
    let sandbox = &network.sandbox;
    let copied = std::process::Command::new("cp")
        .args(["-a", &sandbox.arg("log"), &sandbox.arg("other")])
        .status()
        .unwrap();
    assert!(copied.success());
    let mut args = LOG_ARGS;
    args[3] = "other";
    let other = sandbox.daemon(&args);
    flip(sandbox, "tile/entries", 60);
    fsck(sandbox, "log", &["--repair", "--from", &other.url]).ok();
    other.stop();
    network.start_log();
    submit(&network, 3, 1);
}

#[test]
fn the_status_of_a_log_is_told_while_it_runs_and_when_it_does_not() {
    let mut network = running();
    let internal = network.log.as_mut().unwrap().internal_url();
    let ask = |sandbox: &Sandbox, more: &[&str]| {
        let args = ["--internal-endpoint", &internal, "--data-dir", "log"];
        log(sandbox, "status", &[&args, more].concat())
    };
    let said = ask(&network.sandbox, &[]).ok().stdout;
    assert!(said.starts_with("the log does all that it is for"), "{said}");
    assert!(said.contains("published head     3, cosignatures 0"), "{said}");
    assert!(said.contains("space left"), "{said}");
    let json = ask(&network.sandbox, &["--json"]).ok().stdout;
    for part in ["\"running\": true", "\"problems\": []", "\"committed_size\": 3"] {
        assert!(json.contains(part), "{json}");
    }
    network.log.take().unwrap().stop();
    let said = ask(&network.sandbox, &[]);
    assert_eq!(said.code, Some(1));
    assert!(said.stdout.contains("PROBLEM: no answer from the internal endpoint"), "{said:?}");
    assert!(said.stdout.contains("leaves in the tree 3"), "{said:?}");
    let json = ask(&network.sandbox, &["--json"]).stdout;
    assert!(json.contains("\"running\": false") && json.contains("\"tree_size\": 3"), "{json}");
    flip(&network.sandbox, "log/head", 90);
    let said = ask(&network.sandbox, &[]).stdout;
    assert!(said.contains("the checksum does not match"), "{said}");
}
