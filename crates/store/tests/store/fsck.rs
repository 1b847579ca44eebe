//! Every kind of damage in every kind of file: all of it is named at once, what follows from the rest
//! is made again byte for byte, what does not comes from a copy, and nothing is believed unproven.

use crate::support::{commit, fresh, leaf, leaves, log_key, publish, reopen, sign, tree};
use sigsum_core::{Leaf, LeafIndex};
use sigsum_store::fs::sim::{Disk, SimFs};
use sigsum_store::fsck::{Examination, KEPT_DIR, LeafSource, Remedy, Repair, examine};
use sigsum_store::{HeadStore as _, LeafLog as _, Place, Role, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// 600 = 2 * 256 + 88, so that there are full and partial tiles on two levels.
const SIZE: u64 = 600;
/// Leaves that are in the journal only.
const JOURNAL: u64 = 5;

/// The disk of a log that was stopped well.
fn closed() -> Disk {
    let fs = SimFs::new();
    let store = fresh(&on(&fs));
    commit(&store, 0..300);
    store.integrate().unwrap();
    store.persist_head(&sign(tree(300))).unwrap();
    store.persist_published(&publish(sign(tree(300)))).unwrap();
    commit(&store, 300..SIZE);
    store.integrate().unwrap();
    store.persist_head(&sign(tree(SIZE))).unwrap();
    commit(&store, SIZE..SIZE + JOURNAL);
    drop(store);
    fs.disk().crash(sigsum_store::fs::sim::Crash::KeepAll)
}

fn on(fs: &SimFs) -> Place {
    Place::on(Arc::new(fs.clone()), "/log")
}

fn look(disk: &Disk) -> (SimFs, Examination) {
    let fs = SimFs::on(disk.clone());
    let found = examine(&on(&fs), &log_key()).unwrap();
    assert_eq!(fs.recorded(), 0, "looking changes nothing");
    (fs, found)
}

fn read(fs: &SimFs, name: &str) -> Vec<u8> {
    on(fs).file(name).read(4 << 20).unwrap().unwrap_or_default()
}

fn path(name: &str) -> PathBuf {
    Path::new("/log").join(name)
}

/// A copy that has the leaves.
struct Copy;

impl LeafSource for Copy {
    fn leaves(&self, first: LeafIndex, end: LeafIndex) -> Result<Vec<Leaf>, String> {
        Ok(leaves(first.0..end.0))
    }
}

/// A copy that has other leaves.
struct Liar;

impl LeafSource for Liar {
    fn leaves(&self, first: LeafIndex, end: LeafIndex) -> Result<Vec<Leaf>, String> {
        Ok((first.0..end.0).map(|n| leaf(n + 1000)).collect())
    }
}

fn repair(fs: &SimFs, found: Examination, source: Option<&dyn LeafSource>) -> Repair {
    found.repair(&on(fs), &log_key(), source).unwrap()
}

/// The directory is whole, and the log goes on.
fn is_whole(fs: &SimFs) {
    let found = examine(&on(fs), &log_key()).unwrap();
    assert_eq!(found.findings, []);
    let store = reopen(&on(fs));
    store.verify().unwrap();
    let size = store.committed_size().0;
    commit(&store, size..size + 1);
    store.integrate().unwrap();
}

/// Files that are served or signed, with what has to be done about a change.
fn files(disk: &Disk) -> Vec<String> {
    let files = disk.files();
    let names = files.iter().filter_map(|file| file.strip_prefix("/log").ok()?.to_str());
    names.filter(|name| !name.starts_with("journal/")).map(str::to_owned).collect()
}

#[test]
fn there_is_no_index_on_disk_to_lose() {
    let known = ["LOCK", "checkpoint", "head", "identity", "journal", "published", "tile", "tree"];
    let names = on(&SimFs::on(closed())).names().unwrap();
    let unknown: Vec<_> = names.iter().filter(|name| !known.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    // Found by hash all the same, after each start.
    let store = reopen(&on(&SimFs::on(closed())));
    assert_eq!(store.index_of(&leaf(123).hash()).unwrap(), Some(LeafIndex(123)));
}

#[test]
fn a_whole_directory_has_no_damage() {
    let (fs, found) = look(&closed());
    assert_eq!(found.findings, []);
    assert_eq!(found.tree_head(), Some(tree(SIZE)));
    assert_eq!(found.proven.0, SIZE);
    is_whole(&fs);
}

#[test]
fn a_flipped_bit_anywhere_in_any_file_is_named_and_mended_or_left_alone() {
    let disk = closed();
    let (whole, _) = look(&disk);
    let names = files(&disk);
    assert!(names.len() >= 15, "{names:?}");
    let mut flips = 0;
    for name in &names {
        let length = read(&whole, name).len();
        // Each line of a text; lengths, leaves and hashes of the rest.
        for at in (0..length).step_by((length / 12).max(1)).chain([length - 1]) {
            let mut rotten = disk.clone();
            rotten.alter(&path(name), |bytes| bytes[at] ^= 0x10);
            mend(&rotten, &whole, name, &format!("{name} at {at}"));
            flips += 1;
        }
        for length in [0, length / 2, length - 1] {
            let mut short = disk.clone();
            short.alter(&path(name), |bytes| bytes.truncate(length));
            mend(&short, &whole, name, &format!("{name} cut to {length}"));
            flips += 1;
        }
    }
    println!("{flips} damages in {} files, each named", names.len());
}

/// Looks at a directory with one damaged file, and repairs what can be.
fn mend(rotten: &Disk, whole: &SimFs, name: &str, what: &str) {
    let (fs, found) = look(rotten);
    assert!(found.findings.iter().any(|finding| finding.name == name), "{what}: {found:?}");
    let of_file: Vec<_> = found.findings.iter().filter(|f| f.name == name).collect();
    let from_copy = matches!(of_file[0].remedy, Remedy::Fetch { .. });
    let damaged = read(&fs, name);
    let entries = name.starts_with("tile/entries/") && !name.ends_with("001.p/44");
    assert_eq!(from_copy, entries, "{what}: only leaves are nowhere else: {found:?}");
    if from_copy {
        let refused = repair(&fs, look(rotten).1, Some(&Liar));
        assert!(refused.done.is_empty() && !refused.refused.is_empty(), "{what}: {refused:?}");
        assert_eq!(read(&fs, name), damaged, "{what}: nothing is believed unproven");
    }
    let by_hand = matches!(of_file[0].remedy, Remedy::Operator { .. });
    let aside = matches!(of_file[0].remedy, Remedy::PutAside { .. });
    let repaired = repair(&fs, found, Some(&Copy));
    if by_hand {
        // A node that may have signed more than it remembers does not go on by itself.
        assert!(["head", "role"].contains(&name), "{what}");
        assert_eq!(read(&fs, name), damaged, "{what}");
        return;
    }
    assert!(!repaired.done.is_empty() && repaired.refused.is_empty(), "{what}: {repaired:?}");
    let now = read(&fs, name);
    let kept = &repaired.kept[0];
    assert_eq!(read(&fs, kept), damaged, "{what}: the damaged file is kept as {kept}");
    assert!(aside == now.is_empty() && (aside || now == read(whole, name)), "{what}");
    is_whole(&fs);
}

#[test]
fn missing_files_are_named_and_made_again() {
    let disk = closed();
    let (whole, _) = look(&disk);
    // A log that never published anything has none.
    let needed = |name: &&String| **name != "published";
    for name in files(&disk).iter().filter(needed) {
        let fs = SimFs::on(disk.clone());
        on(&fs).file(name).remove().unwrap();
        let found = examine(&on(&fs), &log_key()).unwrap();
        assert!(found.findings.iter().any(|finding| finding.name == *name), "{name}: {found:?}");
        let repaired = repair(&fs, found, Some(&Copy));
        if name == "checkpoint" || name.starts_with("tile/") || name == "tree" {
            assert!(repaired.refused.is_empty(), "{name}: {repaired:?}");
            assert_eq!(read(&fs, name), read(&whole, name), "{name}");
            is_whole(&fs);
        }
    }
}

#[test]
fn all_damages_are_named_at_once_and_mended_together() {
    let mut disk = closed();
    let (whole, _) = look(&disk);
    let names = [
        "tile/entries/000",
        "tile/0/001",
        "tile/1/000.p/2",
        "tile/0/002.p/88",
        "tree",
        "checkpoint",
    ];
    for name in names {
        disk.alter(&path(name), |bytes| bytes[40] ^= 1);
    }
    let (fs, found) = look(&disk);
    for name in names {
        assert!(found.findings.iter().any(|finding| finding.name == name), "{name}: {found:?}");
    }
    assert_eq!(found.findings.len(), names.len(), "{found:?}");
    let first = repair(&fs, found, None);
    assert_eq!(first.kept.len(), names.len() - 1, "leaves are nowhere else: {first:?}");
    let found = examine(&on(&fs), &log_key()).unwrap();
    assert_eq!(found.findings.len(), 1, "{found:?}");
    repair(&fs, found, Some(&Copy));
    for name in names {
        assert_eq!(read(&fs, name), read(&whole, name), "{name}");
    }
    is_whole(&fs);
}

#[test]
fn leaves_and_their_hashes_that_are_both_gone_come_from_a_copy() {
    let disk = closed();
    let (whole, _) = look(&disk);
    let pairs = [["tile/entries/001", "tile/0/001"], ["tile/entries/002.p/88", "tile/0/002.p/88"]];
    for pair in pairs {
        let mut rotten = disk.clone();
        for name in pair {
            rotten.alter(&path(name), |bytes| bytes[900] ^= 1);
        }
        let (fs, found) = look(&rotten);
        let refused = repair(&fs, found, Some(&Liar));
        assert!(refused.done.is_empty(), "{refused:?}");
        repair(&fs, look(&rotten).1, Some(&Copy));
        let fs = SimFs::on(rotten.clone());
        let found = examine(&on(&fs), &log_key()).unwrap();
        let repaired = repair(&fs, found, Some(&Copy));
        assert!(repaired.refused.is_empty(), "{repaired:?}");
        for name in pair {
            assert_eq!(read(&fs, name), read(&whole, name), "{name}");
        }
        is_whole(&fs);
    }
}

#[test]
fn a_tree_that_no_recorded_hash_vouches_for_is_left_alone() {
    let mut disk = closed();
    for name in ["tree", "head", "published"] {
        disk.alter(&path(name), |bytes| bytes[90] ^= 1);
    }
    disk.alter(&path("tile/0/001"), |bytes| bytes[40] ^= 1);
    let (fs, found) = look(&disk);
    let before = read(&fs, "tile/0/001");
    let refused = repair(&fs, found, None);
    assert!(!refused.refused.is_empty(), "{refused:?}");
    assert_eq!(read(&fs, "tile/0/001"), before);
    assert!(Store::open(&on(&fs), &log_key()).is_err());
}

/// The disk after this was done to a file.
fn without(disk: &Disk, name: &str) -> Disk {
    let fs = SimFs::on(disk.clone());
    on(&fs).file(name).remove().unwrap();
    fs.disk()
}

#[test]
fn a_log_whose_last_signed_head_is_gone_does_not_go_on_as_one_that_never_signed() {
    let mut disk = without(&closed(), "head");
    disk.alter(&path("published"), |bytes| bytes[90] ^= 1);
    let (fs, found) = look(&disk);
    let names: Vec<_> = found.findings.iter().map(|finding| finding.name.as_str()).collect();
    assert!(names.contains(&"head") && names.contains(&"published"), "{names:?}");
    let refused = repair(&fs, found, None);
    assert!(refused.refused.iter().any(|text| text.starts_with("published: ")), "{refused:?}");
    assert!(Store::open(&on(&fs), &log_key()).is_err());
    // Nor where nothing but the served head tells that there was one.
    let found = look(&without(&without(&closed(), "head"), "published")).1;
    assert!(found.findings.iter().any(|finding| finding.name == "head"), "{found:?}");
}

#[test]
fn a_damaged_role_becomes_the_followers_which_no_log_signs_from() {
    let fs = SimFs::on(closed());
    let store = reopen(&on(&fs));
    store.set_role(Role::Follower).unwrap();
    store.promote(store.integrate().unwrap().size).unwrap();
    drop(store);
    let mut disk = fs.disk();
    disk.alter(&path("role"), |bytes| bytes[3] ^= 1);
    let (fs, found) = look(&disk);
    assert_eq!(found.findings.len(), 1, "{found:?}");
    let repaired = repair(&fs, found, None);
    assert_eq!(repaired.kept.len(), 1, "{repaired:?}");
    assert_eq!(reopen(&on(&fs)).role(), Role::Follower);
}

#[test]
fn a_head_follows_from_what_is_published_where_the_log_signed_nothing_more() {
    let fs = SimFs::on(closed());
    let store = reopen(&on(&fs));
    store.integrate().unwrap();
    let last = tree(SIZE + JOURNAL);
    store.persist_head(&sign(last)).unwrap();
    store.persist_published(&publish(sign(last))).unwrap();
    drop(store);
    let whole = read(&fs, "head");
    let mut disk = fs.disk();
    disk.alter(&path("head"), |bytes| bytes[100] ^= 1);
    let (fs, found) = look(&disk);
    repair(&fs, found, None);
    assert_eq!(read(&fs, "head"), whole);
    is_whole(&fs);
}

#[test]
fn broken_records_of_the_journal_are_named_and_left_alone() {
    let mut disk = closed();
    let name = "journal/00000000000000000000.keyed";
    // The last record, behind the segment's start and two others: the mark behind it says that it was
    // whole.
    let end = 32 + 16 * 2 + SIZE as usize * 128;
    disk.alter(&path(name), |bytes| bytes[end + 100] ^= 1);
    let (fs, found) = look(&disk);
    assert_eq!(found.findings.len(), 1, "{found:?}");
    assert_eq!(found.findings[0].name, name);
    let repaired = repair(&fs, found, Some(&Copy));
    assert!(repaired.done.is_empty() && repaired.kept.is_empty());
    let in_journal = disk.files().iter().any(|file| file.starts_with("/log/journal"));
    assert!(in_journal && !on(&fs).names().unwrap().contains(&KEPT_DIR.to_owned()));
}

#[test]
fn a_repair_that_is_cut_short_can_be_made_again() {
    let mut disk = closed();
    let (whole, _) = look(&disk);
    let names = ["tile/entries/000", "tile/0/001", "tile/1/000.p/2", "tree"];
    for name in names {
        disk.alter(&path(name), |bytes| bytes[40] ^= 1);
    }
    let (fs, found) = look(&disk);
    repair(&fs, found, Some(&Copy));
    let mut points = 0;
    fs.recording().replay(|number, op, disk| {
        for how in disk.crashes(1, number as u64) {
            let fs = SimFs::on(disk.crash(how));
            let found = examine(&on(&fs), &log_key()).unwrap();
            let repaired = repair(&fs, found, Some(&Copy));
            assert!(repaired.refused.is_empty(), "{how:?} after {op}: {repaired:?}");
            for name in names {
                assert!(read(&fs, name) == read(&whole, name), "{how:?} after {op}: {name}");
            }
            points += 1;
        }
    });
    println!("a repair was cut short in {points} ways");
}
