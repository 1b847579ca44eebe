//! From signed checksums to verified proofs: the submission workflow.
//!
//! Every leaf is submitted to the first log that takes it, and stays there until a tree head with a
//! quorum includes it. One poller a log asks for tree heads, fast at first and then ever slower,
//! and serves the whole batch; each head's signature and quorum are checked once, each leaf's
//! inclusion when a head is new; those of a batch are computed from the leaves that the batch added.
//! A log that fails, or takes a leaf and never proves it, makes room
//! for the next one. What logs ask for in `Retry-After` is obeyed. Everything ends at one deadline,
//! and the leaves that have a proof by then keep it.

mod admission;
mod error;
mod event;
mod heads;
mod leaf;
mod session;
mod tail;
mod target;

pub use error::{LogFailure, SubmitError};
pub use event::Event;
pub use target::{LogTarget, TargetError, TokenSource, log_targets};

use leaf::LeafTask;
use session::{Permits, Session};
use sigsum_core::policy::Policy;
use sigsum_core::proof::SigsumProof;
use sigsum_core::wire::log::AddLeafRequest;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How to submit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmitSettings {
    /// Upper bound on the whole batch; ten minutes, as the Go tools have.
    pub timeout: Duration,
    /// Upper bound on one request; 30 seconds, as the Go tools have.
    pub request_timeout: Duration,
    /// Submissions under way at once, over all logs, and as many requests for proofs. 64 hide a
    /// round trip of 100 ms well enough for 500 leaves to take about as long as one, and are no
    /// load for a log.
    pub parallel_requests: usize,
    /// How long to wait for the proof of a leaf that a log took before trying the next log too.
    /// Logs publish every 10 to 30 seconds; 45 seconds allow for one missed round.
    pub patience: Duration,
}

impl Default for SubmitSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(600),
            request_timeout: Duration::from_secs(30),
            parallel_requests: 64,
            patience: Duration::from_secs(45),
        }
    }
}

/// Who hears what happens; called from many tasks, and should return at once.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// Submits leaves to the logs of a policy and collects their proofs.
#[derive(Debug, Clone)]
pub struct Submitter {
    policy: Arc<Policy>,
    targets: Vec<LogTarget>,
    settings: SubmitSettings,
}

impl Submitter {
    /// Takes the logs in the order in which they are to be tried (see [`log_targets`]).
    pub fn new(policy: Arc<Policy>, targets: Vec<LogTarget>, settings: SubmitSettings) -> Self {
        Self { policy, targets, settings }
    }

    /// Submits all requests and collects their proofs, in the same order. Each proof has been
    /// verified: the request's own signature, the log's, the quorum and the inclusion. One leaf's
    /// failure touches no other. If the future is dropped, everything stops.
    pub async fn submit(
        &self,
        requests: &[AddLeafRequest],
        listener: Listener,
    ) -> Vec<Result<SigsumProof, SubmitError>> {
        let deadline = later(Instant::now(), self.settings.timeout);
        let permits = Permits::new(self.settings.parallel_requests);
        let mut pollers = JoinSet::new();
        let sessions: Arc<[Arc<Session>]> = (self.targets.iter())
            .map(|target| {
                let policy = Arc::clone(&self.policy);
                let (target, permits) = (target.clone(), permits.clone());
                let batch = requests.len();
                let session = Session::new(target, policy, &self.settings, permits, batch);
                let session = Arc::new(session);
                pollers.spawn(heads::poll(Arc::clone(&session), Arc::clone(&listener)));
                session
            })
            .collect();
        let mut tasks = JoinSet::new();
        for (index, request) in requests.iter().enumerate() {
            let task = LeafTask::new(index, *request, Arc::clone(&sessions), Arc::clone(&listener));
            let settings = self.settings.clone();
            tasks.spawn(async move { (index, task.run(deadline, &settings).await) });
        }
        let mut results: Vec<_> = requests.iter().map(|_| None).collect();
        while let Some(joined) = tasks.join_next().await {
            match joined {
                Ok((index, result)) => {
                    if let Some(slot) = results.get_mut(index) {
                        *slot = Some(result);
                    }
                }
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => continue, // tasks are only cancelled with this very future
                },
            }
        }
        let missing = || Err(SubmitError::NoLogs);
        results.into_iter().map(|slot| slot.unwrap_or_else(missing)).collect()
    }
}

/// A point in time after another; where the sum is more than time has, thirty years from then.
pub(crate) fn later(time: Instant, by: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);
    time.checked_add(by).or_else(|| time.checked_add(FAR)).unwrap_or(time)
}

#[cfg(test)]
mod tests;
