//! What the publisher tells: metrics, readiness, one log line per change, and its status.

use super::{Publisher, Running, Stage};
use crate::engine::cosigned::WitnessId;
use crate::engine::guard::Party;
use crate::engine::head::Event;
use crate::engine::peer::{Condition, Peer};
use crate::guard::Outdated;
use crate::metrics::gauge_value;
use sigsum_core::TreeSize;
use sigsum_core::policy::Policy;
use std::sync::Arc;
use std::time::Duration;

/// A witness's clock may differ by so many seconds before the operator is told. Cosignatures count
/// all the same: whose clock is wrong is not for the log to judge.
pub(crate) const CLOCK_SKEW_NOTED_S: u64 = 300;
/// What the task reports about itself; see [`crate::Status`].
#[derive(Debug, Clone, Default)]
pub struct HeadStatus {
    /// Size of the last head that was signed in this process.
    pub signed_size: Option<TreeSize>,
    /// Whether the start guard has let the log go on; leaves are taken from then on.
    pub guard_passed: bool,
    /// Where the log is in its life.
    pub stage: Stage,
    /// Whether the last round ended without a quorum.
    pub quorum_missing: bool,
    /// The policy in force; `None` before the task has begun.
    pub policy: Option<Arc<Policy>>,
    /// Unix time of the last round that ended with a quorum.
    pub quorum_time_s: Option<u64>,
    /// The witnesses that are asked.
    pub witnesses: Vec<WitnessStatus>,
}

/// How a witness does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessStatus {
    /// Its place in the policy.
    pub id: WitnessId,
    /// As in metrics.
    pub label: String,
    /// How it answered last.
    pub condition: Condition,
    /// Unix time of its last cosignature in this process.
    pub success_s: Option<u64>,
    /// What it said last that was no cosignature.
    pub problem: Option<String>,
}

impl Publisher {
    /// Compares a witness's clock with ours.
    pub(super) fn note_time(&self, label: &str, timestamp_s: u64) {
        let now_s = self.clock.now_s();
        let skew = gauge_value(timestamp_s).saturating_sub(gauge_value(now_s));
        let gauge = self.metrics.witness_clock_skew_s.with(&[label]);
        let was_noted = gauge.get().unsigned_abs() > CLOCK_SKEW_NOTED_S;
        gauge.set(skew);
        if skew.unsigned_abs() > CLOCK_SKEW_NOTED_S && !was_noted {
            tracing::warn!(witness = label, skew_s = skew, "witness's clock differs from ours");
        }
        self.metrics.witness_success_time_s.with(&[label]).set(gauge_value(now_s));
    }

    /// Counts and logs an event.
    pub(super) fn note(&self, event: Event, running: &mut Running) {
        match event {
            Event::Publish { head, quorum, .. } => running.unpublished = Some((head, quorum)),
            Event::QuorumMissing { size, report } => {
                self.metrics.quorum_missing.set(1);
                self.health.waiting("too few witnesses cosign for the quorum");
                let report = report.replace('\n', "; "); // one line per event
                tracing::warn!(%size, "no quorum of cosignatures: {report}");
            }
            Event::QuorumMet => {
                self.metrics.quorum_missing.set(0);
                self.health.ready();
                tracing::info!("tree heads have a quorum of cosignatures again");
            }
            Event::GuardWaits { quorum_missing, followers, required_followers } => {
                let followers = (followers < required_followers).then_some(required_followers);
                self.guard.waits(quorum_missing, followers);
            }
            Event::GuardPassed { took, silent } => {
                let silent: Vec<_> = silent.into_iter().map(|who| self.name_of(who)).collect();
                self.guard.pass(took, &silent);
            }
            Event::Refused(refusal) => {
                let who = self.name_of(refusal.who);
                let outdated = Outdated { who, known: refusal.known, ours: refusal.ours };
                self.guard.refuse();
                self.served.clear();
                running.refused = Some(outdated);
            }
            Event::RoundEnded { quorum, took } => {
                let status = if quorum { "true" } else { "false" };
                self.metrics.asking.quorum_total.with(&[status]).inc();
                if quorum {
                    let now_s = self.clock.now_s();
                    running.quorum_time_s = Some(now_s);
                    self.metrics.quorum_time_s.set(gauge_value(now_s));
                    self.metrics.asking.quorum_latency.observe(took.as_secs_f64());
                }
            }
            Event::Witness { witness, condition } => {
                self.note_condition(witness, condition, running);
            }
        }
    }

    /// What the operator calls somebody.
    fn name_of(&self, who: Party) -> String {
        match who {
            Party::Witness(id) => {
                let label = self.peers.get(&id).map(|peer| peer.peer.label.as_str());
                format!("witness {}", label.unwrap_or("?"))
            }
            Party::Follower(at) => {
                let label = self.followed.labels.get(at).map(String::as_str);
                format!("follower {}", label.unwrap_or("?"))
            }
        }
    }

    fn note_condition(&self, witness: WitnessId, condition: Condition, running: &Running) {
        let Some(peer) = self.peers.get(&witness) else { return };
        let label = peer.peer.label.as_str();
        let ahead = matches!(condition, Condition::Ahead { .. });
        self.metrics.witness_ahead.with(&[label]).set(i64::from(ahead));
        let is_failing = !condition.is_answering();
        self.metrics.witness_failing.with(&[label]).set(i64::from(is_failing));
        let problem = running.problems.get(&witness).map_or("", String::as_str);
        match condition {
            Condition::Unknown => {}
            Condition::Good => tracing::info!(witness = label, "witness cosigns"),
            Condition::Failing => tracing::info!(witness = label, "witness fails: {problem}"),
            Condition::Ahead { size } => {
                let ours = self.engine.last_signed().map(|s| s.tree_head.size.0);
                tracing::error!(
                    witness = label, %size, signed = ours,
                    "witness knows a larger tree than this log signed; \
                     was the data directory restored from an old copy?"
                );
            }
        }
    }

    pub(super) fn failed(
        &self,
        step: &'static str,
        error: &dyn std::error::Error,
        running: &mut Running,
    ) {
        self.metrics.head_failures.with(&[step]).inc();
        self.health.waiting("new tree heads cannot be made");
        if running.failing != Some(step) {
            running.failing = Some(step);
            tracing::error!(step, "cannot make a new tree head, the last one stays: {error}");
        }
    }

    pub(super) fn works(&self, steps: &[&str], running: &mut Running) {
        if running.failing.is_some_and(|step| steps.contains(&step)) {
            running.failing = None;
            if !self.engine.is_quorum_missing() {
                self.health.ready();
            }
            tracing::info!("new tree heads are made again");
        }
    }

    pub(super) fn report(&self, now: Duration, running: &Running) -> HeadStatus {
        let now_s = self.clock.now_s();
        let unix_s = |at: Duration| now_s.saturating_sub(now.saturating_sub(at).as_secs());
        let label = |id: &WitnessId| self.peers.get(id).map(|p| p.peer.label.clone());
        let witness = |(id, peer): &(WitnessId, Peer)| WitnessStatus {
            id: *id,
            label: label(id).unwrap_or_default(),
            condition: peer.condition,
            success_s: peer.last_success.map(unix_s),
            problem: running.problems.get(id).cloned(),
        };
        HeadStatus {
            signed_size: self.engine.last_signed().map(|s| s.tree_head.size),
            guard_passed: !self.engine.is_guarded(),
            stage: running.stage,
            quorum_missing: self.engine.is_quorum_missing(),
            policy: Some(self.engine.policy().clone()),
            quorum_time_s: running.quorum_time_s,
            witnesses: self.engine.peers().iter().map(witness).collect(),
        }
    }
}
