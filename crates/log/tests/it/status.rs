//! What a log tells of itself: to its operator, and to everybody.

use super::support::*;
use async_trait::async_trait;
use sigsum_api::{AddCheckpointError, WitnessApi};
use sigsum_core::note::SignatureLine;
use sigsum_core::wire::witness::AddCheckpointRequest;
use sigsum_core::{PublicKey, Signature, TreeSize};
use sigsum_keys::{SignError, Signer};
use sigsum_log::engine::peer::Condition;
use sigsum_log::{NewSettings, Overview, WitnessPeer, Witnesses};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A log with these leaves, of whose two witnesses the second is as said.
async fn log_with(leaves: u64, mood: Mood) -> (Setup, TestLog) {
    let setup = Setup::new(2, 1);
    setup.witnesses[1].is(mood);
    let log = setup.start().await;
    log.submit(0..leaves).await;
    log.published(leaves).await;
    let settled = |s: &sigsum_log::Status| {
        s.heads.witnesses[1].condition != sigsum_log::engine::peer::Condition::Unknown
            && s.heads.witnesses[0].success_s.is_some()
    };
    assert!(log.handle.until(settled).await);
    (setup, log)
}

fn json(answer: &Answer) -> serde_json::Value {
    assert_eq!(answer.header("content-type"), Some("application/json"));
    serde_json::from_slice(&answer.body).expect("JSON")
}

#[tokio::test]
async fn the_status_tells_size_signer_quorum_and_each_witness() {
    let (_setup, log) = log_with(3, Mood::Unavailable).await;
    let status = json(&get(log.internal(), "/status.json").await);
    assert_eq!(status["head"]["size"], 3);
    assert_eq!(status["head"]["quorum"], true);
    assert!(status["head"]["newest_cosignature_s"].as_u64() >= Some(NOW_S));
    assert_eq!(status["committed_size"], 3);
    assert_eq!(status["signer"]["success_s"], NOW_S);
    assert_eq!(status["signer"]["problem"], serde_json::Value::Null);
    assert_eq!(status["quorum"]["missing"], false);
    assert_eq!(status["quorum"]["last_met_s"], NOW_S);
    let good = &status["witnesses"][0];
    assert_eq!([&good["name"], &good["url"], &good["state"]], ["w0", "witness-0.example", "good"]);
    assert_eq!(good["success_s"], NOW_S);
    assert_eq!(good["cosigned_served_s"], status["head"]["newest_cosignature_s"]);
    let failing = &status["witnesses"][1];
    assert_eq!(failing["state"], "failing");
    assert_eq!(failing["success_s"], serde_json::Value::Null);
    assert!(failing["problem"].as_str().expect("a text").contains("unavailable"), "{failing}");

    let page = get(log.internal(), "/status").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    for text in ["3 leaves", "witness-1.example", "unavailable", "One witness does not cosign"] {
        assert!(page.text().contains(text), "{text} in {}", page.text());
    }
}

#[tokio::test]
async fn a_witness_that_is_ahead_is_told_in_words() {
    let (setup, log) = log_with(2, Mood::Good).await;
    // Before the start guard has let the log go on, it would end.
    setup.witnesses[1].is(Mood::Ahead(77));
    log.submit(2..3).await;
    let size = TreeSize(77);
    let is_ahead =
        |s: &sigsum_log::Status| s.heads.witnesses[1].condition == Condition::Ahead { size };
    assert!(log.handle.until(is_ahead).await);
    let status: Overview = log.handle.overview();
    assert_eq!(status.witnesses[1].state, "ahead");
    let problem = status.witnesses[1].problem.clone().expect("told");
    assert!(problem.contains("size 77") && problem.contains("old copy"), "{problem}");
}

#[tokio::test]
async fn the_status_is_internal_only() {
    let (_setup, log) = log_with(2, Mood::Good).await;
    for path in ["/status", "/status.json"] {
        assert_eq!(log.get(path).await.status, 404, "{path}");
        let post = request(log.internal(), "POST", path, &[], b"x").await;
        assert_eq!(post.status, 405, "{path}");
    }
}

#[tokio::test]
async fn the_public_page_tells_the_head_the_witnesses_and_limits_and_no_addresses() {
    let (_setup, log) = log_with(2, Mood::Unavailable).await;
    let page = log.get("/").await;
    for text in [
        "<dt>Size</dt><dd>2 leaves</dd>",
        "<dt>Cosigned</dt><dd>in ",
        "<dt>Quorum</dt><dd>the tree head has it</dd>",
        "<dt>w0</dt><dd>cosigned in ",
        "<dt>w1</dt><dd>not this tree head</dd>",
        "at most 512 leaves in one answer",
    ] {
        assert!(page.text().contains(text), "{text} in {}", page.text());
    }
    for text in [".example", "127.0.0.1", "unavailable", "disk", "Disk"] {
        assert!(!page.text().contains(text), "{text} in {}", page.text());
    }
}

#[tokio::test]
async fn the_page_of_a_log_without_a_head_says_so() {
    let setup = Setup::new(1, 1);
    setup.witnesses[0].is(Mood::Silent);
    let log = setup.start().await;
    let page = log.get("/").await;
    assert!(page.text().contains("none is published yet"), "{}", page.text());
    assert!(page.text().contains("<dt>Quorum</dt><dd>missing</dd>"), "{}", page.text());
}

/// A witness that answers with markup.
struct Hostile;

const MARKUP: &str = "</dd><script>alert(1)</script>";

#[async_trait]
impl WitnessApi for Hostile {
    async fn add_checkpoint(
        &self,
        _request: &AddCheckpointRequest,
    ) -> Result<Vec<SignatureLine>, AddCheckpointError> {
        Err(AddCheckpointError::Forbidden(MARKUP.into()))
    }
}

#[tokio::test]
async fn markup_in_a_witness_answer_is_shown_and_not_obeyed() {
    let setup = Setup::new(1, 0);
    let mut context = setup.context();
    let peer = WitnessPeer { api: Arc::new(Hostile), ..setup.witnesses[0].peer() };
    context.witnesses = Witnesses::Given(vec![peer]);
    let log = sigsum_log::start(setup.config.clone(), context).await.expect("starts");
    assert!(log.until(|s| s.heads.witnesses.iter().any(|w| w.problem.is_some())).await);
    let internal = log.internal_addr().expect("TCP");
    let page = get(internal, "/status").await;
    assert!(page.text().contains("&lt;/dd&gt;&lt;script&gt;"), "{}", page.text());
    assert!(!page.text().contains("<script"), "{}", page.text());
    let policy = page.header("content-security-policy").expect("there");
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert_eq!(json(&get(internal, "/status.json").await)["witnesses"][0]["state"], "failing");
}

/// A signer that can be taken away.
#[derive(Debug, Default)]
struct Removable {
    is_away: AtomicBool,
}

#[async_trait]
impl Signer for Removable {
    fn public_key(&self) -> PublicKey {
        log_key()
    }

    async fn sign(&self, message: &[u8]) -> Result<Signature, SignError> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(SignError::Invalid(log_key()));
        }
        Ok(log_signer().sign_now(message))
    }
}

/// Waits until the key is known to work, or not to.
async fn until_key(log: &TestLog, works: bool) {
    // The rounds of this log, one a second, make it look again.
    let reached =
        |_: &sigsum_log::Status| log.handle.overview().signer.failing_since_s.is_none() == works;
    assert!(log.handle.until(reached).await, "the log stopped");
}

#[tokio::test]
async fn a_key_that_goes_away_is_noticed_while_nobody_submits() {
    let mut setup = Setup::new(1, 1);
    setup.config.interval = Duration::from_secs(1);
    let signer = Arc::new(Removable::default());
    let mut context = setup.context();
    context.signer = signer.clone();
    let metrics = context.service.metrics.clone();
    let handle = sigsum_log::start(setup.config.clone(), context).await.expect("starts");
    let log = TestLog { handle, metrics, policy: setup.policy.clone() };
    log.published(0).await;
    assert_eq!(get(log.internal(), "/readyz").await.status, 200);

    signer.is_away.store(true, Ordering::SeqCst);
    until_key(&log, false).await;
    let ready = get(log.internal(), "/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("key: the log's key cannot be used"), "{}", ready.text());
    assert!(get(log.internal(), "/metrics").await.text().contains("sigsum_log_signer_failing 1"));
    let status = log.handle.overview();
    assert_eq!(status.signer.failing_since_s, Some(NOW_S));
    assert!(status.signer.problem.is_some());
    assert!(get(log.internal(), "/status").await.text().contains("Cannot sign"));
    // The old head is served and kept fresh all the same.
    assert!(log.has_quorum(&log.head().await));

    signer.is_away.store(false, Ordering::SeqCst);
    until_key(&log, true).await;
    assert!(get(log.internal(), "/metrics").await.text().contains("sigsum_log_signer_failing 0"));
    assert_eq!(get(log.internal(), "/readyz").await.status, 200);
    assert_eq!(log.handle.overview().signer.problem, None);
}

#[tokio::test]
async fn an_interval_that_is_changed_counts_for_the_look_at_the_key_too() {
    let mut setup = Setup::new(1, 1);
    setup.config.interval = Duration::from_secs(3600);
    let signer = Arc::new(Removable::default());
    let mut context = setup.context();
    context.signer = signer.clone();
    let (metrics, witnesses) = (context.service.metrics.clone(), context.witnesses.clone());
    let handle = sigsum_log::start(setup.config.clone(), context).await.expect("starts");
    let log = TestLog { handle, metrics, policy: setup.policy.clone() };
    log.published(0).await;
    signer.is_away.store(true, Ordering::SeqCst);
    setup.config.interval = Duration::from_secs(1);
    let new = NewSettings { config: setup.config.clone(), policy: setup.policy, witnesses };
    let reloaded = log.handle.reloader().reload(new).await.expect("taken up");
    assert_eq!(reloaded.changed, ["interval"]);
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, until_key(&log, false)).await.expect("noticed");
}
