//! Policies: the fixed one, and random ones that are valid as they are made.

use super::random::Random;
use super::{LOGS, WITNESSES, signer};

/// One log, and two of the first three witnesses.
pub(super) fn fixed() -> String {
    let mut text = format!("log {}\n", signer(LOGS[0]).public_key());
    for number in &WITNESSES[..3] {
        text += &format!("witness w{number} {}\n", signer(*number).public_key());
    }
    let [a, b, c, ..] = WITNESSES;
    text + &format!("group g 2 w{a} w{b} w{c}\nquorum g\n")
}

/// Names that are allowed, and look odd.
const NAMES: &[&str] = &[
    "w",
    "witness",
    "example.org/w-1",
    "é",
    "any",
    "all",
    "2",
    "group",
    "#x",
    "a\u{a0}b",
    "=",
    "None",
];

/// A policy by which the fixed proof is accepted or not.
pub(super) fn random(random: &mut Random) -> Vec<u8> {
    let mut lines = Vec::new();
    let logs =
        *random.pick(&[&LOGS[..1], &LOGS[..1], &LOGS[..1], &LOGS, &LOGS, &LOGS, &LOGS[1..], &[]]);
    for number in logs {
        let key = signer(*number).public_key();
        lines.push(format!("log {key}{}", url(random)));
    }
    let mut names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    random.shuffle(&mut names);
    let mut free = Vec::new();
    for number in WITNESSES.into_iter().filter(|_| !random.one_in(6)).collect::<Vec<_>>() {
        let name = names.pop().unwrap();
        let key = signer(number).public_key();
        lines.push(format!("witness {name} {key}{}", url(random)));
        free.push(name);
    }
    random.shuffle(&mut free);
    for _ in 0..random.below(4) {
        let wanted = 1 + random.below(3);
        let members = free.split_off(free.len().saturating_sub(wanted));
        if members.is_empty() {
            break;
        }
        let name = names.pop().unwrap();
        let threshold = threshold(random, members.len());
        lines.push(format!("group {name} {threshold} {}", members.join(" ")));
        free.insert(0, name);
    }
    let quorum = match random.below(8) {
        0 => "none".to_owned(),
        _ => free.pop().unwrap_or_else(|| "none".to_owned()),
    };
    lines.push(format!("quorum {quorum}"));
    layout(random, lines)
}

fn url(random: &mut Random) -> String {
    match random.below(3) {
        0 => " https://example.org/x".to_owned(),
        _ => String::new(),
    }
}

fn threshold(random: &mut Random, members: usize) -> String {
    match random.below(4) {
        0 => "any".to_owned(),
        1 => "all".to_owned(),
        _ => (1 + random.below(members)).to_string(),
    }
}

/// Lines with comments, empty lines and other white space between them.
fn layout(random: &mut Random, mut lines: Vec<String>) -> Vec<u8> {
    for _ in 0..random.below(3) {
        let line = random.pick(&["", "# a comment", "\t# another", "#", "  ", "#quorum none"]);
        lines.insert(random.below(lines.len() + 1), (*line).to_owned());
    }
    if random.one_in(8) {
        let first = lines.remove(0);
        lines.push(first); // a log may follow the quorum
    }
    let end = *random.pick(&["\n", "\n", "\n", "\n", "\r\n"]);
    let gap = *random.pick(&[" ", " ", " ", "\t", "  "]);
    let mut text: String = lines.iter().map(|line| line.replace(' ', gap) + end).collect();
    if random.one_in(6) {
        text.truncate(text.trim_end().len());
    }
    text.into_bytes()
}
