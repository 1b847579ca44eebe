//! The log's signer, watched: whether the key can be used, since when, and why not.
//!
//! A signer may be an agent that goes away while nobody submits anything. So it is asked from time
//! to time for the signature that it gave last: the same message gives the same signature, so that
//! nothing new is signed.

use crate::metrics::{LogMetrics, gauge_value};
use serde::Serialize;
use sigsum_core::{PublicKey, Signature};
use sigsum_keys::{SignError, Signer};
use sigsum_service::clock::Clock;
use sigsum_service::health::Part;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SigningError {
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignError),
    /// The signer did not answer.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
}

/// How the signer does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SignerStatus {
    /// Unix time of the last signature; `None` before the first.
    pub success_s: Option<u64>,
    /// Unix time since which it fails; `None` while it works.
    pub failing_since_s: Option<u64>,
    /// What it said last, where it fails.
    pub problem: Option<String>,
}

/// The signer, and what is known of it.
pub(crate) struct WatchedSigner {
    signer: Arc<dyn Signer>,
    clock: Arc<dyn Clock>,
    metrics: Arc<LogMetrics>,
    health: Part,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    status: SignerStatus,
    /// When it signed last; a wall clock could be set back.
    signed: Option<Instant>,
}

impl WatchedSigner {
    /// A signer that counts as good until it fails.
    pub(crate) fn new(
        signer: Arc<dyn Signer>,
        clock: Arc<dyn Clock>,
        metrics: Arc<LogMetrics>,
        health: Part,
    ) -> Arc<Self> {
        health.ready();
        let state = Mutex::default();
        Arc::new(Self { signer, clock, metrics, health, state })
    }

    /// The public half of the key.
    pub(crate) fn public_key(&self) -> PublicKey {
        self.signer.public_key()
    }

    /// How it does.
    pub(crate) fn status(&self) -> SignerStatus {
        self.lock().status.clone()
    }

    /// Whether it works as far as is known, and signed within this time.
    pub(crate) fn signed_within(&self, time: Duration) -> bool {
        let state = self.lock();
        let is_recent = state.signed.is_some_and(|signed| signed.elapsed() < time);
        is_recent && state.status.failing_since_s.is_none()
    }

    /// Signs, within the time limit.
    ///
    /// # Errors
    /// [`SigningError`].
    pub(crate) async fn sign(
        &self,
        message: &[u8],
        timeout: Duration,
    ) -> Result<Signature, SigningError> {
        let signing = tokio::time::timeout(timeout, self.signer.sign(message));
        let signed = match signing.await {
            Ok(Ok(signature)) => Ok(signature),
            Ok(Err(error)) => Err(SigningError::Signer(error)),
            Err(_) => Err(SigningError::Timeout(timeout)),
        };
        match &signed {
            Ok(_) => self.works(),
            Err(error) => self.fails(error),
        }
        signed
    }

    fn works(&self) {
        let now_s = self.clock.now_s();
        self.metrics.ground.signer_success_time_s.set(gauge_value(now_s));
        self.metrics.ground.signer_failing.set(0);
        let mut state = self.lock();
        if state.status.failing_since_s.is_some() {
            self.health.ready();
            tracing::info!("the log's key can be used again");
        }
        let status = SignerStatus { success_s: Some(now_s), failing_since_s: None, problem: None };
        *state = State { status, signed: Some(Instant::now()) };
    }

    fn fails(&self, error: &SigningError) {
        self.metrics.ground.signer_failing.set(1);
        let problem = error.to_string();
        let mut state = self.lock();
        if state.status.failing_since_s.is_none() {
            self.health.waiting("the log's key cannot be used");
            tracing::warn!("the log's key cannot be used, no new head can be signed: {problem}");
        }
        state.status.failing_since_s.get_or_insert(self.clock.now_s());
        state.status.problem = Some(problem);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic stands between two changes.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
