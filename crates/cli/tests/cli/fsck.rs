//! `sigsum log fsck` on directories of logs that ran: whole ones, ones after a crash, damaged ones.

use crate::harness::{Network, Outcome, Sandbox};
use crate::start::{find, killed_log};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;

fn fsck(sandbox: &Sandbox) -> Outcome {
    sandbox.run(&["log", "fsck", "--data-dir", "log", "--key-file", "log-key.pub"])
}

/// Changes one bit of a file.
fn flip(sandbox: &Sandbox, part: &str, at: u64) -> String {
    let path = find(&sandbox.path("log"), part);
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 4], at).unwrap();
    path.to_str().unwrap().rsplit_once("/log/").unwrap().1.to_owned()
}

#[test]
fn a_log_that_was_killed_has_no_damage_and_its_sizes_are_told() {
    let sandbox = killed_log(3);
    let said = fsck(&sandbox).ok().stdout;
    for line in ["log: no damage", "committed leaves   3", "published head     3, cosignatures 0"] {
        assert!(said.lines().any(|told| told == line), "{said}");
    }
    assert!(said.contains("leaves in the tree 3, root hash "), "{said}");
    fsck(&sandbox).ok();
}

#[test]
fn a_log_that_runs_is_not_looked_at() {
    let network = Network::start(0, 0);
    fsck(&network.sandbox).fails_with("stop the other one");
}

#[test]
fn the_directory_of_another_log_is_not_looked_at() {
    let sandbox = killed_log(1);
    std::fs::remove_file(sandbox.path("log-key")).unwrap();
    std::fs::remove_file(sandbox.path("log-key.pub")).unwrap();
    sandbox.key("log-key");
    fsck(&sandbox).fails_with("they belong to different logs");
}

#[test]
fn a_directory_without_a_log_is_told() {
    let sandbox = Sandbox::new();
    sandbox.key("log-key");
    fsck(&sandbox).fails_with("holds no log");
}

#[test]
fn a_flipped_bit_is_named_with_its_file() {
    for (part, at) in
        [("tile/entries", 60), ("tile/0/", 40), ("published", 90), ("head", 90), ("tree", 90)]
    {
        let sandbox = killed_log(3);
        let name = flip(&sandbox, part, at);
        let outcome = fsck(&sandbox).fails_with(&name);
        assert!(outcome.stderr.contains("do not delete anything"), "{}", outcome.stderr);
    }
}

#[test]
fn a_missing_tile_is_named_with_its_file() {
    let sandbox = killed_log(3);
    let tile = find(&sandbox.path("log/tile/entries"), "000");
    std::fs::remove_file(&tile).unwrap();
    fsck(&sandbox).fails_with("the file is missing");
}

#[test]
fn a_torn_record_is_no_damage_and_told() {
    let sandbox = killed_log(3);
    // A record of leaf 3 that was being written when the power went: its end is not there.
    let path = find(&sandbox.path("log/journal"), "journal/0");
    let mut segment = std::fs::read(&path).unwrap();
    // Before the segment's start, which is repeated at its end.
    let records = &segment[..segment.len() - 32];
    let end = records.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let header = [&136u32.to_le_bytes()[..], &[7; 4], &3u64.to_le_bytes(), &[9; 50]].concat();
    // It goes over the mark behind the last whole record.
    let at = end / 16 * 16;
    segment[at..at + header.len()].copy_from_slice(&header);
    OpenOptions::new().write(true).open(&path).unwrap().write_all(&segment).unwrap();
    let said = fsck(&sandbox).ok().stdout;
    assert!(said.contains("was being written when the log stopped"), "{said}");
}
