//! Copying a log into a new directory: from a follower's internal endpoint, or from what any public
//! endpoint of the log still serves. The result is a follower's directory, to be promoted.
//!
//! The copy can be cut short at any moment and made again: it goes on behind the leaves that are
//! durable. Leaves are compared with the signed head as soon as the tree reaches it; until then the
//! directory is a follower's, which nothing signs from.

use sigsum_api::{ApiError, LogApi as _};
use sigsum_client::replica::HttpReplica;
use sigsum_client::{
    BaseUrl, HttpClient, HttpLog, HttpSettings, HttpSetupError, MAX_LEAVES_PER_REQUEST,
};
use sigsum_core::checkpoint::SignedCheckpoint;
use sigsum_core::wire::log::GetLeaves;
use sigsum_core::{Hash, Leaf, LeafIndex, PublicKey, SignedTreeHead, TreeHead, TreeSize};
use sigsum_store::TreeReader as _;
use sigsum_store::{HeadStore as _, LeafLog as _, Published, Role, Store, StoreError};
use std::sync::Arc;
use std::time::Duration;

/// Leaves that are taken into the tree at once: what is in the journal alone is read anew at each
/// start, so that a copy that is cut short often should not leave much there.
const INTEGRATE_LEAVES: u64 = 1 << 16;

/// Where leaves come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A follower's, or a primary's, internal endpoint: everything that is durable there.
    Internal(HttpReplica),
    /// A public endpoint: what was published.
    Public(HttpLog, HttpReplica),
}

/// What was copied.
#[derive(Debug)]
pub struct Copied {
    /// The source gives leaves that were not published, too.
    pub is_internal: bool,
    /// The signed head that all leaves up to its size were compared with.
    pub head: SignedTreeHead,
    /// Leaves in the directory; those behind the head rest on the source's word.
    pub held: TreeSize,
    /// How many of them were there before.
    pub resumed_from: TreeSize,
}

/// Why a directory holds no copy of the log yet.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The HTTP client.
    #[error(transparent)]
    Setup(#[from] HttpSetupError),
    /// The source: no signed head is to be had.
    #[error("{url} gives no signed tree head: {error}")]
    NoHead {
        /// The source.
        url: String,
        /// Its answer.
        error: ApiError,
    },
    /// The source: a head of another log, or forged.
    #[error("the tree head of {url} is not signed with this log's key")]
    OtherKey {
        /// The source.
        url: String,
    },
    /// The source: a request failed.
    #[error("leaves from {first} on: {error}")]
    Leaves {
        /// The first leaf that was asked for.
        first: LeafIndex,
        /// What went wrong.
        error: ApiError,
    },
    /// The source: fewer leaves than its head says.
    #[error("the source ends at {size} leaves, but its signed tree head has {head}")]
    TooFew {
        /// Leaves that it gave.
        size: TreeSize,
        /// Size of its head.
        head: TreeSize,
    },
    /// The source, or the directory: the leaves are not those of the head.
    #[error(
        "the leaves do not lead to the signed tree head of {} leaves: root hash {computed}, not {}; \
         the source is damaged or lies, or the directory was begun from another one",
        head.size, head.root_hash
    )]
    OtherTree {
        /// The head.
        head: TreeHead,
        /// What the leaves lead to.
        computed: Hash,
    },
    /// Configuration: the directory, or the log, is closed for good.
    #[error("this log is closed for good, and to restore a primary would open it again")]
    IsClosed,
    /// Configuration: the directory is a primary's.
    #[error("this directory is a primary's already")]
    IsPrimary,
    /// The source: a leaf comes twice, which no log has.
    #[error("the source gives leaf {0} a second time")]
    Twice(LeafIndex),
    /// The directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Us: a task ended.
    #[error("the copy was interrupted")]
    Interrupted,
}

impl Source {
    /// Finds out what answers there, and the last signed head that it knows.
    ///
    /// # Errors
    /// [`RestoreError::Setup`], [`RestoreError::NoHead`].
    pub async fn find(
        base: &BaseUrl,
        timeout: Duration,
    ) -> Result<(Self, SignedTreeHead), RestoreError> {
        let mut settings = HttpSettings::new("log");
        settings.request_timeout = timeout;
        let client = HttpClient::new(settings);
        let replica = HttpReplica::new(&client, base)?;
        let internal = replica.get_signed_tree_head(TreeSize(0), Duration::ZERO).await;
        if let Ok(head) = internal {
            return Ok((Self::Internal(replica), head.answer));
        }
        let public = HttpLog::new(&client, base)?;
        match public.get_tree_head().await {
            Ok(head) => Ok((Self::Public(public, replica), head.signed)),
            Err(error) => Err(RestoreError::NoHead { url: base.to_string(), error }),
        }
    }

    fn url(&self) -> String {
        match self {
            Self::Internal(replica) => replica.base().to_string(),
            Self::Public(log, _) => log.base().to_string(),
        }
    }

    /// Leaves from `first` on; none at the end.
    async fn leaves(&self, first: LeafIndex, head: TreeSize) -> Result<Vec<Leaf>, RestoreError> {
        let failed = |error| RestoreError::Leaves { first, error };
        match self {
            Self::Internal(replica) => {
                let end = LeafIndex(first.0.saturating_add(MAX_LEAVES_PER_REQUEST));
                let request = GetLeaves { start: first, end };
                let got = replica.get_leaves(request, Duration::ZERO).await.map_err(failed)?;
                Ok(got.answer.unwrap_or_default())
            }
            Self::Public(..) if first.0 >= head.0 => Ok(Vec::new()),
            Self::Public(log, _) => {
                let end = LeafIndex(head.0.min(first.0.saturating_add(MAX_LEAVES_PER_REQUEST)));
                log.get_leaves(GetLeaves { start: first, end }).await.map_err(failed)
            }
        }
    }

    /// What is published, as far as the source has all of it.
    async fn published(&self, log: &PublicKey) -> Option<Published> {
        let (Self::Internal(replica) | Self::Public(_, replica)) = self;
        let head = replica.get_tree_head().await.ok()?;
        let checkpoint = replica.get_checkpoint().await.ok()?;
        let noted = SignedCheckpoint::parse(&checkpoint).ok()?.to_sigsum(log).ok()?;
        let is_same = noted.tree_head == head.signed.tree_head && head.signed.verify(log);
        is_same.then_some(Published { head, checkpoint })
    }
}

/// Copies everything that the source has into the directory, which must be a follower's.
/// `progress` is told the number of leaves that are there now and then.
///
/// # Errors
/// [`RestoreError`]; where the leaves are not those of the head, the directory is of no use.
pub async fn copy(
    store: &Arc<Store>,
    log: &PublicKey,
    base: &BaseUrl,
    timeout: Duration,
    mut progress: impl FnMut(TreeSize),
) -> Result<Copied, RestoreError> {
    match store.role() {
        Role::Follower => {}
        Role::Frozen => return Err(RestoreError::IsClosed),
        Role::Primary => return Err(RestoreError::IsPrimary),
    }
    let (source, head) = Source::find(base, timeout).await?;
    if !head.verify(log) {
        return Err(RestoreError::OtherKey { url: source.url() });
    }
    let resumed_from = store.committed_size();
    let named = head.tree_head;
    let mut is_compared = false;
    loop {
        let held = store.committed_size();
        if held.0 >= named.size.0 && !is_compared {
            compare(store, named).await?;
            is_compared = true;
        }
        let leaves = source.leaves(LeafIndex(held.0), named.size).await?;
        if leaves.is_empty() {
            break;
        }
        commit(store, leaves).await?;
        let held = store.committed_size();
        if held.0 / INTEGRATE_LEAVES > store.integrated().size.0 / INTEGRATE_LEAVES {
            blocking(store, |store| store.integrate()).await?;
            progress(held);
        }
    }
    let held = store.committed_size();
    if held < named.size {
        return Err(RestoreError::TooFew { size: held, head: named.size });
    }
    blocking(store, |store| store.integrate()).await?;
    let before = store.load_head().map(|head| head.tree_head.size);
    if before.is_none_or(|before| before < named.size) {
        blocking(store, move |store| store.persist_head(&head)).await?;
    }
    if let Some(published) = source.published(log).await {
        publish(store, published).await?;
    }
    let is_internal = matches!(source, Source::Internal(_));
    Ok(Copied { is_internal, head, held, resumed_from })
}

/// Keeps the published head, where it is not before the one that is kept.
async fn publish(store: &Arc<Store>, published: Published) -> Result<(), RestoreError> {
    let size = published.head.signed.tree_head.size;
    let kept = store.load_published().map(|kept| kept.head.signed.tree_head.size);
    let signed = store.load_head().map(|head| head.tree_head.size);
    // A source that goes on may have published a later head meanwhile; that is another copy's.
    if kept.is_none_or(|kept| kept <= size) && signed.is_some_and(|signed| size <= signed) {
        blocking(store, move |store| store.persist_published(&published)).await?;
    }
    Ok(())
}

/// Whether the leaves are those of the head.
async fn compare(store: &Arc<Store>, head: TreeHead) -> Result<(), RestoreError> {
    blocking(store, |store| store.integrate()).await?;
    let computed = blocking(store, move |store| store.root_hash(head.size)).await?;
    if computed == head.root_hash {
        Ok(())
    } else {
        Err(RestoreError::OtherTree { head, computed })
    }
}

async fn commit(store: &Arc<Store>, leaves: Vec<Leaf>) -> Result<(), RestoreError> {
    let committed = blocking(store, move |store| store.commit(&leaves)).await?;
    match committed.iter().find(|leaf| !leaf.is_new) {
        Some(leaf) => Err(RestoreError::Twice(leaf.index)),
        None => Ok(()),
    }
}

/// Runs a call of the store beside the runtime's workers.
async fn blocking<T: Send + 'static>(
    store: &Arc<Store>,
    call: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, RestoreError> {
    let store = store.clone();
    let result = tokio::task::spawn_blocking(move || call(&store)).await;
    Ok(result.map_err(|_| RestoreError::Interrupted)??)
}
