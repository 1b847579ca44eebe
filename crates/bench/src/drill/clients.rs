//! Those who use the log while it is lost and brought back, and what they find in the end.

use super::nodes::Cluster;
use crate::failure::Failure;
use crate::http::{get, once, post};
use crate::random::Random;
use crate::soak::Violations;
use crate::soak::assault::Target;
use crate::soak::kill_log::{judge, settle};
use crate::soak::log_clients::{Seen, prove, submit};
use sigsum_core::wire::log::{endpoint, parse_tree_head};
use sigsum_core::{Hash, TreeSize};
use sigsum_keys::Ed25519Signer;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Connections that submit at once.
const SUBMITTERS: u64 = 4;
/// Heads that are published in each part of a drill before it goes on.
const HEADS: usize = 10;
/// Leaves that are acknowledged in each part.
const LEAVES: usize = 300;
/// What does not happen within this time does not happen.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks, and longest wait for one answer while the log is away.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
const ANSWER_LIMIT: Duration = Duration::from_millis(300);

/// Clients at work.
pub(crate) struct Clients {
    pub(crate) seen: Arc<Seen>,
    service: SocketAddr,
    stopped: Vec<Arc<AtomicBool>>,
    provers: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Clients {
    /// Submits, looks at heads, and has leaves proven.
    pub(crate) fn start(cluster: &Cluster) -> Result<Self, Failure> {
        let signer = Ed25519Signer::generate().map_err(Failure::preparing("a key"))?;
        let seen = Arc::new(Seen::new(cluster.log_key, cluster.policy()?, signer));
        let service = cluster.service();
        let mut tasks = JoinSet::new();
        let (target, stop_load) = Target::at(service);
        for number in 0..SUBMITTERS {
            let random = Random::stream(1, number);
            tasks.spawn(submit(Arc::clone(&seen), target.clone(), random));
        }
        tasks.spawn(watch(Arc::clone(&seen), service, Arc::clone(&stop_load)));
        let (target, provers) = Target::at(service);
        tasks.spawn(prove(Arc::clone(&seen), target, Random::stream(1, SUBMITTERS)));
        Ok(Self { seen, service, stopped: vec![stop_load], provers, tasks })
    }

    /// Waits until a good number of leaves and heads have come.
    pub(crate) async fn go_on(&self) -> Result<(), Failure> {
        let count = || (self.seen.acknowledged().len(), self.seen.heads().len());
        let (leaves, heads) = count();
        let until = Instant::now() + PATIENCE;
        while count().0 < leaves + LEAVES || count().1 < heads + HEADS {
            if Instant::now() > until {
                let what = format!("{:?} instead of {LEAVES} leaves and {HEADS} heads", count());
                return Err(Failure::server("the log", what));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// Nobody asks for proofs in trees that the next primary may not have published again.
    pub(crate) fn stop_provers(&self) {
        self.provers.store(true, Ordering::Relaxed);
    }

    /// Waits until a new leaf is answered 200, and then until one is under a head with a quorum.
    /// Gives both times since `lost`.
    pub(crate) async fn recovered(&self, lost: Instant) -> Result<(Duration, Duration), Failure> {
        let size = self.seen.heads().last().map_or(TreeSize(0), |head| head.size);
        let until = Instant::now() + PATIENCE;
        let mut number = u64::MAX;
        let mut accepted = None;
        while Instant::now() < until {
            if accepted.is_none() {
                number -= 1;
                let body = self.seen.request(number).to_body();
                let request = post(endpoint::ADD_LEAF, &body);
                let asked = tokio::time::timeout(ANSWER_LIMIT, once(self.service, &request)).await;
                if let Ok(Ok((200, _))) = asked {
                    accepted = Some(lost.elapsed());
                }
            }
            let last = self.seen.heads().last().map_or(TreeSize(0), |head| head.size);
            if let Some(accepted) = accepted.filter(|_| last > size) {
                return Ok((accepted, lost.elapsed()));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Err(Failure::server("the log", "takes no leaves, or publishes no head"))
    }

    /// Ends the load and holds everything that was seen against the tree.
    pub(crate) async fn judge(mut self) -> Result<Violations, Failure> {
        self.stop_provers();
        self.stopped.iter().for_each(|stop| stop.store(true, Ordering::Relaxed));
        while self.tasks.join_next().await.is_some() {}
        let (head, leaves) = settle(self.service, &self.seen).await?;
        judge(&self.seen, &head, &leaves);
        println!("  answers to add-leaf by status: {:?}", self.seen.statuses());
        let acknowledged: HashSet<Hash> = self.seen.acknowledged().into_iter().collect();
        println!(
            "  leaves acknowledged: {} distinct, proven in their places: {}, in a tree of {}",
            acknowledged.len(),
            self.seen.indices().len(),
            head.size
        );
        let looks = self.seen.looks.load(Ordering::Relaxed);
        println!("  heads checked: {} distinct, looked at {looks} times", self.seen.heads().len());
        let seen = Arc::try_unwrap(self.seen).map(|seen| seen.violations);
        seen.map_err(|_| Failure::server("the drill", "a client still runs"))
    }
}

/// Looks at the head until the end of the load. While the log is away there may be none.
async fn watch(seen: Arc<Seen>, service: SocketAddr, stopped: Arc<AtomicBool>) {
    while !stopped.load(Ordering::Relaxed) {
        let request = get(endpoint::GET_TREE_HEAD);
        let asked = tokio::time::timeout(ANSWER_LIMIT, once(service, &request)).await;
        if let Ok(Ok((200, body))) = asked {
            match parse_tree_head(&body) {
                Ok(head) => seen.looked(&head),
                Err(error) => seen.violations.add(format!("get-tree-head: {error}")),
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
