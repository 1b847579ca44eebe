//! A log on three machines, two of which follow the one that is the primary, and its witnesses on a
//! fourth.

use super::sites::{Site, Sites};
use crate::daemon::{Daemon, run};
use crate::failure::Failure;
use crate::network::Sandbox;
use sigsum_core::PublicKey;
use sigsum_core::policy::Policy;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Port of the public endpoint.
const EXTERNAL_PORT: u16 = 6965;
/// Port of the internal endpoint.
const INTERNAL_PORT: u16 = 6967;
/// Of the first witness.
const WITNESS_PORT: u16 = 7400;
/// Witnesses, and how many of them must cosign.
const WITNESSES: (u16, usize) = (3, 2);
/// A primary that is not refused by then goes on.
const REFUSAL_LIMIT: Duration = Duration::from_secs(30);
/// Pause between two looks whether it has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Machines that can run the log.
const NODES: usize = 3;

/// A machine that can run the log: as the primary, as a follower, or not at present.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) site: Site,
    /// Data directory, in the sandbox.
    pub(crate) directory: String,
    /// Its own key, as a follower.
    key: String,
    pub(crate) daemon: Option<Daemon>,
}

/// Everything that runs.
#[derive(Debug)]
pub(crate) struct Cluster {
    // Daemons end before their machines go away.
    pub(crate) nodes: Vec<Node>,
    _witnesses: Vec<Daemon>,
    pub(crate) sites: Sites,
    pub(crate) sandbox: Sandbox,
    pub(crate) log_key: PublicKey,
    policy: String,
}

impl Cluster {
    /// Node 0 is the primary and has the log's address; the others follow it, and one of them must
    /// hold what is answered 200.
    pub(crate) fn start(program: &Path, data: &Path) -> Result<Self, Failure> {
        let sandbox = Sandbox::new(data, program)?;
        let mut sites = Sites::new()?;
        let log_key = sandbox.key("log-key")?.public_key();
        let (witnesses, policy) = start_witnesses(&sandbox, &sites.add(20)?, &log_key)?;
        sandbox.write("log-policy", &policy)?;
        let mut nodes = Vec::new();
        for last in 10..10 + u8::try_from(NODES).unwrap_or(u8::MAX) {
            let (key, directory) = (format!("n{last}-key"), format!("n{last}"));
            sandbox.key(&key)?;
            nodes.push(Node { site: sites.add(last)?, directory, key, daemon: None });
        }
        let mut cluster = Self { nodes, _witnesses: witnesses, sites, sandbox, log_key, policy };
        let service = cluster.sites.service();
        let first = cluster.node(0)?;
        first.site.take(service)?;
        let directory = first.directory.clone();
        cluster.sandbox.run(&["log", "init", "--data-dir", &directory, "--key-file", "log-key"])?;
        cluster.start_primary(0)?;
        for node in 1..NODES {
            cluster.start_follower(node, 0)?;
        }
        Ok(cluster)
    }

    /// The policy by which heads are judged.
    pub(crate) fn policy(&self) -> Result<Policy, Failure> {
        Policy::parse_sigsum(self.policy.as_bytes()).map_err(Failure::preparing("the policy"))
    }

    /// Where clients find the log, wherever it is.
    pub(crate) fn service(&self) -> SocketAddr {
        (self.sites.service(), EXTERNAL_PORT).into()
    }

    pub(crate) fn node(&self, node: usize) -> Result<&Node, Failure> {
        self.nodes.get(node).ok_or_else(|| Failure::server("the drill", "there is no such node"))
    }

    /// `--follower` of a node.
    pub(crate) fn follower(&self, node: usize) -> Result<String, Failure> {
        let Node { site, key, .. } = self.node(node)?;
        Ok(format!("http://{},{key}.pub", site.at(INTERNAL_PORT)))
    }

    /// Internal endpoint of a node.
    pub(crate) fn internal(&self, node: usize) -> Result<String, Failure> {
        Ok(format!("http://{}", self.node(node)?.site.at(INTERNAL_PORT)))
    }

    /// How a node runs the log, with the other nodes as its followers.
    pub(crate) fn primary_command(&self, node: usize) -> Result<Command, Failure> {
        let Node { site, directory, .. } = self.node(node)?;
        let (external, internal) = (format!(":{EXTERNAL_PORT}"), site.at(INTERNAL_PORT));
        let mut command = self.sandbox.command(&["log", "primary", "--data-dir", directory]);
        command.args(["--key-file", "log-key", "--policy-file", "log-policy", "--required", "1"]);
        command.args(["--external-endpoint", &external, "--internal-endpoint", &internal]);
        for other in (0..NODES).filter(|other| *other != node) {
            command.args(["--follower", &self.follower(other)?]);
        }
        Ok(site.runs(&command))
    }

    /// Starts the log on a node.
    pub(crate) fn start_primary(&mut self, node: usize) -> Result<(), Failure> {
        let (daemon, _) = Daemon::start(self.primary_command(node)?)?;
        self.runs(node, daemon);
        Ok(())
    }

    /// Starts a node that follows another.
    pub(crate) fn start_follower(&mut self, node: usize, primary: usize) -> Result<(), Failure> {
        let Node { site, directory, key, .. } = self.node(node)?;
        let (external, internal) = (site.at(EXTERNAL_PORT), site.at(INTERNAL_PORT));
        let mut command = self.sandbox.command(&["log", "secondary", "--data-dir", directory]);
        command.args(["--key-file", key, "--log-key-file", "log-key.pub"]);
        command.args(["--primary-url", &self.internal(primary)?]);
        command.args(["--external-endpoint", &external, "--internal-endpoint", &internal]);
        let (daemon, _) = Daemon::start(site.runs(&command))?;
        self.runs(node, daemon);
        Ok(())
    }

    fn runs(&mut self, node: usize, daemon: Daemon) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.daemon = Some(daemon);
        }
    }

    /// What runs on a node.
    pub(crate) fn take_daemon(&mut self, node: usize) -> Result<Daemon, Failure> {
        let daemon = self.nodes.get_mut(node).and_then(|node| node.daemon.take());
        daemon.ok_or_else(|| Failure::server("the drill", "nothing runs there"))
    }

    /// Runs a command to its end on a node.
    pub(crate) fn run_on(&self, node: usize, arguments: &[&str]) -> Result<String, Failure> {
        run(self.node(node)?.site.runs(&self.sandbox.command(arguments)))
    }

    /// Moves the log's address.
    pub(crate) fn move_service(&self, from: usize, to: usize) -> Result<(), Failure> {
        let service = self.sites.service();
        self.node(from)?.site.leave(service)?;
        self.node(to)?.site.take(service)?;
        self.sites.moved(service)
    }

    /// The old primary comes up again, as it was. What it said when it ended, which it must.
    pub(crate) fn refused(&self, node: usize) -> Result<String, Failure> {
        let mut daemon = Daemon::spawn(self.primary_command(node)?)?;
        let until = Instant::now() + REFUSAL_LIMIT;
        while !daemon.has_ended() && Instant::now() < until {
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(daemon.kill()?.join("\n"))
    }
}

fn start_witnesses(
    sandbox: &Sandbox,
    site: &Site,
    log: &PublicKey,
) -> Result<(Vec<Daemon>, String), Failure> {
    let (count, quorum) = WITNESSES;
    let (mut daemons, mut policy, mut names) = (Vec::new(), format!("log {log}\n"), String::new());
    for number in 0..count {
        let (name, key_file) = (format!("w{number}"), format!("w{number}-key"));
        let key = sandbox.key(&key_file)?.public_key();
        sandbox.run(&["witness", "init", "--data-dir", &name, "-k", &key_file])?;
        let add = ["witness", "add-log", "--data-dir", &name, "--sigsum-key", "log-key.pub"];
        sandbox.run(&add)?;
        let address = site.at(WITNESS_PORT + number);
        let start = ["witness", "run", "--data-dir", &name, "-k", &key_file, "--listen", &address];
        daemons.push(Daemon::start(site.runs(&sandbox.command(&start)))?.0);
        policy += &format!("witness {name} {key} http://{address}\n");
        names += &format!(" {name}");
    }
    policy += &format!("group g {quorum}{names}\nquorum g\n");
    Ok((daemons, policy))
}
