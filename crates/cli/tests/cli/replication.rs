//! A log with followers: what they hold, and what becomes of submissions when they fail.

use crate::copies::{Copy, Load, Replicated, leaves_of, metric, until};
use crate::harness::http;
use crate::wire::try_ask;
use sigsum_keys::Ed25519Signer;

/// Leaves that must be answered 200 in each phase of a test under load.
const PHASE: usize = 150;

fn signer() -> Ed25519Signer {
    Ed25519Signer::generate().unwrap()
}

#[test]
fn a_follower_holds_what_was_answered_200_and_verifies_it() {
    let log = Replicated::start(1, 1);
    let signer = signer();
    for number in 0..20 {
        log.settle(&signer, number);
    }
    let copy = &log.copies[0];
    assert_eq!(copy.leaves(), leaves_of(&log.internal_url, 20));
    let verified = || metric(&copy.internal_url, "sigsum_secondary_verified_size");
    until("the tree head of all leaves is verified", || verified() == Some(20.0));
    until("the published head is there", || {
        let published = |url| http(url, "GET", "/get-tree-head", b"");
        published(&log.internal_url) == published(&copy.internal_url)
            && published(&copy.internal_url).0 == 200
    });
    let (code, _) = http(&log.copies[0].daemon.as_ref().unwrap().url, "GET", "/get-tree-head", b"");
    assert_eq!(code, 404, "a follower serves nothing to the public");
}

#[test]
fn killing_or_partitioning_either_of_two_followers_changes_no_answer() {
    let mut log = Replicated::start(2, 1);
    let (signer, load, url) = (signer(), Load::default(), log.url().to_owned());
    log.warm_up(&signer);
    for copy in &log.copies {
        until("both follow", || {
            log.of_follower("sigsum_log_follower_size", &copy.way_in.url()).is_some()
        });
    }
    load.during(&url, &signer, || {
        for at in [0, 1, 0, 1] {
            let Replicated { copies, sandbox, internal_url, .. } = &mut log;
            let copy = &mut copies[at];
            load.more(PHASE);
            copy.kill();
            load.more(PHASE);
            copy.start(sandbox);
            catches_up(internal_url, copy, &load);
            copy.freeze();
            load.more(PHASE);
            copy.thaw();
            catches_up(internal_url, copy, &load);
            copy.way_in.cut();
            copy.way_out.cut();
            load.more(PHASE);
            copy.way_in.lead_to(&copy.internal_url);
            copy.way_out.lead_to(internal_url);
            catches_up(internal_url, copy, &load);
        }
    });
    load.saw_nothing_but_200();
    log.primary.take().unwrap().kill();
    let nodes: Vec<_> = log.copies.iter().map(Copy::leaves).collect();
    load.is_held_by(1, &nodes);
}

/// Waits until the primary knows that a follower has what was acknowledged when this was called.
fn catches_up(internal_url: &str, copy: &Copy, load: &Load) {
    let due = load.acknowledged() as f64;
    let label = copy.way_in.url().replace("http://", "");
    let name = format!("sigsum_log_follower_size{{follower=\"{label}\"}}");
    until("the follower catches up", || {
        metric(internal_url, &name).is_some_and(|size| size >= due)
    });
}

#[test]
fn with_two_of_two_required_a_dead_follower_makes_202_and_no_head_passes_it() {
    let mut log = Replicated::start(2, 2);
    let signer = signer();
    log.warm_up(&signer);
    log.copies[1].kill();
    until("that a follower is missing shows", || {
        metric(&log.internal_url, "sigsum_log_followers_missing") == Some(1.0)
    });
    assert_eq!(log.submit(&signer, 2), 202);
    until("the other one has it", || log.copies[0].size() == 3);
    assert_eq!(log.submit(&signer, 2), 202, "one of two is not enough");
    assert_eq!(log.submit(&signer, 0), 200, "what is published is answered 200 as ever");
    assert_eq!(log.published(), 2);
    let ready = try_ask(&log.internal_url, "GET", "/readyz", b"").unwrap();
    assert!(ready.text().contains("followers: too few followers"), "{}", ready.text());
    let Replicated { copies, sandbox, .. } = &mut log;
    copies[1].start(sandbox);
    log.settle(&signer, 2);
    until("the leaf is published", || log.published() == 3);
}

#[test]
fn what_was_answered_200_is_on_the_required_followers_when_the_primary_dies() {
    let mut log = Replicated::start(3, 2);
    let (signer, load, url) = (signer(), Load::default(), log.url().to_owned());
    log.settle(&signer, 0);
    load.during(&url, &signer, || {
        load.more(PHASE);
        log.copies[0].freeze();
        load.more(PHASE);
        log.primary.take().unwrap().kill();
    });
    log.copies[0].thaw();
    let nodes: Vec<_> = log.copies.iter().map(Copy::leaves).collect();
    load.is_held_by(2, &nodes);
}
