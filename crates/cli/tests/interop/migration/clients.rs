//! Those who use a log while it moves: a reader that looks at its head all the time, and a submitter
//! that adds leaves and asks again until they are in.

use crate::go_rig::leaf;
use crate::heads::{PATIENCE, get, request};
use sigsum_core::wire::log::{AddLeafRequest, parse_tree_head};
use sigsum_core::{Leaf, PublicKey, TreeHead};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two looks at the head.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// Between two new leaves.
const LEAF_INTERVAL: Duration = Duration::from_millis(20);
/// Leaves that are asked about again, for each new one.
const ASKED_AGAIN: usize = 2;

/// Something that goes on in a thread until it is told to stop.
pub(super) struct Client<T> {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<T>,
}

impl<T: Send + 'static> Client<T> {
    fn start(work: impl FnOnce(&AtomicBool) -> T + Send + 'static) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let told = Arc::clone(&is_over);
        Self { is_over, thread: std::thread::spawn(move || work(&told)) }
    }

    /// What it has seen; fails where it has failed.
    #[track_caller]
    pub(super) fn stop(self) -> T {
        self.is_over.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

/// What a reader has seen.
#[derive(Default)]
pub(super) struct Seen {
    /// Each head that was not there before, in the order in which they were served.
    pub(super) heads: Vec<TreeHead>,
    /// When it was answered.
    pub(super) answered: Vec<Instant>,
    /// When it was not.
    pub(super) failed: Vec<Instant>,
}

/// Looks at the head of the log with this key. A head that is smaller than one before, or not
/// signed, is its failure.
pub(super) fn read_heads(url: &str, log: PublicKey) -> Client<Seen> {
    let url = url.to_owned();
    Client::start(move |is_over| {
        let mut seen = Seen::default();
        while !is_over.load(Ordering::SeqCst) {
            match get(&url, "/get-tree-head") {
                Some((200, body)) => {
                    let head = parse_tree_head(&body).unwrap();
                    assert!(head.signed.verify(&log), "the log's signature is invalid");
                    let tree = head.signed.tree_head;
                    let last = seen.heads.last().copied();
                    assert!(last.is_none_or(|last| last.size <= tree.size), "{last:?} {tree:?}");
                    if last != Some(tree) {
                        seen.heads.push(tree);
                    }
                    seen.answered.push(Instant::now());
                }
                _ => seen.failed.push(Instant::now()),
            }
            std::thread::park_timeout(LOOK_INTERVAL);
        }
        seen
    })
}

/// What a submitter was told.
#[derive(Default)]
pub(super) struct Told {
    /// Leaves that were answered 200, and when.
    pub(super) acknowledged: Vec<(Leaf, Instant)>,
    /// When the log answered 200 or 202.
    pub(super) answered: Vec<Instant>,
    /// Leaves that were answered 202 at least once, and when for the first time.
    pub(super) accepted: Vec<(Leaf, Instant)>,
}

impl Told {
    /// Sends a leaf; whether it is in the log.
    fn ask(&mut self, url: &str, asked: &AddLeafRequest) -> bool {
        let (leaf, answer) = (asked.leaf(), request(url, "POST", "/add-leaf", &asked.to_body()));
        let now = Instant::now();
        match answer {
            Some((200, _)) => self.acknowledged.push((leaf, now)),
            Some((202, _)) => {
                if !self.accepted.iter().any(|(known, _)| *known == leaf) {
                    self.accepted.push((leaf, now));
                }
            }
            // Nobody is there, or it cannot now.
            None | Some((500.., _)) => return false,
            Some((status, body)) => panic!("{status} {}", String::from_utf8_lossy(&body)),
        }
        self.answered.push(now);
        self.acknowledged.last().is_some_and(|(last, _)| *last == leaf)
    }
}

/// Adds leaves, and asks again until each is answered 200.
pub(super) fn add_leaves(url: &str, tree: &'static str) -> Client<Told> {
    let url = url.to_owned();
    Client::start(move |is_over| {
        let (mut told, mut waiting) = (Told::default(), VecDeque::new());
        for number in 0.. {
            if is_over.load(Ordering::SeqCst) {
                break;
            }
            waiting.push_front(leaf(tree, number));
            for _ in 0..=ASKED_AGAIN.min(waiting.len() - 1) {
                let asked = waiting.pop_front().unwrap();
                if !told.ask(&url, &asked) {
                    waiting.push_back(asked);
                }
            }
            std::thread::park_timeout(LEAF_INTERVAL);
        }
        let until = Instant::now() + PATIENCE;
        while let Some(asked) = waiting.pop_front() {
            assert!(Instant::now() < until, "{} leaves are not taken", waiting.len() + 1);
            if !told.ask(&url, &asked) {
                waiting.push_back(asked);
                std::thread::park_timeout(LOOK_INTERVAL);
            }
        }
        told
    })
}

/// The longest time between two of these that ends after the given moment.
pub(super) fn longest_silence(moments: &[Instant], since: Instant) -> Duration {
    let pairs = moments.windows(2).filter(|pair| pair[1] > since);
    pairs.map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}
