//! `sigsum witness`: its directory, its configuration file.

use crate::harness::{Sandbox, http};

/// A witness's directory `w` with the key `k`, which knows the log `log-key`.
fn prepared() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.key("k");
    sandbox.key("log-key");
    sandbox.run(&["witness", "init", "--data-dir", "w", "-k", "k"]).ok();
    let added = add_log(&sandbox, "w");
    assert!(added.starts_with("Added log \"sigsum.org/v1/tree/"), "{added}");
    sandbox
}

fn add_log(sandbox: &Sandbox, directory: &str) -> String {
    let args = ["witness", "add-log", "--data-dir", directory, "--sigsum-key", "log-key.pub"];
    sandbox.run(&args).ok().stdout
}

#[test]
fn a_log_that_is_known_is_not_said_to_be_added() {
    let said = add_log(&prepared(), "w");
    assert!(said.contains("is there already, nothing has changed"), "{said}");
}

#[test]
fn the_configuration_file_says_where_a_witness_listens() {
    let sandbox = prepared();
    let socket = sandbox.arg("socket");
    let config = format!(
        "data-dir = \"w\"\nlisten = \"unix:{socket}\"\ninternal-listen = \"127.0.0.1:0\"\n"
    );
    sandbox.write("c.toml", config);
    let mut witness = sandbox.daemon(&["witness", "run", "-k", "k", "--config", "c.toml"]);
    assert_eq!(witness.url, format!("unix:{socket}"));
    let internal = witness.internal_url();
    assert_eq!(http(&internal, "GET", "/readyz", b""), (200, "ready\n".to_owned()));
    witness.stop();
}

#[test]
fn a_flag_goes_before_the_configuration_file() {
    let sandbox = prepared();
    sandbox.write("c.toml", "data-dir = \"w\"\nlisten = \"192.0.2.1:1\"\n");
    let args = ["witness", "run", "-k", "k", "--config", "c.toml", "--listen", "127.0.0.1:0"];
    let witness = sandbox.daemon(&args);
    assert!(witness.url.starts_with("http://127.0.0.1:"), "{}", witness.url);
}

#[test]
fn an_unknown_key_of_the_configuration_file_is_refused() {
    let sandbox = prepared();
    sandbox.write("c.toml", "data-dir = \"w\"\nlisten-at = \"127.0.0.1:0\"\n");
    let refused = sandbox.run(&["witness", "run", "-k", "k", "--config", "c.toml"]);
    refused.fails_with("unknown field `listen-at`");
}

#[test]
fn an_init_that_fails_for_another_reason_does_not_speak_of_a_second_one() {
    let sandbox = prepared();
    sandbox.run(&["witness", "init", "--data-dir", "w", "-k", "k"]).fails_with("is made once");
    let refused = sandbox.run(&["witness", "init", "--data-dir", "k/w", "-k", "k"]);
    assert!(!refused.stderr.contains("is made once"), "{}", refused.stderr);
    assert_eq!(refused.code, Some(1));
}
