//! Rules on the root manifest: every dependency has a comment that says why it is there.

use super::tree::Tree;
use super::{Finding, Rule};

/// The table that all crates take their dependencies from.
const TABLE: &str = "[workspace.dependencies]";

/// Our own crates are explained where they are listed as members.
const OWN_PREFIX: &str = "sigsum-";

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
            after_comment = line.starts_with('#');
        }
    }
    findings
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
}
