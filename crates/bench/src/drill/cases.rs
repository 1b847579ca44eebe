//! What is lost, and what the operator does then.

use super::clients::Clients;
use super::nodes::Cluster;
use crate::failure::Failure;
use crate::soak::Violations;
use std::path::Path;
use std::time::{Duration, Instant};

/// What the guard says to a primary that was replaced.
const REFUSAL: &str = "would fork the log, so nothing was signed";

/// The primary's machine is lost. The follower that holds most is promoted, the other one follows it,
/// and the log's address moves. Later the old machine comes back.
pub(crate) async fn machine(program: &Path, data: &Path) -> Result<Violations, Failure> {
    println!("\nmachine: the primary is lost, a follower takes over");
    let mut cluster = Cluster::start(program, data)?;
    let clients = Clients::start(&cluster)?;
    clients.go_on().await?;
    clients.stop_provers();

    let lost = Instant::now();
    cluster.take_daemon(0)?.kill()?;
    cluster.node(0)?.site.plug(false)?;
    let (next, told) = promote(&mut cluster)?;
    let promoted = lost.elapsed();
    let other = 3 - next;
    cluster.start_follower(other, next)?;
    cluster.move_service(0, next)?;
    cluster.start_primary(next)?;
    print_recovery(&clients, lost, "promoted", promoted).await?;
    println!("  {}", told.lines().find(|line| line.contains("is the primary's now")).unwrap_or(""));
    clients.go_on().await?;

    cluster.node(0)?.site.plug(true)?;
    refuse(&cluster, 0, &clients)?;
    clients.go_on().await?;
    clients.judge().await
}

/// Stops the followers and promotes the one that holds most: the other one says whether it does.
fn promote(cluster: &mut Cluster) -> Result<(usize, String), Failure> {
    let mut refused = None;
    for (next, other) in [(1, 2), (2, 1)] {
        let daemon = cluster.take_daemon(next)?;
        daemon.stop()?;
        let directory = cluster.node(next)?.directory.clone();
        let other = cluster.follower(other)?;
        let words = ["log", "promote", "--data-dir", &directory, "--policy-file", "log-policy"];
        match cluster.run_on(next, &[&words[..], &["--follower", &other]].concat()) {
            Ok(told) => {
                cluster.take_daemon(3 - next)?.stop()?;
                return Ok((next, told));
            }
            Err(Failure::Program { said, .. }) if said.contains("would fork the log") => {
                println!("  node {next} holds less than the other, which is promoted");
                refused = Some(said);
                cluster.start_follower(next, 0)?;
            }
            Err(error) => return Err(error),
        }
    }
    Err(Failure::server("both followers", refused.unwrap_or_default()))
}

/// The primary's disk is lost; its machine and its key are there. The log is restored from a
/// follower, and goes on with both.
pub(crate) async fn disk(program: &Path, data: &Path) -> Result<Violations, Failure> {
    println!("\ndisk: the primary's disk is lost, the log is restored from a follower");
    let mut cluster = Cluster::start(program, data)?;
    let clients = Clients::start(&cluster)?;
    clients.go_on().await?;
    clients.stop_provers();

    let lost = Instant::now();
    cluster.take_daemon(0)?.kill()?;
    let directory = cluster.node(0)?.directory.clone();
    let old = cluster.sandbox.path("old");
    // Kept aside, to be put back later by somebody who does not know better.
    std::fs::rename(cluster.sandbox.path(&directory), &old).map_err(Failure::file("move", &old))?;
    restore(&cluster, &directory)?;
    let restored = lost.elapsed();
    cluster.start_primary(0)?;
    print_recovery(&clients, lost, "restored", restored).await?;
    clients.go_on().await?;

    cluster.take_daemon(0)?.kill()?;
    let new = cluster.sandbox.path("new");
    let place = cluster.sandbox.path(&directory);
    std::fs::rename(&place, &new).map_err(Failure::file("move", &place))?;
    std::fs::rename(&old, &place).map_err(Failure::file("move", &old))?;
    refuse(&cluster, 0, &clients)?;
    std::fs::remove_dir_all(&place).map_err(Failure::file("remove", &place))?;
    std::fs::rename(&new, &place).map_err(Failure::file("move", &new))?;
    cluster.start_primary(0)?;
    clients.go_on().await?;
    clients.judge().await
}

/// Restores from the follower that holds most: the other one says whether it does.
fn restore(cluster: &Cluster, directory: &str) -> Result<(), Failure> {
    let key = ["--key-file", "log-key.pub", "--policy-file", "log-policy"];
    let mut refused = None;
    for (from, other) in [(1, 2), (2, 1)] {
        let (from, other) = (cluster.internal(from)?, cluster.follower(other)?);
        let words = ["log", "restore", "--from", &from, "--data-dir", directory];
        match cluster.run_on(0, &[&words[..], &key, &["--follower", &other]].concat()) {
            Ok(_) => return Ok(()),
            Err(Failure::Program { said, .. }) if said.contains("would fork the log") => {
                println!("  {from} holds less than the other, from which the rest is taken");
                refused = Some(said);
            }
            Err(error) => return Err(error),
        }
    }
    Err(Failure::server("both followers", refused.unwrap_or_default()))
}

/// The directory that was replaced must not be able to go on.
fn refuse(cluster: &Cluster, node: usize, clients: &Clients) -> Result<(), Failure> {
    let said = cluster.refused(node)?;
    let line = said.lines().find(|line| line.contains(REFUSAL));
    match line {
        Some(line) => println!("  the old primary: {line}"),
        None => clients.seen.violations.add(format!("the old primary is not refused: {said}")),
    }
    Ok(())
}

async fn print_recovery(
    clients: &Clients,
    lost: Instant,
    what: &str,
    after: Duration,
) -> Result<(), Failure> {
    let (accepted, published) = clients.recovered(lost).await?;
    println!(
        "  time to recover: {what} after {:.2} s, leaves accepted after {:.2} s, published after {:.2} s",
        after.as_secs_f64(),
        accepted.as_secs_f64(),
        published.as_secs_f64()
    );
    Ok(())
}
