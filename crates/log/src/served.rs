//! The head that is served, ready to be sent. Readers take it without a lock.

use crate::engine::cosigned::{CosignedHead, WitnessId};
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use sigsum_core::wire::log::tree_head_body;
use sigsum_core::{CosignedTreeHead, PublicKey, TreeSize};
use std::sync::Arc;

/// A published head in all its forms.
#[derive(Debug)]
pub(crate) struct ServedHead {
    /// The head.
    pub(crate) cosigned: CosignedTreeHead,
    /// Whether it has the policy's quorum.
    pub(crate) quorum: bool,
    /// Who cosigned it, and when by the witness's clock, in seconds since 1970.
    pub(crate) times: Vec<(WitnessId, u64)>,
    /// Body of get-tree-head.
    pub(crate) body: Bytes,
    /// Body of `checkpoint`.
    pub(crate) checkpoint: Bytes,
}

impl ServedHead {
    /// Renders a head.
    pub(crate) fn new(head: &CosignedHead, quorum: bool, log: &PublicKey) -> Self {
        let cosigned = head.cosigned().clone();
        let body = tree_head_body(&cosigned).into();
        let checkpoint = head.to_checkpoint(log).to_bytes().into();
        let times = head.times().collect();
        Self { cosigned, quorum, times, body, checkpoint }
    }

    /// Number of leaves that are visible.
    pub(crate) fn size(&self) -> TreeSize {
        self.cosigned.signed.tree_head.size
    }
}

/// The place where the head is exchanged.
#[derive(Debug, Default)]
pub(crate) struct Served {
    current: ArcSwapOption<ServedHead>,
}

impl Served {
    /// The head, once there is one.
    pub(crate) fn head(&self) -> Option<Arc<ServedHead>> {
        self.current.load_full()
    }

    /// Number of leaves that are visible; zero before the first head.
    pub(crate) fn size(&self) -> TreeSize {
        self.current.load().as_ref().map(|head| head.size()).unwrap_or_default()
    }

    /// Serves no head from now on.
    pub(crate) fn clear(&self) {
        self.current.store(None);
    }

    /// Serves this head from now on.
    pub(crate) fn replace(&self, head: ServedHead) {
        self.current.store(Some(Arc::new(head)));
    }
}
