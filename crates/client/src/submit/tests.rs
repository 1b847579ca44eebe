//! The workflow against logs in memory, in paused time.

mod fake_log;

use super::*;
use fake_log::{FakeLog, Script, signer};
use sigsum_api::{AddLeafStatus, ApiError};
use sigsum_core::leaf::leaf_signing_bytes;
use sigsum_core::verify::{Input, verify_sigsum};
use sigsum_core::{Message, TreeSize};
use std::sync::Mutex;

fn request(n: u16) -> AddLeafRequest {
    let message = Message::of_data(&n.to_be_bytes());
    let key = signer(200);
    let signature = key.sign_now(&leaf_signing_bytes(&message.checksum()));
    AddLeafRequest { message, signature, public_key: key.public_key() }
}

fn requests(count: u16) -> Vec<AddLeafRequest> {
    (0..count).map(request).collect()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What a batch brought, when, and by which events.
struct Outcome {
    results: Vec<Result<SigsumProof, SubmitError>>,
    took: Duration,
    events: Vec<Event>,
}

impl Outcome {
    fn count(&self, pick: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| pick(event)).count()
    }

    fn only_error(&self) -> &SubmitError {
        assert_eq!(self.results.len(), 1);
        self.results[0].as_ref().unwrap_err()
    }
}

/// Logs under keys 1, 2 and so on, all trusted, with one witness that is asked for.
struct World {
    logs: Vec<Arc<FakeLog>>,
    policy: Arc<Policy>,
    settings: SubmitSettings,
}

impl World {
    fn new(scripts: impl IntoIterator<Item = Script>) -> Self {
        let log = |(script, key)| Arc::new(FakeLog::new(key, 5, script));
        Self::of(scripts.into_iter().zip(1..).map(log).collect())
    }

    fn of(logs: Vec<Arc<FakeLog>>) -> Self {
        let keys: Vec<_> = logs.iter().map(|log| log.key()).collect();
        let policy = Policy::k_of_n(&keys, &[signer(100).public_key()], 1).unwrap();
        Self { logs, policy: Arc::new(policy), settings: SubmitSettings::default() }
    }

    async fn submit(&self, requests: &[AddLeafRequest]) -> Outcome {
        let target = |(log, n): (&Arc<FakeLog>, usize)| {
            let api = Arc::clone(log) as Arc<dyn sigsum_api::LogApi>;
            LogTarget { url: format!("log-{n}").into(), key: log.key(), api, token: None }
        };
        let targets = self.logs.iter().zip(1..).map(target).collect();
        let submitter = Submitter::new(Arc::clone(&self.policy), targets, self.settings.clone());
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let recorder = Arc::clone(&events);
        let listener: Listener = Arc::new(move |event: &Event| {
            recorder.lock().unwrap().push(event.clone());
        });
        let start = Instant::now();
        let results = submitter.submit(requests, listener).await;
        let took = start.elapsed();
        for (request, result) in requests.iter().zip(&results) {
            if let Ok(proof) = result {
                self.check(request, proof);
            }
        }
        let events = std::mem::take(&mut *events.lock().unwrap());
        assert_eq!(
            events.iter().filter(|e| matches!(e, Event::Done { .. })).count(),
            results.len()
        );
        Outcome { results, took, events }
    }

    /// Every proof that comes out passes the offline verifier and survives its text form.
    fn check(&self, request: &AddLeafRequest, proof: &SigsumProof) {
        let input = Input::Message(request.message);
        let verdict = verify_sigsum(&input, &[request.public_key], &self.policy, proof);
        assert!(verdict.is_accepted(), "{verdict}");
        assert_eq!(SigsumProof::parse(proof.to_text().as_bytes()).as_ref(), Ok(proof));
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_log_that_publishes_at_once_gives_the_proof_soon_after() {
    let world = World::new([Script::default()]);
    let outcome = world.submit(&requests(1)).await;
    assert!(outcome.results[0].is_ok());
    assert!(outcome.took < ms(100), "{:?} for a head after 60 ms", outcome.took);
    let calls = world.logs[0].calls();
    assert_eq!((calls.add_leaf, calls.get_inclusion_proof), (1, 1), "{calls:?}");
    assert!(calls.get_tree_head <= 6, "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leaf_that_is_logged_already_is_proven_from_the_current_head() {
    let world = World::new([Script::default()]);
    assert!(world.submit(&requests(1)).await.results[0].is_ok());
    tokio::time::sleep(secs(60)).await;
    let again = world.submit(&requests(1)).await;
    assert!(again.results[0].is_ok());
    assert!(again.took < ms(150), "{:?}", again.took);
}

#[tokio::test(start_paused = true)]
async fn a_logged_leaf_is_proven_when_the_head_it_is_in_gets_its_quorum() {
    let world = World::new([Script { cosign_from: secs(30), ..Script::default() }]);
    world.logs[0].change(|script| script.dies_at = None);
    let outcome = world.submit(&requests(1)).await;
    assert!(outcome.results[0].is_ok());
    let late = World::of(vec![Arc::clone(&world.logs[0])]);
    late.logs[0].change(|script| script.cosign_from = secs(90));
    let outcome = late.submit(&requests(1)).await;
    assert!(outcome.results[0].is_ok(), "{:?}", outcome.results);
    assert!(outcome.took >= secs(59) && outcome.took < secs(65), "{:?}", outcome.took);
}

#[tokio::test(start_paused = true)]
async fn the_first_leaf_of_a_log_needs_no_inclusion_proof() {
    let world = World::of(vec![Arc::new(FakeLog::new(1, 0, Script::default()))]);
    let outcome = world.submit(&requests(1)).await;
    let proof = outcome.results[0].as_ref().unwrap();
    assert_eq!((proof.tree_head.signed.tree_head.size, &proof.inclusion), (TreeSize(1), &None));
    // Another's leaf came first: then the proof waits for the next head.
    let world = World::of(vec![Arc::new(FakeLog::new(1, 1, Script::default()))]);
    let proof = world.submit(&requests(1)).await.results.remove(0).unwrap();
    assert_eq!(proof.tree_head.signed.tree_head.size, TreeSize(2));
}

#[tokio::test(start_paused = true)]
async fn a_leaf_that_is_only_accepted_is_sent_again_until_the_log_is_committed() {
    let script = Script { commit: secs(5), publish: secs(20), ..Script::default() };
    let world = World::new([script]);
    let outcome = world.submit(&requests(1)).await;
    assert!(outcome.results[0].is_ok());
    let taken =
        |wanted| outcome.count(|e| matches!(e, Event::Taken { status, .. } if *status == wanted));
    assert_eq!(taken(AddLeafStatus::Accepted), 3, "at 0, 1 and 3 s");
    assert_eq!(taken(AddLeafStatus::Committed), 1, "at 7 s");
    assert!(outcome.took >= secs(20) && outcome.took < ms(22_100), "{:?}", outcome.took);
}

#[tokio::test(start_paused = true)]
async fn a_proof_counts_even_if_the_log_never_says_committed() {
    let script = Script { commit: secs(1_000_000), publish: secs(2), ..Script::default() };
    let outcome = World::new([script]).submit(&requests(1)).await;
    assert!(outcome.results[0].is_ok());
}

#[tokio::test(start_paused = true)]
async fn heads_without_quorum_are_waited_out() {
    let script = Script { cosign_from: secs(12), ..Script::default() };
    let world = World::new([script]);
    let outcome = world.submit(&requests(1)).await;
    assert!(outcome.results[0].is_ok());
    assert!(outcome.took >= secs(12) && outcome.took <= secs(15), "{:?}", outcome.took);
    let without =
        outcome.count(|e| matches!(e, Event::TreeHead { quorum, .. } if !quorum.is_satisfied()));
    assert_eq!(without, 2, "the old head and the new one, each told once");
    assert_eq!(world.logs[0].calls().add_leaf, 1);
}

#[tokio::test(start_paused = true)]
async fn polling_slows_down_to_what_the_go_tools_do() {
    let script = Script { publish: secs(300), ..Script::default() };
    let world = World::new([script]);
    assert!(world.submit(&requests(1)).await.results[0].is_ok());
    let polls = world.logs[0].calls().get_tree_head;
    assert!((150..180).contains(&polls), "{polls} in 300 s");
}

#[tokio::test(start_paused = true)]
async fn a_dead_log_makes_room_for_the_next() {
    let dead = Script { dies_at: Some(Duration::ZERO), ..Script::default() };
    let world = World::new([dead, Script::default()]);
    let outcome = world.submit(&requests(1)).await;
    let proof = outcome.results[0].as_ref().unwrap();
    assert_eq!(proof.log, world.logs[1].key().key_hash());
    assert!(outcome.took < ms(200), "{:?}", outcome.took);
    assert_eq!(outcome.count(|e| matches!(e, Event::Refused { leaf: 0, .. })), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dead_log_costs_a_batch_no_more_than_one_leaf() {
    let dead =
        Script { dies_at: Some(Duration::ZERO), add_leaf_takes: secs(10), ..Script::default() };
    let world = World::new([dead, Script::default()]);
    let outcome = world.submit(&requests(500)).await;
    assert!(outcome.results.iter().all(Result::is_ok));
    assert!(outcome.took < secs(11), "{:?}", outcome.took);
    let calls = world.logs[0].calls();
    assert_eq!(calls.add_leaf, world.settings.parallel_requests, "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_dies_after_taking_the_leaf_makes_room_for_the_next() {
    let dying = Script { dies_at: Some(ms(30)), ..Script::default() };
    let world = World::new([dying, Script::default()]);
    let outcome = world.submit(&requests(1)).await;
    let proof = outcome.results[0].as_ref().unwrap();
    assert_eq!(proof.log, world.logs[1].key().key_hash());
    assert!(outcome.took < secs(15), "{:?}", outcome.took);
    assert_eq!(outcome.count(|e| matches!(e, Event::GaveUpOn { .. })), 1);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_never_reaches_quorum_makes_room_for_the_next() {
    let stuck = Script { cosign_from: secs(1_000_000), ..Script::default() };
    let world = World::new([stuck, Script::default()]);
    let outcome = world.submit(&requests(3)).await;
    for result in &outcome.results {
        assert_eq!(result.as_ref().unwrap().log, world.logs[1].key().key_hash());
    }
    assert!(outcome.took < secs(46), "{:?}", outcome.took);
    let reasons: Vec<&str> = (outcome.events.iter())
        .filter_map(|e| match e {
            Event::GaveUpOn { reason, .. } => Some(reason.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(reasons.len(), 3);
    assert!(reasons[0].contains("no quorum"), "{reasons:?}");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_comes_back_finishes_what_it_took() {
    let world = World::new([Script { publish: secs(5), ..Script::default() }]);
    let log = Arc::clone(&world.logs[0]);
    let revive = tokio::spawn(async move {
        tokio::time::sleep(secs(2)).await;
        log.change(|script| script.dies_at = Some(Duration::ZERO));
        tokio::time::sleep(secs(100)).await;
        log.change(|script| script.dies_at = None);
    });
    let outcome = world.submit(&requests(1)).await;
    assert!(outcome.results[0].is_ok(), "{:?}", outcome.results);
    assert!(outcome.took >= secs(102) && outcome.took < secs(105), "{:?}", outcome.took);
    revive.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn logs_that_stay_dead_are_given_up_soon() {
    let dead = Script { dies_at: Some(Duration::ZERO), ..Script::default() };
    let world = World::new([dead.clone(), dead]);
    let outcome = world.submit(&requests(100)).await;
    let text = outcome.results[99].as_ref().unwrap_err().to_string();
    assert_eq!(
        text,
        "all logs failed, giving up: log-1: connection refused; log-2: connection refused"
    );
    assert!(outcome.took < secs(2), "{:?}", outcome.took);
    let calls = world.logs[0].calls();
    assert!(calls.add_leaf <= 3 * world.settings.parallel_requests, "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_is_bridged() {
    let refused = || ApiError::Transport("connection refused".to_owned());
    let errors = [refused(), refused()].into();
    let world = World::new([Script { add_leaf_errors: errors, ..Script::default() }]);
    assert!(world.submit(&requests(1)).await.results[0].is_ok());
}

fn limited(retry_after_s: Option<u64>) -> ApiError {
    let detail = "rate-limit for domain \"example.org\" exceeded".to_owned();
    ApiError::RateLimited { retry_after_s, detail }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed() {
    let errors = [limited(Some(20)), limited(Some(30))].into();
    let world = World::new([Script { add_leaf_errors: errors, ..Script::default() }]);
    let outcome = world.submit(&requests(1)).await;
    assert!(outcome.results[0].is_ok());
    assert!(outcome.took >= secs(50) && outcome.took < secs(51), "{:?}", outcome.took);
    assert_eq!(world.logs[0].calls().add_leaf, 3);
    assert_eq!(outcome.count(|e| matches!(e, Event::Waiting { .. })), 2);
}

#[tokio::test(start_paused = true)]
async fn another_log_is_better_than_waiting() {
    let errors = [limited(Some(20))].into();
    let busy = Script { add_leaf_errors: errors, ..Script::default() };
    let world = World::new([busy, Script::default()]);
    let outcome = world.submit(&requests(1)).await;
    let proof = outcome.results[0].as_ref().unwrap();
    assert_eq!(proof.log, world.logs[1].key().key_hash());
    assert!(outcome.took < ms(200), "{:?}", outcome.took);
}

#[tokio::test(start_paused = true)]
async fn a_limit_beyond_the_deadline_or_without_a_time_ends_it_at_once() {
    for retry_after_s in [None, Some(86_400)] {
        let errors = vec![limited(retry_after_s); 1000].into();
        let script = Script { add_leaf_errors: errors, ..Script::default() };
        let world = World::new([script]);
        let outcome = world.submit(&requests(500)).await;
        let text = outcome.results[499].as_ref().unwrap_err().to_string();
        assert!(text.contains("example.org"), "{text}");
        assert_eq!(text.contains("86400 s"), retry_after_s.is_some(), "{text}");
        assert!(outcome.took < secs(1), "{:?}", outcome.took);
        let calls = world.logs[0].calls();
        assert!(calls.add_leaf <= world.settings.parallel_requests, "{calls:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_holds_for_tree_heads_and_proofs_too() {
    let unavailable =
        || ApiError::Unavailable { retry_after_s: Some(7), detail: "starting".to_owned() };
    let script = Script {
        tree_head_errors: [unavailable()].into(),
        inclusion_errors: [limited(Some(9))].into(),
        ..Script::default()
    };
    let world = World::new([script]);
    let outcome = world.submit(&requests(1)).await;
    assert!(outcome.results[0].is_ok());
    assert!(outcome.took >= secs(16) && outcome.took < secs(17), "{:?}", outcome.took);
    assert_eq!(world.logs[0].calls().get_inclusion_proof, 2);
}

#[tokio::test(start_paused = true)]
async fn an_invalid_inclusion_proof_is_fatal() {
    let liar = Script { proves_wrongly: true, ..Script::default() };
    let world = World::new([liar, Script::default()]);
    let outcome = world.submit(&requests(1)).await;
    assert!(
        matches!(outcome.only_error(), SubmitError::InvalidProof { url, .. } if url == "log-1"),
        "{:?}",
        outcome.only_error()
    );
    assert_eq!(world.logs[1].calls().add_leaf, 0);
}

#[tokio::test(start_paused = true)]
async fn heads_that_the_log_did_not_sign_are_of_no_use() {
    let forged = Script { signs_wrongly: true, ..Script::default() };
    let mut world = World::new([forged]);
    world.settings.timeout = secs(20);
    let outcome = world.submit(&requests(1)).await;
    let text = outcome.only_error().to_string();
    assert_eq!(
        text,
        "no proof within 20 s: log log-1 took the leaf, but its tree head has an invalid log \
         signature"
    );
    assert_eq!(world.logs[0].calls().get_inclusion_proof, 0);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_and_says_what_was_missing() {
    let stuck = Script { cosign_from: secs(1_000_000), ..Script::default() };
    let world = World::new([stuck]);
    let outcome = world.submit(&requests(1)).await;
    assert_eq!(outcome.took, secs(600));
    let text = outcome.only_error().to_string();
    assert!(text.starts_with("no proof within 600 s: log log-1 took the leaf, but "), "{text}");
    assert!(text.contains("missing: w0"), "{text}");
    assert_eq!(world.logs[0].calls().add_leaf, 1, "it is committed to the leaf");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_does_not_answer_is_cut_off() {
    let slow = Script { add_leaf_takes: secs(1_000_000), ..Script::default() };
    let world = World::new([slow, Script::default()]);
    let outcome = world.submit(&requests(1)).await;
    assert!(outcome.results[0].is_ok());
    assert!(outcome.took >= secs(30) && outcome.took < secs(31), "{:?}", outcome.took);
}

#[tokio::test(start_paused = true)]
async fn one_leafs_failure_touches_no_other() {
    let mut batch = requests(20);
    let refused = Some(batch[7].leaf().hash());
    batch[3].signature = batch[4].signature;
    let world = World::new([Script { refuses: refused, ..Script::default() }]);
    let outcome = world.submit(&batch).await;
    for (n, result) in outcome.results.iter().enumerate() {
        match n {
            3 => assert_eq!(result, &Err(SubmitError::InvalidRequest)),
            7 => assert!(matches!(result, Err(SubmitError::AllLogsFailed(_))), "{result:?}"),
            _ => assert!(result.is_ok(), "{n}: {result:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn proofs_that_come_before_the_deadline_are_kept() {
    let mut world = World::new([Script { add_leaf_takes: secs(2), ..Script::default() }]);
    world.settings.timeout = secs(5);
    world.settings.parallel_requests = 2;
    let outcome = world.submit(&requests(20)).await;
    let proven = outcome.results.iter().filter(|r| r.is_ok()).count();
    assert_eq!((proven, outcome.took), (4, secs(5)));
    let late = outcome.results.iter().filter(|r| matches!(r, Err(SubmitError::Deadline { .. })));
    assert_eq!(late.count(), 16);
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_500_takes_less_than_twice_the_time_of_one() {
    // Logs that are 20 ms away and publish every so often. Where it takes long, the old head is
    // tried once for each leaf, which may have been logged before.
    for (interval, most_proof_requests) in [(ms(100), 10), (secs(1), 600), (secs(30), 600)] {
        let script = || Script {
            add_leaf_takes: ms(20),
            inclusion_takes: ms(20),
            interval,
            ..Script::default()
        };
        let one = World::new([script()]).submit(&requests(1)).await;
        let world = World::new([script()]);
        let many = world.submit(&requests(500)).await;
        assert!(many.results.iter().all(Result::is_ok));
        let calls = world.logs[0].calls();
        if interval >= secs(1) {
            assert!(many.took < one.took * 2, "{:?}, one takes {:?}", many.took, one.took);
        } else {
            assert!(many.took < one.took * 5, "{:?}, one takes {:?}", many.took, one.took);
        }
        assert_eq!(calls.add_leaf, 500, "{calls:?}");
        assert_eq!(calls.most_at_once, world.settings.parallel_requests);
        assert!(calls.get_inclusion_proof < most_proof_requests, "{calls:?}");
        assert!(calls.get_tree_head < 60, "one poller for all: {calls:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_logged_leaf_among_new_ones_does_not_wait_for_the_next_head() {
    let mut world = World::new([Script { publish: secs(60), ..Script::default() }]);
    assert!(world.submit(&[request(2)]).await.results[0].is_ok());
    world.settings.parallel_requests = 1; // so that the new ones are known to be missing first
    let outcome = world.submit(&requests(3)).await;
    assert!(outcome.results.iter().all(Result::is_ok));
    let when = |leaf: usize| {
        let is_it = |e: &Event| matches!(e, Event::Done { leaf: done, .. } if *done == leaf);
        outcome.events.iter().position(is_it).unwrap()
    };
    let new_head = outcome.events.iter().rposition(|e| matches!(e, Event::TreeHead { .. }));
    assert!(when(2) < new_head.unwrap() && new_head.unwrap() < when(0).min(when(1)));
}

#[tokio::test(start_paused = true)]
async fn the_same_leaf_twice_in_a_batch_is_proven_twice() {
    let world = World::new([Script::default()]);
    let outcome = world.submit(&[request(1), request(1)]).await;
    assert_eq!(outcome.results[0], outcome.results[1]);
    assert!(outcome.results[0].is_ok());
}

#[tokio::test(start_paused = true)]
async fn nothing_to_submit_and_nowhere_to_submit_it() {
    assert!(World::new([Script::default()]).submit(&[]).await.results.is_empty());
    let outcome = World::of(Vec::new()).submit(&requests(1)).await;
    assert_eq!(outcome.only_error(), &SubmitError::NoLogs);
}
