//! One log during one batch: what it said last, its tree heads, and the requests to it.

use super::admission::{Admission, Refusal};
use super::heads::Heads;
use super::tail::Tail;
use super::{LogTarget, SubmitSettings};
use sigsum_api::{AddLeafStatus, ApiError};
use sigsum_core::policy::{Policy, QuorumReport};
use sigsum_core::tree_head::sigsum_origin;
use sigsum_core::wire::log::{AddLeafRequest, GetInclusionProof, GetLeaves, InclusionProof};
use sigsum_core::{CosignedTreeHead, Hash, KeyHash, Leaf, LeafIndex, TreeSize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// How many requests may be under way, over all logs. Proofs do not queue behind submissions, or
/// the first leaf of a large batch would be proven after the last was submitted.
#[derive(Clone)]
pub(super) struct Permits {
    add_leaf: Arc<Semaphore>,
    proof: Arc<Semaphore>,
}

impl Permits {
    pub(super) fn new(each: usize) -> Self {
        let semaphore = || Arc::new(Semaphore::new(each.max(1)));
        Self { add_leaf: semaphore(), proof: semaphore() }
    }
}

/// From this many leaves on, a batch reads the tail of the tree instead of asking for every proof:
/// below, the few proofs are the smaller load.
const FEWEST_LEAVES_FOR_TAIL: usize = 8;
/// The tail is read while it has at most this many leaves for each one of the batch: an inclusion
/// proof in a tree of a million leaves has 1.5 KB, a leaf 0.26 KB.
const MOST_TAIL_PER_LEAF: u64 = 6;

/// What is known of the tail of the newest tree.
enum KnownTail {
    /// Not read yet.
    None,
    /// It cannot be had at this size, so that proofs are asked for.
    Failed(TreeSize),
    /// The tail.
    Read(Box<Tail>),
}

impl KnownTail {
    fn size(&self) -> Option<TreeSize> {
        match self {
            Self::None => None,
            Self::Failed(size) => Some(*size),
            Self::Read(tail) => Some(tail.size()),
        }
    }
}

/// One log during one batch.
pub(super) struct Session {
    pub(super) target: LogTarget,
    pub(super) heads: Heads,
    key_hash: KeyHash,
    policy: Arc<Policy>,
    request_timeout: Duration,
    permits: Permits,
    admission: Mutex<Admission>,
    miss: Mutex<Option<Miss>>,
    /// Leaves in the batch.
    batch: usize,
    /// Held while the tail is read, so that it is read once for all leaves that wait.
    tail: tokio::sync::Mutex<KnownTail>,
}

/// A leaf that a tree turned out not to include. Then it does not include what was submitted after
/// the log had answered for that leaf either, unless the log sorts leaves otherwise, or has known
/// them before.
#[derive(Debug, Clone, Copy)]
struct Miss {
    size: TreeSize,
    /// The earliest of that tree.
    answered: Instant,
}

/// A leaf that the log took.
pub(super) struct Taken {
    pub(super) status: AddLeafStatus,
    /// The largest tree head known when the leaf was sent; one that is not larger can only include
    /// the leaf if it was logged before. If none was known then, the first one.
    pub(super) size_before: Option<TreeSize>,
    /// When the leaf was sent.
    pub(super) sent: Instant,
    /// When the log answered.
    pub(super) answered: Instant,
}

/// Whether a tree includes a leaf.
pub(super) enum Inclusion {
    Proof(InclusionProof),
    NotIncluded,
    /// Not asked for, as it probably does not.
    Unlikely,
}

impl Session {
    pub(super) fn new(
        target: LogTarget,
        policy: Arc<Policy>,
        settings: &SubmitSettings,
        permits: Permits,
        batch: usize,
    ) -> Self {
        Self {
            key_hash: target.key.key_hash(),
            target,
            heads: Heads::new(),
            policy,
            request_timeout: settings.request_timeout,
            permits,
            admission: Mutex::default(),
            miss: Mutex::default(),
            batch,
            tail: tokio::sync::Mutex::new(KnownTail::None),
        }
    }

    pub(super) fn url(&self) -> Arc<str> {
        Arc::clone(&self.target.url)
    }

    pub(super) fn log_key_hash(&self) -> KeyHash {
        self.key_hash
    }

    fn admission(&self) -> MutexGuard<'_, Admission> {
        // Each change is one assignment, so a panic elsewhere leaves nothing half done.
        self.admission.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a leaf, unless the log's last answer speaks against it.
    pub(super) async fn add_leaf(&self, request: &AddLeafRequest) -> Result<Taken, Refusal> {
        self.admission().check(Instant::now())?;
        // The semaphore is never closed.
        let _permit = self.permits.add_leaf.acquire().await.ok();
        // Again, since it may have taken long to get here.
        self.admission().check(Instant::now())?;
        let (size_before, sent) = (self.heads.largest(), Instant::now());
        let answer = self.limited(self.target.api.add_leaf(request, self.target.token.as_ref()));
        match answer.await {
            Ok(status) => {
                let answered = Instant::now();
                self.admission().succeeded(answered);
                let size_before = size_before.or_else(|| self.heads.largest());
                Ok(Taken { status, size_before, sent, answered })
            }
            Err(error) => Err(self.admission().failed(error, Instant::now())),
        }
    }

    /// Asks for an inclusion proof; with `is_last_resort` also where there is little hope.
    pub(super) async fn inclusion_proof(
        &self,
        request: GetInclusionProof,
        taken: &Taken,
        is_last_resort: bool,
    ) -> Result<Inclusion, ApiError> {
        if !is_last_resort && let Some(found) = self.find_in_tail(request).await {
            return Ok(found);
        }
        let _permit = self.permits.proof.acquire().await.ok();
        if !is_last_resort && self.is_unlikely(request.size, taken) {
            return Ok(Inclusion::Unlikely);
        }
        match self.limited(self.target.api.get_inclusion_proof(request)).await {
            Ok(proof) => Ok(Inclusion::Proof(proof)),
            Err(ApiError::NotFound(_)) => {
                self.missed(request.size, taken);
                Ok(Inclusion::NotIncluded)
            }
            Err(error) => Err(error),
        }
    }

    /// Looks a leaf up in the tail of the tree of a large batch; `None` where there is no tail to
    /// look in.
    async fn find_in_tail(&self, request: GetInclusionProof) -> Option<Inclusion> {
        let start = self.heads.first()?;
        let grown = request.size.0.checked_sub(start.0).filter(|grown| *grown > 0)?;
        let batch = u64::try_from(self.batch).ok()?;
        if self.batch < FEWEST_LEAVES_FOR_TAIL || grown > batch.saturating_mul(MOST_TAIL_PER_LEAF) {
            return None;
        }
        let mut known = self.tail.lock().await;
        if known.size() < Some(request.size) {
            *known = match self.read_tail(LeafIndex(start.0), request.size).await {
                Some(tail) => KnownTail::Read(Box::new(tail)),
                None => KnownTail::Failed(request.size),
            };
        }
        match &*known {
            KnownTail::Read(tail) if tail.size() == request.size => {
                // A leaf that is not in it was not added since the batch began.
                let proof = tail.proof(&request.leaf_hash);
                Some(proof.map_or(Inclusion::Unlikely, Inclusion::Proof))
            }
            _ => None,
        }
    }

    /// Reads the leaves from an index to the end of a tree, and the path of the first.
    async fn read_tail(&self, start: LeafIndex, size: TreeSize) -> Option<Tail> {
        let api = &self.target.api;
        let mut hashes: Vec<Hash> = Vec::new();
        let mut next = start.0;
        while next < size.0 {
            let range = GetLeaves { start: LeafIndex(next), end: LeafIndex(size.0) };
            let leaves = self.limited(api.get_leaves(range)).await.ok()?;
            hashes.extend(leaves.iter().map(Leaf::hash));
            next = next.checked_add(u64::try_from(leaves.len()).ok().filter(|n| *n > 0)?)?;
        }
        let first_path = match (start.0, hashes.first()) {
            (0, _) => Vec::new(),
            (_, Some(leaf_hash)) => {
                let request = GetInclusionProof { size, leaf_hash: *leaf_hash };
                self.limited(api.get_inclusion_proof(request)).await.ok()?.path
            }
            (_, None) => return None,
        };
        Tail::new(size, start, hashes, &first_path)
    }

    fn miss(&self) -> MutexGuard<'_, Option<Miss>> {
        self.miss.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_unlikely(&self, size: TreeSize, taken: &Taken) -> bool {
        self.miss().is_some_and(|miss| miss.size == size && miss.answered <= taken.sent)
    }

    fn missed(&self, size: TreeSize, taken: &Taken) {
        let mut miss = self.miss();
        let known = (*miss).filter(|miss| miss.size >= size);
        let answered = match known {
            Some(known) if known.size > size => return,
            Some(known) => known.answered.min(taken.answered),
            None => taken.answered,
        };
        *miss = Some(Miss { size, answered });
    }

    pub(super) async fn tree_head(&self) -> Result<CosignedTreeHead, ApiError> {
        self.limited(self.target.api.get_tree_head()).await
    }

    async fn limited<T>(
        &self,
        answer: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        tokio::time::timeout(self.request_timeout, answer).await.unwrap_or_else(|_| {
            let seconds = self.request_timeout.as_secs_f64();
            Err(ApiError::Transport(format!("no answer within {seconds} s")))
        })
    }

    /// Whether the log signed the head, and which of the policy's witnesses cosigned it; `None`
    /// without the log's signature.
    pub(super) fn check_head(&self, head: &CosignedTreeHead) -> Option<QuorumReport> {
        if !head.signed.verify(&self.target.key) {
            return None;
        }
        let text = head.signed.tree_head.checkpoint_text(&sigsum_origin(&self.key_hash));
        let has_cosigned = |key: &_| head.cosignatures().iter().any(|c| c.verify(key, &text));
        let witnesses = self.policy.witnesses().iter();
        let valid: Vec<bool> =
            witnesses.map(|w| w.public_key().is_some_and(&has_cosigned)).collect();
        let has = |index: usize| valid.get(index).copied().unwrap_or(false);
        Some(self.policy.quorum().evaluate(&has))
    }
}
