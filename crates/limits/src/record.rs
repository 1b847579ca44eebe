//! Counters as text, to be kept over a restart: a snapshot of all, and what was counted since.
//!
//! ```text
//! sigsum-quota/1 TIME_MS WALL_MS BOOT UPTIME_MS        TIME_MS WALL_MS BOOT UPTIME_MS
//! key:HASH FIRST_MS LAST_MS LEAVES ...                 key:HASH LEAVES
//! domain:NAME FIRST_MS LAST_MS LEAVES ...              all LEAVES
//! ```
//!
//! A snapshot is on the left, an addition on the right. `BOOT` is `-` where it is not known.

use crate::domain::Domain;
use crate::quota::{Bucket, Group, Quota, QuotaTime};
use sigsum_core::KeyHash;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

const HEADER: &str = "sigsum-quota/1";

/// A record that is none. Ours or the disk's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of a record of counters cannot be read")]
pub struct RecordError {
    /// Which line, from 1.
    pub line: usize,
}

/// A time by which the time between two processes can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// Unix time in milliseconds, as the machine's clock has it.
    pub wall_ms: u64,
    /// Time since the machine was started, which no wrong clock changes.
    pub boot: Option<Boot>,
}

/// Time since a start of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// Which start: any word.
    pub id: String,
    /// Milliseconds since then.
    pub uptime_ms: u64,
}

impl Moment {
    /// Time since an earlier moment. A clock that was set back says nothing about it: then it is
    /// taken for none, so that nothing is forgotten too early.
    pub fn since(&self, earlier: &Self) -> Duration {
        let ms = match (&self.boot, &earlier.boot) {
            (Some(now), Some(then)) if now.id == then.id => {
                now.uptime_ms.saturating_sub(then.uptime_ms)
            }
            _ => self.wall_ms.saturating_sub(earlier.wall_ms),
        };
        Duration::from_millis(ms)
    }
}

/// Counters as they were when the last record was written.
#[derive(Debug)]
pub struct Restored {
    /// The counters.
    pub quota: Quota,
    /// When that was.
    pub saved: Moment,
}

impl Restored {
    /// Reads a snapshot.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn parse(snapshot: &str) -> Result<Self, RecordError> {
        let mut lines = numbered(snapshot);
        let first = lines.next().and_then(|(_, line)| line.strip_prefix(HEADER));
        let (time, saved) = first.and_then(times).ok_or(RecordError { line: 1 })?;
        let mut quota = Quota::new();
        for (line, text) in lines {
            restore(&mut quota, text).ok_or(RecordError { line })?;
        }
        quota.advance(time);
        Ok(Self { quota, saved })
    }

    /// Adds what was counted after it.
    ///
    /// # Errors
    /// [`RecordError`]; then nothing of the addition was taken.
    pub fn add(&mut self, addition: &str) -> Result<(), RecordError> {
        let mut lines = numbered(addition);
        let first = lines.next().and_then(|(_, line)| times(line));
        let (time, saved) = first.ok_or(RecordError { line: 1 })?;
        let read = |(line, text): (usize, &str)| counted(text).ok_or(RecordError { line });
        let counted = lines.map(read).collect::<Result<Vec<_>, _>>()?;
        let time = self.quota.advance(time);
        for (bucket, leaves) in counted {
            self.quota.restore(bucket, Group { first: time, last: time, leaves });
        }
        self.saved = saved;
        Ok(())
    }
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at.saturating_add(1), line))
}

fn times(text: &str) -> Option<(QuotaTime, Moment)> {
    let mut words = text.split_ascii_whitespace();
    let time = QuotaTime(words.next()?.parse().ok()?);
    let wall_ms = words.next()?.parse().ok()?;
    let id = words.next()?.to_owned();
    let uptime_ms = words.next()?.parse().ok()?;
    let boot = (id != "-").then_some(Boot { id, uptime_ms });
    words.next().is_none().then_some((time, Moment { wall_ms, boot }))
}

fn restore(quota: &mut Quota, text: &str) -> Option<()> {
    let mut words = text.split_ascii_whitespace();
    let bucket = parse_bucket(words.next()?).filter(|bucket| !quota.knows(bucket))?;
    let mut last_of_all = QuotaTime(0);
    while let Some(first) = words.next() {
        let first = QuotaTime(first.parse().ok()?);
        let last = QuotaTime(words.next()?.parse().ok()?);
        let leaves = words.next()?.parse().ok()?;
        if first < last_of_all || last < first {
            return None;
        }
        last_of_all = last;
        quota.restore(bucket.clone(), Group { first, last, leaves });
    }
    Some(())
}

fn counted(text: &str) -> Option<(Bucket, u32)> {
    let (bucket, leaves) = text.split_once(' ')?;
    Some((parse_bucket(bucket)?, leaves.parse().ok()?))
}

fn parse_bucket(word: &str) -> Option<Bucket> {
    match word.split_once(':') {
        None if word == "all" => Some(Bucket::All),
        None if word == "all-public" => Some(Bucket::AllPublic),
        Some(("key", hash)) => KeyHash::from_hex(hash).ok().map(Bucket::Key),
        Some(("domain", name)) => Domain::parse(name).ok().map(Bucket::Domain),
        Some(("public", name)) => Domain::parse(name).ok().map(Bucket::Public),
        _ => None,
    }
}

fn bucket_word(bucket: &Bucket) -> String {
    match bucket {
        Bucket::All => "all".into(),
        Bucket::AllPublic => "all-public".into(),
        Bucket::Key(hash) => format!("key:{hash}"),
        Bucket::Domain(name) => format!("domain:{name}"),
        Bucket::Public(name) => format!("public:{name}"),
    }
}

fn write_times(time: QuotaTime, moment: &Moment) -> String {
    let (id, uptime_ms) = moment.boot.as_ref().map_or(("-", 0), |b| (&*b.id, b.uptime_ms));
    format!("{} {} {id} {uptime_ms}\n", time.0, moment.wall_ms)
}

/// All counters.
pub fn write_snapshot(quota: &Quota, moment: &Moment) -> String {
    let mut text = format!("{HEADER} {}", write_times(quota.now(), moment));
    for (bucket, groups) in quota.groups() {
        text.push_str(&bucket_word(bucket));
        for Group { first, last, leaves } in groups {
            let _ = write!(text, " {} {} {leaves}", first.0, last.0); // a string takes all
        }
        text.push('\n');
    }
    text
}

/// What was counted since the record before.
pub fn write_added(counted: &HashMap<Bucket, u32>, time: QuotaTime, moment: &Moment) -> String {
    let mut text = write_times(time, moment);
    for (bucket, leaves) in counted {
        let _ = writeln!(text, "{} {leaves}", bucket_word(bucket)); // a string takes all
    }
    text
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
