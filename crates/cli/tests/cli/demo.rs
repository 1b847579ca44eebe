//! `sigsum demo`: the whole story, and the proofs it leaves.

use crate::harness::Sandbox;

#[test]
fn the_demo_ends_well_and_tells_of_everybody() {
    let sandbox = Sandbox::new();
    let told = sandbox.run(&["demo"]).ok().stdout;
    for part in ["log ", "witness-3", "monitor", "Accepted", "keyhash", "Refused"] {
        assert!(told.contains(part), "{part} is missing in:\n{told}");
    }
}

#[test]
fn the_demo_leaves_a_proof_beside_each_given_file_that_verifies_later() {
    let sandbox = Sandbox::new();
    sandbox.write("a.bin", [0u8; 1000]);
    sandbox.write("b.bin", [1u8; 1000]);
    sandbox.run(&["demo", "--keep", "kept", "a.bin", "b.bin"]).ok();
    for (name, data) in [("a.bin", [0u8; 1000]), ("b.bin", [1u8; 1000])] {
        let proof = format!("{name}.proof");
        let args = ["verify", "-k", "kept/release-key.pub", "-p", "kept/policy", &proof];
        sandbox.run_with(&args, &data).ok();
    }
}

#[test]
fn a_missing_file_ends_the_demo_with_its_name() {
    let sandbox = Sandbox::new();
    sandbox.run(&["demo", "none.bin"]).fails_with("open none.bin: no such file or directory");
}

#[test]
fn a_directory_that_held_a_demo_is_not_used_again() {
    let sandbox = Sandbox::new();
    sandbox.write("f", b"data");
    sandbox.run(&["demo", "--keep", "kept", "f"]).ok();
    let proof = sandbox.read("f.proof");
    sandbox.run(&["demo", "--keep", "kept", "f"]).fails_with("name one that is new or empty");
    assert_eq!(sandbox.read("f.proof"), proof);
}
