//! What the node with a data directory is: a primary, a follower, or a log that was closed. It is said in the directory, so
//! that no restart with other arguments turns one into the other.

use crate::error::StoreError;
use crate::place::Place;
use crate::state;
use crate::store::{Store, lock};
use crate::types::Role;
use sigsum_core::PublicKey;

/// The recorded role; a directory without one is a primary's.
pub(crate) fn load(place: &Place, log_key: &PublicKey) -> Result<Role, StoreError> {
    let Some((role, found)) = state::load_role(place)? else { return Ok(Role::Primary) };
    if found != *log_key {
        let (expected, found) = (log_key.key_hash(), found.key_hash());
        return Err(StoreError::OtherLog { dir: place.path().to_owned(), expected, found });
    }
    Ok(role)
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
    /// [`StoreError::File`].
    pub fn set_role(&self, role: Role) -> Result<(), StoreError> {
        let _writing = lock(&self.shared.writing);
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

    /// The key of the log that a follower's directory is a copy of, so that it can be opened
    /// without being told; `None` where the directory does not say, as a primary's need not.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::File`].
    pub fn recorded_log_key(place: &Place) -> Result<Option<PublicKey>, StoreError> {
        Ok(state::load_role(place)?.map(|(_, key)| key))
    }
}
