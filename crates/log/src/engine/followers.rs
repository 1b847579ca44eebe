//! What a primary knows of its followers: how much each is known to hold, how much enough of them
//! hold, and who does not do what it should.
//!
//! Only what was verified counts: an answer with the follower's signature whose root hash is that of
//! our tree at that size. What a follower held it holds also while it does not answer, so that one
//! that dies takes nothing back; one that comes back with less does.

use sigsum_core::TreeSize;
use std::time::Duration;

/// Place of a follower in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FollowerId(pub usize);

/// How a follower answered last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Not asked yet in this process.
    Unknown,
    /// It holds a part of our tree, or all of it.
    Good,
    /// No answer.
    Failing,
    /// Answers that count for nothing: not signed with its key, or malformed.
    Invalid,
    /// It holds more than we do: our data is from an earlier time, or another log runs with our key.
    Ahead {
        /// What it holds.
        size: TreeSize,
    },
    /// It holds another tree.
    Contradicts {
        /// Where the trees differ.
        size: TreeSize,
    },
}

/// What came of asking a follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It holds our tree up to this size.
    Holds {
        /// Leaves that are durable there.
        size: TreeSize,
        /// Whether it keeps its answer back until there is something new.
        waits: bool,
    },
    /// It claims more leaves than we have.
    Ahead(TreeSize),
    /// It claims another root hash than ours at this size.
    Contradicts(TreeSize),
    /// No answer.
    Failed,
    /// An answer that counts for nothing.
    Invalid,
}

/// A change that the operator is told of, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A follower answers otherwise than before.
    Condition(FollowerId, Condition),
    /// A follower answers, and does not get on although there is something to copy; or it does
    /// again.
    Lagging(FollowerId, bool),
    /// A follower holds less than it did.
    Shrunk {
        /// Which.
        follower: FollowerId,
        /// What it was known to hold.
        from: TreeSize,
        /// What it holds now.
        to: TreeSize,
    },
    /// Fewer than required hold what we have; or enough do again.
    Enough(bool),
}

/// One follower.
#[derive(Debug, Clone, Copy)]
pub struct Follower {
    /// How it answered last.
    pub condition: Condition,
    /// What it is known to hold of our tree.
    pub size: TreeSize,
    /// Whether it keeps answers back until there is something new, so that it follows within
    /// milliseconds.
    pub waits: bool,
    /// It has not got on for longer than [`Rules::patience`], although there is something to copy.
    pub is_lagging: bool,
    /// When it last answered well.
    pub last_success: Option<Duration>,
    /// Since when it lacks leaves and has not got any.
    stuck_since: Option<Duration>,
}

impl Follower {
    fn is_good(&self) -> bool {
        self.condition == Condition::Good && !self.is_lagging
    }
}

/// What the operator decides.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// How many followers must hold a leaf before it counts.
    pub required: usize,
    /// How long a follower may get nothing although there is something to copy, before it counts as
    /// lagging.
    pub patience: Duration,
}

/// What enough followers hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replicated {
    /// The largest size that the required number of them hold.
    pub size: TreeSize,
    /// Whether waiting for more of it is worth a client's while: enough of them follow at once.
    pub is_prompt: bool,
}

/// All followers of a primary.
#[derive(Debug)]
pub struct Followers {
    rules: Rules,
    all: Vec<Follower>,
    enough: Option<bool>,
    events: Vec<Event>,
}

impl Followers {
    /// So many followers, of which nothing is known yet.
    pub fn new(rules: Rules, count: usize) -> Self {
        let unknown = Follower {
            condition: Condition::Unknown,
            size: TreeSize(0),
            waits: false,
            is_lagging: false,
            last_success: None,
            stuck_since: None,
        };
        Self { rules, all: vec![unknown; count], enough: None, events: Vec::new() }
    }

    /// By [`FollowerId`].
    pub fn all(&self) -> &[Follower] {
        &self.all
    }

    /// How many of them are required.
    pub fn required(&self) -> usize {
        self.rules.required
    }

    /// Whether as many as required follow.
    pub fn is_enough(&self) -> bool {
        self.count(Follower::is_good)
    }

    fn count(&self, of: impl Fn(&Follower) -> bool) -> bool {
        self.all.iter().filter(|follower| of(follower)).count() >= self.rules.required
    }

    /// What happened since the last call, in order.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// A follower was asked.
    pub fn answered(&mut self, now: Duration, id: FollowerId, answer: Answer) {
        let Some(follower) = self.all.get_mut(id.0) else { return };
        let before = *follower;
        match answer {
            Answer::Holds { size, waits } => {
                follower.condition = Condition::Good;
                follower.waits = waits;
                follower.last_success = Some(now);
                if size < before.size {
                    let (from, to) = (before.size, size);
                    self.events.push(Event::Shrunk { follower: id, from, to });
                }
                if size != before.size {
                    follower.stuck_since = None;
                }
                follower.size = size;
            }
            Answer::Ahead(size) => {
                follower.condition = Condition::Ahead { size };
                follower.size = TreeSize(0);
            }
            Answer::Contradicts(size) => {
                // The same follower may say so at one size after the other.
                if !matches!(before.condition, Condition::Contradicts { .. }) {
                    follower.condition = Condition::Contradicts { size };
                }
                follower.size = TreeSize(0);
            }
            Answer::Failed => follower.condition = Condition::Failing,
            Answer::Invalid => follower.condition = Condition::Invalid,
        }
        if std::mem::discriminant(&before.condition) != std::mem::discriminant(&follower.condition)
        {
            self.events.push(Event::Condition(id, follower.condition));
        }
    }

    /// Time has passed, and so many leaves are committed.
    pub fn tick(&mut self, now: Duration, committed: TreeSize) {
        for (at, follower) in self.all.iter_mut().enumerate() {
            let lacks = follower.size < committed;
            let since = lacks.then(|| follower.stuck_since.unwrap_or(now));
            follower.stuck_since = since;
            let stuck = since.is_some_and(|since| now.saturating_sub(since) > self.rules.patience);
            // One that does not answer at all is named for that.
            let lagging = stuck && matches!(follower.condition, Condition::Good);
            if lagging != follower.is_lagging {
                self.events.push(Event::Lagging(FollowerId(at), lagging));
            }
            follower.is_lagging = lagging;
        }
        let enough = self.is_enough();
        if self.enough != Some(enough) {
            // That nobody has been asked yet is no news.
            let is_first = self.enough.is_none();
            let unknown = |follower: &Follower| follower.condition == Condition::Unknown;
            if is_first && !enough && self.all.iter().any(unknown) {
                return;
            }
            self.enough = Some(enough);
            self.events.push(Event::Enough(enough));
        }
    }

    /// What enough of them hold.
    pub fn replicated(&self) -> Replicated {
        let mut sizes: Vec<TreeSize> = self.all.iter().map(|follower| follower.size).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        let at = self.rules.required.checked_sub(1);
        let size = at.and_then(|at| sizes.get(at)).copied().unwrap_or_default();
        let is_prompt = self.count(|follower| follower.is_good() && follower.waits);
        Replicated { size, is_prompt }
    }
}

#[cfg(test)]
#[path = "followers_tests.rs"]
mod tests;
