//! What is the same for submissions by either program to either log.

use crate::harness::Sandbox;
use crate::peers::run_peer;
use std::path::PathBuf;

/// Arguments of a submission with the key `k`.
pub(crate) const SUBMIT: [&str; 6] = ["-p", "policy", "-k", "k", "-t", "60s"];

/// Names of files that hold their names.
pub(crate) fn files(sandbox: &Sandbox, beginning: &str, count: usize) -> Vec<String> {
    let names: Vec<String> = (0..count).map(|n| format!("{beginning}{n}")).collect();
    for name in &names {
        sandbox.write(name, name);
    }
    names
}

/// Both verifiers accept the proof of a file that holds its name, and refuse it for other data with
/// the same words.
#[track_caller]
pub(crate) fn both_verifiers_accept(sandbox: &Sandbox, verifier: &PathBuf, file: &str) {
    let proof = format!("{file}.proof");
    let args = ["-p", "policy", "-k", "k.pub", &proof];
    let ours = [&["verify"], &args[..]].concat();
    sandbox.run_with(&ours, file.as_bytes()).ok();
    run_peer(sandbox, verifier, &args, file.as_bytes()).ok();
    let refused = "sigsum proof failed to verify: leaf signature not valid";
    for outcome in [sandbox.run_with(&ours, b"x"), run_peer(sandbox, verifier, &args, b"x")] {
        assert_eq!(outcome.code, Some(1));
        assert!(outcome.stderr.to_lowercase().contains(refused), "{}", outcome.stderr);
    }
}

/// The line in which a monitor reports the leaf of a file that holds its name.
pub(crate) fn reported(sandbox: &Sandbox, index: usize, key: &str, file: &str) -> String {
    let public = format!("{key}.pub");
    let hash = sandbox.run(&["key", "to-hash", "-k", &public]).ok().stdout;
    let checksum = sigsum_core::Message::of_data(file.as_bytes()).checksum().to_hex();
    format!("  index {index} keyhash {} checksum {checksum}", hash.trim())
}
