//! Parameters that follow the endpoint name in the path of a GET request (`log.md` section 3).

use super::endpoint;
use crate::ascii::parse_integer;
use crate::bytes::{BytesError, Hash};
use crate::tree_head::{LeafIndex, TreeSize};
use crate::wire::MAX_INTEGER_DIGITS;
use alloc::{format, string::String};

/// Longest valid parameters: an integer, a slash and a hash. What is longer need not be looked at.
pub const MAX_PATH_BYTES: usize = MAX_INTEGER_DIGITS + 1 + 64;

/// Why the parameters of a GET request were refused. All are the client's fault (status 400), and
/// the texts are made for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Not exactly two parameters.
    #[error("expected two parameters separated by a slash")]
    Parameters,
    /// Not `0|[1-9][0-9]*`, or above 2^63-1.
    #[error("{0} is not a decimal integer from 0 to 2^63-1")]
    Integer(&'static str),
    /// Not a hash in hex.
    #[error("leaf_hash: {0}")]
    Hash(BytesError),
    /// An inclusion proof in a tree of fewer than two leaves needs no log.
    #[error("size({0}) must be larger than one")]
    SizeBelowTwo(TreeSize),
    /// Every tree is consistent with the empty one.
    #[error("old_size(0) must be larger than zero")]
    OldSizeZero,
    /// A consistency proof needs a larger new tree.
    #[error("old_size({old_size}) must be less than new_size({new_size})")]
    SizeOrder {
        /// As requested.
        old_size: TreeSize,
        /// As requested.
        new_size: TreeSize,
    },
    /// The range of leaves is empty or reversed.
    #[error("start_index({start}) must be less than end_index({end})")]
    RangeOrder {
        /// As requested.
        start: LeafIndex,
        /// As requested.
        end: LeafIndex,
    },
}

/// Parameters of get-inclusion-proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetInclusionProof {
    /// Size of the tree to prove inclusion in.
    pub size: TreeSize,
    /// Hash of the leaf.
    pub leaf_hash: Hash,
}

/// Parameters of get-consistency-proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetConsistencyProof {
    /// Size of the tree that came first.
    pub old_size: TreeSize,
    /// Size of the tree that grew out of it.
    pub new_size: TreeSize,
}

/// Parameters of get-leaves: the half-open range from `start` to `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetLeaves {
    /// First leaf.
    pub start: LeafIndex,
    /// The index behind the last leaf.
    pub end: LeafIndex,
}

impl GetInclusionProof {
    /// Reads `SIZE/HASH`, what follows the endpoint's slash.
    ///
    /// # Errors
    /// [`PathError`] for bad syntax and for a size below two.
    pub fn parse(parameters: &str) -> Result<Self, PathError> {
        let (size, hash) = two(parameters)?;
        let size = TreeSize(integer("size", size)?);
        let leaf_hash = Hash::from_hex(hash).map_err(PathError::Hash)?;
        if size.0 < 2 {
            return Err(PathError::SizeBelowTwo(size));
        }
        Ok(Self { size, leaf_hash })
    }

    /// The path behind the base URL: endpoint and parameters.
    pub fn to_path(&self) -> String {
        format!("{}{}/{}", endpoint::GET_INCLUSION_PROOF, self.size, self.leaf_hash)
    }
}

impl GetConsistencyProof {
    /// Reads `OLD/NEW`, what follows the endpoint's slash.
    ///
    /// # Errors
    /// [`PathError`] for bad syntax, and unless 0 < old < new.
    pub fn parse(parameters: &str) -> Result<Self, PathError> {
        let (old, new) = two(parameters)?;
        let old_size = TreeSize(integer("old_size", old)?);
        let new_size = TreeSize(integer("new_size", new)?);
        if old_size.0 == 0 {
            return Err(PathError::OldSizeZero);
        }
        if old_size >= new_size {
            return Err(PathError::SizeOrder { old_size, new_size });
        }
        Ok(Self { old_size, new_size })
    }

    /// The path behind the base URL: endpoint and parameters.
    pub fn to_path(&self) -> String {
        format!("{}{}/{}", endpoint::GET_CONSISTENCY_PROOF, self.old_size, self.new_size)
    }
}

impl GetLeaves {
    /// Reads `START/END`, what follows the endpoint's slash.
    ///
    /// # Errors
    /// [`PathError`] for bad syntax, and unless start < end.
    pub fn parse(parameters: &str) -> Result<Self, PathError> {
        let (start, end) = two(parameters)?;
        let start = LeafIndex(integer("start_index", start)?);
        let end = LeafIndex(integer("end_index", end)?);
        if start >= end {
            return Err(PathError::RangeOrder { start, end });
        }
        Ok(Self { start, end })
    }

    /// The path behind the base URL: endpoint and parameters.
    pub fn to_path(&self) -> String {
        format!("{}{}/{}", endpoint::GET_LEAVES, self.start, self.end)
    }

    /// Number of leaves asked for.
    pub fn len(&self) -> u64 {
        self.end.0.saturating_sub(self.start.0)
    }

    /// Whether the range holds nothing; never so for one that was parsed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn two(parameters: &str) -> Result<(&str, &str), PathError> {
    match parameters.split_once('/') {
        Some((first, second)) if !second.contains('/') => Ok((first, second)),
        _ => Err(PathError::Parameters),
    }
}

fn integer(name: &'static str, text: &str) -> Result<u64, PathError> {
    parse_integer(text).ok_or(PathError::Integer(name))
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;
