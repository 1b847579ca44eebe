//! Compares what is held with the heads that the log signs, and keeps them for a promotion.

use super::copy::CopyError;
use super::held::Held;
use super::report::Reporter;
use crate::engine::follow::{Contradiction, HeadStep, step};
use crate::engine::pace::{Heard, Pace, WAIT};
use sigsum_api::ApiError;
use sigsum_client::replica::{HttpReplica, Waited};
use sigsum_core::checkpoint::SignedCheckpoint;
use sigsum_core::{CosignedTreeHead, PublicKey, SignedTreeHead, TreeSize};
use sigsum_service::shutdown::Shutdown;
use sigsum_store::{HeadStore as _, Published, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Shortest time between two heads that are compared and stored. Each takes the leaves into tiles,
/// which a follower that is about to take over need not have done for every one of ten a second.
const HEAD_PACE: Duration = Duration::from_secs(1);

/// Where heads come from, and what they are compared with. Clones are the same.
#[derive(Clone)]
pub(crate) struct HeadCheck {
    pub(crate) primary: HttpReplica,
    /// The public endpoint of a log-go primary, whose internal one shows no heads.
    pub(crate) external: Option<HttpReplica>,
    pub(crate) log: PublicKey,
    pub(crate) held: Held,
    pub(crate) reporter: Arc<Reporter>,
    /// Size of the last head that was verified and stored.
    pub(crate) verified: Arc<watch::Sender<TreeSize>>,
    pub(crate) interval: Duration,
    pub(crate) shutdown: Shutdown,
    /// Held while a head is looked at: both tasks do that, and heads go one way.
    pub(crate) looking: Arc<tokio::sync::Mutex<()>>,
}

/// A head, and where it is from.
struct Shown {
    head: SignedTreeHead,
    /// With its cosignatures, where it is a published one.
    published: Option<CosignedTreeHead>,
    waits: bool,
}

impl HeadCheck {
    /// Compares heads until the node stops, or one contradicts what is held.
    pub(crate) async fn run(self) {
        let mut pace = Pace::new(self.interval);
        while !self.shutdown.is_triggered() && self.reporter.contradiction().is_none() {
            let begun = Instant::now();
            let mut pause = match self.check().await {
                Ok(heard) => pace.pause(heard, begun.elapsed()),
                Err(CopyError::Stopping) => return,
                Err(error) => {
                    self.reporter.head_failed(&error);
                    pace.pause(Heard::Failure, begun.elapsed())
                }
            };
            pause = pause.max(HEAD_PACE.saturating_sub(begun.elapsed()));
            tokio::select! {
                () = self.shutdown.triggered() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Stops waiting for another node, or for time, when this node stops. What the store does is
    /// always waited for, so that the directory is free when the task has ended.
    async fn unless_stopping<T>(&self, waiting: impl Future<Output = T>) -> Result<T, CopyError> {
        tokio::select! {
            () = self.shutdown.triggered() => Err(CopyError::Stopping),
            waited = waiting => Ok(waited),
        }
    }

    fn last(&self) -> Option<SignedTreeHead> {
        self.held.store.load_head()
    }

    /// One head, once there is a new one.
    async fn check(&self) -> Result<Heard, CopyError> {
        let next = self.last().map_or(0, |last| last.tree_head.size.0.saturating_add(1));
        let Some(shown) = self.unless_stopping(self.ask(TreeSize(next), WAIT)).await?? else {
            return Ok(Heard::Nothing { waits: false });
        };
        let nothing = Heard::Nothing { waits: shown.waits };
        let mut found = self.look_at(&shown).await?;
        if found == HeadStep::Beyond {
            let size = shown.head.tree_head.size;
            let mut sizes = self.held.sizes();
            // Where copying takes longer, the next head will do.
            let reached = sizes.wait_for(|held| *held >= size);
            let reached = tokio::time::timeout(self.interval, reached);
            let _ = self.unless_stopping(reached).await?;
            found = self.look_at(&shown).await?;
        }
        match found {
            HeadStep::Compare => self.reporter.head_verified(shown.head.tree_head.size),
            HeadStep::Known => {}
            HeadStep::NotSigned => return Err(not_signed()),
            // The copying task asks too, and says so.
            HeadStep::Behind | HeadStep::Beyond | HeadStep::Contradicts(_) => return Ok(nothing),
        }
        self.keep_published(shown.published).await?;
        Ok(if found == HeadStep::Known { nothing } else { Heard::News })
    }

    /// Before anything is copied from a process that was not spoken to before.
    pub(crate) async fn greet(&self) -> Result<(), CopyError> {
        let mut behind = None;
        // Twice, as the other task may have looked at a newer head meanwhile.
        for _ in 0..2 {
            let shown = self.unless_stopping(self.ask(TreeSize(0), Duration::ZERO)).await??;
            // A primary that shows no head yet, or none at all, has nothing that could contradict.
            let Some(shown) = shown else { return Ok(()) };
            match self.look_at(&shown).await? {
                // A public endpoint may be behind by its nature.
                HeadStep::Behind if shown.published.is_none() => {
                    behind = Some(shown.head.tree_head.size);
                }
                HeadStep::NotSigned => return Err(not_signed()),
                _ => return Ok(()),
            }
        }
        let size = behind.unwrap_or_default();
        Err(CopyError::Behind(format!("its last tree head has size {size}")))
    }

    /// The primary's last head; none where it shows none.
    async fn ask(&self, min_size: TreeSize, wait: Duration) -> Result<Option<Shown>, CopyError> {
        match self.primary.get_signed_tree_head(min_size, wait).await {
            Ok(Waited { answer: head, waits }) => {
                return Ok(Some(Shown { head, published: None, waits }));
            }
            Err(ApiError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let Some(external) = &self.external else {
            self.reporter.no_head_shown();
            return Ok(None);
        };
        match external.get_tree_head().await {
            Ok(published) => {
                let head = published.signed;
                Ok(Some(Shown { head, published: Some(published), waits: false }))
            }
            Err(ApiError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Compares a head with what is held, and stores it where it is new and right.
    async fn look_at(&self, shown: &Shown) -> Result<HeadStep, CopyError> {
        let _looking = self.looking.lock().await;
        let head = shown.head;
        let found = step(&head, &self.log, self.last().as_ref(), self.held.size());
        match found {
            HeadStep::Compare => self.compare(head).await?,
            HeadStep::Contradicts(contradiction) => return Err(self.contradicts(contradiction)),
            _ => {}
        }
        Ok(found)
    }

    fn contradicts(&self, contradiction: Contradiction) -> CopyError {
        self.reporter.contradicted(contradiction);
        CopyError::Contradiction(Box::new(contradiction))
    }

    async fn compare(&self, head: SignedTreeHead) -> Result<(), CopyError> {
        let held = self.held.clone();
        let ours = blocking(move || {
            let ours = held.root_hash(head.tree_head.size)?;
            if ours == head.tree_head.root_hash {
                held.store.persist_head(&head)?;
            }
            Ok(ours)
        });
        match ours.await? {
            ours if ours == head.tree_head.root_hash => {
                self.verified.send_replace(head.tree_head.size);
                Ok(())
            }
            ours => Err(self.contradicts(Contradiction::OtherTree { head, ours })),
        }
    }

    /// Keeps what the log serves, cosignatures and all, as far as it has been verified here.
    async fn keep_published(&self, given: Option<CosignedTreeHead>) -> Result<(), CopyError> {
        let published = match given {
            // log-go has no checkpoint to show; its log's own signature makes one.
            Some(head) => {
                let note = SignedCheckpoint::from_sigsum(&head.signed, &self.log);
                Published { checkpoint: note.to_bytes(), head }
            }
            None => match self.unless_stopping(self.fetch_published()).await?? {
                Some(published) => published,
                None => return Ok(()),
            },
        };
        let size = published.head.signed.tree_head.size;
        let is_new = self.held.store.load_published().is_none_or(|last| {
            let last_size = last.head.signed.tree_head.size;
            last_size < size || (last_size == size && *last != published)
        });
        let is_verified = self.last().is_some_and(|last| size <= last.tree_head.size);
        if !is_new || !is_verified {
            return Ok(());
        }
        let held = self.held.clone();
        blocking(move || held.store.persist_published(&published)).await
    }

    async fn fetch_published(&self) -> Result<Option<Published>, CopyError> {
        let head = match self.primary.get_tree_head().await {
            Ok(head) => head,
            Err(ApiError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let checkpoint = self.primary.get_checkpoint().await?;
        let is_same = SignedCheckpoint::parse(&checkpoint)
            .is_ok_and(|note| note.checkpoint.tree_head == head.signed.tree_head);
        // Between the two questions another head may have been published; the next time then.
        Ok(is_same.then_some(Published { head, checkpoint }))
    }
}

fn not_signed() -> CopyError {
    let detail = "the tree head is not signed with this log's key".to_owned();
    ApiError::Peer { status: 200, detail }.into()
}

async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, CopyError> {
    match tokio::task::spawn_blocking(call).await {
        Ok(result) => Ok(result?),
        // The runtime is going down, and this task with it.
        Err(_) => Err(CopyError::Stopping),
    }
}
