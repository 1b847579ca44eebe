//! What has to be so after a crash.

use super::recorded::Promised;
use crate::support::{commit, leaf, leaves, log_key, publish, sign, tree};
use sigsum_core::LeafIndex;
use sigsum_store::fs::sim::{Crash, Disk, Recording, SimFs};
use sigsum_store::fsck::examine;
use sigsum_store::{HeadStore as _, LeafLog as _, Place, Role, Store, StoreError, TreeReader as _};
use std::sync::Arc;
use std::thread;

/// Says where it was when a check fails.
pub(super) struct Told(pub(super) String);

impl Drop for Told {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("{}", self.0);
        }
    }
}

pub(super) fn init(place: &Place, role: Role) -> Result<(), StoreError> {
    match role {
        Role::Primary => Store::init(place, &log_key()),
        Role::Follower => Store::init_follower(place, &log_key()),
        Role::Frozen => panic!("no store begins closed"),
    }
}

pub(super) fn place(fs: &SimFs) -> Place {
    Place::on(Arc::new(fs.clone()), "/log")
}

/// Whether everything that was promised is still so, and whether the log can go on: also when the
/// power fails again, while it recovers or soon after. Returns how often it failed again.
pub(super) fn check_promises(disk: &Disk, promised: &Promised, as_role: Role, seed: u64) -> u64 {
    let fs = SimFs::on(disk.clone());
    if !promised.initialised {
        match Store::open(&place(&fs), &log_key()) {
            Err(StoreError::NotInitialised { .. }) => init(&place(&fs), as_role).unwrap(),
            other => drop(other.unwrap()),
        }
    }
    if promised.committed < 1000 {
        let found = examine(&place(&fs), &log_key()).unwrap().findings;
        // What a start of the log makes again.
        assert!(found.iter().all(|finding| finding.name == "checkpoint"), "{found:?}");
    }
    let (store, found) = reopen_and_check(&fs, promised);
    let recovery = fs.recording();
    // What was found is as good as acknowledged.
    let _ = reopen_and_check(&SimFs::on(fs.disk().crash(Crash::LoseAll)), &found);
    // What is above was tried on smaller trees.
    let verify = |store: &Store| {
        if store.committed_size().0 < 5000 {
            store.verify().unwrap();
        }
    };
    verify(&store);
    let last = go_on(&store, &found);
    for n in (0..last.committed).step_by(last.committed as usize / 16 + 1) {
        assert_eq!(store.index_of(&leaf(n).hash()).unwrap(), Some(LeafIndex(n)));
    }
    let (store, found) = reopen_and_check(&SimFs::on(fs.disk().crash(Crash::LoseAll)), &last);
    verify(&store);
    assert_eq!(found.committed, last.committed);
    1 + crash_in_recovery(&recovery, promised, seed)
}

/// Two leaves more, signed and published; what is promised then.
pub(super) fn go_on(store: &Store, found: &Promised) -> Promised {
    let size = found.committed;
    commit(store, size..size + 2);
    let size = size + 2;
    store.integrate().unwrap();
    store.persist_head(&sign(tree(size))).unwrap();
    store.persist_published(&publish(sign(tree(size)))).unwrap();
    let (committed, integrated, head, published) = (size, size, size, size);
    Promised { initialised: true, committed, integrated, head, published, role: found.role }
}

/// The power fails after one operation of the recovery.
fn crash_in_recovery(recovery: &Recording, promised: &Promised, seed: u64) -> u64 {
    if recovery.is_empty() || !promised.initialised {
        return 0;
    }
    let at = 1 + seed as usize % recovery.len();
    recovery.replay(|number, _, disk| {
        if number == at {
            let ways = disk.crashes(1, seed);
            let how = ways[seed as usize / recovery.len() % ways.len()];
            let _ = reopen_and_check(&SimFs::on(disk.crash(how)), promised);
        }
    });
    1
}

/// Size of what a static file server shows while no log runs: an old checkpoint or the last one, whole.
fn check_checkpoint(place: &Place, promised: &Promised) -> u64 {
    let bytes = place.file("checkpoint").read(1 << 16).unwrap();
    let size = bytes.map_or(0, |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        let size = text.lines().nth(1).expect("a whole checkpoint").parse().unwrap();
        assert!(text.as_bytes() == publish(sign(tree(size))).checkpoint, "{text}");
        size
    });
    assert!(size >= promised.published, "checkpoint of {size}");
    size
}

/// Opens what a crash left, and says what it holds.
pub(super) fn reopen_and_check(fs: &SimFs, promised: &Promised) -> (Store, Promised) {
    let shown = check_checkpoint(&place(fs), promised);
    let store = Store::open(&place(fs), &log_key()).unwrap();
    store.wait_for_index().unwrap();
    let size = store.committed_size().0;
    assert!(size >= promised.committed, "{size} leaves");
    let integrated = store.integrated();
    assert!(integrated.size.0 >= promised.integrated, "{integrated:?}");
    assert_eq!(integrated, tree(integrated.size.0));
    assert!(store.leaves(LeafIndex(0), LeafIndex(size)).unwrap() == leaves(0..size));
    let head = store.load_head().map_or(0, |head| head.tree_head.size.0);
    assert!(head >= promised.head, "head of {head}");
    let published = store.load_published();
    let published = published.map_or(0, |published| published.head.signed.tree_head.size.0);
    assert!((promised.published..=head).contains(&published), "published {published}");
    assert!(published >= shown, "a checkpoint of {shown} is taken back, {published} are published");
    let integrated = integrated.size.0;
    assert!(promised.role.is_none_or(|role| role == store.role()), "{:?}", store.role());
    let role = Some(store.role());
    if Store::recorded_role(&place(fs)).unwrap() == Some(Role::Primary) {
        // Without it, a node that was promoted takes what witnesses know for a fork.
        assert!(store.promotion().unwrap().is_some(), "promoted, and it is not known over what");
    }
    let found = Promised { initialised: true, committed: size, integrated, head, published, role };
    (store, found)
}
