//! Formats: what our tools write and read, beside their Go counterparts.

mod key;
mod mutations;
mod policy;
mod proof;
mod request;
mod tlog_proof;
mod token;
