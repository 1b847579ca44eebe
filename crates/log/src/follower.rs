//! A follower: holds a copy of a log that another node signs, and says how much it holds.
//!
//! One task copies leaves, as fast as they come; they are durable here before anybody hears of them.
//! Another compares them with the heads that the log signs. What the follower says of itself it
//! signs with a key of its own. It never changes what it holds: where the primary shows another
//! tree, it stops and says so.

mod copy;
mod handle;
mod heads;
mod held;
mod report;
mod serve;
mod start;
mod status;

pub use handle::FollowerHandle;
pub use report::{CopyCondition, CopyStatus};
pub use start::{FollowerConfig, FollowerContext, FollowerStartError, start};
