//! Fuzzes `sigsum_core::fuzzing::ascii_lines`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sigsum_core::fuzzing::ascii_lines(data));
