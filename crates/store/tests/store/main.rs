//! Tests of a whole store: through its public face only.

#![allow(clippy::unwrap_used, reason = "a test that goes wrong may panic")]
#![allow(clippy::print_stdout, reason = "says which of the many crashes a failure is about")]

mod backup;
mod crash;
mod damage;
mod durable;
mod fsck;
mod heads;
mod index;
mod ledger;
mod left_out;
mod life;
mod open;
mod role;
mod support;
mod tiles;
