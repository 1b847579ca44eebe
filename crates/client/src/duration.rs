//! Durations as Go writes them: `10s`, `1m30s`, `500ms`, `1.5h`.

use serde::{Deserialize, Deserializer, de::Error as _};
use std::str::FromStr;
use std::time::Duration;

/// Why a text is no duration; the messages of Go's `time.ParseDuration`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not a sequence of numbers with units, or negative.
    #[error("time: invalid duration {0:?}")]
    Invalid(String),
    /// A number without a unit.
    #[error("time: missing unit in duration {0:?}")]
    MissingUnit(String),
    /// A unit that Go does not have.
    #[error("time: unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// The whole text.
        text: String,
    },
}

/// A duration of zero or more in Go's syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoDuration(pub Duration);

impl FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let invalid = || DurationError::Invalid(text.to_owned());
        let unsigned = text.strip_prefix('+').unwrap_or(text);
        if unsigned == "0" {
            return Ok(Self(Duration::ZERO));
        }
        if unsigned.is_empty() {
            return Err(invalid());
        }
        let mut rest = unsigned;
        let mut total = Duration::ZERO;
        while !rest.is_empty() {
            let (part, behind) = read_part(text, rest)?;
            total = total.checked_add(part).ok_or_else(invalid)?;
            rest = behind;
        }
        // Go counts nanoseconds in 63 bits.
        if total.as_nanos() > u128::from(i64::MAX.unsigned_abs()) {
            return Err(invalid());
        }
        Ok(Self(total))
    }
}

/// Reads one number with its unit; `text` is the whole, for errors.
fn read_part<'a>(text: &str, rest: &'a str) -> Result<(Duration, &'a str), DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let (whole, rest) = digits(rest);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(invalid());
    }
    let unit_end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_end);
    let unit_ns: u64 = match unit {
        "" => return Err(DurationError::MissingUnit(text.to_owned())),
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => {
            let (unit, text) = (unit.to_owned(), text.to_owned());
            return Err(DurationError::UnknownUnit { unit, text });
        }
    };
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
    let ns = whole.checked_mul(unit_ns).ok_or_else(invalid)?;
    let ns = ns.checked_add(fraction_ns(fraction, unit_ns)).ok_or_else(invalid)?;
    Ok((Duration::from_nanos(ns), rest))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// Decimal places of a unit in whole nanoseconds; what is below one is dropped.
fn fraction_ns(fraction: &str, unit_ns: u64) -> u64 {
    // The largest unit has 3.6e12 ns, so that further places are below a nanosecond.
    const PLACES: usize = 13;
    const SCALE: u128 = 10_u128.pow(13);
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(PLACES).collect();
    let numerator: u128 = digits.parse().unwrap_or(0);
    let ns = numerator.saturating_mul(unit_ns.into()).checked_div(SCALE);
    ns.and_then(|ns| ns.try_into().ok()).unwrap_or(0)
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(text: &str) -> u128 {
        text.parse::<GoDuration>().expect("a duration").0.as_millis()
    }

    #[test]
    fn durations_of_go_are_read() {
        assert_eq!(ms("10s"), 10_000);
        assert_eq!(ms("1m30s"), 90_000);
        assert_eq!(ms("500ms"), 500);
        assert_eq!(ms("1.5h"), 5_400_000);
        assert_eq!(ms(".5s"), 500);
        assert_eq!(ms("0"), 0);
        assert_eq!(ms("+2s"), 2_000);
        assert_eq!(ms("1500\u{b5}s"), 1);
    }

    #[test]
    fn malformed_durations_are_refused_with_the_words_of_go() {
        let error = |text: &str| text.parse::<GoDuration>().expect_err("malformed").to_string();
        assert_eq!(error("5"), "time: missing unit in duration \"5\"");
        assert_eq!(error(""), "time: invalid duration \"\"");
        assert_eq!(error("-5s"), "time: invalid duration \"-5s\"");
        assert_eq!(error("s"), "time: invalid duration \"s\"");
        assert_eq!(error(". s"), "time: invalid duration \". s\"");
        assert_eq!(error("5d"), "time: unknown unit \"d\" in duration \"5d\"");
        assert_eq!(error("5 s"), "time: unknown unit \" s\" in duration \"5 s\"");
        assert_eq!(error("9999999999h"), "time: invalid duration \"9999999999h\"");
        assert_eq!(
            error("99999999999999999999s"),
            "time: invalid duration \"99999999999999999999s\""
        );
    }

    proptest! {
        #[test]
        fn whole_nanoseconds_are_read_back(ns in 0_u64..i64::MAX as u64) {
            let read = format!("{ns}ns").parse::<GoDuration>();
            prop_assert_eq!(read, Ok(GoDuration(Duration::from_nanos(ns))));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+0-9.a-z \u{b5}]{0,24}") {
            let _ = text.parse::<GoDuration>();
        }
    }
}
