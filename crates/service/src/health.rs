//! Liveness (the process answers) and readiness (its parts can do their work).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::response::Response;
use http::StatusCode;

use crate::http::{text_error, text_static};

/// The readiness of a node's parts. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// What each part waits for; `None` when it is ready.
    parts: Arc<Mutex<BTreeMap<String, Option<String>>>>,
}

/// One part of a node: an index that loads, a key that must be reachable.
#[derive(Clone, Debug)]
pub struct Part {
    health: Health,
    name: String,
}

impl Health {
    /// Without parts, and so ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a part, which waits for `starting` until it says otherwise.
    #[must_use]
    pub fn part(&self, name: &str) -> Part {
        let part = Part { health: self.clone(), name: name.to_owned() };
        part.waiting("starting");
        part
    }

    /// What is being waited for, as `(part, reason)`; empty when all parts are ready.
    #[must_use]
    pub fn waiting(&self) -> Vec<(String, String)> {
        let waits = |(name, reason): (&String, &Option<String>)| {
            reason.as_ref().map(|reason| (name.clone(), reason.clone()))
        };
        self.lock().iter().filter_map(waits).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Option<String>>> {
        // Each change is one insertion: a panic cannot leave half of one.
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    /// The part can do its work.
    pub fn ready(&self) {
        self.health.lock().insert(self.name.clone(), None);
    }

    /// The part cannot do its work until `reason` is over.
    pub fn waiting(&self, reason: &str) {
        self.health.lock().insert(self.name.clone(), Some(reason.to_owned()));
    }
}

/// GET `/livez`: 200 as long as the process answers. GET `/readyz`: 200 `ready\n`, or 503 with a line
/// `PART: REASON` for each part that waits.
pub fn routes(health: Health) -> Router {
    let ready = async move || -> Response {
        let waiting = health.waiting();
        if waiting.is_empty() {
            return text_static("ready\n");
        }
        let mut reasons = "not ready".to_owned();
        for (part, reason) in waiting {
            let _ = write!(reasons, "\n{part}: {reason}");
        }
        text_error(StatusCode::SERVICE_UNAVAILABLE, &reasons)
    };
    Router::new()
        .route("/livez", crate::http::get(async || text_static("alive\n")))
        .route("/readyz", crate::http::get(ready))
}
