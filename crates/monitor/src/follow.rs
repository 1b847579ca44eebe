//! Runs the monitor: one task a log, each polling, verifying, reporting and saving on its own.

use crate::engine::{self, HeadStep, LogView, Pending};
use crate::fetch::Fetcher;
use crate::report::{Alert, Event, Report};
use crate::state::{StateDir, StateError};
use crate::watch::WatchList;
use sigsum_api::{ApiError, LogApi};
use sigsum_core::policy::Policy;
use sigsum_core::wire::log::GetConsistencyProof;
use sigsum_core::{
    CosignedTreeHead, Hash, KeyHash, LeafIndex, PublicKey, SignedTreeHead, TreeSize,
};
use sigsum_service::runner::Context as ServiceContext;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Leaves are proven, reported and saved at least this often while the monitor catches up: a
/// consistency proof a 64 Ki leaves is one request in 128 batches.
const LEAVES_PER_PROOF: u64 = 1 << 16;
/// On a slow link they are proven at least this often, so that a restart loses little.
const PROVE_AFTER: Duration = Duration::from_secs(30);
/// Attempts at a batch of leaves, each with half the size of the one before, until the log counts
/// as not responding: 512 leaves come down to 16.
const ATTEMPTS: u32 = 6;
/// How long a report or a save that is under way when the monitor stops has to end: a reader that
/// does not read any more keeps nobody waiting.
const REPORT_DRAIN: Duration = Duration::from_secs(1);

/// What to monitor and how.
#[derive(Debug, Clone)]
pub struct Config {
    /// Logs that are followed must be in the policy; its quorum is checked.
    pub policy: Policy,
    /// Keys to report.
    pub watch: WatchList,
    /// Time between two looks at a log's head.
    pub interval: Duration,
    /// Where to remember; without it the monitor starts at leaf 0.
    pub state_dir: Option<PathBuf>,
    /// A head whose newest quorum of cosignatures is older raises an alert.
    pub max_cosignature_age: Duration,
}

/// A log and the way to it.
#[derive(Clone)]
pub struct MonitoredLog {
    /// The log's key.
    pub key: PublicKey,
    /// How to talk to it.
    pub api: Arc<dyn LogApi>,
}

/// What the monitor runs in.
#[derive(Clone)]
pub struct Context {
    /// Clock and shutdown.
    pub service: ServiceContext,
    /// Where events go.
    pub report: Arc<dyn Report>,
}

/// Why the monitor did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Configuration: there is nothing to follow.
    #[error("no log with a URL in the policy")]
    NoLogs,
    /// The state directory is unusable.
    #[error(transparent)]
    State(#[from] StateError),
}

/// A running monitor.
#[derive(Debug)]
pub struct Handle {
    tasks: JoinSet<()>,
    /// Closed once no report and no save is under way.
    telling: mpsc::Receiver<()>,
}

impl Handle {
    /// Waits until the monitor has stopped, after its shutdown was triggered. Its state directory
    /// is free then, unless a reader holds a report up for longer than a second.
    pub async fn wait(mut self) {
        while self.tasks.join_next().await.is_some() {}
        let drained = tokio::time::timeout(REPORT_DRAIN, self.telling.recv()).await;
        if drained.is_err() {
            tracing::warn!("stopped while a report was under way; it may be made again");
        }
    }
}

/// Starts one task a log.
///
/// # Errors
/// [`StartError`].
pub fn start(
    config: Config,
    logs: Vec<MonitoredLog>,
    context: Context,
) -> Result<Handle, StartError> {
    if logs.is_empty() {
        return Err(StartError::NoLogs);
    }
    let state = match &config.state_dir {
        Some(path) => Some(Arc::new(StateDir::open(path, &config.watch)?)),
        None => None,
    };
    let config = Arc::new(config);
    let mut tasks = JoinSet::new();
    let (teller, telling) = mpsc::channel(1);
    for log in logs {
        let id = log.key.key_hash();
        let view = match &state {
            Some(state) => state.load(&id)?.unwrap_or_default(),
            None => LogView::new(),
        };
        let follower = Follower {
            config: Arc::clone(&config),
            context: context.clone(),
            state: state.clone(),
            fetcher: Fetcher::new(Arc::clone(&log.api)),
            log,
            id,
            view,
            alert: None,
            teller: teller.clone(),
        };
        tasks.spawn(follower.run());
    }
    Ok(Handle { tasks, telling })
}

/// Follows one log.
struct Follower {
    config: Arc<Config>,
    context: Context,
    state: Option<Arc<StateDir>>,
    fetcher: Fetcher,
    log: MonitoredLog,
    id: KeyHash,
    view: LogView,
    /// The alert that was reported last and is not over.
    alert: Option<Alert>,
    /// Sends nothing; its clones keep [`Handle::telling`] open.
    teller: mpsc::Sender<()>,
}

impl Follower {
    async fn run(mut self) {
        let shutdown = self.context.service.shutdown.clone();
        let interval = self.config.interval;
        loop {
            let poll = async {
                let outcome = self.poll().await;
                self.tell_outcome(outcome).await;
                tokio::time::sleep(interval).await;
            };
            tokio::select! {
                () = shutdown.triggered() => return,
                () = poll => {}
            }
        }
    }

    /// Reports an alert once, and its end.
    async fn tell_outcome(&mut self, outcome: Result<(), Alert>) {
        let log = self.id;
        match outcome {
            Ok(()) if self.alert.is_some() => {
                self.alert = None;
                self.tell_or_warn(Event::Recovered { log }).await;
            }
            Ok(()) => {}
            Err(alert) => {
                let known = self.alert.as_ref().is_some_and(|a| same_trouble(a, &alert));
                self.alert = Some(alert.clone());
                if !known {
                    self.tell_or_warn(Event::Alert { log, alert }).await;
                }
            }
        }
    }

    async fn tell_or_warn(&self, event: Event) {
        let text = event.to_string();
        if let Err(error) = self.tell(vec![event], None).await {
            tracing::error!(log = %self.id, "{error}: {text}");
        }
    }

    /// Reports, and then saves where there is something to save. Beside the runtime's workers, as a
    /// reader that stops reading would hold them all up, and in one piece, so that a stop does not
    /// come between the two. A reader that has gone away ends the monitor, as it ends other
    /// programs.
    async fn tell(&self, events: Vec<Event>, save: Option<LogView>) -> Result<(), TellError> {
        let (report, state, log) = (Arc::clone(&self.context.report), self.state.clone(), self.id);
        let teller = self.teller.clone();
        let tell = move || {
            let told = report_and_save(&*report, state.as_deref(), &log, &events, save);
            drop((report, state));
            drop(teller);
            told
        };
        let told = tokio::task::spawn_blocking(tell).await;
        let told = told.unwrap_or_else(|error| Err(io::Error::other(error).into()));
        if let Err(TellError::Report(error)) = &told
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            tracing::info!(log = %self.id, "nobody reads the reports any more");
            self.context.service.shutdown.trigger();
        }
        told
    }

    /// Looks at the head once and reads all leaves up to it.
    async fn poll(&mut self) -> Result<(), Alert> {
        let served = self.log.api.get_tree_head().await.map_err(not_responding)?;
        self.take_head(&served.signed).await?;
        let cosigned = self.check_cosignatures(&served);
        self.read_leaves().await?;
        cosigned
    }

    async fn take_head(&mut self, served: &SignedTreeHead) -> Result<(), Alert> {
        let from = match engine::inspect_head(&self.view, &self.log.key, served)? {
            HeadStep::Unchanged => return Ok(()),
            HeadStep::Grown { from } => from,
        };
        let path = match from {
            None => Vec::new(),
            Some(old) => self.consistency(old.size, served.tree_head.size).await?,
        };
        engine::accept_head(&mut self.view, served, &path)?;
        let event = Event::NewTree { log: self.id, size: served.tree_head.size };
        Ok(self.tell(vec![event], Some(self.view.clone())).await?)
    }

    /// The log's consistency proof between two sizes, unchecked.
    async fn consistency(
        &self,
        old_size: TreeSize,
        new_size: TreeSize,
    ) -> Result<Vec<Hash>, Alert> {
        let request = GetConsistencyProof { old_size, new_size };
        let proof = self.log.api.get_consistency_proof(request).await.map_err(not_responding)?;
        Ok(proof.path)
    }

    fn check_cosignatures(&self, served: &CosignedTreeHead) -> Result<(), Alert> {
        let now_s = self.context.service.clock.now_s();
        let max_age_s = self.config.max_cosignature_age.as_secs();
        engine::check_cosignatures(&self.config.policy, &self.log.key, served, now_s, max_age_s)
    }

    async fn read_leaves(&mut self) -> Result<(), Alert> {
        while self.view.leaves_behind() > 0 {
            self.fetcher.seek(self.view.next_leaf(), self.view.head_size().0);
            let mut pending = Pending::new(&self.view);
            let outcome = self.gather(&mut pending).await;
            if pending.range.size() > self.view.range.size() {
                self.prove(pending).await?;
            }
            outcome?;
        }
        Ok(())
    }

    /// Reads leaves until there are enough for a proof.
    async fn gather(&mut self, pending: &mut Pending) -> Result<(), Alert> {
        let started = tokio::time::Instant::now();
        let proven = self.view.range.size().0;
        let mut failures = 0;
        while !pending.reaches(&self.view) {
            match self.fetcher.next().await {
                Ok(leaves) => {
                    failures = 0;
                    pending.add(&leaves, &self.config.watch);
                }
                Err(error) => {
                    failures += 1;
                    if failures >= ATTEMPTS {
                        return Err(not_responding(error));
                    }
                    tracing::debug!(log = %self.id, %error, "reading leaves failed, trying fewer");
                }
            }
            let enough = pending.range.size().0.saturating_sub(proven) >= LEAVES_PER_PROOF;
            if enough || started.elapsed() >= PROVE_AFTER {
                break;
            }
        }
        Ok(())
    }

    /// Proves what was read, reports it, and only then saves.
    async fn prove(&mut self, pending: Pending) -> Result<(), Alert> {
        let path = if pending.reaches(&self.view) {
            Vec::new()
        } else {
            self.consistency(pending.range.size(), self.view.head_size()).await?
        };
        let before = self.view.clone();
        pending.prove(&mut self.view, &path)?;
        let total_processed = LeafIndex(self.view.range.size().0);
        let (log, matches) = (self.id, pending.matches);
        let mut events = vec![Event::NewLeaves { log, matches, total_processed }];
        let forged = pending.forged.into_iter().map(|index| Alert::ForgedLeaf { index });
        events.extend(forged.map(|alert| Event::Alert { log, alert }));
        let told = self.tell(events, Some(self.view.clone())).await;
        if let Err(TellError::Report(_)) = &told {
            self.view = before;
        }
        Ok(told?)
    }
}

fn report_and_save(
    report: &dyn Report,
    state: Option<&StateDir>,
    log: &KeyHash,
    events: &[Event],
    save: Option<LogView>,
) -> Result<(), TellError> {
    events.iter().try_for_each(|event| report.report(event))?;
    match (state, save) {
        (Some(state), Some(view)) => Ok(state.save(log, &view)?),
        _ => Ok(()),
    }
}

/// Why something was not told, or not remembered.
#[derive(Debug, thiserror::Error)]
enum TellError {
    /// It was not, or not all, told.
    #[error("reporting failed: {0}")]
    Report(#[from] io::Error),
    /// It was told.
    #[error(transparent)]
    Save(#[from] StateError),
}

impl From<TellError> for Alert {
    fn from(error: TellError) -> Self {
        Self::Local(error.to_string())
    }
}

/// Whether two alerts tell of the same trouble, so that it is reported once.
fn same_trouble(a: &Alert, b: &Alert) -> bool {
    match (a, b) {
        (Alert::NotResponding(_), Alert::NotResponding(_))
        | (Alert::NoQuorum(_), Alert::NoQuorum(_))
        | (Alert::Stale { .. }, Alert::Stale { .. }) => true,
        _ => a == b,
    }
}

fn not_responding(error: ApiError) -> Alert {
    Alert::NotResponding(error.to_string())
}
