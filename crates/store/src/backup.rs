//! A copy of a log's directory, made while the log runs, and brought up to date again and again.
//!
//! The copy is a follower's directory: a primary does not start from it, since the log may have signed
//! more since. Only where the log is closed, and everything that it took is published, the copy is
//! closed too: nothing comes after it, and it is never promoted.
//!
//! The state files of the source are read in the order in which each can only be
//! overtaken by the next (`published`, `head`, `tree`), so that what is copied is consistent; the
//! journal is left out, as its leaves are in the tree seconds later. Files of the copy are written in
//! the opposite order, so that whenever it is cut short the copy is one of an earlier moment, and
//! the next attempt goes on. Everything is checked against the root hash, in the copy, before the
//! copy says that it has it: a damaged source is named, and not spread.

use crate::bundle::ENTRY_BYTES;
use crate::error::{Damage, StoreError};
use crate::fs::PUBLIC_FILE;
use crate::heads::CHECKPOINT;
use crate::journal::Journal;
use crate::open::{check_root, load_edges, take_lock};
use crate::partials::{self, levels};
use crate::place::Place;
use crate::state;
use crate::store::Store;
use crate::tiles::Tiles;
use crate::types::{Published, Role};
use crate::writer::TileWriter;
use sigsum_core::merkle::tile::{Tile, TileLevel};
use sigsum_core::{Hash, PublicKey, SignedTreeHead, TreeHead, TreeSize};
use std::path::PathBuf;

/// What a copy has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backup {
    /// The tree.
    pub tree: TreeHead,
    /// The tree that the copy had before.
    pub before: TreeSize,
    /// Size of the last signed head.
    pub head: Option<TreeSize>,
    /// Size of the published head.
    pub published: Option<TreeSize>,
    /// Tiles that were copied.
    pub tiles: u64,
    /// Whether the log is closed for good, and its copy therefore, too.
    pub is_closed: bool,
}

/// Why there is no copy, or none that is up to date. A copy that was there says of itself what it
/// said before; files of leaves beyond that may have come.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Reading or writing a directory; or damage, by the name of the file.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Configuration: the target is the directory of a node that is no follower's.
    #[error("{} holds a {role}'s directory, and no copy", dir.display())]
    NotACopy {
        /// The target.
        dir: PathBuf,
        /// What it is.
        role: Role,
    },
    /// Configuration: a follower that ran from the copy has left leaves in its journal.
    #[error(
        "a follower ran from {}, and left {leaves} leaves beyond its tree: it is no copy to go on with",
        dir.display()
    )]
    UsedByAFollower {
        /// The target.
        dir: PathBuf,
        /// Leaves in its journal alone.
        leaves: u64,
    },
    /// The copy has more than the source: the source is old.
    #[error(
        "the copy has {copy} leaves, and the source has {source_size}: the source is an old state"
    )]
    SourceIsOlder {
        /// Size of the copy.
        copy: TreeSize,
        /// Size of the source.
        source_size: TreeSize,
    },
    /// The source is not a continuation of the copy.
    #[error("the first {size} leaves of the source are not those of the copy: the log was forked")]
    Forked {
        /// Size of the copy.
        size: TreeSize,
    },
}

/// Where a log stands.
struct Source {
    published: Option<Published>,
    head: Option<SignedTreeHead>,
    tree: TreeHead,
    /// Closed for good, with everything that it took published.
    is_closed: bool,
}

impl Source {
    /// Reads what a running log says, in the order that keeps it consistent.
    fn read(place: &Place, log_key: &PublicKey) -> Result<Self, StoreError> {
        let identity = state::load_identity(place)?;
        let identity =
            identity.ok_or_else(|| StoreError::NotInitialised { dir: place.path().to_owned() })?;
        if identity != log_key.key_hash() {
            let (dir, expected) = (place.path().to_owned(), log_key.key_hash());
            return Err(StoreError::OtherLog { dir, expected, found: identity });
        }
        // First: a log that is closed by now takes no leaf any more.
        let is_frozen = state::load_role(place)?.is_some_and(|(role, _)| role == Role::Frozen);
        let published = state::load_published(place)?;
        let head = state::load_head(place)?;
        let tree = state::load_tree(place)?;
        let tree = tree.ok_or_else(|| missing(place, "tree"))?;
        let shown = published.as_ref().map(|published| published.head.signed.tree_head.size);
        let is_closed = is_frozen && shown == Some(tree.size) && is_all(place, tree)?;
        Ok(Self { published, head, tree, is_closed })
    }
}

/// Whether a tree has all leaves of a log that takes none any more. While a log is closing its files
/// move; then the next copy finds out.
fn is_all(place: &Place, tree: TreeHead) -> Result<bool, StoreError> {
    let beyond = Journal::leaves_beyond(place, tree.size.0);
    // Leaves leave the journal for the tree, so that it is looked at again.
    let is_same = state::load_tree(place)? == Some(tree);
    Ok(is_same && beyond.is_ok_and(|leaves| leaves == 0))
}

fn missing(place: &Place, name: &str) -> StoreError {
    StoreError::damaged(place.join(name), Damage::Missing)
}

/// Makes a copy in a directory, or brings the one there up to date. The log may run. May be called
/// again after any error, and after a crash.
///
/// # Errors
/// [`BackupError`].
pub fn backup(from: &Place, to: &Place, log_key: &PublicKey) -> Result<Backup, BackupError> {
    let source = Source::read(from, log_key)?;
    match Store::init_follower(to, log_key) {
        Ok(()) | Err(StoreError::AlreadyInitialised { .. }) => (),
        Err(error) => return Err(error.into()),
    }
    let _lock = take_lock(to)?;
    let (identity, role) = (state::load_identity(to)?, state::load_role(to)?);
    let role = role.map_or(Role::Primary, |(role, _)| role);
    let is_copy = role == Role::Follower || (role == Role::Frozen && source.is_closed);
    if !is_copy {
        return Err(BackupError::NotACopy { dir: to.path().to_owned(), role });
    }
    if let Some(found) = identity.filter(|found| *found != log_key.key_hash()) {
        let (dir, expected) = (to.path().to_owned(), log_key.key_hash());
        return Err(StoreError::OtherLog { dir, expected, found }.into());
    }
    let before = state::load_tree(to)?.ok_or_else(|| missing(to, "tree"))?;
    if before.size > source.tree.size {
        let (copy, source_size) = (before.size, source.tree.size);
        return Err(BackupError::SourceIsOlder { copy, source_size });
    }
    match Journal::leaves_beyond(to, before.size.0)? {
        0 => (),
        leaves => {
            return Err(BackupError::UsedByAFollower { dir: to.path().to_owned(), leaves });
        }
    }
    let tiles = copy_tiles(from, to, before.size, source.tree.size)?;
    check_and_record(to, before, &source, log_key)?;
    if source.is_closed {
        state::store_role(to, Role::Frozen, log_key).map_err(StoreError::from)?; // now that it is whole
    }
    Ok(Backup {
        tree: source.tree,
        before: before.size,
        head: source.head.map(|head| head.tree_head.size),
        published: source.published.map(|published| published.head.signed.tree_head.size),
        tiles,
        is_closed: source.is_closed,
    })
}

/// Copies what a tree gained, durably.
fn copy_tiles(from: &Place, to: &Place, old: TreeSize, new: TreeSize) -> Result<u64, StoreError> {
    let mut writer = TileWriter::new(to);
    let mut copied = 0;
    for level in levels(new) {
        for tile in Tile::between(level, old, new) {
            writer.write(&tile, &read_tile(from, &tile)?)?;
            copied += 1;
        }
    }
    writer.finish()?;
    Ok(copied)
}

/// Reads a tile; a partial one out of the full one where that has taken its place meanwhile.
fn read_tile(from: &Place, tile: &Tile) -> Result<Vec<u8>, StoreError> {
    let unit = match tile.level() {
        TileLevel::Entries => ENTRY_BYTES,
        TileLevel::Hashes(_) => Hash::LEN,
    };
    for candidate in [*tile, tile.full()] {
        let expected = usize::from(candidate.width()) * unit;
        let Some(mut bytes) = from.read(&candidate.path(), expected + 1)? else { continue };
        if bytes.len() != expected {
            let damage = Damage::Length { expected, got: bytes.len() };
            return Err(StoreError::damaged(from.join(candidate.path()), damage));
        }
        bytes.truncate(usize::from(tile.width()) * unit);
        return Ok(bytes);
    }
    Err(missing(from, &tile.path()))
}

/// Checks all that was copied, and only then says that it is there.
fn check_and_record(
    to: &Place,
    before: TreeHead,
    source: &Source,
    log_key: &PublicKey,
) -> Result<(), BackupError> {
    let tree = source.tree;
    let tiles = Tiles::new(to.clone(), load_edges(to, tree)?);
    check_root(&tiles, tree)?;
    let snapshot = tiles.snapshot();
    for level in levels(tree.size) {
        for tile in Tile::between(level, before.size, tree.size).filter(Tile::is_full) {
            snapshot.tile(&tile)?;
        }
    }
    if snapshot.root_hash(before.size)? != before.root_hash {
        return Err(BackupError::Forked { size: before.size });
    }
    let published = source.published.as_ref().map(|published| published.head.signed);
    for (name, signed) in [("head", source.head), ("published", published)] {
        let Some(signed) = signed else { continue };
        let TreeHead { size, root_hash } = signed.tree_head;
        if !signed.verify(log_key) {
            return Err(StoreError::damaged(to.join(name), Damage::Signature).into());
        }
        if size > tree.size || snapshot.root_hash(size)? != root_hash {
            return Err(BackupError::Forked { size });
        }
        partials::write(&snapshot, to, size)?;
    }
    state::store_tree(to, &tree).map_err(StoreError::from)?;
    // A source may lack what the copy has of heads, which were compared with the tree then.
    let had = state::load_head(to)?.map(|head| head.tree_head.size);
    if let Some(head) = source.head.filter(|head| Some(head.tree_head.size) >= had) {
        state::store_head(to, &head).map_err(StoreError::from)?;
    }
    let had = state::load_published(to)?.map(|had| had.head.signed.tree_head.size);
    let is_newer = |it: &&Published| Some(it.head.signed.tree_head.size) >= had;
    if let Some(published) = source.published.as_ref().filter(is_newer) {
        state::store_published(to, published).map_err(StoreError::from)?;
        to.replace(CHECKPOINT, &published.checkpoint, PUBLIC_FILE).map_err(StoreError::from)?;
    }
    let heads = source.head.into_iter().chain(published).map(|signed| signed.tree_head.size);
    let keep: Vec<TreeSize> = heads.collect();
    Ok(partials::remove_filled(to, before.size, tree.size, &keep)?)
}
