//! An operator's machines: log-go with all that belongs to it, and what is to take its place.

use super::returned::Returned;
use crate::go_rig::{GoRig, leaf};
use crate::harness::{Daemon, Outcome, Sandbox, run_command};
use crate::heads::Observer;
use crate::peers::{PeerDaemon, free_address, peer, peer_command};
use crate::secondaries::{metric, until};
use crate::trillian::Trillian;
use sigsum_core::PublicKey;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

/// What log-go finds its configuration by.
const CONFIG_VARIABLE: &str = "SIGSUM_LOGSERVER_CONFIG";
/// The configuration as log-go has it.
const OLD_CONFIG: &str = "log-go.toml";
/// The same for the log that takes over.
pub(super) const NEW_CONFIG: &str = "log.toml";
/// A witness beside those of the rig: sigsum-witness.
const THIRD_WITNESS: &str = "third";

/// The same command with this configuration, as log-go's users name it.
fn config_of(mut command: Command, config: &str) -> Command {
    command.env(CONFIG_VARIABLE, config);
    command
}

/// log-go on Trillian and MariaDB with three witnesses, two of which make the quorum, and what
/// follows it.
pub(super) struct Operator {
    pub(super) rig: GoRig,
    programs: Programs,
    /// Where log-go looks for its secondary, one or the other.
    pub(super) secondary_address: SocketAddr,
    secondary: Option<PeerDaemon>,
    follower: Option<Daemon>,
    pub(super) log: Option<Daemon>,
    _witness: PeerDaemon,
    trillian: Trillian,
}

struct Programs {
    primary: PathBuf,
    secondary: PathBuf,
}

impl Operator {
    /// Everything but the log runs; `None`, said aloud, where a part is not installed. Users find the
    /// log at its own address, or at this one.
    pub(super) fn prepared(public_url: Option<&str>) -> Option<Self> {
        let primary = peer("sigsum-log-primary")?;
        let secondary = peer("sigsum-log-secondary")?;
        let witness = peer("sigsum-witness")?;
        let sandbox = Sandbox::new();
        let trillian = Trillian::start(&sandbox)?;
        let mut rig = GoRig::prepared_in(sandbox, &[])?;
        let sandbox = &rig.sandbox;
        ["k", "copy-key", THIRD_WITNESS].into_iter().for_each(|key| sandbox.key(key));
        let witness_address = free_address();
        let listen = witness_address.to_string();
        let args = ["-k", THIRD_WITNESS, "--log-key", "log-key.pub", "--state-file", "third.state"];
        let command = peer_command(sandbox, &witness, &[&args[..], &[&listen]].concat());
        let witness = PeerDaemon::start(command, witness_address);
        let own_url = rig.url();
        write_policies(&rig, public_url.unwrap_or(&own_url), witness_address);
        sandbox.write("limits", limits(sandbox));
        sandbox.run(&["links", "."]).ok();
        let init = ["log", "init", "--follower", "--data-dir", "data", "--key-file", "log-key.pub"];
        sandbox.run(&init).ok();
        rig.observer = Observer::new(sandbox);
        Some(Self {
            rig,
            programs: Programs { primary, secondary },
            secondary_address: free_address(),
            secondary: None,
            follower: None,
            log: None,
            _witness: witness,
            trillian,
        })
    }

    pub(super) fn sandbox(&self) -> &Sandbox {
        &self.rig.sandbox
    }

    pub(super) fn log_key(&self) -> PublicKey {
        PublicKey::from_hex(&self.sandbox().key_hex("log-key")).unwrap()
    }

    /// Writes log-go's configuration.
    fn configure(&self, has_secondary: bool) {
        let authority = |url: String| url.strip_prefix("http://").unwrap().to_owned();
        let (external, internal) = (authority(self.rig.url()), authority(self.rig.internal_url()));
        let rpc = &self.trillian.rpc;
        let mut text = format!(
            "external-endpoint = '{external}'\n\
             internal-endpoint = '{internal}'\n\
             trillian-rpc-server = '{rpc}'\n\
             trillian-tree-id-file = 'tree-id'\n\
             backend = 'trillian'\n\
             timeout = '10s'\n\
             interval = '1s'\n\
             key-file = 'log-key'\n\
             log-level = 'info'\n\
             \n[primary]\n\
             policy-file = 'log-policy'\n\
             rate-limit-file = 'limits'\n\
             max-range = 512\n\
             sth-file = 'sth'\n"
        );
        if has_secondary {
            let url = format!("http://{}", self.secondary_address);
            text += &format!("secondary-url = '{url}'\nsecondary-pubkey-file = 'copy-key.pub'\n");
        }
        self.sandbox().write(OLD_CONFIG, text);
    }

    /// Starts log-go's primary as it is configured.
    pub(super) fn start_old(&mut self, has_secondary: bool) {
        self.configure(has_secondary);
        let command = peer_command(self.sandbox(), &self.programs.primary, &[]);
        self.rig.start_log_with(config_of(command, OLD_CONFIG));
    }

    /// Starts log-go's secondary.
    pub(super) fn start_old_secondary(&mut self) {
        let (internal, external) = (self.secondary_address.to_string(), free_address().to_string());
        let primary = self.rig.internal_url();
        let args = ["--backend", "ephemeral", "--key-file", "copy-key", "--interval", "1s"];
        let endpoints = ["--external-endpoint", &external, "--internal-endpoint", &internal];
        let all = [&args[..], &endpoints, &["--primary-url", &primary]].concat();
        let command = peer_command(self.sandbox(), &self.programs.secondary, &all);
        self.secondary = Some(PeerDaemon::start(command, self.secondary_address));
    }

    pub(super) fn stop_old_secondary(&mut self) {
        self.secondary.take().unwrap().stop();
    }

    /// Starts our follower, and waits until it has compared what it holds with the published head.
    pub(super) fn follow(&mut self, address: SocketAddr) {
        let (primary, external) = (self.rig.internal_url(), self.rig.url());
        let internal = address.to_string();
        let args = ["log", "secondary", "--data-dir", "data", "--key-file", "copy-key"];
        let urls = ["--primary-url", &primary, "--primary-external-url", &external];
        let endpoints = ["--external-endpoint", "127.0.0.1:0", "--internal-endpoint", &internal];
        let all = [&args[..], &urls, &endpoints, &["--interval", "1s"]].concat();
        self.follower = Some(self.sandbox().daemon(&all));
        let size = self.rig.observer.head().unwrap().size;
        until("the follower has what is published", || {
            let url = format!("http://{address}");
            metric(&url, "sigsum_secondary_verified_size") >= Some(size as f64)
        });
    }

    /// Stops our follower, which must have had nothing to complain of.
    #[track_caller]
    pub(super) fn stop_following(&mut self) {
        let said = self.follower.take().unwrap().stop();
        assert!(!said.contains("[ERRO]") && !said.contains("tree heads"), "{said}");
    }

    /// Copies a file or directory.
    #[track_caller]
    pub(super) fn copy(&self, from: &str, to: &str) {
        let (from, to) = (self.sandbox().arg(from), self.sandbox().arg(to));
        assert!(Command::new("cp").args(["-a", &from, &to]).status().unwrap().success());
    }

    /// Writes the configuration of the log that takes over: log-go's, with the changes that the
    /// document names, and with other values for these keys.
    pub(super) fn configure_new(&self, changes: &[(&str, &str)]) {
        let old = self.sandbox().read(OLD_CONFIG);
        let is_dropped = |line: &str| {
            let key = line.split(' ').next().unwrap_or_default();
            let is_changed = changes.iter().any(|(changed, _)| *changed == key);
            is_changed || matches!(key, "backend" | "secondary-url" | "secondary-pubkey-file")
        };
        let kept: Vec<&str> = old.lines().filter(|line| !is_dropped(line)).collect();
        let (server, primary) = (kept.join("\n"), "\n[primary]\n");
        let (server, primary) = server.split_once(primary).unwrap();
        let mut text = format!("{server}\ndata-dir = 'data'\n");
        let mut rest = format!("\n[primary]\n{primary}\nreplication = 'none'\n");
        for (key, value) in changes {
            let part = if *key == "sth-file" { &mut rest } else { &mut text };
            *part += &format!("{key} = '{value}'\n");
        }
        self.sandbox().write(NEW_CONFIG, text + &rest);
    }

    /// Our program under log-go's name.
    fn new_command(&self, config: &str) -> Command {
        let program = self.sandbox().path("sigsum-log-primary");
        config_of(peer_command(self.sandbox(), &program, &[]), config)
    }

    /// Starts the log that takes over.
    pub(super) fn start_new(&mut self) {
        self.log = Some(Daemon::start(self.new_command(NEW_CONFIG)));
    }

    /// Starts it with the configuration as log-go has it, to its end.
    pub(super) fn start_new_unprepared(&self) -> Outcome {
        run_command(self.new_command(OLD_CONFIG), b"")
    }

    /// Starts log-go's primary again, elsewhere, with what it had.
    pub(super) fn return_old(&self, more: &[&str]) -> Returned {
        let (external, internal) = (free_address(), free_address());
        let (listen, inside) = (external.to_string(), internal.to_string());
        let endpoints = ["--external-endpoint", &listen, "--internal-endpoint", &inside];
        let args = [&endpoints[..], &["--sth-file", "old-sth"], more].concat();
        let command = peer_command(self.sandbox(), &self.programs.primary, &args);
        let daemon = PeerDaemon::start(config_of(command, OLD_CONFIG), external);
        Returned::new(daemon, (external, internal), self.log_key())
    }
}

/// The log's policy and that of its users, with the third witness.
fn write_policies(rig: &GoRig, public_url: &str, third: SocketAddr) {
    let sandbox = &rig.sandbox;
    let old = sandbox.read("log-policy");
    let lines: String =
        old.lines().filter(|line| line.starts_with("witness ")).map(|l| format!("{l}\n")).collect();
    let [first, second] = rig.witnesses.each_ref().map(crate::cosigner::Cosigner::name);
    let third =
        format!("witness {THIRD_WITNESS} {} http://{third}\n", sandbox.key_hex(THIRD_WITNESS));
    let group = format!("group most 2 {first} {second} {THIRD_WITNESS}\nquorum most\n");
    let hex = sandbox.key_hex("log-key");
    sandbox.write("log-policy", format!("log {hex}\n{lines}{third}{group}"));
    sandbox.write("policy", format!("log {hex} {public_url}\n{lines}{third}{group}"));
}

/// Those who submit, and nobody else.
fn limits(sandbox: &Sandbox) -> String {
    let submitter = sandbox.run(&["key", "to-hash", "-k", "k.pub"]).ok().stdout;
    let loader = leaf("any", 0).leaf().key_hash;
    format!("# of this log\nkey {} 1000\nkey {loader} 100000\n", submitter.trim())
}
