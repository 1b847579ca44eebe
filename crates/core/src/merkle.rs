//! placeholder
use crate::Hash;
/// Leaf hash.
pub fn hash_leaf(data: &[u8]) -> Hash { Hash::new(crate::crypto::sha256_parts(&[&[0], data])) }
