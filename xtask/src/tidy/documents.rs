//! Rules on documents: links and names of files lead somewhere, and tests that are named exist.

use super::tree::{File, Tree};
use super::{Finding, Rule};

/// The document whose table rows each name a test.
const THREAT_MODEL: &str = "SECURITY.md";

/// A link of a Markdown text.
struct Link<'a> {
    line: usize,
    text: &'a str,
    target: &'a str,
}

/// Checks links of Markdown files, and names of files under `docs/` anywhere.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".md") {
        for link in links(file) {
            check_link(tree, file, &link, &mut findings);
        }
    }
    for file in tree.texts().filter(|file| !file.path.starts_with("xtask/src/tidy/")) {
        named_documents(tree, file, &mut findings);
    }
    findings
}

/// Checks that each row of the threat model's tables links to a test.
pub(super) fn check_threat_model(tree: &Tree) -> Vec<Finding> {
    let finding = |line, message: &str| Finding {
        path: THREAT_MODEL.to_owned(),
        line,
        rule: Rule::NamedTest,
        message: message.to_owned(),
    };
    let Some(file) = tree.file(THREAT_MODEL) else {
        return vec![finding(0, "there is no threat model")];
    };
    let tested: Vec<usize> =
        links(file).filter(|link| test_name(link).is_some()).map(|link| link.line).collect();
    let mut findings = Vec::new();
    let mut previous_is_row = false;
    for (number, line) in file.lines() {
        let is_row = line.starts_with('|');
        let is_head = is_row && !previous_is_row;
        let is_rule = line.starts_with("|-") || line.starts_with("| -");
        if is_row && !is_head && !is_rule && !tested.contains(&number) {
            findings.push(finding(number, "names no test as [`name`](path/of/it.rs)"));
        }
        previous_is_row = is_row;
    }
    findings
}

/// The links of a text outside of code blocks, also several on one line.
fn links(file: &File) -> impl Iterator<Item = Link<'_>> {
    let mut in_code = false;
    file.lines().flat_map(move |(line, text)| {
        if text.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        let mut found = Vec::new();
        let mut rest = if in_code { "" } else { text };
        while let Some((before, after)) = rest.split_once("](") {
            let Some((target, behind)) = after.split_once(')') else { break };
            let text = before.rsplit_once('[').map_or(before, |(_, text)| text);
            found.push(Link { line, text, target });
            rest = behind;
        }
        found
    })
}

/// The test that a link names: its text is code, its target a Rust file.
fn test_name<'a>(link: &Link<'a>) -> Option<&'a str> {
    let name = link.text.strip_prefix('`')?.strip_suffix('`')?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_name && link.target.ends_with(".rs")).then_some(name)
}

fn check_link(tree: &Tree, file: &File, link: &Link<'_>, findings: &mut Vec<Finding>) {
    let mut found = |rule, message: String| {
        findings.push(Finding { path: file.path.clone(), line: link.line, rule, message });
    };
    let target = link.target.split(['#', ' ']).next().unwrap_or_default();
    if target.contains("://") || target.starts_with("mailto:") {
        return;
    }
    let path = resolve(&file.path, target);
    if !tree.has(&path) {
        found(Rule::Link, format!("no file {path}"));
        return;
    }
    if let Some(name) = test_name(link) {
        let defined = |text: &str| {
            ["fn ", "struct ", "enum ", "trait ", "const "]
                .iter()
                .any(|keyword| defines(text, &format!("{keyword}{name}")))
        };
        if !tree.file(&path).is_some_and(|file| defined(&file.text)) {
            found(Rule::NamedTest, format!("no `{name}` in {path}"));
        }
    }
}

/// Whether `definition` stands in `text` as a whole word.
fn defines(text: &str, definition: &str) -> bool {
    text.match_indices(definition).any(|(start, _)| {
        let next = text.get(start + definition.len()..).and_then(|rest| rest.chars().next());
        !next.is_some_and(|next| next.is_alphanumeric() || next == '_')
    })
}

/// `target` as seen from the document at `from`; an empty one is the document itself.
fn resolve(from: &str, target: &str) -> String {
    if target.is_empty() {
        return from.to_owned();
    }
    let mut segments: Vec<&str> = from.split('/').collect();
    segments.pop();
    for segment in target.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    segments.join("/")
}

/// Finds `docs/...` in any text, as comments and messages write it, and checks that it exists. The
/// number of a decision is enough.
fn named_documents(tree: &Tree, file: &File, findings: &mut Vec<Finding>) {
    for (line, text) in file.lines() {
        for (start, _) in text.match_indices("docs/") {
            let before = text.get(..start).and_then(|before| before.chars().next_back());
            let is_part_of_word = before.is_some_and(|c| c.is_alphanumeric() || "./-_".contains(c));
            let named: &str = text.get(start..).unwrap_or_default();
            let is_path = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
            let end = named.find(|c| !is_path(c)).unwrap_or(named.len());
            let path = named.get(..end).unwrap_or_default().trim_end_matches(['.', '-']);
            if !is_part_of_word && !path.contains("NNNN") && !tree.has_beginning(path) {
                let message = format!("no file {path}");
                findings.push(Finding { path: file.path.clone(), line, rule: Rule::Link, message });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules and lines of the findings in `README.md` beside a few files.
    fn in_readme(text: &str) -> Vec<(Rule, usize)> {
        let tree = Tree::of(&[
            ("README.md", text),
            ("docs/decisions/0001-index.md", ""),
            ("src/a.rs", "fn one_behaviour() {}"),
        ]);
        check(&tree).into_iter().map(|finding| (finding.rule, finding.line)).collect()
    }

    #[test]
    fn links_lead_to_files_and_directories() {
        let fine = "[a](src/a.rs) [b](./src/) [c](https://x.example/y) [d](#part)\n";
        assert_eq!(in_readme(fine), []);
        assert_eq!(in_readme("[a](src/a.rs) [b](src/b.rs)\n"), [(Rule::Link, 1)]);
        assert_eq!(in_readme("x\n[b](gone/)\n"), [(Rule::Link, 2)]);
        assert_eq!(in_readme("```\n[b](gone)\n```\n"), [], "an example");
    }

    #[test]
    fn links_are_seen_from_their_document() {
        let tree = Tree::of(&[("docs/a.md", "[r](../README.md) [x](a.md)\n"), ("README.md", "")]);
        assert_eq!(check(&tree), []);
    }

    #[test]
    fn documents_that_comments_name_exist() {
        assert_eq!(in_readme("see docs/decisions/0001, docs/decisions/0001-index.md.\n"), []);
        assert_eq!(in_readme("see docs/decisions/0002.\n"), [(Rule::Link, 1)]);
        assert_eq!(in_readme("https://x.example/docs/gone\n"), [], "another site's");
    }

    #[test]
    fn tests_that_links_name_exist() {
        assert_eq!(in_readme("[`one_behaviour`](src/a.rs)\n"), []);
        assert_eq!(in_readme("[`one`](src/a.rs)\n"), [(Rule::NamedTest, 1)]);
        assert_eq!(in_readme("[the code](src/a.rs)\n"), [], "names none");
    }

    #[test]
    fn each_row_of_the_threat_model_names_a_test() {
        let rows = "| threat | test |\n|---|---|\n| a | [`one`](a.rs) |\n| b | none |\n";
        let tree = Tree::of(&[("SECURITY.md", rows)]);
        let lines: Vec<_> = check_threat_model(&tree).iter().map(|found| found.line).collect();
        assert_eq!(lines, [4]);
        assert_eq!(check_threat_model(&Tree::of(&[])).len(), 1, "it has to be there");
    }
}
