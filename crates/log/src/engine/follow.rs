//! A follower's decisions: how much to ask for, and what a head of the log says about its copy.

use crate::config::LARGEST_MAX_RANGE;
use sigsum_core::{Hash, LeafIndex, PublicKey, SignedTreeHead, TreeSize};

/// Leaves that are asked for at once: as many as one of our primaries gives. log-go gives what its
/// `max-range` allows.
pub const LARGEST_BATCH: u64 = LARGEST_MAX_RANGE;
/// Leaves that are asked for on the slowest link: 17 kB, a second at 128 kbit/s.
pub const SMALLEST_BATCH: u64 = 64;

/// How many leaves are asked for, as the link allows.
#[derive(Debug, Clone, Copy)]
pub struct Batch(u64);

impl Default for Batch {
    fn default() -> Self {
        Self(LARGEST_BATCH)
    }
}

impl Batch {
    /// Leaves to ask for.
    pub fn leaves(self) -> u64 {
        self.0
    }

    /// A request took too long, or failed on its way.
    pub fn failed(&mut self) {
        self.0 = (self.0 / 2).max(SMALLEST_BATCH);
    }

    /// A request brought leaves.
    pub fn succeeded(&mut self) {
        self.0 = self.0.saturating_mul(2).min(LARGEST_BATCH);
    }
}

/// How what the primary shows contradicts what the follower holds. The follower stops then, and
/// keeps what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// A head with the log's signature over another tree than ours: proof of a fork, or of damage
    /// here.
    #[error(
        "the log signed size {} with root hash {}, signature {}, but the leaves held here have {ours}",
        head.tree_head.size, head.tree_head.root_hash, head.signature
    )]
    OtherTree {
        /// What the log signed.
        head: SignedTreeHead,
        /// Our root hash at its size.
        ours: Hash,
    },
    /// The primary has another leaf where we have our last one.
    #[error("the primary has another leaf at index {0}")]
    OtherLeaf(LeafIndex),
    /// The primary has one leaf at two places, which no log does.
    #[error("the primary gives a leaf again at index {0} that is in the tree before")]
    LeafTwice(LeafIndex),
}

/// What is to be done with a head that the primary shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadStep {
    /// The log did not sign it.
    NotSigned,
    /// It is the one that was verified last.
    Known,
    /// It is smaller than one that was verified: the primary has not caught up with what was signed
    /// before it took over, or it runs on an old copy. Nothing is copied from it until it has.
    Behind,
    /// The follower does not hold so much yet.
    Beyond,
    /// Its root hash is to be compared with that of our leaves.
    Compare,
    /// It has another root hash than the head of the same size that was verified.
    Contradicts(Contradiction),
}

/// Looks at a head, before anything is computed.
pub fn step(
    head: &SignedTreeHead,
    log: &PublicKey,
    verified: Option<&SignedTreeHead>,
    held: TreeSize,
) -> HeadStep {
    let size = head.tree_head.size;
    if !head.verify(log) {
        return HeadStep::NotSigned;
    }
    match verified.map(|verified| verified.tree_head) {
        Some(last) if last == head.tree_head => HeadStep::Known,
        Some(last) if last.size == size => {
            HeadStep::Contradicts(Contradiction::OtherTree { head: *head, ours: last.root_hash })
        }
        Some(last) if size < last.size => HeadStep::Behind,
        _ if size > held => HeadStep::Beyond,
        _ => HeadStep::Compare,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigsum_core::TreeHead;
    use sigsum_keys::Ed25519Signer;
    use std::sync::OnceLock;

    fn signer() -> &'static Ed25519Signer {
        static SIGNER: OnceLock<Ed25519Signer> = OnceLock::new();
        SIGNER.get_or_init(|| Ed25519Signer::generate().expect("random numbers"))
    }

    fn log() -> PublicKey {
        signer().public_key()
    }

    fn head(size: u64, byte: u8) -> SignedTreeHead {
        let tree_head = TreeHead { size: TreeSize(size), root_hash: Hash::new([byte; 32]) };
        let bytes = tree_head.sigsum_signing_bytes(&log().key_hash());
        SignedTreeHead { tree_head, signature: signer().sign_now(&bytes) }
    }

    fn looked_at(head: &SignedTreeHead, verified: Option<&SignedTreeHead>) -> HeadStep {
        step(head, &log(), verified, TreeSize(10))
    }

    #[test]
    fn a_head_that_the_log_did_not_sign_is_none() {
        let mut forged = head(5, 1);
        forged.tree_head.size = TreeSize(6);
        assert_eq!(looked_at(&forged, None), HeadStep::NotSigned);
    }

    #[test]
    fn a_head_is_compared_as_soon_as_its_leaves_are_held() {
        assert_eq!(looked_at(&head(10, 1), None), HeadStep::Compare);
        assert_eq!(looked_at(&head(11, 1), None), HeadStep::Beyond);
        assert_eq!(looked_at(&head(7, 1), Some(&head(5, 1))), HeadStep::Compare);
    }

    #[test]
    fn the_last_verified_head_is_known() {
        assert_eq!(looked_at(&head(5, 1), Some(&head(5, 1))), HeadStep::Known);
    }

    #[test]
    fn another_root_hash_at_the_verified_size_is_a_contradiction() {
        let other = head(5, 2);
        let found = looked_at(&other, Some(&head(5, 1)));
        let ours = Hash::new([1; 32]);
        let due = Contradiction::OtherTree { head: other, ours };
        assert_eq!(found, HeadStep::Contradicts(due));
        let text = due.to_string();
        assert!(text.contains(&other.signature.to_hex()), "the evidence is in the text: {text}");
    }

    #[test]
    fn a_head_before_the_verified_one_is_behind() {
        assert_eq!(looked_at(&head(4, 1), Some(&head(5, 1))), HeadStep::Behind);
    }

    #[test]
    fn batches_shrink_on_a_slow_link_and_grow_again() {
        let mut batch = Batch::default();
        assert_eq!(batch.leaves(), LARGEST_BATCH);
        (0..20).for_each(|_| batch.failed());
        assert_eq!(batch.leaves(), SMALLEST_BATCH);
        batch.succeeded();
        assert_eq!(batch.leaves(), 2 * SMALLEST_BATCH);
        (0..20).for_each(|_| batch.succeeded());
        assert_eq!(batch.leaves(), LARGEST_BATCH);
    }
}
