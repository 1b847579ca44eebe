//! A log in production moves from log-go, Trillian and MariaDB to ours, as "Coming from log-go" in
//! `docs/log.md` has it, while it is used. `cargo xtask drill --migration` runs these cells alone.

mod clients;
mod gate;
mod judge;
mod metrics;
mod operator;
mod returned;
mod users;

use self::gate::Gate;
use self::operator::{NEW_CONFIG, Operator};
use self::returned::rounds;
use self::users::{Move, Users};
use crate::heads::get;
use crate::peers::free_address;
use crate::secondaries::until;
use sigsum_core::CosignedTreeHead;
use sigsum_core::wire::log::parse_signed_tree_head;
use std::time::Instant;

/// Leaves that come between two steps of the operator's.
const PROGRESS: u64 = 60;

/// Waits until so many leaves more are published and cosigned by all.
fn progress(operator: &Operator) {
    let size = operator.rig.observer.head().map_or(0, |head| head.size);
    operator.rig.observer.cosigned(size + PROGRESS);
}

/// The follower goes, and with it whatever log-go may sign: rounds later its head is the last.
fn stop_following(operator: &mut Operator) {
    operator.stop_following();
    let internal = operator.rig.internal_url();
    let now = rounds(&internal);
    until("two rounds of log-go's", || rounds(&internal) >= now + 2);
}

/// `sigsum log promote` with the configuration of the log that takes over.
#[track_caller]
fn promote(operator: &Operator) {
    let told = operator.sandbox().run(&["log", "promote", "--config", NEW_CONFIG]).ok().stdout;
    assert!(told.contains("data is the primary's now: "), "{told}");
    assert_eq!(told.matches("\nwitness ").count() + 1, 3, "{told}");
}

/// What must not work, each with the text that says what to do.
#[track_caller]
fn refusals(operator: &Operator) {
    let sandbox = operator.sandbox();
    operator.start_new_unprepared().fails_with("see \"Coming from log-go\" in docs/log.md");
    // A copy from before, with log-go's last head at its side.
    let behind = ["log", "promote", "--data-dir", "behind", "--policy-file", "log-policy"];
    let named = sandbox.run(&[&behind[..], &["--sth-file", "old-sth"]].concat());
    let named = named.fails_with("which the data directory (size ");
    named.fails_with("hint: the old primary has signed more than this copy holds");
    // Without it the witnesses tell.
    sandbox.run(&behind).fails_with("to go on from it would fork the log");
}

/// log-go comes back, with its tree and its key.
#[track_caller]
fn old_primary_returns(operator: &Operator, users: &Users) {
    let last = parse_signed_tree_head(operator.sandbox().read("old-sth").as_bytes()).unwrap();
    let last = last.tree_head;
    // Its secondary is gone: it signs its last head again, however many leaves it has.
    let stuck = operator.return_old(&[]).lonely_head(|_| true);
    assert_eq!(stuck.signed.tree_head, last);
    // Without one it signs what it has: a fork, which no witness cosigns.
    let larger = |head: &CosignedTreeHead| head.signed.tree_head.size > last.size;
    let forked = operator.return_old(&["--secondary-url="]).lonely_head(larger);
    users.assert_other_tree(forked.signed.tree_head);
}

/// Without a proxy: the log is silent while one program ends and the other one starts.
#[test]
fn a_log_is_taken_over_at_its_address_and_goes_on_with_its_key_tree_and_heads() {
    let Some(mut operator) = Operator::prepared(None) else { return };
    operator.start_old(false);
    let Some(mut users) = Users::start(&operator, &operator.rig.url()) else { return };
    users.submit(&operator, "early");
    let address = operator.secondary_address;
    operator.follow(address);
    operator.stop_following();
    operator.copy("data", "behind");
    operator.follow(address);
    // From here on log-go signs what our follower holds.
    operator.rig.stop_log();
    operator.start_old(true);
    progress(&operator);

    stop_following(&mut operator);
    let waiting = users.are_kept_waiting(&operator);
    operator.configure_new(&[]);
    let begun = Instant::now();
    operator.rig.stop_log();
    operator.copy("sth", "old-sth");
    promote(&operator);
    operator.start_new();
    let moved = Move { begun, leads_elsewhere: begun, waiting };

    refusals(&operator);
    users.go_on(&mut operator, moved);
    old_primary_returns(&operator, &users);
    users.submit(&operator, "late");
}

/// Behind a proxy, as most logs are: the new log runs before the old one stops.
#[test]
fn a_log_behind_a_proxy_is_taken_over_and_no_reader_is_kept_waiting() {
    let gate = Gate::start();
    let Some(mut operator) = Operator::prepared(Some(&gate.url())) else { return };
    operator.start_old_secondary();
    operator.start_old(true);
    gate.lead_to(&operator.rig.url());
    let Some(mut users) = Users::start(&operator, &gate.url()) else { return };
    users.follow_with_sigsum_monitor(&operator);
    users.submit(&operator, "early");
    operator.follow(free_address());
    operator.stop_following();
    operator.copy("data", "behind");
    operator.follow(free_address());
    // Our follower takes the place of log-go's: its address, and its key.
    operator.stop_old_secondary();
    operator.stop_following();
    let address = operator.secondary_address;
    operator.follow(address);
    progress(&operator);

    stop_following(&mut operator);
    let waiting = users.are_kept_waiting(&operator);
    operator.copy("sth", "old-sth");
    operator.copy("sth", "new-sth");
    let (external, internal) = (free_address().to_string(), free_address().to_string());
    let changes = [("external-endpoint", &*external), ("internal-endpoint", &internal)];
    operator.configure_new(&[&changes[..], &[("sth-file", "new-sth")]].concat());
    let begun = Instant::now();
    promote(&operator);
    operator.start_new();
    let url = format!("http://{external}");
    until("the new log serves a head", || {
        get(&url, "/get-tree-head").is_some_and(|(status, _)| status == 200)
    });
    let leads_elsewhere = Instant::now();
    gate.lead_to(&url);
    operator.rig.stop_log();
    let moved = Move { begun, leads_elsewhere, waiting };

    refusals(&operator);
    let seen = users.go_on(&mut operator, moved);
    assert!(seen.failed.is_empty(), "a reader was sent away");
    old_primary_returns(&operator, &users);
    users.submit(&operator, "late");
}
