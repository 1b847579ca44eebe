//! Fuzzes the rate-limit file: what is read is written and read again as the same.
#![no_main]

use sigsum_limits::LimitFile;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(file) = LimitFile::parse(data) else { return };
    assert_eq!(LimitFile::parse(file.to_string().as_bytes()), Ok(file));
});
