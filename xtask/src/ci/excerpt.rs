//! The lines of a long output that tell why it failed.

/// Lines of the end that are always shown: a compiler's error with its notes.
const LAST_LINES: usize = 30;

/// Lines that name an error, shown also when they are far from the end.
const TELLING_LINES: usize = 20;

/// Lines of one failed test: its panic, and what it printed just before.
const LINES_OF_A_TEST: usize = 25;

/// Failed tests that are shown; the names of all of them are.
const TESTS: usize = 6;

/// Characters of a line.
const COLUMNS: usize = 300;

/// What a line that names an error has in it.
const TELLING: &[&str] = &["error", "panicked", "failed", "violation", "crash-"];

/// The sections of failed tests, if cargo test says that some failed; else the lines that name an
/// error, and the end.
pub(super) fn excerpt(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let blocks = failures(&lines);
    let chosen = if blocks.is_empty() { tail(&lines) } else { sections(&blocks) };
    let cut = chosen.iter().map(|line| line.chars().take(COLUMNS).collect::<String>());
    cut.collect::<Vec<_>>().join("\n")
}

/// From `failures:` to `test result: FAILED`, for each test program.
fn failures<'a>(lines: &[&'a str]) -> Vec<Vec<&'a str>> {
    let mut blocks = Vec::new();
    let mut open: Option<Vec<&str>> = None;
    for line in lines {
        if line.starts_with("running ") {
            open = None;
        } else if *line == "failures:" && open.is_none() {
            open = Some(Vec::new());
        }
        if let Some(block) = &mut open {
            block.push(*line);
        }
        if line.starts_with("test result: ") {
            blocks.extend(open.take().filter(|_| line.starts_with("test result: FAILED")));
        }
    }
    blocks
}

/// The end of each failed test's section, for a few of them, and the list of names that follows.
fn sections<'a>(blocks: &[Vec<&'a str>]) -> Vec<&'a str> {
    let mut chosen = Vec::new();
    let mut shown = 0;
    for block in blocks {
        let mut parts = block.split(|line| *line == "failures:");
        let (printed, names) = (parts.nth(1).unwrap_or_default(), parts.next().unwrap_or_default());
        for section in printed.chunk_by(|_, next| !next.starts_with("---- ")) {
            if section.first().is_none_or(|line| !line.starts_with("---- ")) {
                continue;
            }
            shown += 1;
            if shown <= TESTS {
                chosen.extend(section.first());
                chosen.extend(last(section.get(1..).unwrap_or_default(), LINES_OF_A_TEST));
            }
        }
        chosen.extend(names.iter().filter(|line| !line.is_empty()));
    }
    chosen
}

fn tail<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let end = last(lines, LAST_LINES);
    let before = lines.get(..lines.len().saturating_sub(end.len())).unwrap_or_default();
    let tells = |line: &&&str| {
        let line = line.to_ascii_lowercase();
        TELLING.iter().any(|word| line.contains(word))
    };
    let telling: Vec<&str> = before.iter().filter(tells).copied().collect();
    [last(&telling, TELLING_LINES), end].concat()
}

fn last<'a, 'b>(lines: &'b [&'a str], count: usize) -> &'b [&'a str] {
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_PROGRAMS: &str = "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\nsuccesses:\n\n\
        ---- a stdout ----\nan error that is none\n\nsuccesses:\n    a\n\nfailures:\n\n\
        ---- b stdout ----\nthread 'b' panicked\nassertion\n\n\nfailures:\n    b\n\n\
        test result: FAILED. 1 passed; 1 failed\nrunning 1 test\ntest c ... ok\n\
        test result: ok. 1 passed; 0 failed\nerror: 1 target failed:\n";

    #[test]
    fn of_failed_tests_the_sections_and_names_are_shown() {
        let text = excerpt(TWO_PROGRAMS);
        assert!(text.contains("---- b stdout ----\nthread 'b' panicked\nassertion"), "{text}");
        assert!(text.contains("\n    b\ntest result: FAILED"), "{text}");
        assert!(!text.contains("error that is none"), "{text}");
    }

    #[test]
    fn of_a_failed_test_that_prints_much_the_end_is_shown() {
        let noise: String = (0..1000).map(|line| format!("line {line}\n")).collect();
        let text = excerpt(&TWO_PROGRAMS.replace("thread 'b'", &format!("{noise}thread 'b'")));
        assert!(text.contains("line 999\nthread 'b' panicked"), "{text}");
        assert!(text.lines().count() < 50, "{text}");
    }

    #[test]
    fn of_other_output_the_end_and_what_names_an_error_is_shown() {
        let noise: String = (0..1000).map(|line| format!("line {line}\n")).collect();
        let text = excerpt(&format!("{noise}target x: panicked\n{noise}"));
        assert!(text.starts_with("target x: panicked\nline 970\n"), "{text}");
        assert!(text.ends_with("line 999"), "{text}");
    }

    #[test]
    fn long_lines_are_cut_and_nothing_gives_nothing() {
        assert_eq!(excerpt(&"ü".repeat(5000)).chars().count(), COLUMNS);
        assert_eq!(excerpt(""), "");
    }
}
