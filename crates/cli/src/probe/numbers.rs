//! The results of probes as metrics. Gauges alone, which a look says nothing about keep what the look
//! before found: so a file that cron writes means the same as the page of a daemon.

use super::old_file::samples;
use sigsum_client::probe::{ProbeReport, ProbeStep, Service, StepOutcome};
use sigsum_service::metrics::{FloatGauges, Gauges, MetricsError, Registry};

/// All metrics of the prober.
pub(super) struct Numbers {
    up: Gauges,
    success_time_s: Gauges,
    time_s: Gauges,
    step_seconds: FloatGauges,
    step_failed: Gauges,
    tree_size: Gauges,
    head_age_s: Gauges,
    witness_cosigned: Gauges,
}

impl Numbers {
    pub(super) fn register(registry: &Registry) -> Result<Self, MetricsError> {
        let gauges = |name, help, labels: &[&str]| registry.gauges(name, help, labels);
        Ok(Self {
            up: gauges(
                "sigsum_probe_up",
                "1 where the service was up at the last look that says something about it.",
                &["log", "service"],
            )?,
            success_time_s: gauges(
                "sigsum_probe_success_time_seconds",
                "Unix time of the last look at which the service was up.",
                &["log", "service"],
            )?,
            time_s: gauges("sigsum_probe_time_seconds", "Unix time of the last look.", &["log"])?,
            step_seconds: registry.float_gauges(
                "sigsum_probe_step_seconds",
                "Seconds that a step took at its last success.",
                &["log", "step"],
            )?,
            step_failed: gauges(
                "sigsum_probe_step_failed",
                "1 where the step failed at the last look that made it.",
                &["log", "step"],
            )?,
            tree_size: gauges("sigsum_probe_tree_size", "Leaves of the served head.", &["log"])?,
            head_age_s: gauges(
                "sigsum_probe_head_age_seconds",
                "Age of the newest cosignature of the served head.",
                &["log"],
            )?,
            witness_cosigned: gauges(
                "sigsum_probe_witness_cosigned",
                "1 where the policy's witness cosigned the served head.",
                &["log", "witness"],
            )?,
        })
    }

    /// Takes over what the file of an earlier look says of these logs and witnesses.
    pub(super) fn restore(&self, file: &str, logs: &[&str], witnesses: &[String]) {
        for sample in samples(file) {
            let label = |name| sample.labels.get(name).map(String::as_str);
            let log = label("log").filter(|log| logs.contains(log));
            let of = |known: bool, name| label(name).filter(|_| known);
            let is_service = Service::ALL.iter().any(|it| Some(it.name()) == label("service"));
            let is_step = ProbeStep::ALL.iter().any(|it| Some(it.name()) == label("step"));
            let is_witness = witnesses.iter().any(|name| Some(&**name) == label("witness"));
            let (gauges, second) = match sample.name {
                "sigsum_probe_up" => (&self.up, of(is_service, "service")),
                "sigsum_probe_success_time_seconds" => {
                    (&self.success_time_s, of(is_service, "service"))
                }
                "sigsum_probe_step_failed" => (&self.step_failed, of(is_step, "step")),
                "sigsum_probe_witness_cosigned" => {
                    (&self.witness_cosigned, of(is_witness, "witness"))
                }
                "sigsum_probe_tree_size" => (&self.tree_size, None),
                "sigsum_probe_head_age_seconds" => (&self.head_age_s, None),
                "sigsum_probe_step_seconds" => {
                    if let (Some(log), Some(step), Ok(seconds)) =
                        (log, of(is_step, "step"), sample.value.parse())
                    {
                        self.step_seconds.set(&[log, step], seconds);
                    }
                    continue;
                }
                _ => continue,
            };
            let labels: Vec<&str> = log.into_iter().chain(second).collect();
            if let (Ok(number), true) = (sample.value.parse(), labels.len() == sample.labels.len())
            {
                gauges.with(&labels).set(number);
            }
        }
    }

    /// Shows the results of a look.
    pub(super) fn show(&self, reports: &[ProbeReport], now_s: u64) {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        for report in reports {
            let log = label(&report.url);
            self.time_s.with(&[log]).set(number(now_s));
            for service in Service::ALL {
                let Some(up) = report.is_up(service) else { continue };
                let labels = [log, service.name()];
                self.up.with(&labels).set(i64::from(up));
                if up {
                    self.success_time_s.with(&labels).set(number(now_s));
                }
            }
            for step in &report.steps {
                let labels = [log, step.step.name()];
                match step.outcome {
                    StepOutcome::Skipped(_) => continue,
                    StepOutcome::Good => self.step_seconds.set(&labels, step.took.as_secs_f64()),
                    StepOutcome::Failed(_) => {}
                }
                let failed = matches!(step.outcome, StepOutcome::Failed(_));
                self.step_failed.with(&labels).set(i64::from(failed));
            }
            let Some(head) = &report.head else { continue };
            self.tree_size.with(&[log]).set(number(head.size));
            if let Some(age_s) = head.age_s {
                self.head_age_s.with(&[log]).set(number(age_s));
            }
            for (witness, cosigned) in &head.cosigned {
                self.witness_cosigned.with(&[log, witness]).set(i64::from(*cosigned));
            }
        }
    }
}

/// A log's URL as a label.
pub(super) fn label(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}
