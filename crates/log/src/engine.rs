//! The log's decisions, without files, sockets, threads or a runtime.
//!
//! Time is a `Duration` since the process started, taken from a clock that never goes back.

pub mod admission;
pub mod cosigned;
pub mod follow;
pub mod followers;
pub mod guard;
pub mod head;
pub mod intake;
pub mod keys;
pub mod pace;
pub mod peer;
mod plan;
pub mod reads;
