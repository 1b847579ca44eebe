//! Rules on manifests: every dependency has a comment that says why it is there, and is used.

use super::tree::Tree;
use super::{Finding, Rule};

/// The table that all crates take their dependencies from.
const TABLE: &str = "[workspace.dependencies]";

/// Our own crates are explained where they are listed as members.
const OWN_PREFIX: &str = "sigsum-";

/// A comment that heads a group says nothing about its first member.
const HEADING: &str = "# --";

/// Checks that in the root manifest a comment stands above each dependency, and that crates take
/// theirs from there.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending("Cargo.toml") {
        let mut found = |line, message: String| {
            findings.push(Finding { path: file.path.clone(), line, rule: Rule::Manifest, message });
        };
        let is_root = file.path == "Cargo.toml";
        let mut table = "";
        let mut after_comment = false;
        for (number, line) in file.lines() {
            if line.starts_with('[') {
                table = line.trim();
            } else if let Some((name, value)) = line.split_once('=').filter(|_| is_key(line)) {
                let name = name.trim().trim_end_matches(".workspace");
                let own = name.starts_with(OWN_PREFIX);
                if is_root && table == TABLE && !after_comment && !own {
                    found(number, format!("`{name}` has no comment above it that says why"));
                }
                let from_workspace = line.contains("workspace = true");
                let is_member = file.path.starts_with("crates/") || file.path.starts_with("xtask/");
                if is_member && table.ends_with("dependencies]") && !from_workspace {
                    let value = value.trim();
                    found(number, format!("`{name} = {value}` belongs in the root manifest"));
                }
            }
            after_comment = line.starts_with('#') && !line.starts_with(HEADING);
        }
    }
    findings
}

/// Finds dependencies that no code of their crate names, and entries of the root that no crate takes.
pub(super) fn check_used(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending("Cargo.toml") {
        let directory = file.path.trim_end_matches("Cargo.toml");
        let mut table = "";
        for (line, text) in file.lines() {
            if text.starts_with('[') {
                table = text.trim();
            }
            let Some((name, _)) = text.split_once('=').filter(|_| is_key(text)) else { continue };
            let name = name.trim().trim_end_matches(".workspace");
            let used = if directory.is_empty() && table == TABLE {
                tree.ending("/Cargo.toml")
                    .any(|it| it.lines().any(|(_, line)| is_entry(line, name)))
            } else if table.ends_with("dependencies]") && !directory.is_empty() {
                let crate_name = name.replace('-', "_");
                let own = |path: &str| path.starts_with(directory);
                tree.ending(".rs").any(|it| own(&it.path) && it.text.contains(&crate_name))
            } else {
                continue;
            };
            if !used {
                let message = format!("`{name}` is not used");
                findings.push(Finding {
                    path: file.path.clone(),
                    line,
                    rule: Rule::Manifest,
                    message,
                });
            }
        }
    }
    findings
}

/// Whether a line of a manifest is the entry for `name`.
fn is_entry(line: &str, name: &str) -> bool {
    let rest = line.strip_prefix(name);
    rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
}

/// Whether a line begins a key, and is not the middle of a list or a comment.
fn is_key(line: &str) -> bool {
    line.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
}

#[cfg(test)]
mod tests {
    use super::super::findings_in;
    use super::*;

    #[test]
    fn each_dependency_of_the_root_has_a_comment_above_it() {
        let text = "[workspace.dependencies]\nsigsum-core = {}\n# Why.\na = \"1\"\nb = \"1\"\n";
        assert_eq!(findings_in("Cargo.toml", text), [(Rule::Manifest, 5)]);
        let text = "[workspace.dependencies]\n# -- storage\na = \"1\"\n";
        assert_eq!(findings_in("Cargo.toml", text), [(Rule::Manifest, 3)]);
    }

    #[test]
    fn other_tables_of_the_root_need_none() {
        let text = "[workspace.package]\nversion = \"1\"\n[workspace]\nmembers = [\n]\n";
        assert_eq!(findings_in("Cargo.toml", text), []);
    }

    #[test]
    fn crates_take_their_dependencies_from_the_root() {
        let text = "[dependencies]\na.workspace = true\nb = \"1\"\n[features]\nc = []\n";
        assert_eq!(findings_in("crates/a/Cargo.toml", text), [(Rule::Manifest, 3)]);
        let text = "[dev-dependencies]\na = { workspace = true }\nb = { path = \"..\" }\n";
        assert_eq!(findings_in("xtask/Cargo.toml", text), [(Rule::Manifest, 3)]);
        assert_eq!(findings_in("fuzz/Cargo.toml", text), [], "no member of the workspace");
    }

    #[test]
    fn dependencies_are_used() {
        let tree = Tree::of(&[
            (
                "Cargo.toml",
                "[workspace.dependencies]\nin-use = \"1\"\nnot-used = \"1\"\nin = \"1\"\n",
            ),
            ("crates/a/Cargo.toml", "[dependencies]\nin-use.workspace = true\nidle = {}\n"),
            ("crates/a/src/lib.rs", "use in_use::A;\n"),
            ("crates/b/src/lib.rs", "use idle::A;\n"),
        ]);
        let found: Vec<_> =
            check_used(&tree).into_iter().map(|found| (found.path, found.line)).collect();
        let place = |path: &str, line| (path.to_owned(), line);
        let expected =
            [place("Cargo.toml", 3), place("Cargo.toml", 4), place("crates/a/Cargo.toml", 3)];
        assert_eq!(found, expected);
    }
}
