//! Other rules, another policy and other witnesses while the log runs. What is known of a witness
//! that stays is kept, and so are all heads; what they count for is judged anew.

use super::{HeadEngine, Rules};
use crate::engine::cosigned::WitnessId;
use crate::engine::peer::{Budget, Peer};
use sigsum_core::PublicKey;
use sigsum_core::policy::Policy;
use std::sync::Arc;
use std::time::Duration;

/// What the operator decides now.
#[derive(Debug, Clone)]
pub struct Change {
    /// Times and budgets.
    pub rules: Rules,
    /// Whose cosignatures count.
    pub policy: Arc<Policy>,
    /// The witnesses that are asked from now on.
    pub asked: Vec<Kept>,
}

/// A witness to be asked, and who it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Its place in the new policy.
    pub id: WitnessId,
    /// Its place in the old one; `None` where it was not asked before.
    pub was: Option<WitnessId>,
    /// Whether it is reached as before, so that how it answered still says something.
    pub same_place: bool,
}

impl HeadEngine {
    /// Goes on with these. Requests on their way to witnesses that left, or moved, count as not sent:
    /// leave out their answers.
    pub fn change(&mut self, now: Duration, change: Change, log: &PublicKey) {
        let budget = change.rules.requests_per_day.map(Budget::per_day);
        let same_budget = change.rules.requests_per_day == self.rules.requests_per_day;
        let policy_changed = change.policy != self.policy;
        self.rules = change.rules;
        self.policy = change.policy;
        if policy_changed {
            for head in self.published.iter_mut().chain(&mut self.candidates) {
                head.judge(&self.policy, log);
            }
        }
        let before = std::mem::take(&mut self.peers);
        let find = |id: WitnessId| before.iter().find(|(old, _)| *old == id).map(|(_, peer)| peer);
        let places: Vec<_> = change.asked.iter().map(|kept| (kept.id, kept.was)).collect();
        for kept in change.asked {
            let published = self.published.as_ref().filter(|head| head.has(kept.id));
            let cosigned = published.map(|head| head.tree_head().size).unwrap_or_default();
            let peer = match kept.was.and_then(find) {
                Some(peer) if kept.same_place && same_budget => peer.clone(),
                Some(peer) if kept.same_place => peer.with_budget(budget),
                Some(peer) => Peer::new(peer.known_size, budget),
                None => Peer::new(cosigned, budget),
            };
            self.peers.push((kept.id, peer));
        }
        if let Some(guard) = &mut self.guard {
            guard.change(self.policy.clone(), &places, self.rules.publish_without_quorum);
            let shown = self.signed.map(|head| head.tree_head.size).unwrap_or_default();
            self.peers.iter_mut().for_each(|(_, peer)| peer.known_size = shown);
        }
        if policy_changed && self.published.is_some() {
            self.announce(false);
        }
        self.settle(now);
    }
}

#[cfg(test)]
#[path = "change_tests.rs"]
mod tests;
