//! Counters of leaves over the last 24 hours.
//!
//! A leaf is counted when it was added: a place is reserved before the commit, and settled or given
//! back after it. Reserved places count towards a limit, so that many at once do not pass it.
//!
//! Never more leaves than a limit are let through in any 24 hours. Leaves within [`SLOT`] of each
//! other are kept as one group, which is forgotten when its last leaf is 24 hours old: somebody who
//! uses a limit to the last leaf may wait that much longer, about 1 % of the window.

mod window;

use crate::domain::Domain;
use crate::rules::{Charges, Limit};
use sigsum_core::KeyHash;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;
pub(crate) use window::Group;
use window::Window;

/// What limits are about: 24 hours that end now.
pub const WINDOW: Duration = Duration::from_secs(24 * 3600);
/// Leaves so close to each other are kept as one group. A window then has 97 groups at most, and 24
/// bytes each are 2.3 KiB for one counter.
pub const SLOT: Duration = Duration::from_secs(15 * 60);
/// Registered domains that are counted at the same time. More than a public log sees in a day by two
/// orders of magnitude. With a name, a place in the table and a few groups they take 20 MiB; were
/// each to submit all day through, 200 MiB.
pub const MAX_PUBLIC_DOMAINS: usize = 65_536;
/// Time between two looks at all counters for those that are over.
const SWEEP_PAUSE: Duration = Duration::from_secs(60);
/// When to come back where it is only known that it is not long.
const SOON: Duration = Duration::from_secs(1);

/// Milliseconds on a clock of the log's own that never goes back. It starts anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct QuotaTime(pub u64);

impl QuotaTime {
    /// So much later.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Time since then.
    #[must_use]
    pub fn since(self, then: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(then.0))
    }
}

/// What is counted together. The order is that of lists for people.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bucket {
    /// All leaves that have a limit.
    All,
    /// All that the `public` line let in.
    AllPublic,
    /// Those with a key that has a line.
    Key(KeyHash),
    /// Those by a `domain` line.
    Domain(Domain),
    /// Those of a registered domain, by the `public` line.
    Public(Domain),
}

/// `key HASH`, `domain NAME`, `registered domain NAME`, and for those of everybody what they are.
impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("the whole log"),
            Self::AllPublic => f.write_str("all public submissions"),
            Self::Key(hash) => write!(f, "key {hash}"),
            Self::Domain(name) => write!(f, "domain {name}"),
            Self::Public(name) => write!(f, "registered domain {name}"),
        }
    }
}

/// Which limit was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKind {
    /// Leaves in 24 hours.
    Day,
    /// Leaves at once.
    Burst,
    /// [`MAX_PUBLIC_DOMAINS`].
    Domains,
}

/// A leaf that is one too many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exceeded {
    /// Whose limit.
    pub bucket: Bucket,
    /// Which one.
    pub kind: LimitKind,
    /// Leaves that it allows: in 24 hours, or at once.
    pub leaves: u32,
    /// When the next leaf is allowed, if nobody else takes the place; `None` for never.
    pub retry_after: Option<Duration>,
}

impl Exceeded {
    /// Whether it is a limit of a key.
    #[must_use]
    pub fn is_of_key(&self) -> bool {
        matches!(self.bucket, Bucket::Key(_))
    }
}

/// Places for one leaf. To be given to [`Quota::settle`] or [`Quota::release`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a reserved place counts until it is settled or released"]
pub struct Reservation {
    limits: Vec<Limit>,
}

/// What a counter stands at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Whose.
    pub bucket: Bucket,
    /// Leaves in the last 24 hours.
    pub leaves: u64,
}

/// All counters of a log.
#[derive(Debug, Clone, Default)]
pub struct Quota {
    windows: HashMap<Bucket, Window>,
    public: usize,
    now: QuotaTime,
    swept: QuotaTime,
    unsaved: HashMap<Bucket, u32>,
}

impl Quota {
    /// Counters that begin at nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reserves a place under every limit, or under none.
    ///
    /// # Errors
    /// [`Exceeded`]: the first limit that has no place.
    pub fn reserve(&mut self, now: QuotaTime, charges: Charges) -> Result<Reservation, Exceeded> {
        let now = self.advance(now);
        for limit in &charges.limits {
            self.check(now, limit)?;
        }
        for limit in &charges.limits {
            let is_new = !self.windows.contains_key(&limit.bucket);
            if is_new && matches!(limit.bucket, Bucket::Public(_)) {
                self.public = self.public.saturating_add(1);
            }
            let window = self.windows.entry(limit.bucket.clone()).or_default();
            window.reserve(now, limit.burst);
        }
        Ok(Reservation { limits: charges.limits })
    }

    fn check(&mut self, now: QuotaTime, limit: &Limit) -> Result<(), Exceeded> {
        let exceeded = |kind, leaves, retry_after| {
            Err(Exceeded { bucket: limit.bucket.clone(), kind, leaves, retry_after })
        };
        if limit.per_day == 0 {
            return exceeded(LimitKind::Day, 0, None);
        }
        let Some(window) = self.windows.get_mut(&limit.bucket) else {
            let is_public = matches!(limit.bucket, Bucket::Public(_));
            if !is_public || self.public < MAX_PUBLIC_DOMAINS {
                return Ok(());
            }
            // Now and then only: it looks at every counter.
            if now >= self.swept.after(SWEEP_PAUSE) {
                self.sweep();
                if self.public < MAX_PUBLIC_DOMAINS {
                    return Ok(());
                }
            }
            let leaves = u32::try_from(MAX_PUBLIC_DOMAINS).unwrap_or(u32::MAX);
            return exceeded(LimitKind::Domains, leaves, Some(SLOT));
        };
        if let Some(wait) = window.day_wait(now, limit.per_day) {
            return exceeded(LimitKind::Day, limit.per_day, Some(wait.max(SOON)));
        }
        if let Some(burst) = limit.burst
            && let Some(wait) = window.burst_wait(now, burst)
        {
            return exceeded(LimitKind::Burst, burst.leaves, Some(wait.max(SOON)));
        }
        Ok(())
    }

    /// The leaf was added.
    pub fn settle(&mut self, now: QuotaTime, reservation: Reservation) {
        let now = self.advance(now);
        for limit in reservation.limits {
            if let Some(window) = self.windows.get_mut(&limit.bucket) {
                window.settle(now);
            }
            let unsaved = self.unsaved.entry(limit.bucket).or_default();
            *unsaved = unsaved.saturating_add(1);
        }
    }

    /// The leaf was not added, or was there already: the places are free again.
    pub fn release(&mut self, reservation: Reservation) {
        for limit in reservation.limits {
            if let Some(window) = self.windows.get_mut(&limit.bucket) {
                window.release(limit.burst);
                if window.is_idle(self.now) {
                    self.forget(&limit.bucket);
                }
            }
        }
    }

    /// Forgets counters whose leaves are all older than the window.
    pub fn sweep(&mut self) {
        let now = self.now;
        self.swept = now;
        self.windows.retain(|_, window| !window.is_idle(now));
        self.public = self.windows.keys().filter(|b| matches!(b, Bucket::Public(_))).count();
    }

    fn forget(&mut self, bucket: &Bucket) {
        if self.windows.remove(bucket).is_some() && matches!(bucket, Bucket::Public(_)) {
            self.public = self.public.saturating_sub(1);
        }
    }

    /// The latest time there was.
    pub fn now(&self) -> QuotaTime {
        self.now
    }

    /// Moves the time on; it never goes back.
    pub fn advance(&mut self, now: QuotaTime) -> QuotaTime {
        self.now = self.now.max(now);
        self.now
    }

    /// Counters that are kept.
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// Leaves of one counter in the last 24 hours.
    pub fn usage(&self, now: QuotaTime, bucket: &Bucket) -> u64 {
        self.windows.get(bucket).map_or(0, |window| window.leaves(now.max(self.now)))
    }

    /// The fullest counters, at most `count`, the fullest first.
    pub fn fullest(&self, now: QuotaTime, count: usize) -> Vec<Usage> {
        let now = now.max(self.now);
        let mut all: Vec<_> = self.windows.iter().map(|(b, w)| (w.leaves(now), b)).collect();
        let order = |(left, a): &(u64, &Bucket), (right, b): &(u64, &Bucket)| {
            right.cmp(left).then_with(|| a.cmp(b))
        };
        // Submissions wait meanwhile: only what is shown is sorted.
        if all.len() > count {
            all.select_nth_unstable_by(count, order);
            all.truncate(count);
        }
        all.sort_by(order);
        let usage = |(leaves, bucket): (u64, &Bucket)| Usage { bucket: bucket.clone(), leaves };
        all.into_iter().take(count).filter(|(leaves, _)| *leaves > 0).map(usage).collect()
    }

    /// Whether leaves were counted since [`Self::take_unsaved`].
    pub fn has_unsaved(&self) -> bool {
        !self.unsaved.is_empty()
    }

    /// What was counted since the last call, by counter.
    pub fn take_unsaved(&mut self) -> HashMap<Bucket, u32> {
        std::mem::take(&mut self.unsaved)
    }

    /// Takes back what could not be saved.
    pub fn put_unsaved(&mut self, counted: HashMap<Bucket, u32>) {
        for (bucket, leaves) in counted {
            let unsaved = self.unsaved.entry(bucket).or_default();
            *unsaved = unsaved.saturating_add(leaves);
        }
    }

    /// Every counter's groups, for [`crate::record`].
    pub(crate) fn groups(&self) -> impl Iterator<Item = (&Bucket, impl Iterator<Item = &Group>)> {
        self.windows.iter().map(|(bucket, window)| (bucket, window.groups()))
    }

    /// Whether there is such a counter.
    pub(crate) fn knows(&self, bucket: &Bucket) -> bool {
        self.windows.contains_key(bucket)
    }

    /// Counts leaves that were added earlier, from a record. In the order of time.
    pub(crate) fn restore(&mut self, bucket: Bucket, group: Group) {
        self.advance(group.last);
        if !self.windows.contains_key(&bucket) && matches!(bucket, Bucket::Public(_)) {
            self.public = self.public.saturating_add(1);
        }
        self.windows.entry(bucket).or_default().restore(group);
    }
}

#[cfg(test)]
#[path = "quota_tests.rs"]
mod tests;
