//! What the log counts. Names that log-go has are kept (`sigsum_log_go_...`); ours begin with
//! `sigsum_log_`.

mod admission;

pub(crate) use admission::{LimitMetrics, TokenMetrics};

use crate::sequencer::Observer;
use sigsum_service::metrics::{
    Counter, Counters, Gauge, Gauges, Histogram, Histograms, HttpMetrics, LATENCY_BUCKETS_S,
    MetricsError, Registry,
};
use sigsum_store::StoreError;
use std::sync::Arc;
use std::time::Duration;

/// Buckets of the commit histogram: a good disk syncs in a tenth of a millisecond.
const COMMIT_BUCKETS_S: &[f64] =
    &[0.0001, 0.0002, 0.0003, 0.0006, 0.001, 0.002, 0.003, 0.006, 0.01, 0.03, 0.1, 0.3, 1.0];

/// All metrics of one log.
#[derive(Debug)]
pub(crate) struct LogMetrics {
    /// By endpoint.
    pub(crate) http: HttpMetrics,
    /// Durable commits.
    pub(crate) commits: Counter,
    /// Leaves in them, those already known included.
    pub(crate) committed_leaves: Counter,
    /// Commits that failed.
    pub(crate) commit_failures: Counter,
    /// Seconds of a commit.
    pub(crate) commit_seconds: Histogram,
    /// Leaves that are durable.
    pub(crate) committed_size: Gauge,
    /// Size of the last signed head.
    pub(crate) signed_size: Gauge,
    /// Size of the served head.
    pub(crate) published_size: Gauge,
    /// Cosignatures of the served head.
    pub(crate) published_cosignatures: Gauge,
    /// Unix time at which the served head last changed.
    pub(crate) published_time_s: Gauge,
    /// 1 while rounds end without a quorum.
    pub(crate) quorum_missing: Gauge,
    /// Unix time of the last round that met the quorum; before the first, what is known of it.
    pub(crate) quorum_time_s: Gauge,
    /// What the log stands on.
    pub(crate) ground: GroundMetrics,
    /// Rate limits.
    pub(crate) limits: LimitMetrics,
    /// Submit tokens.
    pub(crate) tokens: TokenMetrics,
    /// Heads that were not signed, stored or published, by the step that failed.
    pub(crate) head_failures: Counters,
    /// Requests to witnesses, as log-go counts them.
    pub(crate) asking: AskingMetrics,
    /// Unix time of each witness's last cosignature.
    pub(crate) witness_success_time_s: Gauges,
    /// Each witness's clock minus ours, at its last cosignature.
    pub(crate) witness_clock_skew_s: Gauges,
    /// 1 while a witness's last answer was no cosignature.
    pub(crate) witness_failing: Gauges,
    /// Of followers.
    pub(crate) replication: ReplicationMetrics,
    /// 1 while a witness knows a larger tree than this log signed.
    pub(crate) witness_ahead: Gauges,
}

impl LogMetrics {
    /// Registers everything.
    ///
    /// # Errors
    /// A name is taken: two logs share a registry.
    pub(crate) fn register(registry: &Registry) -> Result<Arc<Self>, MetricsError> {
        let counter = |name, help| registry.counter(name, help);
        let gauge = |name, help| registry.gauge(name, help);
        let by_witness = |name, help| registry.gauges(name, help, &["witness"]);
        Ok(Arc::new(Self {
            http: HttpMetrics::register(registry, "sigsum_log_go")?,
            commits: counter("sigsum_log_commits_total", "Durable commits of leaves.")?,
            committed_leaves: counter("sigsum_log_committed_leaves_total", "Leaves in commits.")?,
            commit_failures: counter("sigsum_log_commit_failures_total", "Commits that failed.")?,
            commit_seconds: registry.histogram(
                "sigsum_log_commit_seconds",
                "Seconds that a commit takes.",
                COMMIT_BUCKETS_S,
            )?,
            committed_size: gauge("sigsum_log_committed_size", "Leaves that are durable.")?,
            signed_size: gauge("sigsum_log_signed_size", "Size of the last signed tree head.")?,
            published_size: gauge("sigsum_log_published_size", "Size of the served tree head.")?,
            published_cosignatures: gauge(
                "sigsum_log_published_cosignatures",
                "Cosignatures of the served tree head.",
            )?,
            published_time_s: gauge(
                "sigsum_log_published_time_seconds",
                "Unix time at which the served tree head last changed.",
            )?,
            quorum_missing: gauge(
                "sigsum_log_quorum_missing",
                "1 while too few witnesses cosign for the policy's quorum.",
            )?,
            quorum_time_s: gauge(
                "sigsum_log_quorum_time_seconds",
                "Unix time of the last round that met the quorum.",
            )?,
            ground: GroundMetrics::register(registry)?,
            head_failures: head_failures(registry)?,
            limits: LimitMetrics::register(registry)?,
            tokens: TokenMetrics::register(registry)?,
            asking: AskingMetrics::register(registry)?,
            witness_success_time_s: by_witness(
                "sigsum_log_witness_success_time_seconds",
                "Unix time of the witness's last cosignature.",
            )?,
            witness_clock_skew_s: by_witness(
                "sigsum_log_witness_clock_skew_seconds",
                "The witness's time minus ours, at its last cosignature.",
            )?,
            witness_failing: by_witness(
                "sigsum_log_witness_failing",
                "1 while the witness's last answer was no cosignature.",
            )?,
            replication: ReplicationMetrics::register(registry)?,
            witness_ahead: by_witness(
                "sigsum_log_witness_ahead",
                "1 while the witness knows a larger tree than this log signed.",
            )?,
        }))
    }
}

/// Steps of a head that can fail, as the metric's label has them.
const HEAD_STEPS: [&str; 6] = ["integrate", "sign", "store", "sth", "publish", "task"];

/// Each step is there from the start, so that a rule sees the first failure as an increase.
fn head_failures(registry: &Registry) -> Result<Counters, MetricsError> {
    let failures = registry.counters(
        "sigsum_log_head_failures_total",
        "Tree heads that were not made, by the step that failed.",
        &["step"],
    )?;
    for step in HEAD_STEPS {
        failures.with(&[step]).inc_by(0);
    }
    Ok(failures)
}

/// Requests to witnesses, under log-go's names.
#[derive(Debug)]
pub(crate) struct AskingMetrics {
    /// Requests.
    pub(crate) witness_requests: Counters,
    /// Seconds of those that brought a cosignature.
    pub(crate) witness_latency: Histograms,
    /// Rounds with and without a quorum.
    pub(crate) quorum_total: Counters,
    /// Seconds from a round's start to its quorum.
    pub(crate) quorum_latency: Histogram,
}

impl AskingMetrics {
    fn register(registry: &Registry) -> Result<Self, MetricsError> {
        Ok(Self {
            witness_requests: registry.counters(
                "sigsum_log_go_witness_checkpoint_requests_total",
                "Requests to witnesses, by witness, status and whether a 409 came before.",
                &["retried", "status", "witness"],
            )?,
            witness_latency: registry.histograms(
                "sigsum_log_go_witness_checkpoint_request_latency",
                "Seconds of requests to witnesses that brought a cosignature.",
                &["witness"],
                LATENCY_BUCKETS_S,
            )?,
            quorum_total: registry.counters(
                "sigsum_log_go_witness_quorum_total",
                "Rounds of requests to witnesses, by whether the quorum was met.",
                &["status"],
            )?,
            quorum_latency: registry.histogram(
                "sigsum_log_go_witness_quorum_latency",
                "Seconds until the quorum was met.",
                LATENCY_BUCKETS_S,
            )?,
        })
    }
}

/// What the log stands on: its key and its disk.
#[derive(Debug)]
pub(crate) struct GroundMetrics {
    /// 1 where the log is closed for good, or about to be.
    pub(crate) frozen: Gauge,
    /// 1 while the log's key cannot be used.
    pub(crate) signer_failing: Gauge,
    /// Unix time of the last signature.
    pub(crate) signer_success_time_s: Gauge,
    /// Room on the file system of the data directory; without a member where there is none.
    pub(crate) disk_free_bytes: Gauges,
    /// Its size.
    pub(crate) disk_total_bytes: Gauges,
}

impl GroundMetrics {
    fn register(registry: &Registry) -> Result<Self, MetricsError> {
        let gauge = |name, help| registry.gauge(name, help);
        Ok(Self {
            frozen: gauge(
                "sigsum_log_frozen",
                "1 where the log takes no leaf any more, for good.",
            )?,
            signer_failing: gauge(
                "sigsum_log_signer_failing",
                "1 while the log's key cannot be used.",
            )?,
            signer_success_time_s: gauge(
                "sigsum_log_signer_success_time_seconds",
                "Unix time of the last signature by the log's key.",
            )?,
            disk_free_bytes: registry.gauges(
                "sigsum_log_disk_free_bytes",
                "Bytes that may still be written on the disk of the data directory.",
                &[],
            )?,
            disk_total_bytes: registry.gauges(
                "sigsum_log_disk_total_bytes",
                "Size of the disk of the data directory.",
                &[],
            )?,
        })
    }
}

impl LogMetrics {
    /// Shows nothing more of a witness that is no longer asked. What was counted stays.
    pub(crate) fn forget_witness(&self, label: &str) {
        for gauges in [
            &self.witness_success_time_s,
            &self.witness_clock_skew_s,
            &self.witness_failing,
            &self.witness_ahead,
        ] {
            gauges.forget(&[label]);
        }
    }
}

/// What is counted of followers.
#[derive(Debug)]
pub(crate) struct ReplicationMetrics {
    /// What enough followers hold.
    pub(crate) replicated_size: Gauge,
    /// 1 while fewer followers than required hold the log.
    pub(crate) followers_missing: Gauge,
    /// What each follower holds.
    pub(crate) follower_size: Gauges,
    /// Unix time of each follower's last good answer.
    pub(crate) follower_success_time_s: Gauges,
    /// 1 while a follower holds more than this log has.
    pub(crate) follower_ahead: Gauges,
    /// 1 while a follower holds another tree.
    pub(crate) follower_contradicts: Gauges,
}

impl ReplicationMetrics {
    fn register(registry: &Registry) -> Result<Self, MetricsError> {
        let gauge = |name, help| registry.gauge(name, help);
        let by_follower = |name, help| registry.gauges(name, help, &["follower"]);
        Ok(Self {
            replicated_size: gauge(
                "sigsum_log_replicated_size",
                "Leaves that as many followers hold as are required.",
            )?,
            followers_missing: gauge(
                "sigsum_log_followers_missing",
                "1 while fewer followers than required hold the log.",
            )?,
            follower_size: by_follower("sigsum_log_follower_size", "Leaves the follower holds.")?,
            follower_success_time_s: by_follower(
                "sigsum_log_follower_success_time_seconds",
                "Unix time of the follower's last good answer.",
            )?,
            follower_ahead: by_follower(
                "sigsum_log_follower_ahead",
                "1 while the follower holds more leaves than this log has.",
            )?,
            follower_contradicts: by_follower(
                "sigsum_log_follower_contradicts",
                "1 while the follower holds another tree than this log.",
            )?,
        })
    }
}

/// A number for a gauge.
pub(crate) fn gauge_value(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Counts commits and logs the first failure and the first success after it.
#[derive(Debug)]
pub(crate) struct CommitObserver {
    metrics: Arc<LogMetrics>,
    health: sigsum_service::health::Part,
    failing: bool,
}

impl CommitObserver {
    pub(crate) fn new(metrics: Arc<LogMetrics>, health: sigsum_service::health::Part) -> Self {
        health.ready();
        Self { metrics, health, failing: false }
    }
}

impl Observer for CommitObserver {
    fn committed(&mut self, leaves: usize, size: u64, took: Duration) {
        self.metrics.commits.inc();
        self.metrics.committed_leaves.inc_by(leaves as u64);
        self.metrics.commit_seconds.observe(took.as_secs_f64());
        self.metrics.committed_size.set(gauge_value(size));
        if std::mem::take(&mut self.failing) {
            self.health.ready();
            tracing::info!("leaves are committed again");
        }
    }

    fn failed(&mut self, leaves: usize, error: &StoreError) {
        self.metrics.commit_failures.inc();
        if !std::mem::replace(&mut self.failing, true) {
            self.health.waiting("leaves cannot be committed");
            tracing::error!(leaves, %error, "cannot commit leaves; none is acknowledged");
        }
    }
}
