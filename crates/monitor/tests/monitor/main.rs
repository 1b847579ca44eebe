//! The monitor against logs that are honest, dead, and lying.
#![allow(clippy::unwrap_used, reason = "a test that goes wrong may panic")]

mod fake_log;
mod following;
mod resuming;
mod trouble;
