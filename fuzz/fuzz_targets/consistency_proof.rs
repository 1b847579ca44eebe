//! Fuzzes `sigsum_core::fuzzing::consistency_proof`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sigsum_core::fuzzing::consistency_proof(data));
