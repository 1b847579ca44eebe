//! The parts of one log, each of which may be up or not.

use crate::daemon::{Daemon, run as run_command};
use crate::failure::Failure;
use crate::http::address_of;
use crate::network::Sandbox;
use crate::random::Random;
use sigsum_core::PublicKey;
use sigsum_core::policy::Policy;
use sigsum_core::token::{SubmitToken, TOKEN_DNS_LABEL, token_signing_bytes};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Witnesses, and how many of them must cosign.
const WITNESSES: (usize, usize) = (3, 2);
/// Followers, and how many of them must hold a leaf.
const FOLLOWERS: (usize, usize) = (2, 1);
/// An agent that does not listen by then will not.
const AGENT_LIMIT: Duration = Duration::from_secs(60);
/// Parts come up within so many milliseconds, and may be gone for as long afterwards.
const SPREAD_MS: u64 = 1_000;
/// One absence in so many is [`LONG_MS`] longer, by when pauses between attempts have grown.
const LONG: u64 = 12;
/// See [`LONG`].
const LONG_MS: u64 = 8_000;
/// Lines of each server that are shown when something went wrong.
const SHOWN_LINES: usize = 15;
/// The submitters' domain.
const DOMAIN: &str = "example.test";
/// Programs of others that are parts.
const PROGRAMS: [&str; 3] = ["ssh-agent", "ssh-add", "dnsmasq"];

/// What may be up or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The ssh-agent with the keys of the log, the first witness and the first follower.
    Agent,
    /// The DNS server with the key for submit tokens.
    Dns,
    /// A witness.
    Witness(usize),
    /// A node with a copy.
    Follower(usize),
    /// The policy file.
    Policy,
    /// The log itself, which a supervisor starts again whenever it ends.
    Log,
}

pub(super) const PARTS: [Part; 9] = [
    Part::Agent,
    Part::Dns,
    Part::Witness(0),
    Part::Witness(1),
    Part::Witness(2),
    Part::Follower(0),
    Part::Follower(1),
    Part::Policy,
    Part::Log,
];

/// When which part comes up or goes away; in the end all are up.
pub(super) fn script(random: &mut Random) -> Vec<(Duration, Part, bool)> {
    let mut out = Vec::new();
    for part in PARTS {
        let mut at_ms = random.below(SPREAD_MS);
        out.push((Duration::from_millis(at_ms), part, true));
        while random.once_in(3) {
            at_ms += 1 + random.below(SPREAD_MS);
            out.push((Duration::from_millis(at_ms), part, false));
            at_ms += 1 + random.below(SPREAD_MS);
            at_ms += if random.once_in(LONG) { LONG_MS } else { 0 };
            out.push((Duration::from_millis(at_ms), part, true));
        }
    }
    out.sort_by_key(|(at, _, _)| *at);
    out
}

/// The programs of others that are not installed.
pub(in crate::soak) fn missing_programs() -> Vec<&'static str> {
    PROGRAMS.into_iter().filter(|program| find(program).is_none()).collect()
}

/// Debian has daemons where not every user looks.
fn find(program: &str) -> Option<std::path::PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&paths).chain(["/usr/sbin".into()]);
    directories.map(|directory| directory.join(program)).find(|path| path.is_file())
}

/// What runs, and where.
#[derive(Debug)]
pub(super) struct Parts {
    sandbox: Sandbox,
    /// The log's key.
    pub(super) log_key: PublicKey,
    /// By which heads are judged.
    pub(super) policy: Policy,
    /// `Sigsum-Token`, without which no leaf is taken.
    pub(super) token: SubmitToken,
    token_key: PublicKey,
    dns_address: SocketAddr,
    log_address: SocketAddr,
    witness_addresses: Vec<SocketAddr>,
    follower_addresses: Vec<SocketAddr>,
    agent: Option<Daemon>,
    dns: Option<Daemon>,
    witnesses: Vec<Option<Daemon>>,
    followers: Vec<Option<Daemon>>,
    log: Option<Daemon>,
    wants_log: bool,
    /// What the last log that ended by itself had said.
    log_ended: Vec<String>,
}

impl Parts {
    /// Makes keys, directories and configuration, and starts nothing.
    pub(super) fn new(sandbox: Sandbox, number: u32) -> Result<Self, Failure> {
        let log_key = sandbox.key("log-key")?.public_key();
        sandbox.run(&["log", "init", "--data-dir", "log", "--key-file", "log-key.pub"])?;
        const COUNT: usize = 2 + WITNESSES.0 + FOLLOWERS.0;
        let [log_address, dns_address, others @ ..] = free_addresses::<COUNT>(number)?;
        let (witness_addresses, follower_addresses) = others.split_at(WITNESSES.0);
        let (witness_addresses, follower_addresses) =
            (witness_addresses.to_vec(), follower_addresses.to_vec());
        let policy = witnesses(&sandbox, &log_key, &witness_addresses)?;
        sandbox.write("policy.away", &policy)?;
        let policy =
            Policy::parse_sigsum(policy.as_bytes()).map_err(Failure::preparing("a policy"))?;
        let config = followers(&sandbox, &follower_addresses)?;
        let admission = format!("rate-limit-file = \"limits\"\ndns-resolver = \"{dns_address}\"\n");
        sandbox.write("log.toml", format!("[primary]\n{admission}{config}"))?;
        sandbox.write("limits", format!("domain {DOMAIN} 1000000\n"))?;
        let signer = sandbox.key("token-key")?;
        let signature = signer.sign_now(&token_signing_bytes(&log_key));
        Ok(Self {
            sandbox,
            log_key,
            policy,
            token: SubmitToken { domain: DOMAIN.to_owned(), signature },
            token_key: signer.public_key(),
            dns_address,
            log_address,
            witnesses: witness_addresses.iter().map(|_| None).collect(),
            followers: follower_addresses.iter().map(|_| None).collect(),
            witness_addresses,
            follower_addresses,
            agent: None,
            dns: None,
            log: None,
            wants_log: false,
            log_ended: Vec::new(),
        })
    }

    /// A part comes up.
    pub(super) fn raise(&mut self, part: Part) -> Result<(), Failure> {
        match part {
            Part::Agent => self.agent = Some(self.start_agent()?),
            Part::Dns => self.dns = Some(Daemon::spawn(self.dns_command())?),
            Part::Witness(number) => {
                let command = self.witness_command(number);
                if let Some(witness) = self.witnesses.get_mut(number) {
                    *witness = Some(Daemon::spawn(command)?);
                }
            }
            Part::Follower(number) => {
                let command = self.follower_command(number);
                if let Some(follower) = self.followers.get_mut(number) {
                    *follower = Some(Daemon::spawn(command)?);
                }
            }
            Part::Policy => self.rename("policy.away", "log-policy")?,
            Part::Log => self.wants_log = true,
        }
        Ok(())
    }

    /// A part goes away, as if its machine had lost power.
    pub(super) fn fell(&mut self, part: Part) -> Result<(), Failure> {
        match part {
            Part::Agent => drop(self.agent.take()),
            Part::Dns => drop(self.dns.take()),
            Part::Witness(number) => {
                drop(self.witnesses.get_mut(number).and_then(Option::take));
            }
            Part::Follower(number) => {
                drop(self.followers.get_mut(number).and_then(Option::take));
            }
            Part::Policy => self.rename("log-policy", "policy.away")?,
            Part::Log => {
                self.wants_log = false;
                drop(self.log.take());
            }
        }
        Ok(())
    }

    /// Starts the log where it is wanted and does not run.
    pub(super) fn supervise(&mut self) -> Result<(), Failure> {
        if self.log.as_mut().is_some_and(Daemon::has_ended)
            && let Some(log) = self.log.take()
        {
            self.log_ended = log.kill()?;
        }
        if self.wants_log && self.log.is_none() {
            let address = self.log_address.to_string();
            let mut command = self.sandbox.command(&["log", "primary", "--config", "log.toml"]);
            command.args(["--data-dir", "log", "--key-file", "log-key.pub"]);
            command.args(["--policy-file", "log-policy", "--external-endpoint", "127.0.0.1:0"]);
            command.args(["--internal-endpoint", &address]);
            self.log = Some(self.spawn_with_agent(command)?);
        }
        Ok(())
    }

    /// Where the log takes leaves, once every part has come up.
    pub(super) fn all_up(&mut self) -> Option<SocketAddr> {
        let mut servers = self.witnesses.iter_mut().chain(&mut self.followers).flatten();
        servers.all(|server| listening(server).is_some()).then_some(())?;
        self.log.as_mut().and_then(listening)
    }

    /// The last lines of all that runs, and of the last log that ended.
    pub(super) fn said(&mut self) -> String {
        let name = |kind: &'static str| move |(at, it)| (format!("{kind} {at}"), it);
        let servers = self.witnesses.iter_mut().enumerate().map(name("witness"));
        let servers = servers.chain(self.followers.iter_mut().enumerate().map(name("follower")));
        let others = [("agent", &mut self.agent), ("dns", &mut self.dns), ("log", &mut self.log)];
        let others = others.into_iter().map(|(name, it)| (name.to_owned(), it));
        let mut out = last_lines("log that ended", &self.log_ended);
        for (name, daemon) in servers.chain(others) {
            match daemon {
                Some(daemon) => {
                    let ended = if daemon.has_ended() { ", which has ended" } else { "" };
                    out += &last_lines(&format!("{name}{ended}"), daemon.said());
                }
                None => out += &format!("{name} does not run\n"),
            }
        }
        out
    }

    fn start_agent(&self) -> Result<Daemon, Failure> {
        let socket = self.sandbox.path("agent");
        let _ = std::fs::remove_file(&socket); // one that was killed leaves it behind
        let mut command = Command::new("ssh-agent");
        command.args(["-D", "-a"]).arg(&socket);
        let agent = Daemon::spawn(command)?;
        let appears = Instant::now();
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            if appears.elapsed() > AGENT_LIMIT {
                return Err(Failure::server("ssh-agent", "does not listen"));
            }
            std::thread::yield_now();
        }
        let mut add = Command::new("ssh-add");
        add.arg("-q").args(["log-key", "w0-key", "f0-key"].map(|name| self.sandbox.path(name)));
        add.env("SSH_AUTH_SOCK", &socket);
        run_command(add)?;
        Ok(agent)
    }

    fn dns_command(&self) -> Command {
        let mut command = Command::new(find("dnsmasq").unwrap_or_else(|| "dnsmasq".into()));
        let record = format!("{TOKEN_DNS_LABEL}.{DOMAIN},{}", self.token_key.to_hex());
        command
            .args(["--keep-in-foreground", "--log-facility=-", "--no-resolv", "--no-hosts"])
            .args(["--conf-file=/dev/null", "--pid-file=", "--bind-interfaces", "--user="])
            .arg(format!("--listen-address={}", self.dns_address.ip()))
            .arg(format!("--port={}", self.dns_address.port()))
            .arg(format!("--txt-record={record}"));
        command
    }

    fn witness_command(&self, number: usize) -> Command {
        let (key, address) = (own_key("w", number), text(self.witness_addresses.get(number)));
        let mut command =
            self.sandbox.command(&["witness", "run", "--data-dir", &format!("w{number}")]);
        command.args(["-k", &key, "--listen", &address]);
        self.with_agent(command)
    }

    fn follower_command(&self, number: usize) -> Command {
        let (key, address) = (own_key("f", number), text(self.follower_addresses.get(number)));
        let mut command =
            self.sandbox.command(&["log", "secondary", "--data-dir", &format!("f{number}")]);
        command.args(["--key-file", &key, "--log-key-file", "log-key.pub"]);
        command.args(["--primary-url", &format!("http://{}", self.log_address)]);
        command.args(["--external-endpoint", "127.0.0.1:0", "--internal-endpoint", &address]);
        self.with_agent(command)
    }

    fn with_agent(&self, mut command: Command) -> Command {
        command.env("SSH_AUTH_SOCK", self.sandbox.path("agent"));
        command
    }

    fn spawn_with_agent(&self, command: Command) -> Result<Daemon, Failure> {
        Daemon::spawn(self.with_agent(command))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Failure> {
        let from = self.sandbox.path(from);
        std::fs::rename(&from, self.sandbox.path(to)).map_err(Failure::file("rename", from))
    }
}

/// Makes the witnesses' keys and directories. The log's policy.
fn witnesses(
    sandbox: &Sandbox,
    log_key: &PublicKey,
    addresses: &[SocketAddr],
) -> Result<String, Failure> {
    let (mut policy, mut names) = (format!("log {log_key}\n"), String::new());
    for (number, address) in addresses.iter().enumerate() {
        let (name, key_file) = (format!("w{number}"), format!("w{number}-key"));
        let key = sandbox.key(&key_file)?.public_key();
        sandbox.run(&["witness", "init", "--data-dir", &name, "-k", &key_file])?;
        let add = ["witness", "add-log", "--data-dir", &name, "--sigsum-key", "log-key.pub"];
        sandbox.run(&add)?;
        policy += &format!("witness {name} {key} http://{address}\n");
        names += &format!(" {name}");
    }
    policy += &format!("group g {}{names}\nquorum g\n", WITNESSES.1);
    Ok(policy)
}

/// Makes the followers' keys and directories. The log's configuration of them.
fn followers(sandbox: &Sandbox, addresses: &[SocketAddr]) -> Result<String, Failure> {
    let mut config = format!("required = {}\n", FOLLOWERS.1);
    for (number, address) in addresses.iter().enumerate() {
        let (name, key_file) = (format!("f{number}"), format!("f{number}-key"));
        let key = sandbox.key(&key_file)?.public_key();
        let init = ["log", "init", "--follower", "--data-dir", &name, "--key-file", "log-key.pub"];
        sandbox.run(&init)?;
        config += &format!("[[primary.followers]]\nurl = \"http://{address}\"\nkey = \"{key}\"\n");
    }
    Ok(config)
}

/// The first of each kind has its key in the agent.
fn own_key(kind: &str, number: usize) -> String {
    format!("{kind}{number}-key{}", if number == 0 { ".pub" } else { "" })
}

fn last_lines(name: &str, said: &[String]) -> String {
    let last = said.get(said.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default();
    format!("{name}:\n{}", last.iter().map(|line| format!("    {line}\n")).collect::<String>())
}

fn text(address: Option<&SocketAddr>) -> String {
    address.map(SocketAddr::to_string).unwrap_or_default()
}

/// Where a server listens, once it has said so.
fn listening(daemon: &mut Daemon) -> Option<SocketAddr> {
    let url = daemon.said().iter().find_map(|line| line.strip_prefix("listening on "))?;
    address_of(url).ok()
}

/// Addresses of the loopback network, different ones, that nobody else takes meanwhile: every run,
/// and every network of it, has a host of its own. Each is held until all are found, as else one
/// could be given twice.
fn free_addresses<const COUNT: usize>(number: u32) -> Result<[SocketAddr; COUNT], Failure> {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let host = [127, 10 + u8::try_from(number).unwrap_or_default(), high, low.clamp(1, 254)];
    let unspecified = SocketAddr::from((host, 0));
    let (mut out, mut held) = ([unspecified; COUNT], Vec::new());
    for address in &mut out {
        let bound = TcpListener::bind(unspecified).and_then(|listener| {
            *address = listener.local_addr()?;
            Ok(listener)
        });
        held.push(bound.map_err(Failure::file("bind", Path::new("127/8")))?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of so many draws from the system's 28 000 ports some would be equal, were they not held.
    #[test]
    fn no_address_is_given_twice() {
        let addresses = free_addresses::<500>(200).unwrap();
        let different: std::collections::HashSet<_> = addresses.iter().collect();
        assert_eq!(different.len(), addresses.len());
    }
}
