//! The status of a follower on its internal endpoint, for programs. Where it says the same as a
//! primary's, it has the same name there.

use super::held::Held;
use super::report::{CopyCondition, Reporter};
use super::start::FollowerContext;
use crate::config::Storage;
use crate::serve::json;
use crate::status::{Disk, Waiting};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use sigsum_core::PublicKey;
use sigsum_service::http::get;
use sigsum_service::runner;
use std::path::PathBuf;
use std::sync::Arc;

/// What is going on in a follower.
#[derive(Debug, Serialize)]
struct Overview {
    /// What tells it from a primary's.
    role: &'static str,
    /// Hash of the key of the log that is copied, in hex.
    key_hash: String,
    now_s: u64,
    waiting: Vec<Waiting>,
    /// The primary's URL without the scheme.
    primary: String,
    /// `starting`, `following`, `failing`, `behind` or `stopped`.
    state: &'static str,
    /// Why nothing is copied any more.
    contradiction: Option<String>,
    /// Unix time of the primary's last good answer in this process.
    success_s: Option<u64>,
    /// Leaves that are durable here.
    committed_size: u64,
    /// Size of the last head of the log that is right for them.
    verified_size: Option<u64>,
    disk: Option<Disk>,
}

/// Where it comes from.
pub(super) struct Sources {
    log: PublicKey,
    held: Held,
    reporter: Arc<Reporter>,
    pub(super) service: runner::Context,
    /// The data directory, where it is one.
    directory: Option<PathBuf>,
}

impl Sources {
    pub(super) fn of(
        storage: &Storage,
        context: &FollowerContext,
        held: &Held,
        reporter: &Arc<Reporter>,
    ) -> Self {
        let directory = match storage {
            Storage::DataDir(directory) => Some(directory.clone()),
            Storage::Ephemeral | Storage::Place(_) => None,
        };
        let (log, service) = (context.log, context.service.clone());
        Self { log, held: held.clone(), reporter: reporter.clone(), service, directory }
    }

    fn overview(&self) -> Overview {
        let status = self.reporter.status(self.held.size());
        let now_s = self.service.clock.now_s();
        let waiting = self.service.health.waiting().into_iter();
        Overview {
            role: "secondary",
            key_hash: self.log.key_hash().to_hex(),
            now_s,
            waiting: waiting.map(|(part, reason)| Waiting { part, reason }).collect(),
            primary: status.primary,
            state: match status.condition {
                CopyCondition::Starting => "starting",
                CopyCondition::Following => "following",
                CopyCondition::Failing => "failing",
                CopyCondition::Behind => "behind",
                CopyCondition::Stopped => "stopped",
            },
            contradiction: status.contradiction.map(|contradiction| contradiction.to_string()),
            success_s: status.since_success.map(|since| now_s.saturating_sub(since.as_secs())),
            committed_size: status.held_size.0,
            verified_size: status.verified_size.map(|size| size.0),
            disk: self.directory.as_deref().and_then(Disk::under),
        }
    }
}

/// GET `/status.json`.
pub(super) fn routes(sources: Sources) -> Router {
    Router::new().route("/status.json", get(show)).with_state(Arc::new(sources))
}

async fn show(State(sources): State<Arc<Sources>>) -> Response {
    json(&sources.overview())
}
