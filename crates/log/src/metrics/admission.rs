//! What is counted of limits and submit tokens.

use sigsum_client::LookedUp;
use sigsum_service::metrics::{
    Counter, Counters, Gauge, Histogram, LATENCY_BUCKETS_S, MetricsError, Registry,
};
use std::time::Duration;

/// Limits that refuse, as labels.
const LIMITS: &[&str] =
    &["unlisted", "key", "domain", "public", "global-public", "global", "burst", "domains"];
/// What becomes of tokens, as labels.
const OUTCOMES: &[&str] =
    &["valid", "stale", "static", "no-key-fits", "no-record", "invalid-domain", "unavailable"];
/// What becomes of look-ups, as labels.
const LOOK_UPS: &[&str] = &["found", "missing", "failed"];

/// Of rate limits.
#[derive(Debug, Clone)]
pub(crate) struct LimitMetrics {
    refused: Counters,
    counters: Gauge,
    save_failures: Counter,
}

impl LimitMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, MetricsError> {
        let refused = registry.counters(
            "sigsum_log_refused_total",
            "New leaves that were refused, by the limit that was met.",
            &["limit"],
        )?;
        show_all(&refused, LIMITS);
        Ok(Self {
            refused,
            counters: registry
                .gauge("sigsum_log_quota_counters", "Counters of rate limits that are kept.")?,
            save_failures: registry.counter(
                "sigsum_log_quota_save_failures_total",
                "Attempts to save the counters that failed.",
            )?,
        })
    }

    pub(crate) fn refused(&self, limit: &str) {
        self.refused.with(&[limit]).inc();
    }

    pub(crate) fn counters(&self, count: usize) {
        self.counters.set(super::gauge_value(count as u64));
    }

    pub(crate) fn not_saved(&self) {
        self.save_failures.inc();
    }
}

/// Of submit tokens.
#[derive(Debug, Clone)]
pub(crate) struct TokenMetrics {
    tokens: Counters,
    look_ups: Counters,
    look_up_seconds: Histogram,
    cached: Gauge,
}

impl TokenMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, MetricsError> {
        let tokens = registry.counters(
            "sigsum_log_tokens_total",
            "Submit tokens, by what became of them.",
            &["outcome"],
        )?;
        show_all(&tokens, OUTCOMES);
        let look_ups = registry.counters(
            "sigsum_log_dns_look_ups_total",
            "Questions to DNS about a token's domain, by outcome.",
            &["outcome"],
        )?;
        show_all(&look_ups, LOOK_UPS);
        Ok(Self {
            tokens,
            look_ups,
            look_up_seconds: registry.histogram(
                "sigsum_log_dns_look_up_seconds",
                "Seconds until DNS answered, or was given up.",
                LATENCY_BUCKETS_S,
            )?,
            cached: registry
                .gauge("sigsum_log_dns_cached_domains", "Domains whose answer of DNS is kept.")?,
        })
    }

    pub(crate) fn outcome(&self, outcome: &str) {
        self.tokens.with(&[outcome]).inc();
    }

    pub(crate) fn looked_up(&self, news: &LookedUp, took: Duration) {
        let outcome = match news {
            LookedUp::Found { .. } => "found",
            LookedUp::Missing { .. } => "missing",
            LookedUp::Failed { .. } => "failed",
        };
        self.look_ups.with(&[outcome]).inc();
        self.look_up_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn cached_domains(&self, count: usize) {
        self.cached.set(super::gauge_value(count as u64));
    }
}

/// Shows every label with 0, so that a rate can be computed from the first one on.
fn show_all(counters: &Counters, labels: &[&str]) {
    for label in labels {
        let _ = counters.with(&[label]);
    }
}
