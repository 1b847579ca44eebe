//! The log as an implementation of [`LogApi`]: what the HTTP endpoints serve, and what a caller in
//! the same process may use without them.

use crate::engine::admission;
use crate::engine::followers::Replicated;
use crate::engine::intake::HashedLeaf;
use crate::engine::keys::{DEFAULT_KEYS, KeyCache};
use crate::engine::reads;
use crate::gate::{self, Gate};
use crate::guard::{self, GuardWatch};
use crate::reload::ServiceRules;
use crate::sequencer::{CommitError, NotTaken, Sequencer};
use crate::served::Served;
use crate::tokens::TokenRefusal;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use sigsum_api::{AddLeafStatus, ApiError, LogApi};
use sigsum_core::merkle::SizePair;
use sigsum_core::merkle::tile::Tile;
use sigsum_core::token::SubmitToken;
use sigsum_core::wire::log::{
    AddLeafRequest, ConsistencyProof, GetConsistencyProof, GetInclusionProof, GetLeaves,
    InclusionProof,
};
use sigsum_core::{CosignedTreeHead, Hash, Leaf, LeafIndex, TreeSize};
use sigsum_limits::Domain;
use sigsum_store::{LogStore, StoreError};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::Instant;

/// When to come back after an overload, a full disk, or an index that is being built.
const RETRY_AFTER_S: u64 = 1;
/// When to come back to a log that needs its operator.
const RETRY_AFTER_REPAIR_S: u64 = 60;

/// When to come back to a log that does not yet know whether it may go on.
const RETRY_AFTER_GUARD_S: u64 = 5;

/// What the submitter of a new leaf reads when the log takes none any more. The status is 403, which
/// every client takes for an answer that does not change, and goes to another log.
const CLOSED: &str = "this log is closed for good and takes no new leaf; what it has can be read";

/// The log's protocol over its store.
#[derive(Clone)]
pub(crate) struct LogService {
    store: Arc<dyn LogStore>,
    sequencer: Sequencer,
    served: Arc<Served>,
    keys: Arc<KeyCache>,
    rules: Arc<ArcSwap<ServiceRules>>,
    gates: Gates,
}

/// What a submission waits for besides its commit.
#[derive(Clone)]
pub(crate) struct Gates {
    /// After a start: that nobody knows a larger tree.
    pub(crate) guard: GuardWatch,
    /// Tokens and limits.
    pub(crate) gate: Gate,
    /// What enough followers hold; none where there are no followers.
    pub(crate) replicated: Option<watch::Receiver<Replicated>>,
    /// The log takes no new leaf any more, for good.
    pub(crate) is_frozen: bool,
}

impl LogService {
    pub(crate) fn new(
        store: Arc<dyn LogStore>,
        sequencer: Sequencer,
        served: Arc<Served>,
        rules: Arc<ArcSwap<ServiceRules>>,
        gates: Gates,
    ) -> Self {
        let keys = Arc::new(KeyCache::new(DEFAULT_KEYS));
        Self { store, sequencer, served, keys, rules, gates }
    }

    /// Tokens and limits.
    pub(crate) fn gate(&self) -> &Gate {
        &self.gates.gate
    }

    /// Waits a little for the start guard; it may be up still when this returns.
    pub(crate) async fn guard_heard(&self) {
        let _ = self.gates.guard.passes().await; // that it is known is what counts
    }

    /// The head that is served.
    pub(crate) fn served(&self) -> &Served {
        &self.served
    }

    /// A tile or entry bundle of the published tree; `None` where that has no such tile.
    pub(crate) fn tile(&self, tile: &Tile) -> Result<Option<Vec<u8>>, ApiError> {
        if !is_published(tile, self.served.size()) {
            return Ok(None);
        }
        self.store.tile(tile).map_err(read_error)
    }

    /// Whether a client could take the head that is served for one of this leaf alone: it has one
    /// leaf, and this is another one. A tree of one leaf has no inclusion proof to ask for, so that
    /// sigsum-submit compares the leaf with the root as soon as add-leaf is 200, and ends where
    /// they differ. A head of no leaves may be followed by such a head at any moment.
    fn may_be_mistaken(&self, leaf_hash: &Hash) -> bool {
        let is_later = |index: Option<LeafIndex>| index.is_some_and(|index| index.0 > 0);
        self.served.size() <= TreeSize(1) && self.store.index_of(leaf_hash).is_ok_and(is_later)
    }

    /// The domain of a valid token. A leaf that is known needs none where DNS does not answer: its
    /// submitter only asks what became of it.
    async fn domain(
        &self,
        leaf: &HashedLeaf,
        token: Option<&SubmitToken>,
    ) -> Result<Option<Domain>, ApiError> {
        let Some(token) = token else { return Ok(None) };
        match self.gates.gate.tokens.check(token).await {
            Ok(domain) => Ok(Some(domain)),
            Err(TokenRefusal::Unavailable { .. })
                if self.store.contains(&leaf.hash).is_ok_and(|known| known) =>
            {
                Ok(None)
            }
            Err(refusal) => Err(gate::token_error(&refusal)),
        }
    }

    async fn commit(
        &self,
        leaf: HashedLeaf,
        token: Option<&SubmitToken>,
    ) -> Result<AddLeafStatus, ApiError> {
        // Before all else: the directory of a primary that was replaced may know leaves that the
        // log does not have.
        if !self.gates.guard.passes().await {
            return Err(unavailable(RETRY_AFTER_GUARD_S, guard::WAITING.into()));
        }
        let domain = self.domain(&leaf, token).await?;
        let deadline = Instant::now() + self.rules.load().commit_timeout;
        let hash = leaf.hash;
        // The answer for a leaf that is known costs neither quota, nor a place in the queue, nor a
        // sync.
        if !self.store.contains(&hash).map_err(write_error)? {
            if self.gates.is_frozen {
                return Err(ApiError::Forbidden(CLOSED.into()));
            }
            let taken = self.take(leaf, token, domain.as_ref());
            match tokio::time::timeout_at(deadline, taken).await {
                Ok(taken) => taken?,
                // Queued, but not durable: what 202 is for.
                Err(_) => return Ok(AddLeafStatus::Accepted),
            }
        }
        match &self.gates.replicated {
            None => Ok(AddLeafStatus::Committed),
            Some(replicated) => self.followers_have(&hash, replicated.clone(), deadline).await,
        }
    }

    /// Makes a leaf durable that was not known, within its submitter's limits.
    async fn take(
        &self,
        leaf: HashedLeaf,
        token: Option<&SubmitToken>,
        domain: Option<&Domain>,
    ) -> Result<(), ApiError> {
        let Gate { limits, tokens } = &self.gates.gate;
        let key = leaf.leaf.key_hash;
        match self.sequencer.commit_admitted(leaf, || limits.admit(&key, domain)).await {
            Ok(()) => {
                if let Some(token) = token {
                    tokens.accepted(token);
                }
                Ok(())
            }
            // Another request may have brought it since it was looked for.
            Err(NotTaken::Refused(_)) if self.store.contains(&leaf.hash).is_ok_and(|it| it) => {
                Ok(())
            }
            Err(NotTaken::Refused(refused)) => Err(gate::limit_error(&refused, &key, token)),
            Err(NotTaken::Failed(CommitError::Store(error))) => Err(store_failure(&error)),
            Err(NotTaken::Failed(error)) => Err(unavailable(RETRY_AFTER_S, error.to_string())),
        }
    }

    /// The answer for a leaf that is durable here: 200 once enough followers hold it too. They are
    /// waited for only while enough of them follow at once, as our own do; to a client that waits
    /// for one that is asked every ten seconds, 202 now is better than 200 then.
    async fn followers_have(
        &self,
        hash: &Hash,
        mut replicated: watch::Receiver<Replicated>,
        deadline: Instant,
    ) -> Result<AddLeafStatus, ApiError> {
        let index = self.store.index_of(hash).map_err(write_error)?;
        let index = index.ok_or_else(|| ApiError::Internal("a committed leaf is gone".into()))?;
        // No follower is heard any more, and what is published is all there will ever be.
        if self.gates.is_frozen && index.0 < self.served.size().0 {
            return Ok(AddLeafStatus::Committed);
        }
        loop {
            let now = *replicated.borrow_and_update();
            if index.0 < now.size.0 {
                return Ok(AddLeafStatus::Committed);
            }
            let changed = tokio::time::timeout_at(deadline, replicated.changed());
            if !now.is_prompt || !matches!(changed.await, Ok(Ok(()))) {
                return Ok(AddLeafStatus::Accepted);
            }
        }
    }
}

/// Whether a tree of this size has the tile, in this width or a larger one.
fn is_published(tile: &Tile, size: TreeSize) -> bool {
    let there = Tile::within(tile.level(), tile.index(), size);
    there.is_some_and(|there| tile.width() <= there.width())
}

fn unavailable(after_s: u64, detail: String) -> ApiError {
    ApiError::Unavailable { retry_after_s: Some(after_s), detail }
}

fn write_error(error: StoreError) -> ApiError {
    store_failure(&error)
}

/// A write that failed. The submitter may go to another log, or come back.
fn store_failure(error: &StoreError) -> ApiError {
    if error.is_retryable() {
        return unavailable(RETRY_AFTER_S, error.to_string());
    }
    match error {
        StoreError::File(_) | StoreError::Earlier(_) | StoreError::Closed => {
            unavailable(RETRY_AFTER_REPAIR_S, error.to_string())
        }
        _ => ApiError::Internal(error.to_string()),
    }
}

/// A read of what the request's checks found to be there.
fn read_error(error: StoreError) -> ApiError {
    match error {
        StoreError::IndexBuilding => unavailable(RETRY_AFTER_S, error.to_string()),
        error => ApiError::Internal(error.to_string()),
    }
}

#[async_trait]
impl LogApi for LogService {
    async fn add_leaf(
        &self,
        request: &AddLeafRequest,
        token: Option<&SubmitToken>,
    ) -> Result<AddLeafStatus, ApiError> {
        let leaf = admission::check(request, &self.keys)?;
        let leaf_hash = leaf.hash;
        let status = self.commit(leaf, token).await?;
        match self.may_be_mistaken(&leaf_hash) {
            true => Ok(AddLeafStatus::Accepted),
            false => Ok(status),
        }
    }

    async fn get_tree_head(&self) -> Result<CosignedTreeHead, ApiError> {
        let head = self.served.head().ok_or_else(no_head)?;
        Ok(head.cosigned.clone())
    }

    async fn get_inclusion_proof(
        &self,
        request: GetInclusionProof,
    ) -> Result<InclusionProof, ApiError> {
        reads::check_inclusion(&request, self.served.size())?;
        let index = self.store.index_of(&request.leaf_hash).map_err(read_error)?;
        let leaf_index = index
            .filter(|index| index.0 < request.size.0)
            .ok_or_else(|| ApiError::NotFound("Not Found".into()))?;
        let path = self.store.inclusion_proof(leaf_index, request.size).map_err(read_error)?;
        Ok(InclusionProof { leaf_index, path })
    }

    async fn get_consistency_proof(
        &self,
        request: GetConsistencyProof,
    ) -> Result<ConsistencyProof, ApiError> {
        reads::check_consistency(&request, self.served.size())?;
        let sizes = SizePair { old: request.old_size, new: request.new_size };
        let path = self.store.consistency_proof(sizes).map_err(read_error)?;
        Ok(ConsistencyProof { path })
    }

    async fn get_leaves(&self, request: GetLeaves) -> Result<Vec<Leaf>, ApiError> {
        let end = reads::leaves_end(&request, self.served.size(), self.rules.load().max_range)?;
        self.store.leaves(request.start, end).map_err(read_error)
    }
}

/// The answer before the first head has its quorum.
pub(crate) fn no_head() -> ApiError {
    unavailable(RETRY_AFTER_S, "no tree head has a quorum of cosignatures yet".into())
}
