//! The results of probes as metrics. Gauges alone, so that a file that cron writes means the same
//! as the page of a daemon.

use sigsum_client::probe::{ProbeReport, Service, StepOutcome};
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

    /// Shows the results of a look.
    pub(super) fn show(&self, reports: &[ProbeReport], now_s: u64) {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        for report in reports {
            let log = report.url.split_once("://").map_or(&*report.url, |(_, rest)| rest);
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
