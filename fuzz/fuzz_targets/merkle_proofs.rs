//! Fuzzes `sigsum_core::fuzzing::merkle_proofs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sigsum_core::fuzzing::merkle_proofs(data));
