//! One leaf on its way to a proof.

use super::admission::{Refusal, Retry};
use super::heads::HeadState;
use super::session::{Inclusion, Session, Taken};
use super::{Event, Listener, LogFailure, SubmitError, SubmitSettings, later};
use sigsum_api::AddLeafStatus;
use sigsum_core::merkle::{InclusionClaim, MerkleError};
use sigsum_core::proof::{ProofLeaf, ProofVersion, SigsumProof};
use sigsum_core::wire::log::{AddLeafRequest, GetInclusionProof, InclusionProof};
use sigsum_core::{CosignedTreeHead, Hash, Leaf, TreeHead, TreeSize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long a log may fail to give tree heads before a leaf that it took goes to the next log too.
const FAILING_HEADS: Duration = Duration::from_secs(10);
/// After this time without a larger tree head, the one from before the submission is tried too:
/// the leaf may have been logged long ago.
const OLD_HEAD_DELAY: Duration = Duration::from_millis(100);
/// After this time without a larger tree head, one that lacks an earlier leaf is tried all the
/// same.
const UNLIKELY_HEAD_DELAY: Duration = Duration::from_secs(2);
/// First time between submissions of a leaf to a log that is not committed to it yet; doubled each
/// time, up to [`LAST_REPOST_DELAY`]. A proof ends the wait sooner.
const FIRST_REPOST_DELAY: Duration = Duration::from_secs(1);
/// Longest time between such submissions.
const LAST_REPOST_DELAY: Duration = Duration::from_secs(16);
/// Requests for one inclusion proof before its log counts as failing, with [`PROOF_PAUSE`] and more
/// between them.
const MAX_PROOF_REQUESTS: u32 = 5;
/// Pause after a failed request for a proof; doubled each time.
const PROOF_PAUSE: Duration = Duration::from_millis(200);
/// Time between walks over all logs once a log has the leaf; doubled each time, up to
/// [`LAST_ROUND_PAUSE`].
const FIRST_ROUND_PAUSE: Duration = Duration::from_secs(1);
/// Longest time between such walks.
const LAST_ROUND_PAUSE: Duration = Duration::from_secs(16);

/// One leaf of a batch.
pub(super) struct LeafTask {
    index: usize,
    request: AddLeafRequest,
    leaf: Leaf,
    leaf_hash: Hash,
    sessions: Arc<[Arc<Session>]>,
    listener: Listener,
    /// The log that took the leaf last, for the message at the deadline.
    taken_by: Mutex<Option<Arc<Session>>>,
}

/// Why a log gave no proof.
enum Failure {
    /// It did not take the leaf.
    Refused(Refusal),
    /// It took the leaf, and then failed, or let it wait for too long.
    Late(String),
    /// It proved something wrong.
    Invalid(MerkleError),
}

/// Whether a tree head proves the leaf.
enum Proven {
    Yes(Box<SigsumProof>),
    No,
    /// Not asked for, as it probably does not.
    Unlikely,
}

/// Tree heads that are not worth a request yet: those up to a size, until a time.
struct Hold {
    size: Option<TreeSize>,
    until: Instant,
    /// Whether they are to be tried afterwards however small the hope.
    is_last: bool,
}

impl Hold {
    fn new(size: Option<TreeSize>, delay: Duration, is_last: bool) -> Self {
        Self { size, until: later(Instant::now(), delay), is_last }
    }

    /// When it ends, if that is to come.
    fn end(&self) -> Option<Instant> {
        (self.until > Instant::now()).then_some(self.until)
    }

    /// The size up to which heads are not to be tried now.
    fn held(&self) -> Option<TreeSize> {
        self.end().and(self.size)
    }
}

impl LeafTask {
    pub(super) fn new(
        index: usize,
        request: AddLeafRequest,
        sessions: Arc<[Arc<Session>]>,
        listener: Listener,
    ) -> Self {
        let leaf = request.leaf();
        let (leaf_hash, taken_by) = (leaf.hash(), Mutex::new(None));
        Self { index, request, leaf, leaf_hash, sessions, listener, taken_by }
    }

    pub(super) async fn run(
        self,
        deadline: Instant,
        settings: &SubmitSettings,
    ) -> Result<SigsumProof, SubmitError> {
        let timeout = settings.timeout;
        // With one log there is nothing to gain by turning away from it.
        let patience = (self.sessions.len() > 1).then_some(settings.patience);
        let result = tokio::time::timeout_at(deadline, self.submit(deadline, patience))
            .await
            .unwrap_or_else(|_| Err(SubmitError::Deadline { timeout, state: self.state() }));
        let done = Event::Done { leaf: self.index, result: Box::new(result.clone()) };
        (self.listener)(&done);
        result
    }

    fn taken_by(&self) -> std::sync::MutexGuard<'_, Option<Arc<Session>>> {
        self.taken_by.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far it has come, for the message at the deadline.
    fn state(&self) -> String {
        match &*self.taken_by() {
            Some(session) => {
                format!("log {} took the leaf, but {}", session.url(), session.heads.describe())
            }
            None => "no log took the leaf".to_owned(),
        }
    }

    /// Walks over the logs until one gives a proof.
    async fn submit(
        &self,
        deadline: Instant,
        patience: Option<Duration>,
    ) -> Result<SigsumProof, SubmitError> {
        if !self.request.verify() {
            return Err(SubmitError::InvalidRequest);
        }
        if self.sessions.is_empty() {
            return Err(SubmitError::NoLogs);
        }
        let mut round_pause = FIRST_ROUND_PAUSE;
        loop {
            let mut refusals = Vec::new();
            for session in self.sessions.iter() {
                match self.try_log(session, patience).await {
                    Ok(proof) => return Ok(proof),
                    Err(Failure::Invalid(error)) => {
                        let url = session.url().to_string();
                        return Err(SubmitError::InvalidProof { url, error });
                    }
                    Err(Failure::Late(reason)) => {
                        let (leaf, url) = (self.index, session.url());
                        (self.listener)(&Event::GaveUpOn { leaf, url, reason });
                    }
                    Err(Failure::Refused(refusal)) => {
                        let failure = failure_of(session, &refusal);
                        (self.listener)(&Event::Refused { leaf: self.index, failure });
                        refusals.push((Arc::clone(session), refusal));
                    }
                }
            }
            let delay = if self.taken_by().is_some() {
                // Some log has the leaf, so a proof may come from there at any time.
                let pause = round_pause;
                round_pause = pause.saturating_mul(2).min(LAST_ROUND_PAUSE);
                pause
            } else {
                next_attempt(&refusals, deadline)?.saturating_duration_since(Instant::now())
            };
            (self.listener)(&Event::Waiting { leaf: self.index, delay });
            tokio::time::sleep(delay).await;
        }
    }

    /// Submits to one log and waits for its proof.
    async fn try_log(
        &self,
        session: &Arc<Session>,
        patience: Option<Duration>,
    ) -> Result<SigsumProof, Failure> {
        let mut heads = session.heads.follow();
        let taken = self.post(session).await.map_err(Failure::Refused)?;
        *self.taken_by() = Some(Arc::clone(session));
        let late = patience.map(|patience| later(Instant::now(), patience));
        tokio::select! {
            result = self.wait(session, &mut heads, taken) => result,
            () = sleep_until_any([late]) => Err(Failure::Late(session.heads.describe())),
        }
    }

    async fn post(&self, session: &Session) -> Result<Taken, Refusal> {
        (self.listener)(&Event::Submitting { leaf: self.index, url: session.url() });
        let taken = session.add_leaf(&self.request).await?;
        let (leaf, url, status) = (self.index, session.url(), taken.status);
        (self.listener)(&Event::Taken { leaf, url, status });
        session.heads.hurry();
        Ok(taken)
    }

    /// Waits for a tree head that includes the leaf. While the log is not committed to the leaf,
    /// submits it again now and then.
    async fn wait(
        &self,
        session: &Session,
        heads: &mut watch::Receiver<HeadState>,
        taken: Taken,
    ) -> Result<SigsumProof, Failure> {
        let mut tried = None;
        let mut hold = Hold::new(taken.size_before, OLD_HEAD_DELAY, false);
        let mut repost_delay = FIRST_REPOST_DELAY;
        let mut repost_at = match taken.status {
            AddLeafStatus::Committed => None,
            AddLeafStatus::Accepted => Some(later(Instant::now(), repost_delay)),
        };
        loop {
            let state = heads.borrow_and_update().clone();
            let is_time = |at: Option<Instant>| at.is_some_and(|at| at <= Instant::now());
            if let Some(head) = state.larger_than(tried.max(hold.held())) {
                let size = Some(head.signed.tree_head.size);
                let is_last_resort = hold.is_last && size <= hold.size;
                match self.prove(session, &head, &taken, is_last_resort).await? {
                    Proven::Yes(proof) => return Ok(*proof),
                    Proven::No => tried = size,
                    Proven::Unlikely => hold = Hold::new(size, UNLIKELY_HEAD_DELAY, true),
                }
            }
            if is_time(repost_at) {
                repost_delay = repost_delay.saturating_mul(2).min(LAST_REPOST_DELAY);
                // An error here is no news: the log took the leaf once, or will when it is back.
                repost_at = match self.post(session).await {
                    Ok(Taken { status: AddLeafStatus::Committed, .. }) => None,
                    Ok(_) | Err(_) => Some(later(Instant::now(), repost_delay)),
                };
            }
            let failing_since = state.failing_since.filter(|_| self.sessions.len() > 1);
            let give_up_at = failing_since.map(|since| later(since, FAILING_HEADS));
            if is_time(give_up_at) {
                return Err(Failure::Late(session.heads.describe()));
            }
            tokio::select! {
                _ = heads.changed() => {}
                () = sleep_until_any([hold.end(), repost_at, give_up_at]) => {}
            }
        }
    }

    /// Asks for the leaf's inclusion in the tree of a head that has a quorum, and checks it.
    async fn prove(
        &self,
        session: &Session,
        head: &CosignedTreeHead,
        taken: &Taken,
        is_last_resort: bool,
    ) -> Result<Proven, Failure> {
        let tree = head.signed.tree_head;
        if tree.size == TreeSize(1) {
            // Nothing to ask for: the only leaf is ours, or it is not.
            let is_ours = tree.root_hash == self.leaf_hash;
            return Ok(if is_ours { self.proof(session, head, None) } else { Proven::No });
        }
        if tree.size == TreeSize(0) {
            return Ok(Proven::No);
        }
        let first = self.inclusion_proof(session, tree.size, taken, is_last_resort).await?;
        // One computed from leaves that were served wrongly is no proof; the log's own may be.
        let inclusion = match first {
            Inclusion::Proof(proof) if self.verify(&proof, tree).is_err() => {
                self.inclusion_proof(session, tree.size, taken, true).await?
            }
            other => other,
        };
        let inclusion = match inclusion {
            Inclusion::Proof(inclusion) => inclusion,
            Inclusion::NotIncluded => return Ok(Proven::No),
            Inclusion::Unlikely => return Ok(Proven::Unlikely),
        };
        self.verify(&inclusion, tree).map_err(Failure::Invalid)?;
        Ok(self.proof(session, head, Some(inclusion)))
    }

    fn verify(&self, inclusion: &InclusionProof, tree: TreeHead) -> Result<(), MerkleError> {
        let (leaf_hash, leaf_index) = (self.leaf_hash, inclusion.leaf_index);
        InclusionClaim { leaf_hash, leaf_index, tree, path: &inclusion.path }.verify()
    }

    /// The log's answer for a tree; failures are repeated some times.
    async fn inclusion_proof(
        &self,
        session: &Session,
        size: TreeSize,
        taken: &Taken,
        is_last_resort: bool,
    ) -> Result<Inclusion, Failure> {
        let mut pause = PROOF_PAUSE;
        let mut requests_left = MAX_PROOF_REQUESTS;
        loop {
            let request = GetInclusionProof { size, leaf_hash: self.leaf_hash };
            let error = match session.inclusion_proof(request, taken, is_last_resort).await {
                Ok(inclusion) => return Ok(inclusion),
                Err(error) => error,
            };
            let asked = error.retry_after_s().map(Duration::from_secs);
            requests_left = requests_left.saturating_sub(1);
            if requests_left == 0 {
                return Err(Failure::Late(format!("it gives no inclusion proof: {error}")));
            }
            tokio::time::sleep(asked.unwrap_or(pause)).await;
            pause = pause.saturating_mul(2);
        }
    }

    fn proof(
        &self,
        session: &Session,
        head: &CosignedTreeHead,
        inclusion: Option<InclusionProof>,
    ) -> Proven {
        Proven::Yes(Box::new(SigsumProof {
            version: ProofVersion::V2,
            log: session.log_key_hash(),
            leaf: ProofLeaf::from(&self.leaf),
            tree_head: head.clone(),
            inclusion,
        }))
    }
}

/// When a log may take the leaf that none has taken so far.
fn next_attempt(
    refusals: &[(Arc<Session>, Refusal)],
    deadline: Instant,
) -> Result<Instant, SubmitError> {
    let next = |(_, refusal): &(_, Refusal)| match refusal.retry {
        Retry::At { when, is_down: false } if when < deadline => Some(when),
        Retry::At { .. } | Retry::Never => None,
    };
    refusals.iter().filter_map(next).min().ok_or_else(|| {
        let failures = refusals.iter().map(|(session, r)| failure_of(session, r));
        SubmitError::AllLogsFailed(failures.collect())
    })
}

fn failure_of(session: &Session, refusal: &Refusal) -> LogFailure {
    let (error, retry_after) = (refusal.error.clone(), refusal.retry_after);
    LogFailure { url: session.url().to_string(), error, retry_after }
}

/// Sleeps until the first of these times; for ever if there is none.
async fn sleep_until_any<const N: usize>(times: [Option<Instant>; N]) {
    match times.into_iter().flatten().min() {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
