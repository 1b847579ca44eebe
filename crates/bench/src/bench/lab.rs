//! What the benchmarks share: one log with leaves and three witnesses, made when it is first asked
//! for.

use super::Settings;
use crate::failure::Failure;
use crate::http::{get, once, post};
use crate::network::{Network, RunningLog, Sandbox};
use crate::preload::preload;
use crate::report::grouped;
use sigsum_core::leaf::leaf_signing_bytes;
use sigsum_core::wire::log::{AddLeafRequest, endpoint, parse_tree_head};
use sigsum_core::{Message, TreeHead};
use sigsum_keys::Ed25519Signer;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Witnesses of the log, and how many of them must cosign.
const WITNESSES: (usize, usize) = (3, 2);
/// A log that has not published a head for so long never will.
const PUBLICATION_LIMIT: Duration = Duration::from_secs(60);
/// Pause between two looks at something that is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// A log with leaves, which does not run.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) network: Network,
    /// Trees that the log had when it was filled, smallest first.
    pub(crate) heads: Vec<TreeHead>,
}

/// Settings, and what was made so far.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) settings: Settings,
    program: PathBuf,
    data: PathBuf,
    log: Option<Prepared>,
}

impl Lab {
    /// Nothing is made yet.
    pub(crate) fn new(settings: Settings, program: &Path, data: &Path) -> Self {
        Self { settings, program: program.to_owned(), data: data.to_owned(), log: None }
    }

    /// A directory.
    pub(crate) fn sandbox(&self) -> Result<Sandbox, Failure> {
        Sandbox::new(&self.data, &self.program)
    }

    /// The log, with the leaves that the settings say and those that were added since.
    pub(crate) fn log(&mut self) -> Result<&Prepared, Failure> {
        let log = match self.log.take() {
            Some(log) => log,
            None => self.log_of(self.settings.preload)?,
        };
        Ok(self.log.insert(log))
    }

    /// Another log, with this many leaves, which is not kept.
    pub(crate) fn log_of(&self, leaves: u64) -> Result<Prepared, Failure> {
        let begin = Instant::now();
        let network = Network::new(self.sandbox()?, WITNESSES.0, WITNESSES.1)?;
        let heads = preload(&network.log_directory(), &network.log_key, leaves)?;
        let leaves = grouped(leaves as f64);
        println!("made a log of {leaves} leaves in {:.1} s", begin.elapsed().as_secs_f64());
        Ok(Prepared { network, heads })
    }
}

/// Waits until the log serves a head of at least `size` leaves.
pub(crate) async fn published(address: SocketAddr, size: u64) -> Result<TreeHead, Failure> {
    let deadline = Instant::now() + PUBLICATION_LIMIT;
    loop {
        let answer = once(address, &get(endpoint::GET_TREE_HEAD)).await;
        let (status, body) = answer.map_err(|e| Failure::server("get-tree-head", e))?;
        let head = parse_tree_head(&body).ok().map(|head| head.signed.tree_head);
        match head.filter(|head| status == 200 && head.size.0 >= size) {
            Some(head) => return Ok(head),
            None if Instant::now() >= deadline => {
                let what = format!("no head of {size} leaves: status {status}, {head:?}");
                return Err(Failure::server("get-tree-head", what));
            }
            None => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

/// Sends a leaf until it is taken: a log that starts answers 503 until it has its index.
pub(crate) async fn add_leaf_when_ready(
    address: SocketAddr,
    request: &AddLeafRequest,
) -> Result<(), Failure> {
    let request = post(endpoint::ADD_LEAF, &request.to_body());
    let deadline = Instant::now() + PUBLICATION_LIMIT;
    loop {
        let answer = once(address, &request).await;
        let (status, body) = answer.map_err(|e| Failure::server("add-leaf", e))?;
        match status {
            200 => return Ok(()),
            503 if Instant::now() < deadline => tokio::time::sleep(LOOK_AGAIN).await,
            _ => {
                let text = String::from_utf8_lossy(&body).into_owned();
                return Err(Failure::server("add-leaf", format!("status {status}: {text}")));
            }
        }
    }
}

/// A submission that nobody made before.
pub(crate) fn submission(signer: &Ed25519Signer, message: [u8; 32]) -> AddLeafRequest {
    let message = Message::new(message);
    let signature = signer.sign_now(&leaf_signing_bytes(&message.checksum()));
    AddLeafRequest { message, signature, public_key: signer.public_key() }
}

/// Starts the log and waits until it serves all its leaves and takes new ones.
pub(crate) async fn start(log: &Prepared) -> Result<RunningLog, Failure> {
    let running = log.network.start_log()?;
    let signer = Ed25519Signer::generate().map_err(Failure::preparing("a key"))?;
    let preloaded = log.heads.last().map_or(0, |head| head.size.0);
    let before = published(running.address, preloaded).await?;
    add_leaf_when_ready(running.address, &submission(&signer, [0; 32])).await?;
    published(running.address, before.size.0 + 1).await?;
    Ok(running)
}
