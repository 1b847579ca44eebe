//! Trillian with a MariaDB of its own: database, log server and log signer.

use crate::harness::{Outcome, Sandbox, run_command, say};
use crate::heads::PATIENCE;
use crate::peers::{PeerDaemon, free_address, peer, peer_command, run_peer};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// log-go's version of Trillian, whose schema is in Go's module cache.
const MODULE: &str = "github.com/google/trillian@v1.7.3";
/// Between two attempts to connect to the database.
const PROBE_INTERVAL: Duration = Duration::from_millis(50);

/// All that runs behind log-go's default backend.
pub(crate) struct Trillian {
    /// What log-go connects to.
    pub(crate) rpc: String,
    // Dropped in this order.
    _signer: PeerDaemon,
    _server: PeerDaemon,
    _database: Database,
}

impl Trillian {
    /// Starts it with a tree whose number is in the file `tree-id`; `None`, said aloud, where a
    /// part is not installed.
    pub(crate) fn start(sandbox: &Sandbox) -> Option<Self> {
        let server = peer("trillian_log_server")?;
        let signer = peer("trillian_log_signer")?;
        let createtree = peer("createtree")?;
        let schema = schema(sandbox)?;
        let database = Database::start(sandbox)?;
        database.run("CREATE DATABASE trillian").ok();
        database.run(&format!("USE trillian;\n{schema}")).ok();
        let uri = format!("--mysql_uri=root@unix({})/trillian", sandbox.arg("db.socket"));
        let start = |program: &PathBuf, more: &[&str]| {
            let address = free_address();
            let endpoint = format!("--rpc_endpoint={address}");
            let storage = ["--storage_system=mysql", "--quota_system=noop", "--http_endpoint="];
            let args = [&[uri.as_str(), &endpoint], &storage[..], more].concat();
            let daemon = PeerDaemon::start(peer_command(sandbox, program, &args), address);
            (daemon, address.to_string())
        };
        let (server, rpc) = start(&server, &[]);
        let (signer, _) = start(&signer, &["--force_master", "--sequencer_interval=50ms"]);
        let admin = format!("--admin_server={rpc}");
        let tree = run_peer(sandbox, &createtree, &[&admin], b"").ok().stdout;
        sandbox.write("tree-id", format!("tree-id={}\n", tree.trim()));
        Some(Self { rpc, _signer: signer, _server: server, _database: database })
    }
}

/// Trillian's own schema for MySQL and MariaDB.
fn schema(sandbox: &Sandbox) -> Option<String> {
    let mut go = Command::new("go");
    go.args(["list", "-m", "-f", "{{.Dir}}", MODULE]).current_dir(sandbox.path(""));
    let directory = match go.output() {
        Ok(found) if found.status.success() => String::from_utf8(found.stdout).unwrap(),
        _ => String::new(),
    };
    let path = PathBuf::from(directory.trim()).join("storage/mysql/schema/storage.sql");
    let schema = std::fs::read_to_string(path).ok();
    if schema.is_none() {
        say(&format!("skipped: the database schema of {MODULE} is not in Go's module cache"));
    }
    schema
}

/// A MariaDB server with a socket and no port.
struct Database {
    child: Child,
    socket: String,
}

impl Database {
    fn start(sandbox: &Sandbox) -> Option<Self> {
        let data = format!("--datadir={}", sandbox.arg("db"));
        let socket = sandbox.arg("db.socket");
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout);
        let user = format!("--user={}", user.unwrap().trim());
        // A server that starts removes what others have in their directory for temporary tables.
        let temporary = sandbox.path("db-tmp");
        std::fs::create_dir(&temporary).unwrap();
        let mut install = Command::new("mariadb-install-db");
        install.args(["--no-defaults", &data, &user, "--skip-test-db"]);
        install.arg("--auth-root-authentication-method=normal").env("TMPDIR", &temporary);
        match install.output() {
            Ok(made) => drop(Outcome::from(made).ok()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                say("skipped: MariaDB (mariadb-install-db) is not installed");
                return None;
            }
            Err(error) => panic!("mariadb-install-db: {error}"),
        }
        let child = Command::new(daemon())
            .args(["--no-defaults", "--skip-networking", &data, &user])
            .arg(format!("--socket={socket}"))
            .arg(format!("--log-error={}", sandbox.arg("db.log")))
            .env("TMPDIR", &temporary)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let database = Self { child, socket };
        let until = Instant::now() + PATIENCE;
        while database.run("SELECT 1").code != Some(0) {
            assert!(Instant::now() < until, "no database: {}", sandbox.read("db.log"));
            std::thread::park_timeout(PROBE_INTERVAL);
        }
        Some(database)
    }

    /// Runs statements.
    fn run(&self, statements: &str) -> Outcome {
        let mut client = Command::new("mariadb");
        let socket = format!("--socket={}", self.socket);
        client.args(["--no-defaults", "--user=root", &socket]);
        run_command(client, statements.as_bytes())
    }
}

/// The server program, which is in a directory that only root's search path has.
fn daemon() -> PathBuf {
    let system = PathBuf::from("/usr/sbin/mariadbd");
    if system.exists() { system } else { PathBuf::from("mariadbd") }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = self.child.kill(); // its files go away with the sandbox
        let _ = self.child.wait();
    }
}
