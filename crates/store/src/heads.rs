//! The heads that a log signed and published, and the rules for the next ones.

use crate::error::{Damage, StoreError};
use crate::fs::PUBLIC_FILE;
use crate::partials;
use crate::state::{self, Kind};
use crate::store::{Shared, Store, lock};
use crate::tiles::Snapshot;
use crate::traits::HeadStore;
use crate::types::Published;
use sigsum_core::merkle::root;
use sigsum_core::tree_head::sigsum_origin;
use sigsum_core::{Hash, PublicKey, SignedTreeHead, TreeHead, TreeSize};
use std::sync::{Arc, PoisonError, RwLock};

/// Name of the file that static servers serve.
pub(crate) const CHECKPOINT: &str = "checkpoint";

/// The last heads, in memory.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    last: RwLock<Last>,
}

#[derive(Debug, Clone, Default)]
struct Last {
    head: Option<SignedTreeHead>,
    published: Option<Arc<Published>>,
}

impl Heads {
    fn get(&self) -> Last {
        self.last.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Last)) {
        change(&mut self.last.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Sizes whose partial tiles stay.
    pub(crate) fn sizes(&self) -> Vec<TreeSize> {
        let last = self.get();
        let published = last.published.map(|p| p.head.signed.tree_head.size);
        last.head.map(|head| head.tree_head.size).into_iter().chain(published).collect()
    }

    /// Reads the state files of a store that is being opened and checks them against its tiles.
    pub(crate) fn load(tiles: &Snapshot<'_>, log_key: &PublicKey) -> Result<Self, StoreError> {
        let place = tiles.place();
        let head = state::load_head(place)?;
        let published = state::load_published(place)?;
        if let Some(head) = &head {
            check_stored(tiles, log_key, Kind::Head, head)?;
        }
        if let Some(published) = &published {
            let signed = &published.head.signed;
            check_stored(tiles, log_key, Kind::Published, signed)?;
            // Nothing is published that was not signed first.
            let last = head.map_or(TreeSize(0), |head| head.tree_head.size);
            if head.is_none() || last < signed.tree_head.size {
                let damage = match head {
                    None => Damage::Missing,
                    Some(_) => {
                        Damage::BehindPublished { head: last, published: signed.tree_head.size }
                    }
                };
                return Err(StoreError::damaged(place.join(Kind::Head.name()), damage));
            }
        }
        let published = published.map(Arc::new);
        Ok(Self { last: RwLock::new(Last { head, published }) })
    }
}

/// Whether a head in a file is one of this log and this tree.
fn check_stored(
    tiles: &Snapshot<'_>,
    log_key: &PublicKey,
    kind: Kind,
    signed: &SignedTreeHead,
) -> Result<(), StoreError> {
    let damaged = |damage| StoreError::damaged(tiles.place().join(kind.name()), damage);
    if !signed.verify(log_key) {
        return Err(damaged(Damage::Signature));
    }
    let TreeHead { size, root_hash: recorded } = signed.tree_head;
    if size > tiles.size() {
        return Err(damaged(Damage::BeyondData { named: size, present: tiles.size() }));
    }
    let computed = tiles.root_hash(size)?;
    if computed != recorded {
        return Err(damaged(Damage::Root { size, computed, recorded }));
    }
    Ok(())
}

impl Snapshot<'_> {
    /// The root hash at any size up to that of the tree.
    pub(crate) fn root_hash(&self, size: TreeSize) -> Result<Hash, StoreError> {
        if size == self.size() {
            return Ok(self.state().head().root_hash);
        }
        if size > self.size() {
            return Err(StoreError::OutsideTree { asked: size.0, size: self.size() });
        }
        Ok(root(self, size)?)
    }
}

impl Shared {
    /// Whether a new head may follow the last one of its kind, and is one of ours.
    fn check_new(&self, new: &SignedTreeHead, last: Option<TreeHead>) -> Result<(), StoreError> {
        let head = new.tree_head;
        let refused = |problem| StoreError::HeadRefused { head, problem };
        if let Some(last) = last {
            let forked = head.size == last.size && head.root_hash != last.root_hash;
            if head.size < last.size || forked {
                return Err(StoreError::HeadContradicts { new: head, last });
            }
        }
        let tiles = self.tiles.snapshot();
        if head.size > tiles.size() {
            return Err(refused("it is beyond the integrated tree"));
        }
        if head.root_hash != tiles.root_hash(head.size)? {
            return Err(refused("its root hash is not that of our tree"));
        }
        if !new.verify(&self.log_key) {
            return Err(refused("its signature does not verify"));
        }
        Ok(())
    }

    /// Removes partial tiles that were kept for a size which is superseded.
    fn release(&self, old: Option<TreeSize>) -> Result<(), StoreError> {
        let keep = self.heads.sizes();
        let old = old.filter(|old| !keep.contains(old));
        let present = self.tiles.snapshot().size();
        old.map_or(Ok(()), |old| partials::remove_filled(self.place(), old, present, &keep))
    }

    fn persist_head(&self, head: &SignedTreeHead) -> Result<(), StoreError> {
        let _writing = lock(&self.writing);
        let last = self.heads.get().head.map(|head| head.tree_head);
        self.check_new(head, last)?;
        partials::write(&self.tiles.snapshot(), self.place(), head.tree_head.size)?;
        state::store_head(self.place(), head)?;
        self.heads.change(|last| last.head = Some(*head));
        self.release(last.map(|last| last.size))
    }

    fn persist_published(&self, published: &Published) -> Result<(), StoreError> {
        let _writing = lock(&self.writing);
        let Last { head: signed, published: last } = self.heads.get();
        let last = last.map(|last| last.head.signed.tree_head);
        let head = published.head.signed.tree_head;
        self.check_new(&published.head.signed, last)?;
        let refused = |problem| StoreError::HeadRefused { head, problem };
        if signed.is_none_or(|signed| signed.tree_head.size < head.size) {
            return Err(refused("it was not recorded as signed before"));
        }
        let text = head.checkpoint_text(&sigsum_origin(&self.log_key.key_hash()));
        if !published.checkpoint.starts_with(text.as_bytes()) {
            return Err(refused("its checkpoint is of another tree or log"));
        }
        if signed.is_some_and(|signed| signed.tree_head.size != head.size) {
            partials::write(&self.tiles.snapshot(), self.place(), head.size)?;
        }
        state::store_published(self.place(), published)?;
        self.place().replace(CHECKPOINT, &published.checkpoint, PUBLIC_FILE)?;
        self.heads.change(|last| last.published = Some(Arc::new(published.clone())));
        self.release(last.map(|last| last.size))
    }
}

impl HeadStore for Store {
    fn persist_head(&self, head: &SignedTreeHead) -> Result<(), StoreError> {
        self.shared.persist_head(head)
    }

    fn load_head(&self) -> Option<SignedTreeHead> {
        self.shared.heads.get().head
    }

    fn persist_published(&self, published: &Published) -> Result<(), StoreError> {
        self.shared.persist_published(published)
    }

    fn load_published(&self) -> Option<Arc<Published>> {
        self.shared.heads.get().published
    }
}
