//! A running witness: its logs, one lock for each, and the way of a request through them.
//!
//! Order, per log and under its lock: check, persist, sign, answer. A request that is cancelled or
//! past its deadline leaves the log as the store has it and gets no signature.

mod evidence;
pub(crate) mod load;
mod log;

pub use log::{LogStatus, Published};

use crate::config::{MAX_SIGNING, RETRY_AFTER_S};
use crate::cosigner::CosignerKey;
use crate::engine::{self, Authentic, Refusal};
use crate::metrics::WitnessMetrics;
use crate::store::writer::{AdvanceError, Turn, Writer};
use crate::store::{Advance, Cosigned};
use async_trait::async_trait;
use load::Unrecorded;
use log::{Log, LogTable};
use sigsum_api::{AddCheckpointError, WitnessApi};
use sigsum_core::checkpoint::Checkpoint;
use sigsum_core::cosignature::Timestamp;
use sigsum_core::note::{SignatureLine, Vkey};
use sigsum_core::wire::witness::AddCheckpointRequest;
use sigsum_service::clock::Clock;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

/// A witness. Share it in an `Arc`; HTTP and callers in the same process use it alike.
#[derive(Debug)]
pub struct Witness {
    keys: Vec<CosignerKey>,
    logs: LogTable,
    writer: Writer,
    clock: Arc<dyn Clock>,
    deadline: Duration,
    max_in_flight: usize,
    in_flight: Semaphore,
    signing: Semaphore,
    metrics: WitnessMetrics,
}

/// What a witness is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    /// At least one.
    pub(crate) keys: Vec<CosignerKey>,
    /// The store's thread.
    pub(crate) writer: Writer,
    /// Gives the times of cosignatures.
    pub(crate) clock: Arc<dyn Clock>,
    /// Time that a request may take.
    pub(crate) deadline: Duration,
    /// Requests that are worked on at once.
    pub(crate) max_in_flight: usize,
    /// What is counted.
    pub(crate) metrics: WitnessMetrics,
}

impl Witness {
    /// A witness without logs.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { keys, writer, clock, deadline, max_in_flight, metrics } = parts;
        Self {
            keys,
            logs: LogTable::default(),
            writer,
            clock,
            deadline,
            max_in_flight,
            in_flight: Semaphore::new(max_in_flight),
            signing: Semaphore::new(MAX_SIGNING),
            metrics,
        }
    }

    /// What verifiers of this witness's cosignatures are configured with.
    pub fn vkeys(&self) -> Vec<Vkey> {
        self.keys.iter().map(CosignerKey::vkey).collect()
    }

    /// The newest cosigned checkpoint of the log with this origin hash (`tlog-witness`, "Monitor
    /// Retrieval Mechanism"); `None` if there is none.
    pub fn checkpoint(&self, origin_hash: &[u8; 32]) -> Option<Arc<Published>> {
        self.logs.by_hash(origin_hash)?.published()
    }

    /// All logs that are served, by origin.
    pub fn logs(&self) -> Vec<LogStatus> {
        self.logs.statuses()
    }

    /// Takes up logs and keys that were added to the store since; none is ever removed. Gives the
    /// number of new logs.
    pub(crate) fn add_logs(&self, logs: Vec<Arc<Log>>) -> usize {
        let new = self.logs.add(logs);
        self.metrics.logs.set(i64::try_from(self.logs.len()).unwrap_or(i64::MAX));
        new
    }

    /// Records what waits and ends the store's thread. Requests get 503 from then on. Blocks.
    pub fn close(&self) {
        self.writer.close();
    }

    async fn add(
        &self,
        request: &AddCheckpointRequest,
    ) -> Result<Vec<SignatureLine>, AddCheckpointError> {
        let deadline = Instant::now() + self.deadline;
        let _slot = self.slot()?;
        engine::check_length(&request.checkpoint).map_err(refused)?;
        let origin = &request.checkpoint.checkpoint.origin;
        let log = self.logs.by_origin(origin).ok_or(AddCheckpointError::UnknownOrigin)?;
        let authentic = engine::authenticate(&log.trusted(), request).map_err(refused)?;
        let _place = log.places.try_acquire().map_err(|_| busy("too many requests of this log"))?;
        let turn = by(deadline, "the log's lock", log.turn()).await?;
        let note = authentic.note().to_string();
        let turn = self.persist(&log, turn, &authentic, &note, deadline).await?;
        let lines = self.sign(&request.checkpoint.checkpoint, deadline).await?;
        self.publish(&log, turn, note, &lines).await?;
        Ok(lines)
    }

    fn slot(&self) -> Result<Slot<'_>, AddCheckpointError> {
        let permit = self.in_flight.try_acquire().map_err(|_| busy("too many requests"))?;
        self.count_in_flight();
        Ok(Slot { witness: self, permit: Some(permit) })
    }

    fn count_in_flight(&self) {
        let busy = self.max_in_flight.saturating_sub(self.in_flight.available_permits());
        self.metrics.in_flight.set(i64::try_from(busy).unwrap_or(i64::MAX));
    }

    /// Checks against the stored head and makes the new one durable.
    async fn persist(
        &self,
        log: &Log,
        turn: Turn,
        authentic: &Authentic<'_>,
        note: &str,
        deadline: Instant,
    ) -> Result<Turn, AddCheckpointError> {
        let expected = turn.head;
        let new = engine::decide(&expected, authentic).map_err(|refusal| {
            report(log, &refusal, authentic.request, self.clock.now_s());
            refused(refusal)
        })?;
        let advance = Advance { log: log.id, expected, new, checkpoint: note.to_owned() };
        let stored = by(deadline, "the store", self.writer.advance(turn, advance)).await?;
        let turn = stored.map_err(not_stored)?;
        if new != expected {
            tracing::debug!(origin = %log.origin(), old = %expected.size, size = %new.size, "new head");
        }
        Ok(turn)
    }

    /// Signs with all own keys. To be called with the log's lock held: the time is that of a moment
    /// at which the checkpoint is the newest.
    async fn sign(
        &self,
        checkpoint: &Checkpoint,
        deadline: Instant,
    ) -> Result<Vec<SignatureLine>, AddCheckpointError> {
        // The semaphore is never closed.
        let permit = by(deadline, "the signer", self.signing.acquire()).await?;
        let _permit = permit.map_err(|_| busy("no signer"))?;
        if Instant::now() >= deadline {
            return Err(busy("the deadline has passed before signing"));
        }
        let started = Instant::now();
        let time = Timestamp::new(self.clock.now_s()).filter(|time| *time != Timestamp::NONE);
        let time = time.ok_or_else(|| internal("the clock gives no usable time"))?;
        let mut lines = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            let line = by(deadline, "the signer", key.cosign(time, checkpoint)).await?;
            lines.push(line.map_err(|error| internal(&format!("signing: {error}")))?);
        }
        self.metrics.signed(started.elapsed());
        Ok(lines)
    }

    /// Adds cosignatures to a note, makes it readable and has it recorded.
    async fn publish(
        &self,
        log: &Log,
        turn: Turn,
        mut note: String,
        lines: &[SignatureLine],
    ) -> Result<(), AddCheckpointError> {
        for line in lines {
            // Writing to a String cannot fail.
            let _ = writeln!(note, "{line}");
        }
        let cosigned = Cosigned { log: log.id, note: note.clone() };
        self.writer.record(cosigned).await.map_err(not_stored)?;
        log.publish(Published { tree_head: turn.head, note });
        Ok(())
    }

    /// Cosigns anew what was persisted and not recorded as cosigned when the witness last ended.
    /// Stops at the first failure: the next checkpoint of each log mends it as well.
    pub(crate) async fn cosign_unrecorded(&self, unrecorded: Vec<Unrecorded>) {
        for Unrecorded { log, note } in unrecorded {
            let turn = log.turn().await;
            if turn.head != note.checkpoint.tree_head {
                continue;
            }
            let deadline = Instant::now() + self.deadline;
            let result = match self.sign(&note.checkpoint, deadline).await {
                Ok(lines) => self.publish(&log, turn, note.to_string(), &lines).await,
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                tracing::warn!(%error, origin = %log.origin(), "not cosigned anew");
                return;
            }
        }
    }
}

#[async_trait]
impl WitnessApi for Witness {
    async fn add_checkpoint(
        &self,
        request: &AddCheckpointRequest,
    ) -> Result<Vec<SignatureLine>, AddCheckpointError> {
        let result = self.add(request).await;
        if let Err(error @ AddCheckpointError::Internal(_)) = &result {
            tracing::error!(%error, "add-checkpoint failed");
        }
        result
    }
}

/// A request's place among those that are worked on.
struct Slot<'a> {
    witness: &'a Witness,
    permit: Option<SemaphorePermit<'a>>,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.permit = None;
        self.witness.count_in_flight();
    }
}

/// Waits until the deadline.
async fn by<T>(
    deadline: Instant,
    what: &str,
    work: impl Future<Output = T>,
) -> Result<T, AddCheckpointError> {
    let late = |_| busy(&format!("the deadline has passed while waiting for {what}"));
    timeout_at(deadline, work).await.map_err(late)
}

/// The answer to each refusal.
fn refused(refusal: Refusal) -> AddCheckpointError {
    let text = refusal.to_string();
    match refusal {
        Refusal::TextTooLong { .. } | Refusal::Extensions | Refusal::OldAboveSize { .. } => {
            AddCheckpointError::BadRequest(text)
        }
        Refusal::UnknownOrigin => AddCheckpointError::UnknownOrigin,
        Refusal::NoTrustedSignature | Refusal::BadSignature { .. } => {
            AddCheckpointError::Forbidden(text)
        }
        Refusal::Conflict { stored, .. } => AddCheckpointError::Conflict { size: stored },
        Refusal::EmptyTreeRoot
        | Refusal::ProofFromEmptyTree { .. }
        | Refusal::OtherTree { .. }
        | Refusal::Inconsistent(_) => AddCheckpointError::Unprocessable(text),
    }
}

fn not_stored(error: AdvanceError) -> AddCheckpointError {
    match error {
        AdvanceError::Conflict(size) => AddCheckpointError::Conflict { size },
        AdvanceError::Full | AdvanceError::Closed => busy(&error.to_string()),
        AdvanceError::Store(error) => internal(&error.to_string()),
    }
}

fn busy(detail: &str) -> AddCheckpointError {
    let detail = detail.to_owned();
    AddCheckpointError::Unavailable { retry_after_s: Some(RETRY_AFTER_S), detail }
}

fn internal(detail: &str) -> AddCheckpointError {
    AddCheckpointError::Internal(detail.to_owned())
}

/// Two trees of one size, both signed by the log, are evidence against it.
fn report(log: &Log, refusal: &Refusal, request: &AddCheckpointRequest, now_s: u64) {
    let origin = log.origin();
    match refusal {
        Refusal::OtherTree { .. } => {
            let Some(left_out) = log.evidence.tell(now_s) else { return };
            if left_out > 0 {
                tracing::error!(%origin, left_out, "more contradicting heads were not written out");
            }
            let checkpoint = request.checkpoint.to_string();
            tracing::error!(%origin, %refusal, checkpoint, "the log signed two trees of one size");
        }
        _ => tracing::debug!(%origin, %refusal, "not cosigned"),
    }
}

#[cfg(test)]
mod tests;
