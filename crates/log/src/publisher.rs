//! Drives the life of heads: the [`HeadEngine`] decides, this task does.
//!
//! Everything that may take long (integrating, signing, asking a witness) runs beside the task and
//! reports back to it, so that nothing waits for a slow disk, signer or witness that does not have
//! to. What is served is durable first.

mod change;
mod close;
mod report;
mod sign;

use crate::engine::cosigned::{CosignedHead, WitnessId};
use crate::engine::head::{Answer, Due, HeadEngine, Request};
use crate::guard::{GuardGate, Outdated};
use crate::handle::RunError;
use crate::metrics::{LogMetrics, gauge_value};
use crate::replication::Limit;
use crate::served::{Served, ServedHead};
use crate::witnesses::{Asker, KnownPeer, Outcome};
pub(crate) use change::NewRules;
pub use close::Stage;
pub use report::{HeadStatus, WitnessStatus};
pub(crate) use sign::HeadMaker;
use sign::{HeadError, NewHead};
use sigsum_core::TreeSize;
use sigsum_service::clock::Clock;
use sigsum_service::shutdown::Shutdown;
use sigsum_store::{Published, StoreError};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

/// Pause before a head that could not be stored is tried again.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// Longest sleep; the engine is asked again then, whatever it said.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// The parts that the task is made of.
pub(crate) struct Publisher {
    pub(crate) engine: HeadEngine,
    pub(crate) maker: Arc<HeadMaker>,
    pub(crate) asker: Asker,
    pub(crate) peers: HashMap<WitnessId, Arc<KnownPeer>>,
    /// The log takes no leaf any more: one last head, and nothing after it.
    pub(crate) is_frozen: bool,
    pub(crate) served: Arc<Served>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<LogMetrics>,
    /// How far heads may go.
    pub(crate) followed: Limit,
    /// Hears of each signed head's size, once it is durable.
    pub(crate) signed: watch::Sender<TreeSize>,
    pub(crate) status: watch::Sender<HeadStatus>,
    /// What the operator wants other than at the start.
    pub(crate) changes: mpsc::Receiver<NewRules>,
    pub(crate) health: sigsum_service::health::Part,
    /// What waits for the start guard, and who is told that it let the log go on.
    pub(crate) guard: GuardGate,
}

/// What the task remembers beyond the engine.
struct Running {
    started: Instant,
    /// The head that is being made; at most one.
    heads: JoinSet<Result<NewHead, HeadError>>,
    /// Requests to witnesses, and what each was.
    asked: JoinSet<Outcome>,
    requests: HashMap<Id, Request>,
    /// A head that is to be served as soon as it is durable.
    unpublished: Option<(CosignedHead, bool)>,
    store_again: Duration,
    /// The last problem of each witness, told when its condition changes.
    problems: HashMap<WitnessId, String>,
    /// What failed last; only changes are logged.
    failing: Option<&'static str>,
    /// Why this log must not go on.
    refused: Option<Outdated>,
    /// Unix time of the last round that met the quorum.
    quorum_time_s: Option<u64>,
    stage: Stage,
}

impl Publisher {
    /// Runs until the shutdown. A head that is being made is finished then, as its signature may
    /// exist already; requests to witnesses are dropped.
    ///
    /// # Errors
    /// [`RunError::Sequencer`] when the sequencer ends before.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> Result<(), RunError> {
        let mut running = Running {
            started: Instant::now(),
            heads: JoinSet::new(),
            asked: JoinSet::new(),
            requests: HashMap::new(),
            unpublished: None,
            store_again: Duration::ZERO,
            problems: HashMap::new(),
            failing: None,
            refused: None,
            quorum_time_s: None,
            stage: if self.is_frozen { Stage::Closing } else { Stage::Open },
        };
        if self.served.head().is_some_and(|head| head.quorum) {
            self.health.ready();
        }
        if self.is_finished(&running) {
            self.close(&mut running);
        }
        self.guard.begin(self.engine.is_guarded() && running.stage != Stage::Closed);
        while !shutdown.is_triggered() {
            if running.stage != Stage::Closed {
                self.act(running.started.elapsed(), &mut running).await;
                if self.is_finished(&running) {
                    self.close(&mut running);
                }
            }
            if let Some(refusal) = running.refused.take() {
                return Err(RunError::Outdated(refusal));
            }
            let sleep = tokio::time::sleep(self.next_sleep(&running));
            tokio::select! {
                () = shutdown.triggered() => {}
                () = sleep => {}
                changed = self.followed.signable.changed() => {
                    // It ends after the servers do, which wait for the shutdown.
                    if changed.is_err() && !shutdown.is_triggered() {
                        return Err(RunError::Sequencer);
                    }
                }
                Some(head) = running.heads.join_next() => self.head_ended(head, &mut running),
                Some(answer) = running.asked.join_next_with_id() => self.answered(answer, &mut running),
                Some((follower, known)) = self.followed.heard.recv() => {
                    self.engine.follower_heard(running.started.elapsed(), follower, known);
                }
                Some(new) = self.changes.recv() => self.change(new, &mut running),
            }
            // Answers that came together are published together.
            while let Some(answer) = running.asked.try_join_next_with_id() {
                self.answered(answer, &mut running);
            }
        }
        running.asked.shutdown().await;
        while running.heads.join_next().await.is_some() {}
        Ok(())
    }

    fn next_sleep(&self, running: &Running) -> Duration {
        if running.stage == Stage::Closed {
            return LONGEST_SLEEP;
        }
        let now = running.started.elapsed();
        let size = *self.followed.signable.borrow();
        let mut wake = self.engine.next_wake(now, size);
        if running.unpublished.is_some() {
            wake = wake.min(running.store_again);
        }
        wake.saturating_sub(now).min(LONGEST_SLEEP)
    }

    /// Does what is due.
    async fn act(&mut self, now: Duration, running: &mut Running) {
        let size = *self.followed.signable.borrow_and_update();
        self.engine.tick(now);
        self.engine.committed(now, size);
        match self.engine.due(now, size) {
            Due::Sign => {
                self.engine.signing();
                let maker = self.maker.clone();
                let is_guarded = self.engine.is_guarded();
                let limit = self.followed.is_limited.then_some(size);
                running.heads.spawn(async move {
                    if is_guarded { maker.make_first().await } else { maker.make(limit).await }
                });
            }
            Due::Refresh => self.engine.refresh(now),
            Due::At(_) => {}
        }
        for event in self.engine.take_events() {
            self.note(event, running);
        }
        self.publish(now, running).await;
        for request in self.engine.requests(now) {
            let Some(peer) = self.peers.get(&request.witness).cloned() else { continue };
            let asker = self.asker.clone();
            let task = running.asked.spawn(async move { asker.ask(&peer, &request).await });
            running.requests.insert(task.id(), request);
        }
        self.status.send_replace(self.report(now, running));
    }

    /// Takes a head, or the reason why there is none.
    fn head_ended(
        &mut self,
        ended: Result<Result<NewHead, HeadError>, JoinError>,
        running: &mut Running,
    ) {
        let now = running.started.elapsed();
        match ended {
            Ok(Ok(head)) => {
                let size = head.signed.tree_head.size;
                self.metrics.signed_size.set(gauge_value(size.0));
                self.signed.send_replace(size);
                match &head.sth_error {
                    Some(error) => self.failed("sth", error, running),
                    None => self.works(&["integrate", "sign", "store", "sth"], running),
                }
                self.engine.head_signed(now, head.signed);
            }
            Ok(Err(error)) => {
                self.engine.signing_failed(now);
                self.failed(error.step(), &error, running);
            }
            Err(error) => {
                self.engine.signing_failed(now);
                self.failed("task", &error, running);
            }
        }
    }

    /// Takes the end of a request to a witness.
    fn answered(&mut self, ended: Result<(Id, Outcome), JoinError>, running: &mut Running) {
        let now = running.started.elapsed();
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some(request) = running.requests.remove(&id) else { return };
        let mut outcome = match ended {
            Ok((_, outcome)) => outcome,
            Err(error) => {
                tracing::error!(%error, "a request to a witness ended badly");
                return self.engine.answered(now, &request, Answer::Failed);
            }
        };
        if let Some(peer) = self.peers.get(&request.witness) {
            let label = peer.peer.label.as_str();
            let retried = if request.retried { "true" } else { "false" };
            self.metrics.asking.witness_requests.with(&[retried, &outcome.status, label]).inc();
            if let Answer::Cosigned(verified) = &mut outcome.answer {
                verified.witness = request.witness; // its place may have changed meanwhile
                let latency = self.metrics.asking.witness_latency.with(&[label]);
                latency.observe(outcome.took.as_secs_f64());
                self.note_time(label, verified.timestamp_s);
            }
            if let Some(problem) = outcome.problem {
                tracing::debug!(witness = label, "querying witness failed: {problem}");
                running.problems.insert(request.witness, problem.to_string());
            }
        }
        self.engine.answered(now, &request, outcome.answer);
    }

    /// Makes the head that is to be served durable, and serves it.
    async fn publish(&mut self, now: Duration, running: &mut Running) {
        if now < running.store_again {
            return;
        }
        let Some((head, quorum)) = running.unpublished.take() else { return };
        let log = self.asker.log;
        let served = ServedHead::new(&head, quorum, &log);
        let (head_form, checkpoint) = (served.cosigned.clone(), served.checkpoint.to_vec());
        let published = Published { head: head_form, checkpoint };
        let store = self.asker.store.clone();
        let stored = blocking(move || store.persist_published(&published)).await;
        if let Err(error) = stored {
            running.unpublished = Some((head, quorum));
            running.store_again = now.saturating_add(STORE_PAUSE);
            self.failed("publish", &error, running);
            return;
        }
        self.works(&["publish"], running);
        let (size, cosignatures) = (served.size(), served.cosigned.cosignatures().len());
        self.metrics.published_size.set(gauge_value(size.0));
        self.metrics.published_cosignatures.set(gauge_value(cosignatures as u64));
        self.metrics.published_time_s.set(gauge_value(self.clock.now_s()));
        if quorum {
            self.health.ready();
        }
        tracing::debug!(%size, cosignatures, quorum, "tree head published");
        self.served.replace(served);
    }
}

/// Runs a call of the store beside the runtime's workers.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(call).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down and this task with it.
            Err(_) => std::future::pending().await,
        },
    }
}
