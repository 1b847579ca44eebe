//! Asks the followers what they hold, and tells the rest of the log what counts.
//!
//! A task for each follower asks and verifies, so that one that is slow, silent or wrong holds up
//! nobody. What enough of them hold bounds the next head and is what submitters wait for.

mod report;

pub use report::{FollowerStatus, ReplicationStatus};

use crate::config::Config;
use crate::engine::followers::{Answer, Condition, FollowerId, Followers, Replicated, Rules};
use crate::engine::guard::Knowledge;
use crate::engine::pace::{Heard, Pace, WAIT};
use crate::integrating::Integrating;
use crate::metrics::{LogMetrics, gauge_value};
use crate::roots::CommittedRoots;
use crate::start::{Context, StartError};
use sigsum_api::ApiError;
use sigsum_client::replica::{HttpReplica, Waited};
use sigsum_client::{BaseUrl, BaseUrlError, HttpClient, HttpSettings};
use sigsum_core::{Hash, PublicKey, SignedTreeHead, TreeSize};
use sigsum_service::clock::Clock;
use sigsum_service::shutdown::Shutdown;
use sigsum_store::{LogStore, StoreError};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Limit of one request to another node: twice what it may keep its answer back for.
pub(crate) const ANSWER_LIMIT: Duration = WAIT.saturating_mul(2);
/// How often it is looked whether somebody lags.
const TICK: Duration = Duration::from_secs(1);
/// Answers that the start guard has not heard of yet.
const HEARD_QUEUE: usize = 64;
/// Committed leaves that are taken into tiles even while no head can be signed over them, so that
/// followers that are gone for a day do not fill the memory: 65 536 leaves take 10 MB there.
pub(crate) const INTEGRATE_AFTER: u64 = 1 << 16;

/// A follower that can be asked.
struct Peer {
    /// Its URL without the scheme.
    label: String,
    key: PublicKey,
    api: HttpReplica,
}

/// What the tasks share.
pub(crate) struct Replication {
    engine: Mutex<Followers>,
    peers: Vec<Peer>,
    store: Arc<dyn LogStore>,
    replicated: watch::Sender<Replicated>,
    started: Instant,
    interval: Duration,
    clock: Arc<dyn Clock>,
    metrics: Arc<LogMetrics>,
    health: sigsum_service::health::Part,
    /// To the start guard.
    tell: mpsc::Sender<(usize, Knowledge)>,
}

impl fmt::Debug for Replication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replication").finish_non_exhaustive()
    }
}

/// What it takes to ask followers.
struct Parts {
    store: Arc<dyn LogStore>,
    log: PublicKey,
    clock: Arc<dyn Clock>,
    metrics: Arc<LogMetrics>,
    health: sigsum_service::health::Part,
    tell: mpsc::Sender<(usize, Knowledge)>,
}

/// What followers mean for the rest of the log.
pub(crate) struct Followed {
    /// None where there are none.
    pub(crate) replication: Option<Arc<Replication>>,
    /// How far heads may go.
    pub(crate) limit: Limit,
    /// The tasks that ask; they end with the shutdown, and hold on to the store until then.
    pub(crate) tasks: Vec<JoinHandle<()>>,
}

/// How far heads may go.
pub(crate) struct Limit {
    /// Leaves that a head may be signed over.
    pub(crate) signable: watch::Receiver<TreeSize>,
    /// Whether that may be less than what is committed, as followers have to hold it first.
    pub(crate) is_limited: bool,
    /// What followers say they know, for the start guard.
    pub(crate) heard: mpsc::Receiver<(usize, Knowledge)>,
    /// What the followers are called: their URLs without the scheme.
    pub(crate) labels: Vec<String>,
}

impl Followed {
    /// What enough followers hold, where there are some.
    pub(crate) fn replicated(&self) -> Option<watch::Receiver<Replicated>> {
        self.replication.as_ref().map(|replication| replication.replicated.subscribe())
    }
}

/// Begins to ask the followers, where the log has some. `growth` is the committed size.
pub(crate) fn begin(
    config: &Config,
    context: &Context,
    store: &Arc<dyn LogStore>,
    metrics: &Arc<LogMetrics>,
    growth: watch::Receiver<TreeSize>,
    shutdown: &Shutdown,
) -> Result<Followed, StartError> {
    let (tell, heard) = mpsc::channel(HEARD_QUEUE);
    if config.replication.is_none() {
        let limit = Limit { signable: growth, is_limited: false, heard, labels: Vec::new() };
        return Ok(Followed { replication: None, limit, tasks: Vec::new() });
    }
    let parts = Parts {
        store: store.clone(),
        log: context.signer.public_key(),
        clock: context.service.clock.clone(),
        metrics: metrics.clone(),
        health: context.service.health.part("followers"),
        tell,
    };
    let replication = Replication::new(config, parts)?;
    let (signable, tasks) = replication.run(growth, shutdown);
    let labels = replication.peers.iter().map(|peer| peer.label.clone()).collect();
    let limit = Limit { signable, is_limited: true, heard, labels };
    Ok(Followed { replication: Some(replication), limit, tasks })
}

impl Replication {
    /// Names the followers; none is asked yet.
    fn new(config: &Config, parts: Parts) -> Result<Arc<Self>, StartError> {
        let mut peers = Vec::with_capacity(config.replication.followers.len());
        let client = node_client(config.timeout);
        for follower in &config.replication.followers {
            let url = &follower.url;
            if follower.key == parts.log {
                return Err(StartError::FollowerHasLogKey(url.clone()));
            }
            let (label, api) = connect(&client, url)
                .map_err(|problem| StartError::NodeUrl { url: url.clone(), problem })?;
            peers.push(Peer { label, key: follower.key, api });
        }
        let rules = Rules { required: config.replication.required, patience: config.timeout };
        let Parts { store, clock, metrics, health, tell, .. } = parts;
        metrics.replication.followers_missing.set(1);
        // One that never answers has been silent since the start, at least.
        for peer in &peers {
            let success = &metrics.replication.follower_success_time_s;
            success.with(&[&peer.label]).set(gauge_value(clock.now_s()));
        }
        Ok(Arc::new(Self {
            engine: Mutex::new(Followers::new(rules, peers.len())),
            peers,
            store,
            replicated: watch::Sender::new(Replicated::default()),
            started: Instant::now(),
            interval: config.interval,
            clock,
            metrics,
            health,
            tell,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Followers> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the tasks. `growth` is the committed size; what comes back is the size up to which
    /// heads may be signed, and ends when `growth` does.
    fn run(
        self: &Arc<Self>,
        growth: watch::Receiver<TreeSize>,
        shutdown: &Shutdown,
    ) -> (watch::Receiver<TreeSize>, Vec<JoinHandle<()>>) {
        let follow = |at| tokio::spawn(self.clone().follow(FollowerId(at), shutdown.clone()));
        let mut tasks: Vec<_> = (0..self.peers.len()).map(follow).collect();
        let (signable, out) = watch::channel(TreeSize(0));
        tasks.push(tokio::spawn(self.clone().coordinate(growth, signable, shutdown.clone())));
        (out, tasks)
    }

    async fn coordinate(
        self: Arc<Self>,
        mut growth: watch::Receiver<TreeSize>,
        signable: watch::Sender<TreeSize>,
        shutdown: Shutdown,
    ) {
        let mut replicated = self.replicated.subscribe();
        let mut tick = tokio::time::interval(TICK);
        let mut integrating = Integrating::default();
        loop {
            tokio::select! {
                () = shutdown.triggered() => return,
                _ = tick.tick() => self.update("", |_| {}),
                changed = replicated.changed() => {
                    if changed.is_err() { return }
                }
                changed = growth.changed() => {
                    // The sequencer has ended, which is for the publisher to say.
                    if changed.is_err() { return }
                    let committed = *growth.borrow_and_update();
                    if committed.0.saturating_sub(self.store.integrated().size.0) >= INTEGRATE_AFTER {
                        let store = self.store.clone();
                        // Where it fails, the next commit tries again, and the next head says so too.
                        integrating.run(move || store.integrate()).await;
                    }
                }
            }
            let size = replicated.borrow_and_update().size.min(self.store.committed_size());
            signable.send_if_modified(|last| std::mem::replace(last, size) != size);
        }
    }

    /// Asks one follower until the log stops.
    async fn follow(self: Arc<Self>, id: FollowerId, shutdown: Shutdown) {
        let Some(peer) = self.peers.get(id.0) else { return };
        let mut roots = CommittedRoots::new(self.store.clone());
        let mut pace = Pace::new(self.interval);
        loop {
            let known = self.lock().all().get(id.0).copied();
            let Some(known) = known else { return };
            // One that did not answer well shall answer at once.
            let min_size = match known.condition {
                Condition::Good => TreeSize(known.size.0.saturating_add(1)),
                _ => TreeSize(0),
            };
            let begun = Instant::now();
            let asked = tokio::select! {
                () = shutdown.triggered() => return,
                asked = peer.api.get_secondary_tree_head(min_size, WAIT) => asked,
            };
            let judged = self.judge(peer, asked, roots).await;
            roots = judged.roots;
            let heard = match judged.answer {
                Answer::Holds { size, .. } if size > known.size => Heard::News,
                Answer::Holds { waits, .. } => Heard::Nothing { waits },
                Answer::Ahead(_) | Answer::Contradicts(_) | Answer::Failed | Answer::Invalid => {
                    Heard::Failure
                }
            };
            self.note_answer(peer, &judged.answer, begun.elapsed());
            // Where the guard has not taken the last ones yet, the next will do.
            let _ = self.tell.try_send((id.0, knowledge(&judged.answer)));
            let problem = judged.problem.as_deref().unwrap_or_default();
            let now = self.started.elapsed();
            self.update(problem, |engine| engine.answered(now, id, judged.answer));
            let pause = pace.pause(heard, begun.elapsed());
            tokio::select! {
                () = shutdown.triggered() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// What an answer is worth.
    async fn judge(
        &self,
        peer: &Peer,
        asked: Result<Waited<SignedTreeHead>, ApiError>,
        roots: CommittedRoots,
    ) -> Judged {
        let failed = |answer, roots, problem| Judged { answer, problem: Some(problem), roots };
        let Waited { answer: head, waits } = match asked {
            Ok(asked) => asked,
            Err(error) => return failed(no_answer(&error), roots, error.to_string()),
        };
        if !head.verify(&peer.key) {
            let problem = "its tree head is not signed with the configured key";
            return failed(Answer::Invalid, roots, problem.into());
        }
        let size = head.tree_head.size;
        if size > self.store.committed_size() {
            return Judged { answer: Answer::Ahead(size), problem: None, roots };
        }
        let (root, roots) = root_at(roots, size, &self.store).await;
        match root {
            Ok(root) if root == head.tree_head.root_hash => {
                Judged { answer: Answer::Holds { size, waits }, problem: None, roots }
            }
            Ok(_) => Judged { answer: Answer::Contradicts(size), problem: None, roots },
            Err(error) => {
                let problem = format!("our own root hash at size {size}: {error}");
                failed(Answer::Failed, roots, problem)
            }
        }
    }

    /// Changes what is known, and tells whoever waits for it. `problem` is for the operator, where
    /// the change is one.
    fn update(&self, problem: &str, change: impl FnOnce(&mut Followers)) {
        let events = {
            let mut engine = self.lock();
            change(&mut engine);
            engine.tick(self.started.elapsed(), self.store.committed_size());
            let replicated = engine.replicated();
            self.show(&replicated);
            // Under the lock, or of two answers at once the older could be told last.
            self.replicated
                .send_if_modified(|last| std::mem::replace(last, replicated) != replicated);
            engine.take_events()
        };
        events.into_iter().for_each(|event| self.note(event, problem));
    }
}

/// A failure that passes by itself is told from an answer that is wrong.
fn no_answer(error: &ApiError) -> Answer {
    match error {
        ApiError::Transport(_)
        | ApiError::Unavailable { .. }
        | ApiError::RateLimited { .. }
        | ApiError::Internal(_) => Answer::Failed,
        _ => Answer::Invalid,
    }
}

/// What an answer says of trees that we may not know.
fn knowledge(answer: &Answer) -> Knowledge {
    match answer {
        Answer::Holds { size, .. } | Answer::Ahead(size) => Knowledge::UpTo(*size),
        Answer::Contradicts(size) => Knowledge::Other(*size),
        Answer::Failed | Answer::Invalid => Knowledge::Unheard,
    }
}

struct Judged {
    answer: Answer,
    /// For the operator.
    problem: Option<String>,
    roots: CommittedRoots,
}

/// A root hash, computed beside the runtime's workers.
async fn root_at(
    mut roots: CommittedRoots,
    size: TreeSize,
    store: &Arc<dyn LogStore>,
) -> (Result<Hash, StoreError>, CommittedRoots) {
    let computed = tokio::task::spawn_blocking(move || {
        let root = roots.at(size);
        (root, roots)
    });
    match computed.await {
        Ok(computed) => computed,
        // The runtime is going down, and the asking task with it.
        Err(_) => (Err(StoreError::Closed), CommittedRoots::new(store.clone())),
    }
}

/// The client for other nodes of the log.
pub(crate) fn node_client(connect_limit: Duration) -> HttpClient {
    let mut settings = HttpSettings::new("log");
    settings.request_timeout = ANSWER_LIMIT;
    settings.connect_timeout = connect_limit.min(ANSWER_LIMIT);
    HttpClient::new(settings)
}

/// A node at a URL, and its name in metrics: the URL without the scheme.
pub(crate) fn connect(client: &HttpClient, url: &str) -> Result<(String, HttpReplica), String> {
    let base: BaseUrl = url.parse().map_err(|e: BaseUrlError| e.to_string())?;
    let api = HttpReplica::new(client, &base).map_err(|e| e.to_string())?;
    let label = url.split_once("://").map_or(url, |(_, rest)| rest).to_owned();
    Ok((label, api))
}
