//! The read endpoints, each with random requests over the whole log.

use super::lab::{Lab, Prepared, published, start};
use crate::failure::Failure;
use crate::http::{Answer, Connection, get, write_get};
use crate::load::{Load, Measured, Source, run as run_load};
use crate::network::RunningLog;
use crate::preload::{leaf, leaf_hash};
use crate::random::Random;
use crate::report::{Goal, Row, rate, time};
use sigsum_core::merkle::tile::{TILE_WIDTH, Tile, TileLevel};
use sigsum_core::merkle::{ConsistencyClaim, InclusionClaim};
use sigsum_core::wire::log::{
    ConsistencyProof, GetConsistencyProof, GetInclusionProof, GetLeaves, InclusionProof,
    LEAF_LINE_BYTES, parse_leaves,
};
use sigsum_core::{LeafIndex, TreeHead, TreeSize};
use std::time::Duration;

/// Leaves of a get-leaves request; log-go's default limit.
const LEAVES_PER_REQUEST: u64 = 512;
/// Connections, unless the settings say how many.
const CONNECTIONS: usize = 64;
/// Answers of each endpoint that are checked in full before it is measured.
const CHECKED: u64 = 100;

/// An endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Inclusion,
    Consistency,
    Leaves,
    HashTile,
    EntryBundle,
}

const ENDPOINTS: [Endpoint; 5] = [
    Endpoint::Inclusion,
    Endpoint::Consistency,
    Endpoint::Leaves,
    Endpoint::HashTile,
    Endpoint::EntryBundle,
];

/// The log that is asked.
#[derive(Debug, Clone, Copy)]
struct Target {
    /// The head that it serves.
    head: TreeHead,
    /// Leaves whose content is known: those of the preload.
    known: u64,
}

/// A request at random.
#[derive(Debug, Clone, Copy)]
struct Asked {
    endpoint: Endpoint,
    /// A leaf, a tile or a tree size.
    at: u64,
    head: TreeHead,
}

impl Asked {
    fn random(endpoint: Endpoint, target: Target, random: &mut Random) -> Self {
        let tiles = target.known / u64::from(TILE_WIDTH);
        let at = match endpoint {
            Endpoint::Inclusion => random.below(target.known),
            Endpoint::Consistency => 1 + random.below(target.head.size.0 - 1),
            Endpoint::Leaves => random.below(target.known.saturating_sub(LEAVES_PER_REQUEST)),
            Endpoint::HashTile | Endpoint::EntryBundle => random.below(tiles),
        };
        Self { endpoint, at, head: target.head }
    }

    fn path(&self) -> String {
        let tile =
            |level| Tile::new(level, self.at, TILE_WIDTH).map_or(String::new(), |t| t.path());
        let size = self.head.size;
        match self.endpoint {
            Endpoint::Inclusion => {
                GetInclusionProof { size, leaf_hash: leaf_hash(self.at) }.to_path()
            }
            Endpoint::Consistency => {
                GetConsistencyProof { old_size: TreeSize(self.at), new_size: size }.to_path()
            }
            Endpoint::Leaves => {
                let end = LeafIndex(self.at + LEAVES_PER_REQUEST);
                GetLeaves { start: LeafIndex(self.at), end }.to_path()
            }
            Endpoint::HashTile => tile(TileLevel::Hashes(0)),
            Endpoint::EntryBundle => tile(TileLevel::Entries),
        }
    }

    /// Whether the answer is right, to the last bit.
    fn is_right(&self, body: &[u8], trees: &[TreeHead]) -> bool {
        let width = u64::from(TILE_WIDTH);
        let leaves = self.at * width..(self.at + 1) * width;
        match self.endpoint {
            Endpoint::Inclusion => InclusionProof::parse(body).is_ok_and(|proof| {
                let (leaf_hash, path) = (leaf_hash(self.at), &proof.path);
                let leaf_index = LeafIndex(self.at);
                proof.leaf_index == leaf_index
                    && InclusionClaim { leaf_hash, leaf_index, tree: self.head, path }
                        .verify()
                        .is_ok()
            }),
            Endpoint::Consistency => ConsistencyProof::parse(body).is_ok_and(|proof| {
                // The root hash of other sizes is not known here.
                let old = trees.iter().find(|tree| tree.size.0 == self.at);
                old.is_none_or(|old| {
                    let claim = ConsistencyClaim { old: *old, new: self.head, path: &proof.path };
                    claim.verify().is_ok()
                })
            }),
            Endpoint::Leaves => parse_leaves(body, usize::MAX).is_ok_and(|leaves| {
                let due = (self.at..).map(leaf);
                !leaves.is_empty() && leaves.into_iter().zip(due).all(|(leaf, due)| leaf == due)
            }),
            Endpoint::HashTile => {
                body == leaves.flat_map(|n| *leaf_hash(n).as_bytes()).collect::<Vec<_>>()
            }
            Endpoint::EntryBundle => {
                let entry = |n| [[0, 128].as_slice(), &leaf(n).to_bytes()].concat();
                body == leaves.flat_map(entry).collect::<Vec<_>>()
            }
        }
    }
}

struct Reader {
    endpoint: Endpoint,
    target: Target,
    random: Random,
}

impl Source for Reader {
    fn next(&mut self, request: &mut Vec<u8>) -> bool {
        let asked = Asked::random(self.endpoint, self.target, &mut self.random);
        write_get(request, &asked.path());
        true
    }

    fn judge(&mut self, answer: &Answer<'_>) -> Option<u64> {
        let units = match self.endpoint {
            Endpoint::Leaves => answer.body.len() / LEAF_LINE_BYTES,
            _ => 1,
        };
        (answer.status == 200 && !answer.body.is_empty()).then_some(units as u64)
    }
}

/// A log that runs, and how it is read.
pub(crate) struct Reading<'a> {
    pub(crate) running: &'a RunningLog,
    pub(crate) log: &'a Prepared,
    /// The head that it serves.
    pub(crate) head: TreeHead,
    /// Leaves of its preload.
    pub(crate) known: u64,
    pub(crate) duration: Duration,
    pub(crate) connections: usize,
}

impl Reading<'_> {
    /// Checks some answers of an endpoint, then loads it.
    pub(crate) async fn load(&self, endpoint: Endpoint) -> Result<Measured, Failure> {
        let target = Target { head: self.head, known: self.known };
        let servers = [self.running.daemon.pid()];
        let address = self.running.address;
        let load = Load { address, duration: self.duration, servers: &servers };
        check(&load, endpoint, target, self.log).await?;
        let reader = |n| Reader { endpoint, target, random: Random::stream(1, n as u64) };
        let measured = run_load(load, (0..self.connections).map(reader).collect()).await?;
        println!("\n{endpoint:?}\n{measured}");
        Ok(measured)
    }
}

/// Loads each endpoint.
pub(crate) async fn run(lab: &mut Lab) -> Result<Vec<Row>, Failure> {
    let settings = lab.settings.clone();
    let log = lab.log()?;
    let running = start(log).await?;
    let head = published(running.address, 0).await?;
    let connections = settings.connections.unwrap_or(CONNECTIONS);
    let (known, duration) = (settings.preload, settings.duration);
    let reading = Reading { running: &running, log, head, known, duration, connections };
    let mut rows = Vec::new();
    for endpoint in ENDPOINTS {
        let measured = reading.load(endpoint).await?;
        rows.push(row(endpoint, connections, measured.unit_rate(), time(measured.latency.p99)));
    }
    running.daemon.stop()?;
    Ok(rows)
}

fn row(endpoint: Endpoint, connections: usize, per_second: f64, p99: String) -> Row {
    let found = format!("{}, p99 {p99}", rate(per_second));
    let goal = |bar, aim| [Goal::AtLeast { measured: per_second, bar, aim }];
    match endpoint {
        Endpoint::Inclusion => {
            let what = format!("get-inclusion-proof, random leaves, {connections} connections");
            Row::new(what, found, ("20 000/s", "40 000/s"), &goal(20e3, 40e3))
        }
        Endpoint::Consistency => Row::plain("get-consistency-proof, random sizes", found),
        Endpoint::Leaves => {
            let what = format!("get-leaves ({LEAVES_PER_REQUEST} a request), leaves");
            Row::new(what, found, ("1 M leaves/s", "4 M leaves/s"), &goal(1e6, 4e6))
        }
        Endpoint::HashTile => {
            let what = "tiles (hashes, 8 KiB)";
            Row::new(what, found, ("40 000/s", "80 000/s"), &goal(40e3, 80e3))
        }
        Endpoint::EntryBundle => Row::plain("tiles (entries, 33 KB)", found),
    }
}

/// Some answers are looked at closely: a server that is fast and wrong is not fast.
async fn check(
    load: &Load<'_>,
    endpoint: Endpoint,
    target: Target,
    log: &Prepared,
) -> Result<(), Failure> {
    let failed = |e| Failure::server(format!("{endpoint:?}"), e);
    let mut random = Random::new(2);
    let mut connection = Connection::open(load.address).await.map_err(failed)?;
    for number in 0..CHECKED {
        let mut asked = Asked::random(endpoint, target, &mut random);
        if endpoint == Endpoint::Consistency {
            // A size whose root hash is known, so that the proof can be verified.
            let nth = usize::try_from(number).unwrap_or(0) % log.heads.len().max(1);
            asked.at = log.heads.get(nth).map_or(asked.at, |tree| tree.size.0);
        }
        let path = asked.path();
        let answer = connection.exchange(&get(&path)).await.map_err(failed)?;
        if answer.status != 200 || !asked.is_right(answer.body, &log.heads) {
            let what = format!("{path}: wrong answer, {}", answer.describe());
            return Err(Failure::server(format!("{endpoint:?}"), what));
        }
    }
    Ok(())
}
