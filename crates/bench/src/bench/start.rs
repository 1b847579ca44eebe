//! How long a log that has leaves takes until it admits new ones, and its memory then.

use super::lab::{Lab, add_leaf_when_ready, submission};
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::latency::Latencies;
use crate::random::Random;
use crate::report::{Goal, Row, grouped, megabytes, time};
use crate::usage::{Memory, cpu_time, memory};
use sigsum_keys::Ed25519Signer;
use std::time::{Duration, Instant};

/// Starts that are measured.
const STARTS: usize = 5;

/// Starts the log again and again.
pub(crate) async fn run(lab: &mut Lab) -> Result<Vec<Row>, Failure> {
    let log = lab.log()?;
    let signer = Ed25519Signer::generate().map_err(Failure::preparing("a key"))?;
    let mut random = Random::new(3);
    let mut times = Latencies::default();
    let mut peak: Option<Memory> = None;
    println!("\nstart");
    for _ in 0..STARTS {
        let leaf = submission(&signer, random.bytes());
        let begin = Instant::now();
        let (daemon, address) = Daemon::start(log.network.log_command())?;
        let listening = begin.elapsed();
        add_leaf_when_ready(address, &leaf).await?;
        let ready = begin.elapsed();
        let (used, cpu) = (memory(daemon.pid())?, cpu_time(daemon.pid())?);
        daemon.stop()?;
        println!(
            "listens after {}, admits leaves after {}; resident {} (peak {}), processor {}",
            time(listening),
            time(ready),
            megabytes(used.resident_bytes),
            megabytes(used.peak_bytes),
            time(cpu),
        );
        times.add(ready);
        peak = peak.filter(|peak| peak.peak_bytes >= used.peak_bytes).or(Some(used));
    }
    let leaves = grouped(log.heads.last().map_or(0, |head| head.size.0) as f64);
    let peak_bytes = peak.map_or(0, |peak| peak.peak_bytes);
    let median: Duration = times.summary().p50;
    let goals = [
        Goal::time(median, 1500.0, 500.0),
        Goal::AtMost { measured: peak_bytes as f64 / 1e6, bar: 300.0, aim: 180.0 },
    ];
    let found = format!("{}; peak {}", time(median), megabytes(peak_bytes));
    let what = format!("start of a log with {leaves} leaves until add-leaf is served; its memory");
    Ok(vec![Row::new(what, found, ("< 1.5 s; < 300 MB", "< 500 ms; < 180 MB"), &goals)])
}
