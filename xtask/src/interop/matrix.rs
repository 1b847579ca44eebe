//! The matrix: its rows, and what the tests' output says about their cells.

use std::fmt;

/// A row of the matrix, as `docs/interop.md` has it.
struct Row {
    ours: &'static str,
    peer: &'static str,
    shown: &'static str,
    /// The module of the test program that has its cells.
    module: &'static str,
}

const ROWS: &[Row] = &[
    Row {
        ours: "log",
        peer: "sigsum-submit, sigsum-monitor",
        shown: "submit with and without token, batch; both verifiers accept; monitored",
        module: "our_log",
    },
    Row {
        ours: "submit, monitor, verify",
        peer: "sigsum-log-primary, ephemeral",
        shown: "the same the other way round",
        module: "go_log",
    },
    Row {
        ours: "submit, monitor, verify",
        peer: "sigsum-log-primary on Trillian and MariaDB",
        shown: "the same the other way round",
        module: "go_log_trillian",
    },
    Row {
        ours: "log",
        peer: "sigsum-witness",
        shown: "quorum; 409 recovery when a side loses or leads by leaves; size 0",
        module: "our_log_sigsum_witness",
    },
    Row { ours: "log", peer: "litewitness", shown: "the same", module: "our_log_litewitness" },
    Row {
        ours: "witness",
        peer: "sigsum-log-primary",
        shown: "cosigned heads; restart of either side; 1 000 rounds without a gap",
        module: "our_witness",
    },
    Row {
        ours: "log, secondary",
        peer: "sigsum-log-secondary, sigsum-log-primary on Trillian and ephemeral",
        shown: "each behind the other; restarts of either follower",
        module: "secondaries",
    },
    Row {
        ours: "log, in place of theirs",
        peer: "sigsum-log-primary on Trillian and MariaDB",
        shown: "taken over under load, with and without a moment's silence; its metrics",
        module: "migration",
    },
    Row {
        ours: "verify, key, token, policy",
        peer: "sigsum-verify, sigsum-key, sigsum-token, sigsum-policy, spicy",
        shown: "each output of one read by the other; random and mutated proofs and policies",
        module: "formats",
    },
    Row {
        ours: "agent client",
        peer: "ssh-agent, sigsum-agent",
        shown: "sign and submit through each",
        module: "agents",
    },
    Row {
        ours: "Ed25519",
        peer: "Go's crypto/ed25519",
        shown: "same verdict on Wycheproof, corner cases and 100 000 mutated signatures",
        module: "ed25519",
    },
    Row {
        ours: "log with TLS by ACME",
        peer: "pebble, Let's Encrypt's test authority",
        shown: "first certificate, restart, renewal under load; authority away, refusing, without memory",
        module: "acme",
    },
];

/// What the test program prints behind the name of a test that takes long.
const SLOW: &str = " has been running for over ";

/// How a cell's test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ending {
    Passed,
    /// It says that it could not look, and why.
    Skipped(String),
    Failed,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Skipped(_) => f.write_str("skipped"),
            Self::Failed => f.write_str("FAILED"),
        }
    }
}

/// One test.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// With its module.
    name: String,
    ending: Ending,
}

/// Reads what the test program prints with `--show-output`, line by line.
#[derive(Default)]
pub(super) struct TestOutput {
    cells: Vec<Cell>,
    /// Tests that the test program says to have been running for long.
    slow: Vec<String>,
    /// The test whose own output is being read.
    speaker: Option<String>,
    /// Tests and their reasons for not looking.
    skips: Vec<(String, String)>,
}

impl TestOutput {
    /// Takes the next line.
    pub(super) fn line(&mut self, line: &str) {
        let result = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "));
        if let Some((name, ending)) = result {
            let ending = match ending.trim().split([' ', ',']).next() {
                Some("ok") => Ending::Passed,
                Some("ignored") => Ending::Skipped(ending.trim().to_owned()),
                _ => Ending::Failed,
            };
            self.cells.push(Cell { name: name.to_owned(), ending });
        } else if let Some(name) = line.strip_prefix("test ").and_then(|it| it.split_once(SLOW)) {
            self.slow.push(name.0.to_owned());
        } else if let Some(rest) = line.strip_prefix("---- ") {
            self.speaker = rest.strip_suffix(" stdout ----").map(str::to_owned);
        } else if line == "successes:" || line == "failures:" {
            self.speaker = None;
        } else if let Some(name) = &self.speaker {
            let reason = line.strip_prefix("skipped: ");
            self.skips.extend(reason.map(|reason| (name.clone(), reason.to_owned())));
        }
    }

    /// Those that have been running for long, and have not ended.
    pub(super) fn running(&self) -> impl Iterator<Item = &str> {
        let has_ended = |name: &str| self.cells.iter().any(|cell| cell.name == name);
        self.slow.iter().map(String::as_str).filter(move |name| !has_ended(name))
    }

    /// The tests, in the order of their names.
    pub(super) fn into_cells(mut self) -> Vec<Cell> {
        for cell in self.cells.iter_mut().filter(|cell| cell.ending == Ending::Passed) {
            let skip = self.skips.iter().find(|(name, _)| *name == cell.name);
            if let Some((_, reason)) = skip {
                cell.ending = Ending::Skipped(reason.clone());
            }
        }
        self.cells.sort_by(|a, b| a.name.cmp(&b.name));
        self.cells
    }
}

/// The rows with their cells.
pub(super) struct Matrix {
    rows: Vec<(&'static Row, Vec<Cell>)>,
    /// Tests of modules that no row names.
    rest: Vec<Cell>,
}

impl Matrix {
    /// Sorts the cells into their rows.
    pub(super) fn of(cells: Vec<Cell>) -> Self {
        let mut rows: Vec<(&Row, Vec<Cell>)> = ROWS.iter().map(|row| (row, vec![])).collect();
        let mut rest = vec![];
        for cell in cells {
            let module = cell.name.split("::").next().unwrap_or_default();
            match rows.iter_mut().find(|(row, _)| row.module == module) {
                Some((_, cells)) => cells.push(cell),
                None => rest.push(cell),
            }
        }
        Self { rows, rest }
    }

    /// Prints the matrix, and each cell under its row.
    pub(super) fn print(&self) {
        println!("\n==> Cells");
        for (row, cells) in self.rows.iter().filter(|(_, cells)| !cells.is_empty()) {
            println!("{} | {}", row.ours, row.peer);
            for Cell { name, ending } in cells {
                let name = name.split_once("::").map_or(name.as_str(), |(_, name)| name);
                let why = match ending {
                    Ending::Skipped(why) => format!(": {why}"),
                    _ => String::new(),
                };
                println!("    {:<8} {name}{why}", ending.to_string());
            }
        }
        println!("\n==> Matrix\n");
        println!("| ours | peer | shown | passed | failed | skipped |");
        println!("|---|---|---|---|---|---|");
        for (row, cells) in self.rows.iter().filter(|(_, cells)| !cells.is_empty()) {
            let [passed, failed, skipped] = counts(cells);
            let Row { ours, peer, shown, .. } = row;
            println!("| {ours} | {peer} | {shown} | {passed} | {failed} | {skipped} |");
        }
        println!();
    }

    /// Failed tests, tests without a row and, where all tests were run, rows without a test.
    pub(super) fn failures(&self, all_were_run: bool) -> Vec<String> {
        let failed = self.cells().filter(|cell| cell.ending == Ending::Failed);
        let mut failures: Vec<String> = failed.map(|cell| cell.name.clone()).collect();
        let homeless = |cell: &Cell| format!("{}: no row of the matrix has its module", cell.name);
        failures.extend(self.rest.iter().map(homeless));
        let empty = self.rows.iter().filter(|(_, cells)| all_were_run && cells.is_empty());
        failures.extend(empty.map(|(row, _)| format!("{} | {}: no test", row.ours, row.peer)));
        if self.cells().next().is_none() {
            failures.push("no test was run".to_owned());
        }
        failures
    }

    /// Why cells could not be shown, one entry for each of them.
    pub(super) fn skips(&self) -> Vec<String> {
        let reason = |cell: &Cell| match &cell.ending {
            Ending::Skipped(why) => Some(format!("cell skipped: {why}")),
            _ => None,
        };
        self.cells().filter_map(reason).collect()
    }

    fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.rows.iter().flat_map(|(_, cells)| cells).chain(&self.rest)
    }
}

/// How many passed, failed, and were skipped.
fn counts(cells: &[Cell]) -> [usize; 3] {
    let count = |is: fn(&Ending) -> bool| cells.iter().filter(|cell| is(&cell.ending)).count();
    [
        count(|ending| *ending == Ending::Passed),
        count(|ending| *ending == Ending::Failed),
        count(|ending| matches!(ending, Ending::Skipped(_))),
    ]
}

/// Prints what the matrix would have shown.
pub(super) fn print_rows() {
    for Row { ours, peer, shown, .. } in ROWS {
        println!("- {ours} | {peer}: {shown}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
running 4 tests
test our_log::b ... FAILED
test our_log::a ... ok
test formats::key::c has been running for over 60 seconds
test formats::key::c ... ok
test formats::d ... ignored, takes an hour

successes:

---- formats::key::c stdout ----
something else
skipped: sigsum-key is not installed

successes:
    our_log::a
    formats::key::c

failures:

---- our_log::b stdout ----
skipped: half of it
panicked

failures:
    our_log::b

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out
";

    fn matrix(output: &str) -> Matrix {
        let mut read = TestOutput::default();
        output.lines().for_each(|line| read.line(line));
        Matrix::of(read.into_cells())
    }

    #[test]
    fn cells_are_counted_by_how_they_ended() {
        let matrix = matrix(OUTPUT);
        let of = |module: &str| {
            let row = matrix.rows.iter().find(|(row, _)| row.module == module);
            row.map(|(_, cells)| counts(cells))
        };
        assert_eq!(of("our_log"), Some([1, 1, 0]));
        assert_eq!(of("formats"), Some([0, 0, 2]));
        assert_eq!(of("our_witness"), Some([0, 0, 0]));
    }

    #[test]
    fn a_cell_that_was_skipped_says_why() {
        let skips = matrix(OUTPUT).skips();
        let expected = ["ignored, takes an hour", "sigsum-key is not installed"];
        assert_eq!(skips, expected.map(|why| format!("cell skipped: {why}")));
    }

    #[test]
    fn a_cell_that_hangs_is_named() {
        let mut read = TestOutput::default();
        for line in OUTPUT.lines().take(4) {
            read.line(line);
        }
        assert_eq!(read.running().collect::<Vec<_>>(), ["formats::key::c"]);
        read.line("test formats::key::c ... ok");
        assert_eq!(read.running().next(), None);
    }

    #[test]
    fn a_failed_test_fails_the_matrix() {
        assert_eq!(matrix(OUTPUT).failures(false), ["our_log::b"]);
        assert!(matrix("test our_log::a ... ok").failures(false).is_empty());
    }

    #[test]
    fn a_row_without_a_test_fails_the_matrix() {
        let failures = matrix("test our_log::a ... ok").failures(true);
        assert_eq!(failures.len(), ROWS.len() - 1);
    }

    #[test]
    fn no_test_at_all_fails_the_matrix() {
        assert_eq!(matrix("running 0 tests").failures(false), ["no test was run"]);
    }

    #[test]
    fn a_test_without_a_row_fails_the_matrix() {
        assert_eq!(matrix("test elsewhere::a ... ok").failures(false).len(), 1);
    }
}
