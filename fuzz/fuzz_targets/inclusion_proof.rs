//! Fuzzes `sigsum_core::fuzzing::inclusion_proof`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sigsum_core::fuzzing::inclusion_proof(data));
