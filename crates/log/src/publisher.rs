//! Drives the life of heads: the [`HeadEngine`] decides, this task does.
//!
//! Everything that may take long (integrating, signing, asking a witness) runs beside the task and
//! reports back to it, so that nothing waits for a slow disk, signer or witness that does not have
//! to. What is served is durable first.

mod sign;

use crate::engine::cosigned::{CosignedHead, WitnessId};
use crate::engine::head::{Answer, Due, Event, HeadEngine, Request};
use crate::engine::peer::Condition;
use crate::handle::RunError;
use crate::metrics::{LogMetrics, gauge_value};
use crate::served::{Served, ServedHead};
use crate::witnesses::{Asker, KnownPeer, Outcome};
pub(crate) use sign::HeadMaker;
use sign::{HeadError, NewHead};
use sigsum_core::TreeSize;
use sigsum_service::clock::Clock;
use sigsum_service::shutdown::Shutdown;
use sigsum_store::{Published, StoreError};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

/// A witness's clock may differ by so many seconds before the operator is told. Cosignatures count
/// all the same: whose clock is wrong is not for the log to judge.
pub(crate) const CLOCK_SKEW_NOTED_S: u64 = 300;
/// Pause before a head that could not be stored is tried again.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// Longest sleep; the engine is asked again then, whatever it said.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// What the task reports about itself; see [`crate::Status`].
#[derive(Debug, Clone, Default)]
pub struct HeadStatus {
    /// Size of the last head that was signed in this process.
    pub signed_size: Option<TreeSize>,
    /// Whether the last round ended without a quorum.
    pub quorum_missing: bool,
    /// By witness: its name for operators, how it answers, and seconds since its last success.
    pub witnesses: Vec<WitnessStatus>,
}

/// How a witness does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessStatus {
    /// As in metrics.
    pub label: String,
    /// How it answered last.
    pub condition: Condition,
    /// Since its last cosignature in this process.
    pub since_success: Option<Duration>,
}

/// The parts that the task is made of.
pub(crate) struct Publisher {
    pub(crate) engine: HeadEngine,
    pub(crate) maker: Arc<HeadMaker>,
    pub(crate) asker: Asker,
    pub(crate) peers: HashMap<WitnessId, Arc<KnownPeer>>,
    pub(crate) served: Arc<Served>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<LogMetrics>,
    pub(crate) grown: watch::Receiver<TreeSize>,
    pub(crate) status: watch::Sender<HeadStatus>,
    pub(crate) health: sigsum_service::health::Part,
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
        };
        if self.served.head().is_some_and(|head| head.quorum) {
            self.health.ready();
        }
        while !shutdown.is_triggered() {
            let now = running.started.elapsed();
            self.act(now, &mut running).await;
            let sleep = tokio::time::sleep(self.next_sleep(&running));
            tokio::select! {
                () = shutdown.triggered() => {}
                () = sleep => {}
                changed = self.grown.changed() => {
                    // It ends after the servers do, which wait for the shutdown.
                    if changed.is_err() && !shutdown.is_triggered() {
                        return Err(RunError::Sequencer);
                    }
                }
                Some(head) = running.heads.join_next() => self.head_ended(head, &mut running),
                Some(answer) = running.asked.join_next_with_id() => self.answered(answer, &mut running),
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
        let now = running.started.elapsed();
        let size = *self.grown.borrow();
        let mut wake = self.engine.next_wake(now, size);
        if running.unpublished.is_some() {
            wake = wake.min(running.store_again);
        }
        wake.saturating_sub(now).min(LONGEST_SLEEP)
    }

    /// Does what is due.
    async fn act(&mut self, now: Duration, running: &mut Running) {
        let size = *self.grown.borrow_and_update();
        self.engine.tick(now);
        match self.engine.due(now, size) {
            Due::Sign => {
                self.engine.signing();
                let maker = self.maker.clone();
                running.heads.spawn(async move { maker.make().await });
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
        self.status.send_replace(self.report(now));
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
                self.metrics.signed_size.set(gauge_value(head.signed.tree_head.size.0));
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
        let outcome = match ended {
            Ok((_, outcome)) => outcome,
            Err(error) => {
                tracing::error!(%error, "a request to a witness ended badly");
                return self.engine.answered(now, &request, Answer::Failed);
            }
        };
        if let Some(peer) = self.peers.get(&request.witness) {
            let label = peer.peer.label.as_str();
            let retried = if request.retried { "true" } else { "false" };
            self.metrics.witness_requests.with(&[retried, &outcome.status, label]).inc();
            if let Answer::Cosigned(verified) = &outcome.answer {
                self.metrics.witness_latency.with(&[label]).observe(outcome.took.as_secs_f64());
                self.note_time(label, verified.timestamp_s);
            }
            if let Some(problem) = outcome.problem {
                tracing::debug!(witness = label, "querying witness failed: {problem}");
                running.problems.insert(request.witness, problem.to_string());
            }
        }
        self.engine.answered(now, &request, outcome.answer);
    }

    /// Compares a witness's clock with ours.
    fn note_time(&self, label: &str, timestamp_s: u64) {
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
    fn note(&self, event: Event, running: &mut Running) {
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
            Event::RoundEnded { quorum, took } => {
                let status = if quorum { "true" } else { "false" };
                self.metrics.quorum_total.with(&[status]).inc();
                if quorum {
                    self.metrics.quorum_latency.observe(took.as_secs_f64());
                }
            }
            Event::Witness { witness, condition } => {
                self.note_condition(witness, condition, running);
            }
        }
    }

    fn note_condition(&self, witness: WitnessId, condition: Condition, running: &Running) {
        let Some(peer) = self.peers.get(&witness) else { return };
        let label = peer.peer.label.as_str();
        let ahead = matches!(condition, Condition::Ahead { .. });
        self.metrics.witness_ahead.with(&[label]).set(i64::from(ahead));
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

    fn failed(&self, step: &'static str, error: &dyn std::error::Error, running: &mut Running) {
        self.metrics.head_failures.with(&[step]).inc();
        if running.failing != Some(step) {
            running.failing = Some(step);
            tracing::error!(step, "cannot make a new tree head, the last one stays: {error}");
        }
    }

    fn works(&self, steps: &[&str], running: &mut Running) {
        if running.failing.is_some_and(|step| steps.contains(&step)) {
            running.failing = None;
            tracing::info!("new tree heads are made again");
        }
    }

    fn report(&self, now: Duration) -> HeadStatus {
        let label = |id: &WitnessId| self.peers.get(id).map(|p| p.peer.label.clone());
        let witness = |(id, peer): &(WitnessId, crate::engine::peer::Peer)| WitnessStatus {
            label: label(id).unwrap_or_default(),
            condition: peer.condition,
            since_success: peer.last_success.map(|at| now.saturating_sub(at)),
        };
        HeadStatus {
            signed_size: self.engine.last_signed().map(|s| s.tree_head.size),
            quorum_missing: self.engine.is_quorum_missing(),
            witnesses: self.engine.peers().iter().map(witness).collect(),
        }
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
