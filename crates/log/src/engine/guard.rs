//! The start guard: whether a log may go on from the tree that it has, or others know that it
//! signed more.
//!
//! A data directory may be an old copy, or that of a primary which another has replaced since. It
//! looks like any other; only those know who saw the later heads. So a log that starts shows them
//! the last head it signed, which tells nobody anything new, and signs no other and takes no leaf
//! until enough have answered. Without witnesses that make the quorum no head could be published;
//! what waiting for them costs is that leaves are not taken meanwhile.
//!
//! Enough is not always sure. A head that was published has a quorum of cosignatures, so that one of
//! those who answered knows it if the silent ones do not make a quorum; and of followers that must
//! hold what is answered 200, one of those who answered holds it if fewer than required are silent.
//! Where that is not so, the silent ones get longer, and then the log goes on without them, as one
//! that is gone for good must not end it.

use super::cosigned::WitnessId;
use sigsum_core::TreeSize;
use sigsum_core::policy::Policy;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Once enough have answered for the rest to have nothing to add, the others get this long to object
/// all the same: most of those that work have answered by then, and a start with a dead one is
/// hardly slower.
pub const OTHERS_PAUSE: Duration = Duration::from_millis(500);

/// So long for followers that could hold what no other does. One that runs is asked again within a
/// second ([`crate::engine::pace::LONGEST_PAUSE`]) and has another one to answer. It bounds how long
/// a fail-over takes with the old primary still named.
pub const FOLLOWERS_PAUSE: Duration = Duration::from_secs(2);

/// So long for witnesses that could know what no other does, and for the quorum where a log publishes
/// without one: one that runs, and did not ask for longer, is asked again within five seconds
/// ([`crate::engine::peer::LONGEST_PAUSE`]) and has another five to answer.
pub const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Somebody who may know a later tree of this log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// A witness of the policy.
    Witness(WitnessId),
    /// A follower, by its place in the configuration.
    Follower(usize),
}

/// What one of them said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knowledge {
    /// A tree of this size; 0 where it does not know the log.
    UpTo(TreeSize),
    /// Another tree of this size than ours.
    Other(TreeSize),
    /// Nothing that tells: no answer, an error.
    Unheard,
}

/// Why the log may not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Who knows more.
    pub who: Party,
    /// What it knows; never [`Knowledge::Unheard`].
    pub known: Knowledge,
    /// The largest tree that this log knows to be its own in that party's eyes.
    pub ours: TreeSize,
}

/// What a start is guarded by.
#[derive(Debug, Clone)]
pub struct GuardRules {
    /// The largest tree that witnesses may know: that of the last signed head, or of the head that
    /// they knew when this directory became the primary's.
    pub signed_size: TreeSize,
    /// Leaves that are durable here; no follower has more.
    pub committed_size: TreeSize,
    /// How many followers there are.
    pub followers: usize,
    /// How many of them must be heard.
    pub required_followers: usize,
    /// Go on without a quorum of witnesses after a while, as the log publishes without one.
    pub lenient: bool,
}

/// The guard of one start, until it lets the log go on.
#[derive(Debug)]
pub struct Guard {
    rules: GuardRules,
    policy: Arc<Policy>,
    /// Everybody who is asked, and what was heard last.
    heard: BTreeMap<Party, Option<Knowledge>>,
    started: Option<Duration>,
    /// Since when enough have answered.
    enough: Option<Duration>,
}

impl Guard {
    /// Nobody was asked yet.
    pub fn new(rules: GuardRules, policy: Arc<Policy>, witnesses: &[WitnessId]) -> Self {
        let witnesses = witnesses.iter().map(|id| Party::Witness(*id));
        let parties = witnesses.chain((0..rules.followers).map(Party::Follower));
        let heard = parties.map(|party| (party, None)).collect();
        Self { rules, policy, heard, started: None, enough: None }
    }

    /// The largest tree that witnesses may know.
    pub fn signed_size(&self) -> TreeSize {
        self.rules.signed_size
    }

    /// The first head is there to be shown.
    pub fn begin(&mut self, now: Duration) {
        self.started.get_or_insert(now);
    }

    /// Another policy, with other witnesses: each `(is, was)`, by its place in the new policy and in
    /// the old one. What those that stay have said counts on.
    pub fn change(
        &mut self,
        policy: Arc<Policy>,
        witnesses: &[(WitnessId, Option<WitnessId>)],
        lenient: bool,
    ) {
        let before = std::mem::take(&mut self.heard);
        let said = |was: &WitnessId| before.get(&Party::Witness(*was)).copied().flatten();
        let stays =
            witnesses.iter().map(|(is, was)| (Party::Witness(*is), was.as_ref().and_then(said)));
        let followers = before.iter().filter(|(who, _)| matches!(who, Party::Follower(_)));
        self.heard = followers.map(|(who, known)| (*who, *known)).chain(stays).collect();
        self.policy = policy;
        self.rules.lenient = lenient;
        self.enough = None;
    }

    /// When the first head was there to be shown.
    pub fn begun(&self) -> Option<Duration> {
        self.started
    }

    /// Takes an answer. Nobody takes back what it said by not answering later.
    ///
    /// # Errors
    /// [`Refusal`]: the log must stop.
    pub fn hear(&mut self, who: Party, known: Knowledge) -> Result<(), Refusal> {
        let ours = match who {
            Party::Witness(_) => self.rules.signed_size,
            Party::Follower(_) => self.rules.committed_size,
        };
        let knows_more = match known {
            Knowledge::UpTo(size) => size > ours,
            Knowledge::Other(_) => true,
            Knowledge::Unheard => false,
        };
        if knows_more {
            return Err(Refusal { who, known, ours });
        }
        if let Some(heard) = self.heard.get_mut(&who)
            && !matches!(heard, Some(Knowledge::UpTo(_)))
        {
            *heard = Some(known);
        }
        Ok(())
    }

    fn is_heard(&self, who: Party) -> bool {
        matches!(self.heard.get(&who), Some(Some(Knowledge::UpTo(_))))
    }

    /// Whether enough witnesses have answered to make the quorum.
    pub fn has_quorum(&self) -> bool {
        self.policy.quorum().is_satisfied(&|at| self.is_heard(Party::Witness(WitnessId(at))))
    }

    /// Followers that have answered.
    pub fn followers_heard(&self) -> usize {
        (0..self.rules.followers).filter(|at| self.is_heard(Party::Follower(*at))).count()
    }

    /// Followers that must have answered.
    pub fn followers_required(&self) -> usize {
        self.rules.required_followers
    }

    /// Whether the log has never signed anything and has no leaf. Only then does it tell anything
    /// that a witness does not know it.
    pub fn is_new(&self) -> bool {
        self.rules.signed_size.0 == 0 && self.rules.committed_size.0 == 0
    }

    /// Those who were asked and have said nothing that tells.
    pub fn silent(&self) -> impl Iterator<Item = Party> {
        self.heard.keys().copied().filter(|who| !self.is_heard(*who))
    }

    /// Whether this witness is asked and silent. One without a URL is not asked: nor was it for any
    /// head of a log with this policy, so that it knows none.
    fn is_silent(&self, witness: usize) -> bool {
        let who = Party::Witness(WitnessId(witness));
        self.heard.contains_key(&who) && !self.is_heard(who)
    }

    /// How long the silent ones get, once enough have answered.
    fn pause(&self) -> Duration {
        let is_witness = |who| matches!(who, Party::Witness(_));
        let (witnesses, followers): (Vec<_>, Vec<_>) =
            self.silent().partition(|who| is_witness(*who));
        // Any head satisfies a policy that asks for nothing, as these would.
        let may_know = self.policy.quorum().is_satisfied(&|at| self.is_silent(at));
        if !witnesses.is_empty() && may_know {
            LONGEST_WAIT
        } else if !followers.is_empty() && followers.len() >= self.rules.required_followers {
            FOLLOWERS_PAUSE
        } else if self.heard.values().all(Option::is_some) {
            Duration::ZERO
        } else {
            OTHERS_PAUSE
        }
    }

    /// Whether nobody is left to be heard, or as many as must be have been.
    fn is_enough(&self) -> bool {
        let is_witness = |who| matches!(who, Party::Witness(_));
        self.has_quorum() || (self.rules.lenient && !self.silent().any(is_witness))
    }

    /// Whether the log may go on now.
    pub fn is_passed(&mut self, now: Duration) -> bool {
        let Some(started) = self.started else { return false };
        if self.followers_heard() < self.rules.required_followers {
            return false;
        }
        if self.is_enough() {
            let since = *self.enough.get_or_insert(now);
            if now.saturating_sub(since) >= self.pause() {
                return true;
            }
        }
        self.rules.lenient && now.saturating_sub(started) >= LONGEST_WAIT
    }

    /// When to ask [`Self::is_passed`] again, if nobody answers before.
    pub fn next_wake(&self) -> Duration {
        if self.followers_heard() < self.rules.required_followers {
            return Duration::MAX;
        }
        let after_enough = self.enough.map(|at| at.saturating_add(self.pause()));
        let lenient = self.started.filter(|_| self.rules.lenient);
        let after_start = lenient.map(|at| at.saturating_add(LONGEST_WAIT));
        after_enough.into_iter().chain(after_start).min().unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
