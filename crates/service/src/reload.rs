//! Reloading: who asks for it (SIGHUP, or a file that changed), and what becomes of it.
//!
//! The role decides what a reload is; [`follow`] tells it when, and reports how it went: one log
//! line, two metrics, and systemd where that started the process.

mod files;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::metrics::{Gauge, MetricsError, Registry};
use crate::runner::Context;

pub use files::Watched;

/// How often watched files are looked at. A change is taken up when a file has been the same for as
/// long, so that one that is being written is not read half.
pub const WATCH_INTERVAL_MS: u64 = 1_000;

/// Requests to reload. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Reload {
    requests: watch::Sender<u64>,
}

/// One that hears of requests, also of those that were made before it began to listen.
#[derive(Debug)]
pub struct Requests {
    requests: watch::Receiver<u64>,
    seen: u64,
}

impl Reload {
    /// Nothing is asked for yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for a reload. Several requests before the first is heard are one.
    pub fn request(&self) {
        self.requests.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Begins to listen.
    #[must_use]
    pub fn requests(&self) -> Requests {
        Requests { requests: self.requests.subscribe(), seen: 0 }
    }
}

impl Requests {
    /// Returns at the next request. Safe to cancel.
    pub async fn next(&mut self) {
        let seen = self.seen;
        let Ok(count) = self.requests.wait_for(|count| *count != seen).await.map(|count| *count)
        else {
            // Nobody is left who could ask.
            return std::future::pending().await;
        };
        self.seen = count;
    }
}

/// Asks for a reload at each SIGHUP, which without this would end the process, and calls `reopen`
/// first. Needs a tokio runtime.
///
/// # Errors
/// When the operating system refuses a signal handler.
pub fn on_hangup(reload: &Reload, reopen: impl Fn() + Send + 'static) -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let reload = reload.clone();
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            reopen();
            reload.request();
        }
    });
    Ok(())
}

/// What reloading shows in metrics.
#[derive(Clone, Debug)]
pub struct ReloadMetrics {
    failed: Gauge,
    success_time_s: Gauge,
    clock: Arc<dyn Clock>,
}

impl ReloadMetrics {
    /// Registers `PREFIX_config_reload_failed` and `PREFIX_config_reload_success_time_seconds`. What
    /// is in force now was read now.
    ///
    /// # Errors
    /// A name is taken.
    pub fn register(
        registry: &Registry,
        prefix: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, MetricsError> {
        let metrics = Self {
            failed: registry.gauge(
                &format!("{prefix}_config_reload_failed"),
                "1 while the newest configuration was refused and an older one is in force.",
            )?,
            success_time_s: registry.gauge(
                &format!("{prefix}_config_reload_success_time_seconds"),
                "Unix time at which the configuration that is in force was read.",
            )?,
            clock,
        };
        metrics.succeeded();
        Ok(metrics)
    }

    fn succeeded(&self) {
        self.failed.set(0);
        self.success_time_s.set(i64::try_from(self.clock.now_s()).unwrap_or(i64::MAX));
    }
}

/// What a reload brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// What is different from now on.
    pub changed: Vec<String>,
    /// What differs in the files and counts from the next start on.
    pub needs_restart: Vec<String>,
}

/// Reloads whenever that is asked for, or a watched file has changed, for ever. `apply` reads
/// everything anew and gives the files that were read; where it fails nothing must have changed, and
/// its text names the file and the reason.
pub async fn follow(
    context: &Context,
    metrics: &ReloadMetrics,
    mut watched: Watched,
    mut apply: impl AsyncFnMut(&mut Watched) -> Result<Summary, String>,
) -> std::convert::Infallible {
    let mut requests = context.reload.requests();
    let pause = Duration::from_millis(WATCH_INTERVAL_MS);
    loop {
        let cause = loop {
            tokio::select! {
                () = requests.next() => break "it was asked for".to_owned(),
                () = tokio::time::sleep(pause) => {}
            }
            if let Some(path) = watched.changed().await {
                break format!("{} has changed", path.display());
            }
        };
        context.notify.reloading();
        let result = apply(&mut watched).await;
        report(&cause, &result, metrics);
        context.notify.ready(match &result {
            Ok(_) => "",
            Err(_) => "The new configuration was refused, the old one is in force",
        });
    }
}

fn report(cause: &str, result: &Result<Summary, String>, metrics: &ReloadMetrics) {
    match result {
        Err(reason) => {
            metrics.failed.set(1);
            tracing::error!(cause, "the new configuration is refused, the old one stays: {reason}");
        }
        Ok(Summary { changed, needs_restart }) => {
            metrics.succeeded();
            let changed = changed.join(" ");
            if changed.is_empty() {
                tracing::info!(cause, "configuration read again, nothing has changed");
            } else {
                tracing::info!(cause, changed, "configuration read again");
            }
            if !needs_restart.is_empty() {
                let keys = needs_restart.join(" ");
                tracing::warn!(keys, "these keys count from the next start on");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_is_heard_by_those_who_come_later_and_several_are_one() {
        let reload = Reload::new();
        reload.request();
        reload.request();
        let mut requests = reload.requests();
        requests.next().await;
        let next = tokio::time::timeout(Duration::from_millis(20), requests.next());
        assert!(next.await.is_err());
        reload.request();
        requests.next().await;
    }
}
