//! Counters, gauges and histograms, and their page in Prometheus' text format 0.0.4.
//!
//! A registry belongs to one node: a network in one process has one for each of its nodes. Resolve
//! a family's members once, at start, and keep them: counting is then one atomic operation.

mod http;
mod process;

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use prometheus::core::Collector;
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, TextEncoder,
};

pub use self::http::{EndpointMetrics, HttpMetrics};
pub use self::process::register_process_metrics;
pub use prometheus::{Histogram, IntCounter as Counter, IntGauge as Gauge};

/// Upper bounds in seconds of log-go's latency histograms (`+Inf` is implied).
pub const LATENCY_BUCKETS_S: &[f64] = &[
    0.001, 0.002, 0.003, 0.006, 0.01, 0.02, 0.03, 0.06, 0.1, 0.2, 0.3, 0.6, 1.0, 2.0, 3.0, 6.0,
    10.0,
];

/// The content type of the text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A metric that cannot be registered: a malformed name, or one that is taken. Ours to mend.
#[derive(Debug, thiserror::Error)]
#[error("metric {name}: {source}")]
pub struct MetricsError {
    name: String,
    source: prometheus::Error,
}

/// Where a node's metrics are registered. Clones are the same registry.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    inner: Arc<prometheus::Registry>,
}

/// Metrics of one name that differ in the values of their labels.
#[derive(Clone, Debug)]
pub struct Family<V> {
    vector: V,
}

/// Counters by label values.
pub type Counters = Family<IntCounterVec>;
/// Gauges by label values.
pub type Gauges = Family<IntGaugeVec>;
/// Gauges of any numbers by label values.
pub type FloatGauges = Family<GaugeVec>;
/// Histograms by label values.
pub type Histograms = Family<HistogramVec>;

impl Counters {
    /// The counter with these label values, in the order of the labels.
    #[must_use]
    pub fn with(&self, values: &[&str]) -> Counter {
        self.vector.with_label_values(values)
    }
}

impl Gauges {
    /// The gauge with these label values, in the order of the labels.
    #[must_use]
    pub fn with(&self, values: &[&str]) -> Gauge {
        self.vector.with_label_values(values)
    }

    /// Shows the gauge with these label values no longer. One that was resolved before counts for
    /// itself from here on.
    pub fn forget(&self, values: &[&str]) {
        let _ = self.vector.remove_label_values(values); // it may not have been shown yet
    }
}

impl FloatGauges {
    /// Sets the gauge with these label values, in the order of the labels.
    pub fn set(&self, values: &[&str], number: f64) {
        self.vector.with_label_values(values).set(number);
    }
}

impl Histograms {
    /// The histogram with these label values, in the order of the labels.
    #[must_use]
    pub fn with(&self, values: &[&str]) -> Histogram {
        self.vector.with_label_values(values)
    }
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A counter of its own.
    ///
    /// # Errors
    /// A malformed or taken name.
    pub fn counter(&self, name: &str, help: &str) -> Result<Counter, MetricsError> {
        self.register(name, Counter::new(name, help))
    }

    /// A gauge of its own, of whole numbers.
    ///
    /// # Errors
    /// A malformed or taken name.
    pub fn gauge(&self, name: &str, help: &str) -> Result<Gauge, MetricsError> {
        self.register(name, Gauge::new(name, help))
    }

    /// A histogram of its own.
    ///
    /// # Errors
    /// A malformed or taken name, buckets that do not rise.
    pub fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> Result<Histogram, MetricsError> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.register(name, Histogram::with_opts(options))
    }

    /// Counters with these labels.
    ///
    /// # Errors
    /// A malformed or taken name, a malformed label.
    pub fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<Counters, MetricsError> {
        let vector = self.register(name, IntCounterVec::new(Opts::new(name, help), labels))?;
        Ok(Family { vector })
    }

    /// Gauges with these labels.
    ///
    /// # Errors
    /// A malformed or taken name, a malformed label.
    pub fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<Gauges, MetricsError> {
        let vector = self.register(name, IntGaugeVec::new(Opts::new(name, help), labels))?;
        Ok(Family { vector })
    }

    /// Gauges of any numbers, such as fractions of seconds, with these labels.
    ///
    /// # Errors
    /// A malformed or taken name, a malformed label.
    pub fn float_gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<FloatGauges, MetricsError> {
        let vector = self.register(name, GaugeVec::new(Opts::new(name, help), labels))?;
        Ok(Family { vector })
    }

    /// Histograms with these labels.
    ///
    /// # Errors
    /// A malformed or taken name, a malformed label, buckets that do not rise.
    pub fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<Histograms, MetricsError> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        let vector = self.register(name, HistogramVec::new(options, labels))?;
        Ok(Family { vector })
    }

    /// Everything registered, in the text format 0.0.4.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // The encoder refuses a family without a name or without members; the registry has
        // neither. Were it to happen, what was written before it is still of use.
        if let Err(error) = TextEncoder::new().encode_utf8(&self.inner.gather(), &mut text) {
            tracing::error!(%error, "metrics are incomplete");
        }
        text
    }

    fn register<C: Collector + Clone + 'static>(
        &self,
        name: &str,
        made: prometheus::Result<C>,
    ) -> Result<C, MetricsError> {
        let failed = |source| MetricsError { name: name.to_owned(), source };
        let metric = made.map_err(failed)?;
        self.inner.register(Box::new(metric.clone())).map_err(failed)?;
        Ok(metric)
    }
}

/// GET `/metrics`.
pub fn routes(registry: Registry) -> Router {
    let page = async move || -> Response {
        crate::http::with_content_type(crate::http::text(registry.encode()), TEXT_FORMAT)
    };
    Router::new().route("/metrics", crate::http::get(page))
}

#[cfg(test)]
mod tests;
