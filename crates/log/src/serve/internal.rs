//! What followers read on the internal endpoint.

use super::external::with;
use crate::api::LogService;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use sigsum_api::ApiError;
use sigsum_core::wire::log::{GetLeaves, endpoint, leaves_body};
use sigsum_service::http::{Prefix, get, redirect_to_slash, text_error};

/// What followers read, under the prefix.
pub(crate) fn router(log: LogService, prefix: &Prefix) -> Router {
    let leaves = prefix.route(endpoint::GET_LEAVES);
    Router::new()
        .route(&format!("{leaves}{{*rest}}"), get(get_leaves))
        .route(&leaves, get(no_parameters))
        .route(leaves.trim_end_matches('/'), get(redirect_to_slash))
        .with_state(log)
}

async fn no_parameters() -> Response {
    text_error(StatusCode::BAD_REQUEST, "Bad Request")
}

/// Leaves of the committed tree, published or not. At its end 404, which a follower takes for
/// "come back later".
async fn get_leaves(State(log): State<LogService>, Path(rest): Path<String>) -> Response {
    with(GetLeaves::parse(&rest), async |request| match log.follower_leaves(request)? {
        Some(leaves) => Ok(leaves_body(&leaves)),
        None => Err(ApiError::NotFound("at end of tree".into())),
    })
    .await
}
