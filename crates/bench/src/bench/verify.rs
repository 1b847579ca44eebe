//! `sigsum verify` as a process: from its start to its exit status.

use super::lab::{Lab, start};
use crate::failure::Failure;
use crate::latency::Latencies;
use crate::network::CLIENT_POLICY;
use crate::report::{Goal, Row, time};
use std::process::Stdio;
use std::time::Instant;

/// Repeats for each repeat of what takes longer.
const RUNS_PER_REPEAT: usize = 5;

/// Makes a proof and verifies it again and again.
pub(crate) async fn run(lab: &mut Lab) -> Result<Vec<Row>, Failure> {
    let runs = lab.settings.repeats * RUNS_PER_REPEAT;
    let log = lab.log()?;
    let running = start(log).await?;
    let sandbox = &log.network.sandbox;
    sandbox.key("signer")?;
    sandbox.write("message", "to be verified")?;
    let submission = ["submit", "-k", "signer", "-p", CLIENT_POLICY, "message"];
    sandbox.run(&submission)?;
    running.daemon.stop()?;
    let message = sandbox.path("message");
    let mut times = Latencies::default();
    for _ in 0..runs {
        let input = std::fs::File::open(&message).map_err(Failure::file("open", &message))?;
        let verification = ["verify", "-k", "signer.pub", "-p", CLIENT_POLICY, "message.proof"];
        let mut command = sandbox.command(&verification);
        command.stdin(input).stdout(Stdio::null()).stderr(Stdio::null());
        let begin = Instant::now();
        let status = command.status().map_err(Failure::file("run", command.get_program()))?;
        times.add(begin.elapsed());
        if !status.success() {
            return Err(Failure::server("sigsum verify", status));
        }
    }
    let times = times.summary();
    println!("\nverify\n{times}");
    let found = format!("median {}, p99 {}", time(times.p50), time(times.p99));
    let goals = [Goal::time(times.p50, 5.0, 3.0)];
    Ok(vec![Row::new("`sigsum verify`, whole process", found, ("< 5 ms", "< 3 ms"), &goals)])
}
