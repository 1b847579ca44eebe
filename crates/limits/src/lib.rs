//! How many leaves who may add to a log: log-go's rate-limit file, public suffixes, domain names,
//! and the counting.
//!
//! # In scope
//! The file of limits (log-go `doc/rate-limit.md`, with lines of ours), the Public Suffix List, the
//! one form in which domain names are compared, which limit holds for whom, and sliding windows of
//! 24 hours. Everything is pure: files are texts here, time is an argument.
//!
//! # Out of scope
//! Whether a submit token is valid (`sigsum-client` asks DNS); where counters are kept over a
//! restart (`sigsum-log`).
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::arithmetic_side_effects, reason = "a test that goes wrong may panic")
)]

mod domain;
mod file;
mod line;
mod quota;
mod record;
mod rules;
mod suffix;

pub use domain::{Domain, DomainError};
pub use file::{Class, FileError, LimitFile, MAX_FILE_BYTES, PublicLine};
pub use line::{Burst, LineError, MAX_BURST_PERIOD_S, MAX_LIMIT, MAX_LINE_BYTES};
pub use quota::{
    Bucket, Exceeded, LimitKind, MAX_PUBLIC_DOMAINS, Quota, QuotaTime, Reservation, SLOT, Usage,
    WINDOW,
};
pub use record::{Boot, Moment, RecordError, Restored, write_added, write_snapshot};
pub use rules::{Charges, Limit, Rules, TEST_DOMAIN, Unlisted};
pub use suffix::{MAX_SUFFIX_FILE_BYTES, SuffixError, SuffixList};
