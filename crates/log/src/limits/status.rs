//! What people may know of the limits.

use super::Limits;
use crate::status::bytes_text;
use sigsum_limits::{Bucket, Usage};

/// Counters in a status: what an operator looks at first, and no more than fits a page.
const SHOWN_COUNTERS: usize = 20;
/// Bytes that one leaf takes on disk, as an entry and in the tree.
const BYTES_PER_LEAF: u64 = 165;

/// The limits in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitsStatus {
    /// The file.
    pub file: String,
    /// `key` lines.
    pub keys: usize,
    /// `domain` lines, that of the test domain counted.
    pub domains: usize,
    /// Leaves in 24 hours for each registered domain; `None` where nobody else is let in.
    pub public: Option<u32>,
    /// Rules in the list of public suffixes.
    pub suffixes: Option<usize>,
    /// Leaves in 24 hours of all.
    pub global: Option<u32>,
    /// Leaves in 24 hours of all that the `public` line lets in.
    pub global_public: Option<u32>,
    /// Bytes that all together may add in 24 hours; `None` without a limit on that.
    pub most_bytes_per_day: Option<u64>,
    /// The fullest counters, the fullest first. Keys and domains of submitters: for the operator.
    pub fullest: Vec<CounterStatus>,
}

/// A counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterStatus {
    /// Whose.
    pub bucket: Bucket,
    /// Leaves in the last 24 hours.
    pub leaves: u64,
}

impl Limits {
    /// The limits in force and who used them most; `None` where nobody is limited.
    pub(crate) fn status(&self) -> Option<LimitsStatus> {
        let rules = self.rules()?;
        let now = self.inner.clock.now();
        let fullest = self.inner.quota().fullest(now, SHOWN_COUNTERS);
        let counter = |usage: Usage| CounterStatus { bucket: usage.bucket, leaves: usage.leaves };
        Some(LimitsStatus { fullest: fullest.into_iter().map(counter).collect(), ..rules })
    }

    /// The limits in force alone, without a look at the counters: however often somebody asks, no
    /// submission waits.
    pub(crate) fn rules(&self) -> Option<LimitsStatus> {
        let loaded = self.inner.loaded.load_full()?;
        let file = loaded.rules.file();
        let listed = file.keys.values().chain(file.domains.values());
        let listed = listed.fold(0u64, |sum, limit| sum.saturating_add((*limit).into()));
        // With a public line, only a limit on all of it says how much that may be.
        let public = match &file.public {
            Some(public) if public.limit > 0 => file.global_public.map(u64::from),
            _ => Some(0),
        };
        let all = public.map(|public| public.saturating_add(listed));
        let most = all.into_iter().chain(file.global.map(u64::from)).min();
        Some(LimitsStatus {
            file: loaded.path.display().to_string(),
            keys: file.keys.len(),
            domains: file.domains.len(),
            public: file.public.as_ref().map(|public| public.limit),
            suffixes: loaded.rules.suffixes(),
            global: file.global,
            global_public: file.global_public,
            most_bytes_per_day: most.map(|leaves| leaves.saturating_mul(BYTES_PER_LEAF)),
            fullest: Vec::new(),
        })
    }
}

/// What everybody may know.
pub(crate) fn public_rows(status: Option<&LimitsStatus>) -> Vec<(String, String)> {
    let row = |name: &str, value: String| (name.to_owned(), value);
    let Some(status) = status else {
        return vec![row("Leaves", "not limited".to_owned())];
    };
    let leaves = |limit: u32| format!("{limit} leaves in 24 hours");
    let mut rows = vec![row("Keys and domains with a limit of their own", {
        format!("{}", status.keys.saturating_add(status.domains))
    })];
    rows.push(match status.public {
        Some(limit) if limit > 0 => row("Each other registered domain", leaves(limit)),
        _ => row("Everybody else", "may not submit".to_owned()),
    });
    rows.extend(status.global_public.map(|limit| row("These together", leaves(limit))));
    rows.extend(status.global.map(|limit| row("The whole log", leaves(limit))));
    rows
}

impl Limits {
    /// For the operator.
    pub(crate) fn counter_rows(&self) -> Vec<(String, String)> {
        let Some(status) = self.status() else { return Vec::new() };
        let mut rows = vec![("File".to_owned(), status.file)];
        if let Some(bytes) = status.most_bytes_per_day {
            rows.push(("Most that may be added in 24 hours".to_owned(), bytes_text(bytes)));
        }
        let counter = |counter: CounterStatus| {
            (counter.bucket.to_string(), format!("{} leaves", counter.leaves))
        };
        rows.extend(status.fullest.into_iter().map(counter));
        rows
    }
}
