//! A look at logs from outside: whether they can be read, take a leaf, merge it into the tree, and get
//! a quorum of cosignatures for it; how long each takes, and whether what they say agrees.
//!
//! One probe submits one fresh leaf to one log and follows it to its verified proof. A log that
//! limits the prober is not down: such steps are skipped, and the log is left alone for as long as
//! it asks for.

mod read;
mod report;
mod submit;

pub use report::{HeadSeen, ProbeReport, ProbeStep, Service, StepOutcome, StepReport};

use crate::http::{BaseUrl, HttpClient};
use crate::log::HttpLog;
use crate::submit::{TargetError, TokenSource};
use report::Recorder;
use sigsum_api::ApiError;
use sigsum_core::policy::Policy;
use sigsum_core::token::{SubmitToken, token_signing_bytes};
use sigsum_core::wire::log::AddLeafRequest;
use sigsum_core::{PublicKey, SignedTreeHead};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Longest time for which a log is sent no leaf because it asked for that. Limits count by days, so that
/// none needs more; a log that names a year must not end its own probing.
const LONGEST_PAUSE: Duration = Duration::from_secs(86_400);
/// As long, where it names no time.
const USUAL_PAUSE: Duration = Duration::from_secs(3600);

/// A log to look at.
#[derive(Debug, Clone)]
pub struct ProbeTarget {
    /// Where it is, for people and as label.
    pub url: Arc<str>,
    key: PublicKey,
    log: HttpLog,
    token: Option<SubmitToken>,
}

/// How to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeSettings {
    /// Upper bound on the way of one leaf from its submission to its proof.
    pub timeout: Duration,
    /// A head whose newest cosignature is older than this counts as stale.
    pub max_age: Duration,
}

/// Looks at one log again and again, and remembers what it saw.
#[derive(Debug)]
pub struct Prober {
    policy: Arc<Policy>,
    target: ProbeTarget,
    settings: ProbeSettings,
    /// The last head that verified and continued the one before: the next one has to continue it.
    last: Option<SignedTreeHead>,
    /// The log asked not to be sent leaves before.
    not_before: Option<Instant>,
}

impl Prober {
    /// A prober that has seen nothing yet.
    pub fn new(policy: Arc<Policy>, target: ProbeTarget, settings: ProbeSettings) -> Self {
        Self { policy, target, settings, last: None, not_before: None }
    }

    /// The log it looks at.
    pub fn target(&self) -> &ProbeTarget {
        &self.target
    }

    /// Looks once. `request` is a fresh leaf, `None` to submit nothing; `now_s` tells the time in
    /// seconds since 1970, against which cosignatures are judged.
    pub async fn probe(
        &mut self,
        request: Option<&AddLeafRequest>,
        now_s: &(dyn Fn() -> u64 + Send + Sync),
    ) -> ProbeReport {
        let mut recorder = Recorder::default();
        let head = self.read(&mut recorder, now_s).await;
        let seen = head.as_ref().map(|head| self.seen(head, now_s()));
        match request {
            None => self.judge_served(&mut recorder, head.as_ref()),
            Some(request) => self.follow(&mut recorder, request, head.as_ref()).await,
        }
        recorder.finish(self.target.url.clone(), seen)
    }

    /// Notes when a log that limits us may be asked again, and says so.
    fn limited(&mut self, error: &ApiError) -> StepOutcome {
        let wait = error.retry_after_s().map_or(USUAL_PAUSE, Duration::from_secs);
        let wait = wait.min(LONGEST_PAUSE);
        self.not_before = Instant::now().checked_add(wait);
        StepOutcome::Skipped(format!("{error}; left alone for {} s", wait.as_secs()))
    }
}

/// The logs of a policy that have a URL, in the policy's order; only the one at `url` where that is
/// given. Each gets a token of its own.
///
/// # Errors
/// [`TargetError`]; [`TargetError::NoLogs`] where there is none at that URL.
pub async fn probe_targets(
    policy: &Policy,
    client: &HttpClient,
    url: Option<&BaseUrl>,
    token: Option<TokenSource<'_>>,
) -> Result<Vec<ProbeTarget>, TargetError> {
    let mut targets = Vec::new();
    for log in policy.logs() {
        let (Some(key), Some(text)) = (log.public_key(), log.url()) else { continue };
        let parsed = BaseUrl::parse(text);
        let base = parsed.map_err(|error| TargetError::Url { url: text.to_owned(), error })?;
        if url.is_some_and(|url| url.to_string() != base.to_string()) {
            continue;
        }
        let token = match &token {
            Some(TokenSource { domain, signer }) => {
                let signature = signer.sign(&token_signing_bytes(key)).await?;
                Some(SubmitToken { domain: (*domain).to_owned(), signature })
            }
            None => None,
        };
        let log = HttpLog::new(client, &base)?;
        targets.push(ProbeTarget { url: base.to_string().into(), key: *key, log, token });
    }
    if targets.is_empty() { Err(TargetError::NoLogs) } else { Ok(targets) }
}
