//! Latencies and what they come to.

use std::fmt;
use std::time::Duration;

/// Latencies in microseconds, 4 bytes each: a minute at 100 000 requests a second is 24 MB.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies(Vec<u32>);

impl Latencies {
    /// Adds one; above 71 minutes it counts as 71 minutes.
    pub(crate) fn add(&mut self, latency: Duration) {
        self.0.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    /// Adds all of another.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Sorts them, once for any number of quantiles.
    pub(crate) fn summary(mut self) -> Summary {
        self.0.sort_unstable();
        let at = |thousandths: usize| {
            // The nearest rank: the smallest value with at least that share at or below it.
            let rank = (self.0.len() * thousandths).div_ceil(1000).max(1);
            Duration::from_micros(self.0.get(rank - 1).copied().unwrap_or(0).into())
        };
        Summary { p50: at(500), p99: at(990), max: at(1000) }
    }
}

/// Quantiles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// The median.
    pub(crate) p50: Duration,
    /// What one in a hundred exceeds.
    pub(crate) p99: Duration,
    /// The longest.
    pub(crate) max: Duration,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p50, p99, max) =
            (milliseconds(self.p50), milliseconds(self.p99), milliseconds(self.max));
        write!(f, "p50 {p50}, p99 {p99}, max {max}")
    }
}

/// A time with three digits that mean something.
pub(crate) fn milliseconds(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    match ms {
        _ if ms < 10.0 => format!("{ms:.2} ms"),
        _ if ms < 100.0 => format!("{ms:.1} ms"),
        _ if ms < 10_000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", ms / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(of: impl IntoIterator<Item = u64>) -> Summary {
        let mut latencies = Latencies::default();
        of.into_iter().for_each(|us| latencies.add(Duration::from_micros(us)));
        latencies.summary()
    }

    #[test]
    fn quantiles_are_nearest_ranks() {
        let us = Duration::from_micros;
        let found = summary((1..=1000).rev());
        assert_eq!(found, Summary { p50: us(500), p99: us(990), max: us(1000) });
        assert_eq!(summary([7]), Summary { p50: us(7), p99: us(7), max: us(7) });
        assert_eq!(summary([]), Summary::default());
    }

    #[test]
    fn times_are_short() {
        let shown = |us| milliseconds(Duration::from_micros(us));
        assert_eq!(shown(1_234), "1.23 ms");
        assert_eq!(shown(12_345), "12.3 ms");
        assert_eq!(shown(123_456), "123 ms");
        assert_eq!(shown(12_345_678), "12.3 s");
    }
}
