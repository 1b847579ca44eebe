//! Rules on lines of text: module docs, file length, notes to self, machine paths, silent skips.

use super::tree::{File, Tree};
use super::{Finding, Rule};

/// Lines of a source file. About 250 is usual; beyond 500 nobody reads a file whole.
const MAX_FILE_LINES: usize = 500;

/// How a file of source says what it is for, by the ending of its name.
const FILE_DOCS: &[(&str, &str)] = &[(".rs", "//! "), (".go", "// ")];

/// What must not stand in any file. Written in two parts here, so that this file does not break its
/// own rule.
const FORBIDDEN_WORDS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("d", "bg!("),
];

/// Beginnings of paths that exist on one machine only.
const MACHINE_PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/fa", "rm/"),
    concat!("/ro", "ot/"),
    concat!("/tmp/hel", "pers"),
    concat!("/Us", "ers/"),
];

/// The variable that names a directory of test data which need not be there.
const TEST_DATA_VARIABLE: &str = concat!("SIGSUM_", "TESTDATA");

/// Checks every text.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.texts().filter(|file| !is_lock_file(file)) {
        if let Some((_, opening)) = FILE_DOCS.iter().find(|(end, _)| file.path.ends_with(end)) {
            module_docs(file, opening, &mut findings);
            file_length(file, &mut findings);
        }
        if file.path.ends_with(".rs") {
            silent_skip(file, &mut findings);
        }
        forbidden(file, &mut findings);
    }
    findings
}

fn is_lock_file(file: &File) -> bool {
    file.path.ends_with("Cargo.lock")
}

fn module_docs(file: &File, opening: &str, findings: &mut Vec<Finding>) {
    if !file.text.starts_with(opening) {
        let message = format!("does not open with `{}` and what the file is for", opening.trim());
        findings.push(Finding {
            path: file.path.clone(),
            line: 1,
            rule: Rule::ModuleDocs,
            message,
        });
    }
}

fn file_length(file: &File, findings: &mut Vec<Finding>) {
    let lines = file.text.lines().count();
    if lines > MAX_FILE_LINES {
        let message = format!("{lines} lines, at most {MAX_FILE_LINES}: split it");
        findings.push(Finding {
            path: file.path.clone(),
            line: 0,
            rule: Rule::FileLength,
            message,
        });
    }
}

/// A test that returns early because its data is missing must print that it did.
fn silent_skip(file: &File, findings: &mut Vec<Finding>) {
    if file.text.contains(TEST_DATA_VARIABLE) && !file.text.contains("skipped") {
        let message = format!("reads {TEST_DATA_VARIABLE} and never prints `skipped: ...`");
        findings.push(Finding {
            path: file.path.clone(),
            line: 0,
            rule: Rule::SilentSkip,
            message,
        });
    }
}

fn forbidden(file: &File, findings: &mut Vec<Finding>) {
    let mut found = |rule, line, word: &str| {
        let message = format!("`{word}` must not stay");
        findings.push(Finding { path: file.path.clone(), line, rule, message });
    };
    for (number, line) in file.lines() {
        for word in FORBIDDEN_WORDS.iter().filter(|word| contains_word(line, word)) {
            found(Rule::ForbiddenWord, number, word);
        }
        for path in MACHINE_PATHS.iter().filter(|path| line.contains(**path)) {
            found(Rule::MachinePath, number, path);
        }
    }
}

/// Whether `word` stands in `line` and is not part of a longer one.
fn contains_word(line: &str, word: &str) -> bool {
    let is_letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(start, _)| {
        let before = line.get(..start).and_then(|text| text.chars().next_back());
        let after = line.get(start + word.len()..).and_then(|text| text.chars().next());
        let open = word.ends_with('(');
        !is_letter(before) && (open || !is_letter(after))
    })
}

#[cfg(test)]
mod tests {
    use super::super::findings_in;
    use super::*;

    #[test]
    fn a_file_that_keeps_the_rules_has_no_findings() {
        assert_eq!(findings_in("a.rs", "//! What it is for.\n\nfn one() {}\n"), []);
    }

    #[test]
    fn module_docs_are_needed_in_the_first_line() {
        for text in ["fn one() {}\n", "\n//! Late.\n", "//!\n", "// Not a doc.\n"] {
            assert_eq!(findings_in("a.rs", text), [(Rule::ModuleDocs, 1)], "{text}");
        }
    }

    #[test]
    fn go_files_say_what_they_are_for() {
        assert_eq!(findings_in("a.go", "// What it is for.\npackage main\n"), []);
        assert_eq!(findings_in("a.go", "package main\n"), [(Rule::ModuleDocs, 1)]);
    }

    #[test]
    fn files_have_at_most_500_lines() {
        let lines = |count: usize| "//! Doc.\n".to_owned() + &"\n".repeat(count - 1);
        assert_eq!(findings_in("a.rs", &lines(500)), []);
        assert_eq!(findings_in("a.rs", &lines(501)), [(Rule::FileLength, 0)]);
        assert_eq!(findings_in("notes.txt", &lines(501)), []);
    }

    #[test]
    fn notes_to_self_are_found_in_any_file() {
        for word in FORBIDDEN_WORDS {
            let text = format!("fine\nnot {word} fine\n");
            assert!(findings_in("a.toml", &text).contains(&(Rule::ForbiddenWord, 2)), "{word}");
        }
    }

    #[test]
    fn parts_of_longer_words_are_no_notes() {
        for word in FORBIDDEN_WORDS {
            assert_eq!(findings_in("a.toml", &format!("V{word}V\n")), [], "{word}");
        }
    }

    #[test]
    fn machine_paths_are_found_in_any_file() {
        for path in MACHINE_PATHS {
            let text = format!("see {path}x\n");
            assert_eq!(findings_in("a.sh", &text), [(Rule::MachinePath, 1)], "{path}");
        }
        assert_eq!(findings_in("a.sh", "cd /network/\n"), []);
    }

    #[test]
    fn a_test_that_may_skip_has_to_say_so() {
        let reads = format!("//! Doc.\n// {TEST_DATA_VARIABLE}\n");
        assert_eq!(findings_in("a.rs", &reads), [(Rule::SilentSkip, 0)]);
        assert_eq!(findings_in("a.rs", &format!("{reads}// skipped\n")), []);
    }
}
