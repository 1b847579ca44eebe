//! `sigsum key`, and the files it reads and writes.

use crate::harness::{Sandbox, run_command};
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn a_generated_key_signs_and_verifies() {
    let sandbox = Sandbox::new();
    sandbox.key("k");
    for name in ["k", "k.pub"] {
        let mode = sandbox.path(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    sandbox.run_with(&["key", "sign", "-k", "k", "-o", "s"], b"data").ok();
    let quiet = sandbox.run_with(&["key", "verify", "-k", "k.pub", "-s", "s"], b"data").ok();
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    sandbox
        .run_with(&["key", "verify", "-k", "k.pub", "-s", "s"], b"datA")
        .fails_with("Signature is not valid");
}

#[test]
fn a_namespace_is_part_of_what_is_signed() {
    let sandbox = Sandbox::new();
    sandbox.key("k");
    sandbox.run_with(&["key", "sign", "-k", "k", "-n", "ns", "-o", "s"], b"data").ok();
    sandbox.run_with(&["key", "verify", "-k", "k.pub", "-s", "s", "-n", "ns"], b"data").ok();
    sandbox.run_with(&["key", "verify", "-k", "k.pub", "-s", "s"], b"ns\0data").ok();
    sandbox
        .run_with(&["key", "verify", "-k", "k.pub", "-s", "s"], b"data")
        .fails_with("Signature is not valid");
}

#[test]
fn conversions_lead_back_to_the_same_key() {
    let sandbox = Sandbox::new();
    sandbox.key("k");
    let hex = sandbox.key_hex("k");
    assert_eq!(hex.len(), 64);
    sandbox.run_with(&["key", "from-hex", "-o", "k2.pub"], hex.as_bytes()).ok();
    assert_eq!(sandbox.key_hex("k2"), hex);
    for kind in [vec![], vec!["-t", "cosignature/v1", "-n", "w.example/1"]] {
        let args = [&["key", "to-vkey", "-k", "k.pub", "-o", "v"][..], &kind].concat();
        sandbox.run(&args).ok();
        sandbox.run(&["key", "from-vkey", "-k", "v", "-o", "k3.pub"]).ok();
        assert_eq!(sandbox.key_hex("k3"), hex);
    }
}

#[test]
fn the_key_hash_of_a_known_key_is_known() {
    let sandbox = Sandbox::new();
    // The log test.sigsum.org/barreleye; its key hash stands in every proof it gave out.
    let hex = b"4644af2abd40f4895a003bca350f9d5912ab301a49c77f13e5b6d905c20a5fe6";
    sandbox.run_with(&["key", "from-hex", "-o", "log.pub"], hex).ok();
    let hash = sandbox.run(&["key", "to-hash", "-k", "log.pub"]).ok().stdout;
    assert_eq!(hash, "4e89cc51651f0d95f3c6127c15e1a42e3ddf7046c5b17b752689c402e773bb4d\n");
}

#[test]
fn a_cosignature_vkey_needs_a_name() {
    let sandbox = Sandbox::new();
    sandbox.key("k");
    sandbox
        .run(&["key", "to-vkey", "-k", "k.pub", "-t", "cosignature/v1"])
        .fails_with("Key name (-n) option is required for cosignature/v1 keys");
}

#[test]
fn a_vkey_with_the_key_id_of_another_name_is_refused_in_the_words_of_sigsum_key() {
    let sandbox = Sandbox::new();
    sandbox.key("k");
    let vkey = sandbox.run(&["key", "to-vkey", "-k", "k.pub", "-n", "a.example"]).ok().stdout;
    let renamed = vkey.replacen("a.example", "b.example", 1);
    let id = vkey.split('+').nth(1).unwrap();
    sandbox.run_with(&["key", "from-vkey"], renamed.as_bytes()).fails_with(&format!(
        "Verifier Key id {id} is inconsistent with name and public key, expected "
    ));
}

#[test]
fn malformed_key_files_are_named_with_what_is_wrong() {
    let sandbox = Sandbox::new();
    sandbox.write("short", "0123\n");
    sandbox.run(&["key", "from-hex", "-k", "short"]).fails_with("Invalid key: ");
    sandbox.run(&["key", "to-hex", "-k", "none"]).fails_with("none: no such file or directory");
    sandbox.write("rsa.pub", "ssh-rsa AAAA me\n");
    sandbox.run(&["key", "to-hex", "-k", "rsa.pub"]).fails_with("unsupported public key type");
    sandbox.run(&["key", "sign", "-k", "short"]).fails_with("parsing private key file");
}

#[test]
fn a_link_named_sigsum_key_is_sigsum_key() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("bin")).unwrap();
    let made = sandbox.run(&["links", "bin"]).ok().stdout;
    assert!(made.contains("sigsum-log-primary -> sigsum log primary"), "{made}");
    assert!(made.contains("sigsum-log-secondary -> sigsum log secondary"), "{made}");
    let mut command = std::process::Command::new(sandbox.path("bin/sigsum-key"));
    command.args(["generate", "-o", "k"]).current_dir(sandbox.path(""));
    run_command(command, b"").ok();
    assert!(sandbox.path("k.pub").exists());
    sandbox.run(&["links", "bin"]).fails_with("file exists");
    sandbox.run(&["links", "--force", "bin"]).ok();
}

#[test]
fn a_private_key_in_place_of_a_public_one_is_refused_with_a_remedy() {
    let sandbox = Sandbox::new();
    sandbox.key("k");
    sandbox.write("p", "");
    for args in [
        &["key", "to-hex", "-k", "k"][..],
        &["key", "verify", "-k", "k", "-s", "s"],
        &["token", "record", "-k", "k"],
        &["verify", "-k", "k", "-P", "sigsum-test1-2025", "p"],
        &["monitor", "-P", "sigsum-test1-2025", "k"],
        &["witness", "add-log", "--data-dir", "w", "--sigsum-key", "k"],
    ] {
        sandbox.run(args).fails_with("hint: this is a private key");
    }
}
