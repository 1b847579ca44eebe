//! HTTP for a witness: add-checkpoint, the read API, a page for people.

mod page;

use crate::witness::Witness;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use sigsum_api::{AddCheckpointError, WitnessApi};
use sigsum_core::wire::witness::{
    AddCheckpointRequest, CONFLICT_CONTENT_TYPE, MAX_ADD_CHECKPOINT_BODY_BYTES, conflict_body,
    endpoint, signature_lines_body,
};
use sigsum_service::http::{self as answer, BodyLimit, Prefix};
use sigsum_service::metrics::{EndpointMetrics, HttpMetrics};
use std::sync::Arc;

/// What the handlers share.
#[derive(Debug, Clone)]
struct Shared {
    witness: Arc<Witness>,
    add_checkpoint: EndpointMetrics,
    checkpoint: EndpointMetrics,
}

/// The endpoints of a witness under a prefix. Submission and monitoring prefix are the same.
pub(crate) fn router(witness: Arc<Witness>, prefix: &Prefix, metrics: &HttpMetrics) -> Router {
    let shared = Shared {
        witness,
        add_checkpoint: metrics.endpoint(endpoint::ADD_CHECKPOINT),
        checkpoint: metrics.endpoint("checkpoint"),
    };
    let routes = Router::new()
        .route(&prefix.route(endpoint::ADD_CHECKPOINT), answer::post(add_checkpoint))
        .route(&prefix.route("{origin_hash}/checkpoint"), answer::get(checkpoint))
        .route(&prefix.route(""), answer::get(show_page))
        .with_state(shared);
    answer::finish(routes)
}

async fn add_checkpoint(State(shared): State<Shared>, body: Body) -> Response {
    let answer = answer_add_checkpoint(shared.witness.as_ref(), body);
    shared.add_checkpoint.measure(answer).await
}

/// Reads, asks, answers.
pub(crate) async fn answer_add_checkpoint(witness: &dyn WitnessApi, body: Body) -> Response {
    let limit = BodyLimit::bytes(MAX_ADD_CHECKPOINT_BODY_BYTES);
    let body = match answer::read_body(body, limit).await {
        Ok(body) => body,
        Err(error) => return error.into_response(),
    };
    let request = match AddCheckpointRequest::parse(&body) {
        Ok(request) => request,
        Err(error) => return answer::text_error(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    match witness.add_checkpoint(&request).await {
        Ok(lines) => answer::text(signature_lines_body(&lines)),
        Err(error) => failure(&error),
    }
}

fn failure(error: &AddCheckpointError) -> Response {
    let status = StatusCode::from_u16(error.status().code());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match error {
        AddCheckpointError::Conflict { size } => {
            let mut response = answer::text(conflict_body(*size));
            *response.status_mut() = status;
            answer::with_content_type(response, CONFLICT_CONTENT_TYPE)
        }
        AddCheckpointError::Internal(_) => answer::internal_error(),
        _ => {
            let response = answer::text_error(status, error.public_message());
            match error.retry_after_s() {
                Some(seconds) => answer::with_retry_after(response, seconds),
                None => response,
            }
        }
    }
}

async fn checkpoint(State(shared): State<Shared>, Path(origin_hash): Path<String>) -> Response {
    shared.checkpoint.measure(async { newest(&shared.witness, &origin_hash) }).await
}

fn newest(witness: &Witness, origin_hash: &str) -> Response {
    let published = read_hash(origin_hash).and_then(|hash| witness.checkpoint(&hash));
    match published {
        Some(published) => answer::text(published.note.clone()),
        None => answer::text_error(StatusCode::NOT_FOUND, "no cosigned checkpoint of this log"),
    }
}

/// Lowercase hex of 32 bytes, as the specification has it.
fn read_hash(text: &str) -> Option<[u8; 32]> {
    let hash = sigsum_core::Hash::from_hex(text).ok()?;
    (hash.to_hex() == text).then_some(*hash.as_bytes())
}

async fn show_page(State(shared): State<Shared>) -> Response {
    page::render(&shared.witness)
}

#[cfg(test)]
mod tests;
