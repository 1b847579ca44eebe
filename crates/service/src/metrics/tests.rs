//! The page of metrics, compared with what log-go's monitoring expects.

use super::*;
use crate::clock::ManualClock;
use crate::http::text_error;
use ::http::StatusCode;

/// `(name with labels, value)` of each sample; panics on a line that is not of the text format.
fn samples(page: &str) -> Vec<(String, f64)> {
    let mut found = Vec::new();
    let mut typed = Vec::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            typed.push(name.to_owned());
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(typed.iter().any(|family| name.starts_with(family.as_str())), "{line}");
            found.push((name.to_owned(), value.parse().unwrap()));
        }
    }
    found
}

fn value(page: &str, name: &str) -> Option<f64> {
    samples(page).into_iter().find(|(found, _)| found == name).map(|(_, value)| value)
}

#[test]
fn counters_gauges_and_histograms_are_written_in_text_format() {
    let registry = Registry::new();
    registry.counter("a_total", "A.").unwrap().inc_by(3);
    registry.gauge("b", "B.").unwrap().set(-2);
    let histogram = registry.histogram("c", "C.", LATENCY_BUCKETS_S).unwrap();
    histogram.observe(0.0015);
    histogram.observe(99.0);
    let page = registry.encode();
    assert_eq!(value(&page, "a_total"), Some(3.0));
    assert_eq!(value(&page, "b"), Some(-2.0));
    assert_eq!(value(&page, "c_bucket{le=\"0.001\"}"), Some(0.0));
    assert_eq!(value(&page, "c_bucket{le=\"0.002\"}"), Some(1.0));
    assert_eq!(value(&page, "c_bucket{le=\"1\"}"), Some(1.0));
    assert_eq!(value(&page, "c_bucket{le=\"10\"}"), Some(1.0));
    assert_eq!(value(&page, "c_bucket{le=\"+Inf\"}"), Some(2.0));
    assert_eq!(value(&page, "c_count"), Some(2.0));
    assert!(page.contains("# TYPE c histogram\n"));
}

#[test]
fn a_name_is_registered_once_per_registry() {
    let registry = Registry::new();
    registry.counter("a", "A.").unwrap();
    let error = registry.counter("a", "A.").unwrap_err();
    assert!(error.to_string().starts_with("metric a: "), "{error}");
    Registry::new().counter("a", "A.").unwrap();
}

#[test]
fn a_malformed_name_is_refused() {
    assert!(Registry::new().gauge("with space", "B.").is_err());
}

#[tokio::test]
async fn requests_are_counted_under_log_go_names() {
    let registry = Registry::new();
    let metrics = HttpMetrics::register(&registry, "sigsum_log_go").unwrap();
    let endpoint = metrics.endpoint("get-leaves/");
    let teapot = StatusCode::IM_A_TEAPOT;
    for status in [StatusCode::OK, StatusCode::OK, StatusCode::NOT_FOUND, teapot] {
        let _ = endpoint.measure(async { text_error(status, "x") }).await;
    }
    let page = registry.encode();
    let labelled = |name: &str, labels: &str| {
        value(&page, &format!("sigsum_log_go_http_{name}{{endpoint=\"get-leaves/\"{labels}}}"))
    };
    assert_eq!(labelled("req", ""), Some(4.0));
    assert_eq!(labelled("rsp", ",status=\"200\""), Some(2.0));
    assert_eq!(labelled("rsp", ",status=\"404\""), Some(1.0));
    assert_eq!(labelled("rsp", ",status=\"418\""), Some(1.0));
    assert_eq!(labelled("rsp", ",status=\"500\""), None, "never occurred");
    assert_eq!(labelled("latency_count", ",status=\"200\""), Some(2.0));
    assert_eq!(labelled("latency_bucket", ",status=\"200\",le=\"10\""), Some(2.0));
}

#[test]
fn process_metrics_are_plausible() {
    let registry = Registry::new();
    let clock = ManualClock::at_s(1_750_000_000);
    register_process_metrics(&registry, &clock).unwrap();
    let page = registry.encode();
    let process = |name: &str| value(&page, &format!("process_{name}")).unwrap();
    assert!(process("resident_memory_bytes") > 1e6);
    assert!(process("virtual_memory_bytes") > process("resident_memory_bytes"));
    assert!(process("open_fds") >= 3.0 && process("open_fds") < process("max_fds"));
    assert!(process("cpu_seconds_total") < 1e6);
    let age_s = 1.75e9 - process("start_time_seconds");
    assert!((0.0..3600.0).contains(&age_s), "by the clock that was given: {age_s}");
    assert!(page.contains("# TYPE process_cpu_seconds_total counter\n"), "{page}");
    assert!(page.contains("# TYPE process_open_fds gauge\n"), "{page}");
    assert!(register_process_metrics(&registry, &clock).is_err(), "only once");
}
