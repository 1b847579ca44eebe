//! Fuzzes the ssh-agent's signatures: one that is read is in the answer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(signature) = sigsum_keys::parse_signature(data) else { return };
    assert!(data.ends_with(signature.as_bytes()));
});
