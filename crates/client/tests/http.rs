//! The HTTP adapters against servers that answer well, badly, slowly or not at all.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that goes wrong may panic, and one that is skipped says so"
)]

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{any, get, post};
use sigsum_api::{AddCheckpointError, AddLeafStatus, ApiError, LogApi as _, WitnessApi as _};
use sigsum_client::{BaseUrl, HttpClient, HttpLog, HttpSettings, HttpWitness, MAX_REDIRECTS};
use sigsum_core::checkpoint::SignedCheckpoint;
use sigsum_core::token::SubmitToken;
use sigsum_core::wire::log::{
    AddLeafRequest, GetConsistencyProof, GetInclusionProof, GetLeaves, MAX_TREE_HEAD_BODY_BYTES,
};
use sigsum_core::wire::witness::AddCheckpointRequest;
use sigsum_core::{
    Hash, LeafIndex, Message, PublicKey, Signature, SignedTreeHead, TreeHead, TreeSize,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

fn client() -> HttpClient {
    HttpClient::new(HttpSettings::new("test"))
}

fn log_at(url: &str) -> HttpLog {
    HttpLog::new(&client(), &BaseUrl::parse(url).unwrap()).unwrap()
}

fn witness_at(url: &str) -> HttpWitness {
    HttpWitness::new(&client(), &BaseUrl::parse(url).unwrap()).unwrap()
}

/// Serves a router on a free port; gives its URL.
async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}")
}

/// Sends these bytes to whoever connects, after the request's first bytes, and hangs up.
async fn serve_bytes(bytes: impl Into<Vec<u8>>) -> String {
    let bytes = bytes.into();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(&bytes).await;
        }
    });
    format!("http://{address}")
}

/// Serves the same answer for everything.
async fn serve_all(answer: impl IntoResponse + Clone + Send + Sync + 'static) -> String {
    serve(Router::new().fallback(any(move || std::future::ready(answer.clone())))).await
}

fn leaf_request() -> AddLeafRequest {
    AddLeafRequest {
        message: Message::new([1; 32]),
        signature: Signature::new([2; 64]),
        public_key: PublicKey::new([3; 32]),
    }
}

fn checkpoint_request() -> AddCheckpointRequest {
    let signed = SignedTreeHead {
        tree_head: TreeHead { size: TreeSize(2), root_hash: Hash::new([4; 32]) },
        signature: Signature::new([5; 64]),
    };
    let checkpoint = SignedCheckpoint::from_sigsum(&signed, &PublicKey::new([6; 32]));
    AddCheckpointRequest { old_size: TreeSize(1), proof: vec![Hash::new([7; 32])], checkpoint }
}

const HEAD: &str = "size=2\n\
    root_hash=0404040404040404040404040404040404040404040404040404040404040404\n\
    signature=05050505050505050505050505050505050505050505050505050505050505050505050505050505\
              050505050505050505050505050505050505050505050505\n";

fn head() -> String {
    HEAD.replace(' ', "")
}

#[tokio::test]
async fn requests_are_those_of_the_protocol_wherever_the_base_url_ends() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let recorder = Arc::clone(&seen);
    let record = move |method: axum::http::Method, uri: Uri| {
        recorder.lock().unwrap().push(format!("{method} {uri}"));
        std::future::ready(StatusCode::NOT_FOUND)
    };
    let url = serve(Router::new().fallback(any(record))).await;
    let hash = "09".repeat(32);
    for (suffix, prefix) in [("", ""), ("/", ""), ("/a/b", "/a/b"), ("/a/b/", "/a/b")] {
        let log = log_at(&format!("{url}{suffix}"));
        let leaf_hash = Hash::new([9; 32]);
        let _ = log.add_leaf(&leaf_request(), None).await;
        let _ = log.get_tree_head().await;
        let _ = log.get_inclusion_proof(GetInclusionProof { size: TreeSize(2), leaf_hash }).await;
        let (old_size, new_size) = (TreeSize(1), TreeSize(2));
        let _ = log.get_consistency_proof(GetConsistencyProof { old_size, new_size }).await;
        let _ = log.get_leaves(GetLeaves { start: LeafIndex(0), end: LeafIndex(2) }).await;
        let witness = witness_at(&format!("{url}{suffix}"));
        let _ = witness.add_checkpoint(&checkpoint_request()).await;
        let expected = [
            format!("POST {prefix}/add-leaf"),
            format!("GET {prefix}/get-tree-head"),
            format!("GET {prefix}/get-inclusion-proof/2/{hash}"),
            format!("GET {prefix}/get-consistency-proof/1/2"),
            format!("GET {prefix}/get-leaves/0/2"),
            format!("POST {prefix}/add-checkpoint"),
        ];
        assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), expected, "{suffix}");
    }
}

#[tokio::test]
async fn add_leaf_sends_body_token_and_user_agent() {
    let handler = |headers: HeaderMap, body: Bytes| async move {
        let header = |name: &str| headers.get(name).map(|v| v.to_str().unwrap().to_owned());
        assert_eq!(AddLeafRequest::parse(&body).unwrap(), leaf_request());
        assert_eq!(
            header("user-agent").unwrap(),
            concat!("sigsum/", env!("CARGO_PKG_VERSION"), " test")
        );
        match header("sigsum-token") {
            Some(token) => {
                assert_eq!(token, format!("example.org {}", "08".repeat(64)));
                StatusCode::OK
            }
            None => StatusCode::ACCEPTED,
        }
    };
    let log = log_at(&serve(Router::new().route("/add-leaf", post(handler))).await);
    let token =
        SubmitToken { domain: "example.org".to_owned(), signature: Signature::new([8; 64]) };
    assert_eq!(log.add_leaf(&leaf_request(), Some(&token)).await, Ok(AddLeafStatus::Committed));
    assert_eq!(log.add_leaf(&leaf_request(), None).await, Ok(AddLeafStatus::Accepted));
}

#[tokio::test]
async fn well_formed_answers_are_read() {
    let node = "03".repeat(32);
    let leaf = format!("leaf={} {} {}\n", "01".repeat(32), "02".repeat(64), "03".repeat(32));
    let router = Router::new()
        .route("/get-tree-head", get(|| async { head() }))
        .route(
            "/get-inclusion-proof/{size}/{hash}",
            get(|| async move { format!("leaf_index=1\nnode_hash={}\n", "03".repeat(32)) }),
        )
        .route(
            "/get-consistency-proof/{old}/{new}",
            get(move || async move { format!("node_hash={node}\n") }),
        )
        .route("/get-leaves/{start}/{end}", get(move || async move { leaf }));
    let log = log_at(&serve(router).await);
    assert_eq!(log.get_tree_head().await.unwrap().signed.tree_head.size, TreeSize(2));
    let leaf_hash = Hash::new([9; 32]);
    let inclusion = GetInclusionProof { size: TreeSize(2), leaf_hash };
    assert_eq!(log.get_inclusion_proof(inclusion).await.unwrap().leaf_index, LeafIndex(1));
    let consistency = GetConsistencyProof { old_size: TreeSize(1), new_size: TreeSize(2) };
    assert_eq!(log.get_consistency_proof(consistency).await.unwrap().path, [Hash::new([3; 32])]);
    let leaves = GetLeaves { start: LeafIndex(0), end: LeafIndex(2) };
    assert_eq!(log.get_leaves(leaves).await.unwrap().len(), 1);
}

#[tokio::test]
async fn proofs_that_need_no_log_are_not_asked_for() {
    let log = log_at("http://127.0.0.1:1");
    let leaf_hash = Hash::new([9; 32]);
    let proof =
        |size| log.get_inclusion_proof(GetInclusionProof { size: TreeSize(size), leaf_hash });
    assert!(proof(1).await.unwrap().path.is_empty());
    assert!(matches!(proof(0).await, Err(ApiError::NotFound(_))));
    for (old, new) in [(0, 7), (7, 7)] {
        let request = GetConsistencyProof { old_size: TreeSize(old), new_size: TreeSize(new) };
        assert!(log.get_consistency_proof(request).await.unwrap().path.is_empty());
    }
    let empty = log.get_leaves(GetLeaves { start: LeafIndex(2), end: LeafIndex(2) }).await;
    assert!(matches!(empty, Err(ApiError::BadRequest(_))));
}

async fn log_error(answer: impl IntoResponse + Clone + Send + Sync + 'static) -> ApiError {
    let log = log_at(&serve_all(answer).await);
    let error = log.get_tree_head().await.unwrap_err();
    assert_eq!(log.add_leaf(&leaf_request(), None).await, Err(error.clone()));
    error
}

#[tokio::test]
async fn each_status_of_a_log_has_its_error() {
    let status = |code: u16, body: &'static str| (StatusCode::from_u16(code).unwrap(), body);
    let text = || "reason".to_owned();
    assert_eq!(log_error(status(400, "(400) reason\n")).await, ApiError::BadRequest(text()));
    assert_eq!(log_error(status(403, "(403) reason\n")).await, ApiError::Forbidden(text()));
    assert_eq!(
        log_error(status(404, "404 page not found\n")).await,
        ApiError::NotFound("404 page not found".to_owned())
    );
    assert_eq!(log_error(status(500, "reason\n")).await, ApiError::Internal(text()));
    for code in [201, 204, 304, 401, 405, 409, 418, 502] {
        let body = if matches!(code, 204 | 304) { "" } else { "reason" };
        let expected = ApiError::Peer { status: code, detail: body.to_owned() };
        assert_eq!(log_error(status(code, body)).await, expected, "{code}");
    }
}

#[tokio::test]
async fn rate_limits_and_unavailability_say_when_to_come_back() {
    let limited =
        |after| (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, after)], "(429) x");
    let expected = |retry_after_s| ApiError::RateLimited { retry_after_s, detail: "x".to_owned() };
    assert_eq!(log_error(limited("17")).await, expected(Some(17)));
    assert_eq!(log_error(limited("never")).await, expected(None));
    assert_eq!(log_error((StatusCode::TOO_MANY_REQUESTS, "(429) x")).await, expected(None));
    let unavailable = (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "3")], "x");
    let expected = ApiError::Unavailable { retry_after_s: Some(3), detail: "x".to_owned() };
    assert_eq!(log_error(unavailable).await, expected);
}

#[tokio::test]
async fn a_success_with_the_wrong_body_is_the_peers_fault() {
    for body in ["", "<html>", "size=2\n", "(202) Accepted\n"] {
        let error = log_at(&serve_all(body).await).get_tree_head().await.unwrap_err();
        assert!(matches!(error, ApiError::Peer { status: 200, .. }), "{body}: {error}");
    }
    // As from the login page of some network.
    let error = log_at(&serve_all("<html>").await).add_leaf(&leaf_request(), None).await;
    assert_eq!(error, Err(ApiError::Peer { status: 200, detail: "<html>".to_owned() }));
    let two_leaves = format!("leaf={} {} {}\n", "01".repeat(32), "02".repeat(64), "03".repeat(32));
    let log = log_at(&serve_all(two_leaves.repeat(2)).await);
    let one = log.get_leaves(GetLeaves { start: LeafIndex(0), end: LeafIndex(1) }).await;
    assert!(matches!(one, Err(ApiError::Peer { status: 200, .. })), "more leaves than asked for");
}

#[tokio::test]
async fn bodies_above_the_limit_are_not_read_to_their_end() {
    let large = "x".repeat(MAX_TREE_HEAD_BODY_BYTES + 1);
    let is_too_long = |error: &ApiError| matches!(error, ApiError::Peer { status: 200, detail } if detail.contains("longer than"));
    let error = log_at(&serve_all(large).await).get_tree_head().await.unwrap_err();
    assert!(is_too_long(&error), "{error}");
    // Without a length, and without an end.
    let endless = "HTTP/1.1 200 OK\r\n\r\n".to_owned() + &"x".repeat(MAX_TREE_HEAD_BODY_BYTES * 2);
    let error = log_at(&serve_bytes(endless).await).get_tree_head().await.unwrap_err();
    assert!(is_too_long(&error), "{error}");
    // A length that nobody could hold is refused by the header alone.
    let huge = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", u64::MAX / 2);
    let error = log_at(&serve_bytes(huge).await).get_tree_head().await.unwrap_err();
    assert!(is_too_long(&error), "{error}");
}

#[tokio::test]
async fn long_error_pages_are_cut() {
    let page = (StatusCode::BAD_REQUEST, "y".repeat(1 << 20));
    let error = log_at(&serve_all(page).await).get_tree_head().await.unwrap_err();
    assert_eq!(error, ApiError::BadRequest("y".repeat(200) + "..."));
}

fn transport(error: &ApiError) -> &str {
    match error {
        ApiError::Transport(text) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn truncated_and_garbled_answers_are_transport_errors() {
    let truncated = format!("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{}", head());
    for bytes in [truncated.as_str(), "HTTP/1.1 200 OK\r\ncontent-le", "rubbish\r\n\r\n", ""] {
        let url = serve_bytes(bytes).await;
        let error = log_at(&url).get_tree_head().await.unwrap_err();
        let text = transport(&error);
        assert!(text.starts_with(&format!("GET {url}/get-tree-head: ")), "{bytes:?}: {text}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = log_at(&format!("http://{address}")).get_tree_head().await.unwrap_err();
    let text = transport(&error);
    assert!(text.starts_with(&format!("GET http://{address}/get-tree-head: ")), "{text}");
    assert!(text.to_lowercase().contains("connection refused"), "{text}");
}

#[tokio::test]
async fn slow_servers_are_given_up() {
    let mut settings = HttpSettings::new("test");
    settings.request_timeout = Duration::from_millis(50);
    let client = HttpClient::new(settings);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = BaseUrl::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let log = HttpLog::new(&client, &base).unwrap();
    // One that says nothing, and one that starts well and never ends.
    for start in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nsize"] {
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(start.as_bytes()).await;
            std::future::pending::<()>().await;
        };
        let error = tokio::select! {
            answer = log.get_tree_head() => answer.unwrap_err(),
            () = server => unreachable!("the server never ends"),
        };
        assert!(transport(&error).ends_with("no answer within 0.05 s"), "{error}");
    }
}

fn redirects(status: fn(&str) -> Redirect) -> Router {
    // /N redirects to /N-1; /0 has the head.
    let step = move |uri: Uri| async move {
        let mut parts = uri.path().trim_start_matches('/').splitn(2, '/');
        let (left, rest) = (parts.next().unwrap(), parts.next().unwrap());
        match left.parse::<usize>().unwrap() {
            0 if rest == "add-leaf" => StatusCode::OK.into_response(),
            0 => head().into_response(),
            n => status(&format!("/{}/{rest}", n - 1)).into_response(),
        }
    };
    Router::new().fallback(any(step))
}

#[tokio::test]
async fn redirects_are_followed_up_to_a_limit() {
    let url = serve(redirects(Redirect::temporary)).await;
    let at = |n: usize| log_at(&format!("{url}/{n}"));
    assert!(at(MAX_REDIRECTS).get_tree_head().await.is_ok());
    assert!(at(MAX_REDIRECTS).add_leaf(&leaf_request(), None).await.is_ok(), "307 keeps the body");
    let error = at(MAX_REDIRECTS + 1).get_tree_head().await.unwrap_err();
    assert!(transport(&error).ends_with("too many redirects"), "{error}");
}

async fn witness_error(
    answer: impl IntoResponse + Clone + Send + Sync + 'static,
) -> AddCheckpointError {
    witness_at(&serve_all(answer).await).add_checkpoint(&checkpoint_request()).await.unwrap_err()
}

#[tokio::test]
async fn each_status_of_a_witness_has_its_error() {
    use AddCheckpointError as E;
    let status = |code: u16| (StatusCode::from_u16(code).unwrap(), format!("({code}) reason\n"));
    let text = || "reason".to_owned();
    assert_eq!(witness_error(status(400)).await, E::BadRequest(text()));
    assert_eq!(witness_error(status(403)).await, E::Forbidden(text()));
    assert_eq!(witness_error(status(404)).await, E::UnknownOrigin);
    assert_eq!(witness_error(status(422)).await, E::Unprocessable(text()));
    let limited = E::RateLimited { retry_after_s: None, detail: text() };
    assert_eq!(witness_error(status(429)).await, limited);
    assert_eq!(witness_error(status(500)).await, E::Internal(text()));
    let unavailable = E::Unavailable { retry_after_s: None, detail: text() };
    assert_eq!(witness_error(status(503)).await, unavailable);
    assert_eq!(witness_error(status(502)).await, E::Peer { status: 502, detail: text() });
    let error = witness_at("http://127.0.0.1:1").add_checkpoint(&checkpoint_request()).await;
    assert!(matches!(error, Err(E::Transport(_))), "{error:?}");
}

#[tokio::test]
async fn a_conflict_is_known_by_its_body_whatever_its_type() {
    let conflict = |content_type: &'static str, body: &'static str| -> _ {
        (StatusCode::CONFLICT, [(header::CONTENT_TYPE, content_type)], body)
    };
    let expected = AddCheckpointError::Conflict { size: TreeSize(17) };
    for content_type in ["text/x.tlog.size", "text/x.tlog.size; charset=utf-8", "text/plain"] {
        assert_eq!(witness_error(conflict(content_type, "17\n")).await, expected);
    }
    for body in ["", "17", "+17\n", "017\n", "17\n\n", "17\r\n", "<html>"] {
        let error = witness_error(conflict("text/x.tlog.size", body)).await;
        assert!(matches!(error, AddCheckpointError::Peer { status: 409, .. }), "{body:?}: {error}");
    }
}

#[tokio::test]
async fn cosignatures_are_read_and_malformed_ones_refused() {
    use base64_line as line;
    let witness = witness_at(&serve_all(line()).await);
    let lines = witness.add_checkpoint(&checkpoint_request()).await.unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].to_string() + "\n", line());
    for body in [String::new(), line() + "x", line().replace('\u{2014}', "-"), "<html>".to_owned()]
    {
        let error = witness_error(body.clone()).await;
        assert!(matches!(error, AddCheckpointError::Peer { status: 200, .. }), "{body:?}: {error}");
    }
    let error = witness_error(line().repeat(100_000)).await;
    assert!(matches!(error, AddCheckpointError::Peer { status: 200, .. }), "{error}");
}

fn base64_line() -> String {
    format!("\u{2014} w.example {}\n", sigsum_core::bytes::to_base64(&[7; 76]))
}

/// Set for the process that [`proxy_variables_count_but_not_for_loopback`] starts; the URL of a
/// log on loopback.
const CHILD_VARIABLE: &str = "SIGSUM_TEST_PROXY_CHILD";

/// The variables are read by the process that has them, so the test starts itself once more.
#[tokio::test]
async fn proxy_variables_count_but_not_for_loopback() {
    if let Ok(direct) = std::env::var(CHILD_VARIABLE) {
        assert!(log_at("http://log.invalid").get_tree_head().await.is_ok(), "through the proxy");
        let error = log_at(&direct).get_tree_head().await;
        assert_eq!(error, Err(ApiError::Forbidden("direct".to_owned())));
        return;
    }
    let proxy = serve(Router::new().fallback(any(|uri: Uri| async move {
        assert_eq!(uri.to_string(), "http://log.invalid/get-tree-head");
        head()
    })))
    .await;
    let direct = serve_all((StatusCode::FORBIDDEN, "direct")).await;
    let output = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "proxy_variables_count_but_not_for_loopback"])
        .env(CHILD_VARIABLE, direct)
        .env("HTTP_PROXY", &proxy)
        .env("http_proxy", &proxy)
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}
