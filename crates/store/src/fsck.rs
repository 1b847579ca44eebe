//! Looking at a directory that may be damaged: all that is wrong with it, what of that can be made
//! again from the rest, and making it.
//!
//! # What is proven
//! Nothing is repaired by guess. The leaves, and every hash above them, determine each other; of two
//! files that contradict each other, the one is right that leads to a root hash which was recorded:
//! in `tree`, or in a head that the log's key signed. What no such hash vouches for is named and
//! left alone.

mod repair;
mod state;
mod tree;

pub use repair::{DirectorySource, LeafSource, Repair};

use crate::error::{Damage, StoreError};
use crate::journal::Journal;
use crate::open::{is_in_use, take_lock};
use crate::place::Place;
use crate::state as state_of;
use crate::types::Role;
use sigsum_core::{PublicKey, TreeHead, TreeSize};
use state::StateFiles;
use std::fmt;
use tree::{Anchors, Extra, TreeFiles};

/// Where copies of what is replaced are kept.
pub const KEPT_DIR: &str = "damaged";

/// What can be done about a damaged file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// It follows from other files.
    Derivable {
        /// From which.
        from: String,
    },
    /// Its contents are nowhere else in the directory; any copy of the log has them.
    Fetch {
        /// The first leaf.
        first: u64,
        /// Behind the last.
        end: u64,
    },
    /// It can be put aside, with this effect.
    PutAside {
        /// What the log lacks then.
        effect: &'static str,
    },
    /// Nothing that can be proven; what there is to do.
    Operator {
        /// What to do.
        advice: &'static str,
    },
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Derivable { from } => write!(f, "can be made again from {from}"),
            Self::Fetch { first, end } => {
                write!(
                    f,
                    "leaves {first} to {end}, without the last, can come from a copy of the log"
                )
            }
            Self::PutAside { effect } => write!(f, "can be put aside: {effect}"),
            Self::Operator { advice } => f.write_str(advice),
        }
    }
}

/// A damaged file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its name in the directory.
    pub name: String,
    /// What is wrong.
    pub damage: Damage,
    /// What can be done.
    pub remedy: Remedy,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.name, self.damage, self.remedy)
    }
}

/// What a directory holds, and what is wrong with it.
#[derive(Debug)]
pub struct Examination {
    /// Everything that is wrong.
    pub findings: Vec<Finding>,
    /// Leaves that recorded root hashes vouch for.
    pub proven: TreeSize,
    state: StateFiles,
    tree: TreeFiles,
}

/// Reads the whole directory of a log that does not run. Changes nothing.
///
/// # Errors
/// [`StoreError::NotInitialised`], [`StoreError::Locked`], [`StoreError::OtherLog`],
/// [`StoreError::File`] where a directory cannot be listed. Damage is no error.
pub fn examine(place: &Place, log_key: &PublicKey) -> Result<Examination, StoreError> {
    // What is damaged is in use too.
    if matches!(is_in_use(place), Ok(false)) {
        return Err(StoreError::NotInitialised { dir: place.path().to_owned() });
    }
    let _lock = take_lock(place)?;
    Examination::of(place, log_key, &Extra::default())
}

impl Examination {
    fn of(place: &Place, log_key: &PublicKey, extra: &Extra) -> Result<Self, StoreError> {
        let mut state = StateFiles::read(place, log_key)?;
        let size = match state.tree {
            Some(tree) => tree.size,
            None => tree::extent(place, state.largest_signed())?,
        };
        let anchors = Anchors::new(state.tree, state.heads());
        let tree = TreeFiles::read(place, size, &anchors, extra)?;
        state.compare(place, &tree)?;
        let mut findings = state.findings.clone();
        findings.extend(tree.findings(place)?);
        findings.extend(tree.missing_partials(place, state.heads())?);
        for (name, damage) in Journal::examine(place, size.0)? {
            let advice = "leaves that were acknowledged are in no other file here; a follower may \
                          have them: promote it, or restore from it";
            findings.push(Finding { name, damage, remedy: Remedy::Operator { advice } });
        }
        Ok(Self { findings, proven: tree.proven, state, tree })
    }

    /// The tree, where all of its hashes are known.
    pub fn tree_head(&self) -> Option<TreeHead> {
        self.tree.head()
    }
}

/// What a directory says of itself, whether its log runs or not; nothing of it is checked against the
/// tiles.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Whether a process has it.
    pub in_use: bool,
    /// What its node is.
    pub role: Role,
    /// The tree in the tiles.
    pub tree: Option<TreeHead>,
    /// Size of the last signed head.
    pub head: Option<TreeSize>,
    /// Size of the published head, and its cosignatures.
    pub published: Option<(TreeSize, usize)>,
    /// State files that are damaged, with what is wrong.
    pub damaged: Vec<String>,
}

/// Reads the state files of a directory.
///
/// # Errors
/// [`StoreError::NotInitialised`]; [`StoreError::File`] for the lock. Damage is no error.
pub fn recorded(place: &Place) -> Result<Recorded, StoreError> {
    if matches!(is_in_use(place), Ok(false)) {
        return Err(StoreError::NotInitialised { dir: place.path().to_owned() });
    }
    let in_use = match take_lock(place) {
        Ok(_) => false,
        Err(StoreError::Locked { .. }) => true,
        Err(error) => return Err(error),
    };
    let mut damaged = Vec::new();
    let role = take(state_of::load_role(place), &mut damaged);
    let published = take(state_of::load_published(place), &mut damaged);
    let head = take(state_of::load_head(place), &mut damaged);
    let tree = take(state_of::load_tree(place), &mut damaged);
    Ok(Recorded {
        in_use,
        role: role.map_or(Role::Primary, |(role, _)| role),
        tree,
        head: head.map(|head| head.tree_head.size),
        published: published
            .map(|it| (it.head.signed.tree_head.size, it.head.cosignatures().len())),
        damaged,
    })
}

fn take<T>(read: Result<Option<T>, StoreError>, damaged: &mut Vec<String>) -> Option<T> {
    read.unwrap_or_else(|error| {
        damaged.push(error.to_string());
        None
    })
}
