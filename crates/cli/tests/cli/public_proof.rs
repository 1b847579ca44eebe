//! A proof from a public log, verified and altered.

use crate::harness::{Sandbox, testdata};

const POLICY: &str = "sigsum-test-2025-3";

/// Copies the public proof into a sandbox.
fn sandbox() -> Option<Sandbox> {
    let sandbox = Sandbox::new();
    for name in ["serviceberry-hello.proof", "serviceberry-hello.txt"] {
        sandbox.write(name, std::fs::read(testdata(name)?).unwrap());
    }
    let hex = std::fs::read(testdata("serviceberry-hello.pub.hex")?).unwrap();
    sandbox.run_with(&["key", "from-hex", "-o", "k.pub"], &hex).ok();
    Some(sandbox)
}

const VERIFY: [&str; 6] = ["verify", "-k", "k.pub", "-P", POLICY, "serviceberry-hello.proof"];

#[test]
fn the_proof_of_a_public_log_verifies() {
    let Some(sandbox) = sandbox() else { return };
    let data = sandbox.read("serviceberry-hello.txt");
    let outcome = sandbox.run_with(&VERIFY, data.as_bytes()).ok();
    assert_eq!(outcome.stdout, "");
    assert_eq!(outcome.stderr, format!("[INFO] Found builtin policy '\"{POLICY}\"'\n"));
}

#[test]
fn explain_lists_log_leaf_inclusion_and_every_witness() {
    let Some(sandbox) = sandbox() else { return };
    let data = sandbox.read("serviceberry-hello.txt");
    let args = [&VERIFY[..], &["--explain"]].concat();
    let told = sandbox.run_with(&args, data.as_bytes()).ok().stdout;
    for part in ["381381 of 381382", "poc.sigsum.org/nisse", "valid", "6 of 6, needed 4"] {
        assert!(told.contains(part), "{part} is missing in:\n{told}");
    }
}

#[test]
fn json_is_one_object_with_the_verdict() {
    let Some(sandbox) = sandbox() else { return };
    let data = sandbox.read("serviceberry-hello.txt");
    let args = [&VERIFY[..], &["--json"]].concat();
    let told = sandbox.run_with(&args, data.as_bytes()).ok().stdout;
    let value: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(value["accepted"], true);
    assert_eq!(value["tree"]["size"], 381_382);
    let refused = sandbox.run_with(&args, b"something else");
    let value: serde_json::Value = serde_json::from_str(&refused.stdout).unwrap();
    assert_eq!(value["accepted"], false);
}

#[test]
fn another_file_is_refused_with_the_text_of_the_go_tool() {
    let Some(sandbox) = sandbox() else { return };
    sandbox
        .run_with(&VERIFY, b"Hello, Sigsum?\n")
        .fails_with("Sigsum proof failed to verify: leaf signature not valid");
}

#[test]
fn another_key_another_log_and_another_policy_are_refused() {
    let Some(sandbox) = sandbox() else { return };
    let data = sandbox.read("serviceberry-hello.txt");
    sandbox.key("other");
    let args = ["verify", "-k", "other.pub", "-P", POLICY, "serviceberry-hello.proof"];
    sandbox.run_with(&args, data.as_bytes()).fails_with("unknown leaf key hash");
    let args = ["verify", "-k", "k.pub", "-P", "sigsum-test1-2025", "serviceberry-hello.proof"];
    sandbox.run_with(&args, data.as_bytes()).fails_with("unknown log");
}

#[test]
fn the_policy_may_be_named_in_the_key_file() {
    let Some(sandbox) = sandbox() else { return };
    let data = sandbox.read("serviceberry-hello.txt");
    let args = ["verify", "-k", "k.pub", "serviceberry-hello.proof"];
    sandbox.run_with(&args, data.as_bytes()).fails_with("A policy must be specified");
    let key = sandbox.read("k.pub");
    sandbox.write("k.pub", format!("sigsum-policy=\"{POLICY}\" {key}"));
    sandbox.run_with(&args, data.as_bytes()).ok();
}

#[test]
fn a_raw_hash_stands_for_the_file() {
    let Some(sandbox) = sandbox() else { return };
    let args = [&VERIFY[..], &["--raw-hash"]].concat();
    let message = sigsum_core::Message::of_data(b"Hello, Sigsum!\n");
    sandbox.run_with(&args, message.as_bytes()).ok();
    sandbox.run_with(&args, format!(" {message}\n").as_bytes()).ok();
    sandbox.run_with(&args, b"Hello, Sigsum!\n").fails_with("not a SHA-256 hash");
}

#[test]
fn wrong_calls_say_how_to_do_it_right() {
    let sandbox = Sandbox::new();
    sandbox.key("k");
    sandbox.run(&["verify", "-k", "k.pub"]).fails_with("No proof given on command line");
    sandbox
        .run(&["verify", "-k", "k.pub", "-p", "a", "-P", "b", "c"])
        .fails_with("options are mutually exclusive");
    sandbox
        .run(&["verify", "-k", "k.pub", "-P", "sigsum-test-2025-3", "none"])
        .fails_with("Opening file \"none\" failed");
    sandbox.write("bad", "version=3\n");
    sandbox
        .run(&["verify", "-k", "k.pub", "-P", "sigsum-test-2025-3", "bad"])
        .fails_with("Invalid proof: ");
}
