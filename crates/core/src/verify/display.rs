//! A verdict in words.

use super::verdict::{SignerState, Verdict, WitnessState};
use crate::policy::QuorumOutcome;
use alloc::{format, string::String, string::ToString as _};
use core::fmt;

impl fmt::Display for SignerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::UnknownKey => "unknown key, signature not checked",
            Self::InvalidSignature => "known key, signature not valid",
            Self::Valid => "known key, signature valid",
        })
    }
}

impl fmt::Display for WitnessState {
    /// One word.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Valid { .. } => "valid",
            Self::Invalid { .. } => "invalid",
            Self::Absent => "absent",
            Self::Unknown { .. } => "unknown",
        })
    }
}

impl fmt::Display for Verdict {
    /// Several lines, each with its newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first_failure() {
            None if self.quorum.outcome == QuorumOutcome::NothingAsked => writeln!(
                f,
                "Accepted: the leaf is in a tree that the log signed. No witness vouches for it, \
                 since the policy asks for none."
            )?,
            None => writeln!(f, "Accepted: the leaf is logged, and the policy's quorum vouches.")?,
            Some(failure) => {
                writeln!(f, "Refused: {failure}.")?;
                for failure in self.failures() {
                    writeln!(f, "  {}", failure.explanation())?;
                }
            }
        }
        writeln!(f, "Leaf: key hash {}: {}", self.leaf.key_hash, self.leaf.state)?;
        let url = self.log.url.as_deref().map_or(String::new(), |url| format!(" ({url})"));
        writeln!(f, "Log: key hash {}{url}: {}", self.log.key_hash, self.log.state)?;
        let (index, size) = (self.tree.leaf_index, self.tree.tree_head.size);
        match &self.tree.inclusion {
            Ok(()) if self.log.state == SignerState::Valid => {
                writeln!(f, "Inclusion: leaf {index} of {size}: proven")?;
            }
            Ok(()) => writeln!(
                f,
                "Inclusion: leaf {index} of {size}: proven, but no known log signed that tree"
            )?,
            Err(error) => writeln!(f, "Inclusion: leaf {index} of {size}: not proven: {error}")?,
        }
        writeln!(f, "Witnesses:")?;
        for witness in &self.witnesses {
            let name = witness.name.as_ref().map_or(String::new(), |name| format!("{name} "));
            let time = witness.state.time_s().map_or(String::new(), utc);
            let key_hash = witness.key_hash;
            writeln!(f, "  {:<7} {time:<20} {name}({key_hash})", witness.state)?;
        }
        let held = if self.quorum.is_satisfied() { "met" } else { "not met" };
        writeln!(f, "Quorum: {held}")?;
        for line in self.quorum.to_string().lines() {
            writeln!(f, "  {line}")?;
        }
        match self.quorum_time_s {
            Some(time) => writeln!(f, "Quorum time: {}", utc(time)),
            None => Ok(()),
        }
    }
}

/// Last second of the year 9999.
const MAX_SHOWN_S: u64 = 253_402_300_799;

/// RFC 3339 in UTC; seconds since the Unix epoch where the year would have five digits.
#[allow(
    clippy::arithmetic_side_effects,
    reason = "times up to MAX_SHOWN_S keep every value below 2^40"
)]
fn utc(time_s: u64) -> String {
    if time_s > MAX_SHOWN_S {
        return format!("@{time_s}");
    }
    let (days, second) = (time_s / 86_400, time_s % 86_400);
    // Days since 0000-03-01, in eras of 400 years, so that leap days come last.
    let day_of_all = days + 719_468;
    let (era, day) = (day_of_all / 146_097, day_of_all % 146_097);
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day_of_month:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    //! Times against known dates.

    use super::utc;

    #[test]
    fn times_are_shown_as_dates() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(951_868_800), "2000-03-01T00:00:00Z");
        assert_eq!(utc(1_735_689_599), "2024-12-31T23:59:59Z");
        assert_eq!(utc(1_770_193_051), "2026-02-04T08:17:31Z");
        assert_eq!(utc(4_107_542_400), "2100-03-01T00:00:00Z");
        assert_eq!(utc(super::MAX_SHOWN_S), "9999-12-31T23:59:59Z");
        assert_eq!(utc(super::MAX_SHOWN_S + 1), "@253402300800");
    }
}
