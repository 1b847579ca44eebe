//! Publication: quorum, witnesses that fail in their various ways, and what is never done.

use super::support::*;
use async_trait::async_trait;
use sigsum_api::{AddCheckpointError, WitnessApi};
use sigsum_core::note::SignatureLine;
use sigsum_core::wire::log::signed_tree_head_body;
use sigsum_core::wire::witness::AddCheckpointRequest;
use sigsum_core::{PublicKey, Signature, TreeSize};
use sigsum_keys::{SignError, Signer};
use sigsum_log::engine::peer::Condition;
use sigsum_log::{NewSettings, Storage, WitnessPeer, Witnesses};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

#[tokio::test]
async fn a_log_without_leaves_is_cosigned_too() {
    let setup = Setup::new(3, 2);
    let log = setup.start().await;
    let head = log.published(0).await;
    assert_eq!(head.signed.tree_head, sigsum_core::TreeHead::empty());
    assert!(log.has_quorum(&head));
}

#[tokio::test]
async fn a_witness_that_never_answers_delays_nothing() {
    let setup = Setup::new(3, 2);
    setup.witnesses[1].is(Mood::Silent);
    let log = setup.start().await;
    for size in 1..=20 {
        log.submit(size - 1..size).await;
        assert!(log.has_quorum(&log.published(size).await));
    }
    assert_eq!(setup.witnesses[1].requests(), 1, "and is not pestered meanwhile");
}

#[tokio::test]
async fn late_cosignatures_are_added_to_the_served_head() {
    let setup = Setup::new(3, 2);
    let log = setup.start().await;
    log.submit(0..4).await;
    log.published(4).await;
    assert!(log.handle.until(|s| s.cosignatures == 3).await);
    let head = log.head().await;
    assert_eq!(head.signed.tree_head.size, TreeSize(4));
    assert_eq!(head.cosignatures().len(), 3);
}

#[tokio::test]
async fn without_a_quorum_the_last_good_head_is_served_and_readiness_says_so() {
    let setup = Setup::new(3, 2);
    let log = setup.start().await;
    log.submit(0..2).await;
    log.published(2).await;
    setup.witnesses[0].is(Mood::Unavailable);
    setup.witnesses[1].is(Mood::Unavailable);
    log.submit(2..5).await;
    assert!(log.handle.until(|s| s.heads.quorum_missing).await);
    let head = log.head().await;
    assert_eq!(head.signed.tree_head.size, TreeSize(2));
    assert!(log.has_quorum(&head));
    let ready = get(log.internal(), "/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("too few witnesses"), "{}", ready.text());
    assert!(log.metrics.encode().contains("sigsum_log_quorum_missing 1"));

    for witness in &setup.witnesses {
        witness.is(Mood::Good);
    }
    log.published(5).await;
    assert!(log.handle.until(|s| !s.heads.quorum_missing).await);
    assert_eq!(get(log.internal(), "/readyz").await.status, 200);
}

#[tokio::test]
async fn publish_without_quorum_does_as_it_says() {
    let mut setup = Setup::new(2, 2);
    setup.config.publish_without_quorum = true;
    setup.witnesses[0].is(Mood::Unavailable);
    let log = setup.start().await;
    log.submit(0..2).await;
    let head = log.published(2).await;
    assert!(!log.has_quorum(&head));
    assert_eq!(head.cosignatures().len(), 1);
}

#[tokio::test]
async fn a_forged_cosignature_does_not_count() {
    let setup = Setup::new(2, 1);
    setup.witnesses[0].is(Mood::Forging);
    let log = setup.start().await;
    log.submit(0..1).await;
    let head = log.published(1).await;
    assert_eq!(head.cosignatures().len(), 1);
    assert!(log.has_quorum(&head));
    let failing = |s: &sigsum_log::Status| s.heads.witnesses[0].condition == Condition::Failing;
    assert!(log.handle.until(failing).await);
}

#[tokio::test]
async fn a_witness_with_an_older_tree_is_caught_up_in_one_retry() {
    let setup = Setup::new(1, 1);
    let log = setup.start().await;
    for size in 1..=9 {
        log.submit(size - 1..size).await;
        log.published(size).await;
    }
    for forgotten in [0, 3, 8] {
        let before = setup.witnesses[0].requests();
        setup.witnesses[0].is(Mood::Forgetful(forgotten));
        let size = log.handle.status().committed_size.0 + 1;
        log.submit(size - 1..size).await;
        log.published(size).await;
        assert_eq!(setup.witnesses[0].requests() - before, 2, "one conflict, one answer");
    }
    let page = log.metrics.encode();
    assert!(page.contains("retried=\"true\",status=\"200\""), "{page}");
    assert!(page.contains("retried=\"false\",status=\"409\""), "{page}");
}

#[tokio::test]
async fn a_witness_that_is_ahead_is_named_and_blocks_nobody() {
    let setup = Setup::new(3, 2);
    let log = setup.start().await;
    log.guard_passed().await;
    setup.witnesses[2].is(Mood::Ahead(1_000_000));
    log.submit(0..2).await;
    assert!(log.has_quorum(&log.published(2).await));
    let size = TreeSize(1_000_000);
    let ahead =
        |s: &sigsum_log::Status| s.heads.witnesses[2].condition == Condition::Ahead { size };
    assert!(log.handle.until(ahead).await);
    let metric = "sigsum_log_witness_ahead{witness=\"witness-2.example\"} 1";
    assert!(log.metrics.encode().contains(metric));
}

#[tokio::test]
async fn an_idle_log_asks_each_witness_once_an_interval() {
    let mut setup = Setup::new(3, 2);
    setup.config.interval = Duration::from_millis(100);
    let log = setup.start().await;
    log.published(0).await;
    let begin = std::time::Instant::now();
    let before: Vec<_> = setup.witnesses.iter().map(|w| w.requests()).collect();
    let asked = |at: usize| setup.witnesses[at].requests() - before[at];
    assert!(log.handle.until(|_| (0..3).all(|at| asked(at) >= 6)).await);
    // One request may have been on its way at the start; a slow machine only makes them fewer.
    let intervals = begin.elapsed().as_millis() / 100;
    for at in 0..3 {
        assert!(asked(at) as u128 <= intervals + 2, "{} in {intervals} intervals", asked(at));
    }
}

#[tokio::test]
async fn every_head_a_witness_sees_is_consistent_with_the_ones_before() {
    let setup = Setup::new(3, 2);
    let log = setup.start().await;
    let mut size = 0;
    for batch in [1, 5, 30, 1, 250, 2, 300] {
        log.submit(size..size + batch).await;
        size += batch;
        log.published(size).await;
    }
    // The witnesses check consistency themselves; what they cosigned only grew.
    for witness in &setup.witnesses {
        let cosigned = witness.cosigned();
        assert!(cosigned.windows(2).all(|w| w[0].size <= w[1].size));
    }
}

#[tokio::test]
async fn a_witness_that_the_policy_does_not_name_is_refused() {
    let mut setup = Setup::new(2, 1);
    setup.witnesses.push(TestWitness::new(77));
    let error = setup.try_start().await.err().expect("refused");
    assert!(matches!(error, sigsum_log::StartError::Witnesses(_)), "{error}");
    assert_eq!(error.to_string(), "witness witness-77.example is not in the policy");
}

#[tokio::test]
async fn witnesses_of_the_policy_are_asked_over_http_and_a_dead_one_is_no_obstacle() {
    let mut setup = Setup::new(0, 0);
    // A port that nobody listens on: bound, then closed.
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = closed.local_addr().expect("bound");
    drop(closed);
    let key = signer(9).public_key();
    let text = format!("log {}\nwitness w {key} http://{address}/w\nquorum none\n", log_key());
    setup.policy = std::sync::Arc::new(
        sigsum_core::policy::Policy::parse_sigsum(text.as_bytes()).expect("a policy"),
    );
    let mut context = setup.context();
    context.witnesses = sigsum_log::Witnesses::FromPolicy;
    let handle = sigsum_log::start(setup.config.clone(), context).await.expect("starts");
    let failing = |s: &sigsum_log::Status| {
        s.published_size.is_some() && s.heads.witnesses[0].condition == Condition::Failing
    };
    assert!(handle.until(failing).await);
    assert_eq!(handle.status().heads.witnesses[0].label, format!("{address}/w"));
}

#[tokio::test]
async fn witnesses_are_reached_by_their_urls_with_and_without_a_slash() {
    for slash in ["", "/"] {
        let mut setup = Setup::new(1, 1);
        let witness = setup.witnesses[0].clone();
        let address = witness.clone().serve().await;
        let url = format!("http://{address}/some/prefix{slash}");
        let text = format!("log {}\nwitness w {} {url}\nquorum w\n", log_key(), witness.key());
        setup.policy =
            Arc::new(sigsum_core::policy::Policy::parse_sigsum(text.as_bytes()).expect("a policy"));
        let mut context = setup.context();
        context.witnesses = Witnesses::FromPolicy;
        let metrics = context.service.metrics.clone();
        let handle = sigsum_log::start(setup.config.clone(), context).await.expect("starts");
        let log = TestLog { handle, metrics, policy: setup.policy.clone() };
        for size in 1..=5 {
            log.submit(size - 1..size).await;
            assert!(log.has_quorum(&log.published(size).await));
        }
        witness.is(Mood::Forgetful(2));
        log.submit(5..6).await;
        assert!(log.has_quorum(&log.published(6).await), "a 409 is understood");
        log.stop().await;
    }
}

#[tokio::test]
async fn what_was_measured_of_a_witness_at_its_old_address_is_forgotten_when_it_moves() {
    let setup = Setup::new(2, 1);
    setup.witnesses[1].is(Mood::Unavailable);
    let log = setup.start().await;
    let failing = |label: &str, is: u8| {
        let line = format!("sigsum_log_witness_failing{{witness=\"{label}\"}} {is}\n");
        log.metrics.encode().contains(&line)
    };
    assert!(log.handle.until(|_| failing("witness-1.example", 1)).await);
    setup.witnesses[1].is(Mood::Good);
    let mut peers: Vec<_> = setup.witnesses.iter().map(|witness| witness.peer()).collect();
    peers[1].label = "new.example".into();
    peers[1].url = "new.example".into();
    let (mut config, policy) = (setup.config.clone(), setup.policy.clone());
    config.interval += Duration::from_secs(1); // as a change of addresses alone is one of the policy
    let new = NewSettings { config, policy, witnesses: Witnesses::Given(peers) };
    log.handle.reloader().reload(new).await.expect("taken up");
    assert!(log.handle.until(|_| failing("new.example", 0)).await);
    let page = log.metrics.encode();
    assert!(!page.contains("failing{witness=\"witness-1.example\"}"), "{page}");
    assert!(page.contains("success_time_seconds{witness=\"witness-0.example\"}"), "{page}");
}

#[tokio::test]
async fn a_witness_whose_clock_is_wrong_is_noted_and_counts() {
    let setup = Setup::new(1, 1);
    setup.witnesses[0].set_time_s(NOW_S - 5000);
    let log = setup.start().await;
    log.submit(0..1).await;
    assert!(log.has_quorum(&log.published(1).await));
    let page = log.metrics.encode();
    let name = "sigsum_log_witness_clock_skew_seconds{witness=\"witness-0.example\"} ";
    let line = page.lines().find_map(|l| l.strip_prefix(name)).expect("the metric");
    assert!(line.parse::<i64>().expect("a number") < -4900, "{line}");
}

/// A signer that may be away, as an ssh-agent may.
#[derive(Debug, Default)]
struct Away {
    is_away: AtomicBool,
    asked: AtomicUsize,
}

#[async_trait]
impl Signer for Away {
    fn public_key(&self) -> PublicKey {
        log_key()
    }

    async fn sign(&self, message: &[u8]) -> Result<Signature, SignError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.is_away.load(Ordering::SeqCst) {
            return Err(SignError::Invalid(log_key()));
        }
        Ok(log_signer().sign_now(message))
    }
}

#[tokio::test]
async fn a_signer_that_goes_away_and_comes_back_stops_heads_and_not_leaves() {
    let mut setup = Setup::new(1, 1);
    setup.config.interval = Duration::from_millis(20);
    let signer = Arc::new(Away::default());
    let mut context = setup.context();
    context.signer = signer.clone();
    let metrics = context.service.metrics.clone();
    let handle = sigsum_log::start(setup.config.clone(), context).await.expect("starts");
    let log = TestLog { handle, metrics, policy: setup.policy.clone() };
    log.submit(0..2).await;
    log.published(2).await;
    signer.is_away.store(true, Ordering::SeqCst);
    log.submit(2..4).await;
    let failed = "sigsum_log_head_failures_total{step=\"sign\"}";
    assert!(log.handle.until(|_| log.metrics.encode().contains(failed)).await);
    // The old head is kept fresh meanwhile.
    let before = setup.witnesses[0].requests();
    assert!(log.handle.until(|_| setup.witnesses[0].requests() > before + 2).await);
    assert_eq!(log.head().await.signed.tree_head.size, TreeSize(2));
    signer.is_away.store(false, Ordering::SeqCst);
    assert!(log.has_quorum(&log.published(4).await));
}

#[tokio::test]
async fn an_unchanged_tree_is_not_signed_again_after_a_restart() {
    let setup = Setup::new(1, 1);
    let signer = Arc::new(Away::default());
    let start = async || {
        let mut context = setup.context();
        context.signer = signer.clone();
        sigsum_log::start(setup.config.clone(), context).await.expect("starts")
    };
    let log = start().await;
    assert!(log.until(|s| s.published_size.is_some()).await);
    let signed = signer.asked.load(Ordering::SeqCst);
    log.stop().await.expect("nothing crashed");
    signer.is_away.store(true, Ordering::SeqCst);
    let log = start().await;
    assert!(log.until(|s| s.heads.signed_size.is_some()).await);
    assert_eq!(signer.asked.load(Ordering::SeqCst), signed);
}

/// A witness that looks into the log's directory before it answers.
struct Looking {
    inner: Arc<TestWitness>,
    dir: PathBuf,
    missing: AtomicUsize,
    looked: AtomicUsize,
}

#[async_trait]
impl WitnessApi for Looking {
    async fn add_checkpoint(
        &self,
        request: &AddCheckpointRequest,
    ) -> Result<Vec<SignatureLine>, AddCheckpointError> {
        let head = request.checkpoint.to_sigsum(&log_key()).expect("a head");
        let stored = std::fs::read_to_string(self.dir.join("head")).unwrap_or_default();
        let is_there = stored.ends_with(&signed_tree_head_body(&head));
        self.missing.fetch_add(usize::from(!is_there), Ordering::SeqCst);
        self.looked.fetch_add(1, Ordering::SeqCst);
        self.inner.add_checkpoint(request).await
    }
}

#[tokio::test]
async fn no_signature_leaves_the_process_before_its_head_is_on_disk() {
    let dir = tempfile::tempdir().expect("a directory");
    sigsum_log::init(dir.path(), &log_key()).expect("a new log");
    let setup = Setup::on(Storage::DataDir(dir.path().into()), 1, 1);
    let looking = Arc::new(Looking {
        inner: setup.witnesses[0].clone(),
        dir: dir.path().into(),
        missing: AtomicUsize::new(0),
        looked: AtomicUsize::new(0),
    });
    let mut context = setup.context();
    let peer = WitnessPeer { api: looking.clone(), ..setup.witnesses[0].peer() };
    context.witnesses = Witnesses::Given(vec![peer]);
    let metrics = context.service.metrics.clone();
    let handle = sigsum_log::start(setup.config.clone(), context).await.expect("starts");
    let log = TestLog { handle, metrics, policy: setup.policy.clone() };
    for size in 1..=10 {
        log.submit(size - 1..size).await;
        log.published(size).await;
        // What is served is on disk too.
        let served = log.get("/checkpoint").await;
        let stored = std::fs::read(dir.path().join("checkpoint")).expect("there");
        assert_eq!(served.body, stored);
    }
    assert!(looking.looked.load(Ordering::SeqCst) >= 10);
    assert_eq!(looking.missing.load(Ordering::SeqCst), 0);
}
