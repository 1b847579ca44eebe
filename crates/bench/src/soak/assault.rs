//! Starting a server and killing it at random moments, its start among them.

use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::http::Connection;
use crate::latency::{Latencies, milliseconds};
use crate::random::Random;
use std::fmt;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// One in so many kills comes while the server is starting.
const DURING_START: u64 = 6;
/// A start is killed within this time, at any of its steps.
const LONGEST_START_MS: u64 = 40;
/// Other kills come at most so long after the server listens, each as often as the others: within
/// its first requests, before it has published a head, and after several.
const LONGEST_LIFE_MS: [u64; 3] = [20, 300, 1500];
/// An attempt to connect that takes so long goes to a machine that is gone.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// How a line of level error looks, in log-go's format and in the plain one.
const ERROR_LEVELS: [&str; 2] = [" [ERRO] ", " ERROR "];
/// Where the server is now, for its clients; nowhere while it is down.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    address: watch::Receiver<Option<SocketAddr>>,
    stopped: Arc<AtomicBool>,
}

impl Target {
    /// A server that always has this address, and what ends the load on it.
    pub(crate) fn at(address: SocketAddr) -> (Self, Arc<AtomicBool>) {
        let stopped = Arc::new(AtomicBool::new(false));
        // Nobody changes the address, so nobody has to hold the other end.
        let (_, address) = watch::channel(Some(address));
        (Self { address, stopped: Arc::clone(&stopped) }, stopped)
    }

    /// Whether the load is to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Where the server listens now.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        *self.address.borrow()
    }

    /// A connection to the server, as soon as there is one; none when the load is to end.
    pub(crate) async fn connect(&mut self) -> Option<Connection> {
        while !self.is_stopped() {
            let address = *self.address.borrow_and_update();
            let Some(address) = address else {
                self.address.changed().await.ok()?;
                continue;
            };
            let opening = tokio::time::timeout(CONNECT_LIMIT, Connection::open(address));
            match opening.await {
                Ok(Ok(connection)) => return Some(connection),
                Ok(Err(_)) | Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
        None
    }
}

/// A server under attack.
pub(crate) struct Assault<'a> {
    command: Box<dyn Fn() -> Command + 'a>,
    random: Random,
    address: watch::Sender<Option<SocketAddr>>,
    stopped: Arc<AtomicBool>,
    tally: Tally,
}

/// What was done to a server, and how it took it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    kills: u32,
    during_start: u32,
    starts: Latencies,
    /// What the server complained of.
    pub(crate) error_lines: Vec<String>,
}

impl<'a> Assault<'a> {
    /// An attack on the server that this command starts.
    pub(crate) fn new(command: impl Fn() -> Command + 'a, random: Random) -> Self {
        let (address, stopped) = (watch::Sender::new(None), Arc::default());
        Self { command: Box::new(command), random, address, stopped, tally: Tally::default() }
    }

    /// For the clients.
    pub(crate) fn target(&self) -> Target {
        Target { address: self.address.subscribe(), stopped: Arc::clone(&self.stopped) }
    }

    /// Starts and kills. The server is down afterwards.
    pub(crate) async fn run(&mut self, kills: u32) -> Result<(), Failure> {
        for _ in 0..kills {
            self.tally.kills += 1;
            if self.random.once_in(DURING_START) {
                self.tally.during_start += 1;
                let daemon = Daemon::spawn((self.command)())?;
                self.pause(LONGEST_START_MS * 1000).await;
                self.note(daemon.kill()?);
                continue;
            }
            let daemon = self.start()?;
            let kind = self.random.below(LONGEST_LIFE_MS.len() as u64);
            let longest_ms = LONGEST_LIFE_MS.into_iter().nth(usize::try_from(kind).unwrap_or(0));
            self.pause(longest_ms.unwrap_or(0) * 1000).await;
            let said = daemon.kill()?;
            self.address.send_replace(None);
            self.note(said);
        }
        Ok(())
    }

    /// Starts the server, which must come up whatever was done to it.
    pub(crate) fn start(&mut self) -> Result<Daemon, Failure> {
        let begin = Instant::now();
        let (daemon, address) = Daemon::start((self.command)())?;
        self.tally.starts.add(begin.elapsed());
        self.address.send_replace(Some(address));
        Ok(daemon)
    }

    /// Tells the clients to end.
    pub(crate) fn end_load(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes those who wait for the server.
        self.address.send_modify(|_| {});
    }

    /// Stops the server as an operator does.
    pub(crate) fn stop(mut self, daemon: Daemon) -> Result<Tally, Failure> {
        let said = daemon.stop()?;
        self.note(said);
        Ok(self.tally)
    }

    fn note(&mut self, said: Vec<String>) {
        let is_error = |line: &String| ERROR_LEVELS.iter().any(|level| line.contains(level));
        self.tally.error_lines.extend(said.into_iter().filter(is_error));
    }

    /// Not a wait for anything: the moment of the kill is what the soak varies.
    async fn pause(&mut self, longest_us: u64) {
        tokio::time::sleep(Duration::from_micros(self.random.below(longest_us))).await;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let starts = self.starts.clone().summary();
        let (p50, max) = (milliseconds(starts.p50), milliseconds(starts.max));
        write!(f, "  kills: {}, of them {} during start", self.kills, self.during_start)?;
        write!(f, "\n  starts: median {p50}, longest {max}")?;
        write!(f, "\n  lines of level ERROR in the server's log: {}", self.error_lines.len())
    }
}
