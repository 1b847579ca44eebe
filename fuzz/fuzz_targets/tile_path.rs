//! Fuzzes `sigsum_core::fuzzing::tile_path`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sigsum_core::fuzzing::tile_path(data));
