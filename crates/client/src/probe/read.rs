//! What is published: whether it can be had, verifies, is fresh and agrees with itself.

use super::report::Recorder;
use super::{HeadSeen, ProbeStep, Prober, StepOutcome};
use sigsum_api::{ApiError, LogApi as _};
use sigsum_core::checkpoint::{LogSignature, SignedCheckpoint};
use sigsum_core::merkle::tile::{Tile, TileLevel, bundle};
use sigsum_core::merkle::{ConsistencyClaim, InclusionClaim, hash_leaf};
use sigsum_core::note::Vkey;
use sigsum_core::tree_head::sigsum_origin;
use sigsum_core::wire::log::{GetConsistencyProof, GetInclusionProof, GetLeaves};
use sigsum_core::{CosignedTreeHead, Hash, LeafIndex, SignedTreeHead, TreeHead};
use tokio::time::Instant;

/// Why a reading step is not good.
enum Trouble {
    Failed(String),
    Skipped(String),
}

impl From<ApiError> for Trouble {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::RateLimited { .. } => Self::Skipped(error.to_string()),
            other => Self::Failed(other.to_string()),
        }
    }
}

fn failed(text: impl Into<String>) -> Trouble {
    Trouble::Failed(text.into())
}

fn outcome(result: Result<(), Trouble>) -> StepOutcome {
    match result {
        Ok(()) => StepOutcome::Good,
        Err(Trouble::Failed(text)) => StepOutcome::Failed(text),
        Err(Trouble::Skipped(text)) => StepOutcome::Skipped(text),
    }
}

impl Prober {
    /// All reading steps; gives the served head where its signature is the log's.
    pub(super) async fn read(
        &mut self,
        recorder: &mut Recorder,
        now_s: &(dyn Fn() -> u64 + Send + Sync),
    ) -> Option<CosignedTreeHead> {
        let began = Instant::now();
        let head = match self.served_head().await {
            Ok(head) => head,
            Err(trouble) => {
                recorder.note(ProbeStep::TreeHead, began, outcome(Err(trouble)));
                return None;
            }
        };
        recorder.note(ProbeStep::TreeHead, began, outcome(self.check_age(&head, now_s())));
        let tree = head.signed.tree_head;

        let continues = match self.last {
            None => true,
            Some(last) => {
                let began = Instant::now();
                let continued = self.check_consistency(last.tree_head, tree).await;
                let continues = continued.is_ok();
                recorder.note(ProbeStep::Consistency, began, outcome(continued));
                continues
            }
        };
        let began = Instant::now();
        let checkpoint = self.check_checkpoint(&head.signed).await;
        recorder.note(ProbeStep::Checkpoint, began, outcome(checkpoint));
        if let Some(last) = tree.size.0.checked_sub(1) {
            let began = Instant::now();
            let leaf_hash = self.check_last_leaf(LeafIndex(last), tree).await;
            let expected = leaf_hash.as_ref().ok().copied();
            recorder.note(ProbeStep::Leaves, began, outcome(leaf_hash.map(|_| ())));
            if let Some(leaf_hash) = expected {
                let began = Instant::now();
                let tiles = self.check_tiles(LeafIndex(last), tree, &leaf_hash).await;
                recorder.note(ProbeStep::Tiles, began, outcome(tiles));
            }
        }
        // What is not proven to continue the last head is no measure for the next one: else a fork
        // would show once, and be taken for the log from then on.
        if continues {
            self.last = Some(head.signed);
        }
        Some(head)
    }

    /// The served head, signed by the log.
    async fn served_head(&self) -> Result<CosignedTreeHead, Trouble> {
        let head = self.target.log.get_tree_head().await?;
        match head.signed.verify(&self.target.key) {
            true => Ok(head),
            false => Err(failed("the tree head's signature is not the log's")),
        }
    }

    /// What a head's cosignatures say under the policy.
    pub(super) fn seen(&self, head: &CosignedTreeHead, now_s: u64) -> HeadSeen {
        let text =
            head.signed.tree_head.checkpoint_text(&sigsum_origin(&self.target.key.key_hash()));
        let mut newest_s = None;
        let mut cosigned = Vec::new();
        for witness in self.policy.witnesses() {
            let key = witness.public_key();
            let valid =
                head.cosignatures().iter().find(|c| key.is_some_and(|k| c.verify(k, &text)));
            cosigned.push((witness.name().to_string(), valid.is_some()));
            newest_s = newest_s.max(valid.map(|c| c.timestamp_s));
        }
        let age_s = newest_s.map(|newest_s| now_s.saturating_sub(newest_s));
        HeadSeen { size: head.signed.tree_head.size.0, age_s, cosigned }
    }

    /// A log whose witnesses cosign has a fresh head, also where nobody submits.
    fn check_age(&self, head: &CosignedTreeHead, now_s: u64) -> Result<(), Trouble> {
        let seen = self.seen(head, now_s);
        let max_s = self.settings.max_age.as_secs();
        match seen.age_s {
            Some(age_s) if age_s > max_s => Err(failed(format!(
                "stale: the newest cosignature is {age_s} s old, and {max_s} s are allowed"
            ))),
            _ => Ok(()),
        }
    }

    /// Whether the larger of two trees continues the smaller.
    async fn check_consistency(&self, old: TreeHead, new: TreeHead) -> Result<(), Trouble> {
        if new.size < old.size {
            return Err(failed(format!(
                "the tree shrank from {} to {} leaves",
                old.size, new.size
            )));
        }
        if new.size == old.size || old.size.0 == 0 {
            return match new.size > old.size || new.root_hash == old.root_hash {
                true => Ok(()),
                false => Err(failed(format!("two trees of {} leaves have other roots", new.size))),
            };
        }
        let request = GetConsistencyProof { old_size: old.size, new_size: new.size };
        let proof = self.target.log.get_consistency_proof(request).await?;
        let claim = ConsistencyClaim { old, new, path: &proof.path };
        claim.verify().map_err(|e| failed(format!("the tree was changed: {e}")))
    }

    /// The checkpoint of `tlog-tiles`, where the log serves one.
    async fn check_checkpoint(&self, head: &SignedTreeHead) -> Result<(), Trouble> {
        let Some(bytes) = self.target.log.get_checkpoint().await? else {
            return Err(Trouble::Skipped("not served by this log".into()));
        };
        let checkpoint = SignedCheckpoint::parse(&bytes);
        let checkpoint = checkpoint.map_err(|e| failed(format!("malformed: {e}")))?;
        if checkpoint.verify_log(&Vkey::sigsum_log(&self.target.key)) != LogSignature::Valid {
            return Err(failed("its signature is not the log's"));
        }
        let (served, shown) = (head.tree_head, checkpoint.checkpoint.tree_head);
        // A head may have been published in between, and caches may give an older one.
        let (old, new) = if served.size <= shown.size { (served, shown) } else { (shown, served) };
        self.check_consistency(old, new).await
    }

    /// The last leaf is served, and proven to be in the tree; gives its hash.
    async fn check_last_leaf(&self, index: LeafIndex, tree: TreeHead) -> Result<Hash, Trouble> {
        let end = LeafIndex(tree.size.0);
        let leaves = self.target.log.get_leaves(GetLeaves { start: index, end }).await?;
        let leaf_hash = leaves.last().map(sigsum_core::Leaf::hash);
        let leaf_hash = leaf_hash.ok_or_else(|| failed("no leaf in the answer"))?;
        let request = GetInclusionProof { size: tree.size, leaf_hash };
        let proof = self.target.log.get_inclusion_proof(request).await?;
        let claim =
            InclusionClaim { leaf_hash, leaf_index: proof.leaf_index, tree, path: &proof.path };
        claim.verify().map_err(|e| failed(format!("its last leaf is not in the tree: {e}")))?;
        match proof.leaf_index == index {
            true => Ok(leaf_hash),
            false => Err(failed(format!("leaf {index} is proven to be at {}", proof.leaf_index))),
        }
    }

    /// The tiles end with the same leaf, where the log serves them.
    async fn check_tiles(
        &self,
        index: LeafIndex,
        tree: TreeHead,
        leaf_hash: &Hash,
    ) -> Result<(), Trouble> {
        for level in [TileLevel::Hashes(0), TileLevel::Entries] {
            let place = index.0.checked_div(256).unwrap_or_default();
            let Some(tile) = Tile::within(level, place, tree.size) else { continue };
            let Some(bytes) = self.target.log.get_tile(&tile).await? else {
                return Err(Trouble::Skipped("not served by this log".into()));
            };
            let last = match level {
                TileLevel::Entries => {
                    let entries = bundle::read(&bytes, tile.width());
                    let entries = entries.map_err(|e| failed(format!("{}: {e}", tile.path())))?;
                    entries.last().map(|entry| hash_leaf(entry))
                }
                TileLevel::Hashes(_) if Some(bytes.len()) == tile.hash_bytes() => {
                    bytes.last_chunk::<{ Hash::LEN }>().copied().map(Hash::new)
                }
                TileLevel::Hashes(_) => None,
            };
            if last.as_ref() != Some(leaf_hash) {
                return Err(failed(format!("{} does not end with the last leaf", tile.path())));
            }
        }
        Ok(())
    }
}
