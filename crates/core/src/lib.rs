//! Formats, Merkle trees, policies and proofs of Sigsum and of the C2SP transparency-log
//! specifications, and their verification.
//!
//! # In scope
//! Everything that can be decided from bytes alone: parsing and writing, hashing, signature
//! checks, quorum evaluation, proof verification. Parsers of proofs, notes and bodies are strict:
//! what they accept, they write back byte for byte (hex is lowercased, version 1 proofs become
//! version 2). Policies, which people write, are read as leniently as other tools read them.
//!
//! # Out of scope
//! Files, sockets, clocks, randomness and private keys. `no_std` with `alloc`.
#![no_std]
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::expect_used)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::expect_used,
        reason = "a test that goes wrong may panic"
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod ascii;
pub mod bytes;
pub mod checkpoint;
pub mod cosignature;
pub mod crypto;
#[doc(hidden)]
pub mod fuzzing;
pub mod leaf;
pub mod merkle;
pub mod note;
pub mod policy;
pub mod proof;
pub mod token;
pub mod tree_head;
pub mod verify;
pub mod wire;

pub use bytes::{Checksum, Hash, KeyHash, Message, PublicKey, Signature};
pub use leaf::Leaf;
pub use tree_head::{CosignedTreeHead, LeafIndex, SignedTreeHead, TreeHead, TreeSize};
