//! The clients of a log that is killed again and again: they submit, look at heads, ask for
//! proofs, and remember everything.

use super::Violations;
use super::assault::Target;
use crate::http::{Connection, get, post};
use crate::random::Random;
use sigsum_core::leaf::leaf_signing_bytes;
use sigsum_core::merkle::InclusionClaim;
use sigsum_core::policy::Policy;
use sigsum_core::tree_head::sigsum_origin;
use sigsum_core::wire::log::{
    AddLeafRequest, GetInclusionProof, InclusionProof, endpoint, parse_tree_head,
};
use sigsum_core::{CosignedTreeHead, Hash, LeafIndex, Message, PublicKey, TreeHead};
use sigsum_keys::Ed25519Signer;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One in so many submissions is one that was made before.
const REPEATED: u64 = 10;
/// A client that was turned away comes back after this time, as does one that only looks.
const PAUSE: Duration = Duration::from_millis(1);

/// What clients have seen.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) log_key: PublicKey,
    policy: Policy,
    signer: Ed25519Signer,
    /// Number of the next leaf that nobody has submitted.
    next: AtomicU64,
    acknowledged: Mutex<Vec<Hash>>,
    heads: Mutex<Vec<TreeHead>>,
    indices: Mutex<HashMap<Hash, LeafIndex>>,
    /// Heads looked at, equal ones too.
    pub(crate) looks: AtomicU64,
    /// Inclusion proofs verified.
    pub(crate) proofs: AtomicU64,
    statuses: Mutex<BTreeMap<u16, u64>>,
    pub(crate) violations: Violations,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seen {
    /// Nothing yet.
    pub(crate) fn new(log_key: PublicKey, policy: Policy, signer: Ed25519Signer) -> Self {
        Self {
            log_key,
            policy,
            signer,
            next: AtomicU64::default(),
            acknowledged: Mutex::default(),
            heads: Mutex::default(),
            indices: Mutex::default(),
            looks: AtomicU64::default(),
            proofs: AtomicU64::default(),
            statuses: Mutex::default(),
            violations: Violations::default(),
        }
    }

    /// Leaves answered with 200.
    pub(crate) fn acknowledged(&self) -> Vec<Hash> {
        lock(&self.acknowledged).clone()
    }

    /// Distinct heads, in the order in which they were served.
    pub(crate) fn heads(&self) -> Vec<TreeHead> {
        lock(&self.heads).clone()
    }

    /// Where leaves were proven to be.
    pub(crate) fn indices(&self) -> HashMap<Hash, LeafIndex> {
        lock(&self.indices).clone()
    }

    /// Answers to add-leaf by status.
    pub(crate) fn statuses(&self) -> BTreeMap<u16, u64> {
        lock(&self.statuses).clone()
    }

    pub(crate) fn request(&self, number: u64) -> AddLeafRequest {
        let message = Message::of_data(&number.to_be_bytes());
        let signature = self.signer.sign_now(&leaf_signing_bytes(&message.checksum()));
        AddLeafRequest { message, signature, public_key: self.signer.public_key() }
    }

    fn submitted(&self, request: &AddLeafRequest, status: u16) {
        *lock(&self.statuses).entry(status).or_default() += 1;
        match status {
            200 => lock(&self.acknowledged).push(request.leaf().hash()),
            // Not yet, or not now.
            202 | 503 => {}
            _ => self.violations.add(format!("add-leaf answered {status} to a valid submission")),
        }
    }

    /// Judges a head by itself and by the one that came before.
    pub(crate) fn looked(&self, head: &CosignedTreeHead) {
        self.looks.fetch_add(1, Ordering::Relaxed);
        let TreeHead { size, root_hash } = head.signed.tree_head;
        let mut heads = lock(&self.heads);
        let last = heads.last().copied();
        if let Some(last) = last.filter(|last| last.size > size) {
            self.violations.add(format!("a head of size {size} came after one of {}", last.size));
        }
        if last.is_some_and(|last| last.size == size && last.root_hash != root_hash) {
            self.violations.add(format!("two heads of size {size}"));
        }
        if !head.signed.verify(&self.log_key) {
            self.violations.add(format!("the head of size {size} is not signed by the log"));
        }
        if !self.has_quorum(head) {
            self.violations.add(format!("the head of size {size} was served without a quorum"));
        }
        if last != Some(head.signed.tree_head) {
            heads.push(head.signed.tree_head);
        }
    }

    fn has_quorum(&self, head: &CosignedTreeHead) -> bool {
        let origin = sigsum_origin(&self.log_key.key_hash());
        let text = head.signed.tree_head.checkpoint_text(&origin);
        self.policy.quorum().is_satisfied(&|index| {
            let witness = self.policy.witnesses().get(index).and_then(|w| w.public_key());
            witness.is_some_and(|key| head.cosignatures().iter().any(|c| c.verify(key, &text)))
        })
    }

    fn proven(&self, leaf_hash: Hash, tree: TreeHead, proof: &InclusionProof) {
        let InclusionProof { leaf_index, path } = proof;
        let claim = InclusionClaim { leaf_hash, leaf_index: *leaf_index, tree, path };
        if claim.verify().is_err() {
            self.violations.add(format!("wrong inclusion proof in the tree of {}", tree.size));
        }
        let known = lock(&self.indices).insert(leaf_hash, *leaf_index);
        if let Some(known) = known.filter(|known| known != leaf_index) {
            self.violations.add(format!("leaf {known} moved to {leaf_index}"));
        }
        self.proofs.fetch_add(1, Ordering::Relaxed);
    }
}

/// Submits until the end of the load: new leaves, and now and then one that may be there already.
pub(crate) async fn submit(seen: Arc<Seen>, mut target: Target, mut random: Random) {
    while let Some(mut connection) = target.connect().await {
        while !target.is_stopped() {
            let number = match random.once_in(REPEATED) {
                true => random.below(seen.next.load(Ordering::Relaxed)),
                false => seen.next.fetch_add(1, Ordering::Relaxed),
            };
            let request = seen.request(number);
            let body = post(endpoint::ADD_LEAF, &request.to_body());
            // An answer that was cut off acknowledges nothing.
            let Ok(answer) = connection.exchange(&body).await else { break };
            let status = answer.status;
            seen.submitted(&request, status);
            if status != 200 {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Looks at the head until the end of the load.
pub(crate) async fn watch(seen: Arc<Seen>, mut target: Target) {
    while let Some(mut connection) = target.connect().await {
        while !target.is_stopped() {
            let Ok(answer) = connection.exchange(&get(endpoint::GET_TREE_HEAD)).await else {
                break;
            };
            match (answer.status, parse_tree_head(answer.body)) {
                (200, Ok(head)) => seen.looked(&head),
                (200, Err(error)) => seen.violations.add(format!("get-tree-head: {error}")),
                // There is none before the first quorum.
                _ if lock(&seen.heads).is_empty() => {}
                _ => {
                    let what = answer.describe();
                    seen.violations.add(format!("a published head was forgotten: {what}"));
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Asks where acknowledged leaves are until the end of the load.
pub(crate) async fn prove(seen: Arc<Seen>, mut target: Target, mut random: Random) {
    while let Some(mut connection) = target.connect().await {
        while !target.is_stopped() {
            if ask_for_proof(&seen, &mut connection, &mut random).await.is_none() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// None if the connection is gone.
async fn ask_for_proof(
    seen: &Seen,
    connection: &mut Connection,
    random: &mut Random,
) -> Option<()> {
    let (leaf_hash, tree) = {
        let (leaves, heads) = (lock(&seen.acknowledged), lock(&seen.heads));
        let (leaf, head) = (random.below(leaves.len() as u64), random.below(heads.len() as u64));
        let leaf = usize::try_from(leaf).ok().and_then(|leaf| leaves.get(leaf).copied());
        let head = usize::try_from(head).ok().and_then(|head| heads.get(head).copied());
        // The log serves no proof in a tree of one leaf.
        match (leaf, head.filter(|head| head.size.0 > 1)) {
            (Some(leaf), Some(head)) => (leaf, head),
            _ => return Some(()),
        }
    };
    let request = GetInclusionProof { size: tree.size, leaf_hash };
    let answer = connection.exchange(&get(&request.to_path())).await.ok()?;
    match (answer.status, InclusionProof::parse(answer.body)) {
        (200, Ok(proof)) => seen.proven(leaf_hash, tree, &proof),
        // Not in a tree of that size, or the log is starting.
        (404 | 503, _) => {}
        _ => {
            let what = answer.describe();
            seen.violations.add(format!("get-inclusion-proof in {}: {what}", tree.size));
        }
    }
    Some(())
}
