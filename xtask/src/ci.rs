//! `cargo xtask ci`: everything that must pass before a change is merged, as one command.
//!
//! Steps run one after the other, also after one has failed. At the end stand cargo test's own
//! summary lines, what was skipped and why, and the verdict.

mod excerpt;
mod output;
mod report;

use std::path::Path;
use std::time::Instant;

use clap::ValueEnum;

use self::output::Output;
use self::report::Report;
use crate::command::Command;
use crate::{deploy, drill, interop, measure, tidy};

/// One of the checks, in the order in which they run: the quick ones first, and so that later
/// builds find what earlier ones left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// Formatting.
    Fmt,
    /// House rules.
    Tidy,
    /// Clippy, warnings denied.
    Clippy,
    /// Documentation, warnings denied.
    Doc,
    /// The demo as the README gives it.
    Demo,
    /// A quick run of the load generators: shows that they work, measures little.
    Bench,
    /// A short run of killing servers under load.
    Soak,
    /// The loss of a log's primary, rehearsed.
    Drill,
    /// The Debian package, installed and used as its document says.
    Deploy,
    /// Each fuzz target for ten seconds.
    Fuzz,
    /// The programs of others, in both directions.
    Interop,
    /// The tests as the README gives them.
    Test,
}

/// Seconds that each fuzz target runs.
const FUZZ_S: u32 = 10;

/// Memory in MiB that a fuzz target may take: an input of a few KiB has no business with more.
const FUZZ_MEMORY_MIB: u32 = 1024;

/// The same inputs are tried wherever it runs, as far as the time goes: what passes here passes there.
/// `cargo fuzz run TARGET` looks for others.
const FUZZ_SEED: &str = "-seed=20261123";

/// No unsafe code, so the address sanitizer would find nothing that a panic does not; and without it
/// the stable compiler will do.
const NO_SANITIZER: &[&str] = &["--sanitizer", "none"];

/// What a step found.
enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

/// Runs `steps`, or all of them when there are none. What they print goes to `log`, if there is one,
/// and of that only verdicts and the cause of failures to the terminal. True when none failed.
///
/// # Errors
///
/// `log` cannot be made.
pub(crate) fn run(root: &Path, steps: &[Step], log: Option<&Path>) -> std::io::Result<bool> {
    let steps = if steps.is_empty() { Step::value_variants() } else { steps };
    let output = Output::new(log)?;
    let mut report = Report::default();
    note_environment(&mut report);
    for &step in steps {
        println!("\n==> {step:?}");
        let (begin, position) = (Instant::now(), output.position());
        let outcome = step.run(root, &mut report);
        output.say(&report.finished(step, &outcome, begin.elapsed()));
        if let Outcome::Failed(_) = outcome {
            output.say_what_failed(position);
        }
    }
    output.say(&report.text());
    Ok(report.all_passed())
}

/// What is different from a run without such an environment.
fn note_environment(report: &mut Report) {
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"] {
        if std::env::var_os(variable).is_some() {
            let why = format!("{variable} is set and replaces the flags of .cargo/config.toml");
            report.skipped("the AVX-512 back end of curve25519-dalek", &why);
        }
    }
}

impl Step {
    fn run(self, root: &Path, report: &mut Report) -> Outcome {
        match self {
            Self::Fmt => succeeded(Command::cargo(root, &["fmt", "--all", "--check"]).run()),
            Self::Tidy => match tidy::run(root) {
                Ok(true) => Outcome::Passed,
                Ok(false) => Outcome::Failed("house rules are broken".to_owned()),
                Err(error) => Outcome::Failed(error.to_string()),
            },
            Self::Clippy => {
                let words = ["clippy", "--locked", "--workspace", "--all-targets"];
                succeeded(Command::cargo(root, &words).also(&["--", "-D", "warnings"]).run())
            }
            Self::Doc => {
                let words = ["doc", "--locked", "--workspace", "--no-deps"];
                succeeded(Command::cargo(root, &words).env("RUSTDOCFLAGS", "-D warnings").run())
            }
            Self::Demo => match readme_command(root, "cargo run") {
                Ok(words) => succeeded(Command::of(root, &words).run()),
                Err(why) => Outcome::Failed(why),
            },
            Self::Bench => measured(measure::run(root, "bench", &["--quick".into()])),
            Self::Soak => measured(measure::run(root, "soak", &["--short".into()])),
            Self::Drill => match drill::missing() {
                Some(why) => Outcome::Skipped(why),
                None => measured(measure::run(root, "drill", &[])),
            },
            Self::Deploy => deployed(root),
            Self::Fuzz => fuzz(root),
            Self::Interop => with_peers(root, report),
            Self::Test => test(root, report),
        }
    }
}

/// The outcome of a step that is one command.
fn succeeded(result: Result<(), String>) -> Outcome {
    match result {
        Ok(()) => Outcome::Passed,
        Err(how) => Outcome::Failed(how),
    }
}

/// Runs the matrix, and notes the cells that were not shown.
fn with_peers(root: &Path, report: &mut Report) -> Outcome {
    match interop::run(root, &[]) {
        Ok(interop::Verdict::NoGo(why)) if interop::in_ci() => Outcome::Failed(why),
        Ok(interop::Verdict::NoGo(why)) => Outcome::Skipped(why),
        Ok(interop::Verdict::Ran { failures, skips }) => {
            for skip in &skips {
                report.skipped("interop", skip);
            }
            if failures.is_empty() { Outcome::Passed } else { Outcome::Failed(failures.join("; ")) }
        }
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

/// The outcome of a run of the load generators.
fn measured(result: Result<bool, measure::MeasureError>) -> Outcome {
    match result {
        Ok(true) => Outcome::Passed,
        Ok(false) => Outcome::Failed("it ended badly, see above".to_owned()),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

/// Packs what the steps before have built, and walks through the document.
fn deployed(root: &Path) -> Outcome {
    let words = ["build", "--release", "--locked", "-p", "sigsum-cli"];
    if let Err(why) = Command::cargo(root, &words).run() {
        return Outcome::Failed(why);
    }
    match deploy::test(root, None) {
        Ok(deploy::Verdict::Passed(commands)) => {
            println!("deploy: {commands} commands");
            Outcome::Passed
        }
        Ok(deploy::Verdict::Impossible(why)) => Outcome::Skipped(why),
        Err(why) => Outcome::Failed(why),
    }
}

/// The words of the first command in the README that begins with `start`: what a reader would type
/// is what is run.
fn readme_command(root: &Path, start: &str) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(root.join("README.md"))
        .map_err(|error| format!("README.md: {error}"))?;
    command_in(&text, start).ok_or_else(|| format!("README.md gives no `$ {start} ...`"))
}

fn command_in(text: &str, start: &str) -> Option<Vec<String>> {
    let commands = text.lines().filter_map(|line| line.trim().strip_prefix("$ "));
    let command = commands.into_iter().find(|command| command.starts_with(start))?;
    let without_comment = command.split(" #").next().unwrap_or(command);
    Some(without_comment.split_whitespace().map(str::to_owned).collect())
}

/// Runs the tests to the end, and notes the summary lines and the tests that skipped.
fn test(root: &Path, report: &mut Report) -> Outcome {
    let words = match readme_command(root, "cargo test") {
        Ok(words) => words,
        Err(why) => return Outcome::Failed(why),
    };
    // Shown output is where a passing test says that it skipped.
    let command = Command::of(root, &words).also(&["--no-fail-fast", "--", "--show-output"]);
    let outcome = succeeded(command.run_with(|line| report.test_line(line)));
    match outcome {
        Outcome::Passed if report.no_tests_ran() => {
            Outcome::Failed("no summary of cargo test was seen".to_owned())
        }
        outcome => outcome,
    }
}

/// Builds and runs each target for a while. Without cargo-fuzz this is skipped.
fn fuzz(root: &Path) -> Outcome {
    if let Err(why) = Command::cargo(root, &["fuzz", "--version"]).output() {
        return Outcome::Skipped(format!("cargo-fuzz is not installed ({why})"));
    }
    let targets = match Command::cargo(root, &["fuzz", "list"]).output() {
        Ok(text) if text.trim().is_empty() => {
            return Outcome::Failed("there are no fuzz targets".to_owned());
        }
        Ok(text) => text,
        Err(why) => return Outcome::Failed(why),
    };
    if let Err(why) = Command::cargo(root, &["fuzz", "build"]).also(NO_SANITIZER).run() {
        return Outcome::Failed(why);
    }
    let results = targets.lines().map(str::trim).map(|target| (target, fuzz_one(root, target)));
    let failed: Vec<String> = results
        .filter_map(|(target, result)| result.err().map(|why| format!("{target}: {why}")))
        .collect();
    if failed.is_empty() { Outcome::Passed } else { Outcome::Failed(failed.join("; ")) }
}

/// Builds and runs one target, beginning with its seeds.
fn fuzz_one(root: &Path, target: &str) -> Result<(), String> {
    // What the fuzzer finds goes to the first directory, which git ignores.
    let (corpus, seeds) = (format!("fuzz/corpus/{target}"), format!("fuzz/seeds/{target}"));
    std::fs::create_dir_all(root.join(&corpus)).map_err(|error| format!("{corpus}: {error}"))?;
    let limits = [format!("-max_total_time={FUZZ_S}"), format!("-rss_limit_mb={FUZZ_MEMORY_MIB}")];
    let command =
        Command::cargo(root, &["fuzz", "run"]).also(NO_SANITIZER).also(&[target, &corpus]);
    let seeded = if root.join(&seeds).is_dir() { command.also(&[&seeds]) } else { command };
    let quiet = ["-verbosity=0", "-print_final_stats=1"];
    seeded.also(&["--", FUZZ_SEED, &limits[0], &limits[1]]).also(&quiet).run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_taken_from_the_readme_as_they_stand() {
        let text =
            "Run\n\n```console\n$ cargo run --release -- demo   # all of it\n```\n$ cargo test\n";
        let words = |start| command_in(text, start).map(|words| words.join(" "));
        assert_eq!(words("cargo run").as_deref(), Some("cargo run --release -- demo"));
        assert_eq!(words("cargo test").as_deref(), Some("cargo test"));
        assert_eq!(words("cargo bench"), None);
    }
}
