//! Fuzzes `sigsum_core::fuzzing::request_path`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sigsum_core::fuzzing::request_path(data));
