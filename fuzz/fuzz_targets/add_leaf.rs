//! Fuzzes `sigsum_core::fuzzing::add_leaf`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sigsum_core::fuzzing::add_leaf(data));
