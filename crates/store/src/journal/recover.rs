//! Reading the journal at start: which leaves it holds beyond those in tiles, and where it ends.

use super::record::{ALIGNMENT, Announced, Mark, Record};
use super::segment::{self, SEGMENT_BYTES, START_BYTES, Seed, SegmentName};
use super::{Closed, DIR, Journal, LeafBytes, SPARE};
use crate::durable::{Operation, failed};
use crate::error::{Damage, StoreError};
use crate::place::Place;
use sigsum_core::LeafIndex;

/// What a journal held.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// Leaves behind those in tiles, in order.
    pub(crate) leaves: Vec<LeafBytes>,
    /// Bytes of a last record that was not written whole.
    pub(crate) torn_bytes: u64,
}

impl Journal {
    /// Reads all segments. The tiles hold the leaves below `integrated`. What was found beyond is
    /// durable when this returns, whether it was before or not, since it will be acknowledged.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where leaves that were committed cannot be read, as far as that can
    /// be told: a broken record with neither record nor mark behind it was torn by a crash, or rotted
    /// within the half minute that a system may take to write a mark, and lost its power then.
    pub(crate) fn recover(place: &Place, integrated: u64) -> Result<(Self, Recovered), StoreError> {
        // The last process may have died between making a segment and syncing its name.
        place.sync_dir(DIR)?;
        let mut recovered = Recovered::default();
        let (mut segments, mut has_spare) = (Vec::new(), false);
        for name in place.list(DIR)? {
            match SegmentName::parse(&name) {
                Some(segment) => segments.push(segment),
                None if name == "spare" => has_spare = is_usable_spare(place)?,
                None if name.ends_with(".tmp") => place.remove_file(&format!("{DIR}/{name}"))?,
                None => (),
            }
        }
        // There always is one, from the initialisation on.
        if segments.is_empty() {
            return Err(StoreError::damaged(place.join(DIR), Damage::Missing));
        }
        let mut closed = Vec::new();
        let (mut position, mut seed) = (SEGMENT_BYTES, Seed::NONE);
        let last = segments.last();
        for name in &segments {
            let mut segment = Segment::read(place, *name)?;
            segment
                .walk(integrated, &mut recovered)
                .map_err(|damage| StoreError::damaged(place.join(&segment.name), damage))?;
            segment.make_durable(place)?;
            (position, seed) = (segment.position, segment.seed);
            if let (true, Some(next)) = (last == Some(name), segment.continued()) {
                let missing = place.join(SegmentName::new(next).path());
                return Err(StoreError::damaged(missing, Damage::Missing));
            }
            let is_old = name.is_old;
            closed.push(Closed { name: segment.name, end: segment.cursor, is_old });
        }
        let next = integrated + recovered.leaves.len() as u64;
        let last = closed.pop();
        // A journal that ends before the tiles do is not continued, to keep indices in a row; nor is a
        // segment of an earlier version.
        let name = match last {
            Some(last) if last.end == next && !last.is_old => last.name,
            other => {
                closed.extend(other);
                let name = SegmentName::new(next).path();
                (position, seed) = (START_BYTES, segment::make(place, &name)?);
                name
            }
        };
        let file = place.open(&name)?;
        let place = place.clone();
        let buffer = Vec::new();
        let journal = Self { place, closed, name, file, seed, position, next, has_spare, buffer };
        journal.mark();
        Ok((journal, recovered))
    }
}

impl Journal {
    /// How many leaves the segments hold behind those in tiles. Changes nothing.
    pub(crate) fn leaves_beyond(place: &Place, integrated: u64) -> Result<u64, StoreError> {
        let mut recovered = Recovered::default();
        for name in place.list(DIR)? {
            let Some(name) = SegmentName::parse(&name) else { continue };
            let mut segment = Segment::read(place, name)?;
            segment
                .walk(integrated, &mut recovered)
                .map_err(|damage| StoreError::damaged(place.join(&segment.name), damage))?;
        }
        Ok(recovered.leaves.len() as u64)
    }

    /// What is wrong with the segments, by name, where the tiles hold the leaves below `integrated`.
    /// Changes nothing.
    pub(crate) fn examine(
        place: &Place,
        integrated: u64,
    ) -> Result<Vec<(String, Damage)>, StoreError> {
        let names = place.list(DIR)?;
        let segments: Vec<SegmentName> =
            names.iter().filter_map(|name| SegmentName::parse(name)).collect();
        if segments.is_empty() {
            return Ok(vec![(DIR.to_owned(), Damage::Missing)]);
        }
        let (mut damages, mut recovered) = (Vec::new(), Recovered::default());
        for name in &segments {
            let mut segment = match Segment::read(place, *name) {
                Ok(segment) => segment,
                Err(StoreError::File(error)) => {
                    let damage = Damage::Unreadable(error.source.to_string());
                    damages.push((name.path(), damage));
                    continue;
                }
                Err(StoreError::Damaged { damage, .. }) => {
                    damages.push((name.path(), damage));
                    continue;
                }
                Err(other) => return Err(other),
            };
            if let Err(damage) = segment.walk(integrated, &mut recovered) {
                damages.push((segment.name.clone(), damage));
            }
            if let (true, Some(next)) = (segments.last() == Some(name), segment.continued()) {
                damages.push((SegmentName::new(next).path(), Damage::Missing));
            }
        }
        Ok(damages)
    }
}

/// Whether the spare segment is whole, and none of an earlier version.
fn is_usable_spare(place: &Place) -> Result<bool, StoreError> {
    let is_whole = place.len(SPARE)? == Some(SEGMENT_BYTES as u64);
    let start = place.read(SPARE, START_BYTES)?.unwrap_or_default();
    Ok(is_whole && segment::seed_at_start(&start).is_some())
}

/// What most of a fresh segment is; compared in one go.
const ZEROS: [u8; 4096] = [0; 4096];

/// A segment while it is read.
struct Segment {
    name: String,
    bytes: Vec<u8>,
    seed: Seed,
    /// Where the next record begins.
    position: usize,
    /// Index that the next record must have at least; older ones are left from earlier use.
    cursor: u64,
    /// Where the first record begins that holds leaves which are not in tiles.
    keep_from: Option<usize>,
}

impl Segment {
    fn read(place: &Place, name: SegmentName) -> Result<Self, StoreError> {
        let (path, cursor) = (name.path(), name.first);
        let bytes = place.read(&path, SEGMENT_BYTES)?;
        let bytes = bytes.ok_or_else(|| StoreError::damaged(place.join(&path), Damage::Missing))?;
        let (seed, position) = match (name.is_old, segment::seed(&bytes)) {
            (true, _) => (Seed::NONE, 0),
            (false, Some(seed)) => (seed, START_BYTES),
            // Nothing in it can be told from what is left of earlier use.
            (false, None) => {
                let damage = Damage::Record { offset: 0, index: LeafIndex(cursor) };
                return Err(StoreError::damaged(place.join(&path), damage));
            }
        };
        Ok(Self { name: path, bytes, seed, position, cursor, keep_from: None })
    }

    /// Reads the records in order, up to the last.
    fn walk(&mut self, integrated: u64, recovered: &mut Recovered) -> Result<(), Damage> {
        let due = |recovered: &Recovered| integrated + recovered.leaves.len() as u64;
        if self.cursor > due(recovered) {
            return Err(gap(due(recovered), self.cursor));
        }
        loop {
            if let Some(record) = self.record_at(self.position) {
                let have = due(recovered);
                let known =
                    have.checked_sub(record.first).ok_or_else(|| gap(have, record.first))?;
                let (end, len) = (record.end(), record.len());
                let known = usize::try_from(known).unwrap_or(usize::MAX);
                recovered.leaves.extend_from_slice(record.leaves.get(known..).unwrap_or_default());
                if end > integrated && self.keep_from.is_none() {
                    self.keep_from = Some(self.position);
                }
                self.position += len;
                self.cursor = end;
            } else if let Some((position, first)) = self.find_later() {
                // Broken where all is in tiles does no harm.
                if first > due(recovered) {
                    let offset = self.position as u64;
                    return Err(Damage::Record { offset, index: LeafIndex(self.cursor) });
                }
                self.position = position;
            } else if let Some((position, mark)) = self.find_mark() {
                if mark.index() > due(recovered) {
                    let offset = self.position as u64;
                    return Err(Damage::Record { offset, index: LeafIndex(self.cursor) });
                }
                (self.position, self.cursor) = (position, mark.index());
            } else {
                recovered.torn_bytes += self.torn_bytes();
                return Ok(());
            }
        }
    }

    fn announced_at(&self, position: usize) -> Option<Announced<'_>> {
        Announced::read(self.bytes.get(position..)?).filter(|a| a.first() >= self.cursor)
    }

    fn record_at(&self, position: usize) -> Option<Record<'_>> {
        self.announced_at(position)?.check(self.seed)
    }

    /// The segment behind this one, where this one says that there is one.
    fn continued(&self) -> Option<u64> {
        match Mark::read(self.bytes.get(self.position..)?, self.seed)? {
            Mark::Continued(next) if next == self.cursor => Some(next),
            _ => None,
        }
    }

    /// The next whole record behind a broken one, and the index of its first leaf.
    fn find_later(&self) -> Option<(usize, u64)> {
        let furthest = self.furthest();
        self.places_behind().find_map(|position| {
            let announced = self.announced_at(position).filter(|a| a.first() <= furthest)?;
            announced.check(self.seed).map(|record| (position, record.first))
        })
    }

    /// A mark behind a broken record: the record was whole once.
    fn find_mark(&self) -> Option<(usize, Mark)> {
        let fits = |mark: &Mark| (self.cursor + 1..=self.furthest()).contains(&mark.index());
        self.places_behind().find_map(|position| {
            let mark = Mark::read(self.bytes.get(position..)?, self.seed).filter(fits)?;
            Some((position, mark))
        })
    }

    /// No segment can hold a record so far ahead; without this bound, bytes that look like headers
    /// could make us compute long checksums.
    fn furthest(&self) -> u64 {
        self.cursor.saturating_add((SEGMENT_BYTES / ALIGNMENT) as u64)
    }

    /// Where records and marks may begin behind the present position; blocks of zeros are left out.
    fn places_behind(&self) -> impl Iterator<Item = usize> {
        let from = self.position + ALIGNMENT;
        let rest = self.bytes.get(from..).unwrap_or_default();
        let blocks = rest.chunks(ZEROS.len()).zip(0..);
        let used = blocks.filter(|(block, _)| **block != ZEROS[..block.len()]);
        used.map(move |(block, number)| {
            from + number * ZEROS.len()..from + number * ZEROS.len() + block.len()
        })
        .flat_map(|block| block.step_by(ALIGNMENT))
    }

    /// Bytes of the record that was being written last, as far as its header tells.
    fn torn_bytes(&self) -> u64 {
        let torn = self.announced_at(self.position).filter(|a| a.first() == self.cursor);
        torn.map_or(0, |a| a.len() as u64)
    }

    /// Writes again and syncs what is needed: the process that wrote it may have died before its
    /// sync, and pages that the kernel once failed to write are not tried again by a mere sync.
    fn make_durable(&self, place: &Place) -> Result<(), StoreError> {
        let Some(from) = self.keep_from else { return Ok(()) };
        let Some(bytes) = self.bytes.get(from..self.position) else { return Ok(()) };
        let path = place.join(&self.name);
        let file = place.open(&self.name)?;
        file.write_at(bytes, from as u64).map_err(failed(Operation::Write, &path))?;
        file.sync_data().map_err(failed(Operation::Sync, &path))?;
        Ok(())
    }
}

fn gap(from: u64, to: u64) -> Damage {
    Damage::Gap { from: LeafIndex(from), to: LeafIndex(to) }
}
