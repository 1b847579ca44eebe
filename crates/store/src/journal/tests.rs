//! Tests of the journal: what a crash or rot does to it.

use super::record::{self, Announced, LeafBytes, MARK_BYTES, Mark, record_bytes};
use super::segment::{self, END, SEGMENT_BYTES, START_BYTES, Seed, SegmentName};
use super::{DIR, Journal};
use crate::error::{Damage, StoreError};
use crate::place::Place;
use proptest::prelude::*;
use sigsum_core::LeafIndex;
use std::path::Path;

/// Most leaves in one record: what a segment can hold.
const MAX_RECORD_LEAVES: usize = (END - START_BYTES - record::HEADER_BYTES) / 128;

/// Leaf number `n`, unlike all others.
fn leaf(n: u64) -> LeafBytes {
    let mut bytes = [0; 128];
    for (at, part) in bytes.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        *part = sigsum_core::crypto::sha256(&[n.to_be_bytes(), at.to_be_bytes()].concat());
    }
    bytes
}

fn leaves(range: std::ops::Range<u64>) -> Vec<LeafBytes> {
    range.map(leaf).collect()
}

fn fresh() -> (Place, Journal) {
    let place = Place::memory();
    place.ensure_self().unwrap();
    Journal::init(&place).unwrap();
    let (journal, _) = Journal::recover(&place, 0).unwrap();
    (place, journal)
}

fn append(journal: &mut Journal, range: std::ops::Range<u64>) {
    let batch = leaves(range);
    let (done, result) = journal.append(&batch);
    result.unwrap();
    assert_eq!(done, batch.len());
}

fn recover(place: &Place, integrated: u64) -> Result<(Journal, Vec<LeafBytes>), Damage> {
    match Journal::recover(place, integrated) {
        Ok((journal, recovered)) => Ok((journal, recovered.leaves)),
        Err(StoreError::Damaged { damage, .. }) => Err(damage),
        Err(other) => panic!("{other}"),
    }
}

fn patch(place: &Place, name: &str, offset: usize, change: impl FnOnce(&mut Vec<u8>)) {
    let bytes = place.read(name, SEGMENT_BYTES).unwrap().unwrap();
    let mut tail = bytes[offset..].to_vec();
    change(&mut tail);
    place.open(name).unwrap().write_at(&tail, offset as u64).unwrap();
}

fn segment_name(first: u64) -> String {
    SegmentName::new(first).path()
}

/// The seed of a segment.
fn seed(place: &Place, name: &str) -> Seed {
    segment::seed(&place.read(name, SEGMENT_BYTES).unwrap().unwrap()).unwrap()
}

/// Takes all marks away.
fn remove_marks(place: &Place) {
    for name in place.list(DIR).unwrap() {
        let name = format!("{DIR}/{name}");
        let seed = seed(place, &name);
        patch(place, &name, 0, |bytes| {
            for at in (0..bytes.len()).step_by(record::ALIGNMENT) {
                if let Some(mark) = Mark::read(&bytes[at..], seed) {
                    bytes[at..at + mark.to_bytes(seed).len()].fill(0);
                }
            }
        });
    }
}

/// Makes segments what a version without secrets would have left, and one without marks if so asked.
fn make_old(place: &Place, marks: bool) {
    for name in place.list(DIR).unwrap() {
        let name = format!("{DIR}/{name}");
        let seed = seed(place, &name);
        patch(place, &name, 0, |bytes| {
            let (mut old, mut at) = (Vec::new(), START_BYTES);
            while let Some(record) = Announced::read(&bytes[at..]).and_then(|a| a.check(seed)) {
                record::write(Seed::NONE, record.first, record.leaves, &mut old);
                at += record.len();
            }
            if let (true, Some(mark)) = (marks, Mark::read(&bytes[at..], seed)) {
                old.extend(mark.to_bytes(Seed::NONE));
            }
            old.resize(bytes.len(), 0);
            *bytes = old;
        });
        place.rename(&name, name.strip_suffix(".keyed").unwrap()).unwrap();
    }
}

#[test]
fn what_was_appended_is_recovered() {
    let (place, mut journal) = fresh();
    append(&mut journal, 0..1);
    append(&mut journal, 1..70);
    append(&mut journal, 70..71);
    drop(journal);
    let (mut journal, found) = recover(&place, 0).unwrap();
    assert_eq!(found, leaves(0..71));
    append(&mut journal, 71..80);
    drop(journal);
    assert_eq!(recover(&place, 0).unwrap().1, leaves(0..80));
    assert_eq!(recover(&place, 33).unwrap().1, leaves(33..80));
    assert_eq!(recover(&place, 80).unwrap().1, leaves(0..0));
}

#[test]
fn a_last_record_torn_at_any_byte_is_cut_off() {
    let whole = record_bytes(3);
    // What a segment held before is zeros at first and an old record later.
    let old = leaves(900..910).as_flattened().to_vec();
    for (torn_at, behind) in (0..whole).flat_map(|at| [(at, vec![0; whole]), (at, old.clone())]) {
        let (place, mut journal) = fresh();
        append(&mut journal, 0..5);
        append(&mut journal, 5..8);
        drop(journal);
        patch(&place, &segment_name(0), START_BYTES + record_bytes(5) + torn_at, |tail| {
            let rest = whole - torn_at;
            tail[..rest].copy_from_slice(&behind[..rest]);
            // A mark is written once the record is durable.
            tail[rest..rest + MARK_BYTES].fill(0);
        });
        let (mut journal, found) = recover(&place, 0).unwrap();
        assert_eq!(found, leaves(0..5), "torn at {torn_at}");
        append(&mut journal, 5..7);
        drop(journal);
        assert_eq!(recover(&place, 0).unwrap().1, leaves(0..7), "torn at {torn_at}");
    }
}

#[test]
fn a_torn_record_is_reported() {
    let (place, mut journal) = fresh();
    append(&mut journal, 0..5);
    append(&mut journal, 5..8);
    drop(journal);
    patch(&place, &segment_name(0), START_BYTES + record_bytes(5) + 200, |tail| tail.fill(0));
    let (_, recovered) = Journal::recover(&place, 0).unwrap();
    assert_eq!(recovered.torn_bytes, record_bytes(3) as u64);
}

#[test]
fn a_flipped_bit_before_a_whole_record_is_damage() {
    for offset in [0, 4, 8, 16, 500] {
        let (place, mut journal) = fresh();
        append(&mut journal, 0..5);
        append(&mut journal, 5..8);
        drop(journal);
        patch(&place, &segment_name(0), START_BYTES + offset, |tail| tail[0] ^= 0x10);
        let damage = recover(&place, 0).unwrap_err();
        let start = START_BYTES as u64;
        assert_eq!(damage, Damage::Record { offset: start, index: LeafIndex(0) }, "at {offset}");
        // It does no harm once the leaves are in tiles.
        assert_eq!(recover(&place, 5).unwrap().1, leaves(5..8));
    }
}

#[test]
fn a_flipped_bit_in_the_last_record_is_damage_as_a_mark_follows() {
    for offset in [0, 4, 8, 16, 500] {
        let (place, mut journal) = fresh();
        append(&mut journal, 0..5);
        append(&mut journal, 5..12);
        drop(journal);
        let last = START_BYTES + record_bytes(5);
        patch(&place, &segment_name(0), last + offset, |tail| tail[0] ^= 0x10);
        let damage = recover(&place, 0).unwrap_err();
        let expected = Damage::Record { offset: last as u64, index: LeafIndex(5) };
        assert_eq!(damage, expected, "at {offset}");
        // It does no harm once the leaves are in tiles, and the segment is used on.
        let (mut journal, found) = recover(&place, 12).unwrap();
        assert!(found.is_empty());
        append(&mut journal, 12..14);
        drop(journal);
        assert_eq!(recover(&place, 12).unwrap().1, leaves(12..14));
    }
}

#[test]
fn a_record_found_at_the_start_is_marked_too() {
    let (place, mut journal) = fresh();
    append(&mut journal, 0..5);
    drop(journal);
    let end = START_BYTES + record_bytes(5);
    // As after a power failure that came before the mark.
    patch(&place, &segment_name(0), end, |tail| tail[..MARK_BYTES].fill(0));
    recover(&place, 0).unwrap();
    patch(&place, &segment_name(0), 100, |tail| tail[0] ^= 1);
    let damage = recover(&place, 0).unwrap_err();
    assert!(matches!(damage, Damage::Record { .. }), "{damage}");
}

#[test]
fn the_newest_segment_is_missed() {
    let (place, mut journal) = fresh();
    append(&mut journal, 0..10);
    append(&mut journal, 10..10 + MAX_RECORD_LEAVES as u64);
    drop(journal);
    let newest = place.list(DIR).unwrap().pop().unwrap();
    place.remove_file(&format!("{DIR}/{newest}")).unwrap();
    let error = Journal::recover(&place, 0).unwrap_err();
    assert!(error.to_string().contains(&newest), "{error}");
    // Also where its first leaves are in tiles.
    let error = Journal::recover(&place, 20).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { damage: Damage::Missing, .. }), "{error}");
}

#[test]
fn segments_of_versions_without_marks_or_secrets_are_read_and_not_used_again() {
    for marks in [false, true] {
        let (place, mut journal) = fresh();
        append(&mut journal, 0..10);
        append(&mut journal, 10..10 + MAX_RECORD_LEAVES as u64);
        drop(journal);
        make_old(&place, marks);
        let (mut journal, found) = recover(&place, 0).unwrap();
        assert_eq!(found, leaves(0..10 + MAX_RECORD_LEAVES as u64));
        let end = found.len() as u64;
        append(&mut journal, end..end + 3);
        drop(journal);
        let (mut journal, found) = recover(&place, end).unwrap();
        assert_eq!(found, leaves(end..end + 3), "with marks: {marks}");
        append(&mut journal, end + 3..end + 3 + MAX_RECORD_LEAVES as u64);
        let end = end + 3 + MAX_RECORD_LEAVES as u64;
        journal.forget(end).unwrap();
        append(&mut journal, end..end + MAX_RECORD_LEAVES as u64);
        drop(journal);
        assert_eq!(recover(&place, end).unwrap().1.len(), MAX_RECORD_LEAVES);
        let names = place.list(DIR).unwrap();
        let is_new = |name: &String| name.ends_with(".keyed") || name == "spare";
        assert!(names.iter().all(is_new), "{names:?}");
    }
}

/// A leaf whose signature's second half, free where the key is of small order, is what a mark or a
/// record would be without the segment's secret.
fn crafted(bytes: &[u8]) -> LeafBytes {
    let mut leaf = leaf(1_000_000);
    leaf[64..80].copy_from_slice(&bytes[..16]);
    leaf
}

/// The first half of a record of one leaf, whose body is what follows the crafted half.
fn crafted_record(first: u64) -> [LeafBytes; 2] {
    let pair = [crafted(&[0; 16]), leaf(1_000_001)];
    let body: LeafBytes = pair.as_flattened()[80..208].try_into().unwrap();
    let mut record = Vec::new();
    record::write(Seed::NONE, first, &[body], &mut record);
    [crafted(&record), pair[1]]
}

#[test]
fn a_leaf_that_looks_like_a_mark_or_a_record_is_neither_in_a_torn_record() {
    let mark = crafted(&Mark::Durable(9).to_bytes(Seed::NONE));
    for batch in [vec![leaf(5), mark], crafted_record(5).to_vec(), crafted_record(7).to_vec()] {
        let (place, mut journal) = fresh();
        append(&mut journal, 0..5);
        assert_eq!(journal.append(&batch).0, 2);
        drop(journal);
        let (torn, end) =
            (START_BYTES + record_bytes(5), START_BYTES + record_bytes(5) + record_bytes(2));
        patch(&place, &segment_name(0), end, |tail| tail.fill(0));
        patch(&place, &segment_name(0), torn, |tail| tail[..32].fill(0));
        assert_eq!(recover(&place, 0).unwrap().1, leaves(0..5));
    }
}

#[test]
fn a_leaf_that_looks_like_a_mark_is_none_where_a_segment_is_used_again() {
    let recovered = |knows_secret: bool| {
        let (place, mut journal) = fresh();
        let seed = if knows_secret { seed(&place, &segment_name(0)) } else { Seed::NONE };
        let second = MAX_RECORD_LEAVES as u64;
        let mut batch = leaves(0..second);
        // For when the segment is used for the third batch.
        batch[100] = crafted(&Mark::Durable(2 * second + 70).to_bytes(seed));
        journal.append(&batch).1.unwrap();
        append(&mut journal, second..2 * second);
        journal.forget(second).unwrap();
        append(&mut journal, 2 * second..2 * second + 3);
        drop(journal);
        let found = recover(&place, second).map(|(_, found)| found);
        (found, leaves(second..2 * second + 3))
    };
    let (found, due) = recovered(false);
    assert_eq!(found.unwrap(), due);
    let (found, _) = recovered(true);
    assert!(matches!(found, Err(Damage::Record { .. })), "that is what the secret is for");
}

#[test]
fn the_start_of_a_segment_may_rot_where_its_repetition_is_whole() {
    for (offsets, is_read) in
        [(&[3][..], true), (&[20], true), (&[30], true), (&[20, END + 20], false)]
    {
        let (place, mut journal) = fresh();
        append(&mut journal, 0..5);
        drop(journal);
        for offset in offsets {
            patch(&place, &segment_name(0), *offset, |tail| tail[0] ^= 4);
        }
        let found = recover(&place, 0).map(|(_, found)| found);
        let damage = Damage::Record { offset: 0, index: LeafIndex(0) };
        assert_eq!(found, if is_read { Ok(leaves(0..5)) } else { Err(damage.clone()) });
        let named = if is_read { vec![] } else { vec![(segment_name(0), damage)] };
        assert_eq!(Journal::examine(&place, 0).unwrap(), named);
    }
}

#[test]
fn a_spare_segment_that_rotted_is_not_used() {
    let (place, mut journal) = fresh();
    Journal::make_spare(&place).unwrap();
    journal.spare_made();
    patch(&place, super::SPARE, 20, |tail| tail[0] ^= 1);
    append(&mut journal, 0..10);
    append(&mut journal, 10..10 + MAX_RECORD_LEAVES as u64);
    drop(journal);
    assert_eq!(recover(&place, 0).unwrap().1, leaves(0..10 + MAX_RECORD_LEAVES as u64));
}

#[test]
fn names_that_are_no_segments() {
    let parsed = |name: &str| SegmentName::parse(name).map(|it| (it.first, it.is_old));
    assert_eq!(parsed("00000000000000000007.keyed"), Some((7, false)));
    assert_eq!(parsed("00000000000000000007"), Some((7, true)));
    for name in ["7", "7.keyed", "0000000000000000000x", "00000000000000000007.keyed.tmp", "spare"]
    {
        assert_eq!(parsed(name), None, "{name}");
    }
}

#[test]
fn a_missing_segment_is_a_gap() {
    let (place, mut journal) = fresh();
    append(&mut journal, 0..10);
    append(&mut journal, 10..10 + MAX_RECORD_LEAVES as u64);
    drop(journal);
    let mut names = place.list(DIR).unwrap();
    assert_eq!(names.len(), 2, "{names:?}");
    place.remove_file(&format!("{DIR}/{}", names.remove(0))).unwrap();
    let damage = recover(&place, 0).unwrap_err();
    assert!(matches!(damage, Damage::Gap { from: LeafIndex(0), .. }), "{damage}");
}

#[test]
fn a_last_record_of_an_earlier_segment_cannot_be_torn() {
    let (place, mut journal) = fresh();
    append(&mut journal, 0..8_000);
    append(&mut journal, 8_000..9_000);
    drop(journal);
    patch(&place, &segment_name(0), START_BYTES + record_bytes(8_000) + 64, |tail| tail[0] ^= 1);
    let damage = recover(&place, 0).unwrap_err();
    assert!(matches!(damage, Damage::Record { index: LeafIndex(8_000), .. }), "{damage}");
    // Nor where a version without marks wrote it.
    remove_marks(&place);
    let damage = recover(&place, 0).unwrap_err();
    assert!(matches!(damage, Damage::Gap { from: LeafIndex(8_000), .. }), "{damage}");
}

#[test]
fn segments_are_used_again() {
    let (place, mut journal) = fresh();
    let (mut at, step) = (0, 1_300);
    for round in 0..60 {
        append(&mut journal, at..at + step);
        at += step;
        if journal.wants_spare() {
            Journal::make_spare(&place).unwrap();
            journal.spare_made();
        }
        // Tiles lag behind by two batches.
        journal.forget(at - 2 * step.min(at / 2)).unwrap();
        let names = place.list(DIR).unwrap();
        assert!(names.len() <= 3, "round {round}: {names:?}");
    }
    let tiles = at - 2 * step;
    drop(journal);
    assert_eq!(recover(&place, tiles).unwrap().1, leaves(tiles..at));
}

#[test]
fn a_journal_behind_the_tiles_starts_anew() {
    let (place, mut journal) = fresh();
    append(&mut journal, 0..8);
    drop(journal);
    patch(&place, &segment_name(0), 30, |tail| tail[0] ^= 1);
    let (mut journal, found) = recover(&place, 8).unwrap();
    assert!(found.is_empty());
    append(&mut journal, 8..20);
    journal.forget(8).unwrap();
    drop(journal);
    assert_eq!(recover(&place, 8).unwrap().1, leaves(8..20));
}

#[test]
fn a_segment_that_was_begun_and_not_used_is_ignored() {
    let (place, mut journal) = fresh();
    append(&mut journal, 0..4);
    // As after a rename whose directory could not be synced.
    segment::make(&place, &segment_name(4)).unwrap();
    append(&mut journal, 4..9);
    drop(journal);
    let (mut journal, found) = recover(&place, 0).unwrap();
    assert_eq!(found, leaves(0..9));
    append(&mut journal, 9..12);
    drop(journal);
    assert_eq!(recover(&place, 0).unwrap().1, leaves(0..12));
    assert_eq!(recover(&place, 6).unwrap().1, leaves(6..12));
}

#[test]
fn other_files_in_the_directory_are_left_alone_but_unfinished_ones_removed() {
    let (place, journal) = fresh();
    drop(journal);
    place.replace("journal/notes.txt", b"mine", 0o600).unwrap();
    place.replace("journal/spare.tmp", b"half", 0o600).unwrap();
    recover(&place, 0).unwrap();
    assert!(place.len("journal/notes.txt").unwrap().is_some());
    assert!(place.len("journal/spare.tmp").unwrap().is_none());
    assert!(place.path() == Path::new("/memory"));
}

proptest! {
    #[test]
    fn records_are_read_as_written(
        first in any::<u64>(),
        count in 1u64..40,
        secret: [u8; 16],
        other: [u8; 16],
    ) {
        let batch = leaves(0..count);
        let mut bytes = Vec::new();
        record::write(Seed::of(&secret), first, &batch, &mut bytes);
        prop_assert_eq!(bytes.len(), record_bytes(batch.len()));
        let announced = Announced::read(&bytes).unwrap();
        let record = announced.check(Seed::of(&secret)).unwrap();
        prop_assert_eq!((record.first, record.leaves), (first, &batch[..]));
        prop_assert!(announced.check(Seed::of(&other)).is_none(), "nor a record of another file");
    }

    #[test]
    fn marks_are_read_as_written(index in any::<u64>(), behind: Vec<u8>, secret: [u8; 16]) {
        let seed = Seed::of(&secret);
        for mark in [Mark::Durable(index), Mark::Continued(index)] {
            let bytes = mark.to_bytes(seed);
            prop_assert_eq!(Mark::read(&[&bytes[..], &behind].concat(), seed), Some(mark));
            prop_assert_eq!(Mark::read(&bytes[..bytes.len() - 1], seed), None);
            prop_assert_eq!(Mark::read(&bytes, Seed::NONE), None);
            prop_assert!(Announced::read(&bytes).is_none(), "versions without marks see no record");
        }
    }

    #[test]
    fn any_bytes_are_no_record_or_one_that_writes_the_same(bytes: Vec<u8>) {
        if let Some(record) = Announced::read(&bytes).and_then(|a| a.check(Seed::NONE)) {
            let mut again = Vec::new();
            record::write(Seed::NONE, record.first, record.leaves, &mut again);
            prop_assert_eq!(&again[..], &bytes[..record.len()]);
        }
    }
}
