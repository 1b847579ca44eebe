//! Fuzzes private key files, OpenSSH or hex: what is read is the same key when written and read.
#![no_main]

use sigsum_keys::{parse_private_key, write_private_key};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(signer) = parse_private_key(data) else { return };
    let written = write_private_key(&signer).expect("the system has random numbers");
    let again = parse_private_key(written.as_bytes()).expect("what we wrote is a key");
    assert_eq!(again.public_key(), signer.public_key());
});
