//! Copies of a directory: whole at every moment, brought up to date, never taken for the log itself.

use crate::support::{check, commit, fresh, log_key, publish, reopen, sign, tree};
use sigsum_core::TreeSize;
use sigsum_store::backup::{Backup, BackupError, backup};
use sigsum_store::fs::sim::{Crash, Failure, SimFs};
use sigsum_store::fsck::examine;
use sigsum_store::{HeadStore as _, LeafLog as _, Place, Role, Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn on(fs: &SimFs) -> Place {
    Place::on(Arc::new(fs.clone()), "/copy")
}

fn grow(store: &Store, size: u64) {
    commit(store, store.committed_size().0..size);
    store.integrate().unwrap();
    store.persist_head(&sign(tree(size))).unwrap();
    store.persist_published(&publish(sign(tree(size)))).unwrap();
}

fn copy(from: &Place, to: &SimFs) -> Result<Backup, BackupError> {
    backup(from, &on(to), &log_key())
}

/// The copy is a whole directory of so many leaves.
fn is_copy(fs: &SimFs, size: u64) {
    let found = examine(&on(fs), &log_key()).unwrap();
    assert_eq!(found.findings, []);
    assert_eq!(found.tree_head(), Some(tree(size)));
    let fs = SimFs::on(fs.disk().crash(Crash::LoseAll));
    let store = reopen(&on(&fs));
    assert_eq!(store.role(), Role::Follower, "a primary does not start from it");
    store.verify().unwrap();
    check(&store, size, size);
}

#[test]
fn a_copy_is_made_while_the_log_runs_and_brought_up_to_date() {
    let (from, to) = (Place::memory(), SimFs::new());
    let store = fresh(&from);
    let mut before = 0;
    for size in [0, 3, 200, 256, 257, 600] {
        grow(&store, size);
        commit(&store, size..size + 1); // in the journal alone
        let done = copy(&from, &to).unwrap();
        assert_eq!((done.before, done.tree), (TreeSize(before), tree(size)));
        assert_eq!(done.published, Some(TreeSize(size)));
        is_copy(&to, size);
        before = size;
        store.integrate().unwrap();
    }
    let before = to.recorded();
    let again = copy(&from, &to).unwrap();
    assert!(again.tiles < 8 && again.tree.size == TreeSize(601), "{again:?}");
    assert!(to.recorded() - before < 80, "what did not change is not copied again");
}

#[test]
fn a_copy_of_a_log_under_load_is_whole() {
    let (from, to) = (Place::memory(), SimFs::new());
    let store = fresh(&from);
    grow(&store, 10);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for size in (20..8000).step_by(13) {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                grow(&store, size);
            }
        });
        let mut last = 0;
        for _ in 0..20 {
            let done = copy(&from, &to).unwrap();
            assert!(done.tree.size.0 >= last);
            last = done.tree.size.0;
            assert_eq!(examine(&on(&to), &log_key()).unwrap().findings, []);
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_copy_that_is_cut_short_anywhere_is_whole_and_the_next_one_goes_on() {
    let (from, to) = (Place::memory(), SimFs::new());
    let store = fresh(&from);
    grow(&store, 200);
    copy(&from, &to).unwrap();
    let start = to.disk();
    grow(&store, 300);
    let to = SimFs::on(start.clone());
    copy(&from, &to).unwrap();
    let mut points = 0;
    to.recording().replay(|number, op, disk| {
        for how in disk.crashes(1, number as u64) {
            let fs = SimFs::on(disk.crash(how));
            let found = examine(&on(&fs), &log_key()).unwrap();
            let told = format!("{how:?} after {op}: {:?}", found.findings);
            assert!(found.findings.iter().all(|it| it.name == "checkpoint"), "{told}");
            let tree_head = found.tree_head().unwrap();
            assert!([tree(200), tree(300)].contains(&tree_head), "{told}");
            copy(&from, &fs).unwrap();
            if points % 8 == 0 {
                is_copy(&fs, 300);
            }
            points += 1;
        }
    });
    // A full disk, or a broken one, does not keep the next attempt from working.
    for operation in 0..to.operations() {
        let failure = if operation % 2 == 0 { Failure::Full } else { Failure::Broken };
        let fs = SimFs::on(start.clone());
        fs.fail(operation, 2, failure);
        let _ = copy(&from, &fs);
        fs.heal();
        copy(&from, &fs).unwrap();
        if operation % 8 < 2 {
            is_copy(&fs, 300);
        }
    }
    println!("a copy was cut short in {points} ways");
}

#[test]
fn the_directory_of_a_primary_is_not_overwritten() {
    let (from, other) = (Place::memory(), SimFs::new());
    grow(&fresh(&from), 5);
    Store::init(&on(&other), &log_key()).unwrap();
    let refused = copy(&from, &other).unwrap_err();
    assert!(matches!(refused, BackupError::NotACopy { role: Role::Primary, .. }), "{refused}");
    assert!(matches!(
        backup(&from, &from, &log_key()).unwrap_err(),
        BackupError::NotACopy { .. } | BackupError::Store(StoreError::Locked { .. })
    ));
}

#[test]
fn the_copy_of_a_closed_log_is_closed_once_all_of_it_is_published() {
    let (from, to) = (Place::memory(), SimFs::new());
    let store = fresh(&from);
    grow(&store, 5);
    copy(&from, &to).unwrap();
    commit(&store, 5..6);
    store.set_role(Role::Frozen).unwrap();
    // Leaf 5 is in the journal, then in the tree, then under a signed head, and then published.
    let is_open = || {
        assert!(!copy(&from, &to).unwrap().is_closed);
        assert_eq!(reopen(&on(&to)).role(), Role::Follower);
    };
    is_open();
    store.integrate().unwrap();
    is_open();
    store.persist_head(&sign(tree(6))).unwrap();
    is_open();
    store.persist_published(&publish(sign(tree(6)))).unwrap();
    for _ in 0..2 {
        assert!(copy(&from, &to).unwrap().is_closed);
        let fs = SimFs::on(to.disk().crash(Crash::LoseAll));
        let copied = reopen(&on(&fs));
        assert_eq!(copied.role(), Role::Frozen);
        check(&copied, 6, 6);
    }
    // A copy of the log from when it was open does not bring it back.
    let older = Place::memory();
    grow(&fresh(&older), 6);
    let refused = copy(&older, &to).unwrap_err();
    assert!(matches!(refused, BackupError::NotACopy { role: Role::Frozen, .. }), "{refused}");
}

#[test]
fn a_copy_that_is_in_use_is_refused() {
    let (from, to) = (Place::memory(), SimFs::new());
    grow(&fresh(&from), 5);
    copy(&from, &to).unwrap();
    let _following = reopen(&on(&to));
    let refused = copy(&from, &to).unwrap_err();
    assert!(matches!(refused, BackupError::Store(StoreError::Locked { .. })), "{refused}");
}

#[test]
fn a_copy_from_which_a_follower_ran_is_refused_until_its_leaves_are_in_its_tree() {
    let (from, to) = (Place::memory(), SimFs::new());
    let store = fresh(&from);
    grow(&store, 5);
    copy(&from, &to).unwrap();
    let follower = reopen(&on(&to));
    commit(&follower, 5..8);
    drop(follower);
    let refused = copy(&from, &to).unwrap_err();
    assert!(matches!(refused, BackupError::UsedByAFollower { leaves: 3, .. }), "{refused}");
    reopen(&on(&to)).integrate().unwrap();
    grow(&store, 10);
    copy(&from, &to).unwrap();
    is_copy(&to, 10);
}

#[test]
fn a_copy_keeps_the_later_heads_that_it_has() {
    let (from, to) = (Place::memory(), SimFs::new());
    let store = fresh(&from);
    grow(&store, 5);
    copy(&from, &to).unwrap();
    // A source with the same tree that never heard of the heads.
    let bare = Place::memory();
    let store = fresh(&bare);
    commit(&store, 0..5);
    store.integrate().unwrap();
    copy(&bare, &to).unwrap();
    let copied = reopen(&on(&to));
    assert_eq!(copied.load_head().unwrap().tree_head, tree(5));
    assert_eq!(copied.load_published().unwrap().head.signed.tree_head, tree(5));
}

#[test]
fn an_old_source_and_a_forked_one_are_refused() {
    let (from, to) = (Place::memory(), SimFs::new());
    grow(&fresh(&from), 5);
    copy(&from, &to).unwrap();
    let old = Place::memory();
    grow(&fresh(&old), 4);
    let refused = copy(&old, &to).unwrap_err();
    assert!(matches!(refused, BackupError::SourceIsOlder { .. }), "{refused}");
    let forked = Place::memory();
    let store = fresh(&forked);
    store.commit(&crate::support::leaves(100..120)).unwrap();
    store.integrate().unwrap();
    let refused = copy(&forked, &to).unwrap_err();
    assert!(matches!(refused, BackupError::Forked { size: TreeSize(5) }), "{refused}");
    is_copy(&to, 5);
}

#[test]
fn damage_of_the_source_is_named_and_not_copied() {
    let (source, to) = (SimFs::new(), SimFs::new());
    let from = Place::on(Arc::new(source.clone()), "/log");
    let store = fresh(&from);
    grow(&store, 300);
    copy(&from, &to).unwrap();
    grow(&store, 600);
    drop(store);
    for name in ["tile/entries/001", "tile/0/001", "tile/entries/002.p/88", "tree", "head"] {
        let mut disk = source.disk();
        disk.alter(&std::path::Path::new("/log").join(name), |bytes| bytes[100] ^= 1);
        let from = Place::on(Arc::new(SimFs::on(disk)), "/log");
        let refused = copy(&from, &to).unwrap_err().to_string();
        assert!(refused.contains(name), "{name}: {refused}");
        is_copy(&to, 300);
    }
    copy(&from, &to).unwrap();
    is_copy(&to, 600);
}
