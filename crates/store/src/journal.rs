//! Leaves that are committed but not yet in tiles.
//!
//! `journal/` holds segments of one fixed size, each named by the index of the leaf that was due
//! when it was begun. A commit is one [record](record), one write and one sync. A segment whose
//! leaves are all in tiles becomes the `spare`, and later the next segment: writing over bytes that
//! exist costs the file system no bookkeeping, which makes the sync about twice as fast as one that
//! grows a file. So what stands behind the last record is left from earlier use; leaf indices tell
//! it apart, and a [secret](segment) in each file keeps leaves from looking like anything else.
//!
//! Behind the last record stands a [mark](record::Mark), written once the record is durable: by it a
//! record that rotted is told from one that a crash tore, and a segment that is missing from one
//! that was not begun.
//!
//! A sync that fails does no lasting harm: nothing of the batch was acknowledged, and the next
//! batch goes over the same bytes, including those that share a page with older records.

pub(crate) mod record;
mod recover;
mod segment;

#[cfg(test)]
mod tests;

pub(crate) use record::LeafBytes;

use crate::durable::{FileError, Operation, failed};
use crate::fs::{File, PRIVATE_DIR};
use crate::place::Place;
use record::{MARK_BYTES, Mark, record_bytes};
use segment::{END, START_BYTES, Seed, SegmentName};

/// Name of the directory.
pub(crate) const DIR: &str = "journal";

const SPARE: &str = "journal/spare";

/// A segment that is not written to any more.
#[derive(Debug)]
struct Closed {
    name: String,
    /// Index behind its last leaf.
    end: u64,
    /// Whether an earlier version made it.
    is_old: bool,
}

/// The journal, open for appending.
#[derive(Debug)]
pub(crate) struct Journal {
    place: Place,
    closed: Vec<Closed>,
    /// Name of the segment that is written to.
    name: String,
    file: Box<dyn File>,
    /// Of that segment.
    seed: Seed,
    /// Where the next record goes.
    position: usize,
    /// Index that the next leaf gets.
    next: u64,
    /// Whether there is a spare segment.
    has_spare: bool,
    buffer: Vec<u8>,
}

impl Journal {
    /// Makes the directory and a first segment. Not durable before the directory above is synced.
    pub(crate) fn init(place: &Place) -> Result<(), FileError> {
        place.ensure_dir(DIR, PRIVATE_DIR)?;
        segment::make(place, &SegmentName::new(0).path()).map(drop)
    }

    /// Index that the next leaf gets: the number of leaves committed so far.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Appends leaves and makes them durable. Returns how many are, also where an error kept the
    /// rest from it; those may be appended again.
    pub(crate) fn append(&mut self, leaves: &[LeafBytes]) -> (usize, Result<(), FileError>) {
        let mut done = 0;
        while done < leaves.len() {
            let fit = self.room();
            if fit == 0 {
                if let Err(error) = self.rotate() {
                    return (done, Err(error));
                }
                continue;
            }
            let now = &leaves[done..leaves.len().min(done + fit)];
            if let Err(error) = self.append_record(now) {
                return (done, Err(error));
            }
            done += now.len();
        }
        (done, Ok(()))
    }

    /// Leaves that a record at the current position can hold.
    fn room(&self) -> usize {
        let bytes = END.saturating_sub(self.position + MARK_BYTES);
        bytes.saturating_sub(record::HEADER_BYTES) / record_leaf_bytes()
    }

    fn append_record(&mut self, leaves: &[LeafBytes]) -> Result<(), FileError> {
        let path = self.place.join(&self.name);
        self.buffer.clear();
        record::write(self.seed, self.next, leaves, &mut self.buffer);
        let offset = self.position as u64;
        self.file.write_at(&self.buffer, offset).map_err(failed(Operation::Write, &path))?;
        self.file.sync_data().map_err(failed(Operation::Sync, &path))?;
        self.position += record_bytes(leaves.len());
        self.next += leaves.len() as u64;
        self.mark();
        Ok(())
    }

    /// Marks the end. The system writes the mark soon, or with the next record, which goes over it;
    /// what it costs when it fails is that rot is taken for a crash.
    fn mark(&self) {
        if self.position + MARK_BYTES <= END {
            let mark = Mark::Durable(self.next).to_bytes(self.seed);
            let _ = self.file.write_at(&mark, self.position as u64);
        }
    }

    /// Makes the mark at the end durable; for when nothing more is to come.
    pub(crate) fn close(&self) {
        let _ = self.file.sync_data(); // as above
    }

    /// Goes on in a new segment.
    fn rotate(&mut self) -> Result<(), FileError> {
        let name = SegmentName::new(self.next).path();
        let spare = match self.has_spare {
            true => {
                segment::seed_at_start(&self.place.read(SPARE, START_BYTES)?.unwrap_or_default())
            }
            false => None,
        };
        let seed = match spare {
            Some(seed) => {
                self.place.rename(SPARE, &name)?;
                self.has_spare = false;
                self.place.sync_dir(DIR)?;
                seed
            }
            // None, or one that rotted.
            None => {
                self.has_spare = false;
                segment::make(&self.place, &name)?
            }
        };
        let file = self.place.open(&name)?;
        // Only now that the new segment is there for good.
        self.mark_continued()?;
        self.file = file;
        let old = std::mem::replace(&mut self.name, name);
        self.closed.push(Closed { name: old, end: self.next, is_old: false });
        (self.seed, self.position) = (seed, START_BYTES);
        Ok(())
    }

    /// Notes in a full segment that there is another one.
    fn mark_continued(&self) -> Result<(), FileError> {
        let path = self.place.join(&self.name);
        let mark = Mark::Continued(self.next).to_bytes(self.seed);
        let offset = self.position as u64;
        self.file.write_at(&mark, offset).map_err(failed(Operation::Write, &path))?;
        self.file.sync_data().map_err(failed(Operation::Sync, &path))
    }

    /// Takes note that the leaves below `integrated` are durable in tiles. Segments that hold no
    /// others are kept for use again, one of them, or removed. Nothing needs to be synced: a
    /// segment that comes back after a crash is ignored.
    pub(crate) fn forget(&mut self, integrated: u64) -> Result<(), FileError> {
        while let Some(oldest) = self.closed.first().filter(|oldest| oldest.end <= integrated) {
            // One of an earlier version is not used again.
            if self.has_spare || oldest.is_old {
                self.place.remove_file(&oldest.name)?;
            } else {
                self.place.rename(&oldest.name, SPARE)?;
                self.has_spare = true;
            }
            self.closed.remove(0);
        }
        Ok(())
    }

    /// Whether a spare segment should be made before the current one is full.
    pub(crate) fn wants_spare(&self) -> bool {
        !self.has_spare && self.position > END / 2
    }

    /// Makes a spare segment; without the journal, so that commits go on meanwhile. Only one
    /// thread may do so at a time; it then calls [`Self::spare_made`].
    pub(crate) fn make_spare(place: &Place) -> Result<(), FileError> {
        segment::make(place, SPARE).map(drop)
    }

    /// Takes note of a spare segment.
    pub(crate) fn spare_made(&mut self) {
        self.has_spare = true;
    }
}

fn record_leaf_bytes() -> usize {
    size_of::<LeafBytes>()
}
