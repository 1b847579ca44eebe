//! Syncs that a run asks for, and leaving some of them out: the trial of a test that looks for what
//! a crash loses.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A sync that a run asks for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The file, by the name that it was opened under, or the directory.
    pub path: &'a Path,
    /// What the sync is for.
    pub saves: Saves<'a>,
}

/// What a sync makes durable that is not so yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saves<'a> {
    /// Nothing.
    Nothing,
    /// Bytes of a file.
    Bytes {
        /// How many the last write had; 0 where the file was emptied.
        last_write: usize,
    },
    /// Names in a directory.
    Names {
        /// The one that was changed last.
        last: &'a Path,
        /// Whether all of them were changed before the start with this disk, by a process that died.
        are_older: bool,
    },
}

type Judged = dyn Fn(&Asked<'_>) -> bool + Send + Sync;

/// Says which syncs are left out.
#[derive(Clone)]
pub(super) struct Judge(Arc<Judged>);

impl Judge {
    pub(super) fn new(judge: impl Fn(&Asked<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(judge))
    }

    pub(super) fn leaves_out(&self, asked: &Asked<'_>) -> bool {
        (self.0)(asked)
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Judge")
    }
}
