//! What a log does (`log.md` section 3).

use crate::ApiError;
use async_trait::async_trait;
use sigsum_core::token::SubmitToken;
use sigsum_core::wire::log::{
    AddLeafRequest, ConsistencyProof, GetConsistencyProof, GetInclusionProof, GetLeaves,
    InclusionProof,
};
use sigsum_core::{CosignedTreeHead, Leaf};

/// How far a submission has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddLeafStatus {
    /// Status 200: the log is committed to publishing the leaf.
    Committed,
    /// Status 202: taken, but not yet safe; send the same request again.
    Accepted,
}

impl AddLeafStatus {
    /// The HTTP status.
    pub const fn code(self) -> u16 {
        match self {
            Self::Committed => 200,
            Self::Accepted => 202,
        }
    }
}

/// A log: the five endpoints of `log.md` section 3.
#[async_trait]
pub trait LogApi: Send + Sync {
    /// Submits a leaf, with a submit token where the log wants one (section 3.5).
    ///
    /// # Errors
    /// [`ApiError::BadRequest`] for a bad token, [`ApiError::Forbidden`] for a signature that does
    /// not verify, [`ApiError::RateLimited`], [`ApiError::Unavailable`], [`ApiError::Internal`].
    async fn add_leaf(
        &self,
        request: &AddLeafRequest,
        token: Option<&SubmitToken>,
    ) -> Result<AddLeafStatus, ApiError>;

    /// The published tree head with its cosignatures (section 3.1).
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] while there is none, [`ApiError::Internal`].
    async fn get_tree_head(&self) -> Result<CosignedTreeHead, ApiError>;

    /// Proves a leaf's place in a tree of that size (section 3.2).
    ///
    /// # Errors
    /// [`ApiError::BadRequest`] for a size above the published one, [`ApiError::NotFound`] for a
    /// leaf that is not in that tree.
    async fn get_inclusion_proof(
        &self,
        request: GetInclusionProof,
    ) -> Result<InclusionProof, ApiError>;

    /// Proves that one tree is the start of another (section 3.3).
    ///
    /// # Errors
    /// [`ApiError::BadRequest`] for a size above the published one.
    async fn get_consistency_proof(
        &self,
        request: GetConsistencyProof,
    ) -> Result<ConsistencyProof, ApiError>;

    /// Leaves from the start of the range: at least one, perhaps fewer than asked for
    /// (section 3.4).
    ///
    /// # Errors
    /// [`ApiError::BadRequest`] for a range beyond the published tree.
    async fn get_leaves(&self, request: GetLeaves) -> Result<Vec<Leaf>, ApiError>;
}
