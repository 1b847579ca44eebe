//! What a run found: verdicts, cargo test's summary, and everything that was not checked.

use std::time::Duration;

use super::{Outcome, Step};

/// What cargo test says of a program without tests.
const NO_TESTS: &str = " 0 passed; 0 failed; 0 ignored;";

/// Collects while the steps run.
#[derive(Default)]
pub(super) struct Report {
    /// A line for each step.
    verdicts: Vec<String>,
    failed: bool,
    /// What was skipped, and why.
    skips: Vec<String>,
    /// `test result: ...` of each test binary, as cargo printed them.
    summaries: Vec<String>,
}

impl Report {
    /// Notes how a step ended, and returns the line that says so.
    pub(super) fn finished(&mut self, step: Step, outcome: &Outcome, took: Duration) -> String {
        let verdict = match outcome {
            Outcome::Passed => "passed".to_owned(),
            Outcome::Failed(why) => {
                self.failed = true;
                format!("FAILED: {why}")
            }
            Outcome::Skipped(why) => {
                self.skipped(&format!("step {step:?}"), why);
                format!("SKIPPED: {why}")
            }
        };
        let line = format!("{step:<8} {seconds:>5} s  {verdict}", seconds = took.as_secs());
        self.verdicts.push(line.clone());
        line
    }

    /// Notes that something was not checked.
    pub(super) fn skipped(&mut self, what: &str, why: &str) {
        self.skips.push(format!("{what}: {why}"));
    }

    /// Looks at a line that cargo test printed.
    pub(super) fn test_line(&mut self, line: &str) {
        let is_verdict = line.starts_with("test ");
        if line.starts_with("test result: ") {
            self.summaries.push(line.to_owned());
        } else if is_verdict && line.contains(" ... ignored") {
            self.skips.push(line.to_owned());
        } else if !is_verdict && line.to_ascii_lowercase().contains("skipp") {
            self.skips.push(format!("test: {}", line.trim()));
        }
    }

    /// Whether cargo test printed no summary.
    pub(super) fn no_tests_ran(&self) -> bool {
        self.summaries.is_empty()
    }

    /// Whether no step failed. One that was skipped did not.
    pub(super) fn all_passed(&self) -> bool {
        !self.failed
    }

    /// All of it: the verdict is the last line.
    pub(super) fn text(&self) -> String {
        let skips = match self.skips.as_slice() {
            [] => vec!["nothing was skipped".to_owned()],
            skips => merged(skips).into_iter().map(|skip| format!("- {skip}")).collect(),
        };
        let mut lines = vec!["\n==> Not checked".to_owned()];
        lines.extend(skips);
        if !self.summaries.is_empty() {
            lines.push("\n==> cargo test".to_owned());
        }
        lines.extend(self.summaries.iter().filter(|line| !line.contains(NO_TESTS)).cloned());
        lines.push("\n==> Steps".to_owned());
        lines.extend(self.verdicts.iter().cloned());
        lines.push(format!("\nci: {}", if self.failed { "FAILED" } else { "passed" }));
        lines.join("\n")
    }
}

/// Each line once, in order, with how often it came.
fn merged(lines: &[String]) -> Vec<String> {
    let mut counted: Vec<(&String, usize)> = Vec::new();
    for line in lines {
        match counted.iter_mut().find(|(known, _)| *known == line) {
            Some((_, count)) => *count += 1,
            None => counted.push((line, 1)),
        }
    }
    let text = |(line, count): (&String, usize)| match count {
        1 => line.clone(),
        _ => format!("{line} ({count} times)"),
    };
    counted.into_iter().map(text).collect()
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{self:?}").to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOK: Duration = Duration::from_secs(1);

    #[test]
    fn one_failed_step_fails_the_run() {
        let mut report = Report::default();
        report.finished(Step::Fmt, &Outcome::Failed("x".to_owned()), TOOK);
        report.finished(Step::Tidy, &Outcome::Passed, TOOK);
        assert!(!report.all_passed());
        assert!(report.text().ends_with("\nci: FAILED"));
    }

    #[test]
    fn the_verdict_is_the_last_line_and_programs_without_tests_are_left_out() {
        let mut report = Report::default();
        report.test_line("test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured");
        report.test_line("test result: ok. 10 passed; 0 failed; 0 ignored; 0 measured");
        report.finished(Step::Test, &Outcome::Passed, TOOK);
        let text = report.text();
        assert!(text.ends_with("test         1 s  passed\n\nci: passed"), "{text}");
        assert!(text.contains("ok. 10 passed") && !text.contains("ok. 0 passed"), "{text}");
    }

    #[test]
    fn a_skipped_step_is_listed_and_does_not_fail_the_run() {
        let mut report = Report::default();
        report.finished(Step::Fuzz, &Outcome::Skipped("not installed".to_owned()), TOOK);
        assert!(report.all_passed());
        assert_eq!(report.skips, ["step Fuzz: not installed"]);
    }

    #[test]
    fn equal_skips_are_one_line_with_a_count() {
        let lines = ["a", "b", "a", "a"].map(str::to_owned);
        assert_eq!(merged(&lines), ["a (3 times)", "b"]);
    }

    #[test]
    fn summaries_and_skips_are_picked_from_the_tests_output() {
        let mut report = Report::default();
        assert!(report.no_tests_ran());
        for line in [
            "test a_skipped_leaf_is_found ... ok",
            "test slow ... ignored, takes an hour",
            "skipped: no ssh-agent here",
            "not run here: `cargo xtask interop` runs it",
            "running 2 tests",
            "test result: ok. 1 passed; 0 failed; 1 ignored",
        ] {
            report.test_line(line);
        }
        assert_eq!(report.summaries.len(), 1);
        let skips = ["test slow ... ignored, takes an hour", "test: skipped: no ssh-agent here"];
        assert_eq!(report.skips, skips);
    }
}
