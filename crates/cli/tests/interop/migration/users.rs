//! The users of a log, ours and those of log-go's tools, none of which is told that the log moves.

use super::clients::{Client, Seen, Told, add_leaves, longest_silence, read_heads};
use super::judge;
use super::operator::Operator;
use crate::follower::Follower;
use crate::go_rig::{Asked, leaf};
use crate::harness::{Sandbox, say};
use crate::heads::request;
use crate::peers::{peer, peer_command, run_peer};
use crate::secondaries::{leaves, metric, until};
use crate::submissions::{SUBMIT, both_verifiers_accept, files};
use sigsum_core::merkle::CompactRange;
use sigsum_core::{Leaf, TreeHead};
use std::path::PathBuf;
use std::time::Instant;

/// Leaves that log-go is given while it cannot sign any more.
const LEFT_BEHIND: u64 = 5;
/// Beginning of these leaves' messages.
const LEFT_TREE: &str = "left behind";
/// Files that each of the two tools submits at a time.
const FILES: usize = 2;
/// The moment from which sigsum-submit does nothing but ask again.
const ACCEPTED: &str = "Attempting to retrieve proof";

/// All users at once.
pub(super) struct Users {
    submit: PathBuf,
    verify: PathBuf,
    monitor: Follower,
    other_monitor: Option<Follower>,
    reader: Option<Client<Seen>>,
    submitter: Option<Client<Told>>,
    url: String,
    /// Files whose proofs are there.
    proven: Vec<String>,
    /// All leaves in the end.
    leaves: Vec<Leaf>,
}

/// Submissions that log-go has accepted, and will never publish.
pub(super) struct Waiting {
    /// Its tree, all of which is published.
    before: Vec<Leaf>,
    programs: Vec<(String, Follower)>,
}

/// What the operator has done, and when.
pub(super) struct Move {
    /// From here on it went fast.
    pub(super) begun: Instant,
    /// Users reach log-go no more.
    pub(super) leads_elsewhere: Instant,
    pub(super) waiting: Waiting,
}

impl Users {
    /// Begins to read, to submit and to monitor; `None`, said aloud, where a tool is missing.
    pub(super) fn start(operator: &Operator, url: &str) -> Option<Self> {
        let (submit, verify) = (peer("sigsum-submit")?, peer("sigsum-verify")?);
        peer("sigsum-monitor")?;
        let args = ["monitor", "-p", "policy", "-i", "100ms", "--state-directory", "state"];
        Some(Self {
            submit,
            verify,
            monitor: Follower::start(operator.sandbox().command(&args)),
            other_monitor: None,
            reader: Some(read_heads(url, operator.log_key())),
            submitter: Some(add_leaves(url, "load")),
            url: url.to_owned(),
            proven: Vec::new(),
            leaves: Vec::new(),
        })
    }

    /// sigsum-monitor ends where the log is silent once.
    pub(super) fn follow_with_sigsum_monitor(&mut self, operator: &Operator) {
        let monitor = peer("sigsum-monitor").unwrap();
        let args = ["-p", "policy", "-i", "5s"];
        let command = peer_command(operator.sandbox(), &monitor, &args);
        self.other_monitor = Some(Follower::start(command));
    }

    /// Submits files with both tools; whose proofs verify by both.
    #[track_caller]
    pub(super) fn submit(&mut self, operator: &Operator, beginning: &str) {
        let sandbox = operator.sandbox();
        let names = files(sandbox, beginning, 2 * FILES);
        let (ours, theirs) = names.split_at(FILES);
        let words = |names: &[String]| {
            let names = names.iter().map(String::as_str);
            SUBMIT.into_iter().chain(names).map(str::to_owned).collect::<Vec<_>>()
        };
        let (ours, theirs) = (words(ours), words(theirs));
        let ours: Vec<&str> = ["submit"].into_iter().chain(ours.iter().map(|s| &**s)).collect();
        sandbox.run(&ours).ok();
        let theirs: Vec<&str> = theirs.iter().map(String::as_str).collect();
        run_peer(sandbox, &self.submit, &theirs, b"").ok();
        self.proven.extend(names);
        self.all_proofs_verify(sandbox);
    }

    /// Also those from before.
    #[track_caller]
    fn all_proofs_verify(&self, sandbox: &Sandbox) {
        for name in &self.proven {
            both_verifiers_accept(sandbox, &self.verify, name);
        }
    }

    /// While log-go's tree cannot grow: both tools submit, and leaves are sent of which nobody asks
    /// again but at the end.
    #[track_caller]
    pub(super) fn are_kept_waiting(&self, operator: &Operator) -> Waiting {
        let sandbox = operator.sandbox();
        let size = operator.rig.observer.head().unwrap().size;
        let before = leaves(&self.url, usize::try_from(size).unwrap());
        let names = files(sandbox, "waiting", 2);
        let ours = sandbox.command(&[&["submit"], &SUBMIT[..], &[&names[0]]].concat());
        let theirs = [&SUBMIT[..], &[&names[1]]].concat();
        let theirs = peer_command(sandbox, &self.submit, &theirs);
        let programs: Vec<_> = names.into_iter().zip([ours, theirs].map(Follower::start)).collect();
        until("sigsum-submit's leaf is accepted", || {
            programs[1].1.diagnostics().contains(ACCEPTED)
        });
        for number in 0..LEFT_BEHIND {
            assert_eq!(self.add(number), 202);
        }
        Waiting { before, programs }
    }

    /// The status of a leaf that is left behind.
    fn add(&self, number: u64) -> u16 {
        let body = leaf(LEFT_TREE, number).to_body();
        request(&self.url, "POST", "/add-leaf", &body).map_or(0, |(status, _)| status)
    }

    /// After the move everybody goes on, and what everybody has seen fits together.
    #[track_caller]
    pub(super) fn go_on(&mut self, operator: &mut Operator, mut moved: Move) -> Seen {
        for (name, program) in std::mem::take(&mut moved.waiting.programs) {
            program.ends_well();
            self.proven.push(name);
        }
        self.submit(operator, "next");
        for number in 0..LEFT_BEHIND {
            until("a leaf that was left behind is added", || self.add(number) == 200);
        }
        let told = self.submitter.take().unwrap().stop();
        let internal = operator.log.as_mut().unwrap().internal_url();
        let size = metric(&internal, "sigsum_log_committed_size").unwrap() as u64;
        let head = operator.rig.observer.cosigned(size);
        assert_eq!(head.size, size);
        self.leaves = leaves(&self.url, usize::try_from(size).unwrap());
        self.monitors_saw_all();
        let seen = self.reader.take().unwrap().stop();
        judge::heads_are_of_one_tree(&self.url, &seen, &self.leaves);
        judge::leaves_are_kept(&self.leaves, &moved.waiting.before, &told, moved.leads_elsewhere);
        witnesses_had_no_doubt(&internal);
        print(&seen, &told, &moved, &self.leaves);
        seen
    }

    /// Each leaf once, in its place, and no word of a log that contradicts itself.
    #[track_caller]
    fn monitors_saw_all(&self) {
        let expected: Vec<String> = self.leaves.iter().enumerate().map(reported).collect();
        for monitor in [Some(&self.monitor), self.other_monitor.as_ref()].into_iter().flatten() {
            assert_eq!(monitor.leaves_until(expected.len()), expected);
            let said = monitor.diagnostics();
            for alarm in ["not consistent", "Invalid log signature", "inconsistent"] {
                assert!(!said.contains(alarm), "{said}");
            }
        }
        let said = self.monitor.diagnostics();
        assert!(self.other_monitor.is_none() || !said.contains("not responding"), "{said}");
    }

    /// A head that is not of the log's tree.
    #[track_caller]
    pub(super) fn assert_other_tree(&self, head: TreeHead) {
        let count = usize::try_from(head.size.0).unwrap();
        let mut tree = CompactRange::new();
        tree.append_many(self.leaves[..count].iter().map(Leaf::hash));
        assert_ne!(tree.tree_head(), head);
    }
}

/// As monitors print it.
fn reported((index, leaf): (usize, &Leaf)) -> String {
    format!("  index {index} keyhash {} checksum {}", leaf.key_hash, leaf.checksum)
}

/// They went on from what they knew: each told its size where it was asked for more, and cosigned.
#[track_caller]
fn witnesses_had_no_doubt(internal: &str) {
    let asked = Asked::at(internal);
    let (good, known) = (asked.times(&["status=\"200\""]), asked.times(&["status=\"409\""]));
    assert!(good > 0);
    assert_eq!(asked.times(&[]), good + known);
}

/// What an operator wants to know.
fn print(seen: &Seen, told: &Told, moved: &Move, leaves: &[Leaf]) {
    let since = moved.begun;
    let acknowledged: Vec<Instant> = told.acknowledged.iter().map(|(_, when)| *when).collect();
    let early = |leaf: &Leaf| moved.waiting.before.contains(leaf);
    let left =
        told.accepted.iter().filter(|(leaf, when)| *when < moved.leads_elsewhere && !early(leaf));
    let left = left.count() as u64 + LEFT_BEHIND;
    let before = moved.waiting.before.len();
    let silent = |moments: &[Instant]| longest_silence(moments, since).as_secs_f64();
    say(&format!(
        "migration: {} leaves, {before} of them from before; {} heads of one tree; no head was served \
         for {:.2} s ({} attempts failed), no leaf was taken for {:.2} s and none acknowledged for \
         {:.2} s; {left} leaves or more that log-go had accepted and not published are added by the \
         new log",
        leaves.len(),
        seen.heads.len(),
        silent(&seen.answered),
        seen.failed.iter().filter(|when| **when > since).count(),
        silent(&told.answered),
        silent(&acknowledged),
    ));
}
