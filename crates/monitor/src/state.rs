//! The monitor's memory: a directory with one file a log, named by the log's key hash.
//!
//! The format is the one that sigsum-go's doc/monitor.md describes (signed tree head, empty line,
//! `next_leaf_index=N`), followed by the compact range over the first N leaves as `node_hash=`
//! lines, so that a restart needs no leaf again. Written atomically.

use crate::engine::LogView;
use crate::watch::WatchList;
use sigsum_core::ascii::{AsciiError, Problem, Reader, Writer};
use sigsum_core::merkle::CompactRange;
use sigsum_core::{Hash, KeyHash, SignedTreeHead, TreeSize};
use sigsum_store::durable;
use std::io;
use std::path::{Path, PathBuf};

/// Name of the file that lists the keys watched so far.
const WATCHED_KEYS_FILE: &str = "watched-keys";
/// Largest state file: three head lines, one index line and at most 63 node hashes of 75 bytes stay
/// below 6 KiB.
const MAX_STATE_BYTES: u64 = 16 * 1024;

/// Why the state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file system refused.
    #[error("{path}: {error}", path = path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// The file is not what the monitor writes.
    #[error("{path}: {error}; remove the file to read the log from its start again", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: AsciiError,
    },
    /// Another monitor has the directory open, or the lock file cannot be made.
    #[error(transparent)]
    Lock(#[from] durable::LockError),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] durable::FileError),
}

/// An open state directory; no second monitor can open it.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    _lock: durable::LockFile,
}

impl StateDir {
    /// Opens the directory, making it where it is missing. Where keys are watched that were not
    /// watched before, what was read is forgotten, so that they are looked for from the start.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn open(path: &Path, watch: &WatchList) -> Result<Self, StateError> {
        let io = |error| StateError::Io { path: path.to_owned(), error };
        std::fs::create_dir_all(path).map_err(io)?;
        let lock = durable::LockFile::acquire(&path.join("LOCK"))?;
        let dir = Self { path: path.to_owned(), _lock: lock };
        dir.forget_where_keys_were_added(watch)?;
        Ok(dir)
    }

    fn forget_where_keys_were_added(&self, watch: &WatchList) -> Result<(), StateError> {
        let path = self.path.join(WATCHED_KEYS_FILE);
        let io = |error| StateError::Io { path: path.clone(), error };
        let covered = match std::fs::read_to_string(&path) {
            Ok(stored) => watch.is_covered_by(&stored),
            Err(e) if e.kind() == io::ErrorKind::NotFound => true,
            Err(e) => return Err(io(e)),
        };
        if !covered {
            for log in self.logs().map_err(io)? {
                if let Some(view) = self.load(&log)? {
                    self.save(&log, &LogView { head: view.head, range: CompactRange::new() })?;
                }
            }
        }
        durable::write_atomic(&path, watch.to_lines().as_bytes(), durable::PUBLIC_FILE)?;
        Ok(())
    }

    /// Key hashes of the logs that have a state.
    fn logs(&self) -> io::Result<Vec<KeyHash>> {
        let mut out = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            out.extend(name.to_str().and_then(|n| KeyHash::from_hex(n).ok()));
        }
        Ok(out)
    }

    fn file(&self, log: &KeyHash) -> PathBuf {
        self.path.join(log.to_hex())
    }

    /// What is known of a log; `None` where nothing is.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn load(&self, log: &KeyHash) -> Result<Option<LogView>, StateError> {
        let path = self.file(log);
        let io = |error| StateError::Io { path: path.clone(), error };
        let file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io(e)),
        };
        let mut text = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(file, MAX_STATE_BYTES), &mut text).map_err(io)?;
        let view = parse(&text).map_err(|error| StateError::Malformed { path, error })?;
        Ok(Some(view))
    }

    /// Remembers what is known of a log. Nothing is written before the first head.
    ///
    /// # Errors
    /// [`StateError::Io`].
    pub fn save(&self, log: &KeyHash, view: &LogView) -> Result<(), StateError> {
        let Some(text) = format(view) else { return Ok(()) };
        let path = self.file(log);
        durable::write_atomic(&path, text.as_bytes(), durable::PUBLIC_FILE)?;
        Ok(())
    }
}

/// The text of a state file; `None` before the first head.
pub fn format(view: &LogView) -> Option<String> {
    let mut writer = Writer::new();
    view.head?.write(&mut writer);
    writer.empty_line();
    writer.integer("next_leaf_index", view.range.size().0);
    for hash in view.range.hashes() {
        writer.text("node_hash", &hash.to_hex());
    }
    Some(writer.finish())
}

/// Reads what [`format()`] writes. A file without `node_hash` lines, as sigsum-go describes it, is
/// read from leaf 0 again.
///
/// # Errors
/// [`AsciiError`].
pub fn parse(text: &[u8]) -> Result<LogView, AsciiError> {
    let mut reader = Reader::new(text)?;
    let head = SignedTreeHead::read(&mut reader)?;
    reader.empty_line()?;
    let next = TreeSize(reader.integer("next_leaf_index")?);
    if next > head.tree_head.size {
        return Err(reader.error_before(Problem::Value("next_leaf_index is beyond the tree")));
    }
    let mut hashes = Vec::new();
    while reader.next_is("node_hash") {
        let value = reader.hex("node_hash")?;
        hashes.push(reader.bytes(value, Hash::from_hex)?);
    }
    reader.end()?;
    let range = if hashes.is_empty() {
        CompactRange::new()
    } else {
        let wrong = Problem::Value("node hashes do not fit next_leaf_index");
        CompactRange::from_hashes(next, hashes).map_err(|_| reader.error_before(wrong))?
    };
    Ok(LogView { head: Some(head), range })
}
