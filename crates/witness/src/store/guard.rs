//! Refuses to start on a state that is not the one this witness left behind.
//!
//! A witness with an older state than its last cosignature can be led to cosign backwards. A
//! missing state, a state of another key, a copied database and a database older than the mark
//! beside it are refused. What stays invisible from inside one machine is a snapshot of the whole
//! machine that is rolled back.

use std::path::{Path, PathBuf};

/// File beside the database that counts starts as the database does.
pub(crate) const MARK_FILE: &str = "starts";
/// Longest content of [`MARK_FILE`]: 20 digits and a newline.
const MAX_MARK_BYTES: usize = 21;

/// Why a state is not trusted. Every text says what to do.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GuardError {
    /// There is no state.
    #[error(
        "no witness state in {}. For a new key, run `sigsum witness init`. If the key has cosigned \
         before, bring its newest state back first: with an empty one it would cosign backwards",
        dir.display()
    )]
    Missing {
        /// The data directory.
        dir: PathBuf,
    },
    /// `init` where there is a state.
    #[error("{} already holds a witness state; it was left as it is", dir.display())]
    Exists {
        /// The data directory.
        dir: PathBuf,
    },
    /// The state was made for other keys.
    #[error(
        "the state in {} was not made for key {key}; give the key that it was made for, or make \
         this key known with `sigsum witness init --add-key` if it has never cosigned elsewhere",
        dir.display()
    )]
    OtherKey {
        /// The data directory.
        dir: PathBuf,
        /// The public key in hex.
        key: String,
    },
    /// The database was copied or restored.
    #[error(
        "the state in {} was copied or restored ({reason}). An old state makes a witness cosign \
         backwards. If it is the newest one, and no other copy is in use, start once with \
         --accept-state",
        dir.display()
    )]
    Restored {
        /// The data directory.
        dir: PathBuf,
        /// What was noticed.
        reason: &'static str,
    },
}

/// What identifies a state between two starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Starts so far.
    pub(crate) starts: u64,
    /// Inode of the database file.
    pub(crate) inode: u64,
}

/// Compares what the database says of itself with the file it is in and the mark beside it.
/// The database is written first, so it may be one start ahead of the mark.
pub(crate) fn check(
    dir: &Path,
    recorded: Identity,
    inode: u64,
    mark: Option<u64>,
) -> Result<(), GuardError> {
    let reason = match mark {
        None => "the file `starts` is missing",
        Some(mark) if mark > recorded.starts => "the database is older than the file `starts`",
        Some(mark) if recorded.starts.saturating_sub(mark) > 1 => {
            "the file `starts` is older than the database"
        }
        Some(_) if inode != recorded.inode => "the database is another file than at the last start",
        Some(_) => return Ok(()),
    };
    Err(GuardError::Restored { dir: dir.to_owned(), reason })
}

/// Reads the mark; `None` where there is none or it is not a number.
pub(crate) fn read_mark(dir: &Path) -> Option<u64> {
    let text = std::fs::read(dir.join(MARK_FILE)).ok()?;
    let text = std::str::from_utf8(text.get(..MAX_MARK_BYTES.min(text.len()))?).ok()?;
    sigsum_core::ascii::parse_integer(text.strip_suffix('\n')?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: Identity = Identity { starts: 7, inode: 11 };

    fn reason(inode: u64, mark: Option<u64>) -> Option<&'static str> {
        match check(Path::new("d"), RECORDED, inode, mark) {
            Ok(()) => None,
            Err(GuardError::Restored { reason, .. }) => Some(reason),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn an_untouched_state_is_trusted() {
        assert_eq!(reason(11, Some(7)), None);
    }

    #[test]
    fn a_crash_between_database_and_mark_is_no_restore() {
        assert_eq!(reason(11, Some(6)), None);
    }

    #[test]
    fn a_database_from_an_older_backup_is_refused() {
        assert_eq!(reason(11, Some(8)), Some("the database is older than the file `starts`"));
    }

    #[test]
    fn a_mark_from_an_older_backup_is_refused() {
        assert_eq!(reason(11, Some(5)), Some("the file `starts` is older than the database"));
    }

    #[test]
    fn a_copied_database_is_refused() {
        let text = "the database is another file than at the last start";
        assert_eq!(reason(12, Some(7)), Some(text));
    }

    #[test]
    fn a_missing_mark_is_refused() {
        assert_eq!(reason(11, None), Some("the file `starts` is missing"));
    }
}
