//! Running a command: its output goes through, and may be looked at on its way.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{self, Stdio};

use crate::cargo;

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
        let output = child.stdout.take().ok_or("its output was not piped")?;
        for line in BufReader::new(output).split(b'\n') {
            let line = line.map_err(|error| error.to_string())?;
            let text = String::from_utf8_lossy(&line);
            println!("{text}");
            look(&text);
        }
        ended(child.wait().map_err(|error| error.to_string())?)
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

fn ended(status: process::ExitStatus) -> Result<(), String> {
    if status.success() { Ok(()) } else { Err(status.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
