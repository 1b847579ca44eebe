//! Rate limits of a running log: the rules in force, the counters, and their file.
//!
//! A leaf is charged when it is new and committed, and only then: [`Limits::admit`] reserves places
//! under every limit that is about it, the sequencer settles them after the commit or lets them go.
//!
//! Counters run on a clock of their own, which no change of the machine's clock moves.

mod keeper;
mod load;
mod moment;
mod status;

pub(crate) use keeper::{Keeper, KeeperThread};
pub(crate) use load::load;
pub use load::{LimitsError, suffix_file};
pub(crate) use status::public_rows;
pub use status::{CounterStatus, LimitsStatus};

use crate::metrics::LimitMetrics;
use arc_swap::ArcSwapOption;
use sigsum_core::KeyHash;
use sigsum_limits::{
    Bucket, Domain, Exceeded, LimitKind, Quota, QuotaTime, Reservation, Rules, Unlisted,
};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// Rules and where they are from.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The file.
    pub(crate) path: PathBuf,
    /// What it says, with its list of suffixes.
    pub(crate) rules: Rules,
}

/// The limits of a log. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// None: nobody is limited.
    loaded: ArcSwapOption<Loaded>,
    quota: Mutex<Quota>,
    clock: QuotaClock,
    metrics: LimitMetrics,
}

/// Time of the counters: goes on from where they were, by a clock that is never set.
#[derive(Debug)]
struct QuotaClock {
    start: QuotaTime,
    started: Instant,
}

impl QuotaClock {
    fn now(&self) -> QuotaTime {
        self.start.after(self.started.elapsed())
    }
}

/// Why a leaf is one too many, for its submitter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No line is about it.
    Unlisted(Unlisted),
    /// A limit is met.
    Exceeded(Exceeded),
}

/// Places for one leaf; given back when dropped, unless it is settled.
#[derive(Debug)]
pub(crate) struct Permit {
    reserved: Option<(Arc<Inner>, Reservation)>,
}

impl Limits {
    /// `quota` is what was counted before, as of `start`.
    pub(crate) fn new(
        loaded: Option<Loaded>,
        quota: Quota,
        start: QuotaTime,
        metrics: LimitMetrics,
    ) -> Self {
        let inner = Inner {
            loaded: ArcSwapOption::from_pointee(loaded),
            quota: Mutex::new(quota),
            clock: QuotaClock { start, started: Instant::now() },
            metrics,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Puts other rules in force; what was counted stays counted.
    pub(crate) fn replace(&self, loaded: Option<Loaded>) {
        self.inner.loaded.store(loaded.map(Arc::new));
    }

    /// Whether these rules are those in force.
    pub(crate) fn are(&self, loaded: Option<&Loaded>) -> bool {
        let current = self.inner.loaded.load();
        current.as_deref().map(|current| &current.rules) == loaded.map(|loaded| &loaded.rules)
    }

    /// Whether a `domain` line lets this domain in, with those below it.
    pub(crate) fn has_line(&self, domain: &Domain) -> bool {
        self.inner.loaded.load().as_deref().is_some_and(|loaded| loaded.rules.has_line(domain))
    }

    /// Reserves places for a leaf that is new; `domain` is that of a valid token.
    pub(crate) fn admit(&self, key: &KeyHash, domain: Option<&Domain>) -> Result<Permit, Refused> {
        let Some(loaded) = &*self.inner.loaded.load() else {
            return Ok(Permit { reserved: None });
        };
        let charges = loaded.rules.charges(key, domain).map_err(|unlisted| {
            self.inner.metrics.refused("unlisted");
            Refused::Unlisted(unlisted)
        })?;
        let now = self.inner.clock.now();
        let reserved = self.inner.quota().reserve(now, charges).map_err(|exceeded| {
            self.inner.metrics.refused(limit_name(&exceeded));
            Refused::Exceeded(exceeded)
        })?;
        Ok(Permit { reserved: Some((Arc::clone(&self.inner), reserved)) })
    }
}

impl Inner {
    fn quota(&self) -> MutexGuard<'_, Quota> {
        self.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// No places: for a leaf that no limit is about.
    pub(crate) fn free() -> Self {
        Self { reserved: None }
    }

    /// The leaf was new, and is in the log.
    pub(crate) fn settle(mut self) {
        if let Some((inner, reservation)) = self.reserved.take() {
            let now = inner.clock.now();
            inner.quota().settle(now, reservation);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some((inner, reservation)) = self.reserved.take() {
            inner.quota().release(reservation);
        }
    }
}

/// The limit's name in metrics.
fn limit_name(exceeded: &Exceeded) -> &'static str {
    match (exceeded.kind, &exceeded.bucket) {
        (LimitKind::Burst, _) => "burst",
        (LimitKind::Domains, _) => "domains",
        (LimitKind::Day, Bucket::Key(_)) => "key",
        (LimitKind::Day, Bucket::Domain(_)) => "domain",
        (LimitKind::Day, Bucket::Public(_)) => "public",
        (LimitKind::Day, Bucket::AllPublic) => "global-public",
        (LimitKind::Day, Bucket::All) => "global",
    }
}

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod tests;
