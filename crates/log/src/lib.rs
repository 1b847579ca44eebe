//! The Sigsum log server: takes signed checksums, puts them into an append-only Merkle tree, has
//! its tree heads cosigned, and proves what it says.
//!
//! # In scope
//! A log on one node or several: the five endpoints of `log.md`, `checkpoint` and tiles of C2SP
//! `tlog-tiles`, the gathering of cosignatures by C2SP `tlog-witness`, followers and what they are
//! for, log-go's sth file and configuration file.
//!
//! # Out of scope
//! The format of rate limits and the counting (`sigsum-limits`); arguments (`sigsum-cli`);
//! the file formats of the data directory (`sigsum-store`).
//!
//! # The parts
//! A leaf: [`api`](LogApi) checks it with [`engine::admission`], the [`sequencer`] thread commits
//! it. A head: [`engine::head`] decides when to sign, whom to ask and when to publish, the
//! publisher task does it. What is served is exchanged in one place that readers take without a
//! lock.

mod api;
pub mod config;
pub mod engine;
pub mod follower;
mod gate;
mod guard;
mod handle;
mod indexing;
mod integrating;
mod limits;
mod metrics;
pub mod mktree;
mod open;
mod publisher;
mod reload;
mod replication;
mod roots;
pub mod sequencer;
mod serve;
mod served;
mod signing;
mod start;
mod status;
pub mod sth;
pub mod takeover;
mod tokens;
mod watch;
mod witnesses;

pub use config::{Config, FileConfig, Replication, Settings, Storage};
pub use guard::Outdated;
pub use handle::{Handle, RunError, Status};
pub use limits::{CounterStatus, LimitsError, LimitsStatus, suffix_file};
pub use open::{init, init_follower};
pub use publisher::{HeadStatus, Stage, WitnessStatus};
pub use reload::{NewSettings, ReloadError, Reloaded, Reloader};
pub use replication::{FollowerStatus, ReplicationStatus};
pub use signing::SignerStatus;
pub use sigsum_api::LogApi;
pub use start::{Context, StartError, start};
pub use status::{Disk, Growth, Head, Overview, Quorum, Section, Waiting, Witness};
pub use witnesses::{WitnessPeer, WitnessSetupError, Witnesses};
