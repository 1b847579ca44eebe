//! Fuzzes `sigsum_core::fuzzing::tree_head`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sigsum_core::fuzzing::tree_head(data));
