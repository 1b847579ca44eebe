//! A log and its witnesses as the processes that an operator would run, with keys, directories and
//! policies in one directory that goes away in the end.

use crate::daemon::{Daemon, Suspended, run};
use crate::failure::Failure;
use sigsum_core::PublicKey;
use sigsum_core::policy::Policy;
use sigsum_keys::{Ed25519Signer, Existing, write_key_pair};
use sigsum_store::durable;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory with the executable beside it, so to speak.
#[derive(Debug)]
pub(crate) struct Sandbox {
    directory: tempfile::TempDir,
    program: PathBuf,
}

impl Sandbox {
    /// A new directory inside `parent`, which should be on a real disk: what is measured is how
    /// long it takes to make bytes durable.
    pub(crate) fn new(parent: &Path, program: &Path) -> Result<Self, Failure> {
        std::fs::create_dir_all(parent).map_err(Failure::file("make", parent))?;
        let directory = tempfile::Builder::new().prefix("run-").tempdir_in(parent);
        let directory = directory.map_err(Failure::file("make a directory in", parent))?;
        let program = program.canonicalize().map_err(Failure::file("find", program))?;
        Ok(Self { directory, program })
    }

    /// A path in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The executable with these arguments, in the directory, with nothing of the user's
    /// environment that it looks at.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("SIGSUM_POLICY_DIR")
            .env("SIGSUM_LOGSERVER_CONFIG", "");
        command
    }

    /// Runs the executable to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<String, Failure> {
        run(self.command(arguments))
    }

    /// Makes a key pair, NAME and NAME.pub.
    pub(crate) fn key(&self, name: &str) -> Result<Ed25519Signer, Failure> {
        let signer = Ed25519Signer::generate().map_err(Failure::preparing("a key"))?;
        write_key_pair(&self.path(name), &signer, Existing::Refuse)
            .map_err(Failure::preparing("a key"))?;
        Ok(signer)
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> Result<(), Failure> {
        durable::write_atomic(&self.path(name), text.as_ref(), durable::PUBLIC_FILE)
            .map_err(Failure::preparing("a file"))
    }
}

/// How a log is started; its endpoints are free ports of the loopback interface.
const LOG_ARGUMENTS: [&str; 12] = [
    "log",
    "primary",
    "--data-dir",
    LOG_DIRECTORY,
    "--key-file",
    "log-key",
    "--policy-file",
    "log-policy",
    "--external-endpoint",
    "127.0.0.1:0",
    "--internal-endpoint",
    "127.0.0.1:0",
];

/// The log's data directory.
const LOG_DIRECTORY: &str = "log";

/// Policy of the submitters, with the log's URL.
pub(crate) const CLIENT_POLICY: &str = "policy";

/// A witness.
#[derive(Debug)]
pub(crate) struct Witness {
    key: PublicKey,
    daemon: Daemon,
    address: SocketAddr,
}

impl Witness {
    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// Makes it take connections and never answer, until the guard is dropped.
    pub(crate) fn suspend(&self) -> Result<Suspended, Failure> {
        Suspended::new(self.daemon.pid())
    }
}

/// A log that need not run, and witnesses that do.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) sandbox: Sandbox,
    /// The log's key.
    pub(crate) log_key: PublicKey,
    pub(crate) witnesses: Vec<Witness>,
    quorum: usize,
}

/// A log that runs.
#[derive(Debug)]
pub(crate) struct RunningLog {
    pub(crate) daemon: Daemon,
    /// Of its external endpoint.
    pub(crate) address: SocketAddr,
}

impl Network {
    /// Makes the keys, starts the witnesses. `quorum` of them must cosign; 0 only if there are none.
    pub(crate) fn new(sandbox: Sandbox, witnesses: usize, quorum: usize) -> Result<Self, Failure> {
        let log_key = sandbox.key("log-key")?.public_key();
        let mut running = Vec::new();
        for number in 0..witnesses {
            running.push(start_witness(&sandbox, number)?);
        }
        let network = Self { sandbox, log_key, witnesses: running, quorum };
        network.sandbox.write("log-policy", network.policy_text(None))?;
        Ok(network)
    }

    /// Makes the log's empty data directory.
    pub(crate) fn init_log(&self) -> Result<(), Failure> {
        let arguments = ["log", "init", "--data-dir", LOG_DIRECTORY, "--key-file", "log-key"];
        self.sandbox.run(&arguments).map(drop)
    }

    /// The log's data directory.
    pub(crate) fn log_directory(&self) -> PathBuf {
        self.sandbox.path(LOG_DIRECTORY)
    }

    /// The command that runs the log.
    pub(crate) fn log_command(&self) -> Command {
        self.sandbox.command(&LOG_ARGUMENTS)
    }

    /// Starts the log, and writes the submitters' policy.
    pub(crate) fn start_log(&self) -> Result<RunningLog, Failure> {
        let (daemon, address) = Daemon::start(self.log_command())?;
        self.sandbox.write(CLIENT_POLICY, self.policy_text(Some(address)))?;
        Ok(RunningLog { daemon, address })
    }

    /// Writes a policy that says that the log is elsewhere.
    pub(crate) fn write_policy(&self, name: &str, log: SocketAddr) -> Result<(), Failure> {
        self.sandbox.write(name, self.policy_text(Some(log)))
    }

    /// The policy by which heads of this log are judged.
    pub(crate) fn policy(&self) -> Result<Policy, Failure> {
        let text = self.policy_text(None);
        Policy::parse_sigsum(text.as_bytes()).map_err(Failure::preparing("the policy"))
    }

    fn policy_text(&self, log: Option<SocketAddr>) -> String {
        let url = log.map_or_else(String::new, |address| format!(" http://{address}"));
        let mut text = format!("log {}{url}\n", self.log_key);
        let mut names = String::new();
        for (number, witness) in self.witnesses.iter().enumerate() {
            text += &format!("witness w{number} {} http://{}\n", witness.key, witness.address);
            names += &format!(" w{number}");
        }
        text += &match self.witnesses.len() {
            0 => "quorum none\n".to_owned(),
            _ => format!("group g {}{names}\nquorum g\n", self.quorum),
        };
        text
    }
}

fn start_witness(sandbox: &Sandbox, number: usize) -> Result<Witness, Failure> {
    let (key_file, directory) = (format!("w{number}-key"), format!("w{number}"));
    let key = sandbox.key(&key_file)?.public_key();
    sandbox.run(&["witness", "init", "--data-dir", &directory, "-k", &key_file])?;
    let log = ["--sigsum-key", "log-key.pub"];
    sandbox.run(&[["witness", "add-log", "--data-dir", &directory].as_slice(), &log].concat())?;
    let (daemon, address) = Daemon::start(witness_command(sandbox, &directory, &key_file))?;
    Ok(Witness { key, daemon, address })
}

/// The command that runs a witness from a data directory.
pub(crate) fn witness_command(sandbox: &Sandbox, directory: &str, key_file: &str) -> Command {
    let start = ["witness", "run", "--data-dir", directory, "-k", key_file];
    let mut command = sandbox.command(&start);
    command.args(["--listen", "127.0.0.1:0"]);
    command
}
