//! Each rule on syntax, shown a text that keeps it and one that breaks it.

use super::super::findings_in;
use super::*;

/// A Rust file with `code` from line 2 on.
fn with(code: &str) -> Vec<(Rule, usize)> {
    findings_in("crates/a/src/a.rs", &format!("//! Doc.\n{code}\n"))
}

/// A function of `lines` lines.
fn function(lines: usize) -> String {
    format!("fn long() {{\n{}}}", "// x\n".repeat(lines - 2))
}

#[test]
fn functions_have_at_most_70_lines() {
    assert_eq!(with(&function(70)), []);
    assert_eq!(with(&function(71)), [(Rule::FunctionLength, 2)]);
}

#[test]
fn methods_and_default_methods_have_at_most_70_lines() {
    let long = function(71);
    let after_line_2 = [(Rule::FunctionLength, 3)];
    assert_eq!(with(&format!("impl A {{\n{long}\n}}")), after_line_2);
    assert_eq!(with(&format!("trait A {{\n{long}\n}}")), after_line_2);
    assert_eq!(with(&format!("fn outer() {{\n{}\n}}", function(68))), []);
    assert_eq!(with(&format!("mod a {{\n{long}\n}}")), after_line_2);
}

#[test]
fn inline_modules_of_tests_have_at_most_150_lines() {
    let module = |lines: usize| format!("#[cfg(test)]\nmod tests {{\n{}}}", "\n".repeat(lines - 2));
    assert_eq!(with(&module(150)), []);
    assert_eq!(with(&module(151)), [(Rule::TestModuleLength, 3)]);
}

#[test]
fn code_that_does_not_parse_is_found() {
    assert_eq!(with("fn {"), [(Rule::Syntax, 2)]);
}

#[test]
fn what_lets_a_lint_pass_needs_a_reason() {
    for bare in
        ["#[allow(dead_code)]", "#[expect(dead_code)]", "#[cfg_attr(test, allow(dead_code))]"]
    {
        assert_eq!(with(&format!("{bare}\nfn a() {{}}")), [(Rule::Reason, 2)], "{bare}");
    }
    assert_eq!(with("#[allow(dead_code, reason = \"r\")]\nfn a() {}"), []);
    assert_eq!(findings_in("a.rs", "//! Doc.\n#![allow(dead_code)]\n"), [(Rule::Reason, 2)]);
}

#[test]
fn an_ignored_test_needs_a_reason() {
    assert_eq!(with("#[test]\n#[ignore]\nfn a() {}"), [(Rule::Reason, 3)]);
    assert_eq!(with("#[test]\n#[ignore = \"slow\"]\nfn a() {}"), []);
}

/// A call of sleep that is in no line of this file.
const SLEEP: &str = concat!("sl", "eep(one)");

#[test]
fn nothing_sleeps_in_a_test_module() {
    let module =
        format!("#[cfg(test)]\nmod tests {{\nfn a() {{ select! {{ _ = {SLEEP} => 1 }} }}\n}}");
    assert_eq!(with(&module), [(Rule::Sleep, 4)]);
    assert_eq!(with(&format!("fn a() {{ {SLEEP}; }}")), [], "outside of tests it may be needed");
}

#[test]
fn nothing_sleeps_in_a_test_file() {
    let text = format!("//! Doc.\nfn a() {{ {SLEEP}; }}\n// not a call: {SLEEP}\n");
    for path in ["crates/a/tests/a.rs", "crates/a/src/a/tests.rs", "crates/a/src/a_tests.rs"] {
        assert_eq!(findings_in(path, &text), [(Rule::Sleep, 2)], "{path}");
    }
}

#[test]
fn sleeping_takes_no_time_where_all_tests_pause_it() {
    let paused = "//! Doc.\n#[tokio::test(start_paused = true)]\nasync fn a() {}\n";
    let running = "//! Doc.\n#[tokio::test]\nasync fn b() {}\n";
    let helper = format!("//! Doc.\nfn a() {{ {SLEEP}; }}\n");
    let blocking = format!("//! Doc.\nfn a() {{ std::thread::{SLEEP}; }}\n");
    let sleeps = |files: &[(&str, &str)]| check(&Tree::of(files)).len();
    let (tests, helpers) = ("crates/a/src/b/tests.rs", "crates/a/src/b/tests/help.rs");
    assert_eq!(sleeps(&[(tests, paused), (helpers, &helper)]), 0);
    assert_eq!(sleeps(&[(tests, paused), (helpers, &blocking)]), 1);
    assert_eq!(sleeps(&[(tests, running), (helpers, &helper)]), 1);
    assert_eq!(sleeps(&[(tests, &format!("{paused}{}", &running[9..])), (helpers, &helper)]), 1);
    let elsewhere = "crates/a/src/c/tests.rs";
    assert_eq!(sleeps(&[(elsewhere, paused), (helpers, &helper)]), 1);
    let program = "crates/a/tests/it/main.rs";
    assert_eq!(sleeps(&[(program, paused), ("crates/a/tests/it/help.rs", &helper)]), 0);
    assert_eq!(sleeps(&[(program, paused), ("crates/a/tests/other.rs", &helper)]), 1);
}

#[test]
fn tests_are_named_for_behaviour() {
    for attribute in ["#[test]", "#[tokio::test]", "#[tokio::test(start_paused = true)]"] {
        let text = format!("{attribute}\nfn test_a() {{}}");
        assert_eq!(with(&text), [(Rule::TestName, 3)], "{attribute}");
    }
    assert_eq!(with("fn test_data() {}"), [], "not a test");
}

#[test]
fn the_log_and_its_store_reach_files_through_the_seam_only() {
    let found = |path: &str, code: &str| findings_in(path, &format!("//! Doc.\n{code}\n"));
    let past = [
        "use std::fs;",
        "use std::{io, fs::File};",
        "use std::fs::*;",
        "use tokio::fs as files;",
        "fn a() { std::fs::remove_file(\"a\"); }",
        "use std::os::unix::fs::FileExt as _;",
        "fn a() { rustix::fs::fsync(b); }",
    ];
    for code in past {
        for path in ["crates/log/src/a.rs", "crates/store/src/a/b.rs"] {
            assert_eq!(found(path, code), [(Rule::FileSeam, 2)], "{path}: {code}");
        }
        let free =
            ["crates/store/src/fs/disk.rs", "crates/log/tests/it/a.rs", "crates/keys/src/a.rs"];
        for path in free {
            assert_eq!(found(path, code), [], "{path}: {code}");
        }
        let in_a_test = format!("#[cfg(test)] mod tests {{ {code} }}");
        assert_eq!(found("crates/log/src/a.rs", &in_a_test), []);
    }
    assert_eq!(found("crates/log/src/a.rs", "use crate::fs; use std::fmt;"), []);
}
