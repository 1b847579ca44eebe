//! Everything of a log that must last: leaves, tree, heads.
//!
//! # In scope
//! The data directory of one log, with one writer; files that survive crashes, for every part of
//! the system ([`durable`]); the file system as something a test can replace ([`fs`]).
//!
//! # Out of scope
//! What may be added to a log, who signs, when to publish: that is the log's business.
//!
//! # The data directory
//!
//! | name          | what it is                                                            |
//! |---------------|-----------------------------------------------------------------------|
//! | `tile/`       | the tree, as `tlog-tiles` lays it out and as it is served             |
//! | `checkpoint`  | the published head, as served; a copy out of `published`              |
//! | `tree`        | size and root hash of the tree in `tile/`: moving it on is what takes leaves into the tree |
//! | `journal/`    | leaves that are committed but not in `tile/` yet                      |
//! | `head`        | the last head the log signed, from before anyone saw the signature    |
//! | `published`   | the head that is served, with its cosignatures                        |
//! | `identity`    | whose log it is: the hash of its key                                  |
//! | `role`        | whether the node is a primary or a follower, with the log's key; a primary that never was anything else has none |
//! | `damaged/`    | copies of what [`fsck`] replaced                                      |
//! | `promotion`   | what was known and held when a follower became the primary            |
//! | `quota/`      | a [`Ledger`] of the log's: counters of its rate limits                 |
//! | `LOCK`        | locked while a process has the directory                              |
//!
//! Everything else is derived. The index of leaves by hash is in memory only and built anew at every
//! start; nothing is served before it was checked against the tree.

mod audit;
mod background;
pub mod backup;
mod bundle;
pub mod durable;
mod error;
pub mod fs;
pub mod fsck;
mod heads;
mod index;
mod journal;
mod ledger;
mod open;
mod partials;
mod pending;
mod place;
mod reads;
mod role;
mod state;
mod store;
mod tiles;
mod traits;
mod tree;
mod types;
mod writer;

pub use error::{Damage, StoreError};
pub use ledger::{Ledger, LedgerContents, OpenedLedger};
pub use place::Place;
pub use store::Store;
pub use traits::{HeadStore, LeafLog, LogStore, TreeReader};
pub use types::{Committed, IndexState, Promotion, Published, Recovery, Role};
