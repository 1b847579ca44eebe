//! A log that this process plays towards a witness: it signs what it is told to.

use sigsum_core::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use sigsum_core::merkle::{NodeId, NodeReader, SizePair, hash_children, hash_leaf};
use sigsum_core::merkle::{prove_consistency, root};
use sigsum_core::note::{SignatureLine, Vkey};
use sigsum_core::wire::witness::AddCheckpointRequest;
use sigsum_core::{Hash, TreeHead, TreeSize};
use sigsum_keys::{Ed25519Signer, SigningSeed};
use std::convert::Infallible;

/// A Sigsum log whose leaves follow from its number.
#[derive(Debug, Clone)]
pub(crate) struct SignedLog {
    pub(crate) signer: Ed25519Signer,
    levels: Vec<Vec<Hash>>,
}

impl NodeReader for SignedLog {
    type Error = Infallible;
    fn node(&self, NodeId { level, index }: NodeId) -> Result<Hash, Infallible> {
        Ok(self.levels[usize::from(level)][index as usize])
    }
}

impl SignedLog {
    /// A log with this many leaves; `tree` tells trees of one log apart.
    pub(crate) fn new(key: u8, tree: &str, leaves: usize) -> Self {
        let signer = Ed25519Signer::from_seed(&SigningSeed::from_bytes([key; 32]));
        let leaf = |n| hash_leaf(format!("{tree} {n}").as_bytes());
        let mut levels = vec![(0..leaves).map(leaf).collect::<Vec<_>>()];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let pairs = below.chunks_exact(2);
            levels.push(pairs.map(|pair| hash_children(&pair[0], &pair[1])).collect());
        }
        Self { signer, levels }
    }

    pub(crate) fn key_hex(&self) -> String {
        self.signer.public_key().to_hex()
    }

    pub(crate) fn origin(&self) -> Origin {
        Origin::sigsum(&self.signer.public_key().key_hash())
    }

    pub(crate) fn head(&self, size: u64) -> TreeHead {
        let size = TreeSize(size);
        TreeHead { size, root_hash: root(self, size).unwrap() }
    }

    /// The signed note of this size.
    pub(crate) fn checkpoint(&self, size: u64) -> SignedCheckpoint {
        let checkpoint = Checkpoint::new(self.origin(), self.head(size));
        let vkey = Vkey::sigsum_log(&self.signer.public_key());
        let signature = self.signer.sign_now(checkpoint.to_text().as_bytes());
        let line = SignatureLine::new(&vkey, signature.as_bytes().to_vec());
        SignedCheckpoint { checkpoint, signatures: vec![line] }
    }

    /// add-checkpoint from one size to another, with a proof where one is due.
    pub(crate) fn request(&self, old: u64, new: u64) -> AddCheckpointRequest {
        let sizes = SizePair { old: TreeSize(old), new: TreeSize(new) };
        let proof = if old <= new { prove_consistency(self, sizes).unwrap() } else { Vec::new() };
        AddCheckpointRequest { old_size: sizes.old, proof, checkpoint: self.checkpoint(new) }
    }
}
