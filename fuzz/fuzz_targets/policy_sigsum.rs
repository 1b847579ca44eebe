//! Fuzzes `sigsum_core::fuzzing::policy_sigsum`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sigsum_core::fuzzing::policy_sigsum(data));
