//! Fuzzes the list of public suffixes: a registered domain is the name or one above it, and a
//! normalised name is its own form.
#![no_main]

use sigsum_limits::{Domain, SuffixList};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(list) = SuffixList::parse(data) else { return };
    for line in data.split(|byte| *byte == b'\n') {
        let Some(domain) = str::from_utf8(line).ok().and_then(|text| Domain::parse(text).ok()) else {
            continue;
        };
        assert_eq!(Domain::parse(domain.as_str()).as_ref(), Ok(&domain));
        if let Some(registered) = list.registered_domain(&domain) {
            assert!(domain.and_above().any(|name| name == registered.as_str()));
        }
    }
});
