//! How the demo prints: numbered steps with timings, and indented detail.

use crate::failure::Failure;
use crate::files::print;
use std::time::Instant;

/// Prints steps and measures them.
#[derive(Debug)]
pub(crate) struct Teller {
    step: usize,
    started: Instant,
    step_started: Instant,
}

impl Teller {
    /// Nothing told yet.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self { step: 0, started: now, step_started: now }
    }

    /// Begins a step.
    pub(crate) fn step(&mut self, what: &str) -> Result<(), Failure> {
        self.step += 1;
        self.step_started = Instant::now();
        print(format!("\n{}. {what}\n", self.step))
    }

    /// One line of detail.
    pub(crate) fn detail(&self, line: &str) -> Result<(), Failure> {
        print(format!("   {line}\n"))
    }

    /// Several lines of detail, each indented.
    pub(crate) fn block(&self, text: &str) -> Result<(), Failure> {
        text.lines().try_for_each(|line| print(format!("     {line}\n")))
    }

    /// Ends a step with the time it took.
    pub(crate) fn done(&self, what: &str) -> Result<(), Failure> {
        let ms = self.step_started.elapsed().as_secs_f64() * 1e3;
        print(format!("   {what} ({ms:.1} ms)\n"))
    }

    /// Seconds since the start.
    pub(crate) fn elapsed_s(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}
