//! add-checkpoint on a witness with many logs, each of which grows again and again. Every answer
//! means that the new head is on disk.

use super::lab::Lab;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::http::{Answer, post, write_post};
use crate::load::{Load, Measured, Source, run as run_load, send_all};
use crate::network::witness_command;
use crate::random::Random;
use crate::report::{Goal, Row, grouped, rate, time};
use crate::tree::MemoryTree;
use sigsum_core::checkpoint::{Checkpoint, Origin};
use sigsum_core::cosignature::verify_line_by_key;
use sigsum_core::note::{NoteKey, SignatureLine, Vkey};
use sigsum_core::wire::witness::{endpoint, parse_signature_lines};
use sigsum_core::{Hash, PublicKey, SignedTreeHead, TreeHead};
use sigsum_keys::{Ed25519Signer, SigningSeed};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// Size of each log when it first comes: its proofs then have about as many hashes as those of a
/// public log, some twenty.
const FIRST_SIZE: u64 = 1 << 18;
/// Leaves between two checkpoints of a log, on average.
const GROWTH: u64 = 500;
/// Checkpoints that are signed for each second of load. A witness that takes more ends the load early.
const CHECKPOINTS_PER_SECOND: u64 = 25_000;
/// Connections, unless the settings say how many.
const CONNECTIONS: usize = 64;
/// Cosignatures that are verified before the load.
const CHECKED: usize = 200;

/// One size that all logs go through: they have the same leaves under different keys.
struct Step {
    /// The lines before the checkpoint, with the blank one.
    proof: String,
    head: TreeHead,
}

/// One log: the name, and a signature line for each step.
struct Log {
    key: PublicKey,
    origin: String,
    lines: Vec<String>,
}

struct World {
    steps: Vec<Step>,
    logs: Vec<Log>,
}

impl World {
    fn new(logs: u32, checkpoints: u64) -> Result<Self, Failure> {
        let steps = 2 + checkpoints.div_ceil(u64::from(logs));
        let mut random = Random::new(11);
        let mut tree = MemoryTree::default();
        let mut old = 0;
        let mut made = Vec::new();
        for number in 0..steps {
            let growth = if number == 0 { FIRST_SIZE } else { 1 + random.below(2 * GROWTH) };
            (0..growth).for_each(|_| tree.append(Hash::new(random.bytes())));
            let mut proof = format!("old {old}\n");
            for hash in tree.consistency(old, tree.size())? {
                // Writing to a string cannot fail.
                let _ = writeln!(proof, "{}", hash.to_base64());
            }
            proof.push('\n');
            old = tree.size();
            made.push(Step { proof, head: tree.head(old)? });
        }
        let seeds: Vec<[u8; 32]> = (0..logs).map(|_| random.bytes()).collect();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = seeds.len().div_ceil(threads).max(1);
        let logs = std::thread::scope(|scope| {
            let sign = |seeds: &'_ [[u8; 32]]| {
                seeds.iter().map(|seed| Log::new(*seed, &made)).collect::<Vec<_>>()
            };
            let workers: Vec<_> =
                seeds.chunks(share).map(|part| scope.spawn(move || sign(part))).collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
        });
        Ok(Self { steps: made, logs })
    }

    fn body(&self, log: usize, step: usize) -> Option<String> {
        let (log, line) = (self.logs.get(log)?, self.logs.get(log)?.lines.get(step)?);
        let step = self.steps.get(step)?;
        let text = step.head.checkpoint_text(&log.origin);
        Some(format!("{}{text}\n{line}\n", step.proof))
    }
}

impl Log {
    fn new(seed: [u8; 32], steps: &[Step]) -> Self {
        let signer = Ed25519Signer::from_seed(&SigningSeed::from_bytes(seed));
        let key = signer.public_key();
        let (vkey, key_hash) = (Vkey::sigsum_log(&key), key.key_hash());
        let line = |step: &Step| {
            let signature = signer.sign_now(&step.head.sigsum_signing_bytes(&key_hash));
            let head = SignedTreeHead { tree_head: step.head, signature };
            SignatureLine::new(&vkey, head.signature.as_bytes().to_vec()).to_string()
        };
        let origin = Origin::sigsum(&key_hash).as_str().to_owned();
        Self { key, origin, lines: steps.iter().map(line).collect() }
    }
}

/// A connection with logs of its own, as a log sends one checkpoint at a time.
struct Sender {
    world: Arc<World>,
    first: usize,
    stride: usize,
    log: usize,
    step: usize,
}

impl Source for Sender {
    fn next(&mut self, request: &mut Vec<u8>) -> bool {
        if self.log >= self.world.logs.len() {
            self.log = self.first;
            self.step += 1;
        }
        let Some(body) = self.world.body(self.log, self.step) else { return false };
        self.log += self.stride;
        write_post(request, endpoint::ADD_CHECKPOINT, body.as_bytes());
        true
    }

    fn judge(&mut self, answer: &Answer<'_>) -> Option<u64> {
        (answer.status == 200 && !answer.body.is_empty()).then_some(1)
    }
}

/// Loads a witness.
pub(crate) async fn run(lab: &Lab) -> Result<Vec<Row>, Failure> {
    let settings = &lab.settings;
    let sandbox = lab.sandbox()?;
    let checkpoints = CHECKPOINTS_PER_SECOND * (settings.duration.as_secs() + 1);
    let world = Arc::new(World::new(settings.logs, checkpoints)?);
    let key = sandbox.key("witness-key")?.public_key();
    sandbox.run(&["witness", "init", "--data-dir", "witness", "-k", "witness-key"])?;
    sandbox.write("witness.toml", configuration(&world))?;
    let mut command = witness_command(&sandbox, "witness", "witness-key");
    command.args(["--config", "witness.toml"]);
    let (daemon, address) = Daemon::start(command)?;
    println!("\nwitness");
    introduce(address, &world, &key).await?;
    let connections = settings.connections.unwrap_or(CONNECTIONS).min(world.logs.len());
    let sender = |first| Sender {
        world: Arc::clone(&world),
        first,
        stride: connections,
        log: first,
        step: 1,
    };
    let servers = [daemon.pid()];
    let load = Load { address, duration: settings.duration, servers: &servers };
    let measured = run_load(load, (0..connections).map(sender).collect()).await?;
    println!("{measured}");
    daemon.stop()?;
    Ok(vec![row(&measured, settings.logs)])
}

fn row(measured: &Measured, logs: u32) -> Row {
    let what = format!(
        "witness add-checkpoint, durable, {} logs, Ed25519, {} connections",
        grouped(f64::from(logs)),
        measured.connections
    );
    let found = format!("{}, p99 {}", rate(measured.rate()), time(measured.latency.p99));
    let goal = Goal::AtLeast { measured: measured.rate(), bar: 5e3, aim: 12e3 };
    Row::new(what, found, ("5 000/s", "12 000/s"), &[goal])
}

fn configuration(world: &World) -> String {
    let log = |log: &Log| format!("[[logs]]\nsigsum-key = \"{}\"\n", log.key);
    world.logs.iter().map(log).collect()
}

/// Sends the first checkpoint of every log, and verifies some of the cosignatures.
async fn introduce(
    address: std::net::SocketAddr,
    world: &World,
    key: &PublicKey,
) -> Result<(), Failure> {
    let begin = std::time::Instant::now();
    let bodies = (0..world.logs.len()).filter_map(|log| world.body(log, 0));
    let requests = bodies.map(|body| post(endpoint::ADD_CHECKPOINT, body.as_bytes())).collect();
    send_all(address, CONNECTIONS, requests).await?;
    let took: Duration = begin.elapsed();
    println!("{} logs introduced in {}", world.logs.len(), time(took));
    // The same again is answered with a cosignature again.
    let Some(step) = world.steps.first() else { return Ok(()) };
    for log in world.logs.iter().take(CHECKED) {
        let checkpoint = Checkpoint::new(Origin::sigsum(&log.key.key_hash()), step.head);
        let line = log.lines.first().map(String::as_str).unwrap_or_default();
        let body = format!("old {}\n\n{}\n{line}\n", step.head.size, checkpoint.to_text());
        let request = post(endpoint::ADD_CHECKPOINT, body.as_bytes());
        let answers = send_all(address, 1, vec![request]).await?;
        let lines = answers.first().and_then(|body| parse_signature_lines(body).ok());
        let key = NoteKey::CosignatureEd25519(*key);
        let valid = |line: &SignatureLine| verify_line_by_key(line, &key, &checkpoint).is_ok();
        if !lines.is_some_and(|lines| lines.iter().any(valid)) {
            return Err(Failure::server(endpoint::ADD_CHECKPOINT, "no valid cosignature"));
        }
    }
    Ok(())
}
