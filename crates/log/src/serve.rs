//! The log over HTTP: the public endpoint and the internal one.

mod external;
mod html;
mod page;
mod replica;
mod status;
mod tile_cache;
mod tiles;

pub(crate) use external::{External, Metrics as EndpointsMetrics, router as external_router, with};
pub(crate) use replica::{Replica, Waiting, routes as replica_routes, waits};
pub(crate) use status::{json, routes as status_router};
pub(crate) use tile_cache::TileCache;

use axum::response::Response;
use http::StatusCode;
use sigsum_api::ApiError;
use sigsum_service::http::{internal_error, text_error, with_retry_after};

/// The answer to a request that failed, and a line for the operator where it is not the client's
/// doing.
fn failure(error: &ApiError) -> Response {
    if let ApiError::Internal(_) = error {
        tracing::error!("{error}");
        return internal_error();
    }
    tracing::debug!("{error}");
    let status = StatusCode::from_u16(error.status().code());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let response = text_error(status, error.public_message());
    match error.retry_after_s() {
        Some(seconds) => with_retry_after(response, seconds),
        None => response,
    }
}

/// 400 for parameters or a body that cannot be read.
fn bad_request(problem: &impl std::fmt::Display) -> Response {
    text_error(StatusCode::BAD_REQUEST, &problem.to_string())
}
