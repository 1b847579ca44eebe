//! The table at the end, in the shape of the one that sets the bars.

use crate::latency::milliseconds;
use std::fmt::Write as _;
use std::time::Duration;

/// One line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    what: String,
    measured: String,
    bar: &'static str,
    aim: &'static str,
    verdict: &'static str,
}

/// What was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    Neither,
    Bar,
    Aim,
}

/// A value beside its bar and its aim.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// The more the better.
    AtLeast { measured: f64, bar: f64, aim: f64 },
    /// The less the better.
    AtMost { measured: f64, bar: f64, aim: f64 },
}

impl Goal {
    fn reached(self) -> Reached {
        let (bar, aim) = match self {
            Self::AtLeast { measured, bar, aim } => (measured >= bar, measured >= aim),
            Self::AtMost { measured, bar, aim } => (measured < bar, measured < aim),
        };
        match (bar, aim) {
            (true, true) => Reached::Aim,
            (true, false) => Reached::Bar,
            (false, _) => Reached::Neither,
        }
    }

    /// A time in milliseconds that should be short.
    pub(crate) fn time(measured: Duration, bar_ms: f64, aim_ms: f64) -> Self {
        Self::AtMost { measured: measured.as_secs_f64() * 1e3, bar: bar_ms, aim: aim_ms }
    }
}

impl Row {
    /// A line whose goals are all to be reached.
    pub(crate) fn new(
        what: impl Into<String>,
        measured: impl Into<String>,
        (bar, aim): (&'static str, &'static str),
        goals: &[Goal],
    ) -> Self {
        let reached = |at_least| goals.iter().all(|goal| goal.reached() as u8 >= at_least as u8);
        let verdict = match () {
            () if reached(Reached::Aim) => "aim",
            () if reached(Reached::Bar) => "bar",
            () => "MISSED",
        };
        Self { what: what.into(), measured: measured.into(), bar, aim, verdict }
    }

    /// A line for which no bar was set.
    pub(crate) fn plain(what: impl Into<String>, measured: impl Into<String>) -> Self {
        let (what, measured) = (what.into(), measured.into());
        Self { what, measured, bar: "", aim: "", verdict: "" }
    }
}

/// The table as Markdown.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut out =
        "| what | measured | first bar | aim | reached |\n|---|---|---|---|---|\n".to_owned();
    for Row { what, measured, bar, aim, verdict } in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "| {what} | {measured} | {bar} | {aim} | {verdict} |");
    }
    out
}

/// A rate with its unit.
pub(crate) fn rate(per_second: f64) -> String {
    match per_second {
        r if r >= 10e6 => format!("{:.1} M/s", r / 1e6),
        r if r >= 1e6 => format!("{:.2} M/s", r / 1e6),
        r => format!("{}/s", grouped(r)),
    }
}

/// A whole number with thin groups of three.
pub(crate) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// A duration, for a table.
pub(crate) fn time(duration: Duration) -> String {
    milliseconds(duration)
}

/// Bytes as megabytes.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{} MB", grouped(bytes as f64 / 1e6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_the_least_of_what_its_goals_reached() {
        let at_least = |measured| Goal::AtLeast { measured, bar: 10.0, aim: 20.0 };
        let verdict = |goals: &[Goal]| Row::new("a", "b", ("c", "d"), goals).verdict;
        assert_eq!(verdict(&[at_least(20.0)]), "aim");
        assert_eq!(verdict(&[at_least(20.0), at_least(19.0)]), "bar");
        assert_eq!(verdict(&[at_least(20.0), at_least(9.0)]), "MISSED");
        let late = Goal::time(Duration::from_millis(500), 500.0, 100.0);
        assert_eq!(verdict(&[late]), "MISSED", "the bar is \"less than\"");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(rate(12_345.6), "12 346/s");
        assert_eq!(rate(1_234_567.0), "1.23 M/s");
        assert_eq!(rate(12_345_678.0), "12.3 M/s");
        assert_eq!(grouped(123.0), "123");
        assert_eq!(megabytes(1_234_567_890), "1 235 MB");
    }

    #[test]
    fn the_table_is_markdown() {
        let text = table(&[Row::plain("tea", "hot")]);
        assert_eq!(text.lines().last(), Some("| tea | hot |  |  |  |"));
    }
}
