//! The prober against a log that forks, fails for a moment, or does not want to be probed.
#![allow(clippy::unwrap_used, reason = "a test that goes wrong may panic")]

use axum::Router;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use sigsum_client::probe::{ProbeSettings, ProbeStep, Prober, StepOutcome, probe_targets};
use sigsum_client::{HttpClient, HttpSettings};
use sigsum_core::leaf::leaf_signing_bytes;
use sigsum_core::merkle::{hash_children, hash_leaf};
use sigsum_core::policy::Policy;
use sigsum_core::wire::log::{AddLeafRequest, ConsistencyProof, tree_head_body};
use sigsum_core::{CosignedTreeHead, Hash, Message, SignedTreeHead, TreeHead, TreeSize};
use sigsum_keys::Ed25519Signer;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the log says next.
#[derive(Default)]
struct Says {
    head: String,
    consistency: Option<String>,
}

/// A log that says what it is told to, and refuses leaves for ever.
struct Log {
    signer: Ed25519Signer,
    says: Arc<Mutex<Says>>,
    prober: Prober,
}

impl Log {
    async fn start() -> Self {
        let says = Arc::<Mutex<Says>>::default();
        let answering = Arc::clone(&says);
        let router = Router::new()
            .fallback(any(move |uri: Uri| std::future::ready(answer(&answering, uri.path()))));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let signer = Ed25519Signer::generate().unwrap();
        let policy = format!("log {} {url}\nquorum none\n", signer.public_key());
        let policy = Arc::new(Policy::parse_sigsum(policy.as_bytes()).unwrap());
        let http = HttpClient::new(HttpSettings::new("test"));
        let target = probe_targets(&policy, &http, None, None).await.unwrap().remove(0);
        let limit = Duration::from_secs(60);
        let settings = ProbeSettings { timeout: limit, max_age: limit };
        Self { prober: Prober::new(policy, target, settings), signer, says }
    }

    fn serve(&self, size: u64, root_hash: Hash, consistency: Option<&[Hash]>) {
        let tree_head = TreeHead { size: TreeSize(size), root_hash };
        let log = self.signer.public_key().key_hash();
        let signature = self.signer.sign_now(&tree_head.sigsum_signing_bytes(&log));
        let head = CosignedTreeHead::new(SignedTreeHead { tree_head, signature });
        let proof = |path: &[Hash]| ConsistencyProof { path: path.to_vec() }.to_body();
        let mut says = self.says.lock().unwrap();
        *says = Says { head: tree_head_body(&head), consistency: consistency.map(proof) };
    }

    /// How the steps of this kind ended.
    async fn look(&mut self, step: ProbeStep, leaf: Option<&AddLeafRequest>) -> Vec<StepOutcome> {
        let report = self.prober.probe(leaf, &|| 1_750_000_000).await;
        report.steps.into_iter().filter(|it| it.step == step).map(|it| it.outcome).collect()
    }
}

fn answer(says: &Mutex<Says>, path: &str) -> Response {
    let says = says.lock().unwrap_or_else(PoisonError::into_inner);
    if path == "/get-tree-head" {
        return says.head.clone().into_response();
    }
    if path.starts_with("/get-consistency-proof/") {
        let proof = says.consistency.clone();
        return proof.map_or_else(
            || StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            |it| it.into_response(),
        );
    }
    if path == "/add-leaf" {
        let ever = [(header::RETRY_AFTER, u32::MAX.to_string())];
        return (StatusCode::TOO_MANY_REQUESTS, ever, "no\n").into_response();
    }
    StatusCode::NOT_FOUND.into_response()
}

fn is_failed(outcomes: &[StepOutcome], text: &str) -> bool {
    matches!(outcomes, [StepOutcome::Failed(why)] if why.contains(text))
}

fn leaf(number: u8) -> Hash {
    hash_leaf(&[number])
}

#[tokio::test]
async fn a_fork_is_reported_by_every_look_and_not_taken_for_the_log() {
    let mut log = Log::start().await;
    let (ours, forked) = (hash_children(&leaf(0), &leaf(1)), hash_children(&leaf(0), &leaf(9)));
    log.serve(2, ours, None);
    assert_eq!(log.look(ProbeStep::Consistency, None).await, []);
    log.serve(2, forked, None);
    for look in 0..3 {
        let outcomes = log.look(ProbeStep::Consistency, None).await;
        assert!(is_failed(&outcomes, "two trees of 2 leaves"), "{look}: {outcomes:?}");
    }
    // Nor when it grows, with proofs of its own.
    log.serve(3, hash_children(&forked, &leaf(2)), Some(&[leaf(2)]));
    for look in 0..2 {
        let outcomes = log.look(ProbeStep::Consistency, None).await;
        assert!(is_failed(&outcomes, "the tree was changed"), "{look}: {outcomes:?}");
    }
    log.serve(3, hash_children(&ours, &leaf(2)), Some(&[leaf(2)]));
    assert_eq!(log.look(ProbeStep::Consistency, None).await, [StepOutcome::Good]);
}

#[tokio::test]
async fn a_proof_that_could_not_be_had_is_asked_for_again() {
    let mut log = Log::start().await;
    let two = hash_children(&leaf(0), &leaf(1));
    log.serve(2, two, None);
    log.look(ProbeStep::Consistency, None).await;
    let other = hash_children(&hash_children(&leaf(0), &leaf(9)), &leaf(2));
    log.serve(3, other, None);
    assert!(is_failed(&log.look(ProbeStep::Consistency, None).await, ""), "status 500");
    log.serve(3, other, Some(&[leaf(2)]));
    let outcomes = log.look(ProbeStep::Consistency, None).await;
    assert!(is_failed(&outcomes, "the tree was changed"), "{outcomes:?}");
    log.serve(3, hash_children(&two, &leaf(2)), Some(&[leaf(2)]));
    assert_eq!(log.look(ProbeStep::Consistency, None).await, [StepOutcome::Good]);
}

#[tokio::test]
async fn a_log_cannot_end_its_own_probing() {
    let mut log = Log::start().await;
    log.serve(1, leaf(0), None);
    let message = Message::of_data(b"x");
    let signature = log.signer.sign_now(&leaf_signing_bytes(&message.checksum()));
    let public_key = log.signer.public_key();
    let request = AddLeafRequest { message, signature, public_key };
    let outcomes = log.look(ProbeStep::AddLeaf, Some(&request)).await;
    let [StepOutcome::Skipped(why)] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert!(why.ends_with("left alone for 86400 s"), "{why}");
    // What it serves is judged all the same.
    let outcomes = log.look(ProbeStep::Quorum, Some(&request)).await;
    assert_eq!(outcomes, [StepOutcome::Good]);
}
