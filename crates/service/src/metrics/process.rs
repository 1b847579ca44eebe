//! Metrics of the process itself, under the names that every Prometheus client uses.
//!
//! Read from `/proc/self` when the page is asked for, which is all of `/proc` that systemd leaves to a
//! service with `ProcSubset=pid`; a value that cannot be read is left out.

use std::fs;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter as FloatCounter, Gauge as FloatGauge, Opts};
use rustix::time::{ClockId, clock_gettime};

use super::{MetricsError, Registry};
use crate::clock::Clock;

/// Clock ticks a second in `/proc/PID/stat`: `USER_HZ`, which is 100 on every architecture of Linux
/// that Rust's standard library supports, whatever the kernel's own tick.
const TICKS_PER_S: f64 = 100.0;

/// Registers `process_resident_memory_bytes`, `process_virtual_memory_bytes`,
/// `process_cpu_seconds_total`, `process_open_fds`, `process_max_fds` and
/// `process_start_time_seconds`. For the registry of the only node in a process.
///
/// # Errors
/// When they are registered already.
pub fn register_process_metrics(
    registry: &Registry,
    clock: &dyn Clock,
) -> Result<(), MetricsError> {
    let failed = |source| MetricsError { name: "process_*".to_owned(), source };
    let collector = ProcessCollector::new().map_err(failed)?;
    registry.inner.register(Box::new(collector)).map_err(failed)?;
    let (name, help) = ("process_start_time_seconds", "Start of the process in unix time.");
    let start = registry.register(name, FloatGauge::new(name, help))?;
    start.set(clock.now_ms() as f64 / 1000.0 - age_s().unwrap_or(0.0));
    Ok(())
}

/// Reads one value; `None` when the system does not tell.
type Read = fn() -> Option<f64>;

/// A metric and where its value comes from.
struct Source {
    metric: Metric,
    read: Read,
}

enum Metric {
    Gauge(FloatGauge),
    /// What never falls while the process lives. Only describes: as two pages may be made at once,
    /// each gets a counter of its own, which is made of the options.
    Counter(FloatCounter, Opts),
}

impl Metric {
    fn desc(&self) -> Vec<&Desc> {
        match self {
            Self::Gauge(gauge) => gauge.desc(),
            Self::Counter(counter, _) => counter.desc(),
        }
    }

    fn collect(&self, value: f64) -> Vec<MetricFamily> {
        match self {
            Self::Gauge(gauge) => {
                gauge.set(value);
                gauge.collect()
            }
            Self::Counter(_, options) => {
                let counter = FloatCounter::with_opts(options.clone());
                counter.map_or_else(
                    |_| Vec::new(),
                    |counter| {
                        counter.inc_by(value);
                        counter.collect()
                    },
                )
            }
        }
    }
}

struct ProcessCollector {
    sources: Vec<Source>,
}

impl ProcessCollector {
    fn new() -> prometheus::Result<Self> {
        let rows: [(&str, &str, Read); 5] = [
            ("process_resident_memory_bytes", "Resident memory size in bytes.", resident_bytes),
            ("process_virtual_memory_bytes", "Virtual memory size in bytes.", virtual_bytes),
            ("process_cpu_seconds_total", "User and system CPU time in seconds.", cpu_seconds),
            ("process_open_fds", "Number of open file descriptors.", open_fds),
            ("process_max_fds", "Maximum number of open file descriptors.", max_fds),
        ];
        let sources = rows.into_iter().map(|(name, help, read)| {
            let options = Opts::new(name, help);
            let metric = match name.ends_with("_total") {
                true => Metric::Counter(FloatCounter::with_opts(options.clone())?, options),
                false => Metric::Gauge(FloatGauge::with_opts(options)?),
            };
            Ok(Source { metric, read })
        });
        Ok(Self { sources: sources.collect::<prometheus::Result<_>>()? })
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.sources.iter().flat_map(|source| source.metric.desc()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = Vec::new();
        for source in &self.sources {
            if let Some(value) = (source.read)() {
                families.extend(source.metric.collect(value));
            }
        }
        families
    }
}

/// Field `number` (from 1, as proc(5) counts) of `/proc/self/stat`.
fn stat_field(number: usize) -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in parentheses, which may hold spaces; the third
    // follows the last parenthesis.
    let (_, from_third) = stat.rsplit_once(')')?;
    from_third.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

/// The number after `key` in a file of `key value` lines.
fn line_value(path: &str, key: &str) -> Option<f64> {
    let text = fs::read_to_string(path).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

fn resident_bytes() -> Option<f64> {
    Some(line_value("/proc/self/status", "VmRSS:")? * 1024.0)
}

fn virtual_bytes() -> Option<f64> {
    stat_field(23)
}

fn cpu_seconds() -> Option<f64> {
    Some((stat_field(14)? + stat_field(15)?) / TICKS_PER_S)
}

fn open_fds() -> Option<f64> {
    // One of them is the directory that is being read.
    let count = fs::read_dir("/proc/self/fd").ok()?.count().checked_sub(1)?;
    Some(count as f64)
}

fn max_fds() -> Option<f64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.map(|limit| limit as f64)
}

/// How long the process has run.
fn age_s() -> Option<f64> {
    let machine = clock_gettime(ClockId::Boottime);
    let machine_s = machine.tv_sec as f64 + machine.tv_nsec as f64 / 1e9;
    Some((machine_s - stat_field(22)? / TICKS_PER_S).max(0.0))
}
