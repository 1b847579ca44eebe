//! Follows Sigsum logs: checks every tree head and every leaf that the log's protocol lets it
//! check, and reports the leaves of given keys.
//!
//! # In scope
//! Log signature, consistency of every head with all that was seen before, the policy's quorum,
//! age of cosignatures, leaf signatures of watched keys, resuming from a state directory. Trouble of
//! one log or of the network never ends the monitor.
//!
//! # Out of scope
//! Fetching the data behind a checksum, and notifications other than the [`report::Report`] that
//! the caller passes in.
//!
//! Layers: [`engine`] decides, [`state`] remembers, [`follow`] fetches and reports.
pub mod engine;
mod fetch;
pub mod follow;
pub mod report;
pub mod state;
pub mod watch;

pub use follow::{Config, Context, Handle, MonitoredLog, StartError, start};
pub use report::{Alert, Event, Match, Report};
pub use watch::WatchList;
