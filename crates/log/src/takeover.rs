//! A node that takes over as the log's primary: a follower that is promoted, or a new node that gets
//! the log from a follower. Nothing of it needs the log's private key.
//!
//! Before a node may sign, everybody who can be reached and may know more than it holds is asked:
//! witnesses, other followers, and whoever answers under the log's public URL. What they knew is
//! recorded in the directory, so that the start guard of the new primary knows it for its own.

mod ask;
mod promote;
mod restore;

pub use ask::{Asked, Others, Said};
pub use promote::{PromoteError, Promoted, promote};
pub use restore::{Copied, RestoreError, Source, copy};
