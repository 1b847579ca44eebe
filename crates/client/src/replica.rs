//! The endpoint that the nodes of one log show each other: log-go's internal API, and the waiting
//! that ours add to it.
//!
//! A request may say how long its answer can be kept back (`wait_ms`), and for what. A node that
//! understands it says so in a header ([`WAITED_HEADER`]); others ignore the query and answer at
//! once, as log-go does, and are asked again after a while.

use crate::http::{Answer, BaseUrl, Endpoint, HttpClient, HttpSetupError};
use crate::log::failure;
use sigsum_api::ApiError;
use sigsum_core::wire::log::{
    GetLeaves, MAX_SIGNED_TREE_HEAD_BODY_BYTES, MAX_TREE_HEAD_BODY_BYTES, endpoint,
    max_leaves_body_bytes, parse_leaves, parse_signed_tree_head, parse_tree_head,
};
use sigsum_core::{CosignedTreeHead, Leaf, SignedTreeHead, TreeSize};
use std::time::Duration;

pub use crate::http::WAITED_HEADER;

/// Query parameter: how long an answer may be kept back, in milliseconds.
pub const WAIT_PARAMETER: &str = "wait_ms";
/// Query parameter: the tree size that is waited for.
pub const MIN_SIZE_PARAMETER: &str = "min_size";
/// Endpoint for the last head that a log signed, published or not; ours alone.
pub const GET_SIGNED_TREE_HEAD: &str = "get-signed-tree-head";
/// Endpoint for the published head as a note.
const CHECKPOINT: &str = "checkpoint";
/// Longest checkpoint that is read; what a store holds of one.
const MAX_CHECKPOINT_BYTES: usize = 2 << 20;

/// What was asked for, and whether the other side knows how to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waited<T> {
    /// The answer.
    pub answer: T,
    /// Whether it would have been kept back, had there been nothing new.
    pub waits: bool,
}

impl<T> Waited<T> {
    fn with<U>(&self, answer: U) -> Waited<U> {
        Waited { answer, waits: self.waits }
    }
}

/// A node's internal endpoint.
#[derive(Debug, Clone)]
pub struct HttpReplica {
    endpoint: Endpoint,
}

impl HttpReplica {
    /// Names the node; does not connect yet. The client's time limit has to be longer than any wait.
    ///
    /// # Errors
    /// [`HttpSetupError`] where the client's settings or the system's root certificates are
    /// unusable.
    pub fn new(client: &HttpClient, base: &BaseUrl) -> Result<Self, HttpSetupError> {
        Ok(Self { endpoint: client.endpoint(base)? })
    }

    /// Where the node is.
    pub fn base(&self) -> &BaseUrl {
        self.endpoint.base()
    }

    async fn get(
        &self,
        path: &str,
        query: &str,
        max_bytes: usize,
    ) -> Result<Waited<Answer>, ApiError> {
        let answer = self.endpoint.get_with(path, query, max_bytes).await?;
        let waits = answer.waits;
        Ok(Waited { answer, waits })
    }

    /// Leaves from the start of the range on, as many as the node gives of it; `None` at the end of
    /// its tree. At most [`crate::MAX_LEAVES_PER_REQUEST`] are to be asked for.
    ///
    /// # Errors
    /// [`ApiError::BadRequest`] where the node's tree does not reach the start.
    pub async fn get_leaves(
        &self,
        request: GetLeaves,
        wait: Duration,
    ) -> Result<Waited<Option<Vec<Leaf>>>, ApiError> {
        let count = usize::try_from(request.len()).unwrap_or(usize::MAX);
        let query = format!("{WAIT_PARAMETER}={}", wait.as_millis());
        let got = self.get(&request.to_path(), &query, max_leaves_body_bytes(count)).await?;
        let answer = &got.answer;
        let leaves = match answer.status {
            200 => Some(parse_leaves(&answer.body, count).map_err(|e| answer.malformed(&e))?),
            404 => None,
            _ => return Err(failure(answer)),
        };
        Ok(got.with(leaves))
    }

    /// The tree that a follower holds, signed by the follower; at once where it has `min_size`
    /// leaves. The signature is the caller's to verify.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn get_secondary_tree_head(
        &self,
        min_size: TreeSize,
        wait: Duration,
    ) -> Result<Waited<SignedTreeHead>, ApiError> {
        self.signed_head(endpoint::GET_SECONDARY_TREE_HEAD, min_size, wait).await
    }

    /// The last head that the log signed; at once where its size is `min_size`. The signature is the
    /// caller's to verify.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] where the node has none, or does not tell.
    pub async fn get_signed_tree_head(
        &self,
        min_size: TreeSize,
        wait: Duration,
    ) -> Result<Waited<SignedTreeHead>, ApiError> {
        self.signed_head(GET_SIGNED_TREE_HEAD, min_size, wait).await
    }

    async fn signed_head(
        &self,
        name: &str,
        min_size: TreeSize,
        wait: Duration,
    ) -> Result<Waited<SignedTreeHead>, ApiError> {
        let wait_ms = wait.as_millis();
        let query = format!("{MIN_SIZE_PARAMETER}={min_size}&{WAIT_PARAMETER}={wait_ms}");
        let got = self.get(name, &query, MAX_SIGNED_TREE_HEAD_BODY_BYTES).await?;
        let answer = ok(&got.answer)?;
        let head = parse_signed_tree_head(&answer.body).map_err(|e| answer.malformed(&e))?;
        Ok(got.with(head))
    }

    /// The published head with its cosignatures.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] where the node has none, or does not tell.
    pub async fn get_tree_head(&self) -> Result<CosignedTreeHead, ApiError> {
        let got = self.endpoint.get(endpoint::GET_TREE_HEAD, MAX_TREE_HEAD_BODY_BYTES).await?;
        let answer = ok(&got)?;
        parse_tree_head(&answer.body).map_err(|e| answer.malformed(&e))
    }

    /// The published head as a signed note, unread.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] where the node has none, or does not tell.
    pub async fn get_checkpoint(&self) -> Result<Vec<u8>, ApiError> {
        let got = self.endpoint.get(CHECKPOINT, MAX_CHECKPOINT_BYTES).await?;
        Ok(ok(&got)?.body.to_vec())
    }
}

fn ok(answer: &Answer) -> Result<&Answer, ApiError> {
    if answer.status == 200 { Ok(answer) } else { Err(failure(answer)) }
}
