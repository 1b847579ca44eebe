//! Fuzzes `sigsum_core::fuzzing::witness_response`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sigsum_core::fuzzing::witness_response(data));
