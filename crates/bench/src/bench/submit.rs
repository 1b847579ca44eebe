//! From the start of `sigsum submit` to its end with verified proofs: one file at a time, and many
//! files at once; to a log beside it, and to one far away.

use super::lab::{Lab, start};
use crate::failure::Failure;
use crate::latency::{Latencies, Summary};
use crate::network::{CLIENT_POLICY, Sandbox};
use crate::random::Random;
use crate::report::{Goal, Row, time};
use crate::slow_link::SlowLink;
use crate::usage::cpu_time;
use std::time::{Duration, Instant};

/// Batches that are measured; the median counts.
const BATCHES: usize = 5;

/// Round trip to the log far away: between two countries of Europe.
const ROUND_TRIP: Duration = Duration::from_millis(40);
/// Key of those who submit.
const SUBMITTER: &str = "submitter";
/// Policy of those who are far away.
const FAR_POLICY: &str = "far-policy";

/// Submits from an otherwise idle machine.
pub(crate) async fn run(lab: &mut Lab) -> Result<Vec<Row>, Failure> {
    let settings = lab.settings.clone();
    let log = lab.log()?;
    let running = start(log).await?;
    let sandbox = &log.network.sandbox;
    sandbox.key(SUBMITTER)?;
    let mut random = Random::new(5);
    let pids = log.network.witnesses.iter().map(|witness| witness.pid());
    let pids: Vec<u32> = pids.chain([running.daemon.pid()]).collect();
    let cpu = || pids.iter().map(|pid| cpu_time(*pid)).sum::<Result<Duration, _>>();
    let before = cpu()?;
    let mut singles = Latencies::default();
    for number in 0..settings.repeats {
        let name = format!("file-{number}");
        singles.add(submit(
            sandbox,
            SUBMITTER,
            CLIENT_POLICY,
            &[file(sandbox, name, &mut random)?],
        )?);
    }
    let singles = singles.summary();
    let each = (cpu()? - before) / u32::try_from(settings.repeats).unwrap_or(1);
    println!("\nsubmit\none file: {singles}; log and witnesses: {} of processor each", time(each));
    let mut batches = |policy| -> Result<Summary, Failure> {
        let mut batches = Latencies::default();
        for batch in 0..BATCHES {
            let name = |number| format!("{policy}-{batch}-{number}");
            let files = (0..settings.batch).map(|number| file(sandbox, name(number), &mut random));
            batches.add(submit(
                sandbox,
                SUBMITTER,
                policy,
                &files.collect::<Result<Vec<_>, _>>()?,
            )?);
        }
        let batches = batches.summary();
        println!("{} files: {batches}", settings.batch);
        Ok(batches)
    };
    let near = batches(CLIENT_POLICY)?;
    let link = SlowLink::new(running.address, ROUND_TRIP)?;
    log.network.write_policy(FAR_POLICY, link.address())?;
    println!("to a log with a round trip of {}:", time(ROUND_TRIP));
    let far = batches(FAR_POLICY)?;
    let mut far_singles = Latencies::default();
    for number in 0..BATCHES {
        let name = format!("far-file-{number}");
        far_singles.add(submit(
            sandbox,
            SUBMITTER,
            FAR_POLICY,
            &[file(sandbox, name, &mut random)?],
        )?);
    }
    let far_singles = far_singles.summary();
    println!("one file: {far_singles}");
    drop(link);
    running.daemon.stop()?;
    let mut rows = rows(singles, near, settings.batch);
    rows.push(batch_row("a log far away", far_singles, far, settings.batch));
    Ok(rows)
}

fn rows(singles: Summary, batches: Summary, files: usize) -> Vec<Row> {
    let what = "submit -> proof, 3 local witnesses, idle log, whole process";
    let found = format!("median {}, p99 {}", time(singles.p50), time(singles.p99));
    let goal = Goal::time(singles.p50, 500.0, 100.0);
    let single = Row::new(what, found, ("median < 500 ms", "< 100 ms"), &[goal]);
    vec![single, batch_row("a log on this machine", singles, batches, files)]
}

fn batch_row(log: &str, singles: Summary, batches: Summary, files: usize) -> Row {
    let ratio = batches.p50.as_secs_f64() / singles.p50.as_secs_f64().max(1e-9);
    let found = format!("{ratio:.2} times one file ({})", time(batches.p50));
    let goal = Goal::AtMost { measured: ratio, bar: 2.0, aim: 2.0 };
    Row::new(format!("submit of {files} files to {log}"), found, ("< 2 times", ""), &[goal])
}

/// Makes a file that nobody has submitted. Its name is new too: ext4 takes its time over a directory
/// in which hundreds of files were removed within the last seconds.
pub(super) fn file(
    sandbox: &Sandbox,
    name: String,
    random: &mut Random,
) -> Result<String, Failure> {
    // Not durable: it is input, and the time that counts has not begun.
    let path = sandbox.path(&name);
    let mut file = std::fs::File::create(&path).map_err(Failure::file("make", &path))?;
    let content: [u8; 64] = random.bytes();
    std::io::Write::write_all(&mut file, &content).map_err(Failure::file("write", &path))?;
    Ok(name)
}

/// Runs `sigsum submit`, and looks whether every proof is there.
pub(super) fn submit(
    sandbox: &Sandbox,
    key: &str,
    policy: &str,
    files: &[String],
) -> Result<Duration, Failure> {
    let mut arguments = vec!["submit", "-k", key, "-p", policy];
    arguments.extend(["--diagnostics", "error"]);
    arguments.extend(files.iter().map(String::as_str));
    let begin = Instant::now();
    sandbox.run(&arguments)?;
    let took = begin.elapsed();
    for file in files {
        let proof = sandbox.path(&format!("{file}.proof"));
        proof.metadata().map_err(Failure::file("find", &proof))?;
    }
    Ok(took)
}
