//! What the rules excuse, each with its reason. An entry that excuses nothing is a finding itself.

use super::{Finding, Rule};

/// One file that may break one rule.
pub(super) struct Exception {
    pub(super) rule: Rule,
    pub(super) path: &'static str,
    /// Why this is better than keeping the rule.
    pub(super) reason: &'static str,
}

/// The table.
pub(super) const EXCEPTIONS: &[Exception] = &[Exception {
    rule: Rule::FileSeam,
    path: "crates/log/src/status/disk.rs",
    reason: "asks how much room there is, and reads and writes no file",
}];

/// The findings that are not excused, in order, and a finding for each exception without use.
pub(super) fn apply(findings: Vec<Finding>, exceptions: &[Exception]) -> Vec<Finding> {
    let excuses = |exception: &Exception, finding: &Finding| {
        exception.rule == finding.rule && exception.path == finding.path
    };
    let mut kept: Vec<Finding> = Vec::new();
    for exception in exceptions {
        let message = if !findings.iter().any(|finding| excuses(exception, finding)) {
            format!("excuses no {} (\"{}\")", exception.rule, exception.reason)
        } else if exception.reason.is_empty() {
            format!("excuses {} without a reason", exception.rule)
        } else {
            continue;
        };
        let path = exception.path.to_owned();
        kept.push(Finding { path, line: 0, rule: Rule::Exception, message });
    }
    let unexcused = |finding: &Finding| !exceptions.iter().any(|it| excuses(it, finding));
    kept.extend(findings.into_iter().filter(unexcused));
    kept.sort();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(path: &str, rule: Rule) -> Finding {
        Finding { path: path.to_owned(), line: 1, rule, message: String::new() }
    }

    fn exception(path: &'static str, reason: &'static str) -> Exception {
        Exception { rule: Rule::Sleep, path, reason }
    }

    #[test]
    fn an_exception_excuses_its_rule_in_its_file() {
        let findings = || {
            vec![
                finding("a.rs", Rule::Sleep),
                finding("a.rs", Rule::Reason),
                finding("b.rs", Rule::Sleep),
            ]
        };
        let kept = apply(findings(), &[exception("a.rs", "because")]);
        assert_eq!(kept, [finding("a.rs", Rule::Reason), finding("b.rs", Rule::Sleep)]);
    }

    #[test]
    fn an_exception_without_use_is_a_finding() {
        let kept = apply(vec![], &[exception("a.rs", "because")]);
        assert_eq!(kept.first().map(|finding| finding.rule), Some(Rule::Exception));
    }

    #[test]
    fn an_exception_without_a_reason_is_a_finding() {
        let kept = apply(vec![finding("a.rs", Rule::Sleep)], &[exception("a.rs", "")]);
        assert_eq!(kept.first().map(|finding| finding.rule), Some(Rule::Exception));
    }

    #[test]
    fn rules_are_printed_in_lower_case_with_dashes() {
        assert_eq!(Rule::TestModuleLength.to_string(), "test-module-length");
    }
}
