//! Requests, answers and latency by endpoint, under log-go's names.

use std::future::Future;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Instant;

use axum::response::Response;
use http::StatusCode;

use super::{Counter, Counters, Histogram, Histograms, LATENCY_BUCKETS_S, MetricsError, Registry};

/// The metrics of one server: `PREFIX_http_req{endpoint}`, `PREFIX_http_rsp{endpoint,status}` and
/// the histogram `PREFIX_http_latency{endpoint,status}` in seconds.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    requests: Counters,
    responses: Counters,
    latency: Histograms,
}

impl HttpMetrics {
    /// Registers the three families, `prefix` being `sigsum_log_go` for a log.
    ///
    /// # Errors
    /// When the names are taken or malformed.
    pub fn register(registry: &Registry, prefix: &str) -> Result<Self, MetricsError> {
        let name = |suffix: &str| format!("{prefix}_{suffix}");
        Ok(Self {
            requests: registry.counters(
                &name("http_req"),
                "Number of HTTP requests, by endpoint.",
                &["endpoint"],
            )?,
            responses: registry.counters(
                &name("http_rsp"),
                "Number of HTTP responses, by endpoint and status.",
                &["endpoint", "status"],
            )?,
            latency: registry.histograms(
                &name("http_latency"),
                "Seconds from request to response, by endpoint and status.",
                &["endpoint", "status"],
                LATENCY_BUCKETS_S,
            )?,
        })
    }

    /// The metrics of one endpoint, named as log-go does: `add-leaf`, `get-leaves/`.
    #[must_use]
    pub fn endpoint(&self, name: &'static str) -> EndpointMetrics {
        EndpointMetrics {
            inner: Arc::new(Endpoint {
                name,
                requests: self.requests.with(&[name]),
                families: self.clone(),
                by_status: Default::default(),
            }),
        }
    }
}

/// The metrics of one endpoint. Clones are the same.
#[derive(Clone, Debug)]
pub struct EndpointMetrics {
    inner: Arc<Endpoint>,
}

#[derive(Debug)]
struct Endpoint {
    name: &'static str,
    requests: Counter,
    families: HttpMetrics,
    /// Made when a status first occurs, so that the page shows no status that never did.
    by_status: [OnceLock<StatusMetrics>; STATUSES.len()],
}

/// The statuses that our endpoints answer with; others are looked up at each request.
const STATUSES: [u16; 12] = [200, 202, 400, 403, 404, 408, 409, 413, 422, 429, 500, 503];

#[derive(Clone, Debug)]
struct StatusMetrics {
    responses: Counter,
    latency: Histogram,
}

impl EndpointMetrics {
    /// Counts a request, awaits its answer and counts that.
    pub async fn measure<F: Future<Output = Response>>(&self, answer: F) -> Response {
        let begin = Instant::now();
        self.inner.requests.inc();
        let response = answer.await;
        self.inner.answered(response.status(), begin);
        response
    }
}

impl Endpoint {
    fn answered(&self, status: StatusCode, begin: Instant) {
        let known = STATUSES.iter().position(|known| *known == status.as_u16());
        let made;
        let metrics = match known.and_then(|index| self.by_status.get(index)) {
            Some(slot) => slot.get_or_init(|| self.status_metrics(status)),
            None => {
                made = self.status_metrics(status);
                &made
            }
        };
        metrics.responses.inc();
        metrics.latency.observe(begin.elapsed().as_secs_f64());
    }

    fn status_metrics(&self, status: StatusCode) -> StatusMetrics {
        let labels = [self.name, status.as_str()];
        StatusMetrics {
            responses: self.families.responses.with(&labels),
            latency: self.families.latency.with(&labels),
        }
    }
}
