//! A log in memory that follows a script; its trees, signatures and proofs are real.

use async_trait::async_trait;
use sigsum_api::{AddLeafStatus, ApiError, LogApi};
use sigsum_core::merkle::{CompactRange, hash_children};
use sigsum_core::token::SubmitToken;
use sigsum_core::tree_head::{Cosignature, sigsum_origin};
use sigsum_core::wire::log::{
    AddLeafRequest, ConsistencyProof, GetConsistencyProof, GetInclusionProof, GetLeaves,
    InclusionProof,
};
use sigsum_core::{
    CosignedTreeHead, Hash, Leaf, LeafIndex, PublicKey, SignedTreeHead, TreeHead, TreeSize,
};
use sigsum_keys::{Ed25519Signer, SigningSeed};
use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

pub(super) fn signer(byte: u8) -> Ed25519Signer {
    Ed25519Signer::from_seed(&SigningSeed::from_bytes([byte; 32]))
}

/// What the log does; times count from its making.
#[derive(Debug, Clone)]
pub(super) struct Script {
    /// Time from a submission to 200.
    pub(super) commit: Duration,
    /// Time from a submission to a tree head that includes it.
    pub(super) publish: Duration,
    /// Time between tree heads; with zero, every leaf has its own time.
    pub(super) interval: Duration,
    /// From when on tree heads have cosignatures.
    pub(super) cosign_from: Duration,
    /// When the log stops answering.
    pub(super) dies_at: Option<Duration>,
    /// Time that a request for a leaf takes.
    pub(super) add_leaf_takes: Duration,
    /// Time that a request for an inclusion proof takes.
    pub(super) inclusion_takes: Duration,
    /// What the next submissions are answered with, before anything else.
    pub(super) add_leaf_errors: VecDeque<ApiError>,
    /// What the next requests for tree heads are answered with, before anything else.
    pub(super) tree_head_errors: VecDeque<ApiError>,
    /// What the next requests for inclusion proofs are answered with, before anything else.
    pub(super) inclusion_errors: VecDeque<ApiError>,
    /// Whether tree heads are signed with another key.
    pub(super) signs_wrongly: bool,
    /// Whether proofs have a wrong node.
    pub(super) proves_wrongly: bool,
    /// A leaf whose submission is always refused.
    pub(super) refuses: Option<Hash>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            commit: Duration::ZERO,
            publish: Duration::from_millis(60),
            interval: Duration::ZERO,
            cosign_from: Duration::ZERO,
            dies_at: None,
            add_leaf_takes: Duration::from_millis(1),
            inclusion_takes: Duration::from_millis(1),
            add_leaf_errors: VecDeque::new(),
            tree_head_errors: VecDeque::new(),
            inclusion_errors: VecDeque::new(),
            signs_wrongly: false,
            proves_wrongly: false,
            refuses: None,
        }
    }
}

/// How often the log was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Calls {
    pub(super) add_leaf: usize,
    pub(super) get_tree_head: usize,
    pub(super) get_inclusion_proof: usize,
    pub(super) get_leaves: usize,
    pub(super) most_at_once: usize,
}

struct State {
    script: Script,
    leaves: Vec<(Hash, Instant)>,
    /// What was submitted, by its hash; the leaves from before the test have no more than that.
    bodies: HashMap<Hash, Leaf>,
    calls: Calls,
    at_once: usize,
}

pub(super) struct FakeLog {
    signer: Ed25519Signer,
    witness: Ed25519Signer,
    made: Instant,
    state: Mutex<State>,
}

impl FakeLog {
    /// A log with a key of its own, cosigned by witness 100, which starts with this many leaves.
    pub(super) fn new(key: u8, leaves: u8, script: Script) -> Self {
        let now = Instant::now();
        let old = now.checked_sub(script.publish + script.interval).unwrap();
        let leaves = (0..leaves).map(|n| (Hash::new([n; 32]), old)).collect();
        let (bodies, calls) = (HashMap::new(), Calls::default());
        let state = State { script, leaves, bodies, calls, at_once: 0 };
        Self { signer: signer(key), witness: signer(100), made: now, state: Mutex::new(state) }
    }

    pub(super) fn key(&self) -> PublicKey {
        self.signer.public_key()
    }

    pub(super) fn calls(&self) -> Calls {
        self.state.lock().unwrap().calls
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.state.lock().unwrap().script);
    }

    fn is_dead(&self, script: &Script) -> Result<(), ApiError> {
        match script.dies_at {
            Some(at) if self.made.elapsed() >= at => {
                Err(ApiError::Transport("connection refused".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// The hashes of the leaves in the current tree head.
    fn published(&self, state: &State) -> Vec<Hash> {
        let interval_ms = state.script.interval.as_millis();
        let since_head_ms = self.made.elapsed().as_millis().checked_rem(interval_ms).unwrap_or(0);
        let since_head = Duration::from_millis(u64::try_from(since_head_ms).unwrap());
        let is_published = |at: &Instant| at.elapsed() >= state.script.publish + since_head;
        state.leaves.iter().filter(|(_, at)| is_published(at)).map(|(hash, _)| *hash).collect()
    }
}

fn tree_of(leaves: &[Hash]) -> TreeHead {
    let mut range = CompactRange::new();
    leaves.iter().for_each(|leaf| range.append(*leaf));
    range.tree_head()
}

/// The inclusion path straight from RFC 6962 section 2.1.1.
fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let split = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(split);
    let (mut path, sibling) =
        if index < split { (path(index, left), right) } else { (path(index - split, right), left) };
    path.push(root(sibling));
    path
}

fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::empty_tree(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            hash_children(&root(left), &root(right))
        }
    }
}

#[async_trait]
impl LogApi for FakeLog {
    async fn add_leaf(
        &self,
        request: &AddLeafRequest,
        _token: Option<&SubmitToken>,
    ) -> Result<AddLeafStatus, ApiError> {
        let takes = {
            let mut state = self.state.lock().unwrap();
            state.calls.add_leaf += 1;
            state.at_once += 1;
            state.calls.most_at_once = state.calls.most_at_once.max(state.at_once);
            state.script.add_leaf_takes
        };
        tokio::time::sleep(takes).await;
        let mut state = self.state.lock().unwrap();
        state.at_once -= 1;
        self.is_dead(&state.script)?;
        if let Some(error) = state.script.add_leaf_errors.pop_front() {
            return Err(error);
        }
        let hash = request.leaf().hash();
        if state.script.refuses == Some(hash) {
            return Err(ApiError::Forbidden("not this one".to_owned()));
        }
        let added = state.leaves.iter().find(|(known, _)| *known == hash).map(|(_, at)| *at);
        let added = added.unwrap_or_else(|| {
            state.leaves.push((hash, Instant::now()));
            state.bodies.insert(hash, request.leaf());
            Instant::now()
        });
        let committed = added.elapsed() >= state.script.commit;
        Ok(if committed { AddLeafStatus::Committed } else { AddLeafStatus::Accepted })
    }

    async fn get_tree_head(&self) -> Result<CosignedTreeHead, ApiError> {
        let mut state = self.state.lock().unwrap();
        state.calls.get_tree_head += 1;
        self.is_dead(&state.script)?;
        if let Some(error) = state.script.tree_head_errors.pop_front() {
            return Err(error);
        }
        let tree_head = tree_of(&self.published(&state));
        let log = self.key().key_hash();
        let signer = if state.script.signs_wrongly { &self.witness } else { &self.signer };
        let signature = signer.sign_now(&tree_head.sigsum_signing_bytes(&log));
        let mut head = CosignedTreeHead::new(SignedTreeHead { tree_head, signature });
        if self.made.elapsed() >= state.script.cosign_from {
            let text = tree_head.checkpoint_text(&sigsum_origin(&log));
            let signature = self.witness.sign_now(&Cosignature::signing_bytes(17, &text));
            let key_hash = self.witness.public_key().key_hash();
            head.insert(Cosignature { key_hash, timestamp_s: 17, signature });
        }
        Ok(head)
    }

    async fn get_inclusion_proof(
        &self,
        request: GetInclusionProof,
    ) -> Result<InclusionProof, ApiError> {
        let takes = self.state.lock().unwrap().script.inclusion_takes;
        tokio::time::sleep(takes).await;
        let mut state = self.state.lock().unwrap();
        state.calls.get_inclusion_proof += 1;
        self.is_dead(&state.script)?;
        if let Some(error) = state.script.inclusion_errors.pop_front() {
            return Err(error);
        }
        let mut leaves = self.published(&state);
        leaves.truncate(usize::try_from(request.size.0).unwrap());
        let index = leaves.iter().position(|hash| *hash == request.leaf_hash);
        let index = index.ok_or_else(|| ApiError::NotFound("no such leaf".to_owned()))?;
        let mut path = path(index, &leaves);
        if state.script.proves_wrongly {
            path[0] = Hash::new([0xee; 32]);
        }
        Ok(InclusionProof { leaf_index: LeafIndex(u64::try_from(index).unwrap()), path })
    }

    async fn get_consistency_proof(
        &self,
        _request: GetConsistencyProof,
    ) -> Result<ConsistencyProof, ApiError> {
        unreachable!("a submitter needs no consistency proofs")
    }

    async fn get_leaves(&self, request: GetLeaves) -> Result<Vec<Leaf>, ApiError> {
        let takes = self.state.lock().unwrap().script.inclusion_takes;
        tokio::time::sleep(takes).await;
        let mut state = self.state.lock().unwrap();
        state.calls.get_leaves += 1;
        self.is_dead(&state.script)?;
        let hashes = self.published(&state);
        let start = usize::try_from(request.start.0).unwrap();
        let end = usize::try_from(request.end.0).unwrap().min(start + 512).min(hashes.len());
        Ok(hashes[start..end].iter().map(|hash| state.bodies[hash]).collect())
    }
}

#[test]
fn paths_and_roots_are_those_of_the_compact_range() {
    let leaves: Vec<Hash> = (0..20).map(|n| Hash::new([n; 32])).collect();
    for size in 1..leaves.len() {
        let tree = tree_of(&leaves[..size]);
        assert_eq!(tree.root_hash, root(&leaves[..size]));
        assert_eq!(tree.size, TreeSize(u64::try_from(size).unwrap()));
    }
}
