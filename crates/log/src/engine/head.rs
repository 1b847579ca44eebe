//! The life of a head: when to sign, whom to ask, when to publish.
//!
//! A *round* starts with a new head, or with the refresh of an unchanged one. It is open until its
//! head is published, every witness has answered or failed, or the interval is over; no new head
//! is signed while it is open, so that witnesses that need longer than the pause between heads
//! still cosign the same one. Cosignatures that come after that are added to whatever head they
//! are for, as long as that head is published or could still be.

mod change;

use super::cosigned::{CosignedHead, Verified, WitnessId};
use super::guard::{Guard, Knowledge, Party};
use super::peer::{Asked, Budget, FIRST_PAUSE, LONGEST_PAUSE, Peer};
pub use super::plan::{Answer, Due, Event, Request, Restored, Rules};
pub use change::{Change, Kept};
use sigsum_core::policy::{Policy, QuorumReport};
use sigsum_core::{SignedTreeHead, TreeHead, TreeSize};
use std::sync::Arc;
use std::time::Duration;

/// Signed heads that may still be published. More than one is kept so that a log whose witnesses
/// need longer than a round still publishes; four rounds bound what is kept.
const MAX_CANDIDATES: usize = 4;

/// Leaves that come in a burst are signed together: the head waits until none has come for so long.
/// A lone leaf pays it once; a batch of hundreds gets one head instead of two.
pub const BURST_PAUSE: Duration = Duration::from_millis(10);
/// A burst that does not end is signed after so long, or after [`Rules::min_interval`] where that is
/// shorter: a log that is busy all the time signs no later for it.
pub const LONGEST_BURST: Duration = Duration::from_millis(100);

/// Leaves that are committed and not signed yet.
#[derive(Debug, Clone, Copy)]
struct Burst {
    first: Duration,
    last: Duration,
    size: TreeSize,
}

#[derive(Debug)]
struct Round {
    id: u64,
    started: Duration,
    open: bool,
}

/// The state of head signing and publication.
#[derive(Debug)]
pub struct HeadEngine {
    rules: Rules,
    policy: Arc<Policy>,
    peers: Vec<(WitnessId, Peer)>,
    signed: Option<SignedTreeHead>,
    published: Option<CosignedHead>,
    candidates: Vec<CosignedHead>,
    round: Round,
    burst: Option<Burst>,
    /// A head is being made.
    signing: bool,
    /// After a failed signature: not before this time.
    sign_again: Duration,
    sign_failures: u32,
    quorum_missing: bool,
    /// Until it lets the log go on.
    guard: Option<Guard>,
    guard_waits: bool,
    /// The guard found that this log must not go on.
    is_refused: bool,
    /// Largest tree of this log that others may know, whether or not this process signed it.
    known_size: TreeSize,
    /// No smaller head is served.
    floor: TreeSize,
    events: Vec<Event>,
}

impl HeadEngine {
    /// A log that signed nothing in this process. `asked` are the witnesses that can be reached.
    pub fn new(rules: Rules, policy: Arc<Policy>, asked: &[WitnessId], restored: Restored) -> Self {
        let known = |id: &WitnessId| {
            let cosigned = restored.published.as_ref().filter(|p| p.has(*id));
            cosigned.map(|p| p.tree_head().size).unwrap_or_default()
        };
        let budget = rules.requests_per_day.map(Budget::per_day);
        let known_size = restored.guard.as_ref().map(|g| g.signed_size).unwrap_or_default();
        let guard = restored.guard.map(|rules| Guard::new(rules, policy.clone(), asked));
        let peers = asked.iter().map(|id| (*id, Peer::new(known(id), budget))).collect();
        Self {
            rules,
            policy,
            peers,
            signed: None,
            published: restored.published,
            candidates: Vec::new(),
            round: Round { id: 0, started: Duration::ZERO, open: false },
            burst: None,
            signing: false,
            sign_again: Duration::ZERO,
            sign_failures: 0,
            quorum_missing: false,
            guard,
            guard_waits: false,
            is_refused: false,
            known_size,
            floor: restored.floor,
            events: Vec::new(),
        }
    }

    /// The policy in force.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// The head that is served.
    pub fn published(&self) -> Option<&CosignedHead> {
        self.published.as_ref()
    }

    /// The head that was signed last in this process.
    pub fn last_signed(&self) -> Option<&SignedTreeHead> {
        self.signed.as_ref()
    }

    /// The witnesses that are asked, and how they answer.
    pub fn peers(&self) -> &[(WitnessId, Peer)] {
        &self.peers
    }

    /// Whether the last round ended without a quorum.
    pub fn is_quorum_missing(&self) -> bool {
        self.quorum_missing
    }

    /// Whether the start guard is still up: no head may be signed but the one that was signed
    /// last or, where there is none, that of the empty tree; and no leaf be taken.
    pub fn is_guarded(&self) -> bool {
        self.guard.is_some()
    }

    /// What happened since the last call, in order.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// So many leaves are committed now; tells bursts from single leaves.
    pub fn committed(&mut self, now: Duration, size: TreeSize) {
        let signed = self.signed.map(|s| s.tree_head.size).unwrap_or_default();
        self.burst = match self.burst {
            _ if size <= signed => None,
            Some(burst) if burst.size == size => Some(burst),
            Some(burst) => Some(Burst { last: now, size, ..burst }),
            None => Some(Burst { first: now, last: now, size }),
        };
    }

    /// When the burst that is under way has ended, or has lasted long enough.
    fn burst_end(&self) -> Duration {
        self.burst.map_or(Duration::ZERO, |burst| {
            let pause = burst.last.saturating_add(BURST_PAUSE);
            let longest = LONGEST_BURST.min(self.rules.min_interval);
            pause.min(burst.first.saturating_add(longest))
        })
    }

    /// What to do, with this many leaves committed. Call [`Self::tick`] before.
    pub fn due(&self, now: Duration, committed: TreeSize) -> Due {
        if self.signing || self.is_refused {
            return Due::At(Duration::MAX);
        }
        let Some(signed) = &self.signed else {
            return if now < self.sign_again { Due::At(self.sign_again) } else { Due::Sign };
        };
        let round_end = self.round.started.saturating_add(self.rules.interval);
        if self.round.open {
            return Due::At(round_end);
        }
        let affordable = self.affordable();
        let refresh_at = round_end.max(affordable);
        let earliest = self.round.started.saturating_add(self.rules.min_interval).max(affordable);
        let grown = committed > signed.tree_head.size && self.guard.is_none();
        let sign_at = grown.then_some(earliest.max(self.sign_again).max(self.burst_end()));
        match sign_at {
            Some(at) if at <= now => Due::Sign,
            _ if refresh_at <= now => Due::Refresh,
            Some(at) => Due::At(at.min(refresh_at)),
            None => Due::At(refresh_at),
        }
    }

    /// When every witness that answers may be asked again, as far as budgets go: a round before
    /// that would wait for them, open.
    fn affordable(&self) -> Duration {
        let answering = self.peers.iter().filter(|(_, peer)| peer.condition.is_answering());
        answering.map(|(_, peer)| peer.affordable()).max().unwrap_or_default()
    }

    /// When something is due next, a witness's retry included.
    pub fn next_wake(&self, now: Duration, committed: TreeSize) -> Duration {
        let due = match self.due(now, committed) {
            Due::At(at) => at,
            Due::Sign | Due::Refresh => now,
        };
        if self.is_refused {
            return due;
        }
        let guard = self.guard.as_ref().map_or(Duration::MAX, Guard::next_wake);
        let retries = self.peers.iter().filter_map(|(_, peer)| peer.due(self.round.id));
        retries.fold(due.min(guard), Duration::min)
    }

    /// A head is being made; none is due until that has ended.
    pub fn signing(&mut self) {
        self.signing = true;
    }

    /// A head was signed and is durable: a round starts.
    pub fn head_signed(&mut self, now: Duration, head: SignedTreeHead) {
        self.signing = false;
        self.sign_failures = 0;
        self.sign_again = Duration::ZERO;
        self.signed = Some(head);
        self.burst = None;
        if let Some(guard) = &mut self.guard {
            guard.begin(now);
            // Who knows another size says so, whatever is assumed; who knows this one can cosign.
            let size = head.tree_head.size;
            self.peers.iter_mut().for_each(|(_, peer)| peer.known_size = size);
        }
        if self.find_mut(&head.tree_head).is_none() {
            if self.candidates.len() >= MAX_CANDIDATES {
                self.candidates.remove(0);
            }
            self.candidates.push(CosignedHead::new(head));
        }
        self.start_round(now);
    }

    /// The signer or the disk failed: try again after a pause that doubles, up to
    /// [`LONGEST_PAUSE`] or the interval.
    pub fn signing_failed(&mut self, now: Duration) {
        self.signing = false;
        let pause = FIRST_PAUSE.saturating_mul(1 << self.sign_failures.min(16));
        self.sign_failures = self.sign_failures.saturating_add(1);
        self.sign_again = now.saturating_add(pause.min(self.longest_pause()));
    }

    fn longest_pause(&self) -> Duration {
        self.rules.interval.min(LONGEST_PAUSE)
    }

    /// A round starts with the head that is signed already.
    pub fn refresh(&mut self, now: Duration) {
        self.start_round(now);
    }

    fn start_round(&mut self, now: Duration) {
        let id = self.round.id.saturating_add(1);
        self.round = Round { id, started: now, open: true };
        self.settle(now);
    }

    /// The requests to send now; each is counted as sent.
    pub fn requests(&mut self, now: Duration) -> Vec<Request> {
        let Some(head) = self.signed.filter(|_| !self.is_refused) else { return Vec::new() };
        let round = self.round.id;
        let mut out = Vec::new();
        for (witness, peer) in &mut self.peers {
            if peer.due(round).is_some_and(|at| at <= now) {
                peer.asked(now);
                let old_size = peer.known_size.min(head.tree_head.size);
                let retried = peer.was_resized(round);
                out.push(Request { witness: *witness, head, old_size, round, retried });
            }
        }
        out
    }

    /// A request ended.
    pub fn answered(&mut self, now: Duration, request: &Request, answer: Answer) {
        let signed = self.signed.map(|s| s.tree_head.size).unwrap_or_default();
        let largest = signed.max(self.known_size);
        let asked = Asked { now, round: request.round, longest_pause: self.longest_pause() };
        let found = self.peers.iter_mut().find(|(id, _)| *id == request.witness);
        let Some((_, peer)) = found else { return };
        let before = peer.condition;
        match &answer {
            Answer::Cosigned(_) => peer.cosigned(asked, request.head.tree_head.size),
            Answer::Conflict(size) if *size > request.head.tree_head.size && *size <= largest => {
                peer.knows_later(asked, *size);
            }
            Answer::Conflict(size) => {
                peer.conflicted(asked, *size, largest);
            }
            Answer::Failed | Answer::Unknown | Answer::OtherTree => {
                peer.failed(asked, Duration::ZERO);
            }
            Answer::Busy(pause) => peer.failed(asked, *pause),
        }
        if peer.condition != before {
            let condition = peer.condition;
            self.events.push(Event::Witness { witness: request.witness, condition });
        }
        let is_new = self.guard.as_ref().is_some_and(Guard::is_new);
        self.hear(Party::Witness(request.witness), knowledge(request, &answer, is_new));
        if let Answer::Cosigned(verified) = answer {
            self.add(&request.head.tree_head, verified);
        }
        self.settle(now);
    }

    /// A follower said what it knows; of interest until the start guard has let the log go on.
    pub fn follower_heard(&mut self, now: Duration, follower: usize, known: Knowledge) {
        self.hear(Party::Follower(follower), known);
        self.settle(now);
    }

    fn hear(&mut self, who: Party, known: Knowledge) {
        if let Some(guard) = &mut self.guard
            && let Err(refusal) = guard.hear(who, known)
            && !std::mem::replace(&mut self.is_refused, true)
        {
            self.events.push(Event::Refused(refusal));
        }
    }

    /// Lets the log go on where enough are heard and nobody knows more.
    fn settle_guard(&mut self, now: Duration) {
        let is_passed = self.guard.as_mut().is_some_and(|guard| guard.is_passed(now));
        if self.is_refused || !is_passed {
            return;
        }
        let Some(guard) = self.guard.take() else { return };
        let took = guard.begun().map_or(Duration::ZERO, |at| now.saturating_sub(at));
        self.events.push(Event::GuardPassed { took, silent: guard.silent().collect() });
        // Witnesses that know a later head cannot cosign this one: the next is what they wait for.
        let signed = self.signed.map(|s| s.tree_head.size);
        if signed.is_some_and(|size| size < self.known_size) {
            self.round.open = false;
        }
    }

    fn end_guarded(&mut self) {
        let Some(guard) = &self.guard else { return };
        // What is left then is to hear the others out, which is over within seconds.
        let is_heard = guard.followers_heard() >= guard.followers_required();
        if guard.has_quorum() && is_heard {
            return;
        }
        if !std::mem::replace(&mut self.guard_waits, true) {
            self.events.push(Event::GuardWaits {
                quorum_missing: !guard.has_quorum(),
                followers: guard.followers_heard(),
                required_followers: guard.followers_required(),
            });
        }
    }

    /// Time has passed: a round may be over.
    pub fn tick(&mut self, now: Duration) {
        self.settle(now);
    }

    fn find_mut(&mut self, head: &TreeHead) -> Option<&mut CosignedHead> {
        let known = self.published.iter_mut().chain(&mut self.candidates);
        known.into_iter().find(|h| h.tree_head() == *head)
    }

    fn add(&mut self, head: &TreeHead, verified: Verified) {
        let is_published = self.published.as_ref().is_some_and(|p| p.tree_head() == *head);
        let changed = self.find_mut(head).is_some_and(|h| h.insert(verified));
        if changed && is_published {
            self.announce(false);
        }
    }

    /// Whether this witness cosigned in answer to this round's request.
    fn is_fresh(&self, at: usize) -> bool {
        let round = self.round.id;
        self.peers.iter().any(|(id, peer)| id.0 == at && peer.is_done(round))
    }

    /// Publishes what has a quorum and closes the round where nothing more can come of it.
    fn settle(&mut self, now: Duration) {
        self.settle_guard(now);
        if let Some(at) = self.candidates.iter().rposition(|c| c.has_quorum(&self.policy)) {
            self.publish(at);
        }
        if !self.round.open {
            return;
        }
        let fresh = self.policy.quorum().evaluate(&|at| self.is_fresh(at));
        let round = self.round.id;
        let is_pending = self.peers.iter().any(|(_, peer)| peer.is_pending(round));
        let took = now.saturating_sub(self.round.started);
        if fresh.is_satisfied() {
            self.end_round(true, took);
            self.quorum_met();
            self.end_guarded();
        } else if took >= self.rules.interval || !is_pending {
            self.end_round(false, took);
            self.end_guarded();
            self.end_without_quorum(&fresh);
        }
    }

    fn end_round(&mut self, quorum: bool, took: Duration) {
        self.round.open = false;
        self.events.push(Event::RoundEnded { quorum, took });
    }

    fn end_without_quorum(&mut self, fresh: &QuorumReport) {
        let Some(signed) = self.signed else { return };
        if !self.quorum_missing {
            self.quorum_missing = true;
            let size = signed.tree_head.size;
            self.events.push(Event::QuorumMissing { size, report: fresh.to_string() });
        }
        let candidate = self.candidates.iter().position(|c| c.tree_head() == signed.tree_head);
        if let (true, Some(at)) = (self.rules.publish_without_quorum, candidate) {
            self.publish(at);
        }
    }

    fn quorum_met(&mut self) {
        if std::mem::take(&mut self.quorum_missing) {
            self.events.push(Event::QuorumMet);
        }
    }

    /// Publishes this candidate and forgets the ones before it.
    fn publish(&mut self, candidate: usize) {
        let mut taken: Vec<_> = self.candidates.drain(..=candidate).collect();
        let Some(head) = taken.pop() else { return };
        self.published = Some(head);
        self.announce(true);
    }

    fn announce(&mut self, is_new: bool) {
        let Some(head) = self.published.clone() else { return };
        if head.tree_head().size < self.floor {
            return;
        }
        let quorum = head.has_quorum(&self.policy);
        self.events.push(Event::Publish { head, quorum, is_new });
        if quorum && is_new {
            self.quorum_met();
        }
    }
}

/// What an answer to this request tells of the witness's state.
fn knowledge(request: &Request, answer: &Answer, is_new: bool) -> Knowledge {
    let shown = request.head.tree_head.size;
    match answer {
        Answer::Cosigned(_) => Knowledge::UpTo(shown),
        Answer::Conflict(size) => Knowledge::UpTo(*size),
        // The status alone says so, which a proxy in front of the witness may have given.
        Answer::Unknown if is_new => Knowledge::UpTo(TreeSize(0)),
        // Between two sizes, it is the proof that may be refused, or the witness that is wrong; and
        // there is but one tree without leaves.
        Answer::OtherTree if request.old_size == shown && shown.0 > 0 => Knowledge::Other(shown),
        Answer::Unknown | Answer::OtherTree | Answer::Busy(_) | Answer::Failed => {
            Knowledge::Unheard
        }
    }
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
