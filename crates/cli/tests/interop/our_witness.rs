//! Our witness, in both its forms at once, and sigsum-log-primary as its log.

use crate::go_rig::{Asked, GoRig};
use crate::harness::{Sandbox, say};
use crate::heads::Head;
use std::time::{Duration, Instant};

/// Heads that the log gets cosigned without a gap.
const ROUNDS: u64 = 1000;
/// How long to hope for a machine that is less busy.
const SHORT_INTERVAL_LIMIT: Duration = Duration::from_secs(120);
/// Answers that the log counts.
const SUCCESS: &str = "status=\"200\"";
const NO_ANSWER: &str = "status=\"other\"";
const REFUSED: &str = "status=\"422\"";
const RETRIED: &str = "retried=\"true\"";

/// No cosignature is older than one that was seen before.
#[track_caller]
fn assert_follows(head: &Head, before: &Head) {
    assert!(head.size >= before.size, "{head:?} follows {before:?}");
    for (name, time_s) in &head.cosigned_s {
        let known_s = before.cosigned_s.get(name).copied().unwrap_or(0);
        assert!(*time_s >= known_s, "{head:?} follows {before:?}");
    }
}

/// Adds the leaves of a tree from one size to another, and waits until they are cosigned.
#[track_caller]
fn grow(rig: &GoRig, tree: &str, from: u64, to: u64) -> Head {
    for number in from..to {
        rig.add_leaf(tree, number);
    }
    rig.observer.cosigned(to)
}

/// No witness has refused a head. Where a cosigned head's answer got lost, and only there, it may
/// have told the log from which size to go on.
#[track_caller]
fn assert_no_refusal(asked: &Asked, rig: &GoRig) {
    let lost = asked.times(&[NO_ANSWER]);
    assert_eq!(asked.times(&[]), asked.times(&[SUCCESS]) + lost, "{}", rig.said());
    assert!(asked.times(&[RETRIED]) <= lost, "{}", rig.said());
}

/// The log got no answer from some witness before its interval ended.
struct TooSlow;

/// Whether the log has published a head without some witness.
fn is_late(rig: &GoRig, head: &Head) -> bool {
    head.cosigned_s.len() < rig.witnesses.len()
}

/// Has a log with this interval cosigned, a leaf each round.
fn cosign_rounds(interval: &str) -> Option<Result<(), TooSlow>> {
    let options = ["--backend", "ephemeral", "--interval", interval];
    let rig = GoRig::prepared_in(Sandbox::in_memory(), &options)?.started();
    let first = rig.observer.cosigned(0);
    let lost_before = rig.asked().times(&[NO_ANSWER]);
    let mut last = first.clone();
    for round in 1..=ROUNDS {
        rig.add_leaf("tree", round);
        last = rig.observer.wait_for("next head", |head| {
            assert_follows(head, &last);
            head.size == round || is_late(&rig, head)
        });
        if is_late(&rig, &last) {
            break;
        }
    }
    let asked = rig.asked();
    assert_no_refusal(&asked, &rig);
    if asked.times(&[NO_ANSWER]) > lost_before {
        let said = rig.said();
        let mut failures = said.lines().filter(|line| line.contains("failed: Post"));
        assert!(failures.all(|line| line.contains("context deadline exceeded")), "{said}");
        return Some(Err(TooSlow));
    }
    assert!(!is_late(&rig, &last), "a gap of nobody's making: {last:?}");
    for witness in &rig.witnesses {
        let name = witness.name();
        assert!(last.cosigned_s[name] > first.cosigned_s[name], "{first:?} {last:?}");
        assert!(asked.times(&[&witness.label(), SUCCESS]) > ROUNDS);
    }
    Some(Ok(()))
}

#[test]
fn cosigns_a_thousand_heads_of_sigsum_log_primary_without_a_gap() {
    // The log gives up on its witnesses when its interval ends; where processors are busy, on
    // sigsum-witness as on ours. 100 ms are twenty times what a witness takes; while other tests
    // run, it begins anew, and with a longer interval where nothing else helps.
    let began = Instant::now();
    let short = std::iter::repeat("100ms").take_while(|_| began.elapsed() < SHORT_INTERVAL_LIMIT);
    for interval in short.chain(["300ms"]) {
        match cosign_rounds(interval) {
            Some(Err(TooSlow)) => say(&format!("this machine is too busy for {interval}")),
            Some(Ok(())) | None => return,
        }
    }
    panic!("gaps at every interval");
}

#[test]
fn a_witness_that_restarts_goes_on_where_it_was() {
    let Some(mut rig) = GoRig::ephemeral(&["--interval", "500ms"]) else { return };
    let mut last = grow(&rig, "tree", 0, 3);
    for round in 0..4 {
        let (index, is_crash) = (round % 2, round / 2 == 1);
        let name = rig.witnesses[index].name();
        match is_crash {
            true => rig.witnesses[index].kill(),
            false => rig.witnesses[index].stop(),
        }
        rig.add_leaf("tree", last.size);
        let lone = rig.observer.wait_for("head without it", |head| {
            assert_follows(head, &last);
            let is_without = !head.cosigned_s.contains_key(name) && head.cosigned_s.len() == 1;
            head.size == last.size + 1 && is_without
        });
        rig.witnesses[index].restart(&rig.sandbox);
        let head = rig.observer.cosigned(lone.size);
        assert_follows(&head, &last);
        last = grow(&rig, "tree", head.size, head.size + 1);
    }
    let asked = rig.asked();
    assert!(asked.times(&[NO_ANSWER]) >= 4);
    assert_no_refusal(&asked, &rig);
}

#[test]
fn a_log_that_restarts_is_told_the_size_and_goes_on() {
    let Some(mut rig) = GoRig::ephemeral(&["--interval", "500ms"]) else { return };
    let mut last = grow(&rig, "tree", 0, 5);
    for is_crash in [false, true] {
        match is_crash {
            true => rig.kill_log(),
            false => rig.stop_log(),
        }
        rig.start_log();
        // Its tree is gone with its memory; the same leaves make the same tree.
        let head = grow(&rig, "tree", 0, last.size);
        assert_follows(&head, &last);
        assert_eq!(head.root, last.root);
        rig.wait_until_asked(&[SUCCESS, RETRIED], 2);
        last = grow(&rig, "tree", last.size, last.size + 2);
    }
}

#[test]
fn another_tree_of_the_log_is_never_cosigned() {
    let Some(mut rig) = GoRig::ephemeral(&["--interval", "500ms"]) else { return };
    let last = grow(&rig, "tree", 0, 5);
    rig.stop_log();
    rig.empty_log();
    rig.start_log();
    let mut forks = 0;
    while forks < 8 {
        rig.add_leaf("fork", forks);
        forks += 1;
        let head = rig.observer.wait_for("head of the fork", |head| head.size == forks);
        assert_eq!(head.cosigned_s.len(), 0, "{head:?}");
    }
    rig.wait_until_asked(&[REFUSED], 4);
    assert_eq!(rig.asked().times(&[SUCCESS]), 0);
    // The true tree comes back, and nothing has happened to the witnesses.
    rig.stop_log();
    rig.empty_log();
    rig.start_log();
    let head = grow(&rig, "tree", 0, 6);
    assert_follows(&head, &last);
}
