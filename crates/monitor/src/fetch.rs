//! Reads leaves in order with several requests under way, and finds the batch size that the log
//! and the link bear.

use crate::engine::HashedLeaves;
use sigsum_api::{ApiError, LogApi};
use sigsum_core::LeafIndex;
use sigsum_core::wire::log::GetLeaves;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Requests under way at once: enough to hide a round trip and to keep two cores parsing, few
/// enough that a small log does not notice.
const REQUESTS_AT_ONCE: usize = 6;
/// First batch size asked for; log-go's default `max-range`.
const FIRST_BATCH: u64 = 512;
/// After a failure the batch size is halved, and doubled again after so many batches that went well:
/// on a slow link a batch that is too large costs a whole [`REQUEST_TIMEOUT`].
const BATCHES_UNTIL_MORE: u32 = 64;
/// One request may take this long: a batch of 512 leaves is 135 KB, which a link of 5 KB/s carries.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What a request brought.
type Fetched = Result<HashedLeaves, ApiError>;

/// A request under way: where it starts, how many leaves it asked for.
#[derive(Debug)]
struct UnderWay {
    start: u64,
    count: u64,
    task: JoinHandle<Fetched>,
}

/// Reads the leaves from one index up to another.
pub(crate) struct Fetcher {
    log: Arc<dyn LogApi>,
    batch: u64,
    went_well: u32,
    queue: VecDeque<UnderWay>,
    next: u64,
    end: u64,
}

impl Fetcher {
    pub(crate) fn new(log: Arc<dyn LogApi>) -> Self {
        Self { log, batch: FIRST_BATCH, went_well: 0, queue: VecDeque::new(), next: 0, end: 0 }
    }

    /// Starts over at `start`; nothing is read from `end` on.
    pub(crate) fn seek(&mut self, start: LeafIndex, end: u64) {
        self.abandon();
        self.next = start.0;
        self.end = end;
    }

    /// The next leaves in order; none when the end is reached.
    pub(crate) async fn next(&mut self) -> Fetched {
        self.fill();
        let Some(first) = self.queue.pop_front() else { return Ok(HashedLeaves::default()) };
        let outcome = first.task.await.unwrap_or_else(|e| Err(ApiError::Internal(e.to_string())));
        match outcome {
            Ok(leaves) => {
                self.adapt(first.start, first.count, leaves.len() as u64);
                Ok(leaves)
            }
            Err(error) => {
                self.abandon();
                self.next = first.start;
                self.batch = (self.batch / 2).max(1);
                self.went_well = 0;
                Err(error)
            }
        }
    }

    /// After an answer: where the log gives fewer leaves than asked, that is its limit; where it
    /// keeps giving all, try more.
    fn adapt(&mut self, start: u64, asked: u64, got: u64) {
        if got < asked {
            self.abandon();
            self.next = start.saturating_add(got);
            self.batch = got.max(1);
            return;
        }
        self.went_well = self.went_well.saturating_add(1);
        if self.went_well >= BATCHES_UNTIL_MORE && self.batch < FIRST_BATCH {
            self.batch = (self.batch * 2).min(FIRST_BATCH);
            self.went_well = 0;
        }
    }

    fn fill(&mut self) {
        while self.queue.len() < REQUESTS_AT_ONCE && self.next < self.end {
            let (start, count) = (self.next, self.batch.min(self.end - self.next));
            let log = Arc::clone(&self.log);
            let task = tokio::spawn(fetch(log, start, count));
            self.queue.push_back(UnderWay { start, count, task });
            self.next += count;
        }
    }

    fn abandon(&mut self) {
        for request in self.queue.drain(..) {
            request.task.abort();
        }
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        self.abandon();
    }
}

async fn fetch(log: Arc<dyn LogApi>, start: u64, count: u64) -> Fetched {
    let end = LeafIndex(start.saturating_add(count));
    let request = log.get_leaves(GetLeaves { start: LeafIndex(start), end });
    let mut leaves = match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(outcome) => outcome?,
        Err(_) => {
            let seconds = REQUEST_TIMEOUT.as_secs();
            return Err(ApiError::Transport(format!("no answer to get-leaves within {seconds} s")));
        }
    };
    if leaves.is_empty() {
        return Err(ApiError::Internal("the log served no leaf".to_owned()));
    }
    leaves.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    Ok(HashedLeaves::new(leaves))
}
