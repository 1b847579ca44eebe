//! The log as a whole: real files or a file system in memory, real HTTP on free ports, witnesses
//! that check what they are asked to cosign and that misbehave when told to.
#![allow(
    clippy::disallowed_methods,
    reason = "tests write files that are malformed, and need no durability"
)]

mod crash;
mod data_dir;
mod disk;
mod follower;
mod guard;
mod heads;
mod http_api;
mod http_pages;
mod limits;
mod overload;
mod reads;
mod restart;
mod status;
mod support;
