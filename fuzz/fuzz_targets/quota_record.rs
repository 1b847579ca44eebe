//! Fuzzes the records of counters: what is read is written and read again as the same.
#![no_main]

use sigsum_limits::{Restored, write_snapshot};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(text) = str::from_utf8(data).ok() else { return };
    let (snapshot, added) = text.split_once("\n\n").unwrap_or((text, ""));
    let Ok(mut restored) = Restored::parse(snapshot) else { return };
    let _ = restored.add(added); // broken ones add nothing
    let written = write_snapshot(&restored.quota, &restored.saved);
    let again = Restored::parse(&written).expect("what was written");
    assert_eq!(again.saved, restored.saved);
    let now = restored.quota.now();
    assert_eq!(again.quota.fullest(now, 100), restored.quota.fullest(now, 100));
});
