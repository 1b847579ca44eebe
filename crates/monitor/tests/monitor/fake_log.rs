//! A log in memory that can lie, and a monitor that runs on paused time.

use async_trait::async_trait;
use sigsum_api::{AddLeafStatus, ApiError, LogApi};
use sigsum_core::leaf::leaf_signing_bytes;
use sigsum_core::merkle::{CompactRange, NodeId, NodeReader, SizePair, prove_consistency};
use sigsum_core::policy::Policy;
use sigsum_core::token::SubmitToken;
use sigsum_core::tree_head::{Cosignature, sigsum_origin};
use sigsum_core::wire::log::{
    AddLeafRequest, ConsistencyProof, GetConsistencyProof, GetInclusionProof, GetLeaves,
    InclusionProof,
};
use sigsum_core::{CosignedTreeHead, Hash, Leaf, Message, PublicKey, SignedTreeHead, TreeHead};
use sigsum_keys::{Ed25519Signer, SigningSeed};
use sigsum_monitor::{Config, Context, Event, Handle, MonitoredLog, Report, WatchList, start};
use sigsum_service::clock::ManualClock;
use sigsum_service::runner::Context as Service;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The time of every test.
pub(crate) const NOW_S: u64 = 1_800_000_000;

pub(crate) fn signer(number: u8) -> Ed25519Signer {
    Ed25519Signer::from_seed(&SigningSeed::from_bytes([number; 32]))
}

pub(crate) fn leaf(signer: &Ed25519Signer, number: u64) -> Leaf {
    let checksum = Message::of_data(&number.to_be_bytes()).checksum();
    let signature = signer.sign_now(&leaf_signing_bytes(&checksum));
    Leaf { checksum, signature, key_hash: signer.public_key().key_hash() }
}

/// How the log misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Honest,
    Dead,
    /// Serves another leaf in place of this one.
    AltersLeaf(u64),
    /// Answers get-leaves with an error where the batch is larger than this.
    ChokesAbove(u64),
    /// Shows no cosignatures.
    WithoutCosignatures,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) leaves: Vec<Leaf>,
    pub(crate) behaviour: Behaviour,
    pub(crate) max_range: u64,
    pub(crate) cosigned_at_s: u64,
    /// First index of every get-leaves request.
    pub(crate) asked: Vec<u64>,
}

#[derive(Debug)]
pub(crate) struct FakeLog {
    signer: Ed25519Signer,
    witness: Ed25519Signer,
    pub(crate) state: Mutex<State>,
}

impl FakeLog {
    pub(crate) fn new(number: u8, leaves: Vec<Leaf>) -> Arc<Self> {
        let state = State {
            leaves,
            behaviour: Behaviour::Honest,
            max_range: 512,
            cosigned_at_s: NOW_S,
            asked: Vec::new(),
        };
        Arc::new(Self { signer: signer(number), witness: signer(200), state: Mutex::new(state) })
    }

    pub(crate) fn key(&self) -> PublicKey {
        self.signer.public_key()
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    fn alive(&self) -> Result<std::sync::MutexGuard<'_, State>, ApiError> {
        let state = self.state.lock().unwrap();
        match state.behaviour {
            Behaviour::Dead => Err(ApiError::Transport("connection refused".into())),
            _ => Ok(state),
        }
    }
}

/// Nodes of a tree, hashed anew from its leaves.
struct Leaves<'a>(&'a [Leaf]);

impl NodeReader for Leaves<'_> {
    type Error = std::convert::Infallible;
    fn node(&self, id: NodeId) -> Result<Hash, Self::Error> {
        let first = (id.index << id.level) as usize;
        let mut range = CompactRange::new();
        range.append_many(self.0[first..first + (1 << id.level)].iter().map(Leaf::hash));
        Ok(range.tree_head().root_hash)
    }
}

pub(crate) fn tree_head(leaves: &[Leaf]) -> TreeHead {
    let mut range = CompactRange::new();
    range.append_many(leaves.iter().map(Leaf::hash));
    range.tree_head()
}

#[async_trait]
impl LogApi for FakeLog {
    async fn add_leaf(
        &self,
        _: &AddLeafRequest,
        _: Option<&SubmitToken>,
    ) -> Result<AddLeafStatus, ApiError> {
        Err(ApiError::Internal("a monitor does not submit".into()))
    }

    async fn get_tree_head(&self) -> Result<CosignedTreeHead, ApiError> {
        let state = self.alive()?;
        let tree_head = tree_head(&state.leaves);
        let log = self.key().key_hash();
        let signature = self.signer.sign_now(&tree_head.sigsum_signing_bytes(&log));
        let mut head = CosignedTreeHead::new(SignedTreeHead { tree_head, signature });
        if state.behaviour != Behaviour::WithoutCosignatures {
            let text = tree_head.checkpoint_text(&sigsum_origin(&log));
            let timestamp_s = state.cosigned_at_s;
            let bytes = Cosignature::signing_bytes(timestamp_s, &text);
            let key_hash = self.witness.public_key().key_hash();
            let signature = self.witness.sign_now(&bytes);
            head.insert(Cosignature { key_hash, timestamp_s, signature });
        }
        Ok(head)
    }

    async fn get_inclusion_proof(&self, _: GetInclusionProof) -> Result<InclusionProof, ApiError> {
        Err(ApiError::NotFound("not asked for by a monitor".into()))
    }

    async fn get_consistency_proof(
        &self,
        request: GetConsistencyProof,
    ) -> Result<ConsistencyProof, ApiError> {
        let state = self.alive()?;
        let sizes = SizePair { old: request.old_size, new: request.new_size };
        let path = prove_consistency(&Leaves(&state.leaves), sizes)
            .map_err(|e| ApiError::BadRequest(e.to_string()))?;
        Ok(ConsistencyProof { path })
    }

    async fn get_leaves(&self, request: GetLeaves) -> Result<Vec<Leaf>, ApiError> {
        let mut state = self.alive()?;
        state.asked.push(request.start.0);
        let asked = request.end.0 - request.start.0;
        if matches!(state.behaviour, Behaviour::ChokesAbove(most) if asked > most) {
            return Err(ApiError::Transport("timed out".into()));
        }
        let end = request.end.0.min(request.start.0 + state.max_range);
        let end = end.min(state.leaves.len() as u64);
        let mut out = state.leaves[request.start.0 as usize..end as usize].to_vec();
        if let Behaviour::AltersLeaf(index) = state.behaviour
            && let Some(leaf) =
                index.checked_sub(request.start.0).and_then(|i| out.get_mut(i as usize))
        {
            *leaf = self::leaf(&signer(99), 1 << 40);
        }
        Ok(out)
    }
}

/// Collects events; can refuse to.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    pub(crate) events: Mutex<Vec<Event>>,
    pub(crate) refuses_leaves: Mutex<bool>,
    pub(crate) has_no_reader: Mutex<bool>,
    /// A report waits here twice: once begun, and before it ends.
    pub(crate) slow_reader: Mutex<Option<Arc<std::sync::Barrier>>>,
}

impl Report for Collector {
    fn report(&self, event: &Event) -> std::io::Result<()> {
        if *self.refuses_leaves.lock().unwrap() && matches!(event, Event::NewLeaves { .. }) {
            return Err(std::io::Error::other("mail server down"));
        }
        let slow_reader = self.slow_reader.lock().unwrap().clone();
        if let Some(reader) = slow_reader {
            reader.wait();
            reader.wait();
        }
        if *self.has_no_reader.lock().unwrap() {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        self.events.lock().unwrap().push(event.clone());
        Ok(())
    }
}

impl Collector {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.events.lock().unwrap().iter().map(ToString::to_string).collect()
    }

    /// Indices of all reported leaves.
    pub(crate) fn indices(&self) -> Vec<u64> {
        let events = self.events.lock().unwrap();
        let matches = events.iter().filter_map(|event| match event {
            Event::NewLeaves { matches, .. } => Some(matches),
            _ => None,
        });
        matches.flatten().map(|m| m.index.0).collect()
    }

    pub(crate) fn alerts(&self) -> Vec<String> {
        self.lines().into_iter().filter(|line| line.starts_with("Alert")).collect()
    }
}

/// A monitor that looks every second of paused time.
pub(crate) struct Running {
    pub(crate) collector: Arc<Collector>,
    service: Service,
    handle: Handle,
}

pub(crate) fn policy(logs: &[PublicKey]) -> Policy {
    let mut text = String::new();
    for log in logs {
        text += &format!("log {log} https://log.example.org\n");
    }
    text += &format!("witness w {}\nquorum w\n", signer(200).public_key());
    Policy::parse_sigsum(text.as_bytes()).unwrap()
}

pub(crate) fn run(logs: &[&Arc<FakeLog>], keys: &[PublicKey], state: Option<&Path>) -> Running {
    let collector = Arc::new(Collector::default());
    run_with(logs, keys, state, collector)
}

pub(crate) fn run_with(
    logs: &[&Arc<FakeLog>],
    keys: &[PublicKey],
    state: Option<&Path>,
    collector: Arc<Collector>,
) -> Running {
    let config = Config {
        policy: policy(&logs.iter().map(|log| log.key()).collect::<Vec<_>>()),
        watch: WatchList::new(keys),
        interval: Duration::from_secs(1),
        state_dir: state.map(Path::to_owned),
        max_cosignature_age: Duration::from_secs(3600),
    };
    let monitored = logs
        .iter()
        .map(|log| MonitoredLog { key: log.key(), api: Arc::clone(*log) as Arc<dyn LogApi> })
        .collect();
    let service = Service::new(Arc::new(ManualClock::at_s(NOW_S)));
    let report = Arc::clone(&collector) as Arc<dyn Report>;
    let context = Context { service: service.clone(), report };
    let handle = start(config, monitored, context).unwrap();
    Running { collector, service, handle }
}

impl Running {
    /// Lets the monitor look this many times. Time is paused, so nothing really waits.
    pub(crate) async fn polls(&self, count: u32) {
        tokio::time::advance(Duration::from_millis(1)).await;
        for _ in 0..count {
            let until = tokio::time::Instant::now() + Duration::from_secs(1);
            tokio::time::sleep_until(until).await;
        }
    }

    /// Waits until the monitor has ended by itself.
    pub(crate) async fn end(self) {
        self.handle.wait().await;
    }

    /// Begins to stop; the task ends with the monitor.
    pub(crate) fn stopping(self) -> tokio::task::JoinHandle<()> {
        self.service.shutdown.trigger();
        tokio::spawn(self.handle.wait())
    }

    pub(crate) async fn stop(self) -> Arc<Collector> {
        self.service.shutdown.trigger();
        self.handle.wait().await;
        self.collector
    }
}
