//! A log with followers, each a process of its own, and ways between them that can be cut.

use crate::harness::{Daemon, LOG_ARGS, Sandbox, http};
use crate::leaf::add_leaf_request;
use crate::relay::Relay;
use crate::wire::try_ask;
use rustix::process::{Pid, Signal, kill_process};
use sigsum_core::wire::log::{parse_leaves, parse_signed_tree_head, parse_tree_head};
use sigsum_core::{Hash, Leaf, SignedTreeHead};
use sigsum_keys::Ed25519Signer;
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a busy machine needs at most.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Looks again until it is so.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < limit, "not within {} s: {what}", LIMIT.as_secs());
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// The value of a metric, by its name with labels; none where it is not shown.
pub(crate) fn metric(internal_url: &str, name: &str) -> Option<f64> {
    let page = try_ask(internal_url, "GET", "/metrics", b"")?.text();
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok())
}

/// A follower and the ways to and from it.
pub(crate) struct Copy {
    /// `f0` and so on: its directory; its key is `f0-key`.
    pub(crate) name: String,
    pub(crate) daemon: Option<Daemon>,
    pub(crate) internal_url: String,
    /// What the primary asks.
    pub(crate) way_in: Relay,
    /// What it asks the primary by.
    pub(crate) way_out: Relay,
}

impl Copy {
    /// Makes key and directory.
    pub(crate) fn make(sandbox: &Sandbox, name: &str) -> Self {
        sandbox.key(&format!("{name}-key"));
        let args = ["log", "init", "--follower", "--data-dir", name, "--key-file", "log-key.pub"];
        sandbox.run(&args).ok();
        let (way_in, way_out) = (Relay::start(), Relay::start());
        Self { name: name.into(), daemon: None, internal_url: String::new(), way_in, way_out }
    }

    /// The command line; `more` goes behind it.
    pub(crate) fn args(&self, more: &[&str]) -> Vec<String> {
        let key = format!("{}-key", self.name);
        let url = self.way_out.url();
        let args = ["log", "secondary", "--data-dir", &self.name, "--key-file", &key];
        let ways = ["--primary-url", &url, "--external-endpoint", "127.0.0.1:0"];
        let rest = ["--internal-endpoint", "127.0.0.1:0", "--interval", "1s"];
        let all = [&args[..], &ways, &rest, more].concat();
        all.into_iter().map(str::to_owned).collect()
    }

    pub(crate) fn start(&mut self, sandbox: &Sandbox) {
        let args = self.args(&[]);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut daemon = sandbox.daemon(&args);
        self.internal_url = daemon.internal_url();
        self.way_in.lead_to(&self.internal_url);
        self.daemon = Some(daemon);
    }

    fn signal(&self, signal: Signal) {
        let pid = self.daemon.as_ref().unwrap().pid();
        kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
    }

    /// SIGSTOP: its connections stay, and nothing comes of them.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    pub(crate) fn kill(&mut self) {
        self.daemon.take().unwrap().kill();
    }

    /// What it says that it holds.
    pub(crate) fn head(&self) -> Option<SignedTreeHead> {
        let answer = try_ask(&self.internal_url, "GET", "/get-secondary-tree-head", b"")?;
        parse_signed_tree_head(&answer.body).ok()
    }

    pub(crate) fn size(&self) -> u64 {
        self.head().map_or(0, |head| head.tree_head.size.0)
    }

    /// All leaves that it holds, in order.
    pub(crate) fn leaves(&self) -> Vec<Leaf> {
        leaves_of(&self.internal_url, self.size())
    }
}

/// The first leaves of a node's committed tree.
pub(crate) fn leaves_of(internal_url: &str, size: u64) -> Vec<Leaf> {
    let mut out = Vec::new();
    while (out.len() as u64) < size {
        let path = format!("/get-leaves/{}/{size}", out.len());
        let (code, body) = http(internal_url, "GET", &path, b"");
        assert_eq!(code, 200, "{body}");
        out.extend(parse_leaves(body.as_bytes(), 1 << 20).unwrap());
    }
    out
}

/// A primary and its followers.
pub(crate) struct Replicated {
    pub(crate) sandbox: Sandbox,
    pub(crate) primary: Option<Daemon>,
    pub(crate) internal_url: String,
    pub(crate) copies: Vec<Copy>,
    pub(crate) required: usize,
    /// Followers that are not programs of ours: URL and public key file.
    pub(crate) others: Vec<(String, String)>,
}

impl Replicated {
    /// Keys and directories; nothing runs yet.
    pub(crate) fn make(followers: usize, required: usize) -> Self {
        let sandbox = Sandbox::new();
        sandbox.key("log-key");
        sandbox.write("log-policy", "quorum none\n");
        sandbox.run(&["log", "init", "--data-dir", "log", "--key-file", "log-key"]).ok();
        let copies = (0..followers).map(|n| Copy::make(&sandbox, &format!("f{n}"))).collect();
        let (internal_url, others) = (String::new(), Vec::new());
        Self { sandbox, primary: None, internal_url, copies, required, others }
    }

    /// The same with all nodes running.
    pub(crate) fn start(followers: usize, required: usize) -> Self {
        let mut log = Self::make(followers, required);
        log.start_primary();
        for copy in &mut log.copies {
            copy.start(&log.sandbox);
        }
        log
    }

    pub(crate) fn args(&self) -> Vec<String> {
        let mut args: Vec<String> = LOG_ARGS.map(str::to_owned).into();
        let ours = self.copies.iter().map(|c| (c.way_in.url(), format!("{}-key.pub", c.name)));
        for (url, key) in ours.chain(self.others.iter().cloned()) {
            args.extend(["--follower".to_owned(), format!("{url},{key}")]);
        }
        args.extend(["--required".to_owned(), self.required.to_string()]);
        args.extend(["--interval", "1s"].map(str::to_owned));
        args
    }

    pub(crate) fn start_primary(&mut self) {
        let args = self.args();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut primary = self.sandbox.daemon(&args);
        self.internal_url = primary.internal_url();
        for copy in &self.copies {
            copy.way_out.lead_to(&self.internal_url);
        }
        self.primary = Some(primary);
    }

    pub(crate) fn url(&self) -> &str {
        &self.primary.as_ref().unwrap().url
    }

    /// The status of one more leaf.
    pub(crate) fn submit(&self, signer: &Ed25519Signer, number: u64) -> u16 {
        http(self.url(), "POST", "/add-leaf", &add_leaf_request(signer, number).to_body()).0
    }

    /// Submits a leaf until it is answered 200.
    #[track_caller]
    pub(crate) fn settle(&self, signer: &Ed25519Signer, number: u64) {
        until("a leaf is answered 200", || self.submit(signer, number) == 200);
    }

    /// Publishes a tree of two leaves: with a smaller one, add-leaf is careful (202) for the sake of
    /// sigsum-submit, whatever followers do.
    #[track_caller]
    pub(crate) fn warm_up(&self, signer: &Ed25519Signer) {
        (0..2).for_each(|number| self.settle(signer, number));
        until("both leaves are published", || self.published() == 2);
    }

    pub(crate) fn published(&self) -> u64 {
        let (_, body) = http(self.url(), "GET", "/get-tree-head", b"");
        parse_tree_head(body.as_bytes()).map_or(0, |head| head.signed.tree_head.size.0)
    }

    /// A metric of the primary's about a follower.
    pub(crate) fn of_follower(&self, name: &str, url: &str) -> Option<f64> {
        let label = url.strip_prefix("http://").unwrap();
        metric(&self.internal_url, &format!("{name}{{follower=\"{label}\"}}"))
    }
}

/// Clients that submit without a pause, and what they were told.
#[derive(Default)]
pub(crate) struct Load {
    next: AtomicU64,
    stop: AtomicBool,
    acknowledged: Mutex<Vec<Hash>>,
    /// Answers other than 200; status 0 is none at all.
    others: Mutex<Vec<(u16, String)>>,
}

impl Load {
    /// Runs `act` while clients submit.
    pub(crate) fn during<T>(
        &self,
        url: &str,
        signer: &Ed25519Signer,
        act: impl FnOnce() -> T,
    ) -> T {
        struct Stop<'a>(&'a AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        self.stop.store(false, Ordering::SeqCst);
        std::thread::scope(|scope| {
            let _stop = Stop(&self.stop); // also where `act` panics, or nobody would
            for _ in 0..4 {
                scope.spawn(|| self.submit(url, signer));
            }
            act()
        })
    }

    fn submit(&self, url: &str, signer: &Ed25519Signer) {
        while !self.stop.load(Ordering::SeqCst) {
            let number = (1 << 32) + self.next.fetch_add(1, Ordering::SeqCst);
            let request = add_leaf_request(signer, number);
            match try_ask(url, "POST", "/add-leaf", &request.to_body()) {
                Some(answer) if answer.status == 200 => {
                    self.acknowledged.lock().unwrap().push(request.leaf().hash());
                }
                Some(answer) => self.others.lock().unwrap().push((answer.status, answer.text())),
                None => self.others.lock().unwrap().push((0, "no answer".to_owned())),
            }
        }
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Waits until so many more leaves were answered 200.
    #[track_caller]
    pub(crate) fn more(&self, count: usize) {
        let before = self.acknowledged();
        until("leaves are answered 200", || self.acknowledged() >= before + count);
    }

    #[track_caller]
    pub(crate) fn saw_nothing_but_200(&self) {
        let others = self.others.lock().unwrap();
        assert!(others.is_empty(), "{} answers, such as {:?}", others.len(), others[0]);
    }

    /// Each leaf that was answered 200 is on so many of these nodes.
    #[track_caller]
    pub(crate) fn is_held_by(&self, required: usize, nodes: &[Vec<Leaf>]) {
        let held: Vec<HashSet<Hash>> =
            nodes.iter().map(|leaves| leaves.iter().map(Leaf::hash).collect()).collect();
        for hash in self.acknowledged.lock().unwrap().iter() {
            let count = held.iter().filter(|held| held.contains(hash)).count();
            assert!(count >= required, "a leaf that was answered 200 is on {count} followers");
        }
    }
}
