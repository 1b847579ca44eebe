//! The public endpoint: the five of `log.md`, `checkpoint` and tiles of `tlog-tiles`, a page.

use super::{TileCache, bad_request, failure, page, tiles};
use crate::api::{LogService, no_head};
use crate::engine::admission::{self, Refusal};
use crate::status::Board;
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::StatusCode;
use sigsum_api::{AddLeafStatus, ApiError, LogApi};
use sigsum_core::token::TOKEN_HEADER;
use sigsum_core::wire::log::{
    GetConsistencyProof, GetInclusionProof, GetLeaves, MAX_ADD_LEAF_BODY_BYTES, PathError,
    endpoint, leaves_body,
};
use sigsum_service::http::{
    BodyLimit, Prefix, empty, finish, get, post, read_body, redirect_to_slash, text, text_error,
};
use sigsum_service::metrics::{EndpointMetrics, HttpMetrics};
use std::future::Future;
use std::sync::Arc;

/// Path parameter that stands for everything behind an endpoint's slash.
pub(super) const REST: &str = "{*rest}";

/// What the handlers share.
pub(crate) struct External {
    pub(crate) log: LogService,
    /// Full tiles of the published tree.
    pub(crate) tiles: TileCache,
    pub(crate) prefix: Prefix,
    pub(crate) board: Arc<Board>,
    pub(crate) metrics: Metrics,
}

type Shared = Arc<External>;

/// By endpoint, under log-go's names.
pub(crate) struct Metrics {
    add_leaf: EndpointMetrics,
    tree_head: EndpointMetrics,
    inclusion: EndpointMetrics,
    consistency: EndpointMetrics,
    leaves: EndpointMetrics,
    checkpoint: EndpointMetrics,
    pub(super) tile: EndpointMetrics,
}

impl Metrics {
    pub(crate) fn new(http: &HttpMetrics) -> Self {
        Self {
            add_leaf: http.endpoint(endpoint::ADD_LEAF),
            tree_head: http.endpoint(endpoint::GET_TREE_HEAD),
            inclusion: http.endpoint(endpoint::GET_INCLUSION_PROOF),
            consistency: http.endpoint(endpoint::GET_CONSISTENCY_PROOF),
            leaves: http.endpoint(endpoint::GET_LEAVES),
            checkpoint: http.endpoint("checkpoint"),
            tile: http.endpoint("tile/"),
        }
    }
}

/// All public routes.
pub(crate) fn router(external: External) -> Router {
    let prefix = external.prefix.clone();
    let route = |name: &str| prefix.route(name);
    let mut router = Router::new()
        .route(&route(endpoint::ADD_LEAF), post(add_leaf))
        .route(&route(endpoint::GET_TREE_HEAD), get(get_tree_head))
        .route(&route("checkpoint"), get(get_checkpoint))
        .route(&route(&format!("tile/{REST}")), get(tiles::get_tile));
    let with_parameters = [
        (endpoint::GET_INCLUSION_PROOF, get(get_inclusion_proof), get(no_parameters)),
        (endpoint::GET_CONSISTENCY_PROOF, get(get_consistency_proof), get(no_parameters)),
        (endpoint::GET_LEAVES, get(get_leaves), get(no_parameters)),
    ];
    for (name, handler, without) in with_parameters {
        // The wildcard does not match the empty rest.
        router = router
            .route(&route(&format!("{name}{REST}")), handler)
            .route(&route(name), without)
            .route(route(name).trim_end_matches('/'), get(redirect_to_slash));
    }
    router = page::routes(router, &prefix);
    finish(router).with_state(Arc::new(external))
}

/// `(400) Bad Request`, as log-go says to anything but two parameters.
pub(super) fn wrong_parameters() -> Response {
    text_error(StatusCode::BAD_REQUEST, "Bad Request")
}

async fn no_parameters() -> Response {
    wrong_parameters()
}

async fn add_leaf(State(external): State<Shared>, request: Request) -> Response {
    let metrics = external.metrics.add_leaf.clone();
    metrics.measure(answer_add_leaf(external, request)).await
}

async fn answer_add_leaf(external: Shared, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = match read_body(body, BodyLimit::bytes(MAX_ADD_LEAF_BODY_BYTES)).await {
        Ok(body) => body,
        Err(error) => return axum::response::IntoResponse::into_response(error),
    };
    let header = head.headers.get(TOKEN_HEADER).map(http::HeaderValue::as_bytes);
    let submission = || -> Result<_, Refusal> {
        Ok((admission::read_body(&body)?, admission::read_token(header)?))
    };
    let (leaf, token) = match submission() {
        Ok(submission) => submission,
        Err(refusal) => return failure(&refusal.into()),
    };
    match external.log.add_leaf(&leaf, token.as_ref()).await {
        Ok(AddLeafStatus::Committed) => empty(),
        Ok(AddLeafStatus::Accepted) => text_error(StatusCode::ACCEPTED, "Accepted"),
        Err(error) => failure(&error),
    }
}

async fn get_tree_head(State(external): State<Shared>) -> Response {
    let answer = async || match external.log.served().head() {
        Some(head) => tiles::short_lived(text(head.body.clone())),
        None => failure(&no_head()),
    };
    external.metrics.tree_head.measure(answer()).await
}

async fn get_checkpoint(State(external): State<Shared>) -> Response {
    let answer = async || match external.log.served().head() {
        Some(head) => tiles::short_lived(text(head.checkpoint.clone())),
        None => failure(&no_head()),
    };
    external.metrics.checkpoint.measure(answer()).await
}

async fn get_inclusion_proof(State(external): State<Shared>, path: RestOfPath) -> Response {
    let answer =
        with(rest(path).and_then(|rest| GetInclusionProof::parse(&rest)), async |request| {
            Ok(external.log.get_inclusion_proof(request).await?.to_body().into())
        });
    external.metrics.inclusion.measure(answer).await
}

async fn get_consistency_proof(State(external): State<Shared>, path: RestOfPath) -> Response {
    let answer =
        with(rest(path).and_then(|rest| GetConsistencyProof::parse(&rest)), async |request| {
            Ok(external.log.get_consistency_proof(request).await?.to_body().into())
        });
    external.metrics.consistency.measure(answer).await
}

async fn get_leaves(State(external): State<Shared>, path: RestOfPath) -> Response {
    let answer = with(rest(path).and_then(|rest| GetLeaves::parse(&rest)), async |request| {
        Ok(leaves_body(&external.log.get_leaves(request).await?))
    });
    external.metrics.leaves.measure(answer).await
}

/// What follows an endpoint's slash, percent-decoded; an error where that is no UTF-8.
pub(super) type RestOfPath = Result<Path<String>, PathRejection>;

/// A path that cannot be decoded has wrong parameters like any other.
pub(super) fn rest(path: RestOfPath) -> Result<String, PathError> {
    path.map(|Path(rest)| rest).map_err(|_| PathError::Parameters)
}

/// Answers a request whose parameters were read.
pub(crate) async fn with<T, F: Future<Output = Result<Vec<u8>, ApiError>>>(
    parameters: Result<T, PathError>,
    answer: impl FnOnce(T) -> F,
) -> Response {
    let request = match parameters {
        Ok(request) => request,
        Err(PathError::Parameters) => return wrong_parameters(),
        Err(error) => return bad_request(&error),
    };
    match answer(request).await {
        Ok(body) => text(body),
        Err(error) => failure(&error),
    }
}
