//! Running a command: its output goes through, and may be looked at on its way.

use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{self, Child, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::cargo;

/// How a command that was given a time ended badly.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// As it says.
    Badly(String),
    /// It did not end in time, and was killed with everything that it had started.
    Killed(Duration),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Badly(how) => f.write_str(how),
            Self::Killed(limit) => write!(f, "killed after {} s", limit.as_secs()),
        }
    }
}

/// A command in the workspace's root.
pub(crate) struct Command {
    inner: process::Command,
}

impl Command {
    /// `cargo WORDS`.
    pub(crate) fn cargo(root: &Path, words: &[&str]) -> Self {
        let mut inner = process::Command::new(cargo());
        inner.args(words).current_dir(root);
        Self { inner }
    }

    /// A command as words, `cargo` being the one that runs this.
    pub(crate) fn of(root: &Path, words: &[String]) -> Self {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.split_first() {
            Some((&"cargo", rest)) => Self::cargo(root, rest),
            Some((program, rest)) => Self::new(root, program, rest),
            None => Self::cargo(root, &[]),
        }
    }

    /// Another program.
    pub(crate) fn new(root: &Path, program: &str, words: &[&str]) -> Self {
        let mut inner = process::Command::new(program);
        inner.args(words).current_dir(root);
        Self { inner }
    }

    /// The same with more words.
    pub(crate) fn also(mut self, words: &[&str]) -> Self {
        self.inner.args(words);
        self
    }

    /// The same with a variable in its environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.inner.env(name, value);
        self
    }

    /// Runs it. The error says how it ended.
    pub(crate) fn run(mut self) -> Result<(), String> {
        self.announce();
        let status = self.inner.status().map_err(|error| self.failed(&error))?;
        ended(status)
    }

    /// Runs it and shows `look` each line of its standard output, which goes through all the same.
    pub(crate) fn run_with(mut self, mut look: impl FnMut(&str)) -> Result<(), String> {
        self.announce();
        let mut child =
            self.inner.stdout(Stdio::piped()).spawn().map_err(|error| self.failed(&error))?;
        show(&mut child, &mut look)?;
        ended(child.wait().map_err(|error| error.to_string())?)
    }

    /// The same, for at most this time. What it starts must end with it: its process group is
    /// killed when the time is over. A signal that a terminal sends does not reach that group.
    pub(crate) fn run_within(
        mut self,
        limit: Duration,
        mut look: impl FnMut(&str),
    ) -> Result<(), Ended> {
        self.announce();
        self.inner.process_group(0).stdout(Stdio::piped());
        let mut child = self.inner.spawn().map_err(|error| Ended::Badly(self.failed(&error)))?;
        let group = group_of(&child)?;
        let (is_over, over) = mpsc::channel::<()>();
        let watching = std::thread::spawn(move || {
            let is_late = over.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
            if is_late {
                let _ = kill_process_group(group, Signal::KILL); // it may end at this moment
            }
            is_late
        });
        // Ends when all of the group have closed their output, killed or not.
        show(&mut child, &mut look).map_err(Ended::Badly)?;
        let status = child.wait().map_err(|error| Ended::Badly(error.to_string()))?;
        drop(is_over);
        match watching.join() {
            Ok(true) => Err(Ended::Killed(limit)),
            _ => ended(status).map_err(Ended::Badly),
        }
    }

    /// Runs it silently and returns what it prints.
    pub(crate) fn output(mut self) -> Result<String, String> {
        let output = self.inner.output().map_err(|error| self.failed(&error))?;
        match ended(output.status) {
            Ok(()) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            Err(how) => {
                let text = String::from_utf8_lossy(&output.stderr);
                Err(format!("{how}: {}", text.lines().next().unwrap_or_default()))
            }
        }
    }

    fn announce(&self) {
        let words: Vec<_> = self.inner.get_args().map(|word| word.to_string_lossy()).collect();
        println!("$ {} {}", Path::new(self.inner.get_program()).display(), words.join(" "));
    }

    fn failed(&self, error: &std::io::Error) -> String {
        format!("cannot run {}: {error}", Path::new(self.inner.get_program()).display())
    }
}

/// The process group that a command leads.
fn group_of(child: &Child) -> Result<Pid, Ended> {
    let id = Pid::from_raw(child.id().cast_signed());
    id.ok_or_else(|| Ended::Badly("the system gave it no process id".to_owned()))
}

/// Passes on what it prints, line by line, to its end.
fn show(child: &mut Child, look: &mut impl FnMut(&str)) -> Result<(), String> {
    let output = child.stdout.take().ok_or("its output was not piped")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = line.map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&line);
        println!("{text}");
        look(&text);
    }
    Ok(())
}

fn ended(status: process::ExitStatus) -> Result<(), String> {
    if status.success() { Ok(()) } else { Err(status.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn shell(script: &str) -> Command {
        let words = ["sh".to_owned(), "-c".to_owned(), script.to_owned()];
        Command::of(Path::new("."), &words)
    }

    #[test]
    fn a_command_that_fails_says_how() {
        assert_eq!(shell("exit 3").run(), Err("exit status: 3".to_owned()));
        let gone = Command::of(Path::new("."), &["no-such-program".to_owned()]).run();
        assert!(gone.is_err_and(|how| how.starts_with("cannot run no-such-program: ")));
    }

    #[test]
    fn lines_are_looked_at_also_without_a_last_line_break() {
        let mut seen = Vec::new();
        let result = shell("printf 'a\\n\\nb'").run_with(|line| seen.push(line.to_owned()));
        assert_eq!((result, seen.join("|")), (Ok(()), "a||b".to_owned()));
    }

    #[test]
    fn a_command_that_fails_after_its_output_has_failed() {
        assert!(shell("echo a; exit 1").run_with(|_| {}).is_err());
        assert!(
            shell("echo a; echo why >&2; exit 1").output().is_err_and(|how| how.ends_with("why"))
        );
    }

    #[test]
    fn a_command_that_hangs_is_killed_with_what_it_started() {
        let mut seen = Vec::new();
        let script = "sleep 600 & echo $!; sleep 600";
        let limit = Duration::from_millis(300);
        let result = shell(script).run_within(limit, |line| seen.push(line.to_owned()));
        assert_eq!(result, Err(Ended::Killed(limit)));
        // Gone, or nobody's child whom nobody has waited for yet.
        let lives = || {
            let status = std::fs::read_to_string(format!("/proc/{}/stat", seen[0]));
            status.is_ok_and(|text| !text.contains(") Z "))
        };
        let until = Instant::now() + Duration::from_secs(60);
        while lives() {
            assert!(Instant::now() < until, "it lives on: {seen:?}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_command_that_ends_in_time_is_as_without_a_limit() {
        let long = Duration::from_secs(600);
        let mut seen = Vec::new();
        let run = |script, seen: &mut Vec<String>| {
            shell(script).run_within(long, |line| seen.push(line.to_owned()))
        };
        assert_eq!(run("echo a", &mut seen), Ok(()));
        assert_eq!(run("echo b; exit 3", &mut seen), Err(Ended::Badly("exit status: 3".into())));
        assert_eq!(seen, ["a", "b"]);
    }
}
