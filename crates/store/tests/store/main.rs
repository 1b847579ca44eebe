//! Tests of a whole store: through its public face only.

#![allow(clippy::unwrap_used, reason = "a test that goes wrong may panic")]

mod crash;
mod damage;
mod durable;
mod heads;
mod life;
mod open;
mod sim;
mod support;
mod tiles;
