//! The closed loop: a number of connections, each with one request under way at all times, on one
//! thread.

use crate::failure::Failure;
use crate::http::{Answer, Connection};
use crate::latency::{Latencies, Summary};
use crate::usage::{cpu_time, own_cpu_time};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Part of the duration that comes before it and is not counted: connections, caches and the
/// server's threads settle.
const WARM_UP: u32 = 4;

/// What one connection asks, request by request.
pub(crate) trait Source: Send + 'static {
    /// Writes the next request over what was in `request`; false if there is none.
    fn next(&mut self, request: &mut Vec<u8>) -> bool;

    /// Looks at an answer and says how many units of what is counted it brought, or that it is not
    /// the one that was due.
    fn judge(&mut self, answer: &Answer<'_>) -> Option<u64>;
}

/// How to load a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) address: SocketAddr,
    /// How long to measure, after the warm-up.
    pub(crate) duration: Duration,
    /// Processes whose time counts as the server's.
    pub(crate) servers: &'a [u32],
}

/// What came of it.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) connections: usize,
    /// Time that was measured.
    pub(crate) elapsed: Duration,
    /// Answers as they were due.
    pub(crate) answers: u64,
    /// What they brought, as the source counts it.
    pub(crate) units: u64,
    /// Other answers by status.
    pub(crate) refused: BTreeMap<u16, u64>,
    /// The first of them, in words.
    pub(crate) first_refusal: Option<String>,
    pub(crate) latency: Summary,
    /// Processor time of the servers.
    pub(crate) server_cpu: Duration,
    /// Processor time of this process.
    pub(crate) generator_cpu: Duration,
}

impl Measured {
    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        per_second(self.answers, self.elapsed)
    }

    /// Units a second.
    pub(crate) fn unit_rate(&self) -> f64 {
        per_second(self.units, self.elapsed)
    }

    /// Processor time of one side for one answer, in microseconds.
    fn us_per_answer(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / (self.answers.max(1) as f64)
    }
}

fn per_second(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64().max(1e-9)
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |time: Duration| {
            let cores = time.as_secs_f64() / self.elapsed.as_secs_f64().max(1e-9);
            format!("{:.1} us/request ({cores:.2} cores)", self.us_per_answer(time))
        };
        write!(
            f,
            "{:>4} connections: {:>7.0}/s, {}; processor: server {}, generator {}",
            self.connections,
            self.rate(),
            self.latency,
            side(self.server_cpu),
            side(self.generator_cpu),
        )?;
        if let Some(first) = &self.first_refusal {
            write!(f, "; NOT AS DUE {:?}, the first: {first}", self.refused)?;
        }
        Ok(())
    }
}

/// When to count.
#[derive(Debug)]
struct Window {
    from: Instant,
    until: Instant,
    /// A source has nothing left: the end comes early.
    ran_out: Notify,
    /// The end has come.
    closed: AtomicBool,
}

/// What one connection saw.
#[derive(Debug, Default)]
struct Tally {
    latencies: Latencies,
    units: u64,
    refused: BTreeMap<u16, u64>,
    first_refusal: Option<String>,
}

/// Loads a server with one connection for each source.
pub(crate) async fn run<S: Source>(load: Load<'_>, sources: Vec<S>) -> Result<Measured, Failure> {
    let connections = sources.len();
    let mut opened = Vec::new();
    for _ in 0..connections {
        let connection = Connection::open(load.address).await;
        opened.push(connection.map_err(|e| Failure::server("connecting", e))?);
    }
    let from = Instant::now() + load.duration / WARM_UP;
    let until = from + load.duration;
    let (ran_out, closed) = (Notify::new(), AtomicBool::new(false));
    let window = Arc::new(Window { from, until, ran_out, closed });
    let mut tasks = JoinSet::new();
    for (connection, source) in opened.into_iter().zip(sources) {
        tasks.spawn(drive(connection, source, Arc::clone(&window)));
    }
    tokio::time::sleep_until(window.from).await;
    let (server_before, own_before) = (total_cpu(load.servers)?, own_cpu_time()?);
    tokio::select! {
        () = tokio::time::sleep_until(window.until) => {}
        () = window.ran_out.notified() => {}
    }
    window.closed.store(true, Ordering::Relaxed);
    let elapsed = window.from.elapsed();
    let (server_after, own_after) = (total_cpu(load.servers)?, own_cpu_time()?);
    let mut all = Tally::default();
    while let Some(ended) = tasks.join_next().await {
        let tally = ended.map_err(|e| Failure::server("the load generator", e))??;
        all.latencies.append(tally.latencies);
        all.units += tally.units;
        all.first_refusal = all.first_refusal.or(tally.first_refusal);
        for (status, count) in tally.refused {
            *all.refused.entry(status).or_default() += count;
        }
    }
    Ok(Measured {
        connections,
        elapsed,
        answers: all.latencies.len() as u64,
        units: all.units,
        refused: all.refused,
        first_refusal: all.first_refusal,
        latency: all.latencies.summary(),
        server_cpu: server_after.saturating_sub(server_before),
        generator_cpu: own_after.saturating_sub(own_before),
    })
}

fn total_cpu(servers: &[u32]) -> Result<Duration, Failure> {
    servers.iter().map(|pid| cpu_time(*pid)).sum()
}

/// One connection until the end; what begins before the window, or ends behind it, is not counted.
async fn drive<S: Source>(
    mut connection: Connection,
    mut source: S,
    window: Arc<Window>,
) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    let mut request = Vec::new();
    loop {
        let begin = Instant::now();
        if begin >= window.until || window.closed.load(Ordering::Relaxed) {
            return Ok(tally);
        }
        if !source.next(&mut request) {
            window.ran_out.notify_one();
            return Ok(tally);
        }
        let answer = connection.exchange(&request).await;
        let answer = answer.map_err(|e| Failure::server("exchange", e))?;
        let units = source.judge(&answer);
        let end = Instant::now();
        let late = end > window.until || window.closed.load(Ordering::Relaxed);
        if begin < window.from || late {
            continue;
        }
        match units {
            Some(units) => {
                tally.units += units;
                tally.latencies.add(end - begin);
            }
            None => {
                *tally.refused.entry(answer.status).or_default() += 1;
                tally.first_refusal.get_or_insert_with(|| answer.describe());
            }
        }
    }
}

/// Sends requests on a number of connections, without measuring anything, and gives the bodies of
/// the answers, in no order. All must be 200.
pub(crate) async fn send_all(
    address: SocketAddr,
    connections: usize,
    requests: Vec<Vec<u8>>,
) -> Result<Vec<Vec<u8>>, Failure> {
    let share = requests.len().div_ceil(connections).max(1);
    let mut tasks = JoinSet::new();
    let mut requests = requests.into_iter();
    loop {
        let part: Vec<Vec<u8>> = requests.by_ref().take(share).collect();
        if part.is_empty() {
            break;
        }
        tasks.spawn(send_in_order(address, part));
    }
    let mut answers = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        answers.append(&mut ended.map_err(|e| Failure::server("the load generator", e))??);
    }
    Ok(answers)
}

async fn send_in_order(
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
) -> Result<Vec<Vec<u8>>, Failure> {
    let failed = |e| Failure::server("exchange", e);
    let mut connection = Connection::open(address).await.map_err(failed)?;
    let mut answers = Vec::with_capacity(requests.len());
    for request in requests {
        let answer = connection.exchange(&request).await.map_err(failed)?;
        if answer.status != 200 {
            return Err(Failure::server("exchange", answer.describe()));
        }
        answers.push(answer.body.to_vec());
    }
    Ok(answers)
}
