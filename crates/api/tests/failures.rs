//! Each failure has its status, its public text and its Retry-After; nothing internal reaches
//! clients; the traits serve as objects.

use async_trait::async_trait;
use sigsum_api::{AddCheckpointError, AddLeafStatus, ApiError, ErrorStatus, LogApi, WitnessApi};
use sigsum_core::note::SignatureLine;
use sigsum_core::token::SubmitToken;
use sigsum_core::wire::log::{
    AddLeafRequest, ConsistencyProof, GetConsistencyProof, GetInclusionProof, GetLeaves,
    InclusionProof,
};
use sigsum_core::wire::witness::AddCheckpointRequest;
use sigsum_core::{CosignedTreeHead, Leaf, LeafIndex, TreeSize};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

const DETAIL: &str = "what happened";

fn detail() -> String {
    DETAIL.to_owned()
}

fn api_errors() -> Vec<(ApiError, u16, &'static str, Option<u64>)> {
    let later = Some(7);
    vec![
        (ApiError::BadRequest(detail()), 400, DETAIL, None),
        (ApiError::Forbidden(detail()), 403, DETAIL, None),
        (ApiError::NotFound(detail()), 404, DETAIL, None),
        (ApiError::RateLimited { retry_after_s: later, detail: detail() }, 429, DETAIL, later),
        (
            ApiError::Unavailable { retry_after_s: later, detail: detail() },
            503,
            "Service Unavailable",
            later,
        ),
        (ApiError::Internal(detail()), 500, "Internal Server Error", None),
        (ApiError::Transport(detail()), 502, "Bad Gateway", None),
        (ApiError::Peer { status: 418, detail: detail() }, 502, "Bad Gateway", None),
    ]
}

fn witness_errors() -> Vec<(AddCheckpointError, u16, &'static str, Option<u64>)> {
    use AddCheckpointError as E;
    let later = Some(7);
    vec![
        (E::BadRequest(detail()), 400, DETAIL, None),
        (E::UnknownOrigin, 404, "unknown log", None),
        (E::Forbidden(detail()), 403, DETAIL, None),
        (E::Conflict { size: TreeSize(5) }, 409, "Conflict", None),
        (E::Unprocessable(detail()), 422, DETAIL, None),
        (E::RateLimited { retry_after_s: later, detail: detail() }, 429, DETAIL, later),
        (
            E::Unavailable { retry_after_s: later, detail: detail() },
            503,
            "Service Unavailable",
            later,
        ),
        (E::Internal(detail()), 500, "Internal Server Error", None),
        (E::Transport(detail()), 502, "Bad Gateway", None),
        (E::Peer { status: 418, detail: detail() }, 502, "Bad Gateway", None),
    ]
}

#[test]
fn log_failures_have_their_statuses_and_public_texts() {
    for (error, status, public, retry_after_s) in api_errors() {
        assert_eq!(error.status().code(), status, "{error:?}");
        assert_eq!(error.public_message(), public, "{error:?}");
        assert_eq!(error.retry_after_s(), retry_after_s, "{error:?}");
        assert!(error.to_string().contains(DETAIL), "the operator reads all: {error}");
    }
}

#[test]
fn witness_failures_have_their_statuses_and_public_texts() {
    for (error, status, public, retry_after_s) in witness_errors() {
        assert_eq!(error.status().code(), status, "{error:?}");
        assert_eq!(error.public_message(), public, "{error:?}");
        assert_eq!(error.retry_after_s(), retry_after_s, "{error:?}");
    }
}

#[test]
fn no_failure_of_the_server_shows_its_detail_to_clients() {
    for (error, status, ..) in api_errors() {
        assert!(status < 500 || !error.public_message().contains(DETAIL), "{error:?}");
    }
    for (error, status, ..) in witness_errors() {
        assert!(status < 500 || !error.public_message().contains(DETAIL), "{error:?}");
    }
}

#[test]
fn every_status_says_failure() {
    let statuses = [
        (ErrorStatus::BadRequest, 400),
        (ErrorStatus::Forbidden, 403),
        (ErrorStatus::NotFound, 404),
        (ErrorStatus::Conflict, 409),
        (ErrorStatus::UnprocessableEntity, 422),
        (ErrorStatus::TooManyRequests, 429),
        (ErrorStatus::InternalServerError, 500),
        (ErrorStatus::BadGateway, 502),
        (ErrorStatus::ServiceUnavailable, 503),
    ];
    for (status, code) in statuses {
        assert_eq!(status.code(), code);
        assert!((400..600).contains(&code) && !status.reason().is_empty());
    }
    assert_eq!(AddLeafStatus::Committed.code(), 200);
    assert_eq!(AddLeafStatus::Accepted.code(), 202);
}

/// A peer that knows nothing: what a caller in the same process sees.
struct Empty;

#[async_trait]
impl LogApi for Empty {
    async fn add_leaf(
        &self,
        request: &AddLeafRequest,
        _token: Option<&SubmitToken>,
    ) -> Result<AddLeafStatus, ApiError> {
        let refused = || ApiError::Forbidden("invalid signature".to_owned());
        request.verify().then_some(AddLeafStatus::Accepted).ok_or_else(refused)
    }

    async fn get_tree_head(&self) -> Result<CosignedTreeHead, ApiError> {
        Err(ApiError::Unavailable { retry_after_s: None, detail: "no head yet".to_owned() })
    }

    async fn get_inclusion_proof(
        &self,
        request: GetInclusionProof,
    ) -> Result<InclusionProof, ApiError> {
        Err(ApiError::NotFound(format!("no leaf with hash {}", request.leaf_hash)))
    }

    async fn get_consistency_proof(
        &self,
        request: GetConsistencyProof,
    ) -> Result<ConsistencyProof, ApiError> {
        Err(ApiError::BadRequest(format!("no tree of size {}", request.new_size)))
    }

    async fn get_leaves(&self, request: GetLeaves) -> Result<Vec<Leaf>, ApiError> {
        Err(ApiError::BadRequest(format!("no leaf {}", request.start)))
    }
}

#[async_trait]
impl WitnessApi for Empty {
    async fn add_checkpoint(
        &self,
        request: &AddCheckpointRequest,
    ) -> Result<Vec<SignatureLine>, AddCheckpointError> {
        match request.old_size {
            TreeSize(0) => Err(AddCheckpointError::UnknownOrigin),
            _ => Err(AddCheckpointError::Conflict { size: TreeSize(0) }),
        }
    }
}

/// Runs a future that never waits.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future waits"),
    }
}

#[test]
fn log_is_called_in_the_same_process() {
    let log: Arc<dyn LogApi> = Arc::new(Empty);
    let request = GetLeaves { start: LeafIndex(3), end: LeafIndex(4) };
    let error = ready(log.get_leaves(request)).unwrap_err();
    assert_eq!(error, ApiError::BadRequest("no leaf 3".to_owned()));
    assert_eq!(ready(log.get_tree_head()).unwrap_err().status().code(), 503);
}

#[test]
fn witness_is_called_in_the_same_process() {
    let witness: Arc<dyn WitnessApi> = Arc::new(Empty);
    let checkpoint = "old 5\n\nexample.org/log\n7\n\
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\u{2014} example.org/log AAAAAAAA\n";
    let request = AddCheckpointRequest::parse(checkpoint.as_bytes()).unwrap();
    let error = ready(witness.add_checkpoint(&request)).unwrap_err();
    assert_eq!(error, AddCheckpointError::Conflict { size: TreeSize(0) });
}
