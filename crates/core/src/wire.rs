//! Bodies and request paths of the HTTP protocols, as pure parsing and writing.
//!
//! [`log`] is Sigsum's log protocol (`log.md` section 3), [`witness`] is C2SP `tlog-witness`. Every
//! body has a named limit that a server or client applies before it reads, and every parser takes
//! what its writer writes and nothing else, but for the case of hex digits.

pub(crate) mod hex;
pub(crate) mod lines;
pub mod log;
#[cfg(test)]
pub(crate) mod test_values;
pub mod witness;

/// Decimal digits of the largest integer on the wire, 2^63-1 (`log.md` section 2.2.1).
pub(crate) const MAX_INTEGER_DIGITS: usize = 19;
