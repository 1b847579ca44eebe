//! Fuzzes lists of public keys: every line of one that is read is a key by itself too.
#![no_main]

use sigsum_keys::{format_public_key, parse_key_list};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(list) = parse_key_list(data) else { return };
    let written: String = list.keys().map(format_public_key).collect();
    let again = parse_key_list(written.as_bytes());
    assert_eq!(again.map(|again| again.keys().eq(list.keys())), Ok(true));
    let _ = list.policy_name();
});
