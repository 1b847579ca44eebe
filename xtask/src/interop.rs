//! `cargo xtask interop`: installs the Go programs of today's network, pinned, runs the tests in which
//! they and the executable talk to each other, and prints the matrix of what was shown.

mod install;
mod matrix;
mod peers;

use std::fmt;
use std::io::{IsTerminal as _, stdin};
use std::path::Path;
use std::time::{Duration, Instant};

use self::install::{Got, Installer};
use self::matrix::{Matrix, TestOutput};
use self::peers::{PEERS, Peer};
use crate::command::{Command, Ended};
use crate::measure;

/// Where the tests find the programs (`peers.rs` of the test target `interop`).
const PEERS_VARIABLE: &str = "SIGSUM_PEERS";

/// For all cells together, once they are built. They take five minutes on two processors; whoever
/// takes so much longer waits for a peer that will not answer any more.
const LIMIT: Duration = Duration::from_secs(45 * 60);

/// Why the matrix was not run.
#[derive(Debug)]
pub(crate) struct InteropError(String);

impl fmt::Display for InteropError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InteropError {}

/// What came of it.
pub(crate) enum Verdict {
    /// Go is missing, so no peer is there. Says what was skipped.
    NoGo(String),
    /// The tests ran.
    Ran {
        /// What failed; empty when all is well.
        failures: Vec<String>,
        /// What could not be shown, and why, one entry for each peer and cell.
        skips: Vec<String>,
    },
}

impl Verdict {
    /// Whether this is success: a user's machine may lack Go, one that checks changes may not.
    pub(crate) fn is_good(&self) -> bool {
        match self {
            Self::NoGo(_) => !in_ci(),
            Self::Ran { failures, .. } => failures.is_empty(),
        }
    }
}

/// Whether this machine checks changes.
pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

/// Installs what is missing and runs the tests whose names contain one of `tests`, or all.
pub(crate) fn run(root: &Path, tests: &[String]) -> Result<Verdict, InteropError> {
    let begin = Instant::now();
    if let Err(why) = Command::new(root, "go", &["version"]).output() {
        let why = format!("go is not installed ({why}), so none of these was run");
        println!("interop: skipped: {why}:");
        matrix::print_rows();
        return Ok(Verdict::NoGo(why));
    }
    let target =
        measure::target_directory(root).map_err(|error| InteropError(error.to_string()))?;
    let installer = Installer::new(root, &target.join("peers"))?;
    let (mut failures, mut skips) = (Vec::new(), Vec::new());
    for (peer, got) in install_all(&installer)? {
        match got {
            Got::NotToBeHad(why) => skips.push(format!("{peer} is not to be had: {why}")),
            Got::Failed(why) => failures.push(format!("{peer}: {why}")),
            Got::There | Got::Installed(_) => {}
        }
    }
    println!("interop: installing took {} s\n", begin.elapsed().as_secs());

    let mut output = TestOutput::default();
    let bin = installer.bin().to_string_lossy().into_owned();
    if let Err(how) = run_tests(root, tests, &bin, &mut output) {
        let hung = output.running().map(|cell| format!("{cell}: has not ended"));
        failures.extend(hung.collect::<Vec<_>>());
        failures.push(format!("cargo test: {how}"));
    }

    let matrix = Matrix::of(output.into_cells());
    matrix.print();
    failures.extend(matrix.failures(tests.is_empty()));
    skips.extend(matrix.skips());
    for failure in &failures {
        println!("interop: FAILED: {failure}");
    }
    let verdict = if failures.is_empty() { "passed" } else { "FAILED" };
    println!("interop: {verdict} after {} s", begin.elapsed().as_secs());
    Ok(Verdict::Ran { failures, skips })
}

/// Builds the cells, and runs them. At a terminal there is no limit, as whoever sits there has one
/// that reaches the peers too.
fn run_tests(
    root: &Path,
    tests: &[String],
    bin: &str,
    output: &mut TestOutput,
) -> Result<(), Ended> {
    let words = ["test", "--locked", "-p", "sigsum-cli", "--test", "interop"];
    Command::cargo(root, &words).also(&["--no-run"]).run().map_err(Ended::Badly)?;
    // Shown output is where a passing test says that it skipped.
    let command = Command::cargo(root, &words).also(&["--", "--show-output"]);
    let filter: Vec<&str> = tests.iter().map(String::as_str).collect();
    let command = command.also(&filter).env(PEERS_VARIABLE, bin);
    if stdin().is_terminal() {
        return command.run_with(|line| output.line(line)).map_err(Ended::Badly);
    }
    command.run_within(LIMIT, |line| output.line(line))
}

/// Installs one after the other; each uses all processors.
fn install_all(installer: &Installer) -> Result<Vec<(&'static Peer, Got)>, InteropError> {
    println!("interop: peers in {}", installer.bin().display());
    let mut all: Vec<(&Peer, Got)> = Vec::new();
    for peer in PEERS {
        let is_had = |name| {
            let (_, got) = all.iter().find(|(peer, _)| peer.name == name)?;
            Some(matches!(got, Got::There | Got::Installed(_)))
        };
        let got = match peer.only_with {
            Some(name) if is_had(name) != Some(true) => {
                installer.remove(peer)?;
                Got::NotToBeHad(format!("not asked for, as nothing uses it without {name}"))
            }
            _ => installer.install(peer)?,
        };
        let origin = match got {
            Got::There | Got::Installed(_) => installer.origin(peer),
            Got::NotToBeHad(_) | Got::Failed(_) => String::new(),
        };
        println!("- {peer}: {got}{origin}");
        all.push((peer, got));
    }
    Ok(all)
}
