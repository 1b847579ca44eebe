//! The followers of a primary: what counts, and what is told.

use super::*;
use proptest::prelude::*;

const PATIENCE: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);
const A: FollowerId = FollowerId(0);
const B: FollowerId = FollowerId(1);

fn followers(count: usize, required: usize) -> Followers {
    Followers::new(Rules { required, patience: PATIENCE }, count)
}

fn holds(size: u64) -> Answer {
    Answer::Holds { size: TreeSize(size), waits: true }
}

fn size(followers: &Followers) -> u64 {
    followers.replicated().size.0
}

#[test]
fn nothing_is_replicated_before_a_follower_said_so() {
    let followers = followers(2, 1);
    assert_eq!(followers.replicated(), Replicated::default());
}

#[test]
fn what_the_required_number_hold_counts() {
    for (required, expected) in [(1, 9), (2, 5), (3, 2)] {
        let mut followers = followers(3, required);
        for (at, size) in [5, 9, 2].into_iter().enumerate() {
            followers.answered(SECOND, FollowerId(at), holds(size));
        }
        assert_eq!(size(&followers), expected, "{required} of 3");
    }
}

#[test]
fn a_follower_that_dies_takes_nothing_back() {
    let mut followers = followers(2, 1);
    followers.answered(SECOND, A, holds(9));
    followers.answered(SECOND, A, Answer::Failed);
    assert_eq!(size(&followers), 9);
    assert!(!followers.replicated().is_prompt, "nobody would come of waiting");
    followers.answered(SECOND, B, holds(10));
    assert_eq!(followers.replicated(), Replicated { size: TreeSize(10), is_prompt: true });
}

#[test]
fn a_follower_that_comes_back_with_less_holds_less() {
    let mut followers = followers(1, 1);
    followers.answered(SECOND, A, holds(9));
    followers.answered(SECOND, A, holds(4));
    assert_eq!(size(&followers), 4);
    let shrunk = Event::Shrunk { follower: A, from: TreeSize(9), to: TreeSize(4) };
    assert!(followers.take_events().contains(&shrunk));
}

#[test]
fn a_follower_that_is_ahead_or_holds_another_tree_counts_for_nothing() {
    for answer in [Answer::Ahead(TreeSize(20)), Answer::Contradicts(TreeSize(5))] {
        let mut followers = followers(2, 1);
        followers.answered(SECOND, A, holds(9));
        followers.answered(SECOND, A, answer);
        assert_eq!(size(&followers), 0, "{answer:?}");
        followers.answered(SECOND, B, holds(3));
        assert_eq!(size(&followers), 3, "the other one counts");
        assert!(followers.replicated().is_prompt);
    }
}

#[test]
fn a_change_of_condition_is_told_once() {
    let mut followers = followers(1, 1);
    for answer in
        [Answer::Failed, Answer::Failed, Answer::Invalid, holds(1), holds(2), Answer::Failed]
    {
        followers.answered(SECOND, A, answer);
    }
    let told = followers.take_events();
    let conditions = [Condition::Failing, Condition::Invalid, Condition::Good, Condition::Failing];
    assert_eq!(told, conditions.map(|condition| Event::Condition(A, condition)));
    for at in [5, 6, 7] {
        followers.answered(SECOND, A, Answer::Contradicts(TreeSize(at)));
        followers.answered(SECOND, B, Answer::Ahead(TreeSize(at)));
    }
    let contradicts = Condition::Contradicts { size: TreeSize(5) };
    assert_eq!(followers.take_events(), [Event::Condition(A, contradicts)]);
}

#[test]
fn a_follower_that_does_not_get_on_is_lagging_until_it_does() {
    let mut followers = followers(1, 1);
    followers.answered(SECOND, A, holds(5));
    followers.tick(SECOND, TreeSize(5));
    followers.tick(100 * SECOND, TreeSize(5));
    assert!(followers.replicated().is_prompt, "there was nothing to copy");
    followers.tick(101 * SECOND, TreeSize(6));
    followers.answered(111 * SECOND, A, holds(5));
    followers.tick(111 * SECOND, TreeSize(7));
    assert!(followers.replicated().is_prompt);
    followers.tick(112 * SECOND, TreeSize(8));
    assert!(!followers.replicated().is_prompt);
    assert!(followers.take_events().ends_with(&[Event::Lagging(A, true), Event::Enough(false)]));
    followers.answered(113 * SECOND, A, holds(6));
    followers.tick(113 * SECOND, TreeSize(8));
    assert!(followers.replicated().is_prompt, "it gets on, if slowly");
    assert_eq!(followers.take_events(), [Event::Lagging(A, false), Event::Enough(true)]);
}

#[test]
fn a_follower_that_answers_at_once_is_not_waited_for() {
    let mut followers = followers(2, 1);
    followers.answered(SECOND, A, Answer::Holds { size: TreeSize(4), waits: false });
    assert_eq!(followers.replicated(), Replicated { size: TreeSize(4), is_prompt: false });
}

#[test]
fn that_too_few_follow_is_told_once_everybody_has_been_asked() {
    let mut followers = followers(2, 2);
    followers.answered(SECOND, A, holds(1));
    followers.tick(SECOND, TreeSize(1));
    assert!(!followers.take_events().contains(&Event::Enough(false)), "one is being asked");
    followers.answered(SECOND, B, Answer::Failed);
    followers.tick(SECOND, TreeSize(1));
    followers.tick(SECOND, TreeSize(1));
    let told = followers.take_events();
    assert_eq!(told.iter().filter(|event| **event == Event::Enough(false)).count(), 1);
    followers.answered(SECOND, B, holds(1));
    followers.tick(SECOND, TreeSize(1));
    assert_eq!(followers.take_events().last(), Some(&Event::Enough(true)));
}

proptest! {
    #[test]
    fn as_many_as_required_hold_what_counts(
        required in 1usize..4,
        answers in proptest::collection::vec((0usize..4, 0u64..20, 0u8..4), 0..40),
    ) {
        let mut followers = followers(4, required);
        let mut held = [0u64; 4];
        for (at, size, kind) in answers {
            let answer = match kind {
                0 => Answer::Failed,
                1 => Answer::Contradicts(TreeSize(size)),
                _ => holds(size),
            };
            held[at] = match answer {
                Answer::Failed => held[at],
                Answer::Holds { size, .. } => size.0,
                _ => 0,
            };
            followers.answered(SECOND, FollowerId(at), answer);
            let counts = followers.replicated().size.0;
            let holders = |size: u64| held.iter().filter(|held| **held >= size).count();
            prop_assert!(holders(counts) >= required);
            prop_assert!(holders(counts + 1) < required, "it is the largest such size");
        }
    }
}
