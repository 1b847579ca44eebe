//! What a follower serves: how much it holds, signed with its own key, and what the nodes of a log
//! read from each other. Nothing to the public, as log-go's secondary.

use super::held::Held;
use crate::serve::{Waiting, waits, with};
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use sigsum_api::ApiError;
use sigsum_core::wire::log::{endpoint, signed_tree_head_body};
use sigsum_core::{SignedTreeHead, TreeHead};
use sigsum_keys::Signer;
use sigsum_service::http::{Prefix, get};
use sigsum_service::metrics::EndpointMetrics;
use sigsum_service::shutdown::Shutdown;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// When to come back after a signer that did not answer.
const RETRY_AFTER_S: u64 = 1;

/// Signs what is held.
#[derive(Clone)]
pub(crate) struct Teller {
    pub(crate) held: Held,
    pub(crate) signer: Arc<dyn Signer>,
    /// Limit of one signature.
    pub(crate) timeout: Duration,
    pub(crate) metrics: EndpointMetrics,
    pub(crate) shutdown: Shutdown,
    /// The last signature, so that a slow signer is asked once for a tree.
    pub(crate) last: Arc<Mutex<Option<SignedTreeHead>>>,
}

/// The route, under the prefix.
pub(crate) fn routes(teller: Teller, prefix: &Prefix) -> Router {
    let route = prefix.route(endpoint::GET_SECONDARY_TREE_HEAD);
    Router::new().route(&route, get(get_secondary_tree_head)).with_state(teller)
}

async fn get_secondary_tree_head(
    State(teller): State<Teller>,
    RawQuery(query): RawQuery,
) -> Response {
    let answer = with(Waiting::parse(query.as_deref()), async |waiting| {
        waiting.keep_back(&teller.held.sizes(), &teller.shutdown).await;
        Ok(signed_tree_head_body(&teller.sign(teller.held.head()).await?).into_bytes())
    });
    waits(teller.metrics.measure(answer).await)
}

impl Teller {
    async fn sign(&self, tree_head: TreeHead) -> Result<SignedTreeHead, ApiError> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = last.filter(|last| last.tree_head == tree_head) {
            return Ok(last);
        }
        let bytes = tree_head.sigsum_signing_bytes(&self.signer.public_key().key_hash());
        let unavailable =
            |detail| ApiError::Unavailable { retry_after_s: Some(RETRY_AFTER_S), detail };
        let signature = tokio::time::timeout(self.timeout, self.signer.sign(&bytes)).await;
        let signature = signature.map_err(|_| unavailable("the signer does not answer".into()))?;
        let signature = signature.map_err(|error| unavailable(format!("signing: {error}")))?;
        let signed = SignedTreeHead { tree_head, signature };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(signed);
        Ok(signed)
    }
}
