//! Making again what follows from the rest, and taking what does not from a copy of the log.

use super::tree::{self, Extra, TreeFiles, read, tile_of};
use super::{Examination, Finding, KEPT_DIR, Remedy};
use crate::bundle::{ENTRY_BYTES, entries, entry_leaf, write_bundle};
use crate::error::{Damage, StoreError};
use crate::fs::{PRIVATE_FILE, PUBLIC_DIR, PUBLIC_FILE};
use crate::heads::CHECKPOINT;
use crate::open::take_lock;
use crate::partials;
use crate::place::Place;
use crate::state::{self, Kind};
use crate::types::Role;
use crate::writer::parents;
use sigsum_core::merkle::tile::{TILE_WIDTH, Tile, TileLevel};
use sigsum_core::{Leaf, LeafIndex, PublicKey};
use std::collections::BTreeSet;

/// A copy of the log: a follower, a mirror, the log itself. Nothing that it says is believed unless a
/// recorded root hash vouches for it.
pub trait LeafSource {
    /// The leaves from `first` up to `end`, which is not included; 256 at most are asked for.
    ///
    /// # Errors
    /// Why they could not be had, in words.
    fn leaves(&self, first: LeafIndex, end: LeafIndex) -> Result<Vec<Leaf>, String>;
}

/// Another directory of the log, such as a copy of it.
#[derive(Debug, Clone)]
pub struct DirectorySource(pub Place);

impl LeafSource for DirectorySource {
    fn leaves(&self, first: LeafIndex, end: LeafIndex) -> Result<Vec<Leaf>, String> {
        let width = u64::from(TILE_WIDTH);
        let (index, count) = (first.0 / width, end.0 - first.0);
        let full = Tile::new(TileLevel::Entries, index, TILE_WIDTH).map_err(|e| e.to_string())?;
        let partial = |name: String| Tile::parse(&format!("{}/{name}", partials::dir(&full))).ok();
        let partials = self.0.list(&partials::dir(&full)).map_err(|e| e.to_string())?;
        let there = partials.into_iter().filter_map(partial).chain([full]);
        for tile in there.filter(|tile| u64::from(tile.width()) >= count) {
            let length = usize::from(tile.width()) * ENTRY_BYTES;
            if let Ok(bytes) = read(&self.0, &tile.path(), length) {
                let leaves = entries(&bytes).iter().take(count as usize);
                return Ok(leaves.filter_map(|e| Leaf::from_bytes(&entry_leaf(e)).ok()).collect());
            }
        }
        Err(format!("{} does not have them", self.0.path().display()))
    }
}

/// What was done.
#[derive(Debug, Default)]
pub struct Repair {
    /// What was made again, or put aside, and how.
    pub done: Vec<String>,
    /// What could not be had from the copy of the log, and why.
    pub refused: Vec<String>,
    /// Where copies of what was replaced are.
    pub kept: Vec<String>,
}

/// Longest file that is replaced: an entry bundle has 33 280 bytes, a state file up to 2 MiB.
const MAX_KEPT_BYTES: usize = 4 << 20;

impl Examination {
    /// Makes again what can be proven to be right. What is replaced is kept in [`KEPT_DIR`]. May be
    /// run again after any error.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::File`].
    pub fn repair(
        self,
        place: &Place,
        log_key: &PublicKey,
        source: Option<&dyn LeafSource>,
    ) -> Result<Repair, StoreError> {
        let _lock = take_lock(place)?;
        let mut repair = Repair::default();
        let fetched = match source {
            Some(source) => fetch(&self.findings, source, &mut repair),
            None => Vec::new(),
        };
        let width = u64::from(TILE_WIDTH);
        let extra: Extra =
            fetched.iter().map(|(first, leaves)| (first / width, tile_of(leaves))).collect();
        // Again, as the log may have run since.
        let found = Self::of(place, log_key, &extra)?;
        let mut work = Work { place, tree: &found.tree, extra: &extra, repair };
        for (first, leaves) in &fetched {
            work.write_fetched(*first, leaves)?;
        }
        for finding in &found.findings {
            if let Ok(tile) = Tile::parse(&finding.name) {
                work.write_tile(&tile, finding)?;
            }
        }
        found.repair_state(&mut work, log_key)?;
        Ok(work.repair)
    }

    fn repair_state(&self, work: &mut Work<'_>, log_key: &PublicKey) -> Result<(), StoreError> {
        let place = work.place;
        for finding in &self.findings {
            let name = finding.name.as_str();
            let derivable = matches!(finding.remedy, Remedy::Derivable { .. });
            match (name, &self.state.published) {
                _ if name == Kind::Published.name()
                    && matches!(finding.remedy, Remedy::PutAside { .. }) =>
                {
                    // Without both, the log would go on as one that never signed.
                    if self.state.head.is_none() {
                        let text = "it stays while the last signed head is not known";
                        work.repair.refused.push(format!("{name}: {text}"));
                        continue;
                    }
                    work.keep(name)?;
                    place.remove_file(name)?;
                    place.sync_dir("")?;
                    work.repair.done.push(format!("{name}: put aside"));
                    continue;
                }
                _ if !derivable => continue,
                _ if name == Kind::Identity.name() => {
                    work.keep(name)?;
                    state::store_identity(place, &log_key.key_hash())?;
                }
                _ if name == Kind::Role.name() => {
                    work.keep(name)?;
                    state::store_role(place, Role::Follower, log_key)?;
                }
                _ if name == Kind::Tree.name() => {
                    let vouched = self.may_record_the_tree(place)?;
                    let Some(head) = self.tree.head().filter(|_| vouched) else {
                        let text = "the tiles are not whole, or no signed head vouches for them";
                        work.repair.refused.push(format!("{name}: {text}"));
                        continue;
                    };
                    work.keep(name)?;
                    state::store_tree(place, &head)?;
                }
                (_, Some(published)) if name == Kind::Head.name() => {
                    work.keep(name)?;
                    state::store_head(place, &published.head.signed)?;
                }
                (_, Some(published)) if name == CHECKPOINT => {
                    work.keep(name)?;
                    place.replace(CHECKPOINT, &published.checkpoint, PUBLIC_FILE)?;
                }
                _ => continue,
            }
            work.repair.done.push(format!("{name}: made again"));
        }
        Ok(())
    }
}

impl Examination {
    /// Whether what was found of the tiles is all that was ever taken into the tree: the last head
    /// that was signed vouches for them, and there is nothing behind them.
    fn may_record_the_tree(&self, place: &Place) -> Result<bool, StoreError> {
        let Some(signed) = self.state.head else { return Ok(false) };
        let gap = |finding: &Finding| matches!(finding.damage, Damage::Gap { .. });
        let whole = self.tree.proven >= signed.tree_head.size && !self.findings.iter().any(gap);
        Ok(whole && !tree::reaches_beyond(place, self.tree.size)?)
    }
}

/// Asks for the leaves that are in no file.
fn fetch(
    findings: &[Finding],
    source: &dyn LeafSource,
    repair: &mut Repair,
) -> Vec<(u64, Vec<Leaf>)> {
    let asked: BTreeSet<(u64, u64)> = findings
        .iter()
        .filter_map(|finding| match finding.remedy {
            Remedy::Fetch { first, end } => Some((first, end)),
            _ => None,
        })
        .collect();
    let mut fetched = Vec::new();
    for (first, end) in asked {
        match source.leaves(LeafIndex(first), LeafIndex(end)) {
            Ok(leaves) if leaves.len() as u64 == end - first => fetched.push((first, leaves)),
            Ok(leaves) => {
                let got = leaves.len();
                repair.refused.push(format!("leaves {first} to {end}: the copy has {got} of them"));
            }
            Err(error) => repair.refused.push(format!("leaves {first} to {end}: {error}")),
        }
    }
    fetched
}

/// A repair under way.
struct Work<'a> {
    place: &'a Place,
    tree: &'a TreeFiles,
    extra: &'a Extra,
    repair: Repair,
}

impl Work<'_> {
    /// Writes entries from a copy, where a recorded root hash vouches for them.
    fn write_fetched(&mut self, first: u64, leaves: &[Leaf]) -> Result<(), StoreError> {
        let index = first / u64::from(TILE_WIDTH);
        let due = self.tree.leaf_hashes(self.place, index, self.extra)?;
        let hashes = tile_of(leaves);
        if !self.tree.is_proven(index) || due.as_ref() != Some(&hashes) {
            let text = format!("leaves from {first} on: what the copy has is not of this tree");
            self.repair.refused.push(text);
            return Ok(());
        }
        let bytes: Vec<_> = leaves.iter().map(Leaf::to_bytes).collect();
        for (level, bytes) in
            [(TileLevel::Entries, write_bundle(&bytes)), (TileLevel::Hashes(0), hashes)]
        {
            let Some(tile) = Tile::within(level, index, self.tree.size) else { continue };
            if read(self.place, &tile.path(), bytes.len()).as_ref() != Ok(&bytes) {
                self.write(&tile.path(), &bytes)?;
                self.repair.done.push(format!("{tile}: taken from the copy of the log"));
            }
        }
        Ok(())
    }

    fn write_tile(&mut self, tile: &Tile, finding: &Finding) -> Result<(), StoreError> {
        if !matches!(finding.remedy, Remedy::Derivable { .. }) {
            return Ok(());
        }
        let proven = match tile.level() {
            TileLevel::Hashes(0) | TileLevel::Entries => self.tree.is_proven(tile.index()),
            TileLevel::Hashes(_) => self.tree.proven == self.tree.size,
        };
        let Some(due) = self.tree.partial(self.place, tile)?.filter(|_| proven) else {
            let text = format!("{tile}: no recorded root hash vouches for what it should be");
            self.repair.refused.push(text);
            return Ok(());
        };
        self.write(&tile.path(), &due)?;
        self.repair.done.push(format!("{tile}: made again"));
        Ok(())
    }

    /// Replaces a file below `tile/`, durably.
    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.keep(name)?;
        let dirs: Vec<&str> = parents(name).collect();
        for dir in dirs.iter().rev() {
            self.place.ensure_dir(dir, PUBLIC_DIR)?;
        }
        self.place.replace(name, bytes, PUBLIC_FILE)?;
        Ok(dirs.iter().try_for_each(|dir| self.place.sync_dir(dir))?)
    }

    /// Keeps a copy of what is about to be replaced.
    fn keep(&mut self, name: &str) -> Result<(), StoreError> {
        // What cannot be read cannot be kept.
        let Ok(Some(bytes)) = self.place.read(name, MAX_KEPT_BYTES) else { return Ok(()) };
        let kept = self.place.private_dir(KEPT_DIR)?;
        let plain = name.replace('/', "-");
        let names = kept.names()?;
        let free = |name: &String| !names.contains(name);
        let numbered = (1..).map(|n: u64| format!("{plain}.{n}"));
        let Some(name) = std::iter::once(plain.clone()).chain(numbered).find(free) else {
            return Ok(());
        };
        kept.replace(&name, &bytes, PRIVATE_FILE)?;
        self.repair.kept.push(format!("{KEPT_DIR}/{name}"));
        Ok(())
    }
}
