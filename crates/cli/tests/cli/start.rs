//! Logs and witnesses that must not start, and what they say.

use crate::harness::{LOG_ARGS, Network, Sandbox, say};
use std::path::Path;

/// A log that has run and taken a few leaves, stopped by `kill -9`.
pub(crate) fn killed_log(leaves: usize) -> Sandbox {
    let mut network = Network::start(0, 0);
    network.sandbox.key("k");
    let names: Vec<String> = (0..leaves).map(|n| format!("f{n}")).collect();
    for name in &names {
        network.sandbox.write(name, name);
    }
    let mut args = vec!["submit", "-p", "policy", "-k", "k"];
    args.extend(names.iter().map(String::as_str));
    network.sandbox.run(&args).ok();
    network.log.take().unwrap().kill();
    network.sandbox
}

/// The first file below a directory whose path contains a text.
pub(crate) fn find(directory: &Path, part: &str) -> std::path::PathBuf {
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.to_str().unwrap().contains(part) {
                return path;
            }
        }
    }
    panic!("no file {part}");
}

#[test]
fn a_directory_that_was_not_made_for_a_log_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.key("log-key");
    sandbox.write("log-policy", "quorum none\n");
    sandbox.run(&LOG_ARGS).fails_with("sigsum log init");
}

#[test]
fn a_directory_in_use_is_refused() {
    let network = Network::start(0, 0);
    network.sandbox.run(&LOG_ARGS).fails_with("in use");
}

#[test]
fn the_directory_of_another_log_is_refused() {
    let sandbox = killed_log(1);
    sandbox.key("log-key");
    sandbox.run(&LOG_ARGS).fails_with("they belong to different logs");
}

#[test]
fn a_directory_is_made_only_once() {
    let sandbox = killed_log(1);
    let args = ["log", "init", "--data-dir", "log", "--key-file", "log-key"];
    sandbox.run(&args).fails_with("a log's directory is made once");
}

#[test]
fn a_followers_directory_is_no_primarys() {
    let sandbox = Sandbox::new();
    sandbox.key("log-key");
    sandbox.write("log-policy", "quorum none\n");
    let args = ["log", "init", "--follower", "--data-dir", "log", "--key-file", "log-key.pub"];
    let made = sandbox.run(&args).ok().stdout;
    assert!(made.contains("sigsum log secondary --data-dir log"), "{made}");
    sandbox.run(&LOG_ARGS).fails_with("run it with `sigsum log secondary`");
}

#[test]
fn half_a_replication_is_refused_by_its_flags_too() {
    let sandbox = Sandbox::new();
    for (flags, said) in [
        (&["--secondary-url", "http://s"][..], "without secondary-pubkey-file"),
        (&["--secondary-pubkey-file", "s.pub"], "without secondary-url"),
        (&["--follower", "http://s,s.pub"], "set required, from 1 to 1"),
        (&["--required", "1"], "no follower is named"),
        (&["--follower", "http://s,s.pub", "--required", "2"], "must be from 1 to 1"),
        (&["--follower", "http://s,s.pub", "--required", "1", "--replication", "none"], "remove"),
    ] {
        let args: Vec<&str> = [&["log", "primary", "--data-dir", "log"], flags].concat();
        sandbox.run(&args).fails_with(said);
    }
}

#[test]
fn a_missing_tile_is_named() {
    let sandbox = killed_log(3);
    let tile = find(&sandbox.path("log/tile/entries"), "000");
    std::fs::remove_file(&tile).unwrap();
    let name = tile.file_name().unwrap().to_str().unwrap().to_owned();
    sandbox.run(&LOG_ARGS).fails_with(&name);
}

#[test]
fn a_log_without_a_key_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.run(&["log", "primary", "--data-dir", "log"]).fails_with("name it with --key-file");
}

#[test]
fn an_encrypted_key_is_refused_with_its_reason() {
    let sandbox = Sandbox::new();
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "secret", "-f", &sandbox.arg("enc")])
        .status();
    let Ok(true) = made.map(|status| status.success()) else {
        say("skipped: ssh-keygen is missing");
        assert!(std::env::var_os("CI").is_none(), "CI must have ssh-keygen");
        return;
    };
    sandbox.run_with(&["key", "sign", "-k", "enc"], b"data").fails_with("encrypted");
}

#[test]
fn a_configuration_with_an_unknown_word_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("config.toml", "intervall = \"10s\"\n");
    sandbox
        .run(&["log", "primary", "--config", "config.toml"])
        .fails_with("unknown keywords: [intervall]");
}

#[test]
fn a_witness_without_its_state_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.key("w-key");
    let args = ["witness", "run", "--data-dir", "w", "-k", "w-key", "--listen", "127.0.0.1:0"];
    let outcome = sandbox.run(&args);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains("witness init"), "{outcome:?}");
}

#[test]
fn a_log_whose_witnesses_cannot_make_a_quorum_says_so() {
    let sandbox = Sandbox::new();
    sandbox.key("log-key");
    sandbox.key("w");
    sandbox.run(&["log", "init", "--data-dir", "log", "--key-file", "log-key"]).ok();
    let witness = format!("witness w {}\nquorum w\n", sandbox.key_hex("w"));
    sandbox.write("log-policy", witness);
    let log = sandbox.daemon(&LOG_ARGS);
    let said = &log.said;
    assert!(
        said.contains("[WARN] the policy's witnesses with a URL do not make its quorum"),
        "{said}"
    );
}

#[test]
fn a_log_without_a_policy_says_that_it_has_no_witnesses() {
    let sandbox = Sandbox::new();
    sandbox.key("log-key");
    sandbox.run(&["log", "init", "--data-dir", "log", "--key-file", "log-key"]).ok();
    let args = LOG_ARGS.iter().filter(|arg| !arg.contains("policy")).copied();
    let log = sandbox.daemon(&args.collect::<Vec<_>>());
    assert!(log.said.contains("[WARN] no policy file"), "{}", log.said);
}
