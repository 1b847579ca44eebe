//! The old primary that is started again after the log has moved. log-go has nothing that would keep
//! it from starting.

use crate::go_rig::Asked;
use crate::heads::get;
use crate::peers::PeerDaemon;
use crate::secondaries::{metric, until};
use sigsum_core::wire::log::parse_tree_head;
use sigsum_core::{CosignedTreeHead, PublicKey};
use std::net::SocketAddr;

/// The old primary, come back.
pub(super) struct Returned {
    daemon: PeerDaemon,
    url: String,
    internal_url: String,
    log: PublicKey,
}

impl Returned {
    /// With its external and its internal endpoint.
    pub(super) fn new(
        daemon: PeerDaemon,
        (external, internal): (SocketAddr, SocketAddr),
        log: PublicKey,
    ) -> Self {
        let (url, internal_url) = (format!("http://{external}"), format!("http://{internal}"));
        Self { daemon, url, internal_url, log }
    }

    /// The head that it publishes after rounds in which no witness has cosigned.
    #[track_caller]
    pub(super) fn lonely_head(self, is_it: impl Fn(&CosignedTreeHead) -> bool) -> CosignedTreeHead {
        let mut found = None;
        until("the head that is expected of the old primary", || {
            let (status, body) = get(&self.url, "/get-tree-head").unwrap();
            assert_eq!(status, 200);
            let head = parse_tree_head(&body).unwrap();
            assert!(head.signed.verify(&self.log));
            assert_eq!(head.cosignatures().len(), 0, "{head:?}");
            found = Some(head.clone());
            lost_rounds(&self.internal_url) >= 3 && is_it(&head)
        });
        let asked = Asked::at(&self.internal_url);
        assert_eq!(asked.times(&["status=\"200\""]), 0, "{}", self.daemon.said());
        assert!(asked.times(&[]) > 0);
        self.daemon.stop();
        found.unwrap()
    }
}

/// Rounds of log-go's in which no quorum cosigned.
fn lost_rounds(internal_url: &str) -> u64 {
    metric(internal_url, "sigsum_log_go_witness_quorum_total{status=\"false\"}").unwrap_or(0.0)
        as u64
}

/// All of them.
pub(super) fn rounds(internal_url: &str) -> u64 {
    let met = metric(internal_url, "sigsum_log_go_witness_quorum_total{status=\"true\"}");
    met.unwrap_or(0.0) as u64 + lost_rounds(internal_url)
}
