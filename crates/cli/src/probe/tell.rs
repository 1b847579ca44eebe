//! The results of probes in words, and as JSON.

use crate::failure::Failure;
use crate::files::print;
use serde_json::json;
use sigsum_client::probe::{ProbeReport, Service, StepOutcome, StepReport};
use std::collections::BTreeMap;

/// Prints what one look found.
pub(super) fn print_reports(reports: &[ProbeReport], as_json: bool) -> Result<(), Failure> {
    for report in reports {
        print(if as_json { json_line(report) } else { words(report) })?;
    }
    Ok(())
}

fn words(report: &ProbeReport) -> String {
    let mut out = format!("{}\n", report.url);
    for step in &report.steps {
        out += &format!("  {}\n", line(step));
    }
    if let Some(head) = &report.head {
        let missing: Vec<&str> =
            head.cosigned.iter().filter(|(_, there)| !there).map(|(name, _)| &**name).collect();
        let of = head.cosigned.len();
        let age = head.age_s.map_or(String::new(), |age_s| format!(", newest {age_s} s old"));
        out += &format!(
            "  head of {} leaves, cosigned by {} of {of} witnesses{age}\n",
            head.size,
            of.saturating_sub(missing.len())
        );
        if !missing.is_empty() {
            out += &format!("  not cosigned by {}\n", missing.join(", "));
        }
    }
    out
}

fn line(step: &StepReport) -> String {
    let name = step.step.name();
    let took_ms = step.took.as_secs_f64() * 1000.0;
    match &step.outcome {
        StepOutcome::Good => format!("{name:<22} good    {took_ms:>8.1} ms"),
        StepOutcome::Skipped(why) => format!("{name:<22} skipped              {why}"),
        StepOutcome::Failed(why) => format!("{name:<22} FAILED  {took_ms:>8.1} ms  {why}"),
    }
}

fn json_line(report: &ProbeReport) -> String {
    let step = |step: &StepReport| {
        let (outcome, reason) = match &step.outcome {
            StepOutcome::Good => ("good", None),
            StepOutcome::Skipped(why) => ("skipped", Some(why)),
            StepOutcome::Failed(why) => ("failed", Some(why)),
        };
        json!({
            "step": step.step.name(),
            "service": step.step.service().name(),
            "outcome": outcome,
            "reason": reason,
            "seconds": step.took.as_secs_f64(),
        })
    };
    let head = report.head.as_ref().map(|head| {
        let cosigned: BTreeMap<_, _> = head.cosigned.iter().cloned().collect();
        json!({ "size": head.size, "age_s": head.age_s, "cosigned": cosigned })
    });
    let up: BTreeMap<_, _> =
        Service::ALL.into_iter().map(|service| (service.name(), report.is_up(service))).collect();
    let steps: Vec<_> = report.steps.iter().map(step).collect();
    let line = json!({ "log": &*report.url, "up": up, "steps": steps, "head": head });
    format!("{line}\n")
}

/// Tells the daemon's log what changed: a line for each service that goes down or comes back.
#[derive(Debug, Default)]
pub(super) struct Teller {
    known: BTreeMap<(String, &'static str), bool>,
}

impl Teller {
    pub(super) fn tell(&mut self, reports: &[ProbeReport]) {
        for report in reports {
            for service in Service::ALL {
                let Some(up) = report.is_up(service) else { continue };
                let key = (report.url.to_string(), service.name());
                let before = self.known.insert(key, up);
                let (log, service_name) = (&*report.url, service.name());
                match (before, up) {
                    (None | Some(true), false) => {
                        let why = reason(report, service);
                        tracing::warn!(log, service = service_name, "down: {why}");
                    }
                    (None | Some(false), true) => {
                        tracing::info!(log, service = service_name, "up");
                    }
                    (Some(_), _) => {}
                }
            }
        }
    }
}

/// What failed of a service.
fn reason(report: &ProbeReport, service: Service) -> String {
    let failed = report.steps.iter().filter(|step| step.step.service() == service);
    let reasons = failed.filter_map(|step| match &step.outcome {
        StepOutcome::Failed(why) => Some(format!("{}: {why}", step.step.name())),
        StepOutcome::Good | StepOutcome::Skipped(_) => None,
    });
    reasons.collect::<Vec<_>>().join("; ")
}
