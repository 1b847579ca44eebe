//! Tokens against a DNS whose answers, failures and delays the test makes. Time stands still unless
//! the test moves it.

use super::*;
use crate::metrics::LogMetrics;
use sigsum_core::token::token_signing_bytes;
use sigsum_keys::{Ed25519Signer, SigningSeed};
use sigsum_service::metrics::Registry;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::Notify;
use tokio::time::advance;

const LOG: PublicKey = PublicKey::new([1; 32]);
const S: Duration = Duration::from_secs(1);

fn signer(byte: u8) -> Ed25519Signer {
    Ed25519Signer::from_seed(&SigningSeed::from_bytes([byte; 32]))
}

fn key(byte: u8) -> PublicKey {
    signer(byte).public_key()
}

fn token(byte: u8, domain: &str) -> SubmitToken {
    let signature = signer(byte).sign_now(&token_signing_bytes(&LOG));
    SubmitToken { domain: domain.to_owned(), signature }
}

fn found(keys: &[PublicKey], ttl: Duration) -> LookedUp {
    let keys = DomainKeys { keys: keys.to_vec(), ignored: 0, malformed: 0 };
    LookedUp::Found { keys, ttl }
}

fn failed() -> LookedUp {
    LookedUp::Failed { detail: "SERVFAIL".into() }
}

/// A DNS that says the same of every domain.
struct FakeDns {
    says: Mutex<LookedUp>,
    asked: AtomicUsize,
    panics: AtomicBool,
    /// Whether it waits to be told to answer.
    slow: Mutex<Option<Arc<Notify>>>,
}

impl FakeDns {
    fn new(says: LookedUp) -> Arc<Self> {
        Arc::new(Self {
            says: Mutex::new(says),
            asked: AtomicUsize::new(0),
            panics: AtomicBool::new(false),
            slow: Mutex::default(),
        })
    }

    fn say(&self, says: LookedUp) {
        *lock(&self.says) = says;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl KeyLookup for FakeDns {
    async fn look_up(&self, _domain: &str) -> LookedUp {
        self.asked.fetch_add(1, Ordering::SeqCst);
        assert!(!self.panics.load(Ordering::SeqCst), "as the test wants it");
        let slow = lock(&self.slow).clone();
        if let Some(told) = slow {
            told.notified().await;
        }
        lock(&self.says).clone()
    }
}

fn checker(dns: &Arc<FakeDns>) -> (TokenChecker, Registry) {
    checker_with(dns, StaticKeys::new())
}

fn checker_with(dns: &Arc<FakeDns>, keys: StaticKeys) -> (TokenChecker, Registry) {
    let registry = Registry::new();
    let metrics = LogMetrics::register(&registry).unwrap().tokens.clone();
    let is_listed: IsListed = Arc::new(|domain| domain.as_str().ends_with("listed.org"));
    (TokenChecker::new(LOG, (dns.clone(), keys), is_listed, metrics), registry)
}

fn is_unavailable<T>(checked: &Result<T, TokenRefusal>) -> bool {
    matches!(checked, Err(TokenRefusal::Unavailable { .. }))
}

#[tokio::test(start_paused = true)]
async fn a_token_is_good_for_its_key_its_domain_and_this_log() {
    let dns = FakeDns::new(found(&[key(6), key(7)], 60 * S));
    let (tokens, _) = checker(&dns);
    let domain = tokens.check(&token(7, "WWW.Example.org.")).await.unwrap();
    assert_eq!(domain.as_str(), "www.example.org");
    let none_fits = TokenRefusal::Invalid(TokenDnsError::NoKeyFits { ignored: 0, malformed: 0 });
    assert_eq!(tokens.check(&token(8, "www.example.org")).await, Err(none_fits.clone()));
    let other_log = signer(7).sign_now(&token_signing_bytes(&PublicKey::new([2; 32])));
    let other_log = SubmitToken { domain: "www.example.org".into(), signature: other_log };
    assert_eq!(tokens.check(&other_log).await, Err(none_fits));
    assert_eq!(dns.asked(), 1, "one name, however it is written");
}

#[tokio::test(start_paused = true)]
async fn a_domain_that_is_none_is_refused_unasked() {
    let dns = FakeDns::new(failed());
    let (tokens, _) = checker(&dns);
    for domain in ["a..b", "xn--72g.com", "xn--example-.org"] {
        let refused = tokens.check(&token(7, domain)).await;
        assert_eq!(refused, Err(TokenRefusal::Invalid(TokenDnsError::Domain(domain.into()))));
    }
    assert_eq!(dns.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn requests_at_the_same_time_ask_once() {
    let dns = FakeDns::new(found(&[key(7)], 60 * S));
    let told = Arc::new(Notify::new());
    *lock(&dns.slow) = Some(told.clone());
    let (tokens, _) = checker(&dns);
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let tokens = tokens.clone();
        all.spawn(async move { tokens.check(&token(7, "example.org")).await.is_ok() });
    }
    while dns.asked() == 0 {
        tokio::task::yield_now().await;
    }
    told.notify_one();
    while let Some(good) = all.join_next().await {
        assert!(good.unwrap());
    }
    assert_eq!(dns.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_given_up_does_not_stop_the_others_look_up() {
    let dns = FakeDns::new(found(&[key(7)], 60 * S));
    let told = Arc::new(Notify::new());
    *lock(&dns.slow) = Some(told.clone());
    let (tokens, _) = checker(&dns);
    let first = tokio::spawn({
        let tokens = tokens.clone();
        async move { tokens.check(&token(7, "example.org")).await.is_ok() }
    });
    while dns.asked() == 0 {
        tokio::task::yield_now().await;
    }
    let second = tokio::spawn({
        let tokens = tokens.clone();
        async move { tokens.check(&token(7, "example.org")).await.is_ok() }
    });
    tokio::task::yield_now().await;
    first.abort();
    told.notify_one();
    assert!(second.await.unwrap());
    assert_eq!(dns.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn while_dns_is_down_known_domains_go_on_and_unknown_ones_come_back_later() {
    let dns = FakeDns::new(found(&[key(7)], 60 * S));
    let (tokens, registry) = checker(&dns);
    assert!(tokens.check(&token(7, "known.org")).await.is_ok());
    dns.say(failed());
    for minute in 0..10 {
        advance(60 * S).await;
        assert!(tokens.check(&token(7, "known.org")).await.is_ok(), "minute {minute}");
        let forged = tokens.check(&token(8, "known.org")).await;
        assert!(matches!(forged, Err(TokenRefusal::Invalid(_))), "an old answer is an answer");
        let unknown = tokens.check(&token(7, "unknown.org")).await;
        let Err(TokenRefusal::Unavailable { retry_after, .. }) = unknown else {
            panic!("{unknown:?}");
        };
        assert_eq!(retry_after, FAILURE_PAUSE);
    }
    assert_eq!(dns.asked(), 1 + 20, "each is asked for once a minute");
    dns.say(found(&[key(7)], 60 * S));
    advance(FAILURE_PAUSE).await;
    assert!(tokens.check(&token(7, "unknown.org")).await.is_ok());
    let page = registry.encode();
    for line in [
        "sigsum_log_tokens_total{outcome=\"valid\"} 2",
        "sigsum_log_tokens_total{outcome=\"stale\"} 10",
        "sigsum_log_tokens_total{outcome=\"unavailable\"} 10",
        "sigsum_log_dns_look_ups_total{outcome=\"found\"} 2",
        "sigsum_log_dns_look_ups_total{outcome=\"failed\"} 20",
        "sigsum_log_dns_look_up_seconds_count 22",
        "sigsum_log_dns_cached_domains 2",
    ] {
        assert!(page.lines().any(|shown| shown == line), "{line} in {page}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_known_domain_waits_for_a_silent_dns_only_a_moment() {
    let dns = FakeDns::new(found(&[key(7)], 60 * S));
    let (tokens, _) = checker(&dns);
    assert!(tokens.check(&token(7, "known.org")).await.is_ok());
    *lock(&dns.slow) = Some(Arc::new(Notify::new()));
    advance(60 * S).await;
    let before = Instant::now();
    assert!(tokens.check(&token(7, "known.org")).await.is_ok());
    assert_eq!(before.elapsed(), STALE_WAIT);
    let before = Instant::now();
    let unknown = tokens.check(&token(7, "unknown.org")).await;
    assert!(is_unavailable(&unknown));
    assert!(before.elapsed() <= LOOK_UP_TIMEOUT);
    // The look-up of the known domain was given up meanwhile: for a while nobody waits at all.
    let before = Instant::now();
    assert!(tokens.check(&token(7, "known.org")).await.is_ok());
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn that_a_domain_has_no_record_is_kept_for_a_while() {
    let dns = FakeDns::new(LookedUp::Missing { ttl: 3600 * S });
    let (tokens, _) = checker(&dns);
    let name = "_sigsum_v1.example.org".to_owned();
    let missing = Err(TokenRefusal::Invalid(TokenDnsError::NotFound { name }));
    for _ in 0..10 {
        assert_eq!(tokens.check(&token(7, "example.org")).await, missing);
    }
    assert_eq!(dns.asked(), 1);
    dns.say(found(&[key(7)], 60 * S));
    advance(60 * S).await;
    assert!(tokens.check(&token(7, "example.org")).await.is_ok(), "a record that was just made");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_changed_in_dns_works_before_the_old_answer_is_over() {
    let dns = FakeDns::new(found(&[key(7)], 3600 * S));
    let (tokens, _) = checker(&dns);
    assert!(tokens.check(&token(7, "example.org")).await.is_ok());
    dns.say(found(&[key(8)], 3600 * S));
    for _ in 0..10 {
        assert!(tokens.check(&token(8, "example.org")).await.is_err());
    }
    assert_eq!(dns.asked(), 1, "forged tokens are no reason to ask at once");
    advance(30 * S).await;
    assert!(tokens.check(&token(8, "example.org")).await.is_ok());
    assert!(tokens.check(&token(7, "example.org")).await.is_err());
    assert_eq!(dns.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn keys_of_the_configuration_need_no_dns_and_take_nothing_away() {
    let dns = FakeDns::new(failed());
    let domain = Domain::parse("example.org").unwrap();
    let (tokens, _) = checker_with(&dns, StaticKeys::from([(domain, vec![key(5), key(7)])]));
    assert!(tokens.check(&token(7, "EXAMPLE.org")).await.is_ok());
    assert_eq!(dns.asked(), 0);
    assert!(is_unavailable(&tokens.check(&token(7, "www.example.org")).await), "another domain");
    dns.say(found(&[key(8)], 60 * S));
    assert!(tokens.check(&token(8, "example.org")).await.is_ok(), "a key of DNS");
    tokens.reconfigure(dns.clone(), StaticKeys::new());
    assert!(tokens.check(&token(7, "example.org")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn look_ups_that_hang_are_bounded_and_leave_room_for_known_domains() {
    let dns = FakeDns::new(found(&[key(7)], 60 * S));
    let (tokens, _) = checker(&dns);
    let known = token(7, "known.org");
    assert!(tokens.check(&known).await.is_ok());
    tokens.accepted(&known);
    advance(60 * S + cache::MAX_STALE).await; // nothing old serves any more
    let told = Arc::new(Notify::new());
    *lock(&dns.slow) = Some(told.clone());
    let mut flood = tokio::task::JoinSet::new();
    for number in 0..MAX_LOOK_UPS {
        let tokens = tokens.clone();
        flood.spawn(async move { tokens.check(&token(7, &format!("{number}.org"))).await.is_ok() });
    }
    while dns.asked() < 1 + MAX_LOOK_UPS {
        tokio::task::yield_now().await;
    }
    let refused = tokens.check(&token(7, "one.more.org")).await;
    assert!(matches!(refused, Err(TokenRefusal::Unavailable { retry_after: BUSY_RETRY, .. })));
    *lock(&dns.slow) = None;
    assert!(tokens.check(&known).await.is_ok(), "it has a place of its own");
    let listed = token(7, "www.listed.org");
    assert!(tokens.check(&listed).await.is_ok(), "so has one with a line, though it is new");
    told.notify_waiters();
    while let Some(good) = flood.join_next().await {
        assert!(good.unwrap());
    }
    assert!(tokens.check(&token(7, "one.more.org")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_look_up_that_panics_is_over_and_the_next_one_counts() {
    let dns = FakeDns::new(found(&[key(7)], 60 * S));
    let (tokens, _) = checker(&dns);
    dns.panics.store(true, Ordering::SeqCst);
    assert!(is_unavailable(&tokens.check(&token(7, "example.org")).await));
    dns.panics.store(false, Ordering::SeqCst);
    assert!(tokens.check(&token(7, "example.org")).await.is_ok());
    assert_eq!(dns.asked(), 2);
}
