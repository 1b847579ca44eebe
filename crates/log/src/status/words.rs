//! Numbers in words for people.

use sigsum_service::clock::utc_text;

/// A length of time in one or two units: `3 s`, `5 min`, `2 h 10 min`, `4 d 3 h`.
pub(crate) fn duration(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let largest = UNITS.iter().position(|(unit, _)| seconds >= *unit);
    let Some(largest) = largest else { return "0 s".to_owned() };
    let mut rest = seconds;
    let mut words = Vec::new();
    for (unit, name) in UNITS.iter().skip(largest).take(2) {
        let count = rest / unit;
        rest %= unit;
        if count > 0 {
            words.push(format!("{count} {name}"));
        }
    }
    words.join(" ")
}

/// When something was: `3 s ago (2026-11-22 18:26:02 UTC)`.
pub(crate) fn ago(now_s: u64, then_s: u64) -> String {
    let date = utc_text(then_s);
    match now_s.checked_sub(then_s) {
        Some(seconds) => format!("{} ago ({date})", duration(seconds)),
        None => format!("in {} ({date})", duration(then_s.saturating_sub(now_s))),
    }
}

/// A number with its digits in groups of three: `12 345 678`.
pub(crate) fn amount(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{a0}'); // does not break at the end of a line
        }
        out.push(digit);
    }
    out
}

/// A number of bytes: `512 B`, `16.4 MB`.
pub(crate) fn bytes_text(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        None => format!("{bytes} B"),
        Some((unit, name)) => {
            let tenths = bytes / (unit / 10);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_at_most_two_units() {
        for (seconds, words) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (3605, "1 h"),
            (7800, "2 h 10 min"),
            (86_400 * 4 + 3 * 3600 + 59, "4 d 3 h"),
        ] {
            assert_eq!(duration(seconds), words);
        }
        assert_eq!(ago(100, 97), "3 s ago (1970-01-01 00:01:37 UTC)");
        assert_eq!(ago(97, 100), "in 3 s (1970-01-01 00:01:40 UTC)");
    }

    #[test]
    fn numbers_are_easy_to_read() {
        let plain = |number| amount(number).replace('\u{a0}', " ");
        assert_eq!(
            [plain(0), plain(999), plain(1000), plain(12_345_678)],
            ["0", "999", "1 000", "12 345 678"]
        );
        assert_eq!(bytes_text(999), "999 B");
        assert_eq!(bytes_text(16_450_000), "16.4 MB");
        assert_eq!(bytes_text(u64::MAX), "18446744.0 TB");
    }
}
