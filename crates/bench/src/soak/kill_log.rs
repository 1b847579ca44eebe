//! A log under load that is killed at random moments. In the end: every leaf that was answered with
//! 200 is in the tree, once, where it was said to be; every head that was ever served is a head
//! of the final tree, had its quorum, and was not followed by a smaller one; the data directory is
//! whole.

use super::assault::{Assault, Tally};
use super::log_clients::{Seen, prove, submit, watch};
use super::{Setting, Violations};
use crate::failure::Failure;
use crate::http::{Connection, get, once};
use crate::network::{Network, Sandbox};
use crate::random::Random;
use sigsum_core::merkle::CompactRange;
use sigsum_core::wire::log::{GetLeaves, endpoint, parse_leaves, parse_tree_head};
use sigsum_core::{CosignedTreeHead, Hash, Leaf, LeafIndex, TreeHead};
use sigsum_keys::Ed25519Signer;
use sigsum_store::{Place, Store};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Witnesses, and how many of them must cosign.
const WITNESSES: (usize, usize) = (3, 2);
/// Connections that submit at once.
const SUBMITTERS: u64 = 8;
/// Connections that ask for proofs.
const PROVERS: u64 = 2;
/// What was acknowledged must be published after so long.
const PUBLICATION_LIMIT: Duration = Duration::from_secs(60);
/// Time under load in the end, without a kill: heads must be published all the while.
const HEALTHY: Duration = Duration::from_secs(5);
/// Pause between two looks at the head.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Runs the soak and prints its counts.
pub(crate) async fn run(setting: &Setting<'_>) -> Result<Violations, Failure> {
    println!("\nkill-log");
    let sandbox = Sandbox::new(setting.data, setting.program)?;
    let network = Network::new(sandbox, WITNESSES.0, WITNESSES.1)?;
    network.init_log()?;
    let signer = Ed25519Signer::generate().map_err(Failure::preparing("a key"))?;
    let seen = Arc::new(Seen::new(network.log_key, network.policy()?, signer));
    let random = |stream| Random::stream(setting.seed, stream);
    let mut assault = Assault::new(|| network.log_command(), random(0));
    let mut clients = JoinSet::new();
    for number in 1..=SUBMITTERS {
        clients.spawn(submit(Arc::clone(&seen), assault.target(), random(number)));
    }
    for number in 1..=PROVERS {
        clients.spawn(prove(Arc::clone(&seen), assault.target(), random(100 + number)));
    }
    clients.spawn(watch(Arc::clone(&seen), assault.target()));
    assault.run(setting.kills).await?;
    let daemon = assault.start()?;
    let heads_before = seen.heads().len();
    tokio::time::sleep(HEALTHY).await;
    if seen.heads().len() == heads_before {
        seen.violations.add(format!("no head was published in {HEALTHY:?} of steady load"));
    }
    assault.end_load();
    while clients.join_next().await.is_some() {}
    let last = assault.target().address().unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
    let (head, leaves) = settle(last, &seen).await?;
    let tally = assault.stop(daemon)?;
    judge(&seen, &head, &leaves);
    inspect(&network, &head, &seen.violations);
    for line in &tally.error_lines {
        // Its witnesses and its disk are fine.
        seen.violations.add(format!("the log complained: {line}"));
    }
    print_counts(&seen, &tally, &head);
    Ok(Arc::try_unwrap(seen).map(|seen| seen.violations).unwrap_or_default())
}

fn print_counts(seen: &Seen, tally: &Tally, head: &TreeHead) {
    println!("{tally}");
    println!("  answers to add-leaf by status: {:?}", seen.statuses());
    let acknowledged: HashSet<Hash> = seen.acknowledged().into_iter().collect();
    println!("  leaves acknowledged: {} distinct, in a tree of {}", acknowledged.len(), head.size);
    let (looks, proofs) = (seen.looks.load(Ordering::Relaxed), seen.proofs.load(Ordering::Relaxed));
    println!("  heads checked: {} distinct, looked at {looks} times", seen.heads().len());
    println!("  inclusion proofs checked: {proofs}");
}

/// Waits until all that was acknowledged is published, and reads the whole tree.
pub(crate) async fn settle(
    address: SocketAddr,
    seen: &Seen,
) -> Result<(TreeHead, Vec<Leaf>), Failure> {
    let deadline = Instant::now() + PUBLICATION_LIMIT;
    let acknowledged = seen.acknowledged();
    let mut leaves = Vec::new();
    loop {
        let head = head_of(address).await?.signed.tree_head;
        read_leaves(address, head.size.0, &mut leaves).await?;
        let there: HashSet<Hash> = leaves.iter().map(Leaf::hash).collect();
        let missing = acknowledged.iter().filter(|leaf| !there.contains(*leaf)).count();
        if missing == 0 {
            return Ok((head, leaves));
        }
        if Instant::now() >= deadline {
            let what =
                format!("{missing} acknowledged leaves are not in the tree of {}", head.size);
            seen.violations.add(what);
            return Ok((head, leaves));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The head that is served, as soon as there is one.
async fn head_of(address: SocketAddr) -> Result<CosignedTreeHead, Failure> {
    let deadline = Instant::now() + PUBLICATION_LIMIT;
    loop {
        let answer = once(address, &get(endpoint::GET_TREE_HEAD)).await;
        let (status, body) = answer.map_err(|e| Failure::server("get-tree-head", e))?;
        match parse_tree_head(&body) {
            Ok(head) if status == 200 => return Ok(head),
            // None was ever published.
            _ if status == 503 && Instant::now() < deadline => {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            _ => {
                let what = format!("status {status} at the end");
                return Err(Failure::server("get-tree-head", what));
            }
        }
    }
}

async fn read_leaves(
    address: SocketAddr,
    size: u64,
    leaves: &mut Vec<Leaf>,
) -> Result<(), Failure> {
    let failed = |e| Failure::server("get-leaves", e);
    let mut connection = Connection::open(address).await.map_err(failed)?;
    while (leaves.len() as u64) < size {
        let (start, end) = (LeafIndex(leaves.len() as u64), LeafIndex(size));
        let request = GetLeaves { start, end };
        let answer = connection.exchange(&get(&request.to_path())).await.map_err(failed)?;
        let asked = usize::try_from(request.len()).unwrap_or(usize::MAX);
        match parse_leaves(answer.body, asked) {
            Ok(mut more) if answer.status == 200 => leaves.append(&mut more),
            _ => return Err(Failure::server("get-leaves", answer.describe())),
        }
    }
    Ok(())
}

/// Holds everything that was seen against the final tree.
pub(crate) fn judge(seen: &Seen, head: &TreeHead, leaves: &[Leaf]) {
    let violations = &seen.violations;
    let mut place: HashMap<Hash, u64> = HashMap::new();
    let mut range = CompactRange::new();
    let mut trees = vec![range.tree_head()];
    for (index, leaf) in (0..).zip(leaves) {
        let hash = leaf.hash();
        if let Some(first) = place.insert(hash, index) {
            violations.add(format!("leaves {first} and {index} are the same"));
        }
        range.append(hash);
        trees.push(range.tree_head());
    }
    let is_ours = |head: &TreeHead| {
        usize::try_from(head.size.0).ok().and_then(|size| trees.get(size)) == Some(head)
    };
    for served in seen.heads().iter().chain([head]) {
        if !is_ours(served) {
            let what = format!("the head of size {} is not one of the final tree", served.size);
            violations.add(what);
        }
    }
    for (leaf, index) in seen.indices() {
        if place.get(&leaf) != Some(&index.0) {
            violations.add(format!("the leaf proven to be number {index} is not there"));
        }
    }
}

/// Reads the whole data directory as the log's own check does.
fn inspect(network: &Network, head: &TreeHead, violations: &Violations) {
    let place = Place::dir(network.log_directory());
    let checked = Store::open(&place, &network.log_key).and_then(|store| {
        store.verify()?;
        Ok(sigsum_store::HeadStore::load_published(&store))
    });
    match checked {
        Ok(Some(published)) if published.head.signed.tree_head == *head => {}
        Ok(_) => violations.add("the published head on disk is not the one that was served"),
        Err(error) => violations.add(format!("the data directory: {error}")),
    }
}
