//! One counter.

use super::{QuotaTime, SLOT, WINDOW};
use crate::line::Burst;
use std::collections::VecDeque;
use std::time::Duration;

/// Leaves that were added at about the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group {
    /// When the first was.
    pub(crate) first: QuotaTime,
    /// When the last was.
    pub(crate) last: QuotaTime,
    /// How many.
    pub(crate) leaves: u32,
}

impl Group {
    fn is_over(&self, now: QuotaTime) -> bool {
        self.last.after(WINDOW) <= now
    }
}

/// A counter's last 24 hours.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    groups: VecDeque<Group>,
    /// Sum of the groups.
    counted: u64,
    /// Places of leaves whose commit is not over.
    reserved: u64,
    /// When a burst's places are all free again, in nanoseconds of the quota's time: each leaf moves
    /// it by the time in which one place becomes free (the generic cell rate algorithm).
    burst_free_at_ns: u64,
}

impl Window {
    /// How long until there is a place; `None` where there is one.
    pub(super) fn day_wait(&mut self, now: QuotaTime, per_day: u32) -> Option<Duration> {
        self.expire(now);
        let limit = u64::from(per_day);
        let taken = self.counted.saturating_add(self.reserved);
        let mut over = taken.checked_sub(limit)?.saturating_add(1);
        for group in &self.groups {
            over = over.saturating_sub(group.leaves.into());
            if over == 0 {
                return Some(group.last.after(WINDOW).since(now));
            }
        }
        Some(Duration::ZERO) // all of it is reserved: soon it is settled or free
    }

    /// How long until a burst has a place; `None` where it has one.
    pub(super) fn burst_wait(&self, now: QuotaTime, burst: Burst) -> Option<Duration> {
        let Times { now_ns, place_ns, period_ns } = Times::new(now, burst);
        let full = now_ns.saturating_add(period_ns);
        let next = self.burst_start(now_ns, period_ns).saturating_add(place_ns);
        let over = next.checked_sub(full).filter(|over| *over > 0)?;
        Some(Duration::from_nanos(over))
    }

    /// No longer ahead than a whole burst, whatever burst it was before the limits were changed.
    fn burst_start(&self, now_ns: u64, period_ns: u64) -> u64 {
        self.burst_free_at_ns.clamp(now_ns, now_ns.saturating_add(period_ns))
    }

    pub(super) fn reserve(&mut self, now: QuotaTime, burst: Option<Burst>) {
        self.reserved = self.reserved.saturating_add(1);
        if let Some(burst) = burst {
            let Times { now_ns, place_ns, period_ns } = Times::new(now, burst);
            self.burst_free_at_ns = self.burst_start(now_ns, period_ns).saturating_add(place_ns);
        }
    }

    pub(super) fn release(&mut self, burst: Option<Burst>) {
        self.reserved = self.reserved.saturating_sub(1);
        if let Some(burst) = burst {
            let place_ns = Times::new(QuotaTime(0), burst).place_ns;
            self.burst_free_at_ns = self.burst_free_at_ns.saturating_sub(place_ns);
        }
    }

    pub(super) fn settle(&mut self, now: QuotaTime) {
        self.reserved = self.reserved.saturating_sub(1);
        self.expire(now);
        self.restore(Group { first: now, last: now, leaves: 1 });
    }

    /// Counts a group that is not older than those there are.
    pub(super) fn restore(&mut self, group: Group) {
        self.counted = self.counted.saturating_add(group.leaves.into());
        let back = self.groups.back_mut().filter(|back| group.last.since(back.first) < SLOT);
        if let Some(back) = back
            && let Some(leaves) = back.leaves.checked_add(group.leaves)
        {
            *back = Group { last: back.last.max(group.last), leaves, ..*back };
        } else {
            self.groups.push_back(group);
        }
    }

    fn expire(&mut self, now: QuotaTime) {
        while let Some(group) = self.groups.pop_front_if(|group| group.is_over(now)) {
            self.counted = self.counted.saturating_sub(group.leaves.into());
        }
    }

    /// Leaves of the last 24 hours; those reserved not counted.
    pub(super) fn leaves(&self, now: QuotaTime) -> u64 {
        let over = self.groups.iter().take_while(|group| group.is_over(now));
        let over = over.fold(0, |sum: u64, group| sum.saturating_add(group.leaves.into()));
        self.counted.saturating_sub(over)
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter()
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_idle(&self, now: QuotaTime) -> bool {
        let is_counted = self.groups.back().is_some_and(|group| !group.is_over(now));
        let burst_is_free = self.burst_free_at_ns <= nanoseconds(now);
        self.reserved == 0 && !is_counted && burst_is_free
    }
}

/// A burst in nanoseconds: a period of an hour for 2^31 leaves is 1.6 ns a leaf.
struct Times {
    now_ns: u64,
    /// Time in which one place becomes free.
    place_ns: u64,
    /// Time in which all do.
    period_ns: u64,
}

impl Times {
    fn new(now: QuotaTime, burst: Burst) -> Self {
        let period_ns = u64::from(burst.period_s).saturating_mul(1_000_000_000);
        let place_ns = period_ns.checked_div(burst.leaves.into()).unwrap_or(period_ns);
        // Without what the division left, so that exactly so many places make a period.
        let period_ns = place_ns.saturating_mul(burst.leaves.into());
        Self { now_ns: nanoseconds(now), place_ns, period_ns }
    }
}

fn nanoseconds(time: QuotaTime) -> u64 {
    time.0.saturating_mul(1_000_000)
}
