//! What is told of followers: metrics, readiness, one log line per change, and the status.

use super::{Peer, Replication};
use crate::engine::followers::{Answer, Condition, Event, Follower, FollowerId, Replicated};
use crate::metrics::gauge_value;
use sigsum_core::TreeSize;
use std::time::Duration;

/// How a log's followers do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicationStatus {
    /// How many followers must hold a leaf before it counts.
    pub required: usize,
    /// What so many of them hold.
    pub replicated_size: TreeSize,
    /// Whether so many of them follow now.
    pub is_enough: bool,
    /// Each, in the order of the configuration.
    pub followers: Vec<FollowerStatus>,
}

/// How a follower does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowerStatus {
    /// As in metrics: its URL without the scheme.
    pub label: String,
    /// How it answered last.
    pub condition: Condition,
    /// What it is known to hold.
    pub size: TreeSize,
    /// It answers, but does not get on although there is something to copy.
    pub is_lagging: bool,
    /// Whether it follows at once, rather than once an interval.
    pub waits: bool,
    /// Since its last good answer in this process.
    pub since_success: Option<Duration>,
}

impl Replication {
    /// How the followers do.
    pub(crate) fn status(&self) -> ReplicationStatus {
        let now = self.started.elapsed();
        let engine = self.lock();
        let status = |(peer, follower): (&Peer, &Follower)| FollowerStatus {
            label: peer.label.clone(),
            condition: follower.condition,
            size: follower.size,
            is_lagging: follower.is_lagging,
            waits: follower.waits,
            since_success: follower.last_success.map(|at| now.saturating_sub(at)),
        };
        ReplicationStatus {
            required: engine.required(),
            replicated_size: engine.replicated().size,
            is_enough: engine.is_enough(),
            followers: self.peers.iter().zip(engine.all()).map(status).collect(),
        }
    }

    pub(super) fn show(&self, replicated: &Replicated) {
        self.metrics.replication.replicated_size.set(gauge_value(replicated.size.0));
    }

    pub(super) fn note_answer(&self, peer: &Peer, answer: &Answer, took: Duration) {
        let label = [peer.label.as_str()];
        let metrics = &self.metrics.replication;
        metrics.follower_ahead.with(&label).set(i64::from(matches!(answer, Answer::Ahead(_))));
        let contradicts = matches!(answer, Answer::Contradicts(_));
        metrics.follower_contradicts.with(&label).set(i64::from(contradicts));
        if let Answer::Holds { size, .. } = answer {
            metrics.follower_size.with(&label).set(gauge_value(size.0));
            metrics.follower_success_time_s.with(&label).set(gauge_value(self.clock.now_s()));
            tracing::debug!(follower = label[0], %size, took_ms = took.as_millis(), "follower holds");
        }
    }

    pub(super) fn note(&self, event: Event, problem: &str) {
        let label = |id: FollowerId| self.peers.get(id.0).map_or("", |peer| peer.label.as_str());
        let ours = self.store.committed_size();
        match event {
            Event::Condition(id, Condition::Failing | Condition::Invalid) => {
                let follower = label(id);
                tracing::warn!(follower, "follower fails: {problem}");
            }
            Event::Condition(id, condition) => note_condition(label(id), condition, ours),
            Event::Lagging(id, true) => {
                tracing::warn!(follower = label(id), "follower does not get on");
            }
            Event::Lagging(id, false) => {
                tracing::info!(follower = label(id), "follower gets on again")
            }
            Event::Shrunk { follower, from, to } => {
                let follower = label(follower);
                tracing::warn!(follower, %from, %to, "follower holds less than before");
            }
            Event::Enough(true) => {
                self.metrics.replication.followers_missing.set(0);
                self.health.ready();
                tracing::info!("enough followers hold the log");
            }
            Event::Enough(false) => {
                self.metrics.replication.followers_missing.set(1);
                self.health.waiting("too few followers hold the log");
                tracing::warn!(
                    "too few followers hold the log: new leaves are answered 202, and no tree head \
                     covers them, until enough do"
                );
            }
        }
    }
}

fn note_condition(follower: &str, condition: Condition, ours: TreeSize) {
    match condition {
        Condition::Unknown | Condition::Failing | Condition::Invalid => {}
        Condition::Good => tracing::info!(follower, "follower follows"),
        Condition::Ahead { size } => tracing::error!(
            follower, %size, committed = %ours,
            "follower holds more leaves than this log has; was the data directory restored from an \
             old copy?"
        ),
        Condition::Contradicts { size } => tracing::error!(
            follower, %size,
            "follower holds another tree than this log; it counts for nothing"
        ),
    }
}
