//! Who may add a leaf: the check of submit tokens and the limits, as the requests meet them.

use crate::config::{AdmissionConfig, Config, Storage};
use crate::limits::{self, Keeper, KeeperThread, Limits, LimitsError, Loaded, Refused};
use crate::metrics::LogMetrics;
use crate::start::{Context, StartError};
use crate::status::Section;
use crate::tokens::{Resolver, TokenChecker, TokenRefusal};
use sigsum_api::ApiError;
use sigsum_core::KeyHash;
use sigsum_core::token::SubmitToken;
use sigsum_limits::{Domain, Exceeded, LimitKind, Quota, QuotaTime, Unlisted};
use sigsum_store::Place;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Tokens and limits of one log. Clones are the same.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) limits: Limits,
    pub(crate) tokens: TokenChecker,
}

impl Gate {
    /// Reads the limits and what was counted, and starts to keep it.
    pub(crate) async fn open(
        config: &Config,
        context: &Context,
        metrics: &LogMetrics,
    ) -> Result<(Self, Option<KeeperThread>), StartError> {
        let (log, clock) = (context.signer.public_key(), context.service.clock.clone());
        let loaded = read(&config.admission).await?;
        let place = match &config.storage {
            Storage::DataDir(dir) => Some(Place::dir(dir)),
            Storage::Place(place) => Some(place.clone()),
            Storage::Ephemeral => None,
        };
        let is_limited = loaded.is_some();
        let open = move || place.map(|place| Keeper::open(place, is_limited, clock));
        let kept = beside(open).await.map_err(StartError::Thread)?;
        let (keeper, quota, now) = match kept {
            Some((keeper, kept)) => (Some(keeper), kept.quota, kept.now),
            None => (None, Quota::new(), QuotaTime(0)),
        };
        let limits = Limits::new(loaded, quota, now, metrics.limits.clone());
        let keeper = keeper.map(|keeper| keeper.start(&limits)).transpose();
        let keeper = keeper.map_err(StartError::Thread)?;
        let resolver = Arc::new(Resolver::new(config.admission.dns_resolvers.clone()));
        let keys = config.admission.static_keys.clone();
        let lines = limits.clone();
        let is_listed = Arc::new(move |domain: &Domain| lines.has_line(domain));
        let tokens = TokenChecker::new(log, (resolver, keys), is_listed, metrics.tokens.clone());
        if let Some(status) = limits.rules() {
            tracing::info!(
                file = status.file,
                keys = status.keys,
                domains = status.domains,
                public = status.public.unwrap_or(0),
                "submissions are limited"
            );
        }
        Ok((Self { limits, tokens }, keeper))
    }

    /// Whether other settings change anything; to be asked before they are put in force.
    pub(crate) fn differs(&self, loaded: Option<&Loaded>) -> bool {
        !self.limits.are(loaded)
    }

    /// Puts limits in force, and asks another resolver.
    pub(crate) fn put(&self, config: &AdmissionConfig, loaded: Option<Loaded>) {
        self.limits.replace(loaded);
        let resolver = Arc::new(Resolver::new(config.dns_resolvers.clone()));
        self.tokens.reconfigure(resolver, config.static_keys.clone());
    }

    /// What everybody may know of the limits, for the status pages.
    pub(crate) fn public_section(&self) -> Section {
        section("Limits", true, limits::public_rows(self.limits.rules().as_ref()))
    }

    /// Who used how much, for the operator.
    pub(crate) fn counters_section(&self) -> Section {
        section("Leaves in the last 24 hours", false, self.limits.counter_rows())
    }
}

fn section(title: &str, is_public: bool, rows: Vec<(String, String)>) -> Section {
    Section { title: title.to_owned(), is_public, rows }
}

/// Reads the limits beside the runtime's workers: a list of suffixes takes a moment.
pub(crate) async fn read(config: &AdmissionConfig) -> Result<Option<Loaded>, LimitsError> {
    let config = config.clone();
    match beside(move || limits::load(&config)).await {
        Ok(loaded) => loaded,
        Err(error) => Err(LimitsError::Task(error)),
    }
}

async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}

/// What the submitter of a token is told.
pub(crate) fn token_error(refusal: &TokenRefusal) -> ApiError {
    match refusal {
        TokenRefusal::Invalid(error) => ApiError::BadRequest(error.to_string()),
        TokenRefusal::Unavailable { detail, retry_after } => {
            let retry_after_s = Some(seconds(*retry_after));
            ApiError::Unavailable { retry_after_s, detail: detail.clone() }
        }
    }
}

/// What the submitter of a leaf too many is told. The text begins as log-go's does.
pub(crate) fn limit_error(
    refused: &Refused,
    key: &KeyHash,
    token: Option<&SubmitToken>,
) -> ApiError {
    let subject = match token {
        Some(token) => format!("domain {:?}", token.domain),
        None => "unknown domain".to_owned(),
    };
    match refused {
        Refused::Unlisted(Unlisted::NoToken) => limited(
            None,
            &subject,
            &format!("there is no submit token, and key {key} is not listed"),
        ),
        Refused::Unlisted(Unlisted::Domain(_)) => {
            limited(None, &subject, "this log takes no leaves from there")
        }
        Refused::Exceeded(exceeded) => {
            let is_of_key = token.is_none() || exceeded.is_of_key();
            let subject = if is_of_key { format!("key {key}") } else { subject };
            limited(exceeded.retry_after.map(seconds), &subject, &reason(exceeded))
        }
    }
}

fn limited(retry_after_s: Option<u64>, subject: &str, reason: &str) -> ApiError {
    let when = retry_after_s.map_or(String::new(), |s| format!("; come back in {s} s"));
    let detail = format!("rate-limit for {subject} exceeded: {reason}{when}");
    ApiError::RateLimited { retry_after_s, detail }
}

fn reason(Exceeded { bucket, kind, leaves, .. }: &Exceeded) -> String {
    match kind {
        LimitKind::Day if *leaves == 0 => format!("the limit of {bucket} is 0"),
        LimitKind::Day => format!("the limit of {bucket} is {leaves} leaves in 24 hours"),
        LimitKind::Burst => format!("the limit of {bucket} is {leaves} leaves at once"),
        LimitKind::Domains => format!("{leaves} other domains submitted in the last 24 hours"),
    }
}

/// Whole seconds, rounded up.
fn seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigsum_core::Signature;
    use sigsum_limits::Bucket;

    const KEY: KeyHash = KeyHash::new([0xab; 32]);

    fn text(refused: &Refused, domain: Option<&str>) -> (Option<u64>, String) {
        let signature = Signature::new([1; 64]);
        let token = domain.map(|domain| SubmitToken { domain: domain.into(), signature });
        let error = limit_error(refused, &KEY, token.as_ref());
        assert_eq!(error.status().code(), 429);
        (error.retry_after_s(), error.public_message().to_owned())
    }

    fn exceeded(bucket: Bucket, kind: LimitKind, leaves: u32, ms: Option<u64>) -> Refused {
        let retry_after = ms.map(Duration::from_millis);
        Refused::Exceeded(Exceeded { bucket, kind, leaves, retry_after })
    }

    #[test]
    fn a_refusal_names_the_limit_the_submitter_and_the_time() {
        let name = || Domain::parse("example.org").unwrap();
        let key = "ab".repeat(32);
        for (refused, domain, retry_after_s, expected) in [
            (
                Refused::Unlisted(Unlisted::NoToken),
                None,
                None,
                format!(
                    "rate-limit for unknown domain exceeded: there is no submit token, and key \
                     {key} is not listed"
                ),
            ),
            (
                Refused::Unlisted(Unlisted::Domain(name())),
                Some("www.Example.org"),
                None,
                "rate-limit for domain \"www.Example.org\" exceeded: this log takes no leaves from \
                 there"
                    .into(),
            ),
            (
                exceeded(Bucket::Key(KEY), LimitKind::Day, 10, Some(1_001)),
                None,
                Some(2),
                format!(
                    "rate-limit for key {key} exceeded: the limit of key {key} is 10 leaves in 24 \
                     hours; come back in 2 s"
                ),
            ),
            (
                exceeded(Bucket::Public(name()), LimitKind::Burst, 3, Some(2_000)),
                Some("www.example.org"),
                Some(2),
                "rate-limit for domain \"www.example.org\" exceeded: the limit of registered domain \
                 example.org is 3 leaves at once; come back in 2 s"
                    .into(),
            ),
            (
                exceeded(Bucket::Domain(name()), LimitKind::Day, 0, None),
                Some("example.org"),
                None,
                "rate-limit for domain \"example.org\" exceeded: the limit of domain example.org is \
                 0"
                .into(),
            ),
            (
                exceeded(Bucket::All, LimitKind::Day, 9, Some(0)),
                None,
                Some(0),
                format!(
                    "rate-limit for key {key} exceeded: the limit of the whole log is 9 leaves in \
                     24 hours; come back in 0 s"
                ),
            ),
        ] {
            assert_eq!(text(&refused, domain), (retry_after_s, expected));
        }
    }
}
