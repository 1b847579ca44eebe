//! Proofs of our log, read by `sigsum verify`, `sigsum submit` and their counterparts.

use crate::both::Both;
use crate::harness::{Network, Sandbox, testdata};
use crate::peers::{peer, run_peer};
use sigsum_core::PublicKey;
use sigsum_keys::format_public_key;

/// Both verifiers, in a sandbox with files `f1` to `f3` and proofs from trees of 1, 2 and 3 leaves.
/// The log and its witnesses are gone.
fn with_proofs() -> Option<Both> {
    peer("sigsum-verify")?;
    let network = Network::start(2, 2);
    network.sandbox.key("k");
    for name in FILES {
        network.sandbox.write(name, name);
        network.sandbox.run(&["submit", "-p", "policy", "-k", "k", name]).ok();
    }
    let Network { sandbox, .. } = network;
    Both::within("verify", sandbox)
}

const FILES: [&str; 3] = ["f1", "f2", "f3"];
const VERIFY: [&str; 4] = ["-p", "policy", "-k", "k.pub"];

fn verify(proof: &str) -> [&str; 5] {
    let [p, policy, k, key] = VERIFY;
    [p, policy, k, key, proof]
}

/// The same proof in version 1, whose digits of the checksum nobody compares.
fn version_1(sandbox: &Sandbox, name: &str) -> String {
    let text = sandbox.read(name);
    let old = text.replacen("version=2\n", "version=1\n", 1).replacen("leaf=", "leaf=0bad ", 1);
    let name = format!("{name}.v1");
    sandbox.write(&name, old);
    name
}

#[test]
fn proofs_of_our_log_are_accepted_by_both_in_versions_2_and_1() {
    let Some(both) = with_proofs() else { return };
    for file in FILES {
        let proof = format!("{file}.proof");
        let old = version_1(&both.sandbox, &proof);
        for proof in [proof, old] {
            assert_eq!(both.agree(&verify(&proof), file.as_bytes()), "");
            let text = "Sigsum proof failed to verify: leaf signature not valid";
            both.refuse(&verify(&proof), b"something else", text);
        }
    }
}

#[test]
fn the_proof_of_a_public_log_is_accepted_by_both_with_its_named_policy() {
    let Some(both) = Both::new("verify") else { return };
    let Some(directory) = testdata("serviceberry-hello.proof") else { return };
    let read = |name: &str| std::fs::read(directory.with_file_name(name)).unwrap();
    both.sandbox.write("proof", read("serviceberry-hello.proof"));
    let key =
        PublicKey::from_hex(String::from_utf8(read("serviceberry-hello.pub.hex")).unwrap().trim());
    both.sandbox.write("k.pub", format_public_key(&key.unwrap()));
    let args = ["-k", "k.pub", "-P", "sigsum-test-2025-3", "proof"];
    both.agree(&args, &read("serviceberry-hello.txt"));
    both.refuse(&args, b"Hello", "leaf signature not valid");
    let args = ["-k", "k.pub", "-P", "sigsum-generic-2025-1", "proof"];
    both.refuse(&args, &read("serviceberry-hello.txt"), "unknown log");
}

#[test]
fn a_raw_hash_is_read_alike() {
    let Some(both) = with_proofs() else { return };
    let args = [&["--raw-hash"][..], &verify("f2.proof")].concat();
    let message = sigsum_core::Message::of_data(b"f2");
    both.agree(&args, message.as_bytes());
    both.agree(&args, format!("{message}\n").as_bytes());
    both.agree(&args, message.to_hex().to_uppercase().as_bytes());
    both.refuse(&args, b"f2", "");
}

#[test]
fn every_kind_of_failure_has_the_same_words() {
    let Some(both) = with_proofs() else { return };
    let sandbox = &both.sandbox;
    sandbox.key("other");
    let proof = sandbox.read("f3.proof");
    let policy = sandbox.read("policy");
    let case = |policy: &str, key: &str, proof: &str, text: &str| {
        sandbox.write("a-policy", policy);
        sandbox.write("a-proof", proof);
        let text = format!("Sigsum proof failed to verify: {text}");
        both.refuse(&["-p", "a-policy", "-k", key, "a-proof"], b"f3", &text);
    };
    case(&policy, "other.pub", &proof, "unknown leaf key hash");
    let other_log = policy.replacen(&sandbox.key_hex("log-key"), &sandbox.key_hex("other"), 1);
    case(&other_log, "k.pub", &proof, "unknown log");
    let size = proof.replacen("size=3\n", "size=4\n", 1);
    case(&policy, "k.pub", &size, "invalid log signature");
    let time = proof.rfind("cosignature=").unwrap() + "cosignature=".len() + 65;
    let mut late = proof.clone();
    late.replace_range(time..=time, "2");
    case(&policy, "k.pub", &late, "not enough cosignatures, total: 2, verified: 1, failed");
    let first = proof.find("cosignature=").unwrap();
    let second = proof.rfind("cosignature=").unwrap();
    let fewer = format!("{}{}", &proof[..first], &proof[second..]);
    case(&policy, "k.pub", &fewer, "not enough cosignatures, total: 1, verified: 1");
    let index = proof.replacen("leaf_index=2\n", "leaf_index=1\n", 1);
    case(&policy, "k.pub", &index, "");
}

#[test]
fn malformed_proofs_are_invalid_to_both() {
    let Some(both) = with_proofs() else { return };
    let proof = both.sandbox.read("f2.proof");
    let lone = both.sandbox.read("f1.proof");
    let line = proof.lines().find(|line| line.starts_with("cosignature=")).unwrap();
    for malformed in [
        String::new(),
        proof.replacen("version=2\n", "version=3\n", 1),
        proof.replacen("version=2\n", "", 1),
        proof.replace('\n', "\r\n"),
        proof.trim_end().to_owned(),
        format!("{proof}\n"),
        format!("{lone}\n"),
        proof.replacen("\n\n", "\n", 1),
        proof.replacen(line, &format!("{line}\n{line}"), 1),
        proof.replacen("size=2\n", "size=02\n", 1),
        lone.replacen("size=1\n", "size=0\n", 1),
    ] {
        both.sandbox.write("malformed", &malformed);
        both.refuse(&verify("malformed"), b"f2", "Invalid proof: ");
    }
}

#[test]
fn a_key_file_may_hold_many_keys_and_name_the_policy() {
    let Some(mut both) = with_proofs() else { return };
    let sandbox = &both.sandbox;
    sandbox.key("other");
    let (key, other) = (sandbox.read("k.pub"), sandbox.read("other.pub"));
    sandbox.write("keys", format!("# submitters\n\n{other}{key}"));
    both.agree(&["-p", "policy", "-k", "keys", "f3.proof"], b"f3");
    sandbox.write("twice", format!("{key}{key}"));
    both.refuse(&["-p", "policy", "-k", "twice", "f3.proof"], b"f3", "duplicate public key");

    std::fs::create_dir(sandbox.path("policies")).unwrap();
    sandbox.write("policies/ours-1.sigsum-policy", sandbox.read("policy"));
    sandbox.write("named", format!("sigsum-policy=\"ours-1\" {key}"));
    let directory = sandbox.arg("policies");
    both.refuse(&["-k", "k.pub", "f3.proof"], b"f3", "A policy must be specified");
    both.set("SIGSUM_POLICY_DIR", directory);
    both.agree(&["-k", "named", "f3.proof"], b"f3");
    both.agree(&["-k", "k.pub", "-P", "ours-1", "f3.proof"], b"f3");
    both.refuse(&["-k", "named", "-P", "sigsum-test1-2025", "f3.proof"], b"f3", "unknown log");
}

/// With no log running, only a proof that is there and found valid makes submit succeed.
#[test]
fn submit_takes_an_existing_proof_of_the_other_for_its_own() {
    let Some(both) = with_proofs() else { return };
    let Some(submit) = Both::within("submit", both.sandbox) else { return };
    let args = ["-t", "20s", "-p", "policy", "-k", "k", "f1", "f2", "f3"];
    submit.theirs(&args, b"").ok();
    submit.ours(&args, b"").ok();
    submit.sandbox.write("f2", b"altered");
    submit.refuse(&args, b"", "Existing proof file \"f2.proof\" is not valid: leaf signature");
}

#[test]
fn what_sigsum_submit_gets_from_our_log_is_what_ours_gets() {
    let Some(submit) = peer("sigsum-submit") else { return };
    let network = Network::start(2, 2);
    let sandbox = &network.sandbox;
    sandbox.key("k");
    sandbox.write("f", b"data");
    let args = ["-t", "60s", "-p", "policy", "-k", "k", "-o"];
    run_peer(sandbox, &submit, &[&args[..], &["theirs", "f"]].concat(), b"").ok();
    sandbox.run(&[&["submit"], &args[..], &["ours", "f"]].concat()).ok();
    let (ours, theirs) = (sandbox.read("ours"), sandbox.read("theirs"));
    let without_cosignatures = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with("cosignature="));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    assert_eq!(without_cosignatures(&ours), without_cosignatures(&theirs));
    for proof in ["ours", "theirs"] {
        let args = ["verify", "-p", "policy", "-k", "k.pub", proof];
        sandbox.run_with(&args, b"data").ok();
    }
}
