//! Copies leaves from the primary, for as long as nothing contradicts what is held.

use super::heads::HeadCheck;
use super::held::{Held, HoldError};
use super::report::{CopyCondition, Reporter};
use crate::engine::follow::{Batch, Contradiction};
use crate::engine::pace::{Heard, Pace, WAIT};
use sigsum_api::ApiError;
use sigsum_client::replica::{HttpReplica, Waited};
use sigsum_core::wire::log::GetLeaves;
use sigsum_core::{Leaf, LeafIndex, TreeSize};
use sigsum_service::shutdown::Shutdown;
use sigsum_store::StoreError;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Why nothing more was copied, this time or for good.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    /// The primary, or the way to it.
    #[error("asking the primary: {0}")]
    Primary(#[from] ApiError),
    /// The primary's tree, or its last head, is smaller than what is held.
    #[error("the primary is behind: {0}")]
    Behind(String),
    /// The disk, or we.
    #[error("storing leaves: {0}")]
    Store(#[from] StoreError),
    /// The primary's tree is not ours.
    #[error(transparent)]
    Contradiction(Box<Contradiction>),
    /// The node stops.
    #[error("stopping")]
    Stopping,
}

impl From<HoldError> for CopyError {
    fn from(error: HoldError) -> Self {
        match error {
            HoldError::Store(error) => Self::Store(error),
            HoldError::Contradiction(contradiction) => Self::Contradiction(contradiction),
        }
    }
}

/// Leaves, or none at the end of the primary's tree, and how long that took.
struct Fetched {
    leaves: Waited<Option<Vec<Leaf>>>,
    took: Duration,
}

/// The task.
pub(crate) struct Copier {
    pub(crate) primary: HttpReplica,
    pub(crate) held: Held,
    pub(crate) heads: HeadCheck,
    pub(crate) reporter: Arc<Reporter>,
    pub(crate) interval: Duration,
    pub(crate) shutdown: Shutdown,
}

impl Copier {
    /// Copies until the node stops, or the primary shows another tree.
    pub(crate) async fn run(self) {
        let mut pace = Pace::new(self.interval);
        let mut batch = Batch::default();
        let mut is_greeted = false;
        let mut ahead = None;
        while !self.shutdown.is_triggered() && self.reporter.contradiction().is_none() {
            let begun = Instant::now();
            let copied = self.copy(&mut is_greeted, &mut batch, &mut ahead).await;
            let (heard, took) = match copied {
                Ok((heard, took)) => {
                    self.reporter.copied(CopyCondition::Following);
                    (heard, took)
                }
                Err(CopyError::Stopping) => return,
                Err(error) => {
                    // Whoever answers next may be another process with another tree.
                    is_greeted = false;
                    ahead = None;
                    if let CopyError::Primary(ApiError::Transport(_)) = error {
                        batch.failed();
                    }
                    self.reporter.failed(&error);
                    (Heard::Failure, begun.elapsed())
                }
            };
            let pause = pace.pause(heard, took);
            tokio::select! {
                () = self.shutdown.triggered() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One step. What is asked for while leaves are being stored is left in `ahead`.
    async fn copy(
        &self,
        is_greeted: &mut bool,
        batch: &mut Batch,
        ahead: &mut Option<Fetched>,
    ) -> Result<(Heard, Duration), CopyError> {
        if !*is_greeted {
            self.greet().await?;
            *is_greeted = true;
        }
        let start = self.held.size();
        let Fetched { leaves: Waited { answer, waits }, took } = match ahead.take() {
            Some(fetched) => fetched,
            None => self.fetch(start, *batch).await?,
        };
        self.reporter.primary_waits(waits);
        let Some(leaves) = answer else { return Ok((Heard::Nothing { waits }, took)) };
        batch.succeeded();
        let count = leaves.len() as u64;
        let next = TreeSize(start.0.saturating_add(count));
        let (stored, following) = tokio::join!(self.store(leaves), self.fetch(next, *batch));
        stored?;
        self.reporter.stored(count, self.held.size());
        *ahead = Some(following?);
        Ok((Heard::News, took))
    }

    async fn fetch(&self, start: TreeSize, batch: Batch) -> Result<Fetched, CopyError> {
        let start = LeafIndex(start.0);
        let end = LeafIndex(start.0.saturating_add(batch.leaves()));
        let begun = Instant::now();
        let leaves = tokio::select! {
            () = self.shutdown.triggered() => return Err(CopyError::Stopping),
            leaves = self.primary.get_leaves(GetLeaves { start, end }, WAIT) => leaves,
        };
        let leaves = leaves.map_err(|error| match error {
            // What both log-go and ours say where their tree does not reach the start.
            ApiError::BadRequest(text) if text.starts_with("start_index(") => {
                CopyError::Behind(text)
            }
            error => CopyError::Primary(error),
        })?;
        Ok(Fetched { leaves, took: begun.elapsed() })
    }

    async fn store(&self, leaves: Vec<Leaf>) -> Result<(), CopyError> {
        let held = self.held.clone();
        match tokio::task::spawn_blocking(move || held.append(&leaves)).await {
            Ok(stored) => Ok(stored?),
            // The runtime is going down, and this task with it.
            Err(_) => Err(CopyError::Stopping),
        }
    }

    /// Before anything is taken from a process that was not spoken to before: its last head must not
    /// contradict what is held here, and the last leaf must be the same.
    async fn greet(&self) -> Result<(), CopyError> {
        self.heads.greet().await?;
        let Some((index, ours)) = self.held.last_leaf()? else { return Ok(()) };
        let end = LeafIndex(index.0.saturating_add(1));
        let request = GetLeaves { start: index, end };
        let got = tokio::select! {
            () = self.shutdown.triggered() => return Err(CopyError::Stopping),
            got = self.primary.get_leaves(request, Duration::ZERO) => got,
        };
        let behind = || CopyError::Behind(format!("it has no leaf with index {index}"));
        match got {
            Ok(Waited { answer: Some(theirs), .. }) if theirs.first() == Some(&ours) => Ok(()),
            Ok(Waited { answer: Some(_), .. }) => {
                Err(CopyError::Contradiction(Box::new(Contradiction::OtherLeaf(index))))
            }
            Ok(Waited { answer: None, .. }) => Err(behind()),
            Err(ApiError::BadRequest(text)) if text.starts_with("start_index(") => Err(behind()),
            Err(error) => Err(error.into()),
        }
    }
}
