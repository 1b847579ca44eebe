//! The one thread that writes: groups the commits of concurrent requests into one transaction.
//!
//! A request hands over the lock of its log together with its wish and gets both back when the
//! wish is durable. If the requester has gone by then, the lock is released with the new head in it:
//! no request can look at a head that is older than the store's.

use super::{Advance, Backend, Cosigned, LogId, Outcome, StoreError};
use crate::metrics::StoreMetrics;
use sigsum_core::{TreeHead, TreeSize};
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedMutexGuard, oneshot};

/// Advances in one transaction at most. At 64 a transaction takes a few milliseconds, and the
/// measured gain of larger ones is gone.
const MAX_BATCH: usize = 64;
/// How long cosigned checkpoints wait to be recorded. A log with a head a second is then written
/// once in ten; after a crash the witness cosigns anew what it had not recorded.
const RECORD_INTERVAL: Duration = Duration::from_secs(10);

/// Cosigned checkpoints in one transaction at most, unless all are asked for: the heads in the same
/// transaction wait for no more than for as many heads.
const MAX_RECORDS: usize = MAX_BATCH;

/// What a log's lock protects.
#[derive(Debug)]
pub(crate) struct LogState {
    /// The head that is stored.
    pub(crate) head: TreeHead,
}

/// The right to change one log.
pub(crate) type Turn = OwnedMutexGuard<LogState>;

/// Why a head was not moved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdvanceError {
    /// The store holds another head; its size.
    #[error("the stored tree size is {0}")]
    Conflict(TreeSize),
    /// The queue is full.
    #[error("too many writes are waiting")]
    Full,
    /// The writer has ended.
    #[error("the store is closed")]
    Closed,
    /// The store failed.
    #[error(transparent)]
    Store(Arc<StoreError>),
}

struct Wish {
    turn: Turn,
    advance: Advance,
    reply: oneshot::Sender<Result<Turn, AdvanceError>>,
}

enum Job {
    Advance(Box<Wish>),
    Record(oneshot::Sender<Result<(), Arc<StoreError>>>),
    Stop,
}

type Unrecorded = Arc<Mutex<HashMap<LogId, String>>>;

/// Handle to the writer thread.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: SyncSender<Job>,
    unrecorded: Unrecorded,
    thread: Mutex<Option<JoinHandle<()>>>,
    records_before_reply: bool,
}

impl Writer {
    /// Starts the thread; `capacity` writes may wait.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(crate) fn spawn(
        backend: Box<dyn Backend>,
        capacity: usize,
        metrics: StoreMetrics,
    ) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(capacity);
        let unrecorded = Unrecorded::default();
        let records_before_reply = backend.records_before_reply();
        let mut worker = Worker {
            backend,
            jobs,
            unrecorded: Arc::clone(&unrecorded),
            recorded_at: Instant::now(),
            metrics,
        };
        let thread = std::thread::Builder::new()
            .name("witness-store".to_owned())
            .spawn(move || worker.run())?;
        Ok(Self { queue, unrecorded, thread: Mutex::new(Some(thread)), records_before_reply })
    }

    /// Makes a new head durable. Cancelling keeps the lock with the write until it is decided.
    ///
    /// # Errors
    /// [`AdvanceError`].
    pub(crate) async fn advance(&self, turn: Turn, advance: Advance) -> Result<Turn, AdvanceError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Advance(Box::new(Wish { turn, advance, reply })))?;
        answer.await.unwrap_or(Err(AdvanceError::Closed))
    }

    /// Records a cosigned checkpoint: soon, or at once where the store must have it first.
    ///
    /// # Errors
    /// [`AdvanceError`]; only where the store must have it first.
    pub(crate) async fn record(&self, cosigned: Cosigned) -> Result<(), AdvanceError> {
        lock(&self.unrecorded).insert(cosigned.log, cosigned.note);
        if self.records_before_reply { self.flush().await } else { Ok(()) }
    }

    /// Records all that waits.
    ///
    /// # Errors
    /// [`AdvanceError`].
    pub(crate) async fn flush(&self) -> Result<(), AdvanceError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Record(reply))?;
        answer.await.map_err(|_| AdvanceError::Closed)?.map_err(AdvanceError::Store)
    }

    /// Ends the thread after what is queued; blocks until it is done. Later calls do nothing.
    pub(crate) fn close(&self) {
        let thread = lock(&self.thread).take();
        let Some(thread) = thread else { return };
        // An error means that the thread has already ended.
        let _ = self.queue.send(Job::Stop);
        if thread.join().is_err() {
            tracing::error!("the store's thread panicked");
        }
    }

    fn send(&self, job: Job) -> Result<(), AdvanceError> {
        self.queue.try_send(job).map_err(|e| match e {
            TrySendError::Full(_) => AdvanceError::Full,
            TrySendError::Disconnected(_) => AdvanceError::Closed,
        })
    }
}

/// Takes a lock whose data stay whole when a holder panics.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Worker {
    backend: Box<dyn Backend>,
    jobs: Receiver<Job>,
    unrecorded: Unrecorded,
    /// When nothing was left to record.
    recorded_at: Instant,
    metrics: StoreMetrics,
}

/// What one round of the worker takes up.
#[derive(Default)]
struct Round {
    wishes: Vec<Wish>,
    records: Vec<oneshot::Sender<Result<(), Arc<StoreError>>>>,
    stop: bool,
}

impl Round {
    fn take(&mut self, job: Job) {
        match job {
            // Nobody waits for the answer any more: do not spend a commit on it.
            Job::Advance(wish) if wish.reply.is_closed() => {}
            Job::Advance(wish) => self.wishes.push(*wish),
            Job::Record(reply) => self.records.push(reply),
            Job::Stop => self.stop = true,
        }
    }
}

impl Worker {
    fn run(&mut self) {
        loop {
            let mut round = Round::default();
            let until_due = RECORD_INTERVAL.saturating_sub(self.recorded_at.elapsed());
            match self.jobs.recv_timeout(until_due) {
                Ok(job) => round.take(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => round.stop = true,
            }
            while round.wishes.len() < MAX_BATCH && !round.stop {
                match self.jobs.try_recv() {
                    Ok(job) => round.take(job),
                    Err(_) => break,
                }
            }
            let stop = round.stop;
            self.finish(round);
            if stop {
                self.backend.close();
                return;
            }
        }
    }

    /// Commits one round and answers everyone in it.
    fn finish(&mut self, round: Round) {
        let cosigned = self.due_records(round.stop || !round.records.is_empty());
        let (advances, waiting): (Vec<_>, Vec<_>) =
            round.wishes.into_iter().map(|w| (w.advance, (w.turn, w.reply))).unzip();
        let result = if advances.is_empty() && cosigned.is_empty() {
            Ok(Vec::new())
        } else {
            let started = Instant::now();
            let result = self.backend.commit(&advances, &cosigned);
            self.metrics.committed(advances.len(), started.elapsed());
            result.map_err(Arc::new)
        };
        if let Err(error) = &result {
            self.metrics.failed();
            tracing::error!(%error, advances = advances.len(), "the store failed; nothing of this batch is signed");
            self.put_back(cosigned);
            self.recorded_at = Instant::now();
        }
        for reply in round.records {
            // The requester may have gone.
            let _ = reply.send(result.as_ref().map(|_| ()).map_err(Arc::clone));
        }
        answer(advances, waiting, result);
    }

    /// Some of what waits to be recorded, if it is time; or all of it.
    fn due_records(&mut self, all: bool) -> Vec<Cosigned> {
        if !all && self.recorded_at.elapsed() < RECORD_INTERVAL {
            return Vec::new();
        }
        let mut unrecorded = lock(&self.unrecorded);
        let most = if all { usize::MAX } else { MAX_RECORDS };
        let logs: Vec<LogId> = unrecorded.keys().take(most).copied().collect();
        let take = |log| Some(Cosigned { log, note: unrecorded.remove(&log)? });
        let taken = logs.into_iter().filter_map(take).collect();
        if unrecorded.is_empty() {
            self.recorded_at = Instant::now();
        }
        taken
    }

    /// Keeps what could not be recorded, unless something newer waits.
    fn put_back(&self, cosigned: Vec<Cosigned>) {
        let mut unrecorded = lock(&self.unrecorded);
        for Cosigned { log, note } in cosigned {
            unrecorded.entry(log).or_insert(note);
        }
    }
}

/// Writes the outcome into each log's state and hands the locks back.
fn answer(
    advances: Vec<Advance>,
    waiting: Vec<(Turn, oneshot::Sender<Result<Turn, AdvanceError>>)>,
    result: Result<Vec<Outcome>, Arc<StoreError>>,
) {
    let outcomes = match result {
        Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error); advances.len()],
    };
    for ((advance, (mut turn, reply)), outcome) in advances.into_iter().zip(waiting).zip(outcomes) {
        let answer = match outcome {
            Ok(Outcome::Advanced) => {
                turn.head = advance.new;
                Ok(turn)
            }
            Ok(Outcome::Conflict(stored)) => {
                turn.head = stored;
                Err(AdvanceError::Conflict(stored.size))
            }
            Err(error) => Err(AdvanceError::Store(error)),
        };
        // The requester may have gone; the lock is then released here.
        let _ = reply.send(answer);
    }
}
