//! Random orders of everything that can happen, restarts with the start guard among them.

use super::*;
use crate::engine::guard::GuardRules;
use proptest::prelude::*;

#[derive(Debug, Clone, Copy)]
enum Step {
    Leaf,
    Wait(u64),
    Answer { which: usize, kind: u8 },
    Restart,
    SignerFails,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Leaf),
        (1_u64..3000).prop_map(Step::Wait),
        (0_usize..8, 0_u8..7).prop_map(|(which, kind)| Step::Answer { which, kind }),
        (0_usize..8).prop_map(|which| Step::Answer { which, kind: 0 }),
        Just(Step::Restart),
        Just(Step::SignerFails),
    ]
}

struct World {
    engine: HeadEngine,
    now: Duration,
    size: u64,
    /// Size of the last signed head, as a restart finds it.
    signed: u64,
    open: Vec<Request>,
    published: Option<CosignedHead>,
}

impl World {
    /// What the publisher task does between events.
    fn act(&mut self, signer_works: bool) {
        self.engine.tick(self.now);
        match self.engine.due(self.now, TreeSize(self.size)) {
            Due::Sign if signer_works => self.sign(),
            Due::Sign => self.engine.signing_failed(self.now),
            Due::Refresh => self.engine.refresh(self.now),
            Due::At(at) => assert!(at > self.now, "nothing is due in the past"),
        }
        self.open.extend(self.engine.requests(self.now));
        self.check();
    }

    fn sign(&mut self) {
        if self.engine.is_guarded() {
            assert_eq!(self.engine.last_signed(), None, "one head is shown, and no other signed");
        } else {
            self.signed = self.size;
        }
        self.engine.head_signed(self.now, head(self.signed));
    }

    /// The process ends and another is started.
    fn restart(&mut self) {
        let guard = GuardRules {
            signed_size: TreeSize(self.signed),
            committed_size: TreeSize(self.size),
            followers: 0,
            required_followers: 0,
            lenient: false,
        };
        let published = self.published.clone();
        let restored = Restored { published, guard: Some(guard), ..Restored::default() };
        self.engine = HeadEngine::new(RULES, policy(3, 2), &ids(3), restored);
        self.now = Duration::ZERO;
        self.open.clear();
    }

    fn check(&mut self) {
        for event in self.engine.take_events() {
            // A witness lies; the operator starts the log again.
            if matches!(event, Event::Refused(_)) {
                return self.restart();
            }
            let Event::Publish { head, quorum, .. } = event else { continue };
            assert!(quorum, "what is published has its quorum");
            if let Some(before) = &self.published {
                assert!(before.tree_head().size <= head.tree_head().size, "no step back");
                let same = before.tree_head() == head.tree_head();
                let kept = (0..3).map(WitnessId).all(|w| !before.has(w) || head.has(w));
                assert!(!same || kept, "no cosignature is lost");
            }
            self.published = Some(head);
        }
        for witness in ids(3) {
            let open = self.open.iter().filter(|r| r.witness == witness).count();
            assert!(open <= 1, "one request at a time and witness");
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Leaf => self.size += 1,
            Step::Wait(wait) => self.now += ms(wait),
            Step::Answer { which, kind } if !self.open.is_empty() => {
                let request = self.open.remove(which % self.open.len());
                let answer = match kind {
                    0..=2 => cosigned_at(request.witness, 1 + self.now.as_secs()),
                    3 => Answer::Conflict(TreeSize(self.size / 2)),
                    4 => Answer::Conflict(TreeSize(self.size + 3)),
                    5 => Answer::Busy(ms(700)),
                    _ => Answer::Failed,
                };
                self.engine.answered(self.now, &request, answer);
            }
            Step::Answer { .. } => {}
            Step::Restart => self.restart(),
            Step::SignerFails => return self.act(false),
        }
        self.act(true);
    }
}

proptest! {
    #[test]
    fn whatever_happens_no_good_head_is_lost(steps in prop::collection::vec(step(), 1..200)) {
        let engine = two_of_three();
        let (now, open) = (Duration::ZERO, Vec::new());
        let mut world = World { engine, now, size: 0, signed: 0, open, published: None };
        for step in steps {
            world.step(step);
        }
        // Once everyone answers again, what was added is published.
        for _ in 0..40 {
            world.now += ms(1000);
            world.act(true);
            for request in std::mem::take(&mut world.open) {
                let answer = cosigned_at(request.witness, 1_000_000);
                world.engine.answered(world.now, &request, answer);
            }
            world.check();
        }
        let published = world.published.expect("published").tree_head().size;
        prop_assert_eq!(published, TreeSize(world.size));
    }
}
