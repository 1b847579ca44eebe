//! Response bodies of a witness: signature lines, and the size in a 409 (`tlog-witness`).

use super::WitnessBodyError;
use crate::ascii::{AsciiError, Problem, parse_integer};
use crate::note::SignatureLine;
use crate::tree_head::TreeSize;
use crate::wire::MAX_INTEGER_DIGITS;
use alloc::{format, string::String, vec::Vec};

/// Content type of a 409 response; clients compare it exactly, without parameters.
pub const CONFLICT_CONTENT_TYPE: &str = "text/x.tlog.size";

/// Largest valid 409 body: an integer and a newline.
pub const MAX_CONFLICT_BODY_BYTES: usize = MAX_INTEGER_DIGITS + 1;

/// Most lines of a response. A witness sends one for each of its keys: today's and the next, with
/// two algorithms each; 16, which `signed-note` asks every reader to take, is four times as many.
pub const MAX_RESPONSE_SIGNATURES: usize = 16;

/// Largest response that is read: [`MAX_RESPONSE_SIGNATURES`] lines of ML-DSA-44 (em dash, spaces
/// and newline of 6 bytes, a name of 255 bytes, base64 of 4 + 8 + 2420 bytes) are 55 KiB.
pub const MAX_SIGNATURE_LINES_BODY_BYTES: usize = 64 * 1024;

const _: () = assert!(
    MAX_RESPONSE_SIGNATURES * (6 + 255 + (4 + 8 + 2420_usize).div_ceil(3) * 4)
        <= MAX_SIGNATURE_LINES_BODY_BYTES
);

/// Reads the response of add-checkpoint or sign-subtree: one or more signature lines. Which of them
/// are of known keys is for the caller to see.
///
/// # Errors
/// [`WitnessBodyError`].
pub fn parse_signature_lines(body: &[u8]) -> Result<Vec<SignatureLine>, WitnessBodyError> {
    let lines = crate::note::parse_signature_lines(body).map_err(WitnessBodyError::Signatures)?;
    match lines.len() {
        0 => Err(WitnessBodyError::NoSignatures),
        1..=MAX_RESPONSE_SIGNATURES => Ok(lines),
        got => Err(WitnessBodyError::TooManySignatures { got }),
    }
}

/// Writes what [`parse_signature_lines`] reads.
pub fn signature_lines_body(lines: &[SignatureLine]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Reads the body of a 409: the size of the checkpoint that the witness cosigned last.
///
/// # Errors
/// [`WitnessBodyError::Line`].
pub fn parse_conflict(body: &[u8]) -> Result<TreeSize, WitnessBodyError> {
    let refuse = |problem| WitnessBodyError::Line(AsciiError { line: 1, problem });
    let Some(digits) = body.strip_suffix(b"\n") else {
        return Err(refuse(Problem::NoNewline));
    };
    let size = core::str::from_utf8(digits).ok().and_then(parse_integer);
    size.map(TreeSize).ok_or_else(|| refuse(Problem::Integer))
}

/// Writes the body of a 409.
pub fn conflict_body(size: TreeSize) -> String {
    format!("{size}\n")
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
