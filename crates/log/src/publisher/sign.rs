//! Makes one head: leaves into tiles, the tree head, its signature, all durable before anyone else
//! sees the signature.

use super::blocking;
use crate::signing::{SigningError, WatchedSigner};
use crate::sth::SthFile;
use sigsum_core::{PublicKey, SignedTreeHead, TreeHead, TreeSize};
use sigsum_store::durable::FileError;
use sigsum_store::{LogStore, StoreError};
use std::sync::Arc;
use std::time::Duration;

/// Why there is no new head.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeadError {
    /// Leaves did not get into tiles.
    #[error("integrating leaves: {0}")]
    Integrate(StoreError),
    /// The signer failed, or did not answer.
    #[error("signing: {0}")]
    Sign(#[from] SigningError),
    /// The head could not be stored, so that its signature was thrown away.
    #[error("storing the head: {0}")]
    Store(StoreError),
}

impl HeadError {
    /// Label of the failure metric.
    pub(crate) fn step(&self) -> &'static str {
        match self {
            Self::Integrate(_) => "integrate",
            Self::Sign(_) => "sign",
            Self::Store(_) => "store",
        }
    }
}

/// A head that is durable and may be shown.
#[derive(Debug)]
pub(crate) struct NewHead {
    pub(crate) signed: SignedTreeHead,
    /// The sth file was not written; the data directory has the head all the same.
    pub(crate) sth_error: Option<FileError>,
}

/// What it takes to make heads.
#[derive(Clone)]
pub(crate) struct HeadMaker {
    pub(crate) store: Arc<dyn LogStore>,
    pub(crate) signer: Arc<WatchedSigner>,
    pub(crate) log: PublicKey,
    pub(crate) sth: Option<SthFile>,
    pub(crate) timeout: Duration,
}

impl HeadMaker {
    /// Gives the head to show to those who may know a later one: that which was signed last or,
    /// where none was, that of the empty tree, with which every tree is consistent.
    pub(crate) async fn make_first(&self) -> Result<NewHead, HeadError> {
        let last = self.store.load_head();
        let tree = last.map_or_else(TreeHead::empty, |last| last.tree_head);
        self.make_of(tree).await
    }

    /// Makes a head of all committed leaves, or of so many where followers limit it. The head that
    /// was signed last is returned as it is where the tree has not grown: nobody needs a second
    /// signature over it.
    pub(crate) async fn make(&self, limit: Option<TreeSize>) -> Result<NewHead, HeadError> {
        let store = self.store.clone();
        let tree = blocking(move || {
            let tree = store.integrate()?;
            // What was signed stays signed, whatever followers have lost since.
            let signed = store.load_head().map(|last| last.tree_head.size).unwrap_or_default();
            match limit.map(|limit| limit.max(signed)) {
                Some(size) if size < tree.size => {
                    Ok(TreeHead { size, root_hash: store.root_hash(size)? })
                }
                _ => Ok(tree),
            }
        });
        self.make_of(tree.await.map_err(HeadError::Integrate)?).await
    }

    async fn make_of(&self, tree: TreeHead) -> Result<NewHead, HeadError> {
        let last = self.store.load_head().filter(|last| last.tree_head == tree);
        let signed = match last {
            Some(last) => last,
            None => {
                let bytes = tree.sigsum_signing_bytes(&self.log.key_hash());
                let signature = self.signer.sign(&bytes, self.timeout).await?;
                SignedTreeHead { tree_head: tree, signature }
            }
        };
        let is_new = last.is_none();
        let (store, sth) = (self.store.clone(), self.sth.clone());
        let sth_error = blocking(move || {
            if is_new {
                store.persist_head(&signed)?;
            }
            Ok(sth.and_then(|sth| sth.write(&signed).err()))
        });
        let sth_error = sth_error.await.map_err(HeadError::Store)?;
        Ok(NewHead { signed, sth_error })
    }
}
