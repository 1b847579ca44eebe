//! A log behind HTTP (`log.md` section 3).

use crate::http::{Answer, BaseUrl, Endpoint, HttpClient, HttpSetupError};
use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderName;
use sigsum_api::{AddLeafStatus, ApiError, LogApi};
use sigsum_core::merkle::tile::Tile;
use sigsum_core::token::{SubmitToken, TOKEN_HEADER};
use sigsum_core::wire::log::{
    AddLeafRequest, ConsistencyProof, GetConsistencyProof, GetInclusionProof, GetLeaves,
    InclusionProof, MAX_CONSISTENCY_PROOF_BODY_BYTES, MAX_INCLUSION_PROOF_BODY_BYTES,
    MAX_TREE_HEAD_BODY_BYTES, endpoint, max_leaves_body_bytes, parse_leaves, parse_tree_head,
};
use sigsum_core::{CosignedTreeHead, Leaf, LeafIndex};

/// Most leaves that one request asks for. Logs give 512 to 4096 at once; this bounds an answer to
/// 4.3 MB.
pub const MAX_LEAVES_PER_REQUEST: u64 = 16_384;
/// Upper bound on the answer to add-leaf: success has no body, 202 has `(202) Accepted`.
const MAX_ADD_LEAF_ANSWER_BYTES: usize = 1024;

/// Upper bound on a tile: 256 entries of 128 bytes with a length of two each are 33 KB.
const MAX_TILE_BODY_BYTES: usize = 64 << 10;

/// A log at a URL.
#[derive(Debug, Clone)]
pub struct HttpLog {
    endpoint: Endpoint,
}

impl HttpLog {
    /// Names the log; does not connect yet.
    ///
    /// # Errors
    /// [`HttpSetupError`] where the client's settings or the system's root certificates are
    /// unusable.
    pub fn new(client: &HttpClient, base: &BaseUrl) -> Result<Self, HttpSetupError> {
        Ok(Self { endpoint: client.endpoint(base)? })
    }

    /// Where the log is.
    pub fn base(&self) -> &BaseUrl {
        self.endpoint.base()
    }

    /// The checkpoint of C2SP `tlog-tiles`; `None` where the log serves none.
    ///
    /// # Errors
    /// As those of [`LogApi`].
    pub async fn get_checkpoint(&self) -> Result<Option<Bytes>, ApiError> {
        self.get_optional("checkpoint", MAX_TREE_HEAD_BODY_BYTES).await
    }

    /// A tile or entry bundle of C2SP `tlog-tiles`; `None` where the log serves none.
    ///
    /// # Errors
    /// As those of [`LogApi`].
    pub async fn get_tile(&self, tile: &Tile) -> Result<Option<Bytes>, ApiError> {
        self.get_optional(&tile.path(), MAX_TILE_BODY_BYTES).await
    }

    async fn get_optional(&self, path: &str, limit: usize) -> Result<Option<Bytes>, ApiError> {
        match self.get(path, limit).await {
            Ok(answer) => Ok(Some(answer.body)),
            Err(ApiError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn get(&self, path: &str, max_bytes: usize) -> Result<Answer, ApiError> {
        let answer = self.endpoint.get(path, max_bytes).await?;
        if answer.status == 200 { Ok(answer) } else { Err(failure(&answer)) }
    }
}

/// The error for a status that is not 200.
pub(crate) fn failure(answer: &Answer) -> ApiError {
    let (detail, retry_after_s) = (answer.detail(), answer.retry_after_s);
    match answer.status {
        400 => ApiError::BadRequest(detail),
        403 => ApiError::Forbidden(detail),
        404 => ApiError::NotFound(detail),
        429 => ApiError::RateLimited { retry_after_s, detail },
        500 => ApiError::Internal(detail),
        503 => ApiError::Unavailable { retry_after_s, detail },
        status => ApiError::Peer { status, detail },
    }
}

#[async_trait]
impl LogApi for HttpLog {
    async fn add_leaf(
        &self,
        request: &AddLeafRequest,
        token: Option<&SubmitToken>,
    ) -> Result<AddLeafStatus, ApiError> {
        let header = token
            .map(|t| (HeaderName::from_bytes(TOKEN_HEADER.as_bytes()), t.to_header()))
            .and_then(|(name, value)| Some((name.ok()?, value)));
        let answer = self
            .endpoint
            .post(endpoint::ADD_LEAF, request.to_body(), header, MAX_ADD_LEAF_ANSWER_BYTES)
            .await?;
        match answer.status {
            // Some page of a proxy, rather than a log's answer, would have a body.
            200 if answer.body.is_empty() => Ok(AddLeafStatus::Committed),
            200 => Err(ApiError::Peer { status: 200, detail: answer.detail() }),
            202 => Ok(AddLeafStatus::Accepted),
            _ => Err(failure(&answer)),
        }
    }

    async fn get_tree_head(&self) -> Result<CosignedTreeHead, ApiError> {
        let answer = self.get(endpoint::GET_TREE_HEAD, MAX_TREE_HEAD_BODY_BYTES).await?;
        parse_tree_head(&answer.body).map_err(|e| answer.malformed(&e))
    }

    async fn get_inclusion_proof(
        &self,
        request: GetInclusionProof,
    ) -> Result<InclusionProof, ApiError> {
        match request.size.0 {
            0 => return Err(ApiError::NotFound("the tree is empty".to_owned())),
            // Nothing to prove: the leaf's hash is the root.
            1 => return Ok(InclusionProof { leaf_index: LeafIndex(0), path: Vec::new() }),
            _ => {}
        }
        let answer = self.get(&request.to_path(), MAX_INCLUSION_PROOF_BODY_BYTES).await?;
        InclusionProof::parse(&answer.body).map_err(|e| answer.malformed(&e))
    }

    async fn get_consistency_proof(
        &self,
        request: GetConsistencyProof,
    ) -> Result<ConsistencyProof, ApiError> {
        if request.old_size.0 == 0 || request.old_size == request.new_size {
            return Ok(ConsistencyProof { path: Vec::new() });
        }
        let answer = self.get(&request.to_path(), MAX_CONSISTENCY_PROOF_BODY_BYTES).await?;
        ConsistencyProof::parse(&answer.body).map_err(|e| answer.malformed(&e))
    }

    async fn get_leaves(&self, request: GetLeaves) -> Result<Vec<Leaf>, ApiError> {
        let leaves = request.end.0.saturating_sub(request.start.0).min(MAX_LEAVES_PER_REQUEST);
        let count = usize::try_from(leaves).unwrap_or(usize::MAX);
        if count == 0 {
            return Err(ApiError::BadRequest("the range of leaves is empty".to_owned()));
        }
        let end = LeafIndex(request.start.0.saturating_add(leaves));
        let path = GetLeaves { start: request.start, end }.to_path();
        let answer = self.get(&path, max_leaves_body_bytes(count)).await?;
        parse_leaves(&answer.body, count).map_err(|e| answer.malformed(&e))
    }
}
