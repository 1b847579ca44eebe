//! A log for tests, its submitters, and what they ask it.

mod raw_http;
mod witness;

pub(crate) use raw_http::{Answer, get, request};
pub(crate) use witness::{Mood, TestWitness};

use sigsum_core::policy::Policy;
use sigsum_core::wire::log::AddLeafRequest;
use sigsum_core::{CosignedTreeHead, Message, PublicKey, leaf};
use sigsum_keys::{Ed25519Signer, SigningSeed};
use sigsum_log::{Config, Context, Handle, StartError, Storage, Witnesses};
use sigsum_service::clock::ManualClock;
use sigsum_service::runner;
use sigsum_store::{Place, Store};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The time of every test.
pub(crate) const NOW_S: u64 = 1_750_000_000;

pub(crate) fn signer(number: u8) -> Ed25519Signer {
    Ed25519Signer::from_seed(&SigningSeed::from_bytes([number; 32]))
}

/// The key of the log under test.
pub(crate) fn log_signer() -> Ed25519Signer {
    signer(200)
}

pub(crate) fn log_key() -> PublicKey {
    log_signer().public_key()
}

/// A submission that no other number makes.
pub(crate) fn submission(number: u64) -> AddLeafRequest {
    let submitter = signer(150);
    let message = Message::of_data(&number.to_be_bytes());
    AddLeafRequest {
        message,
        signature: submitter.sign_now(&leaf::leaf_signing_bytes(&message.checksum())),
        public_key: submitter.public_key(),
    }
}

/// Everything a log is made of, so that it can be started more than once.
pub(crate) struct Setup {
    pub(crate) config: Config,
    pub(crate) witnesses: Vec<Arc<TestWitness>>,
    pub(crate) policy: Arc<Policy>,
}

/// A running log.
pub(crate) struct TestLog {
    pub(crate) handle: Handle,
    pub(crate) metrics: sigsum_service::metrics::Registry,
    pub(crate) policy: Arc<Policy>,
}

impl Setup {
    /// A log in memory, kept over restarts of the log, with `witnesses` of which `quorum` are
    /// needed.
    pub(crate) fn new(witnesses: u8, quorum: usize) -> Self {
        let place = Place::memory();
        Store::init(&place, &log_key()).expect("a new store");
        Self::on(Storage::Place(place), witnesses, quorum)
    }

    pub(crate) fn on(storage: Storage, witnesses: u8, quorum: usize) -> Self {
        let witnesses: Vec<_> = (0..witnesses).map(TestWitness::new).collect();
        let mut policy = format!("log {}\n", log_key());
        for (at, witness) in witnesses.iter().enumerate() {
            policy += &format!("witness w{at} {}\n", witness.key());
        }
        let names: Vec<_> = (0..witnesses.len()).map(|at| format!("w{at}")).collect();
        if quorum > 0 {
            policy += &format!("group all {quorum} {}\nquorum all\n", names.join(" "));
        } else {
            policy += "quorum none\n";
        }
        let policy = Policy::parse_sigsum(policy.as_bytes()).expect("a policy");
        let mut config = Config::new(storage);
        config.min_interval = Duration::from_millis(5);
        config.timeout = Duration::from_secs(60);
        config.interval = Duration::from_secs(60);
        // Nobody listens there: no test asks the machine's resolver.
        config.admission.dns_resolvers = vec![([127, 0, 0, 1], 1).into()];
        Self { config, witnesses, policy: Arc::new(policy) }
    }

    pub(crate) fn context(&self) -> Context {
        let clock = Arc::new(ManualClock::at_s(NOW_S));
        let peers = self.witnesses.iter().map(|w| w.peer()).collect();
        Context {
            service: runner::Context::new(clock),
            signer: Arc::new(log_signer()),
            policy: self.policy.clone(),
            witnesses: Witnesses::Given(peers),
        }
    }

    pub(crate) async fn try_start(&self) -> Result<TestLog, StartError> {
        let context = self.context();
        let metrics = context.service.metrics.clone();
        let handle = sigsum_log::start(self.config.clone(), context).await?;
        Ok(TestLog { handle, metrics, policy: self.policy.clone() })
    }

    pub(crate) async fn start(&self) -> TestLog {
        self.try_start().await.expect("the log starts")
    }
}

impl TestLog {
    pub(crate) fn external(&self) -> SocketAddr {
        self.handle.external_addr().expect("TCP")
    }

    pub(crate) fn internal(&self) -> SocketAddr {
        self.handle.internal_addr().expect("TCP")
    }

    /// Waits until the start guard lets it take leaves.
    pub(crate) async fn guard_passed(&self) {
        assert!(self.handle.until(|s| s.heads.guard_passed).await, "the log stopped");
    }

    /// Submits leaves with these numbers, one after the other, once the log takes leaves.
    pub(crate) async fn submit(&self, numbers: std::ops::Range<u64>) {
        self.guard_passed().await;
        let api = self.handle.api();
        for number in numbers {
            api.add_leaf(&submission(number), None).await.expect("committed");
        }
    }

    /// Waits until a head of this size is served, and gives it.
    pub(crate) async fn published(&self, size: u64) -> CosignedTreeHead {
        let reached = self.handle.until(|s| s.published_size.is_some_and(|s| s.0 >= size));
        assert!(reached.await, "the log stopped");
        self.head().await
    }

    /// The head that is served.
    pub(crate) async fn head(&self) -> CosignedTreeHead {
        self.handle.api().get_tree_head().await.expect("a head")
    }

    /// Whether a head has the policy's quorum, as a verifier sees it.
    pub(crate) fn has_quorum(&self, head: &CosignedTreeHead) -> bool {
        let origin = sigsum_core::tree_head::sigsum_origin(&log_key().key_hash());
        let text = head.signed.tree_head.checkpoint_text(&origin);
        let cosigned = |at: usize| {
            let witness = self.policy.witnesses()[at].public_key().expect("Ed25519");
            head.cosignatures().iter().any(|c| c.verify(witness, &text))
        };
        head.signed.verify(&log_key()) && self.policy.quorum().is_satisfied(&cosigned)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        get(self.external(), path).await
    }

    pub(crate) async fn stop(self) {
        self.handle.stop().await.expect("nothing crashed");
    }
}
