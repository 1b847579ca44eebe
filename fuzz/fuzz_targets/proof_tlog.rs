//! Fuzzes `sigsum_core::fuzzing::proof_tlog`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sigsum_core::fuzzing::proof_tlog(data));
