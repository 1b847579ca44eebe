//! add-leaf: distinct leaves, signed beforehand by some thousand keys; each answer means that the
//! leaf is on disk.

use super::lab::{Lab, Prepared, published, start, submission};
use crate::failure::Failure;
use crate::http::{Answer, write_post};
use crate::load::{Load, Measured, Source, run as run_load};
use crate::network::RunningLog;
use crate::random::Random;
use crate::report::{Goal, Row, grouped, rate, time};
use crate::usage::disk_bytes;
use rustix::process::{Resource, getrlimit};
use sigsum_core::wire::log::{AddLeafRequest, endpoint};
use sigsum_keys::{Ed25519Signer, SigningSeed};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Leaves that are signed for each second of load. A log that takes more ends the load early.
const LEAVES_PER_SECOND: u64 = 60_000;
/// Submitters.
const KEYS: usize = 4096;
/// Connections, unless the settings say how many.
const CONNECTIONS: [usize; 3] = [16, 64, 256];
/// Ten times the connections that a log is loaded with above.
const OVERLOAD_CONNECTIONS: usize = 2560;
/// Files that are open beside those.
const OTHER_FILES: u64 = 100;
/// Pause between two looks at the head.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// The number of connections that the bar is about.
const BAR_CONNECTIONS: usize = 64;

/// Leaves that all connections share, each taken once.
struct Supply {
    leaves: Vec<AddLeafRequest>,
    next: AtomicUsize,
    acknowledged: AtomicU64,
}

struct Submitter(Arc<Supply>);

impl Source for Submitter {
    fn next(&mut self, request: &mut Vec<u8>) -> bool {
        let next = self.0.next.fetch_add(1, Ordering::Relaxed);
        let Some(leaf) = self.0.leaves.get(next) else { return false };
        write_post(request, endpoint::ADD_LEAF, &leaf.to_body());
        true
    }

    fn judge(&mut self, answer: &Answer<'_>) -> Option<u64> {
        // 202 is not enough: it does not say that the leaf is durable.
        if answer.status != 200 {
            return None;
        }
        self.0.acknowledged.fetch_add(1, Ordering::Relaxed);
        Some(1)
    }
}

/// Signs that many leaves, on all processors.
fn sign(count: u64, run: u64) -> Vec<AddLeafRequest> {
    let mut random = Random::stream(0x6b65_7973, run);
    let seeds = (0..KEYS).map(|_| SigningSeed::from_bytes(random.bytes()));
    let signers: Vec<_> = seeds.map(|seed| Ed25519Signer::from_seed(&seed)).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let part = |thread: usize| {
        let mut random = Random::stream(random.clone().next(), thread as u64);
        let share = usize::try_from(count).unwrap_or(usize::MAX).div_ceil(threads);
        let signers = signers.iter().cycle().skip(thread * KEYS / threads).take(share);
        signers.map(|signer| submission(signer, random.bytes())).collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|n| scope.spawn(move || part(n))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    })
}

/// Loads the log with each number of connections.
pub(crate) async fn run(lab: &mut Lab) -> Result<Vec<Row>, Failure> {
    let connections = match lab.settings.connections {
        Some(connections) => vec![connections],
        None => CONNECTIONS.to_vec(),
    };
    let duration = lab.settings.duration;
    let log = lab.log()?;
    let running = start(log).await?;
    println!("\nadd-leaf");
    let (mut rows, mut last) = (Vec::new(), None);
    for (number, connections) in connections.into_iter().enumerate() {
        let measured = measure(&running, duration, connections, number as u64).await?;
        rows.push(row(&measured, log.network.witnesses.len(), log));
        last = Some(measured);
    }
    if let Some(capacity) = last.filter(|_| may_overload()) {
        let overloaded = measure(&running, duration, OVERLOAD_CONNECTIONS, u64::MAX).await?;
        rows.push(overload_row(&capacity, &overloaded));
    }
    let size = published(running.address, 0).await?.size.0;
    running.daemon.stop()?;
    rows.push(disk_row(log, size)?);
    Ok(rows)
}

/// Whether this process may open so many connections; where not, it says so.
fn may_overload() -> bool {
    let limit = getrlimit(Resource::Nofile).current;
    let may = limit.is_none_or(|limit| limit > OTHER_FILES + OVERLOAD_CONNECTIONS as u64);
    if !may {
        println!("skipped: overload, as only {} files may be open", limit.unwrap_or_default());
    }
    may
}

/// Loads a log with leaves that no other run has.
pub(crate) async fn measure(
    running: &RunningLog,
    duration: Duration,
    connections: usize,
    run: u64,
) -> Result<Measured, Failure> {
    let leaves = sign(LEAVES_PER_SECOND * (duration.as_secs() + 2), run);
    let before = published(running.address, 0).await?.size.0;
    let (next, acknowledged) = (AtomicUsize::new(0), AtomicU64::new(0));
    let supply = Arc::new(Supply { leaves, next, acknowledged });
    let sources = (0..connections).map(|_| Submitter(Arc::clone(&supply))).collect();
    let servers = [running.daemon.pid()];
    let load = Load { address: running.address, duration, servers: &servers };
    let watcher = tokio::spawn(watch_heads(running.address, Instant::now() + duration));
    let measured = run_load(load, sources).await?;
    let heads = watcher.await.map_err(|e| Failure::server("the watcher of heads", e))??;
    println!("{measured}\n      heads published meanwhile: {heads}");
    // Every leaf was new, so that the tree must have grown by exactly what was acknowledged.
    let due = before + supply.acknowledged.load(Ordering::Relaxed);
    let size = published(running.address, due).await?.size.0;
    if size != due && measured.refused.is_empty() {
        let what = format!("the tree has {size} leaves, {due} are due");
        return Err(Failure::server("add-leaf", what));
    }
    Ok(measured)
}

/// What a look at the head every now and then shows.
struct Heads {
    published: usize,
    longest_pause: Duration,
}

impl fmt::Display for Heads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, longest pause {}", self.published, time(self.longest_pause))
    }
}

/// Counts the heads that the log publishes until then.
async fn watch_heads(address: SocketAddr, until: Instant) -> Result<Heads, Failure> {
    let (mut last, mut since) = (published(address, 0).await?.size, Instant::now());
    let mut heads = Heads { published: 0, longest_pause: Duration::ZERO };
    while Instant::now() < until {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let size = published(address, 0).await?.size;
        heads.longest_pause = heads.longest_pause.max(since.elapsed());
        if size > last {
            heads.published += 1;
            (last, since) = (size, Instant::now());
        }
    }
    Ok(heads)
}

fn row(measured: &Measured, witnesses: usize, log: &Prepared) -> Row {
    let leaves = log.heads.last().map_or(0, |head| head.size.0);
    let leaves = grouped(leaves as f64);
    let Measured { connections, latency, .. } = measured;
    let what = format!(
        "add-leaf, distinct, durable, {connections} connections, \
         {leaves} leaves and more in the log, {witnesses} witnesses"
    );
    let found = format!("{}, p99 {}", rate(measured.rate()), time(latency.p99));
    if *connections != BAR_CONNECTIONS {
        return Row::plain(what, found);
    }
    let goals = [
        Goal::AtLeast { measured: measured.rate(), bar: 12e3, aim: 30e3 },
        Goal::time(latency.p99, 20.0, 5.0),
    ];
    Row::new(what, found, ("12 000/s, p99 < 20 ms", "30 000/s, p99 < 5 ms"), &goals)
}

/// What is left of the rate when ten times as many want it.
fn overload_row(capacity: &Measured, overloaded: &Measured) -> Row {
    let share = overloaded.rate() / capacity.rate().max(1e-9);
    let refused: u64 = overloaded.refused.values().sum();
    let (from, to) = (capacity.connections, overloaded.connections);
    let what = format!("add-leaf, goodput with {to} connections to that with {from}");
    let p99 = time(overloaded.latency.p99);
    let found = format!("{share:.2} times, p99 {p99}, {} refused", grouped(refused as f64));
    let goal = Goal::AtLeast { measured: share, bar: 0.9, aim: 0.9 };
    Row::new(what, found, ("0.9 times", ""), &[goal])
}

fn disk_row(log: &Prepared, size: u64) -> Result<Row, Failure> {
    let bytes = disk_bytes(&log.network.log_directory())?;
    let per_leaf = bytes as f64 / size as f64;
    println!("disk: {per_leaf:.1} bytes a leaf, {size} leaves");
    let goal = Goal::AtMost { measured: per_leaf, bar: 200.0, aim: 165.0 };
    let what = format!("disk per leaf, all in, {} leaves", grouped(size as f64));
    Ok(Row::new(what, format!("{per_leaf:.1} B"), ("200 B", "165 B"), &[goal]))
}
