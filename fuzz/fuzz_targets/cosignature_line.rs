//! Fuzzes `sigsum_core::fuzzing::cosignature_line`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sigsum_core::fuzzing::cosignature_line(data));
