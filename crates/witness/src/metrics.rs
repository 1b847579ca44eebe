//! What a witness counts, beside the requests and answers of `sigsum_service::metrics::HttpMetrics`.

use sigsum_service::metrics::{
    Counter, Gauge, Histogram, LATENCY_BUCKETS_S, MetricsError, Registry,
};
use std::time::Duration;

/// What the store counts.
#[derive(Debug, Clone)]
pub(crate) struct StoreMetrics {
    commits: Counter,
    advances: Counter,
    failures: Counter,
    latency: Histogram,
}

impl StoreMetrics {
    /// Counts one transaction.
    pub(crate) fn committed(&self, advances: usize, took: Duration) {
        self.commits.inc();
        self.advances.inc_by(advances as u64);
        self.latency.observe(took.as_secs_f64());
    }

    /// Counts a transaction that failed.
    pub(crate) fn failed(&self) {
        self.failures.inc();
    }
}

/// What a witness counts.
#[derive(Debug, Clone)]
pub(crate) struct WitnessMetrics {
    /// The store's part.
    pub(crate) store: StoreMetrics,
    signing: Histogram,
    /// Logs that are served.
    pub(crate) logs: Gauge,
    /// Requests that are worked on.
    pub(crate) in_flight: Gauge,
}

impl WitnessMetrics {
    /// Registers everything.
    ///
    /// # Errors
    /// [`MetricsError`]: a name is taken, as by a second witness with the same registry.
    pub(crate) fn register(registry: &Registry) -> Result<Self, MetricsError> {
        let store = StoreMetrics {
            commits: registry
                .counter("sigsum_witness_store_commits_total", "Transactions of the store.")?,
            advances: registry.counter(
                "sigsum_witness_store_heads_total",
                "Heads written by the store; over commits it is the size of a group.",
            )?,
            failures: registry.counter(
                "sigsum_witness_store_failures_total",
                "Transactions of the store that failed.",
            )?,
            latency: registry.histogram(
                "sigsum_witness_store_commit_seconds",
                "Time of a transaction of the store.",
                LATENCY_BUCKETS_S,
            )?,
        };
        Ok(Self {
            store,
            signing: registry.histogram(
                "sigsum_witness_signing_seconds",
                "Time until all own keys have signed a checkpoint.",
                LATENCY_BUCKETS_S,
            )?,
            logs: registry.gauge("sigsum_witness_logs", "Logs that are served.")?,
            in_flight: registry
                .gauge("sigsum_witness_in_flight", "add-checkpoint requests that are worked on.")?,
        })
    }

    /// Counts the signatures over one checkpoint.
    pub(crate) fn signed(&self, took: Duration) {
        self.signing.observe(took.as_secs_f64());
    }
}
