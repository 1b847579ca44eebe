//! What the node with a data directory is: a primary, a follower, or a log that was closed. It is said
//! in the directory, so that no restart with other arguments turns one into the other.

use crate::error::{Damage, StoreError};
use crate::place::Place;
use crate::state;
use crate::store::{Shared, Store, lock};
use crate::traits::LeafLog as _;
use crate::types::{Promotion, Role};
use sigsum_core::{PublicKey, TreeSize};

/// The recorded role; a directory without one is a primary's.
pub(crate) fn load(place: &Place, log_key: &PublicKey) -> Result<Role, StoreError> {
    let Some((role, found)) = state::load_role(place)? else { return Ok(Role::Primary) };
    if found != *log_key {
        let (expected, found) = (log_key.key_hash(), found.key_hash());
        return Err(StoreError::OtherLog { dir: place.path().to_owned(), expected, found });
    }
    Ok(role)
}

impl Shared {
    pub(crate) fn promotion(&self) -> Result<Option<Promotion>, StoreError> {
        let place = self.place();
        let promotion = state::load_promotion(place)?;
        let present = TreeSize(self.pending.read().end());
        match promotion {
            _ if *lock(&self.role) == Role::Follower => Ok(None),
            Some(Promotion { held_size: named, .. }) if named > present => {
                let damage = Damage::BeyondData { named, present };
                Err(StoreError::damaged(place.join(state::Kind::Promotion.name()), damage))
            }
            promotion => Ok(promotion),
        }
    }
}

impl Store {
    /// What the node with this directory is.
    pub fn role(&self) -> Role {
        *lock(&self.shared.role)
    }

    /// Makes the node something else from the next start on.
    ///
    /// **Durable** and **atomic**: when this returns `Ok`; after an error either the old or the new
    /// role is found at the next start. **Retry**: any time.
    ///
    /// # Errors
    /// [`StoreError::File`]; [`StoreError::ForGood`] for a log that is closed.
    pub fn set_role(&self, role: Role) -> Result<(), StoreError> {
        let _writing = lock(&self.shared.writing);
        if self.role() == Role::Frozen && role != Role::Frozen {
            return Err(StoreError::ForGood { dir: self.shared.place().path().to_owned() });
        }
        state::store_role(self.shared.place(), role, &self.shared.log_key)?;
        *lock(&self.shared.role) = role;
        Ok(())
    }

    /// What the node with a directory is, without opening it; `None` where the directory does not
    /// say, as a primary's need not.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::File`].
    pub fn recorded_role(place: &Place) -> Result<Option<Role>, StoreError> {
        Ok(state::load_role(place)?.map(|(role, _)| role))
    }

    /// Makes the node the primary from the next start on, and records what was known by then.
    ///
    /// **Durable**: when this returns `Ok`. **Atomic**: after an error the node may have either
    /// role. **Retry**: any time.
    ///
    /// # Errors
    /// As [`Self::set_role`]; [`StoreError::OutsideTree`] where more is known than is held.
    pub fn promote(&self, known_size: TreeSize) -> Result<Promotion, StoreError> {
        let held_size = self.committed_size();
        if known_size > held_size {
            return Err(StoreError::OutsideTree { asked: known_size.0, size: held_size });
        }
        if self.role() == Role::Frozen {
            return Err(StoreError::ForGood { dir: self.shared.place().path().to_owned() });
        }
        let promotion = Promotion { known_size, held_size };
        {
            let _writing = lock(&self.shared.writing);
            // First: a primary without it would take what others know for a fork.
            state::store_promotion(self.shared.place(), promotion)?;
        }
        self.set_role(Role::Primary)?;
        Ok(promotion)
    }

    /// What was known when the node became the primary; `None` where it always was, or is none.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], also where there are fewer leaves than there were; and
    /// [`StoreError::File`].
    pub fn promotion(&self) -> Result<Option<Promotion>, StoreError> {
        self.shared.promotion()
    }

    /// The key of the log that a follower's directory is a copy of, so that it can be opened
    /// without being told; `None` where the directory does not say, as a primary's need not.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::File`].
    pub fn recorded_log_key(place: &Place) -> Result<Option<PublicKey>, StoreError> {
        Ok(state::load_role(place)?.map(|(_, key)| key))
    }
}
