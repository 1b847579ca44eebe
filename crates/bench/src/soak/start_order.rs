//! A log whose parts come up in random order, vanish and come back: the ssh-agent with its key,
//! the witnesses (one with its key in the agent too), the policy file, and the log itself, which is
//! started again whenever it ends, as a supervisor does. However it went, once all are up a leaf must
//! be in a published head within ten seconds.

use super::{Setting, Violations};
use crate::daemon::{Daemon, run as run_command};
use crate::failure::Failure;
use crate::http::{address_of, get, once, post};
use crate::network::Sandbox;
use crate::random::Random;
use sigsum_core::leaf::leaf_signing_bytes;
use sigsum_core::policy::Policy;
use sigsum_core::tree_head::sigsum_origin;
use sigsum_core::wire::log::{AddLeafRequest, endpoint, parse_tree_head};
use sigsum_core::{CosignedTreeHead, Message, PublicKey};
use sigsum_keys::Ed25519Signer;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Witnesses, and how many of them must cosign.
const WITNESSES: (usize, usize) = (3, 2);
/// Networks at once.
const AT_ONCE: u32 = 8;
/// What operators are promised.
const PROMISE: Duration = Duration::from_secs(10);
/// A log that has not signed by then is given up.
const LIMIT: Duration = Duration::from_secs(60);
/// Parts come up within so many milliseconds, and may be gone for as long afterwards.
const SPREAD_MS: u64 = 1_000;
/// One absence in so many is [`LONG_MS`] longer, by when pauses between attempts have grown.
const LONG: u64 = 12;
/// See [`LONG`].
const LONG_MS: u64 = 8_000;
/// Pause of the supervisor, and between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// What may be up or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Agent,
    Witness(usize),
    Policy,
    Log,
}

const PARTS: [Part; 6] =
    [Part::Agent, Part::Witness(0), Part::Witness(1), Part::Witness(2), Part::Policy, Part::Log];

/// Runs the soak and prints its counts.
pub(crate) async fn run(setting: &Setting<'_>, rounds: u32) -> Result<Violations, Failure> {
    println!("\nstart-order, {AT_ONCE} networks at once");
    let began = Instant::now();
    let mut networks = JoinSet::new();
    for number in 0..AT_ONCE {
        let sandbox = Sandbox::new(setting.data, setting.program)?;
        let random = Random::stream(setting.seed, 5000 + u64::from(number));
        let rounds = rounds / AT_ONCE + u32::from(number < rounds % AT_ONCE);
        networks.spawn(async move { Network::new(sandbox, number)?.play(random, rounds).await });
    }
    let all = Violations::default();
    let mut times = Vec::new();
    while let Some(ended) = networks.join_next().await {
        let (took, violations) = ended.map_err(|e| Failure::server("a network", e))??;
        times.extend(took);
        violations.into_iter().for_each(|violation| all.add(violation));
    }
    times.sort();
    let at = |part: usize| times.get((times.len() * part / 100).min(times.len() - 1));
    println!("  start orders: {} in {:.0?}", times.len(), began.elapsed());
    println!(
        "  from the last part to a published leaf: median {:.1?}, p90 {:.1?}, longest {:.1?}",
        at(50).copied().unwrap_or_default(),
        at(90).copied().unwrap_or_default(),
        times.last().copied().unwrap_or_default()
    );
    Ok(all)
}

/// One log and what it needs.
struct Network {
    sandbox: Sandbox,
    log_key: PublicKey,
    submitter: Ed25519Signer,
    policy: Policy,
    addresses: Vec<SocketAddr>,
    agent: Option<Daemon>,
    witnesses: Vec<Option<Daemon>>,
    log: Option<Daemon>,
    wants_log: bool,
    leaves: u64,
}

impl Network {
    fn new(sandbox: Sandbox, number: u32) -> Result<Self, Failure> {
        let log_key = sandbox.key("log-key")?.public_key();
        sandbox.run(&["log", "init", "--data-dir", "log", "--key-file", "log-key.pub"])?;
        let (mut text, mut names) = (format!("log {log_key}\n"), String::new());
        let mut addresses = Vec::new();
        for witness in 0..WITNESSES.0 {
            let (key_file, directory) = (format!("w{witness}-key"), format!("w{witness}"));
            let key = sandbox.key(&key_file)?.public_key();
            sandbox.run(&["witness", "init", "--data-dir", &directory, "-k", &key_file])?;
            sandbox.run(&[
                "witness",
                "add-log",
                "--data-dir",
                &directory,
                "--sigsum-key",
                "log-key.pub",
            ])?;
            let address = free_address(number)?;
            text += &format!("witness w{witness} {key} http://{address}\n");
            names += &format!(" w{witness}");
            addresses.push(address);
        }
        text += &format!("group g {}{names}\nquorum g\n", WITNESSES.1);
        sandbox.write("policy.away", &text)?;
        let policy =
            Policy::parse_sigsum(text.as_bytes()).map_err(Failure::preparing("a policy"))?;
        let submitter = Ed25519Signer::generate().map_err(Failure::preparing("a key"))?;
        let witnesses = (0..WITNESSES.0).map(|_| None).collect();
        let (agent, log, wants_log, leaves) = (None, None, false, 0);
        Ok(Self {
            sandbox,
            log_key,
            submitter,
            policy,
            addresses,
            agent,
            witnesses,
            log,
            wants_log,
            leaves,
        })
    }

    /// Plays rounds, each from everything down. Gives the times from the last part's coming to a
    /// published leaf, and what took too long.
    async fn play(
        mut self,
        mut random: Random,
        rounds: u32,
    ) -> Result<(Vec<Duration>, Vec<String>), Failure> {
        let (mut times, mut violations) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let script = script(&mut random);
            let began = Instant::now();
            for (at, part, up) in &script {
                while began.elapsed() < *at {
                    self.supervise()?;
                    tokio::time::sleep(PAUSE).await;
                }
                if *up { self.raise(*part)? } else { self.fell(*part)? }
            }
            let told: Vec<String> = script
                .iter()
                .map(|(_, part, up)| format!("{}{part:?}", if *up { "+" } else { "-" }))
                .collect();
            let told = told.join(" ");
            match self.until_published().await {
                Some(took) if took <= PROMISE => times.push(took),
                Some(took) => {
                    violations.push(format!("{took:.1?} until a leaf was published, after {told}"));
                    times.push(took);
                }
                None => {
                    violations.push(format!("no leaf was published in {LIMIT:?}, after {told}"))
                }
            }
            for part in PARTS {
                self.fell(part)?;
            }
        }
        Ok((times, violations))
    }

    fn raise(&mut self, part: Part) -> Result<(), Failure> {
        match part {
            Part::Agent => {
                let socket = self.sandbox.path("agent");
                let _ = std::fs::remove_file(&socket); // one that was killed leaves it behind
                let mut command = Command::new("ssh-agent");
                command.args(["-D", "-a"]).arg(&socket);
                self.agent = Some(Daemon::spawn(command)?);
                let appears = Instant::now();
                while std::os::unix::net::UnixStream::connect(&socket).is_err() {
                    if appears.elapsed() > LIMIT {
                        return Err(Failure::server("ssh-agent", "does not listen"));
                    }
                    std::thread::yield_now();
                }
                let mut add = Command::new("ssh-add");
                add.arg("-q").args(["log-key", "w0-key"].map(|name| self.sandbox.path(name)));
                add.env("SSH_AUTH_SOCK", &socket);
                run_command(add)?;
            }
            Part::Witness(number) => {
                let key = if number == 0 { "w0-key.pub".into() } else { format!("w{number}-key") };
                let address = self.addresses.get(number).map(SocketAddr::to_string);
                let address = address.unwrap_or_default();
                let directory = format!("w{number}");
                let run =
                    ["witness", "run", "--data-dir", &directory, "-k", &key, "--listen", &address];
                let mut command = self.sandbox.command(&run);
                command.env("SSH_AUTH_SOCK", self.sandbox.path("agent"));
                if let Some(witness) = self.witnesses.get_mut(number) {
                    *witness = Some(Daemon::spawn(command)?);
                }
            }
            Part::Policy => self.rename("policy.away", "log-policy")?,
            Part::Log => self.wants_log = true,
        }
        Ok(())
    }

    fn fell(&mut self, part: Part) -> Result<(), Failure> {
        match part {
            Part::Agent => drop(self.agent.take()),
            Part::Witness(number) => {
                drop(self.witnesses.get_mut(number).and_then(Option::take));
            }
            Part::Policy => self.rename("log-policy", "policy.away")?,
            Part::Log => {
                self.wants_log = false;
                drop(self.log.take());
            }
        }
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Failure> {
        let from = self.sandbox.path(from);
        std::fs::rename(&from, self.sandbox.path(to)).map_err(Failure::file("rename", from))
    }

    /// Starts the log where it is wanted and does not run.
    fn supervise(&mut self) -> Result<(), Failure> {
        if self.log.as_mut().is_some_and(Daemon::has_ended) {
            self.log = None;
        }
        if self.wants_log && self.log.is_none() {
            let mut command = self.sandbox.command(&[
                "log",
                "primary",
                "--data-dir",
                "log",
                "--key-file",
                "log-key.pub",
                "--policy-file",
                "log-policy",
                "--external-endpoint",
                "127.0.0.1:0",
                "--internal-endpoint",
                "127.0.0.1:0",
            ]);
            command.env("SSH_AUTH_SOCK", self.sandbox.path("agent"));
            self.log = Some(Daemon::spawn(command)?);
        }
        Ok(())
    }

    /// Waits until every part is up, and then until a new leaf is published.
    async fn until_published(&mut self) -> Option<Duration> {
        let began = Instant::now();
        let address = loop {
            self.supervise().ok()?;
            let mut witnesses = self.witnesses.iter_mut().flatten();
            let all = witnesses.all(|witness| listening(witness).is_some());
            if let (true, Some(address)) = (all, self.log.as_mut().and_then(listening)) {
                break address;
            }
            if began.elapsed() > LIMIT {
                return None;
            }
            tokio::time::sleep(PAUSE).await;
        };
        let up = Instant::now();
        self.leaves += 1;
        let message = Message::of_data(&self.leaves.to_be_bytes());
        let signature = self.submitter.sign_now(&leaf_signing_bytes(&message.checksum()));
        let request =
            AddLeafRequest { message, signature, public_key: self.submitter.public_key() };
        let (add, head) =
            (post(endpoint::ADD_LEAF, &request.to_body()), get(endpoint::GET_TREE_HEAD));
        let mut is_added = false;
        while up.elapsed() <= LIMIT {
            if !is_added {
                is_added = matches!(once(address, &add).await, Ok((200, _)));
            }
            if let (true, Ok((200, body))) = (is_added, once(address, &head).await) {
                let head = parse_tree_head(&body).ok();
                if head.is_some_and(|head| self.is_good(&head)) {
                    return Some(up.elapsed());
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        None
    }

    /// Whether a head holds all leaves, signed and cosigned.
    fn is_good(&self, head: &CosignedTreeHead) -> bool {
        let text = head.signed.tree_head.checkpoint_text(&sigsum_origin(&self.log_key.key_hash()));
        let cosigned = |index: usize| {
            let key = self.policy.witnesses().get(index).and_then(|w| w.public_key());
            key.is_some_and(|key| head.cosignatures().iter().any(|c| c.verify(key, &text)))
        };
        head.signed.tree_head.size.0 == self.leaves
            && head.signed.verify(&self.log_key)
            && self.policy.quorum().is_satisfied(&cosigned)
    }
}

/// When which part comes up or goes away; in the end all are up.
fn script(random: &mut Random) -> Vec<(Duration, Part, bool)> {
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

/// Where a server listens, once it has said so.
fn listening(daemon: &mut Daemon) -> Option<SocketAddr> {
    let url = daemon.said().iter().find_map(|line| line.strip_prefix("listening on "))?;
    address_of(url).ok()
}

/// An address of the loopback network that nobody else takes meanwhile: every run, and every network
/// of it, has hosts of its own.
fn free_address(number: u32) -> Result<SocketAddr, Failure> {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let host = [127, 10 + u8::try_from(number).unwrap_or_default(), high, low.clamp(1, 254)];
    let listener = TcpListener::bind(SocketAddr::from((host, 0)));
    listener
        .and_then(|listener| listener.local_addr())
        .map_err(Failure::file("bind", Path::new("127/8")))
}
