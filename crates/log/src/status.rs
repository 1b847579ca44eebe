//! What is going on in the log, in one structure: for the status pages, for JSON, and for whoever
//! started the log.

mod board;
mod disk;
mod followers;
mod growth;
mod words;

pub(crate) use board::{Board, Live};
pub use disk::Disk;
pub use growth::Growth;
pub(crate) use words::{ago, amount, bytes_text, duration};

use crate::publisher::Stage;
use crate::signing::SignerStatus;
use serde::Serialize;

/// What is going on in a log.
#[derive(Debug, Clone, Serialize)]
pub struct Overview {
    /// Version of the program.
    pub software_version: String,
    /// Hash of the log's key, in hex.
    pub key_hash: String,
    /// Path in front of the public endpoints.
    pub url_prefix: String,
    /// Where the log is in its life: `open`, `closing` or `closed`.
    pub stage: Stage,
    /// Unix time of this overview.
    pub now_s: u64,
    /// Unix time of the log's start.
    pub started_s: u64,
    /// What the log waits for; empty when it does all that it is for.
    pub waiting: Vec<Waiting>,
    /// The served head; `None` before the first.
    pub head: Option<Head>,
    /// Leaves that are durable.
    pub committed_size: u64,
    /// Size of the last head that was signed in this process.
    pub signed_size: Option<u64>,
    /// How many leaves came lately.
    pub growth: Growth,
    /// The log's key.
    pub signer: SignerStatus,
    /// What a head needs to be published.
    pub quorum: Quorum,
    /// The policy's witnesses.
    pub witnesses: Vec<Witness>,
    /// The file system of the data directory; `None` where the log is in memory.
    pub disk: Option<Disk>,
    /// Most leaves in one get-leaves answer.
    pub max_range: u64,
    /// What other parts of the log tell.
    pub sections: Vec<Section>,
}

/// Something that the log waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// Which part waits.
    pub part: String,
    /// Until what is over.
    pub reason: String,
}

/// The head that is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Head {
    /// Number of its leaves.
    pub size: u64,
    /// Its root hash, in hex.
    pub root_hash: String,
    /// Its cosignatures.
    pub cosignatures: usize,
    /// Whether they make the policy's quorum.
    pub quorum: bool,
    /// Unix time of the newest of them, by the witness's clock.
    pub newest_cosignature_s: Option<u64>,
}

/// What a head needs to be published, and whether it had that lately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quorum {
    /// Whether the policy asks for any cosignature.
    pub is_needed: bool,
    /// Whether the last round of requests ended without one.
    pub missing: bool,
    /// Unix time of the last round that ended with one.
    pub last_met_s: Option<u64>,
    /// By the served head: what the policy asks for and what is there, in words.
    pub report: String,
}

/// A witness of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Witness {
    /// Its name in the policy.
    pub name: String,
    /// Its URL without the scheme, as in metrics; `None` where it cannot be asked.
    pub url: Option<String>,
    /// `good`, `failing`, `ahead`, `not asked yet` or `has no URL`.
    pub state: &'static str,
    /// Unix time of its last cosignature in this process.
    pub success_s: Option<u64>,
    /// Unix time of its cosignature of the served head, by its own clock.
    pub cosigned_served_s: Option<u64>,
    /// What it said last, where that was no cosignature.
    pub problem: Option<String>,
}

/// What a part of the log tells, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// What it is about.
    pub title: String,
    /// Whether everybody may read it: it stands on the public page then.
    pub is_public: bool,
    /// Names and values.
    pub rows: Vec<(String, String)>,
}
