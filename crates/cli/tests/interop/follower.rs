//! A monitor or another tool that runs, ours or another, read line by line.

use crate::heads::PATIENCE;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// Between two looks whether it has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// A running monitor.
pub(crate) struct Follower {
    child: Child,
    lines: mpsc::Receiver<String>,
    diagnostics: Arc<Mutex<String>>,
}

impl Follower {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        each_line(child.stdout.take().unwrap(), move |line| {
            let _ = sender.send(line); // the test may have ended
        });
        let diagnostics = Arc::<Mutex<String>>::default();
        let kept = Arc::clone(&diagnostics);
        each_line(child.stderr.take().unwrap(), move |line| {
            *kept.lock().unwrap() += &(line + "\n");
        });
        Self { child, lines, diagnostics }
    }

    /// The reported leaves up to the line that says that so many have been read.
    #[track_caller]
    pub(crate) fn leaves_until(&self, processed: usize) -> Vec<String> {
        let end = format!("total processed {processed}");
        let mut said = Vec::new();
        let mut leaves = Vec::new();
        // Leaves come behind the line of their batch, which has their number.
        let mut wanted = usize::MAX;
        while leaves.len() < wanted {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("no {end:?} in {said:#?}\n{}", self.diagnostics.lock().unwrap());
            };
            if line.starts_with("  index ") {
                leaves.push(line.clone());
            } else if line.ends_with(&end) {
                wanted = leaves.len() + count(&line);
            }
            said.push(line);
        }
        leaves
    }

    /// Waits until it ends, which it must do well.
    #[track_caller]
    pub(crate) fn ends_well(mut self) {
        let until = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < until, "it goes on: {}", self.diagnostics());
            std::thread::park_timeout(LOOK_INTERVAL);
        };
        assert!(status.success(), "{status}: {}", self.diagnostics());
    }

    /// What it has said on standard error.
    pub(crate) fn diagnostics(&self) -> String {
        self.diagnostics.lock().unwrap().clone()
    }

    /// SIGTERM; the monitor must end well.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        kill_process(Pid::from_raw(self.child.id().cast_signed()).unwrap(), Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.diagnostics.lock().unwrap());
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill(); // ended already where the test stopped it
        let _ = self.child.wait();
    }
}

/// N of `New HASH leaves, count N, total processed M`.
#[track_caller]
fn count(line: &str) -> usize {
    let number = line.split(", ").find_map(|part| part.strip_prefix("count ")).unwrap();
    number.parse().unwrap()
}

fn each_line(from: impl std::io::Read + Send + 'static, see: impl Fn(String) + Send + 'static) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            see(line);
        }
    });
}
