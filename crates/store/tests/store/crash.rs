//! A crash, and a failing operation, at every point of a log's life.

use crate::sim::{Crash, SimFs};
use crate::support::{check, commit, leaf, leaves, log_key, publish, sign, tree};
use sigsum_core::{LeafIndex, TreeSize};
use sigsum_store::{HeadStore as _, LeafLog as _, Place, Store, StoreError, TreeReader as _};
use std::sync::Arc;

/// What the store promised before the process died.
#[derive(Debug, Default, Clone)]
struct Promised {
    initialised: bool,
    committed: u64,
    integrated: u64,
    head: u64,
    published: u64,
}

/// A step in the life of a log.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Commits so many more leaves.
    Commit(u64),
    Integrate,
    /// Signs a head of this many leaves fewer than are integrated.
    Sign(u64),
    Publish,
    /// Closes the store and opens it again.
    Reopen,
}
use Step::{Commit, Integrate, Publish, Reopen, Sign};

const LIFE: &[Step] = &[
    Commit(3),
    Integrate,
    Sign(0),
    Publish,
    Commit(200),
    Commit(1),
    Integrate,
    Sign(2),
    Commit(60), // fills the first tile
    Integrate,
    Publish, // of a size that the tiles are beyond
    Reopen,
    Commit(300),
    Integrate,
    Sign(0),
    Publish,
    Commit(5),
];

/// More leaves than two journal segments hold.
const LONG_LIFE: &[Step] =
    &[Commit(6000), Commit(4000), Integrate, Sign(0), Commit(7500), Integrate, Commit(10)];

struct Process<'a> {
    place: &'a Place,
    store: Option<Store>,
    promised: &'a mut Promised,
}

impl Process<'_> {
    fn store(&mut self) -> Result<&Store, StoreError> {
        if self.store.is_none() {
            let store = Store::open(self.place, &log_key())?;
            store.wait_for_index()?;
            self.store = Some(store);
        }
        Ok(self.store.as_ref().unwrap())
    }

    fn start(&mut self) -> Result<(), StoreError> {
        match Store::init(self.place, &log_key()) {
            // Also where the sync after the last step failed and it is tried again.
            Ok(()) | Err(StoreError::AlreadyInitialised { .. }) => (),
            Err(error) => return Err(error),
        }
        self.promised.initialised = true;
        Ok(())
    }

    fn take(&mut self, step: Step) -> Result<(), StoreError> {
        let promised = self.promised.clone();
        let store = self.store()?;
        match step {
            Commit(more) => {
                let range = promised.committed..promised.committed + more;
                let committed = store.commit(&leaves(range.clone()))?;
                assert!(range.clone().eq(committed.iter().map(|c| c.index.0)));
                self.promised.committed = range.end;
            }
            Integrate => {
                assert_eq!(store.integrate()?, tree(promised.committed));
                self.promised.integrated = promised.committed;
            }
            Sign(behind) => {
                let size = promised.integrated - behind;
                store.persist_head(&sign(tree(size)))?;
                self.promised.head = size;
            }
            Publish => {
                store.persist_published(&publish(sign(tree(promised.head))))?;
                self.promised.published = promised.head;
            }
            Reopen => {
                self.store = None;
                self.store()?;
            }
        }
        Ok(())
    }
}

/// Lives until the end, or until something fails.
fn live(place: &Place, steps: &[Step], promised: &mut Promised) -> Result<(), StoreError> {
    let mut process = Process { place, store: None, promised };
    process.start()?;
    steps.iter().try_for_each(|step| process.take(*step))
}

/// Whether everything that was promised is still so, and whether the log can go on: also when the
/// power fails soon after.
fn check_promises(fs: &SimFs, promised: &Promised) {
    let place = Place::on(Arc::new(fs.clone()), "/log");
    if !promised.initialised {
        match Store::open(&place, &log_key()) {
            Err(StoreError::NotInitialised { .. }) => Store::init(&place, &log_key()).unwrap(),
            other => drop(other.unwrap()),
        }
    }
    let (store, found) = reopen_and_check(fs, promised);
    // What was found is as good as acknowledged.
    let _ = reopen_and_check(&fs.crash(Crash::LoseAll), &found);
    store.verify().unwrap();
    let size = found.committed;
    commit(&store, size..size + 2);
    store.integrate().unwrap();
    store.persist_head(&sign(tree(size + 2))).unwrap();
    store.persist_published(&publish(sign(tree(size + 2)))).unwrap();
    store.verify().unwrap();
    if size < 1000 {
        check(&store, size + 2, size + 2);
    }
    let size = size + 2;
    let last = Promised {
        initialised: true,
        committed: size,
        integrated: size,
        head: size,
        published: size,
    };
    let (store, found) = reopen_and_check(&fs.crash(Crash::LoseAll), &last);
    store.verify().unwrap();
    assert_eq!(found.committed, size);
}

/// Opens what a crash left, and says what it holds.
fn reopen_and_check(fs: &SimFs, promised: &Promised) -> (Store, Promised) {
    let place = Place::on(Arc::new(fs.clone()), "/log");
    let store = Store::open(&place, &log_key()).unwrap();
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
    let integrated = integrated.size.0;
    let found = Promised { initialised: true, committed: size, integrated, head, published };
    (store, found)
}

fn operations(steps: &[Step]) -> u64 {
    let fs = SimFs::new();
    let place = Place::on(Arc::new(fs.clone()), "/log");
    live(&place, steps, &mut Promised::default()).unwrap();
    check_promises(&fs.crash(Crash::KeepAll), &Promised::default());
    fs.operations()
}

/// Dies at some operations and crashes in all three ways.
fn crash_at(steps: &[Step], operations: impl Iterator<Item = u64>) {
    for operation in operations {
        let fs = SimFs::new();
        fs.die_at(operation);
        let place = Place::on(Arc::new(fs.clone()), "/log");
        let mut promised = Promised::default();
        live(&place, steps, &mut promised).unwrap_err();
        for how in [Crash::KeepAll, Crash::LoseAll, Crash::Mixed(operation)] {
            println!("{how:?} at operation {operation}: {promised:?}");
            check_promises(&fs.crash(how), &promised);
        }
    }
}

#[test]
fn a_crash_at_any_operation_loses_nothing_that_was_promised() {
    let operations = operations(LIFE);
    assert!(operations > 150, "{operations}");
    crash_at(LIFE, 0..operations);
}

#[test]
fn a_crash_while_journal_segments_change_loses_nothing() {
    // Some operations only: those on tiles are many and were tried above.
    let operations = operations(LONG_LIFE);
    crash_at(LONG_LIFE, (0..operations).step_by(61));
}

#[test]
fn an_operation_that_fails_once_can_be_tried_again() {
    for operation in 0..operations(LIFE) {
        println!("operation {operation}");
        let fs = SimFs::new();
        fs.fail_at(operation);
        let place = Place::on(Arc::new(fs.clone()), "/log");
        let mut promised = Promised::default();
        let mut failures = 0;
        let mut process = Process { place: &place, store: None, promised: &mut promised };
        while let Err(error) = process.start() {
            assert!(error.is_retryable(), "{error}");
            failures += 1;
        }
        for step in LIFE {
            while let Err(error) = process.take(*step) {
                assert!(error.is_retryable(), "{error}");
                failures += 1;
            }
        }
        drop(process);
        assert!(failures <= 1, "failed {failures} times");
        check_promises(&fs.crash(Crash::LoseAll), &promised);
    }
}

#[test]
fn a_leaf_that_was_found_after_a_crash_is_durable_before_it_is_acknowledged() {
    let fs = SimFs::new();
    let place = Place::on(Arc::new(fs.clone()), "/log");
    live(&place, &[Commit(5)], &mut Promised::default()).unwrap();
    let mut store = Store::open(&place, &log_key()).unwrap();
    store.wait_for_index().unwrap();
    // Written, but the sync fails: as if the process died between them.
    fs.die_at(fs.operations() + 1);
    store.commit(&leaves(5..7)).unwrap_err();
    drop(store);
    let fs = fs.crash(Crash::KeepAll);
    let place = Place::on(Arc::new(fs.clone()), "/log");
    store = Store::open(&place, &log_key()).unwrap();
    store.wait_for_index().unwrap();
    assert_eq!(store.index_of(&leaf(6).hash()).unwrap(), Some(LeafIndex(6)));
    assert_eq!(store.recovery().recovered_leaves, 7);
    drop(store);
    let place = Place::on(Arc::new(fs.crash(Crash::LoseAll)), "/log");
    store = Store::open(&place, &log_key()).unwrap();
    assert_eq!(store.committed_size(), TreeSize(7));
}
