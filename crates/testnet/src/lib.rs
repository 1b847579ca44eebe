//! A whole Sigsum network in one process: a log, witnesses and the policy that ties them together,
//! on free loopback ports, with every byte in one directory.
//!
//! The roles are started through the same `Config` and `start` that an operator's command uses, so
//! what runs here is what runs there. Used by `sigsum demo`, `sigsum testnet` and the tests, which
//! can stop, restart and silence parts of it.
pub mod fault;
pub mod network;

pub use network::{BuildError, Network, Settings, WitnessNode};
