//! What every Sigsum daemon shares: the clock, listening, serving HTTP within limits, stopping,
//! metrics, health, logging, and the runner that ties them together.
//!
//! # In scope
//! Mechanism that is the same for a log, a witness and a monitor. A role hands in an
//! [`axum::Router`] and gets back a bound address and a handle that drains.
//!
//! # Out of scope
//! The protocol (`sigsum-api`), how files are written (`sigsum-store`), arguments (`sigsum-cli`).

pub mod acme;
pub mod clock;
pub mod health;
pub mod http;
pub mod listen;
pub mod logging;
pub mod metrics;
pub mod notify;
pub mod reload;
pub mod runner;
pub mod serve;
pub mod shutdown;
pub mod tls;
