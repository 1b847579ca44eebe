//! What a follower tells: metrics, readiness, one log line per change, and its status.

use super::copy::CopyError;
use crate::engine::follow::Contradiction;
use crate::metrics::gauge_value;
use sigsum_core::TreeSize;
use sigsum_service::clock::Clock;
use sigsum_service::metrics::{Counter, Gauge, HttpMetrics, MetricsError, Registry};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How copying goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyCondition {
    /// The primary has not answered yet.
    Starting,
    /// What the primary has is here, or on its way.
    Following,
    /// The primary does not answer, or the disk does not take leaves.
    Failing,
    /// The primary has less than what is here.
    Behind,
    /// The primary has another tree; nothing is copied any more.
    Stopped,
}

/// What a follower can say of itself.
#[derive(Debug, Clone)]
pub struct CopyStatus {
    /// The primary's URL without the scheme.
    pub primary: String,
    /// Leaves that are durable here.
    pub held_size: TreeSize,
    /// Size of the last head of the log that was found to be right for them.
    pub verified_size: Option<TreeSize>,
    /// How copying goes.
    pub condition: CopyCondition,
    /// Why nothing is copied any more.
    pub contradiction: Option<Contradiction>,
    /// Since the primary last answered well.
    pub since_success: Option<Duration>,
}

/// All metrics of a follower.
#[derive(Debug)]
pub(crate) struct FollowerMetrics {
    /// By endpoint, under log-go's names.
    pub(crate) http: HttpMetrics,
    held_size: Gauge,
    verified_size: Gauge,
    copied_leaves: Counter,
    copy_failures: Counter,
    success_time_s: Gauge,
    primary_behind: Gauge,
    contradiction: Gauge,
}

impl FollowerMetrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, MetricsError> {
        let counter = |name, help| registry.counter(name, help);
        let gauge = |name, help| registry.gauge(name, help);
        Ok(Self {
            http: HttpMetrics::register(registry, "sigsum_log_go")?,
            held_size: gauge("sigsum_secondary_held_size", "Leaves that are durable here.")?,
            verified_size: gauge(
                "sigsum_secondary_verified_size",
                "Size of the last tree head of the log that is right for the leaves held here.",
            )?,
            copied_leaves: counter("sigsum_secondary_copied_leaves_total", "Leaves copied.")?,
            copy_failures: counter(
                "sigsum_secondary_copy_failures_total",
                "Times that copying failed: no answer, a wrong one, or a failing disk.",
            )?,
            success_time_s: gauge(
                "sigsum_secondary_success_time_seconds",
                "Unix time of the primary's last good answer.",
            )?,
            primary_behind: gauge(
                "sigsum_secondary_primary_behind",
                "1 while the primary has less than what is held here.",
            )?,
            contradiction: gauge(
                "sigsum_secondary_contradiction",
                "1 when the primary showed another tree; nothing is copied any more.",
            )?,
        })
    }
}

/// Where the tasks report.
#[derive(Debug)]
pub(crate) struct Reporter {
    pub(crate) metrics: FollowerMetrics,
    clock: Arc<dyn Clock>,
    health: sigsum_service::health::Part,
    primary: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    condition: CopyCondition,
    contradiction: Option<Contradiction>,
    last_success: Option<Instant>,
    verified: Option<TreeSize>,
    heads_fail: bool,
    /// Whether the primary keeps answers back, as one of ours does, and log-go's does not.
    primary_waits: Option<bool>,
    is_unchecked: bool,
}

impl Reporter {
    pub(crate) fn new(
        metrics: FollowerMetrics,
        clock: Arc<dyn Clock>,
        health: sigsum_service::health::Part,
        primary: String,
        held: TreeSize,
        verified: Option<TreeSize>,
    ) -> Self {
        metrics.held_size.set(gauge_value(held.0));
        metrics.verified_size.set(gauge_value(verified.unwrap_or_default().0));
        health.waiting("the primary has not answered yet");
        let condition = CopyCondition::Starting;
        let state = State {
            condition,
            contradiction: None,
            last_success: None,
            verified,
            heads_fail: false,
            primary_waits: None,
            is_unchecked: false,
        };
        Self { metrics, clock, health, primary, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the primary showed that is not so here.
    pub(crate) fn contradiction(&self) -> Option<Contradiction> {
        self.lock().contradiction
    }

    pub(crate) fn status(&self, held_size: TreeSize) -> CopyStatus {
        let state = self.lock();
        CopyStatus {
            primary: self.primary.clone(),
            held_size,
            verified_size: state.verified,
            condition: state.condition,
            contradiction: state.contradiction,
            since_success: state.last_success.map(|at| at.elapsed()),
        }
    }

    /// Sets the condition, unless the end has come; true where it is another one.
    fn turn(&self, condition: CopyCondition) -> bool {
        let mut state = self.lock();
        if state.contradiction.is_some() || state.condition == condition {
            return false;
        }
        state.condition = condition;
        drop(state);
        self.metrics.primary_behind.set(i64::from(condition == CopyCondition::Behind));
        true
    }

    /// The primary answered well.
    pub(crate) fn copied(&self, condition: CopyCondition) {
        self.metrics.success_time_s.set(gauge_value(self.clock.now_s()));
        self.lock().last_success = Some(Instant::now());
        if self.turn(condition) {
            self.health.ready();
            tracing::info!(primary = self.primary, "following the primary");
        }
    }

    /// What kind of node the primary is.
    pub(crate) fn primary_waits(&self, waits: bool) {
        self.lock().primary_waits = Some(waits);
    }

    /// The primary shows no tree head, and there is no other place to look for one. One of ours has
    /// none yet; log-go's never shows any, which is told once.
    pub(crate) fn no_head_shown(&self) {
        let mut state = self.lock();
        if state.primary_waits != Some(false) || std::mem::replace(&mut state.is_unchecked, true) {
            return;
        }
        drop(state);
        tracing::warn!(
            primary = self.primary,
            "nothing that is copied is compared with the log's tree heads: this primary shows none \
             to its followers, as log-go's; name the log's public URL with primary-external-url"
        );
    }

    /// So many leaves became durable.
    pub(crate) fn stored(&self, leaves: u64, held: TreeSize) {
        self.metrics.copied_leaves.inc_by(leaves);
        self.metrics.held_size.set(gauge_value(held.0));
    }

    /// Copying failed; told once until it goes on.
    pub(crate) fn failed(&self, error: &CopyError) {
        self.metrics.copy_failures.inc();
        let primary = self.primary.as_str();
        match error {
            CopyError::Contradiction(contradiction) => self.contradicted(**contradiction),
            CopyError::Behind(_) => {
                if self.turn(CopyCondition::Behind) {
                    self.health.waiting("the primary has less than what is held here");
                    tracing::warn!(
                        primary,
                        "{error}; nothing is copied until it has caught up; does it run on an old \
                         copy?"
                    );
                }
            }
            CopyError::Store(_) => {
                if self.turn(CopyCondition::Failing) {
                    self.health.waiting("leaves cannot be stored");
                    tracing::error!("cannot copy: {error}");
                }
            }
            CopyError::Primary(_) | CopyError::Stopping => {
                if self.turn(CopyCondition::Failing) {
                    self.health.waiting("nothing can be copied from the primary");
                    tracing::warn!(primary, "cannot copy: {error}");
                }
            }
        }
    }

    /// The end of copying; told once.
    pub(crate) fn contradicted(&self, contradiction: Contradiction) {
        let mut state = self.lock();
        if state.contradiction.is_some() {
            return;
        }
        state.contradiction = Some(contradiction);
        state.condition = CopyCondition::Stopped;
        drop(state);
        self.metrics.contradiction.set(1);
        self.health.waiting("the primary shows another tree than the one held here");
        tracing::error!(
            primary = self.primary,
            "the primary shows another tree; nothing is copied any more, and what is held stays: \
             {contradiction}"
        );
    }

    /// A head of the log is right for what is held.
    pub(crate) fn head_verified(&self, size: TreeSize) {
        let mut state = self.lock();
        state.verified = Some(size);
        let failed_before = std::mem::take(&mut state.heads_fail);
        state.is_unchecked = false;
        drop(state);
        self.metrics.verified_size.set(gauge_value(size.0));
        tracing::debug!(%size, "tree head verified");
        if failed_before {
            tracing::info!("tree heads are compared again");
        }
    }

    /// No head could be compared; told once. Where the primary does not answer, copying says so.
    pub(crate) fn head_failed(&self, error: &CopyError) {
        if let CopyError::Contradiction(contradiction) = error {
            return self.contradicted(**contradiction);
        }
        let is_told = matches!(error, CopyError::Primary(sigsum_api::ApiError::Transport(_)));
        if !is_told && !std::mem::replace(&mut self.lock().heads_fail, true) {
            tracing::warn!("cannot compare tree heads: {error}");
        }
    }
}
