//! The start guard ([`crate::engine::guard`]) as the rest of the log sees it: who waits for it, how
//! that is shown, and how its refusal reads.

use crate::engine::guard::Knowledge;
use sigsum_core::TreeSize;
use sigsum_service::health::Part;
use sigsum_service::metrics::{Gauge, MetricsError};
use sigsum_service::runner;
use std::fmt;
use std::time::Duration;
use tokio::sync::watch;

/// A request waits so long for the guard: witnesses that work have answered by then, also those of
/// a busy machine, so that a restart with all of them refuses nobody. Go's submitter gives a request
/// 30 s, so that it has time to go to another log, or to come again where the guard takes longer
/// ([`crate::engine::guard::LONGEST_WAIT`]).
const REQUEST_PATIENCE: Duration = Duration::from_secs(5);

/// What a submitter reads meanwhile.
pub(crate) const WAITING: &str =
    "the log has just started and waits for its witnesses before it takes leaves";

/// The directory is older than what others know of the log: one that was copied or restored, or
/// that of a primary which another has replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outdated {
    /// Who knows more.
    pub who: String,
    /// What it knows.
    pub known: Knowledge,
    /// The largest tree that this directory accounts for.
    pub ours: TreeSize,
}

impl fmt::Display for Outdated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { who, known, ours } = self;
        match known {
            Knowledge::UpTo(size) => {
                write!(
                    f,
                    "{who} knows this log with {size} leaves, this data directory with {ours}"
                )?;
            }
            Knowledge::Other(size) => {
                write!(f, "{who} knows another tree of {size} leaves than this data directory")?;
            }
            Knowledge::Unheard => write!(f, "{who} did not answer")?,
        }
        f.write_str("; to go on from here would fork the log, so nothing was signed")
    }
}

impl std::error::Error for Outdated {}

/// The guard's end for the publisher, which learns what becomes of it.
#[derive(Debug)]
pub(crate) struct GuardGate {
    passed: watch::Sender<bool>,
    health: Part,
    waiting: Gauge,
}

/// The guard's end for those who have to wait.
#[derive(Debug, Clone)]
pub(crate) struct GuardWatch {
    passed: watch::Receiver<bool>,
}

impl GuardGate {
    /// A guard that is up.
    ///
    /// # Errors
    /// Two logs share a registry of metrics.
    pub(crate) fn new(process: &runner::Context) -> Result<(Self, GuardWatch), MetricsError> {
        let (passed, watch) = watch::channel(false);
        let waiting = process.metrics.gauge(
            "sigsum_log_start_guard_waiting",
            "1 while a started log waits to hear that nobody knows a larger tree of it.",
        )?;
        let gate = Self { passed, health: process.health.part("start guard"), waiting };
        Ok((gate, GuardWatch { passed: watch }))
    }

    /// The publisher runs, with a guard or without.
    pub(crate) fn begin(&self, is_guarded: bool) {
        self.waiting.set(i64::from(is_guarded));
        if is_guarded {
            self.health
                .waiting("too few witnesses or followers have said yet what they know of this log");
        } else {
            self.health.ready();
            self.passed.send_replace(true);
        }
    }

    /// Too few have answered.
    pub(crate) fn waits(&self, quorum_missing: bool, followers: Option<usize>) {
        let witnesses = quorum_missing.then_some("a quorum of witnesses");
        let followers = followers.map(|required| format!("{required} of the followers"));
        let missing = [witnesses.map(str::to_owned), followers].into_iter().flatten();
        let missing = missing.collect::<Vec<_>>().join(" and ");
        self.health.waiting(&format!(
            "{missing} must say first that nobody knows a larger tree of this log"
        ));
        tracing::warn!(
            "waiting for {missing} to say what they know of this log; \
             reads are served, no leaf is taken and nothing new is signed until then"
        );
    }

    /// The log goes on. These did not answer.
    pub(crate) fn pass(&self, took: Duration, silent: &[String]) {
        self.begin(false);
        let took_ms = took.as_millis();
        if silent.is_empty() {
            tracing::info!(took_ms, "nobody knows a larger tree: the log goes on");
        } else {
            let silent = silent.join(", ");
            tracing::warn!(
                took_ms,
                "nobody who answered knows a larger tree: the log goes on without {silent}"
            );
        }
    }

    /// The log must not go on.
    pub(crate) fn refuse(&self) {
        self.health.waiting("others know a larger tree of this log");
    }
}

impl GuardWatch {
    /// Whether the log takes leaves; waits a little where that is about to be known.
    pub(crate) async fn passes(&self) -> bool {
        if *self.passed.borrow() {
            return true;
        }
        let mut passed = self.passed.clone();
        let passed = passed.wait_for(|passed| *passed);
        matches!(tokio::time::timeout(REQUEST_PATIENCE, passed).await, Ok(Ok(_)))
    }
}
