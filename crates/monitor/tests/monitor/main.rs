//! The monitor against logs that are honest, dead, and lying.

mod fake_log;
mod following;
mod resuming;
mod trouble;
