//! Counters and the like beside the tree: a text, and what was added to it since.
//!
//! Each is a chunk with its length and CRC. A crash leaves the chunks that were synced and perhaps
//! others behind them, never half of one. What is damaged is put aside and said: this is for state
//! whose loss is a nuisance and not a wrong, so that it never keeps a log from starting.
//!
//! | name       | what it is                                                         |
//! |------------|--------------------------------------------------------------------|
//! | `snapshot` | one chunk: the number of its generation on a line, then the text   |
//! | `added-N`  | chunks that were added to generation N                             |

use crate::durable::{FileError, Operation, failed};
use crate::fs::{Existing, File, PRIVATE_FILE};
use crate::place::Place;
use std::fmt::Write as _;

const SNAPSHOT: &str = "snapshot";
const ADDED: &str = "added-";
/// Where a damaged file is kept for whoever wants to look at it.
const DAMAGED: &str = ".damaged";
/// Longest file that is read. Were each of 65 536 domains that a log counts to submit all day through, a
/// snapshot would have a line of 97 groups of 32 bytes and a name of 255 for each, 220 MB; what is added
/// to it before the next one is twice that at most.
const MAX_FILE_BYTES: u64 = 512 << 20;
/// `CRC LENGTH\n`: 8 hex digits, a space, 8 hex digits.
const HEADER_BYTES: usize = 18;
/// Additions that are not worth a new snapshot, however small the last one is.
const FEW_BYTES: u64 = 256 * 1024;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LedgerContents {
    /// The last snapshot.
    pub snapshot: Option<String>,
    /// What was added to it, in order.
    pub added: Vec<String>,
    /// Files that were damaged, and are kept under another name.
    pub damaged: Vec<String>,
}

/// A ledger that was read, and not yet begun anew.
#[derive(Debug)]
pub struct OpenedLedger {
    dir: Place,
    generation: u64,
}

/// A ledger to write to. One at a time for a directory.
#[derive(Debug)]
pub struct Ledger {
    dir: Place,
    generation: u64,
    added: Option<Box<dyn File>>,
    end: u64,
    snapshot_bytes: u64,
    /// The last snapshot may be there or not, so that nothing can be added to either.
    in_doubt: bool,
}

impl OpenedLedger {
    /// Reads the ledger of a directory, which must be the caller's alone.
    ///
    /// # Errors
    /// [`FileError`]; damage is none.
    pub fn open(dir: Place) -> Result<(Self, LedgerContents), FileError> {
        let mut contents = LedgerContents::default();
        let mut generation = 0;
        if let Some(bytes) = read(&dir, SNAPSHOT)? {
            match parse_snapshot(&bytes) {
                Some((number, text)) => {
                    generation = number;
                    contents.snapshot = Some(text);
                }
                None => {
                    dir.rename(SNAPSHOT, &format!("{SNAPSHOT}{DAMAGED}"))?;
                    contents.damaged.push(SNAPSHOT.to_owned());
                }
            }
        }
        let name = added_name(generation);
        if contents.snapshot.is_some()
            && let Some(bytes) = read(&dir, &name)?
        {
            contents.added = parse_chunks(&bytes);
        }
        // Also where there was damage: no later generation may meet an old file of its name.
        let highest = dir.names()?.iter().filter_map(|name| generation_of(name)).max();
        let generation = generation.max(highest.unwrap_or(0));
        Ok((Self { dir, generation }, contents))
    }

    /// Begins the ledger with a snapshot of all there is.
    ///
    /// # Errors
    /// [`FileError`]; the old ledger, or the new one, is there then.
    pub fn begin(self, snapshot: &str) -> Result<Ledger, FileError> {
        let mut ledger = Ledger {
            dir: self.dir,
            generation: self.generation,
            added: None,
            end: 0,
            snapshot_bytes: 0,
            in_doubt: false,
        };
        ledger.replace(snapshot)?;
        Ok(ledger)
    }
}

impl Ledger {
    /// Adds a text. Durable when this returns. After an error it is there whole or not at all; the
    /// next addition takes its place, and should say what this one said.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn add(&mut self, text: &str) -> Result<(), FileError> {
        let name = added_name(self.generation);
        let path = self.dir.join(&name);
        if self.added.is_none() {
            let file = self.dir.fs().create(&path, PRIVATE_FILE, Existing::Truncate);
            let file = file.map_err(failed(Operation::Create, &path))?;
            self.dir.sync_dir("")?;
            self.added = Some(file);
        }
        let chunk = chunk(text);
        if let Some(file) = &self.added {
            file.write_at(&chunk, self.end).map_err(failed(Operation::Write, &path))?;
            file.sync_data().map_err(failed(Operation::Sync, &path))?;
        }
        self.end += chunk.len() as u64;
        Ok(())
    }

    /// Whether [`Self::replace`] should be called and not [`Self::add`]: more was added than a new
    /// snapshot takes, or the last one failed.
    #[must_use]
    pub fn wants_snapshot(&self) -> bool {
        self.in_doubt || self.end > FEW_BYTES.max(2 * self.snapshot_bytes)
    }

    /// Replaces all by a snapshot, atomically and durably.
    ///
    /// # Errors
    /// [`FileError`]; then the old ledger or the new one is there, and this must be called again
    /// before anything is added.
    pub fn replace(&mut self, snapshot: &str) -> Result<(), FileError> {
        let next = self.generation + 1;
        let text = format!("{next}\n{snapshot}");
        self.in_doubt = true;
        // A name that an attempt before this one may have left is of no other generation.
        self.generation = next;
        self.dir.replace(SNAPSHOT, &chunk(&text), PRIVATE_FILE)?;
        self.added = None;
        self.end = 0;
        self.snapshot_bytes = text.len() as u64;
        self.in_doubt = false;
        self.remove_before(next);
        Ok(())
    }

    /// Removes files of earlier generations. Nobody reads them any more, so that the next snapshot
    /// may remove what this one cannot.
    fn remove_before(&self, generation: u64) {
        for name in self.dir.names().unwrap_or_default() {
            if generation_of(&name).is_some_and(|number| number < generation) {
                let _ = self.dir.remove_file(&name); // see above
            }
        }
    }
}

fn added_name(generation: u64) -> String {
    format!("{ADDED}{generation}")
}

fn generation_of(name: &str) -> Option<u64> {
    name.strip_prefix(ADDED)?.parse().ok()
}

/// Reads a file; one that is longer than any that was written is damaged, and shows as empty.
fn read(dir: &Place, name: &str) -> Result<Option<Vec<u8>>, FileError> {
    match dir.len(name)? {
        None => Ok(None),
        Some(len) if len > MAX_FILE_BYTES => Ok(Some(Vec::new())),
        Some(len) => dir.read(name, usize::try_from(len).unwrap_or(usize::MAX)),
    }
}

fn chunk(text: &str) -> Vec<u8> {
    let mut chunk = String::with_capacity(HEADER_BYTES + text.len());
    let length = text.len();
    let _ = writeln!(chunk, "{:08x} {length:08x}", checksum(length, text)); // a string takes all
    chunk.push_str(text);
    chunk.into_bytes()
}

/// Over the length too, so that zeros are no empty chunk.
fn checksum(length: usize, text: &str) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&(length as u64).to_be_bytes()), text.as_bytes())
}

/// The first chunk, and what is behind it.
fn parse_chunk(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
    let (crc, length) = str::from_utf8(header).ok()?.strip_suffix('\n')?.split_once(' ')?;
    let length = usize::from_str_radix(length, 16).ok()?;
    let (text, rest) = rest.split_at_checked(length)?;
    let text = str::from_utf8(text).ok()?;
    let is_right = u32::from_str_radix(crc, 16).ok()? == checksum(length, text);
    is_right.then(|| (text.to_owned(), rest))
}

/// All chunks up to the first that is none: a crash tore it.
fn parse_chunks(bytes: &[u8]) -> Vec<String> {
    let mut chunks = Vec::new();
    let mut rest = bytes;
    while let Some((text, behind)) = parse_chunk(rest) {
        chunks.push(text);
        rest = behind;
    }
    chunks
}

fn parse_snapshot(bytes: &[u8]) -> Option<(u64, String)> {
    let (text, rest) = parse_chunk(bytes)?;
    let (generation, text) = text.split_once('\n')?;
    rest.is_empty().then_some((generation.parse().ok()?, text.to_owned()))
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
