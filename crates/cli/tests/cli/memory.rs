//! What a log holds in memory and in descriptors while it grows.

use crate::floods::{descriptors, resident_kib};
use crate::harness::{Network, say};
use crate::leaf::add_leaves;

/// Leaves that are added, unless the environment says `SIGSUM_TEST_LEAVES`.
const LEAVES: u64 = 8_000;

#[test]
fn a_log_that_grows_holds_little_in_memory() {
    let leaves = std::env::var("SIGSUM_TEST_LEAVES").ok();
    let leaves = leaves.map_or(LEAVES, |leaves| leaves.parse().unwrap());
    let network = Network::start(1, 1);
    let pid = network.log.as_ref().unwrap().pid();
    assert_eq!(add_leaves(network.log_url(), 100).0, 100);
    let (before_kib, open) = (resident_kib(pid), descriptors(pid));
    assert_eq!(add_leaves(network.log_url(), leaves).0, leaves);
    let after_kib = resident_kib(pid);
    say(&format!("{before_kib} KiB before, {after_kib} KiB after {leaves} leaves"));
    // The leaf index takes some tens of bytes a leaf.
    let most_kib = before_kib + (24 << 10) + leaves / 8;
    assert!(after_kib < most_kib, "{before_kib} KiB before, {after_kib} KiB after");
    assert!(descriptors(pid) <= open + 10, "{} descriptors, {open} before", descriptors(pid));
}
