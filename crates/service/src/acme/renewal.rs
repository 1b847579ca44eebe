//! The task that asks for certificates when it is time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::Acme;
use super::kept::KeptCertificate;
use super::order::{Failure, beside};
use super::schedule::{Cause, Schedule};
use crate::clock::{Clock, utc_text};
use crate::metrics::{Counter, Gauge, MetricsError};
use crate::runner::Context;
use crate::shutdown::Shutdown;
use crate::tls::{Current, Validity, provider};

/// Longest time of one order: Let's Encrypt takes seconds, and a name is tried for half a minute.
const ORDER_LIMIT: Duration = Duration::from_secs(5 * 60);

/// How often the clock is looked at, which may be set.
const LOOK_S: u64 = 10;

/// Keeps the certificate of one server up.
pub(super) struct Renewal {
    acme: Arc<Acme>,
    current: Arc<Current>,
    clock: Arc<dyn Clock>,
    shutdown: Shutdown,
    orders: Counter,
    failing: Gauge,
    schedule: Schedule,
    /// The certificate that is shown, if it is the one that is configured.
    right: Option<Validity>,
    /// What was told of last; a failure is told once.
    told: Option<String>,
}

impl Renewal {
    pub(super) fn new(
        acme: Arc<Acme>,
        current: Arc<Current>,
        context: &Context,
        prefix: &str,
    ) -> Result<Self, MetricsError> {
        let orders = context.metrics.counter(
            &format!("{prefix}_acme_orders_total"),
            "Orders of certificates that were begun.",
        )?;
        let failing = context.metrics.gauge(
            &format!("{prefix}_acme_failing"),
            "1 while the last attempt to get a certificate did not succeed.",
        )?;
        let kept = acme.kept.certificate().ok().flatten();
        let is_shown = |kept: &KeptCertificate| {
            current.certificate().is_some_and(|shown| *shown == kept.certificate)
        };
        let right = kept.filter(|kept| is_shown(kept) && kept.is_for(&acme.config));
        let mut random = [0; 2];
        // Without random numbers the handshakes will fail too; here it means no spread.
        let _ = provider().secure_random.fill(&mut random);
        let schedule = Schedule::new(acme.kept.orders(), u16::from_le_bytes(random));
        let right = right.map(|kept| kept.certificate.validity());
        let (clock, shutdown) = (Arc::clone(&context.clock), context.shutdown.clone());
        Ok(Self { acme, current, clock, shutdown, orders, failing, schedule, right, told: None })
    }

    /// Runs until the shutdown.
    pub(super) async fn run(mut self) {
        let shutdown = self.shutdown.clone();
        tokio::select! {
            () = shutdown.triggered() => {}
            () = self.keep_up() => {}
        }
    }

    async fn keep_up(&mut self) {
        loop {
            let now_s = self.clock.now_s();
            let wait_s = self.schedule.due_s(self.right.as_ref(), now_s).saturating_sub(now_s);
            if wait_s > 0 {
                tokio::time::sleep(Duration::from_secs(wait_s.min(LOOK_S))).await;
                continue;
            }
            let outcome = tokio::time::timeout(ORDER_LIMIT, caught(self.attempt())).await;
            self.current.answers().clear();
            let too_long = |_| {
                let limit_s = ORDER_LIMIT.as_secs();
                let what = format_args!("the order did not end within {limit_s} seconds");
                Err(Failure::new(Cause::Unreachable, what))
            };
            match outcome.unwrap_or_else(too_long) {
                Ok(certificate) => self.succeed(certificate),
                Err(failure) => self.fail(&failure),
            }
        }
    }

    async fn attempt(&mut self) -> Result<KeptCertificate, Failure> {
        let account = self.acme.account().await?;
        // What is not remembered might be repeated without end by a process that is restarted.
        let orders_s = self.schedule.order(self.clock.now_s()).to_vec();
        let remember = move |kept: &super::Kept| kept.keep_orders(&orders_s);
        let remembered = beside(&self.acme.kept, remember).await?;
        remembered.map_err(|error| Failure::new(Cause::Own, error))?;
        self.orders.inc();
        let order = self.acme.begin(account).await?;
        self.acme.finish(order, self.current.answers(), &*self.clock).await
    }

    fn succeed(&mut self, kept: KeptCertificate) {
        let validity = kept.certificate.validity();
        self.current.replace(kept.certificate);
        self.right = Some(validity);
        self.schedule.succeed(&validity, self.clock.now_s());
        self.failing.set(0);
        self.told = None;
        let until = utc_text(u64::try_from(validity.not_after_s).unwrap_or_default());
        tracing::info!(%until, "there is a new certificate");
    }

    fn fail(&mut self, failure: &Failure) {
        let now_s = self.clock.now_s();
        self.schedule.fail(failure.cause, self.acme.ca.retry_after_s(now_s), now_s);
        self.failing.set(1);
        let wait_s = self.schedule.due_s(self.right.as_ref(), now_s).saturating_sub(now_s);
        if self.told.replace(failure.text.clone()).as_ref() == Some(&failure.text) {
            tracing::debug!(wait_s, "still no new certificate: {failure}");
        } else if self.current.certificate().is_some() {
            tracing::warn!(wait_s, "cannot renew the certificate; the old one stays: {failure}");
        } else {
            tracing::error!(wait_s, "cannot get a certificate: {failure}");
        }
    }
}

/// The outcome of an attempt, also where a library panics over what an authority says: a task that is
/// gone would renew nothing, and nobody would be told.
async fn caught<T>(attempt: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut attempt = std::pin::pin!(attempt);
    std::future::poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| attempt.as_mut().poll(context)));
        polled.unwrap_or_else(|_| {
            let what = "what the authority said could not be processed";
            Poll::Ready(Err(Failure::new(Cause::Unusable, what)))
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_failure_like_others() {
        let failure = caught(async { panic!("over an answer") }).await as Result<(), Failure>;
        assert_eq!(failure.unwrap_err().cause, Cause::Unusable);
        assert_eq!(caught(async { Ok(7) }).await.unwrap(), 7);
    }
}
