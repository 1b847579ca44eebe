//! Runs every fuzz body on its committed seeds, on every prefix of them and on each seed with one
//! byte altered, so that the ordinary tests know when a parser breaks its promise.

use std::fs;
use std::path::Path;
use std::vec::Vec;

/// Longest seed whose every prefix and every byte is tried.
const SHORT: usize = 600;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let files = fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
}

fn run(target: &str, body: fn(&[u8])) {
    let seeds = seeds(target);
    assert!(!seeds.is_empty(), "{target} has no seeds");
    for seed in &seeds {
        body(seed);
        let step = seed.len().div_ceil(SHORT).max(1);
        for at in (0..seed.len()).step_by(step) {
            body(&seed[..at]);
            let mut altered = seed.clone();
            for byte in [altered[at] ^ 1, altered[at] ^ 0x20, b'\n', b' ', 0, 0xff] {
                altered[at] = byte;
                body(&altered);
            }
        }
    }
}

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                run(stringify!($name), super::$name);
            }
        )*

        #[test]
        fn every_target_is_in_the_fuzz_workspace() {
            let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
            let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
            for name in [$(stringify!($name)),*] {
                let file = std::format!("fuzz_targets/{name}.rs");
                assert!(manifest.contains(&file), "{name} has no [[bin]]");
                let call = std::format!("sigsum_core::fuzzing::{name}(data)");
                assert!(fs::read_to_string(fuzz.join(file)).unwrap().contains(&call), "{name}");
            }
        }

        #[test]
        fn every_directory_of_seeds_belongs_to_a_target() {
            let known = [$(stringify!($name)),*];
            let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
            for entry in fs::read_dir(dir).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                let elsewhere = ["key_", "agent_", "limit_", "quota_", "suffix_"];
                let is_elsewhere = elsewhere.iter().any(|begin| name.starts_with(begin));
                assert!(is_elsewhere || known.contains(&&*name), "{name}");
            }
        }
    };
}

targets!(
    add_checkpoint,
    add_leaf,
    ascii_lines,
    checkpoint,
    consistency_proof,
    cosignature_line,
    inclusion_proof,
    leaves,
    merkle_proofs,
    note,
    policy_sigsum,
    policy_tlog,
    proof_sigsum,
    proof_tlog,
    request_path,
    sign_subtree,
    tile_bundle,
    tile_path,
    token,
    tree_head,
    verify,
    vkey,
    witness_response,
);
