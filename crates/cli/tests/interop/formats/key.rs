//! `sigsum key` and sigsum-key: each reads what the other writes, and both write the same.

use crate::both::Both;
use crate::harness::run_command;
use crate::ssh_agent::SshAgent;
use std::process::Command;

/// Key pairs `ours` and `theirs`, made by the two.
fn two_keys() -> Option<Both> {
    let both = Both::new("key")?;
    both.ours(&["generate", "-o", "ours"], b"").ok();
    both.theirs(&["generate", "-o", "theirs"], b"").ok();
    Some(both)
}

/// Signatures by the key are the same, and each verifies those of the other.
#[track_caller]
fn sign_and_verify(both: &Both, key: &str) {
    let public = format!("{key}.pub");
    for namespace in [&[][..], &["-n", "sigsum.org/v1/tree-leaf"], &["-n", "a b"]] {
        let sign = [&["sign", "-k", key], namespace].concat();
        assert_eq!(both.agree(&sign, b"data").len(), 129);
        both.write_the_same(&sign, b"data");
        for file in ["ours.out", "theirs.out"] {
            let verify = [&["verify", "-k", &public, "-s", file], namespace].concat();
            assert_eq!(both.agree(&verify, b"data"), "");
            both.refuse(&verify, b"Data", "Signature is not valid");
        }
    }
}

#[test]
fn generated_private_keys_sign_in_both() {
    let Some(both) = two_keys() else { return };
    sign_and_verify(&both, "ours");
    sign_and_verify(&both, "theirs");
}

#[test]
fn a_signature_without_namespace_is_none_with_one() {
    let Some(both) = two_keys() else { return };
    both.write_the_same(&["sign", "-k", "ours"], b"data");
    for namespace in ["x", "sigsum.org/v1/submit-token"] {
        let verify = ["verify", "-k", "ours.pub", "-s", "ours.out", "-n", namespace];
        both.refuse(&verify, b"data", "Signature is not valid");
    }
}

#[test]
fn generated_public_keys_are_read_and_converted_alike() {
    let Some(both) = two_keys() else { return };
    for public in ["ours.pub", "theirs.pub"] {
        let contents = both.sandbox.read(public);
        for to in ["to-hex", "to-hash", "to-vkey"] {
            let from_file = both.agree(&[to, "-k", public], b"");
            assert_eq!(both.agree(&[to], contents.as_bytes()), from_file);
            assert_eq!(both.write_the_same(&[to, "-k", public], b""), from_file);
        }
        let hex = both.agree(&["to-hex", "-k", public], b"");
        assert_eq!(both.agree(&["from-hex"], hex.as_bytes()), contents);
        assert_eq!(both.agree(&["from-hex"], hex.to_uppercase().as_bytes()), contents);
    }
}

#[test]
fn vkeys_of_logs_and_witnesses_are_the_same_and_lead_back() {
    let Some(both) = two_keys() else { return };
    let contents = both.sandbox.read("theirs.pub");
    for kind in [
        &[][..],
        &["-n", "log.example/a"],
        &["-t", "ed25519"],
        &["-t", "ed25519", "-n", "log.example"],
        &["-t", "cosignature/v1", "-n", "witness.example/w"],
    ] {
        let vkey = both.agree(&[&["to-vkey", "-k", "theirs.pub"], kind].concat(), b"");
        assert_eq!(both.agree(&["from-vkey"], vkey.as_bytes()), contents);
        let verbose = |o: crate::harness::Outcome| o.ok().stderr;
        let args = ["from-vkey", "-v"];
        assert_eq!(
            verbose(both.ours(&args, vkey.as_bytes())),
            verbose(both.theirs(&args, vkey.as_bytes()))
        );
    }
    let cosignature = ["to-vkey", "-k", "theirs.pub", "-t", "cosignature/v1"];
    both.refuse(&cosignature, b"", "Key name (-n) option is required for cosignature/v1 keys");
}

#[test]
fn a_vkey_with_a_wrong_key_id_is_refused_by_both() {
    let Some(both) = two_keys() else { return };
    let vkey = both.agree(&["to-vkey", "-k", "ours.pub", "-n", "a.example"], b"");
    let renamed = vkey.replacen("a.example", "b.example", 1);
    let id = vkey.split('+').nth(1).unwrap();
    let text = format!("Verifier Key id {id} is inconsistent with name and public key, expected ");
    both.refuse(&["from-vkey"], renamed.as_bytes(), &text);
}

#[test]
fn a_private_key_in_hex_signs_in_both() {
    let Some(both) = Both::new("key") else { return };
    // RFC 8032, section 7.1, test 1.
    let (private, public) = (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\n",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\n",
    );
    both.sandbox.write("hex", private);
    both.sandbox.write("hex.pub", both.agree(&["from-hex"], public.as_bytes()));
    sign_and_verify(&both, "hex");
}

#[test]
fn keys_of_ssh_keygen_sign_in_both_from_files_and_from_an_agent() {
    let Some(mut both) = Both::new("key") else { return };
    if !SshAgent::is_installed() {
        return;
    }
    let mut command = Command::new("ssh-keygen");
    let file = both.sandbox.arg("ssh");
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", "someone@example.org", "-f", &file]);
    run_command(command, b"").ok();
    sign_and_verify(&both, "ssh");
    let agent = SshAgent::start(&both.sandbox);
    agent.add(&both.sandbox, "ssh");
    both.set("SSH_AUTH_SOCK", agent.socket().to_owned());
    let from_file = both.agree(&["sign", "-k", "ssh"], b"data");
    assert_eq!(both.agree(&["sign", "-k", "ssh.pub"], b"data"), from_file);
}

#[test]
fn malformed_keys_are_refused_by_both() {
    let Some(both) = two_keys() else { return };
    let public = both.sandbox.read("ours.pub");
    let (kind, rest) = public.split_once(' ').unwrap();
    for (contents, text) in [
        (format!("ssh-rsa {rest}"), "unsupported public key type"),
        (format!("no-pty {public}"), "unsupported public key type"),
        (kind.to_owned(), ""),
        (public.replacen(' ', " !", 1), ""),
        (String::new(), ""),
    ] {
        both.refuse(&["to-hex"], contents.as_bytes(), text);
    }
    for hex in ["", "00", "zz", &"0".repeat(63), &"0".repeat(66)] {
        both.refuse(&["from-hex"], hex.as_bytes(), "Invalid key: ");
    }
}
