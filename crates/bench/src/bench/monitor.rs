//! A monitor that starts with nothing and reads a whole log, verifies all of it and keeps its state.

use super::lab::{Lab, published, start};
use crate::failure::Failure;
use crate::network::CLIENT_POLICY;
use crate::report::{Goal, Row, grouped, rate, time};
use crate::usage::{cpu_time, memory};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Before the number of leaves in the lines of `sigsum monitor`.
const PROCESSED: &str = "total processed ";

/// A child that does not outlive its benchmark.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended
        let _ = self.0.wait();
    }
}

/// Runs `sigsum monitor` until it has read all leaves.
pub(crate) async fn run(lab: &mut Lab) -> Result<Vec<Row>, Failure> {
    let log = lab.log()?;
    let running = start(log).await?;
    let size = published(running.address, 0).await?.size.0;
    let sandbox = &log.network.sandbox;
    sandbox.key("watched")?;
    let log_cpu = cpu_time(running.daemon.pid())?;
    let state = ["--state-directory", "monitor-state"];
    let mut command = sandbox.command(&["monitor", "-p", CLIENT_POLICY, "--interval", "1s"]);
    command
        .args(state)
        .args(["--diagnostics", "warning", "watched.pub"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let begin = Instant::now();
    let child = command.spawn().map_err(Failure::file("run", command.get_program()))?;
    let mut monitor = Killed(child);
    let processed = read_until(&mut monitor, size)?;
    let took = begin.elapsed();
    let pid = monitor.0.id();
    let (cpu, memory) = (cpu_time(pid)?, memory(pid)?);
    let log_cpu = cpu_time(running.daemon.pid())?.saturating_sub(log_cpu);
    running.daemon.stop()?;
    drop(monitor);
    let per_second = processed as f64 / took.as_secs_f64();
    println!(
        "\nmonitor\n{} leaves in {}: {}; processor: monitor {}, log {}; peak {} MB",
        grouped(processed as f64),
        time(took),
        rate(per_second),
        per_leaf(cpu, processed),
        per_leaf(log_cpu, processed),
        memory.peak_bytes / 1_000_000,
    );
    let goal = Goal::AtLeast { measured: per_second, bar: 200e3, aim: 1e6 };
    let what = format!(
        "monitor catching up with {} leaves of a local log, whole process",
        grouped(processed as f64)
    );
    Ok(vec![Row::new(what, rate(per_second), ("200 000 leaves/s", "1 M leaves/s"), &[goal])])
}

fn per_leaf(cpu: Duration, leaves: u64) -> String {
    format!("{:.2} us/leaf", cpu.as_secs_f64() * 1e6 / leaves.max(1) as f64)
}

/// Reads what the monitor reports until it has seen so many leaves.
fn read_until(monitor: &mut Killed, size: u64) -> Result<u64, Failure> {
    let ended = || Failure::server("sigsum monitor", "ended before it had read the log");
    let output = monitor.0.stdout.take().ok_or_else(ended)?;
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        let count = line.split_once(PROCESSED).and_then(|(_, count)| count.trim().parse().ok());
        if let Some(count) = count.filter(|count: &u64| *count >= size) {
            return Ok(count);
        }
    }
    Err(ended())
}
