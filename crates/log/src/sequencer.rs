//! The sequencer: the one thread that gives leaves their indices.
//!
//! Requests put leaves into the [`Intake`]; the thread takes what has gathered, commits it with one
//! append and one fdatasync, and answers everyone who waits. It starts a commit when a full batch
//! waits or [`PACE`] has passed since the last one started: measured, that halves the processor
//! time per leaf under load and costs a lone client half a millisecond.
//!
//! A failed commit acknowledges nothing. Its leaves leave the intake, everybody who waits is told,
//! and the next request tries again; what is wrong with the disk is for the store to judge. A first
//! part of them may be durable all the same: heads cover it, limits count it, and whoever comes again
//! is answered 200.

use crate::engine::intake::{FULL_BATCH, HashedLeaf, Intake, MAX_BATCH, Offered};
use crate::limits::{Permit, Refused};
use sigsum_core::TreeSize;
use sigsum_store::{LogStore, StoreError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// Shortest time between the starts of two commits that are not full.
pub const PACE: Duration = Duration::from_micros(500);

/// Why a leaf was not committed; the submitter may send it again.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// Too many leaves or requests wait.
    #[error("too many leaves wait for a commit")]
    Full,
    /// The log stops.
    #[error("the log stops")]
    Stopping,
    /// The store failed.
    #[error("{0}")]
    Store(Arc<StoreError>),
}

/// What becomes of commits; for metrics and the operator's log.
pub trait Observer: Send {
    /// A commit of so many leaves is durable, and the log has this size now.
    fn committed(&mut self, leaves: usize, size: u64, took: Duration);
    /// A commit failed.
    fn failed(&mut self, leaves: usize, error: &StoreError);
}

/// Why a leaf that was not known was not taken.
#[derive(Debug, Clone)]
pub(crate) enum NotTaken {
    /// Its submitter is over a limit.
    Refused(Refused),
    /// It was not committed.
    Failed(CommitError),
}

impl From<CommitError> for NotTaken {
    fn from(error: CommitError) -> Self {
        Self::Failed(error)
    }
}

type Waiter = oneshot::Sender<Result<(), CommitError>>;

/// Takes leaves; cheap to clone.
#[derive(Debug, Clone)]
pub struct Sequencer {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Signalled on the first leaf, on a full batch and on stop.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    intake: Intake<Waiter, Permit>,
    stopping: bool,
}

/// The running thread.
#[derive(Debug)]
pub struct SequencerThread {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Sequencer {
    /// Starts the thread. `grown` is told the committed size after each commit that added leaves.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(
        store: Arc<dyn LogStore>,
        observer: Box<dyn Observer>,
        grown: watch::Sender<TreeSize>,
    ) -> std::io::Result<(Self, SequencerThread)> {
        let shared = Arc::new(Shared::default());
        let mut worker = Worker { shared: shared.clone(), store, observer, grown };
        let builder = std::thread::Builder::new().name("sequencer".into());
        let thread = builder.spawn(move || worker.run())?;
        let sequencer = Self { shared: shared.clone() };
        Ok((sequencer, SequencerThread { shared, thread: Some(thread) }))
    }

    /// Puts a leaf into the next commit and waits until it is durable. A leaf that is in flight
    /// already shares that commit.
    ///
    /// # Errors
    /// [`CommitError`]: the leaf is not in the log, unless another request for it went well.
    pub async fn commit(&self, leaf: HashedLeaf) -> Result<(), CommitError> {
        self.commit_admitted(leaf, || Ok(Permit::free())).await.map_err(|not_taken| match not_taken
        {
            NotTaken::Failed(error) => error,
            NotTaken::Refused(_) => CommitError::Full, // a free permit is refused to nobody
        })
    }

    /// The same for a leaf that must be let in. A permit is settled when its leaf is durable and was
    /// new, before anybody is answered, and dropped otherwise; what becomes of the request that
    /// brought it does not matter.
    pub(crate) async fn commit_admitted(
        &self,
        leaf: HashedLeaf,
        admit: impl FnOnce() -> Result<Permit, Refused>,
    ) -> Result<(), NotTaken> {
        let (waiter, outcome) = oneshot::channel();
        match self.offer(leaf, waiter, admit)? {
            Offered::Full => return Err(CommitError::Full.into()),
            Offered::Queued { wake: true } => self.shared.changed.notify_one(),
            Offered::Queued { wake: false } | Offered::Joined => {}
        }
        Ok(outcome.await.unwrap_or(Err(CommitError::Stopping))?)
    }

    fn offer(
        &self,
        leaf: HashedLeaf,
        waiter: Waiter,
        admit: impl FnOnce() -> Result<Permit, Refused>,
    ) -> Result<Offered, NotTaken> {
        let mut state = self.shared.lock();
        if state.stopping {
            return Err(CommitError::Stopping.into());
        }
        state.intake.offer(leaf, waiter, admit).map_err(NotTaken::Refused)
    }

    /// Leaves that wait for a commit.
    pub fn waiting(&self) -> usize {
        self.shared.lock().intake.waiting()
    }
}

impl SequencerThread {
    /// Commits what waits, refuses what comes, and ends the thread. Blocks until then.
    pub fn stop(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the sequencer thread panicked");
        }
    }
}

impl Drop for SequencerThread {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Worker {
    shared: Arc<Shared>,
    store: Arc<dyn LogStore>,
    observer: Box<dyn Observer>,
    grown: watch::Sender<TreeSize>,
}

impl Worker {
    fn run(&mut self) {
        let mut due = Instant::now();
        while let Some(batch) = self.gather(due) {
            let started = Instant::now();
            due = started + PACE;
            let (are_new, outcome) = self.commit(&batch, started);
            let finished = self.shared.lock().intake.finish(&batch);
            for (permit, is_new) in finished.permits.into_iter().zip(are_new) {
                if is_new {
                    permit.settle();
                }
            }
            for waiter in finished.waiters {
                let _ = waiter.send(outcome.clone()); // the request may have gone
            }
        }
    }

    /// Waits for a batch that is due; `None` when all is committed and the log stops.
    fn gather(&self, due: Instant) -> Option<Vec<HashedLeaf>> {
        let mut state = self.shared.lock();
        loop {
            let waiting = state.intake.waiting();
            let left = due.saturating_duration_since(Instant::now());
            if waiting == 0 {
                if state.stopping {
                    return None;
                }
                let wait = self.shared.changed.wait(state);
                state = wait.unwrap_or_else(PoisonError::into_inner);
            } else if waiting >= FULL_BATCH || left.is_zero() || state.stopping {
                return Some(state.intake.take_batch());
            } else {
                let wait = self.shared.changed.wait_timeout(state, left);
                state = wait.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    /// Whether each leaf is durable and was new; and how the commit ended.
    fn commit(
        &mut self,
        batch: &[HashedLeaf],
        started: Instant,
    ) -> (Vec<bool>, Result<(), CommitError>) {
        debug_assert!(batch.len() <= MAX_BATCH);
        let leaves: Vec<_> = batch.iter().map(|l| l.leaf).collect();
        let before = self.store.committed_size();
        let outcome = self.store.commit(&leaves);
        let size = self.store.committed_size();
        if size > before {
            self.grown.send_replace(size);
        }
        match outcome {
            Ok(committed) => {
                self.observer.committed(batch.len(), size.0, started.elapsed());
                (committed.iter().map(|c| c.is_new).collect(), Ok(()))
            }
            Err(error) => {
                self.observer.failed(batch.len(), &error);
                let is_new = |leaf: &HashedLeaf| {
                    let index = self.store.index_of(&leaf.hash).ok().flatten();
                    size > before && index.is_some_and(|index| index.0 >= before.0)
                };
                (batch.iter().map(is_new).collect(), Err(CommitError::Store(Arc::new(error))))
            }
        }
    }
}
