//! A witness under load that is killed at random moments, with a data directory for many logs and
//! with the state file of `sigsum-witness`. The logs send two branches at once, and go on with the
//! one that wins.

use super::assault::{Assault, Tally};
use super::rival_heads::{Counts, RivalLog};
use super::{Setting, Violations};
use crate::failure::Failure;
use crate::network::{Sandbox, witness_command};
use crate::random::Random;
use sigsum_keys::Ed25519Signer;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

/// Logs of the witness with a data directory.
const LOGS: usize = 16;
/// Time in which the logs find out how their last requests ended, once the witness is up for good.
const SETTLING: Duration = Duration::from_millis(500);

/// Runs the soak for both kinds of state, half of the kills each, and prints its counts.
pub(crate) async fn run(setting: &Setting<'_>) -> Result<Violations, Failure> {
    let kills = setting.kills.div_ceil(2);
    let all = Violations::default();
    for (number, (name, logs)) in [("data directory", LOGS), ("state file", 1)].iter().enumerate() {
        println!("\nkill-witness, {name}, {logs} logs");
        let sandbox = Sandbox::new(setting.data, setting.program)?;
        let key = sandbox.key("witness-key")?.public_key();
        let signers = make_logs(&sandbox, *logs)?;
        let counts = Arc::new(Counts::new(key));
        let random = |stream| Random::stream(setting.seed, 1000 * (1 + number as u64) + stream);
        let assault = Assault::new(|| command(&sandbox, *logs), random(0));
        let players = signers
            .into_iter()
            .zip(1..)
            .map(|(signer, stream)| RivalLog::new(signer, random(stream), Arc::clone(&counts)));
        let tally = attack(assault, players.collect(), kills).await?;
        print_counts(&counts, &tally);
        for violation in counts.violations.take() {
            all.add(format!("{name}: {violation}"));
        }
    }
    Ok(all)
}

async fn attack(
    mut assault: Assault<'_>,
    players: Vec<RivalLog>,
    kills: u32,
) -> Result<Tally, Failure> {
    let mut clients = JoinSet::new();
    for player in players {
        clients.spawn(player.play(assault.target()));
    }
    assault.run(kills).await?;
    // Up once more, so that everybody learns how the last round ended.
    let daemon = assault.start()?;
    tokio::time::sleep(SETTLING).await;
    assault.end_load();
    while let Some(ended) = clients.join_next().await {
        ended.map_err(|e| Failure::server("a log of the soak", e))??;
    }
    assault.stop(daemon)
}

fn make_logs(sandbox: &Sandbox, logs: usize) -> Result<Vec<Ed25519Signer>, Failure> {
    if logs > 1 {
        sandbox.run(&["witness", "init", "--data-dir", "witness", "-k", "witness-key"])?;
    }
    let mut signers = Vec::new();
    for number in 0..logs {
        let name = format!("log-{number}");
        signers.push(sandbox.key(&name)?);
        if logs > 1 {
            let public = format!("{name}.pub");
            let log = ["--data-dir", "witness", "--sigsum-key", &public];
            sandbox.run(&[["witness", "add-log"].as_slice(), &log].concat())?;
        }
    }
    Ok(signers)
}

fn command(sandbox: &Sandbox, logs: usize) -> Command {
    if logs > 1 {
        return witness_command(sandbox, "witness", "witness-key");
    }
    let start = ["witness", "single", "-k", "witness-key", "--log-key", "log-0.pub"];
    let mut command = sandbox.command(&start);
    command.args(["--state-file", "state", "127.0.0.1:0"]);
    command
}

fn print_counts(counts: &Counts, tally: &Tally) {
    let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
    println!("{tally} (the logs give it reason)");
    println!("  cosignatures checked: {}", count(&counts.cosignatures));
    println!("  rounds with two branches at once: {}", count(&counts.duels));
    println!("  attacks repelled or cut off: {}", count(&counts.attacks));
    println!("  heads found stored after a kill: {}", count(&counts.found_stored));
}
