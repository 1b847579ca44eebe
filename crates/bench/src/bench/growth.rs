//! How cost grows with the size of the log: the same loads on logs of ten thousand, a hundred
//! thousand, a million and ten million leaves, one line each.

use super::add_leaf;
use super::lab::{Lab, Prepared, add_leaf_when_ready, published, start, submission};
use super::reads::{Endpoint, Reading};
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::load::Measured;
use crate::network::RunningLog;
use crate::random::Random;
use crate::report::{Row, grouped, megabytes, rate, time};
use crate::usage::{disk_bytes, memory};
use sigsum_keys::Ed25519Signer;
use std::time::{Duration, Instant};

/// Sizes that are tried, as far as the settings allow so many leaves: each ten times the one before,
/// up to the size that the bars are about.
const SIZES: [u64; 4] = [10_000, 100_000, 1_000_000, 10_000_000];
/// Smallest size where the settings allow fewer leaves than any of those: two levels of tiles.
const SMALL: u64 = 1_000;
/// Connections of each load: those that the bar for add-leaf is about.
const CONNECTIONS: usize = 64;

/// What one size costs.
struct Cost {
    leaves: u64,
    start: Duration,
    inclusion: Measured,
    reads: Measured,
    adds: Measured,
    /// The most memory that the log took, after all of these.
    peak_bytes: u64,
    /// Blocks of the data directory before leaves were added, for each leaf.
    disk_per_leaf: f64,
}

/// Measures each size on a log of its own.
pub(crate) async fn run(lab: &Lab) -> Result<Vec<Row>, Failure> {
    println!("\ngrowth");
    let mut rows = Vec::new();
    for (number, leaves) in sizes(lab.settings.preload).into_iter().enumerate() {
        let log = lab.log_of(leaves)?;
        // Numbers of its own for what is signed: other loads have those from 0 on.
        let cost = measure(lab, &log, leaves, GROWTH_RUNS + number as u64).await?;
        rows.push(row(&cost));
    }
    Ok(rows)
}

/// First number of the sets of leaves that are signed here.
const GROWTH_RUNS: u64 = 1 << 32;

/// What is tried: the sizes up to the largest that is allowed, and that one.
fn sizes(largest: u64) -> Vec<u64> {
    let below = SIZES.into_iter().filter(|size| *size < largest);
    let mut sizes: Vec<u64> = below.chain([largest]).collect();
    if sizes.len() == 1 && largest > SMALL {
        sizes.insert(0, SMALL);
    }
    sizes
}

async fn measure(lab: &Lab, log: &Prepared, leaves: u64, run: u64) -> Result<Cost, Failure> {
    let disk_per_leaf = disk_bytes(&log.network.log_directory())? as f64 / leaves as f64;
    // The first start publishes the first head; until then leaves are answered 202.
    start(log).await?.daemon.stop()?;
    let start_time = time_start(log).await?;
    let duration = lab.settings.duration;
    let connections = lab.settings.connections.unwrap_or(CONNECTIONS);
    let running: RunningLog = start(log).await?;
    let head = published(running.address, 0).await?;
    let reading = Reading { running: &running, log, head, known: leaves, duration, connections };
    let inclusion = reading.load(Endpoint::Inclusion).await?;
    let reads = reading.load(Endpoint::Leaves).await?;
    let adds = add_leaf::measure(&running, duration, connections, run).await?;
    let peak_bytes = memory(running.daemon.pid())?.peak_bytes;
    running.daemon.stop()?;
    Ok(Cost { leaves, start: start_time, inclusion, reads, adds, peak_bytes, disk_per_leaf })
}

/// From the start of the process until it has taken a leaf.
async fn time_start(log: &Prepared) -> Result<Duration, Failure> {
    let signer = Ed25519Signer::generate().map_err(Failure::preparing("a key"))?;
    let leaf = submission(&signer, Random::new(4).bytes());
    let begin = Instant::now();
    let (daemon, address) = Daemon::start(log.network.log_command())?;
    add_leaf_when_ready(address, &leaf).await?;
    let took = begin.elapsed();
    daemon.stop()?;
    Ok(took)
}

fn row(cost: &Cost) -> Row {
    let what = format!("growth: a log of {} leaves", grouped(cost.leaves as f64));
    let found = format!(
        "add-leaf {}, p99 {}; inclusion proofs {}, p50 {}; get-leaves {}; start {}; peak {}; {:.1} B a leaf",
        rate(cost.adds.rate()),
        time(cost.adds.latency.p99),
        rate(cost.inclusion.rate()),
        time(cost.inclusion.latency.p50),
        rate(cost.reads.unit_rate()),
        time(cost.start),
        megabytes(cost.peak_bytes),
        cost.disk_per_leaf,
    );
    Row::plain(what, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_end_with_the_largest_that_is_allowed() {
        assert_eq!(sizes(1_000), [1_000]);
        assert_eq!(sizes(5_000), [1_000, 5_000]);
        assert_eq!(sizes(20_000), [10_000, 20_000]);
        assert_eq!(sizes(1_000_000), [10_000, 100_000, 1_000_000]);
        assert_eq!(sizes(10_000_000), SIZES);
    }
}
