//! The HTTP face: the status table of `tlog-witness`, row by row, and what else a client may meet.

use super::*;
use crate::testing::{TestLog, config, cosigner, data_dir, faulty, witness, witness_with};
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt as _;
use sigsum_core::TreeSize;
use sigsum_core::checkpoint::{Checkpoint, SignedCheckpoint};
use sigsum_core::{Hash, TreeHead};
use sigsum_service::metrics::Registry;
use tempfile::TempDir;
use tower::util::ServiceExt as _;

/// What a client reads.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().unwrap())
    }
}

struct Server {
    router: Router,
    log: TestLog,
    _dir: TempDir,
}

impl Server {
    /// A witness for one log, of which it has cosigned this size.
    async fn at(size: u64) -> Self {
        let (dir, log) = (data_dir(), TestLog::new(1));
        let witness = witness(&config(&dir, &[&log]));
        if size > 0 {
            witness.add_checkpoint(&log.request(0, size)).await.unwrap();
        }
        Self::of(witness, log, dir)
    }

    fn of(witness: Arc<Witness>, log: TestLog, dir: TempDir) -> Self {
        let metrics = HttpMetrics::register(&Registry::new(), "test").unwrap();
        let prefix = Prefix::parse("a/b").unwrap();
        Self { router: router(witness, &prefix, &metrics), log, _dir: dir }
    }

    async fn send(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::builder().method(method).uri(path).body(body.into()).unwrap();
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    async fn post(&self, request: &AddCheckpointRequest) -> Answer {
        self.post_body(request.to_body()).await
    }

    async fn post_body(&self, body: impl Into<Body>) -> Answer {
        self.send(Method::POST, "/a/b/add-checkpoint", body).await
    }
}

/// An error in the form of log-go's server.
fn is_text_error(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(answer.body.starts_with(&format!("({status}) ")), "{answer:?}");
    assert!(answer.body.ends_with('\n'));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn a_good_checkpoint_is_200_with_signature_lines() {
    let server = Server::at(5).await;
    let answer = server.post(&server.log.request(5, 9)).await;
    assert_eq!((answer.status, answer.body.lines().count()), (200, 1), "{answer:?}");
    assert!(
        answer.body.starts_with("\u{2014} sigsum.org/v1/witness/") && answer.body.ends_with("==\n")
    );
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
}

#[tokio::test]
async fn every_malformed_body_is_400() {
    let server = Server::at(0).await;
    let good = String::from_utf8(server.log.request(0, 2).to_body()).unwrap();
    let with_proof = String::from_utf8(server.log.request(1, 2).to_body()).unwrap();
    let hash = Hash::new([1; 32]).to_base64();
    let cases = [
        ("no bytes", String::new()),
        ("no old line", good.replacen("old 0\n", "", 1)),
        ("old line twice", good.replacen("old 0\n", "old 0\nold 0\n", 1)),
        ("old with a leading zero", good.replacen("old 0", "old 00", 1)),
        ("old with a sign", good.replacen("old 0", "old +0", 1)),
        ("old with two spaces", good.replacen("old 0", "old  0", 1)),
        ("old without a number", good.replacen("old 0", "old ", 1)),
        ("old of 2^63", good.replacen("old 0", "old 9223372036854775808", 1)),
        ("size with a leading zero", good.replacen("\n2\n", "\n02\n", 1)),
        ("size of 2^63", good.replacen("\n2\n", "\n9223372036854775808\n", 1)),
        ("carriage returns", good.replace('\n', "\r\n")),
        ("no final newline", good.trim_end().to_owned()),
        ("nothing behind the old line", "old 0\n".to_owned()),
        ("no empty line", good.replacen("\n\n", "\n", 1)),
        ("short proof hash", with_proof.replacen("\n\n", "AAAA\n\n", 1)),
        ("proof hash of 31 bytes", with_proof.replacen("old 1\n", "old 1\nAAAA\n", 1)),
        (
            "64 proof hashes",
            good.replacen("old 0\n", &format!("old 0\n{}", format!("{hash}\n").repeat(64)), 1),
        ),
        ("no signature line", good.split_inclusive('\n').take(6).collect()),
        ("signature line without a dash", good.replacen('\u{2014}', "-", 1)),
        ("trailing bytes", format!("{good}x")),
        ("root hash of another length", good.replacen("=\n\n\u{2014}", "\n\n\u{2014}", 1)),
        ("no origin", good.replacen(server.log.origin().as_str(), "", 1)),
    ];
    for (what, body) in cases {
        assert_ne!(body, good, "{what}");
        let answer = server.post_body(body).await;
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
        is_text_error(&answer, 400);
    }
    assert_eq!(server.post_body(good).await.status, 200);
}

#[tokio::test]
async fn bytes_that_are_not_utf8_are_400() {
    let server = Server::at(0).await;
    let mut body = server.log.request(0, 2).to_body();
    body.insert(8, 0xff);
    is_text_error(&server.post_body(body).await, 400);
}

#[tokio::test]
async fn a_body_above_the_limit_is_413() {
    let server = Server::at(0).await;
    let answer = server.post_body(vec![b'x'; MAX_ADD_CHECKPOINT_BODY_BYTES + 1]).await;
    assert_eq!(answer.status, 413, "{answer:?}");
}

#[tokio::test]
async fn an_unknown_origin_is_404() {
    let server = Server::at(5).await;
    is_text_error(&server.post(&TestLog::new(2).request(0, 1)).await, 404);
}

#[tokio::test]
async fn a_missing_trusted_signature_is_403() {
    let server = Server::at(5).await;
    let mut request = server.log.request(5, 9);
    request.checkpoint = TestLog::new(2).sign(request.checkpoint.checkpoint);
    is_text_error(&server.post(&request).await, 403);
}

#[tokio::test]
async fn a_bad_signature_of_a_trusted_key_is_403() {
    let server = Server::at(5).await;
    let mut request = server.log.request(5, 9);
    request.checkpoint.signatures[0].signature[0] ^= 1;
    is_text_error(&server.post(&request).await, 403);
}

#[tokio::test]
async fn an_old_size_above_the_new_one_is_400() {
    let server = Server::at(5).await;
    let mut request = server.log.request(5, 9);
    request.old_size = TreeSize(10);
    is_text_error(&server.post(&request).await, 400);
}

#[tokio::test]
async fn an_old_size_that_is_not_the_stored_one_is_409_with_the_stored_size() {
    let server = Server::at(5).await;
    for old in [0, 4, 6] {
        let answer = server.post(&server.log.request(old, 9)).await;
        assert_eq!((answer.status, answer.body.as_str()), (409, "5\n"));
        assert_eq!(answer.header("content-type"), Some("text/x.tlog.size"));
    }
}

#[tokio::test]
async fn a_proof_from_size_zero_is_422() {
    let server = Server::at(0).await;
    let mut request = server.log.request(2, 5);
    request.old_size = TreeSize(0);
    is_text_error(&server.post(&request).await, 422);
}

#[tokio::test]
async fn a_missing_proof_is_422() {
    let server = Server::at(5).await;
    let mut request = server.log.request(5, 9);
    request.proof.clear();
    is_text_error(&server.post(&request).await, 422);
}

#[tokio::test]
async fn a_wrong_proof_is_422() {
    let server = Server::at(5).await;
    is_text_error(&server.post(&server.log.fork(3).request(5, 9)).await, 422);
}

#[tokio::test]
async fn another_root_of_the_same_size_is_422() {
    let server = Server::at(5).await;
    is_text_error(&server.post(&server.log.fork(3).request(5, 5)).await, 422);
}

#[tokio::test]
async fn size_zero_with_a_wrong_root_is_422() {
    let server = Server::at(0).await;
    let mut request = server.log.request(0, 0);
    let head = TreeHead { size: TreeSize(0), root_hash: Hash::new([1; 32]) };
    request.checkpoint = server.log.sign(Checkpoint::new(server.log.origin(), head));
    is_text_error(&server.post(&request).await, 422);
}

#[tokio::test]
async fn a_store_failure_is_500_without_a_word_about_it() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let broken = faulty(|_, _, _| Err(crate::store::StoreError::Damaged("secret detail")));
    let witness = witness_with(&config(&dir, &[&log]), cosigner(), broken);
    let server = Server::of(witness, log, dir);
    let answer = server.post(&server.log.request(0, 5)).await;
    assert_eq!((answer.status, answer.body.as_str()), (500, "Internal Server Error\n"));
}

#[tokio::test]
async fn a_busy_witness_is_503_with_retry_after() {
    let (dir, log) = (data_dir(), TestLog::new(1));
    let witness = witness(&config(&dir, &[&log]));
    witness.close();
    let server = Server::of(witness, log, dir);
    let answer = server.post(&server.log.request(0, 5)).await;
    is_text_error(&answer, 503);
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn other_methods_than_post_are_405() {
    let server = Server::at(0).await;
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::HEAD] {
        let answer = server.send(method, "/a/b/add-checkpoint", "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{answer:?}");
    }
}

#[tokio::test]
async fn paths_outside_the_prefix_are_404() {
    let server = Server::at(0).await;
    for path in ["/add-checkpoint", "/a/b/add-checkpoint/", "/a/b/sign-subtree", "/"] {
        let answer = server.send(Method::POST, path, "").await;
        assert_eq!((answer.status, answer.body.as_str()), (404, "404 page not found\n"), "{path}");
    }
}

#[tokio::test]
async fn the_newest_cosigned_checkpoint_is_served_by_origin_hash() {
    let server = Server::at(5).await;
    let hash = Hash::new(server.log.origin().hash());
    let answer = server.send(Method::GET, &format!("/a/b/{hash}/checkpoint"), "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let note = SignedCheckpoint::parse(answer.body.as_bytes()).unwrap();
    assert_eq!(note.checkpoint.tree_head, server.log.head(5));
    assert_eq!(note.signatures.len(), 2);
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
}

#[tokio::test]
async fn a_checkpoint_that_was_never_cosigned_is_404() {
    let server = Server::at(0).await;
    let hash = Hash::new(server.log.origin().hash());
    let upper = hash.to_hex().to_uppercase();
    for segment in [hash.to_hex(), Hash::new([0; 32]).to_hex(), "x".to_owned(), upper] {
        let answer = server.send(Method::GET, &format!("/a/b/{segment}/checkpoint"), "").await;
        is_text_error(&answer, 404);
    }
}

#[tokio::test]
async fn an_origin_hash_in_upper_case_is_404() {
    let server = Server::at(5).await;
    let hash = Hash::new(server.log.origin().hash()).to_hex().to_uppercase();
    is_text_error(&server.send(Method::GET, &format!("/a/b/{hash}/checkpoint"), "").await, 404);
}

#[tokio::test]
async fn the_page_names_keys_logs_sizes_and_roots() {
    let server = Server::at(5).await;
    let answer = server.send(Method::GET, "/a/b/", "").await;
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    let root = server.log.head(5).root_hash.to_base64();
    let vkey = cosigner().vkey().to_string();
    for part in [vkey.as_str(), server.log.origin().as_str(), "<td>5</td>", &root] {
        assert!(answer.body.contains(part), "{part} in {}", answer.body);
    }
}
