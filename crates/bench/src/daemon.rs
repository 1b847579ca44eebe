//! Servers as processes of their own: started, watched, stopped, killed.

use crate::failure::Failure;
use crate::http::address_of;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// A server that does not say where it listens for so long will not start.
const START_LIMIT: Duration = Duration::from_secs(120);
/// What a server says once it listens, before its URL.
const LISTENING: &str = "listening on ";

/// A server that runs. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    program: String,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Daemon {
    /// Starts a server and does not wait for anything.
    pub(crate) fn spawn(mut command: Command) -> Result<Self, Failure> {
        let program = words_of(&command);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Failure::file("run", command.get_program()))?;
        let (sender, lines) = mpsc::channel();
        if let Some(stderr) = child.stderr.take() {
            std::thread::spawn(move || pass_on(stderr, &sender));
        }
        Ok(Self { child, program, lines, said: Vec::new() })
    }

    /// Starts a server and waits until it listens.
    pub(crate) fn start(command: Command) -> Result<(Self, SocketAddr), Failure> {
        let mut daemon = Self::spawn(command)?;
        let address = daemon.wait_until_listening()?;
        Ok((daemon, address))
    }

    /// Waits until the server says where it listens.
    pub(crate) fn wait_until_listening(&mut self) -> Result<SocketAddr, Failure> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    let url = line.strip_prefix(LISTENING).map(str::to_owned);
                    self.said.push(line);
                    if let Some(url) = url {
                        return address_of(&url);
                    }
                }
                Err(RecvTimeoutError::Timeout) => return Err(self.failed("does not start")),
                Err(RecvTimeoutError::Disconnected) => return Err(self.failed("did not start")),
            }
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Everything that it has said so far.
    pub(crate) fn said(&mut self) -> &[String] {
        self.said.extend(self.lines.try_iter());
        &self.said
    }

    /// SIGKILL, as a crash is. Returns what it had said.
    pub(crate) fn kill(mut self) -> Result<Vec<String>, Failure> {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        killed.map_err(Failure::file("kill", &self.program))?;
        Ok(self.last_words())
    }

    /// SIGTERM; the server must end well. Returns what it had said.
    pub(crate) fn stop(mut self) -> Result<Vec<String>, Failure> {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            let stopped = kill_process(pid, Signal::TERM).map_err(std::io::Error::from);
            stopped.map_err(Failure::file("stop", &self.program))?;
        }
        let status = self.child.wait().map_err(Failure::file("wait for", &self.program))?;
        if !status.success() {
            return Err(self.failed(&format!("ended with {status} when it was stopped")));
        }
        Ok(self.last_words())
    }

    /// Blocks until the process has closed its standard error, which it does by ending.
    fn last_words(&mut self) -> Vec<String> {
        let mut said = std::mem::take(&mut self.said);
        said.extend(self.lines.iter());
        said
    }

    fn failed(&mut self, what: &str) -> Failure {
        let said = self.said().join("\n");
        Failure::Program { program: self.program.clone(), what: what.to_owned(), said }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended already
        let _ = self.child.wait();
    }
}

/// A process that does not run; the kernel goes on taking its connections. Runs on when dropped.
#[derive(Debug)]
pub(crate) struct Suspended(Pid);

impl Suspended {
    /// Suspends a process.
    pub(crate) fn new(pid: u32) -> Result<Self, Failure> {
        let failed = || Failure::server(format!("process {pid}"), "cannot be suspended");
        let pid = Pid::from_raw(pid.cast_signed()).ok_or_else(failed)?;
        kill_process(pid, Signal::STOP).map_err(|_| failed())?;
        Ok(Self(pid))
    }
}

impl Drop for Suspended {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT); // it may have been killed meanwhile
    }
}

fn pass_on(stderr: ChildStderr, to: &Sender<String>) {
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        if to.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
            return;
        }
    }
}

/// Runs a command to its end and returns what it printed; its exit status must be 0.
pub(crate) fn run(mut command: Command) -> Result<String, Failure> {
    let program = words_of(&command);
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(Failure::file("run", command.get_program()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Failure::Program { program, what: output.status.to_string(), said });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A command as one would type it, without the directory of the program.
fn words_of(command: &Command) -> String {
    let name = std::path::Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_server_is_there_when_it_says_where_it_listens() {
        let script =
            "echo first >&2; echo 'listening on http://127.0.0.1:7' >&2; exec tail -f /dev/null";
        let (mut daemon, address) = Daemon::start(shell(script)).unwrap();
        assert_eq!(address.to_string(), "127.0.0.1:7");
        assert_eq!(daemon.said().first().map(String::as_str), Some("first"));
        assert_eq!(daemon.kill().unwrap().len(), 2);
    }

    #[test]
    fn a_server_that_ends_at_once_tells_why() {
        let error = Daemon::start(shell("echo no disk >&2; exit 1")).unwrap_err().to_string();
        assert!(error.contains("did not start\nno disk"), "{error}");
    }

    #[test]
    fn a_server_must_end_well_when_it_is_stopped() {
        let script = "tail -f /dev/null 2>/dev/null & trap 'kill $!; exit 3' TERM; \
                      echo 'listening on http://127.0.0.1:7' >&2; wait";
        let (daemon, _) = Daemon::start(shell(script)).unwrap();
        let error = daemon.stop().unwrap_err().to_string();
        assert!(error.contains("exit status: 3"), "{error}");
    }

    #[test]
    fn a_command_that_fails_is_a_failure() {
        assert_eq!(run(shell("echo fine")).unwrap(), "fine\n");
        let error = run(shell("echo why >&2; exit 1")).unwrap_err().to_string();
        assert!(error.contains("why"), "{error}");
    }
}
