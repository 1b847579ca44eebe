//! Hex of fixed size without intermediate strings, for the bodies that are read and written most.

use alloc::vec::Vec;

/// Reads exactly `2 * N` hex digits of any case.
pub(crate) fn array<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut out = [0u8; N];
    crate::bytes::hex_into(text, &mut out).ok()?;
    Some(out)
}

/// Appends lowercase hex.
pub(crate) fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start.saturating_add(bytes.len().saturating_mul(2)), 0);
    if let Some(space) = out.get_mut(start..) {
        write(bytes, space);
    }
}

/// Writes lowercase hex into a buffer of exactly twice the size.
pub(crate) fn write(bytes: &[u8], out: &mut [u8]) {
    debug_assert_eq!(Some(out.len()), bytes.len().checked_mul(2), "buffer of the wrong size");
    let _ = base16ct::lower::encode(bytes, out); // fails only on a short buffer
}
