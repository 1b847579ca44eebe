//! Other witnesses, policy and times while the task runs.

use super::{HeadMaker, Publisher, Running};
use crate::engine::cosigned::WitnessId;
use crate::engine::head::{Change, Kept, Rules};
use crate::witnesses::KnownPeer;
use sigsum_core::policy::Policy;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// What the task is told to go on with.
#[derive(Debug)]
pub(crate) struct NewRules {
    pub(crate) rules: Rules,
    pub(crate) policy: Arc<Policy>,
    pub(crate) peers: Vec<KnownPeer>,
    pub(crate) timeout: Duration,
    /// Hears when that is so.
    pub(crate) done: oneshot::Sender<()>,
}

impl Publisher {
    /// Takes up what the operator wants now. A request to a witness that stays goes on; the answer
    /// of one that left, or moved, is not waited for.
    pub(super) fn change(&mut self, new: NewRules, running: &mut Running) {
        let now = running.started.elapsed();
        let asked: Vec<Kept> = new.peers.iter().map(|peer| self.kept(peer)).collect();
        let stays = |old: WitnessId| asked.iter().find(|kept| kept.was == Some(old));
        running.requests.retain(|_, request| match stays(request.witness) {
            Some(kept) if kept.same_place => {
                request.witness = kept.id;
                true
            }
            _ => false,
        });
        let problems = std::mem::take(&mut running.problems).into_iter();
        running.problems =
            problems.filter_map(|(old, problem)| Some((stays(old)?.id, problem))).collect();
        let before = std::mem::take(&mut self.peers);
        for (peer, kept) in new.peers.into_iter().zip(&asked) {
            let known = kept.was.and_then(|old| before.get(&old));
            let peer = match known {
                // With its open connections.
                Some(known) if kept.same_place => {
                    Arc::new(KnownPeer { id: peer.id, peer: known.peer.clone() })
                }
                _ => Arc::new(peer),
            };
            self.peers.insert(peer.id, peer);
        }
        self.forget_metrics(&before);
        let change = Change { rules: new.rules, policy: new.policy, asked };
        self.engine.change(now, change, &self.asker.log);
        self.asker.timeout = new.timeout;
        self.maker = Arc::new(HeadMaker { timeout: new.timeout, ..(*self.maker).clone() });
        let _ = new.done.send(()); // whoever asked may have stopped to wait
    }

    /// Who this witness was until now.
    fn kept(&self, new: &KnownPeer) -> Kept {
        let before = self.peers.values().find(|old| old.peer.key == new.peer.key);
        Kept {
            id: new.id,
            was: before.map(|old| old.id),
            same_place: before.is_some_and(|old| old.peer.url == new.peer.url),
        }
    }

    /// Forgets what was measured of witnesses that left, or moved, which is to be called something
    /// else: an alert on an old time would fire for ever.
    fn forget_metrics(&self, before: &HashMap<WitnessId, Arc<KnownPeer>>) {
        let stays = |label: &str| self.peers.values().any(|peer| peer.peer.label == label);
        for label in before.values().map(|peer| peer.peer.label.as_str()) {
            if !stays(label) {
                self.metrics.forget_witness(label);
            }
        }
    }
}
