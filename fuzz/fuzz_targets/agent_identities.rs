//! Fuzzes the ssh-agent's list of keys: costs no more memory than the answer has bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(list) = sigsum_keys::parse_identities(data) else { return };
    let bytes: usize = list.iter().map(|i| i.blob.len() + i.comment.len() + 8).sum();
    assert!(bytes <= data.len());
});
