//! Fuzzes `sigsum_core::fuzzing::sign_subtree`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sigsum_core::fuzzing::sign_subtree(data));
