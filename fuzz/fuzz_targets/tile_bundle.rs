//! Fuzzes `sigsum_core::fuzzing::tile_bundle`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sigsum_core::fuzzing::tile_bundle(data));
