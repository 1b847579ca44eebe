//! What is wrong with the tiles, and what each of them should be.

use super::{Slot, TreeFiles, WIDTH, checked_hashes, read};
use crate::bundle::ENTRY_BYTES;
use crate::error::{Damage, StoreError};
use crate::fsck::{Finding, Remedy};
use crate::partials::{self, levels};
use crate::place::Place;
use crate::tiles::full;
use sigsum_core::merkle::tile::{Tile, TileLevel};
use sigsum_core::{Hash, TreeHead};

/// Names in a directory of tiles (`tlog-tiles`: groups of three digits).
const GROUP: u64 = 1000;

impl TreeFiles {
    /// What is wrong with the tiles.
    pub(in crate::fsck) fn findings(&self, place: &Place) -> Result<Vec<Finding>, StoreError> {
        let mut findings = Vec::new();
        for (index, slot) in (0..).zip(&self.slots) {
            self.slot_findings(index, slot, &mut findings)?;
        }
        self.edge_findings(&mut findings);
        for level in TileLevel::hash_levels(self.size).skip(1) {
            for index in 0..level.count(self.size).div_ceil(WIDTH) {
                let Some(tile) = Tile::within(level, index, self.size) else { continue };
                let Some(due) = self.upper_tile(&tile) else { continue };
                if let Some(damage) = compare(place, &tile, &due) {
                    let from = "the tiles below it".to_owned();
                    let remedy = Remedy::Derivable { from };
                    findings.push(Finding { name: tile.path(), damage, remedy });
                }
            }
        }
        self.partial_findings(place, &mut findings)?;
        Ok(findings)
    }

    /// Partial tiles of signed heads that are missing; static servers have to serve them.
    pub(in crate::fsck) fn missing_partials(
        &self,
        place: &Place,
        heads: impl Iterator<Item = TreeHead>,
    ) -> Result<Vec<Finding>, StoreError> {
        let mut findings: Vec<Finding> = Vec::new();
        for tile in heads.flat_map(|head| partials::of(head.size)) {
            let Some(present) = Tile::within(tile.level(), tile.index(), self.size) else {
                continue;
            };
            let name = tile.path();
            // That of the present size was looked at.
            if present.width() > tile.width()
                && place.len(&name)?.is_none()
                && !findings.iter().any(|finding| finding.name == name)
            {
                let remedy = Remedy::Derivable { from: present.path() };
                findings.push(Finding { name, damage: Damage::Missing, remedy });
            }
        }
        Ok(findings)
    }

    fn slot_findings(
        &self,
        index: u64,
        slot: &Slot,
        findings: &mut Vec<Finding>,
    ) -> Result<(), StoreError> {
        let bundle = full(TileLevel::Entries, index)?.path();
        let tile = full(TileLevel::Hashes(0), index)?.path();
        let range = (index * WIDTH, (index + 1) * WIDTH);
        let states = [(&bundle, &slot.bundle, &tile), (&tile, &slot.tile, &bundle)];
        let right = |state: &Result<Hash, Damage>| {
            slot.chosen.is_some() && state.as_ref().ok() == slot.chosen.as_ref()
        };
        for (name, state, other) in states {
            if right(state) {
                continue;
            }
            let damage = match state {
                Err(damage) => damage.clone(),
                Ok(_) => Damage::Contradicts { other: other.clone() },
            };
            let from_entries = *name == tile && right(&slot.bundle);
            let remedy = match from_entries {
                true => Remedy::Derivable { from: bundle.clone() },
                false => Remedy::Fetch { first: range.0, end: range.1 },
            };
            findings.push(Finding { name: name.clone(), damage, remedy });
        }
        Ok(())
    }

    fn edge_findings(&self, findings: &mut Vec<Finding>) {
        let Some(edge) = &self.edge else { return };
        let index = self.size.0 / WIDTH;
        let path = |level| Tile::within(level, index, self.size).map(|tile| tile.path());
        let names = [TileLevel::Entries, TileLevel::Hashes(0)].map(path);
        let [Some(bundle), Some(tile)] = names else { return };
        let right = |state: &Result<Vec<u8>, Damage>| {
            edge.chosen.is_some() && state.as_ref().ok() == edge.chosen.as_ref()
        };
        for (name, state, other) in [(&bundle, &edge.bundle, &tile), (&tile, &edge.tile, &bundle)] {
            if right(state) {
                continue;
            }
            let damage = match state {
                Err(damage) => damage.clone(),
                Ok(_) => Damage::Contradicts { other: other.clone() },
            };
            let remedy = match *name == tile && right(&edge.bundle) {
                true => Remedy::Derivable { from: bundle.clone() },
                false => Remedy::Fetch { first: index * WIDTH, end: self.size.0 },
            };
            findings.push(Finding { name: name.clone(), damage, remedy });
        }
    }

    /// Partial tiles beside wider ones.
    fn partial_findings(
        &self,
        place: &Place,
        findings: &mut Vec<Finding>,
    ) -> Result<(), StoreError> {
        for level in levels(self.size) {
            let count = level.count(self.size).div_ceil(WIDTH);
            for first in (0..count).step_by(GROUP as usize) {
                let path = full(level, first)?.path();
                let group = path.rsplit_once('/').map_or("", |(dir, _)| dir);
                let names = place.list(group)?;
                for name in names.iter().filter_map(|name| name.strip_suffix(".p")) {
                    let Ok(tile) = Tile::parse(&format!("{group}/{name}")) else { continue };
                    for width in place.list(&partials::dir(&tile))? {
                        let name = format!("{}/{width}", partials::dir(&tile));
                        let Ok(tile) = Tile::parse(&name) else { continue };
                        self.partial_finding(place, &tile, findings)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn partial_finding(
        &self,
        place: &Place,
        tile: &Tile,
        findings: &mut Vec<Finding>,
    ) -> Result<(), StoreError> {
        let present = Tile::within(tile.level(), tile.index(), self.size);
        // That of the present size was looked at; a crash may leave those of a tree to come.
        let Some(present) = present.filter(|present| present.width() > tile.width()) else {
            return Ok(());
        };
        let Some(due) = self.partial(place, tile)? else { return Ok(()) };
        if let Some(damage) = compare(place, tile, &due) {
            let remedy = Remedy::Derivable { from: present.path() };
            findings.push(Finding { name: tile.path(), damage, remedy });
        }
        Ok(())
    }

    /// Right bytes of a tile out of a wider one in the directory, where that one is right.
    pub(in crate::fsck) fn partial(
        &self,
        place: &Place,
        tile: &Tile,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(present) = Tile::within(tile.level(), tile.index(), self.size) else {
            return Ok(None);
        };
        let width = usize::from(tile.width());
        match tile.level() {
            TileLevel::Hashes(0) => {
                let hashes = self.leaf_hashes(place, tile.index(), &super::Extra::new())?;
                Ok(hashes.and_then(|it| it.get(..width * Hash::LEN).map(<[u8]>::to_vec)))
            }
            TileLevel::Hashes(_) => Ok(self.upper_tile(tile)),
            TileLevel::Entries => {
                let length = usize::from(present.width()) * ENTRY_BYTES;
                let Ok(bundle) = read(place, &present.path(), length) else { return Ok(None) };
                let due = self.leaf_hashes(place, tile.index(), &super::Extra::new())?;
                let found = checked_hashes(&bundle, tile.index() * WIDTH).ok();
                let is_right = due.is_some() && due == found;
                let part = bundle.get(..width * ENTRY_BYTES).filter(|_| is_right);
                Ok(part.map(<[u8]>::to_vec))
            }
        }
    }
}

/// What a file lacks of what it should be.
fn compare(place: &Place, tile: &Tile, due: &[u8]) -> Option<Damage> {
    match read(place, &tile.path(), due.len()) {
        Ok(found) if found == due => None,
        Ok(_) => Some(Damage::Changed),
        Err(damage) => Some(damage),
    }
}
