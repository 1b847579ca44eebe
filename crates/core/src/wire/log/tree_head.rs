//! The get-tree-head response body (`log.md` section 3.1), and the same without cosignatures.

use crate::ascii::{AsciiError, Reader, Writer};
use crate::tree_head::{CosignedTreeHead, SignedTreeHead};
use crate::wire::MAX_INTEGER_DIGITS;
use alloc::string::String;

/// Largest valid body without cosignatures: `size=`, `root_hash=` and `signature=` lines.
pub const MAX_SIGNED_TREE_HEAD_BODY_BYTES: usize =
    (5 + MAX_INTEGER_DIGITS + 1) + (10 + 64 + 1) + (10 + 128 + 1);

/// Largest `cosignature=KEYHASH TIMESTAMP SIGNATURE` line.
const MAX_COSIGNATURE_LINE_BYTES: usize = 12 + 64 + 1 + MAX_INTEGER_DIGITS + 1 + 128 + 1;

/// Largest valid body: a signed head and as many cosignatures as are read.
pub const MAX_TREE_HEAD_BODY_BYTES: usize = MAX_SIGNED_TREE_HEAD_BODY_BYTES
    + CosignedTreeHead::MAX_COSIGNATURES * MAX_COSIGNATURE_LINE_BYTES;

/// Reads a get-tree-head body.
///
/// # Errors
/// [`AsciiError`], among others for a second cosignature with the same key hash.
pub fn parse_tree_head(body: &[u8]) -> Result<CosignedTreeHead, AsciiError> {
    let mut reader = Reader::new(body)?;
    let head = CosignedTreeHead::read(&mut reader)?;
    reader.end()?;
    Ok(head)
}

/// Writes a get-tree-head body.
pub fn tree_head_body(head: &CosignedTreeHead) -> String {
    let mut writer = Writer::new();
    head.write(&mut writer);
    writer.finish()
}

/// Reads a signed head without cosignatures: log-go's `sth` file and get-secondary-tree-head body.
///
/// # Errors
/// [`AsciiError`].
pub fn parse_signed_tree_head(body: &[u8]) -> Result<SignedTreeHead, AsciiError> {
    let mut reader = Reader::new(body)?;
    let head = SignedTreeHead::read(&mut reader)?;
    reader.end()?;
    Ok(head)
}

/// Writes what [`parse_signed_tree_head`] reads.
pub fn signed_tree_head_body(head: &SignedTreeHead) -> String {
    let mut writer = Writer::new();
    head.write(&mut writer);
    writer.finish()
}

#[cfg(test)]
#[path = "tree_head_tests.rs"]
mod tests;
