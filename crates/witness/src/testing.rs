//! What the tests share: a log that can also lie, and a witness on a temporary directory.

use crate::config::{Config, LogConfig};
use crate::cosigner::CosignerKey;
use crate::run::{assemble, open};
use crate::store::{Advance, Backend, Cosigned, Outcome, StoreError};
use crate::witness::Witness;
use async_trait::async_trait;
use sigsum_core::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use sigsum_core::merkle::{NodeId, NodeReader, SizePair, hash_children, hash_leaf};
use sigsum_core::merkle::{prove_consistency, root};
use sigsum_core::note::{SignatureLine, Vkey};
use sigsum_core::wire::witness::AddCheckpointRequest;
use sigsum_core::{Hash, PublicKey, Signature, TreeHead, TreeSize};
use sigsum_keys::{Ed25519Signer, SignError, Signer, SigningSeed};
use sigsum_service::clock::ManualClock;
use sigsum_service::runner::Context;
use std::convert::Infallible;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::Semaphore;

/// When the tests take place.
pub(crate) const NOW_S: u64 = 1_700_000_000;

/// The signer of a seed of equal bytes.
pub(crate) fn signer(seed: u8) -> Ed25519Signer {
    Ed25519Signer::from_seed(&SigningSeed::from_bytes([seed; 32]))
}

/// A Sigsum log with up to 256 leaves.
#[derive(Debug, Clone)]
pub(crate) struct TestLog {
    pub(crate) signer: Ed25519Signer,
    leaves: Vec<Hash>,
}

impl NodeReader for TestLog {
    type Error = Infallible;
    fn node(&self, NodeId { level, index }: NodeId) -> Result<Hash, Infallible> {
        if level == 0 {
            return Ok(self.leaves[index as usize]);
        }
        let child = |index| self.node(NodeId { level: level - 1, index });
        Ok(hash_children(&child(2 * index)?, &child(2 * index + 1)?))
    }
}

impl TestLog {
    pub(crate) fn new(seed: u8) -> Self {
        let leaves = (0..=255u8).map(|i| hash_leaf(&[seed, i])).collect();
        Self { signer: signer(seed), leaves }
    }

    /// The same log with other leaves from an index on.
    pub(crate) fn fork(&self, at: usize) -> Self {
        let mut fork = self.clone();
        for (i, leaf) in fork.leaves.iter_mut().enumerate().skip(at) {
            *leaf = hash_leaf(format!("fork {i}").as_bytes());
        }
        fork
    }

    pub(crate) fn config(&self) -> LogConfig {
        LogConfig::sigsum(&self.signer.public_key())
    }

    pub(crate) fn vkey(&self) -> Vkey {
        Vkey::sigsum_log(&self.signer.public_key())
    }

    pub(crate) fn origin(&self) -> Origin {
        Origin::sigsum(&self.signer.public_key().key_hash())
    }

    pub(crate) fn head(&self, size: u64) -> TreeHead {
        let size = TreeSize(size);
        TreeHead { size, root_hash: root(self, size).unwrap() }
    }

    pub(crate) fn proof(&self, old: u64, new: u64) -> Vec<Hash> {
        prove_consistency(self, SizePair { old: TreeSize(old), new: TreeSize(new) }).unwrap()
    }

    /// Signs any checkpoint.
    pub(crate) fn sign(&self, checkpoint: Checkpoint) -> SignedCheckpoint {
        let signature = self.signer.sign_now(checkpoint.to_text().as_bytes());
        let line = SignatureLine::new(&self.vkey(), signature.as_bytes().to_vec());
        SignedCheckpoint { checkpoint, signatures: vec![line] }
    }

    pub(crate) fn checkpoint(&self, size: u64) -> SignedCheckpoint {
        self.sign(Checkpoint::new(self.origin(), self.head(size)))
    }

    pub(crate) fn request(&self, old: u64, new: u64) -> AddCheckpointRequest {
        let (old_size, proof) = (TreeSize(old), self.proof(old, new));
        AddCheckpointRequest { old_size, proof, checkpoint: self.checkpoint(new) }
    }
}

/// The witness's key in the tests.
pub(crate) fn cosigner() -> CosignerKey {
    CosignerKey::sigsum(Arc::new(signer(0xee)))
}

pub(crate) fn context() -> Context {
    Context::new(Arc::new(ManualClock::at_s(NOW_S)))
}

/// An initialised data directory.
pub(crate) fn data_dir() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    crate::admin::init(dir.path(), &[cosigner().public_key()]).unwrap();
    dir
}

pub(crate) fn config(dir: &TempDir, logs: &[&TestLog]) -> Config {
    let logs = logs.iter().map(|log| log.config()).collect();
    Config { data_dir: Some(dir.path().to_owned()), logs, ..Config::default() }
}

/// The witness that the configuration describes, without HTTP.
pub(crate) fn witness(config: &Config) -> Arc<Witness> {
    witness_with(config, cosigner(), |backend| backend)
}

/// The same with another signer and a wrapped store.
pub(crate) fn witness_with(
    config: &Config,
    key: CosignerKey,
    wrap: impl FnOnce(Box<dyn Backend>) -> Box<dyn Backend>,
) -> Arc<Witness> {
    let keys = vec![key];
    let specs = config.check(&[keys[0].public_key()]).unwrap();
    let (backend, loaded) = open(config, &specs, &keys).unwrap();
    let witness = assemble(config, keys, wrap(backend), &context()).unwrap();
    witness.add_logs(loaded.logs);
    Arc::new(witness)
}

/// A signer that tells when it is asked and waits to be let go.
#[derive(Debug)]
pub(crate) struct GatedSigner {
    inner: Ed25519Signer,
    /// Gets a permit whenever a signature is asked for.
    pub(crate) asked: Semaphore,
    /// A permit lets one signature go.
    pub(crate) gate: Semaphore,
    /// Messages that have this text in them wait at the gate; others pass.
    pub(crate) held: String,
}

impl GatedSigner {
    pub(crate) fn new(held: &str) -> Arc<Self> {
        let (asked, gate) = (Semaphore::new(0), Semaphore::new(0));
        Arc::new(Self { inner: signer(0xee), asked, gate, held: held.to_owned() })
    }

    /// Waits until one more signature was asked for.
    pub(crate) async fn next(&self) {
        self.asked.acquire().await.unwrap().forget();
    }
}

#[async_trait]
impl Signer for GatedSigner {
    fn public_key(&self) -> PublicKey {
        self.inner.public_key()
    }

    async fn sign(&self, message: &[u8]) -> Result<Signature, SignError> {
        self.asked.add_permits(1);
        if String::from_utf8_lossy(message).contains(&self.held) {
            self.gate.acquire().await.unwrap().forget();
        }
        Ok(self.inner.sign_now(message))
    }
}

/// What a [`FaultyStore`] does.
pub(crate) type Fault = Box<
    dyn FnMut(&mut dyn Backend, &[Advance], &[Cosigned]) -> Result<Vec<Outcome>, StoreError> + Send,
>;

/// A store with something in its way.
pub(crate) struct FaultyStore {
    pub(crate) inner: Box<dyn Backend>,
    pub(crate) fault: Fault,
}

impl Backend for FaultyStore {
    fn commit(
        &mut self,
        advances: &[Advance],
        cosigned: &[Cosigned],
    ) -> Result<Vec<Outcome>, StoreError> {
        (self.fault)(self.inner.as_mut(), advances, cosigned)
    }
}

/// Wraps a store.
pub(crate) fn faulty(
    fault: impl FnMut(&mut dyn Backend, &[Advance], &[Cosigned]) -> Result<Vec<Outcome>, StoreError>
    + Send
    + 'static,
) -> impl FnOnce(Box<dyn Backend>) -> Box<dyn Backend> {
    |inner| Box::new(FaultyStore { inner, fault: Box::new(fault) })
}
