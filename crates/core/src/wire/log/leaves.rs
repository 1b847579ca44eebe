//! The get-leaves response body (`log.md` section 3.4).

use crate::ascii::{AsciiError, Problem, Reader};
use crate::bytes::{Checksum, KeyHash, Signature};
use crate::leaf::Leaf;
use alloc::vec::Vec;

/// Size of one line: `leaf=`, 64, 128 and 64 hex digits, two spaces, a newline.
pub const LEAF_LINE_BYTES: usize = 5 + 64 + 1 + 128 + 1 + 64 + 1;

const KEY: &[u8; 5] = b"leaf=";

/// Limit on a response to a request for `leaves` leaves: that many lines. Every line has the same
/// size, so that nothing valid is longer.
pub const fn max_leaves_body_bytes(leaves: usize) -> usize {
    leaves.saturating_mul(LEAF_LINE_BYTES)
}

/// Writes a response line by line into one allocation.
#[derive(Debug, Clone)]
pub struct LeavesWriter {
    out: Vec<u8>,
}

impl LeavesWriter {
    /// Reserves space for that many leaves.
    pub fn with_capacity(leaves: usize) -> Self {
        Self { out: Vec::with_capacity(max_leaves_body_bytes(leaves)) }
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: &Leaf) {
        self.line(leaf.checksum.as_bytes(), leaf.signature.as_bytes(), leaf.key_hash.as_bytes());
    }

    /// Adds a leaf in its binary form ([`Leaf::to_bytes`]), as tiles hold it.
    pub fn push_bytes(&mut self, leaf: &[u8; Leaf::LEN]) {
        self.line(&leaf[..32], &leaf[32..96], &leaf[96..]);
    }

    fn line(&mut self, checksum: &[u8], signature: &[u8], key_hash: &[u8]) {
        let mut line = [b' '; LEAF_LINE_BYTES];
        line[..5].copy_from_slice(KEY);
        crate::wire::hex::write(checksum, &mut line[5..69]);
        crate::wire::hex::write(signature, &mut line[70..198]);
        crate::wire::hex::write(key_hash, &mut line[199..263]);
        line[263] = b'\n';
        self.out.extend_from_slice(&line);
    }

    /// The body.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }
}

/// The body for some leaves.
pub fn leaves_body(leaves: &[Leaf]) -> Vec<u8> {
    let mut writer = LeavesWriter::with_capacity(leaves.len());
    for leaf in leaves {
        writer.push(leaf);
    }
    writer.finish()
}

/// Reads a body of at least one and at most `max_leaves` leaves, the number that was asked for.
///
/// # Errors
/// [`AsciiError`] with the line at fault; [`Problem::UnexpectedEnd`] for an empty body,
/// [`Problem::TooManyLines`] for more leaves than asked for.
pub fn parse_leaves(body: &[u8], max_leaves: usize) -> Result<Vec<Leaf>, AsciiError> {
    // All lines have one size, so a valid body splits without looking for newlines. The reader is
    // for finding out what is wrong.
    let lines = body.len() / LEAF_LINE_BYTES;
    if lines == 0 || lines > max_leaves || !body.len().is_multiple_of(LEAF_LINE_BYTES) {
        return parse_lines(body, max_leaves);
    }
    let mut leaves = Vec::with_capacity(lines);
    for line in body.as_chunks::<LEAF_LINE_BYTES>().0 {
        match parse_fixed(line) {
            Some(leaf) => leaves.push(leaf),
            None => return parse_lines(body, max_leaves),
        }
    }
    Ok(leaves)
}

fn parse_fixed(line: &[u8; LEAF_LINE_BYTES]) -> Option<Leaf> {
    if line[..5] != *KEY || line[69] != b' ' || line[198] != b' ' || line[263] != b'\n' {
        return None;
    }
    Some(Leaf {
        checksum: Checksum::new(crate::wire::hex::array(&line[5..69])?),
        signature: Signature::new(crate::wire::hex::array(&line[70..198])?),
        key_hash: KeyHash::new(crate::wire::hex::array(&line[199..263])?),
    })
}

fn parse_lines(body: &[u8], max_leaves: usize) -> Result<Vec<Leaf>, AsciiError> {
    let mut reader = Reader::new(body)?;
    let mut leaves = Vec::new();
    loop {
        let leaf = Leaf::read(&mut reader)?;
        if leaves.len() >= max_leaves {
            return Err(reader.error_before(Problem::TooManyLines));
        }
        leaves.push(leaf);
        if reader.is_at_end() {
            return Ok(leaves);
        }
    }
}

#[cfg(test)]
#[path = "leaves_tests.rs"]
mod tests;
