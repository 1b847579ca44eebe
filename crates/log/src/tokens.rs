//! Whether a submit token is valid (`log.md` section 4.2): by keys of the configuration, else by
//! those that the domain publishes in DNS.
//!
//! A domain is asked for once however many requests wait for it. What it said serves until its time
//! is over, and on when DNS does not answer then; a request waits [`STALE_WAIT`] at most for news of
//! a domain that is known.

mod cache;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use cache::{Answer, Cache, FAILURE_PAUSE, Known};
use sigsum_client::{DomainKeys, LookedUp, TokenDns, TokenDnsError};
use sigsum_core::PublicKey;
use sigsum_core::token::SubmitToken;
use sigsum_limits::Domain;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

use crate::metrics::TokenMetrics;

/// Limit of all questions about one domain.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(5);
/// A request whose domain is known waits so long for DNS; then the old answer serves.
const STALE_WAIT: Duration = Duration::from_millis(500);
/// Look-ups at a time of domains that no leaf was taken from. Each is a socket and a task of some
/// kilobytes. Were none of them answered, 100 new domains a second would still be asked for.
const MAX_LOOK_UPS: usize = 512;
/// Look-ups at a time of domains that leaves were taken from, which no flood of others takes away.
const MAX_KNOWN_LOOK_UPS: usize = 128;
/// Look-ups at a time of domains that a `domain` line of the rate-limit file lets in: after a restart no leaf
/// was taken from any domain, and a flood of others must not shut these out.
const MAX_LISTED_LOOK_UPS: usize = 128;
/// When to come back where no look-up could be started.
const BUSY_RETRY: Duration = Duration::from_secs(1);
/// Time between two lines in the operator's log about DNS.
const REPORT_PAUSE: Duration = Duration::from_secs(600);

/// Asks DNS.
#[async_trait]
pub(crate) trait KeyLookup: Send + Sync + 'static {
    /// What a domain publishes now.
    async fn look_up(&self, domain: &str) -> LookedUp;
}

/// The resolvers that the configuration names, or the machine's.
pub(crate) struct Resolver {
    servers: Vec<SocketAddr>,
    dns: Mutex<Option<TokenDns>>,
}

impl Resolver {
    pub(crate) fn new(servers: Vec<SocketAddr>) -> Self {
        Self { servers, dns: Mutex::new(None) }
    }

    /// Made when it is first needed: a machine may get its resolver's address after the log starts.
    fn dns(&self) -> Result<TokenDns, TokenDnsError> {
        let mut dns = self.dns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dns) = &*dns {
            return Ok(dns.clone());
        }
        let made = TokenDns::uncached(&self.servers)?;
        *dns = Some(made.clone());
        Ok(made)
    }
}

#[async_trait]
impl KeyLookup for Resolver {
    async fn look_up(&self, domain: &str) -> LookedUp {
        match self.dns() {
            Ok(dns) => dns.look_up(domain).await,
            Err(error) => LookedUp::Failed { detail: error.to_string() },
        }
    }
}

/// Why a token does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenRefusal {
    /// The submitter's doing: the text is log-go's.
    #[error(transparent)]
    Invalid(#[from] TokenDnsError),
    /// DNS has no usable answer.
    #[error("token: {detail}")]
    Unavailable {
        /// What is wrong.
        detail: String,
        /// When to come back.
        retry_after: Duration,
    },
}

/// Keys of the configuration, by domain.
pub(crate) type StaticKeys = HashMap<Domain, Vec<PublicKey>>;

/// Whether the operator lets a domain in by its name.
pub(crate) type IsListed = Arc<dyn Fn(&Domain) -> bool + Send + Sync>;

/// Where tokens are checked.
#[derive(Clone)]
pub(crate) struct TokenChecker {
    inner: Arc<Inner>,
}

struct Inner {
    log: PublicKey,
    settings: ArcSwap<Settings>,
    cache: Mutex<Cache>,
    flights: Mutex<HashMap<String, Flight>>,
    slots: Arc<Semaphore>,
    known_slots: Arc<Semaphore>,
    listed_slots: Arc<Semaphore>,
    is_listed: IsListed,
    metrics: TokenMetrics,
    reported: Mutex<Option<Instant>>,
}

struct Settings {
    lookup: Arc<dyn KeyLookup>,
    static_keys: StaticKeys,
}

/// A look-up under way: what comes of it.
type Flight = watch::Receiver<Option<LookedUp>>;

/// No look-up can be started.
struct Busy;

impl TokenChecker {
    pub(crate) fn new(
        log: PublicKey,
        (lookup, static_keys): (Arc<dyn KeyLookup>, StaticKeys),
        is_listed: IsListed,
        metrics: TokenMetrics,
    ) -> Self {
        let inner = Inner {
            log,
            settings: ArcSwap::from_pointee(Settings { lookup, static_keys }),
            cache: Mutex::default(),
            flights: Mutex::default(),
            slots: Arc::new(Semaphore::new(MAX_LOOK_UPS)),
            known_slots: Arc::new(Semaphore::new(MAX_KNOWN_LOOK_UPS)),
            listed_slots: Arc::new(Semaphore::new(MAX_LISTED_LOOK_UPS)),
            is_listed,
            metrics,
            reported: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Asks another resolver, and takes other keys of the configuration, from now on. What is known
    /// stays known.
    pub(crate) fn reconfigure(&self, lookup: Arc<dyn KeyLookup>, static_keys: StaticKeys) {
        self.inner.settings.store(Arc::new(Settings { lookup, static_keys }));
    }

    /// The token's domain, where the token is valid.
    ///
    /// # Errors
    /// [`TokenRefusal`].
    pub(crate) async fn check(&self, token: &SubmitToken) -> Result<Domain, TokenRefusal> {
        let domain = Domain::parse(&token.domain).map_err(|_| {
            self.inner.metrics.outcome("invalid-domain");
            TokenDnsError::Domain(token.domain.clone())
        })?;
        if self.fits_static(&domain, token) {
            self.inner.metrics.outcome("static");
            return Ok(domain);
        }
        let (checked, outcome) = match self.check_by_dns(token).await {
            Ok(is_stale) => (Ok(domain), if is_stale { "stale" } else { "valid" }),
            Err(refusal) => {
                let outcome = match &refusal {
                    TokenRefusal::Invalid(TokenDnsError::NotFound { .. }) => "no-record",
                    TokenRefusal::Invalid(_) => "no-key-fits",
                    TokenRefusal::Unavailable { .. } => "unavailable",
                };
                (Err(refusal), outcome)
            }
        };
        self.inner.metrics.outcome(outcome);
        checked
    }

    /// A leaf was taken from the token's domain.
    pub(crate) fn accepted(&self, token: &SubmitToken) {
        self.inner.cache().trust(&ascii_name(token));
    }

    fn fits_static(&self, domain: &Domain, token: &SubmitToken) -> bool {
        let settings = self.inner.settings.load();
        let keys = settings.static_keys.get(domain);
        keys.is_some_and(|keys| keys.iter().any(|key| token.verify(key, &self.inner.log)))
    }

    /// Whether the answer that served was an old one.
    async fn check_by_dns(&self, token: &SubmitToken) -> Result<bool, TokenRefusal> {
        let name = ascii_name(token);
        let known = self.inner.cache().get(&name, Instant::now());
        match known {
            Known::Fresh { answer, may_recheck } => {
                let judged = self.judge(&name, &answer, token);
                if judged.is_ok() || !may_recheck {
                    return judged.map(|()| false);
                }
                match self.ask(&name, STALE_WAIT).await {
                    Ok(Some(LookedUp::Failed { .. }) | None) | Err(Busy) => judged.map(|()| false),
                    Ok(Some(news)) => self.judge_news(&name, news, token).map(|()| false),
                }
            }
            Known::Old(old) => match self.ask(&name, STALE_WAIT).await {
                Ok(Some(LookedUp::Failed { .. }) | None) | Err(Busy) => {
                    self.judge(&name, &old, token).map(|()| true)
                }
                Ok(Some(news)) => self.judge_news(&name, news, token).map(|()| false),
            },
            Known::Failing(Some(old)) => self.judge(&name, &old, token).map(|()| true),
            Known::Failing(None) => Err(unavailable("DNS failed a moment ago", FAILURE_PAUSE)),
            Known::Unknown => match self.ask(&name, LOOK_UP_TIMEOUT).await {
                Ok(Some(news)) => self.judge_news(&name, news, token).map(|()| false),
                Ok(None) => Err(unavailable("DNS takes too long", FAILURE_PAUSE)),
                Err(Busy) => Err(unavailable("too many look-ups", BUSY_RETRY)),
            },
        }
    }

    fn judge_news(
        &self,
        name: &str,
        news: LookedUp,
        token: &SubmitToken,
    ) -> Result<(), TokenRefusal> {
        match news {
            LookedUp::Found { keys, .. } => self.judge(name, &Answer::Keys(Arc::new(keys)), token),
            LookedUp::Missing { .. } => self.judge(name, &Answer::Missing, token),
            LookedUp::Failed { detail } => Err(unavailable(&detail, FAILURE_PAUSE)),
        }
    }

    fn judge(&self, name: &str, answer: &Answer, token: &SubmitToken) -> Result<(), TokenRefusal> {
        let keys: &DomainKeys = match answer {
            Answer::Keys(keys) => keys,
            Answer::Missing => {
                let name = format!("{}.{name}", sigsum_core::token::TOKEN_DNS_LABEL);
                return Err(TokenDnsError::NotFound { name }.into());
            }
        };
        if self.inner.cache().is_confirmed(name, &token.signature) {
            return Ok(());
        }
        keys.check(token, &self.inner.log)?;
        self.inner.cache().confirm(name, answer, token.signature);
        Ok(())
    }

    /// Asks DNS, or waits for an answer that was asked for already; `None` where there is none yet.
    async fn ask(&self, name: &str, wait: Duration) -> Result<Option<LookedUp>, Busy> {
        let mut flight = self.join(name)?;
        let news = timeout(wait, flight.wait_for(Option::is_some)).await;
        Ok(news.ok().and_then(Result::ok).and_then(|news| news.clone()))
    }

    fn join(&self, name: &str) -> Result<Flight, Busy> {
        let mut flights = lock(&self.inner.flights);
        if let Some(flight) = flights.get(name) {
            return Ok(flight.clone());
        }
        let slot = Arc::clone(self.inner.slots(name)).try_acquire_owned().map_err(|_| Busy)?;
        let (landed, flight) = watch::channel(None);
        flights.insert(name.to_owned(), flight.clone());
        let landing = Landing { inner: Arc::clone(&self.inner), name: name.to_owned() };
        // A task of its own: the request that asked first may be given up, others still wait.
        tokio::spawn(async move {
            let news = landing.inner.look_up(&landing.name).await;
            drop(landing);
            landed.send_replace(Some(news));
            drop(slot);
        });
        Ok(flight)
    }
}

/// Ends a look-up however it ended, so that the next request begins another.
struct Landing {
    inner: Arc<Inner>,
    name: String,
}

impl Drop for Landing {
    fn drop(&mut self) {
        lock(&self.inner.flights).remove(&self.name);
    }
}

impl Inner {
    fn cache(&self) -> MutexGuard<'_, Cache> {
        lock(&self.cache)
    }

    /// Which look-ups this one takes a place of.
    fn slots(&self, name: &str) -> &Arc<Semaphore> {
        if self.cache().is_trusted(name) {
            return &self.known_slots;
        }
        let is_listed = Domain::parse(name).is_ok_and(|domain| (self.is_listed)(&domain));
        if is_listed { &self.listed_slots } else { &self.slots }
    }

    async fn look_up(&self, name: &str) -> LookedUp {
        let lookup = Arc::clone(&self.settings.load().lookup);
        let started = Instant::now();
        let news = timeout(LOOK_UP_TIMEOUT, lookup.look_up(name)).await;
        let news = news.unwrap_or_else(|_| LookedUp::Failed { detail: "timed out".into() });
        let now = Instant::now();
        self.metrics.looked_up(&news, now.duration_since(started));
        let mut cache = self.cache();
        match &news {
            LookedUp::Found { keys, ttl } => {
                cache.put(name, Answer::Keys(Arc::new(keys.clone())), *ttl, now);
            }
            LookedUp::Missing { ttl } => cache.put(name, Answer::Missing, *ttl, now),
            LookedUp::Failed { detail } => {
                cache.failed(name, now);
                self.report(detail, now);
            }
        }
        self.metrics.cached_domains(cache.len());
        news
    }

    /// Tells the operator now and then: whoever wants to can make names whose look-up fails.
    fn report(&self, detail: &str, now: Instant) {
        let mut reported = lock(&self.reported);
        if reported.is_none_or(|last| now >= last + REPORT_PAUSE) {
            *reported = Some(now);
            tracing::warn!(
                detail,
                "a look-up of a submit token's domain failed; more are not said"
            );
        }
    }
}

fn unavailable(detail: &str, retry_after: Duration) -> TokenRefusal {
    TokenRefusal::Unavailable { detail: format!("dns look-up failed: {detail}"), retry_after }
}

/// The name that is asked for, in one form; a token's domain is ASCII.
fn ascii_name(token: &SubmitToken) -> String {
    token.domain.strip_suffix('.').unwrap_or(&token.domain).to_ascii_lowercase()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
