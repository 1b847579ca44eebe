//! The life of a log, recorded, with what it promised when.

use super::check::init;
use crate::support::{leaves, log_key, publish, sign, tree};
use sigsum_core::TreeSize;
use sigsum_store::fs::sim::{Recording, SimFs};
use sigsum_store::{HeadStore as _, LeafLog as _, Place, Role, Store, StoreError};
use std::sync::Arc;

/// What the store promised before the power failed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Promised {
    pub(super) initialised: bool,
    pub(super) committed: u64,
    pub(super) integrated: u64,
    pub(super) head: u64,
    pub(super) published: u64,
    /// None where it is between two.
    pub(super) role: Option<Role>,
}

/// A step in the life of a log.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// Commits so many more leaves.
    Commit(u64),
    Integrate,
    /// Signs a head of this many leaves fewer than are integrated.
    Sign(u64),
    Publish,
    /// Makes a follower's directory a primary's.
    Promote,
    /// Closes the store and opens it again.
    Reopen,
}
use Step::{Commit, Integrate, Promote, Publish, Reopen, Sign};

impl Step {
    /// What it is called in a report.
    fn name(self) -> &'static str {
        match self {
            Commit(_) => "commit",
            Integrate => "integrate",
            Sign(_) => "sign",
            Publish => "publish",
            Promote => "promote",
            Reopen => "start",
        }
    }
}

/// Over the first tile boundary and the second, with heads before, at and behind them.
pub(super) const LIFE: &[Step] = &[
    Commit(3),
    Integrate,
    Sign(0),
    Publish,
    Commit(200),
    Commit(1),
    Integrate,
    Sign(2),
    Commit(51), // 255
    Integrate,
    Sign(0),
    Commit(1), // 256 fills the first tile
    Integrate,
    Publish, // of a size that the tiles are beyond
    Commit(1),
    Integrate,
    Sign(0),
    Publish,
    Reopen,
    Commit(300),
    Integrate,
    Sign(0),
    Publish,
    Commit(5),
];

/// Less of it, for many trials: everything is synced here that is synced above.
pub(super) const TRIAL_LIFE: &[Step] = &[
    Commit(3),
    Integrate,
    Sign(0),
    Publish,
    Commit(252), // 255
    Integrate,
    Sign(2),
    Publish,
    Commit(2),
    Integrate,
    Sign(0),
    Publish,
];

/// What a follower does until it is the primary.
pub(super) const FOLLOWER_LIFE: &[Step] =
    &[Commit(3), Integrate, Sign(0), Publish, Commit(2), Promote, Reopen, Commit(2), Integrate];

/// More leaves than two journal segments hold, so that a spare one is made and used.
pub(super) const LONG_LIFE: &[Step] =
    &[Commit(6000), Commit(4000), Integrate, Sign(0), Commit(7500), Integrate, Reopen, Commit(10)];

/// The same with less in between: a spare segment is made and used.
pub(super) const SEGMENTS_LIFE: &[Step] = &[Commit(5000), Integrate, Commit(4000), Commit(10)];

/// To the first tile of the third level.
pub(super) const HIGH_LIFE: &[Step] =
    &[Commit(65_535), Integrate, Commit(1), Integrate, Sign(0), Publish, Commit(1), Integrate];

/// A process that has the store open.
pub(super) struct Process<'a> {
    place: &'a Place,
    as_role: Role,
    pub(super) store: Option<Store>,
    pub(super) promised: Promised,
}

impl<'a> Process<'a> {
    pub(super) fn new(place: &'a Place, as_role: Role) -> Self {
        Self { place, as_role, store: None, promised: Promised::default() }
    }

    pub(super) fn store(&mut self) -> Result<&Store, StoreError> {
        if self.store.is_none() {
            let store = Store::open(self.place, &log_key())?;
            store.wait_for_index()?;
            self.store = Some(store);
        }
        Ok(self.store.as_ref().unwrap())
    }

    pub(super) fn start(&mut self) -> Result<(), StoreError> {
        match init(self.place, self.as_role) {
            // Also where the sync after the last step failed and it is tried again.
            Ok(()) | Err(StoreError::AlreadyInitialised { .. }) => (),
            Err(error) => return Err(error),
        }
        self.promised.initialised = true;
        self.promised.role = Some(self.as_role);
        Ok(())
    }

    pub(super) fn take(&mut self, step: Step) -> Result<(), StoreError> {
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
            Promote => {
                store.promote(TreeSize(promised.committed))?;
                self.promised.role = Some(Role::Primary);
            }
            Reopen => {
                self.store = None;
                self.store()?;
            }
        }
        Ok(())
    }
}

/// A life that was recorded, with what was promised from which operation on.
pub(super) struct Life {
    pub(super) as_role: Role,
    pub(super) recording: Recording,
    pub(super) promises: Vec<(usize, Promised)>,
}

impl Life {
    pub(super) fn live(steps: &[Step], as_role: Role) -> Self {
        Self::live_on(&SimFs::new(), steps, as_role, |_| {})
    }

    /// On a file system that may be watched; `enters` is told what is done next.
    pub(super) fn live_on(
        fs: &SimFs,
        steps: &[Step],
        as_role: Role,
        mut enters: impl FnMut(&'static str),
    ) -> Self {
        let place = Place::on(Arc::new(fs.clone()), "/log");
        let mut process = Process::new(&place, as_role);
        // Never the other role, however little of it is there.
        let nothing = Promised { role: Some(as_role), ..Promised::default() };
        let mut promises = vec![(0, nothing)];
        enters("init");
        process.start().unwrap();
        promises.push((fs.recorded(), process.promised.clone()));
        enters("start");
        process.store().unwrap();
        for step in steps {
            if let Promote = step {
                promises.push((fs.recorded(), Promised { role: None, ..process.promised.clone() }));
            }
            enters(step.name());
            process.take(*step).unwrap();
            promises.push((fs.recorded(), process.promised.clone()));
        }
        enters("stop");
        drop(process);
        Self { as_role, recording: fs.recording(), promises }
    }

    pub(super) fn promised(&self, operations: usize) -> &Promised {
        let made = self.promises.iter().rev().find(|(at, _)| *at <= operations);
        &made.unwrap().1
    }

    /// Whether something was promised after exactly so many operations.
    pub(super) fn promises_at(&self, operations: usize) -> bool {
        self.promises.iter().any(|(at, _)| *at == operations)
    }
}
