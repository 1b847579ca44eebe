//! What a log needs of its store: what must be atomic, what durable, what may be retried.
//!
//! [`Store`](crate::Store) does this with files. Another engine, such as an object store, has to
//! keep the same promises. All calls block; they may come from any thread at any time. `commit`
//! and `integrate` wait for the disk and want threads of their own; the rest takes microseconds.

use crate::error::StoreError;
use crate::types::{Committed, Published};
use sigsum_core::merkle::tile::Tile;
use sigsum_core::merkle::{CompactRange, SizePair};
use sigsum_core::{Hash, Leaf, LeafIndex, SignedTreeHead, TreeHead, TreeSize};
use std::sync::Arc;

/// The growing list of leaves.
pub trait LeafLog: Send + Sync {
    /// Adds the leaves that are not in the log yet, in order, behind all others.
    ///
    /// **Durable**: all of them, when this returns `Ok`; an index never changes again.
    /// **Atomic**: no. After an error or a crash any first part of the batch may be in the log; so
    /// nothing of it may be acknowledged. **Retry**: the same call may be made again after any
    /// error and finds what is there already. Concurrent calls take turns.
    ///
    /// # Errors
    /// [`StoreError::IndexBuilding`], [`StoreError::File`], [`StoreError::Full`], and damage that
    /// was found while looking for the leaves.
    fn commit(&self, leaves: &[Leaf]) -> Result<Vec<Committed>, StoreError>;

    /// Where the leaf with this hash is; only what is durable is found.
    ///
    /// # Errors
    /// [`StoreError::IndexBuilding`]; damage.
    fn index_of(&self, leaf_hash: &Hash) -> Result<Option<LeafIndex>, StoreError>;

    /// Whether the log has the leaf with this hash.
    ///
    /// # Errors
    /// As [`Self::index_of`].
    fn contains(&self, leaf_hash: &Hash) -> Result<bool, StoreError> {
        Ok(self.index_of(leaf_hash)?.is_some())
    }

    /// Number of leaves that are durable.
    fn committed_size(&self) -> TreeSize;

    /// Takes all committed leaves into the tree; commits may go on meanwhile.
    ///
    /// **Durable**: the tree that is returned, with every tile of it. **Atomic**: yes; after an
    /// error or a crash [`Self::integrated`] is the old tree or one on the way to the new one,
    /// and whole. **Retry**: any time. Concurrent calls take turns.
    ///
    /// # Errors
    /// [`StoreError::File`].
    fn integrate(&self) -> Result<TreeHead, StoreError>;

    /// The tree out of which tiles and proofs are served: the largest that may be signed.
    fn integrated(&self) -> TreeHead;

    /// The compact range of [`Self::integrated`].
    fn compact_range(&self) -> CompactRange;
}

/// The heads that the log signed and published.
pub trait HeadStore: Send + Sync {
    /// Records a head as signed; to be called before the signature is shown to anyone.
    ///
    /// **Durable** and **atomic**: when this returns `Ok` the head is the last one, over crashes;
    /// after an error it may be the old one or this one, so that neither a smaller head nor
    /// another root hash for this size may be signed. **Retry**: the same head, any time. This is a
    /// compare-and-swap: no head is accepted that is smaller than the last one, that has another
    /// root hash at the same size, that is beyond the integrated tree or not a tree of ours, or
    /// that the log's key did not sign.
    ///
    /// # Errors
    /// [`StoreError::HeadContradicts`], [`StoreError::HeadRefused`], [`StoreError::File`].
    fn persist_head(&self, head: &SignedTreeHead) -> Result<(), StoreError>;

    /// The last head that was recorded.
    fn load_head(&self) -> Option<SignedTreeHead>;

    /// Records what is served, with the cosignatures so far; also puts the `checkpoint` in its
    /// place. To be called before it is served.
    ///
    /// **Durable** and **atomic**: when this returns `Ok`; after an error either the old or the
    /// new one is found at the next start. **Retry**: any time. Refuses what is smaller than
    /// what was published before or larger than the last signed head.
    ///
    /// # Errors
    /// As [`Self::persist_head`].
    fn persist_published(&self, published: &Published) -> Result<(), StoreError>;

    /// What was published last.
    fn load_published(&self) -> Option<Arc<Published>>;
}

/// What is served. Nothing that was not checked leaves here.
pub trait TreeReader: Send + Sync {
    /// The leaves from `first` up to `end`, which is not included; any that are committed.
    ///
    /// # Errors
    /// [`StoreError::OutsideTree`]; damage.
    fn leaves(&self, first: LeafIndex, end: LeafIndex) -> Result<Vec<Leaf>, StoreError>;

    /// The bytes of a tile or entry bundle as served (`tlog-tiles`); none where the integrated tree
    /// does not reach it. Any width up to what there is, so that partial tiles of earlier heads are
    /// found too. Whether it belongs to a published tree is for the caller to say.
    ///
    /// # Errors
    /// [`StoreError::File`]; damage.
    fn tile(&self, tile: &Tile) -> Result<Option<Vec<u8>>, StoreError>;

    /// The root hash at any size up to the integrated one.
    ///
    /// # Errors
    /// [`StoreError::OutsideTree`]; damage.
    fn root_hash(&self, size: TreeSize) -> Result<Hash, StoreError>;

    /// The inclusion proof of a leaf in the tree of any size up to the integrated one.
    ///
    /// # Errors
    /// [`StoreError::OutsideTree`], [`StoreError::Proof`]; damage.
    fn inclusion_proof(&self, index: LeafIndex, size: TreeSize) -> Result<Vec<Hash>, StoreError>;

    /// The consistency proof between two sizes up to the integrated one.
    ///
    /// # Errors
    /// As [`Self::inclusion_proof`].
    fn consistency_proof(&self, sizes: SizePair) -> Result<Vec<Hash>, StoreError>;
}

/// All of it.
pub trait LogStore: LeafLog + HeadStore + TreeReader {}

impl<T: LeafLog + HeadStore + TreeReader> LogStore for T {}
