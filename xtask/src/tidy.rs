//! `cargo xtask tidy`: the house rules that compiler and clippy do not check.
//!
//! A rule looks at a [`Tree`] of texts, so its tests show it one that breaks the rule. What is
//! excused stands in [`exceptions`], with the reason.

mod documents;
mod exceptions;
mod layers;
mod manifest;
mod rust;
mod texts;
mod tree;

use std::fmt;
use std::path::Path;

use self::exceptions::EXCEPTIONS;
use self::tree::Tree;

/// Why tidy could not look.
#[derive(Debug)]
pub(crate) struct TidyError(String);

impl fmt::Display for TidyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TidyError {}

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    /// From 1; 0 when it is about the whole file.
    line: usize,
    rule: Rule,
    message: String,
}

/// What is checked. Names are those printed and used in [`exceptions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rule {
    /// Every Rust file opens with `//!`, every Go file with a comment.
    ModuleDocs,
    /// Files have at most 500 lines.
    FileLength,
    /// Functions have at most 70 lines.
    FunctionLength,
    /// Inline test modules have at most 150 lines.
    TestModuleLength,
    /// Rust files parse.
    Syntax,
    /// No notes to self.
    ForbiddenWord,
    /// No paths of the machine somebody works on.
    MachinePath,
    /// Every `allow` and `ignore` has a reason.
    Reason,
    /// Nothing sleeps in tests.
    Sleep,
    /// Tests are named for behaviour.
    TestName,
    /// The log and its store reach files through `sigsum_store::fs` only.
    FileSeam,
    /// A test that needs data which may be missing says that it skipped.
    SilentSkip,
    /// Dependencies point down, roles do not know each other, clap stays in cli and xtask.
    Layers,
    /// Core stays small and `no_std`.
    Core,
    /// Every dependency has its reason, stands in the root manifest and is used.
    Manifest,
    /// Links and names of files in documents lead somewhere.
    Link,
    /// Tests that documents name exist; each row of the threat model names one.
    NamedTest,
    /// An exception excuses something.
    Exception,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `FileLength` becomes `file-length`.
        for (index, letter) in format!("{self:?}").chars().enumerate() {
            if letter.is_uppercase() && index > 0 {
                f.write_str("-")?;
            }
            write!(f, "{}", letter.to_ascii_lowercase())?;
        }
        Ok(())
    }
}

/// Prints every finding. True when there is none.
pub(crate) fn run(root: &Path) -> Result<bool, TidyError> {
    let tree = Tree::of_git(root)?;
    let packages = layers::packages(root)?;
    let mut findings = rules_on_texts(&tree);
    findings.extend(layers::check(&packages));
    findings.extend(layers::check_core(&tree, &packages, &layers::core_features(root)?));
    findings.extend(documents::check_threat_model(&tree));
    findings.extend(manifest::check_used(&tree));
    let findings = exceptions::apply(findings, EXCEPTIONS);
    for finding in &findings {
        let Finding { path, line, rule, message } = finding;
        println!("{path}:{line}: {rule}: {message}");
    }
    println!("tidy: {} files, {} findings", tree.len(), findings.len());
    Ok(findings.is_empty())
}

/// The rules that need nothing but the texts.
fn rules_on_texts(tree: &Tree) -> Vec<Finding> {
    let mut findings = texts::check(tree);
    findings.extend(rust::check(tree));
    findings.extend(manifest::check(tree));
    findings.extend(documents::check(tree));
    findings
}

/// What the rules on texts say about one file, for the tests of the rules.
#[cfg(test)]
fn findings_in(path: &str, text: &str) -> Vec<(Rule, usize)> {
    let findings = rules_on_texts(&Tree::of(&[(path, text)]));
    findings.into_iter().map(|finding| (finding.rule, finding.line)).collect()
}
