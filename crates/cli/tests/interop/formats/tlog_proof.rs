//! `tlog-proof` between our format code and torchwood's spicy, which writes and reads it without
//! its header line.

use crate::harness::{Network, Sandbox};
use crate::peers::{peer, run_peer};
use sigsum_core::checkpoint::LogSignature;
use sigsum_core::merkle::{InclusionClaim, hash_leaf};
use sigsum_core::note::Vkey;
use sigsum_core::policy::{Policy, UnknownKeyNames};
use sigsum_core::proof::{SigsumProof, TlogProof};
use sigsum_core::{Hash, Message};

/// The first line of a `tlog-proof`, which spicy leaves out.
const HEADER: &str = "c2sp.org/tlog-proof@v1\n";

#[test]
fn proofs_of_spicy_are_read_and_verify() {
    let Some(spicy) = peer("spicy") else { return };
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("log")).unwrap();
    let base = ["-assets", "log", "-key", "spicy-key"];
    let run = |args: &[&str]| run_peer(&sandbox, &spicy, &[&base[..], args].concat(), b"").ok();
    let said = run(&["-init", "spicy.example/log"]).stderr;
    let vkey = said.split("Public key: ").nth(1).unwrap().lines().next().unwrap();
    let vkey: Vkey = vkey.parse().unwrap();
    let files = ["a", "b", "c", "d", "e", "f", "g"];
    files.iter().for_each(|name| sandbox.write(name, name));
    run(&files[..1]); // a tree of one leaf: no path
    run(&files[1..]);
    for (index, name) in (0..).zip(files) {
        let text = format!("{HEADER}{}", sandbox.read(&format!("{name}.spicy")));
        let proof = TlogProof::parse(text.as_bytes()).unwrap();
        assert_eq!(proof.index.0, index);
        assert_eq!(proof.checkpoint.verify_log(&vkey), LogSignature::Valid);
        claim(&proof, hash_leaf(name.as_bytes())).verify().unwrap();
        claim(&proof, hash_leaf(b"else")).verify().unwrap_err();
        assert_eq!(proof.to_text(), text.as_bytes());
    }
}

fn claim(proof: &TlogProof, leaf_hash: Hash) -> InclusionClaim<'_> {
    let tree = proof.checkpoint.checkpoint.tree_head;
    InclusionClaim { leaf_hash, leaf_index: proof.index, tree, path: &proof.path }
}

#[test]
fn our_proofs_as_tlog_proofs_are_accepted_by_spicy() {
    let Some(spicy) = peer("spicy") else { return };
    let network = Network::start(2, 2);
    let sandbox = &network.sandbox;
    sandbox.key("k");
    let vkey = sandbox.run(&["key", "to-vkey", "-k", "log-key.pub"]).ok().stdout;
    let policy = Policy::parse_sigsum(sandbox.read("policy").as_bytes()).unwrap();
    for name in ["f1", "f2", "f3"] {
        sandbox.write(name, name);
        sandbox.run(&["submit", "-p", "policy", "-k", "k", name]).ok();
        let proof = sandbox.read(&format!("{name}.proof"));
        let proof = SigsumProof::parse(proof.as_bytes()).unwrap();
        let leaf = proof.leaf.with_checksum(Message::of_data(name.as_bytes()).checksum());
        let converted = proof.to_tlog(&policy, UnknownKeyNames::TakePolicyName).unwrap();
        assert_eq!(converted.dropped, []);
        // spicy knows no extra data.
        let plain = TlogProof { extra: Vec::new(), ..converted.proof };
        let text = String::from_utf8(plain.to_text()).unwrap();
        sandbox.write(&format!("{name}.leaf"), leaf.to_bytes());
        sandbox.write(&format!("{name}.leaf.spicy"), text.strip_prefix(HEADER).unwrap());
        let leaf = format!("{name}.leaf");
        let verify = ["-verify", vkey.trim(), &leaf];
        run_peer(sandbox, &spicy, &verify, b"").ok();
        sandbox.write(&leaf, b"something else");
        let refused = run_peer(sandbox, &spicy, &verify, b"");
        refused.fails_with("could not verify inclusion");
    }
}
