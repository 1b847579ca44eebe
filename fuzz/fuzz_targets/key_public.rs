//! Fuzzes public key files: what is read is read again from the OpenSSH form.
#![no_main]

use sigsum_keys::{format_public_key, parse_public_key};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(line) = parse_public_key(data) else { return };
    let again = parse_public_key(format_public_key(&line.key).as_bytes());
    assert_eq!(again.map(|line| line.key), Ok(line.key));
});
