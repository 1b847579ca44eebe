//! Running the executable: commands that end, and daemons that are stopped or killed.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

/// A daemon that says nothing for so long will not start.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A directory for one test.
pub(crate) struct Sandbox {
    directory: tempfile::TempDir,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// The command must have succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self
    }

    /// The command must have failed with exit status 1, saying this on standard error.
    #[track_caller]
    pub(crate) fn fails_with(self, text: &str) -> Self {
        assert_eq!(self.code, Some(1), "{}{}", self.stdout, self.stderr);
        assert!(self.stderr.contains(text), "{:?} lacks {text:?}", self.stderr);
        self
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// One in memory where this machine has a place for it, for a test in which a disk that is busy
    /// with something else would be taken for a slow program.
    #[allow(dead_code, reason = "used by the tests with the Go programs alone")]
    pub(crate) fn in_memory() -> Self {
        tempfile::tempdir_in("/dev/shm")
            .map_or_else(|_| Self::new(), |directory| Self { directory })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A path as an argument.
    pub(crate) fn arg(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    #[allow(clippy::disallowed_methods, reason = "the file belongs to the test")]
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The command, run in the sandbox, with nothing of the user's environment that it looks at.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sigsum"));
        command
            .args(args)
            .current_dir(self.directory.path())
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("SIGSUM_POLICY_DIR")
            .env("SIGSUM_LOGSERVER_CONFIG", "");
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        self.run_with(args, b"")
    }

    /// Runs a command to its end with this standard input.
    pub(crate) fn run_with(&self, args: &[&str], stdin: &[u8]) -> Outcome {
        run_command(self.command(args), stdin)
    }

    /// Starts a daemon and waits until it listens.
    pub(crate) fn daemon(&self, args: &[&str]) -> Daemon {
        Daemon::start(self.command(args))
    }

    /// Makes a key pair NAME and NAME.pub.
    pub(crate) fn key(&self, name: &str) {
        self.run(&["key", "generate", "-o", name]).ok();
    }

    /// The hex form of a public key.
    pub(crate) fn key_hex(&self, name: &str) -> String {
        let public = format!("{name}.pub");
        self.run(&["key", "to-hex", "-k", &public]).ok().stdout.trim().to_owned()
    }
}

/// Runs any command to its end with this standard input.
pub(crate) fn run_command(mut command: Command, stdin: &[u8]) -> Outcome {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let bytes = stdin.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = pipe.write_all(&bytes); // a command may not read its input
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output.into()
}

/// A daemon that listens.
pub(crate) struct Daemon {
    child: Child,
    /// Where it listens.
    pub(crate) url: String,
    /// What it said before it listened.
    pub(crate) said: String,
    lines: Mutex<mpsc::Receiver<String>>,
}

impl Daemon {
    #[track_caller]
    pub(crate) fn start(mut command: Command) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let lines = Mutex::new(lines);
        let mut daemon = Self { child, url: String::new(), said: String::new(), lines };
        let stderr = BufReader::new(daemon.child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = sender.send(line); // the test may have ended
            }
        });
        daemon.url = daemon.wait_for("listening on ");
        daemon
    }

    /// Where metrics and health are served; asked for once.
    #[track_caller]
    pub(crate) fn internal_url(&mut self) -> String {
        self.wait_for("internal endpoint on ")
    }

    /// Waits for a line that begins so, and gives the rest of it.
    #[track_caller]
    fn wait_for(&mut self, beginning: &str) -> String {
        loop {
            match self.lines.get_mut().unwrap().recv_timeout(START_LIMIT) {
                Ok(line) => match line.strip_prefix(beginning) {
                    Some(rest) => return rest.to_owned(),
                    None => self.said += &format!("{line}\n"),
                },
                Err(_) => panic!("no line {beginning:?} in:\n{}", self.said),
            }
        }
    }

    /// Waits for a line with this in it.
    #[track_caller]
    pub(crate) fn until_said(&mut self, part: &str) -> String {
        self.until_said_all(&[part])
    }

    /// Waits for a line with all of these in it.
    #[track_caller]
    pub(crate) fn until_said_all(&mut self, parts: &[&str]) -> String {
        let mut others = String::new();
        loop {
            match self.lines.get_mut().unwrap().recv_timeout(START_LIMIT) {
                Ok(line) if parts.iter().all(|part| line.contains(part)) => return line,
                Ok(line) => others += &format!("{line}\n"),
                Err(_) => panic!("no line with {parts:?} in:\n{others}"),
            }
        }
    }

    /// SIGHUP: read the configuration again.
    pub(crate) fn hang_up(&self) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, Signal::HUP).unwrap();
    }

    /// The process, to be looked at in `/proc`.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, as a crash.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until the daemon has ended by itself; it must have ended well.
    #[track_caller]
    pub(crate) fn ended(mut self) {
        let until = Instant::now() + START_LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return assert!(status.success(), "{status}");
            }
            assert!(Instant::now() < until, "it goes on");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// SIGTERM; what becomes of the daemon is looked at later.
    pub(crate) fn terminate(&self) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// SIGTERM; the daemon must end well.
    #[track_caller]
    pub(crate) fn stop(mut self) -> String {
        self.terminate();
        let status = self.child.wait().unwrap();
        let lines = self.lines.get_mut().unwrap();
        let said: String = lines.iter().map(|line| line + "\n").collect();
        assert!(status.success(), "{status}: {said}");
        said
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill(); // ended already where the test stopped it
        let _ = self.child.wait();
    }
}

/// A log with witnesses, each a process of its own.
pub(crate) struct Network {
    pub(crate) sandbox: Sandbox,
    pub(crate) log: Option<Daemon>,
    pub(crate) witnesses: Vec<Daemon>,
}

impl Network {
    /// Makes keys and directories, and starts everything. The policy is in the file `policy`; the
    /// log's own, without its URL, in `log-policy`.
    pub(crate) fn start(witnesses: usize, quorum: usize) -> Self {
        Self::start_in(Sandbox::new(), witnesses, quorum)
    }

    /// The same, in a sandbox that has been prepared.
    pub(crate) fn start_in(sandbox: Sandbox, witnesses: usize, quorum: usize) -> Self {
        sandbox.key("log-key");
        let mut policy = String::new();
        let mut names = Vec::new();
        let mut daemons = Vec::new();
        for n in 0..witnesses {
            let (key, dir) = (format!("w{n}-key"), format!("w{n}"));
            sandbox.key(&key);
            sandbox.run(&["witness", "init", "--data-dir", &dir, "-k", &key]).ok();
            sandbox
                .run(&["witness", "add-log", "--data-dir", &dir, "--sigsum-key", "log-key.pub"])
                .ok();
            let args =
                ["witness", "run", "--data-dir", &dir, "-k", &key, "--listen", "127.0.0.1:0"];
            let daemon = sandbox.daemon(&args);
            policy += &format!("witness w{n} {} {}\n", sandbox.key_hex(&key), daemon.url);
            names.push(format!("w{n}"));
            daemons.push(daemon);
        }
        policy += &match witnesses {
            0 => "quorum none\n".to_owned(),
            _ => format!("group g {quorum} {}\nquorum g\n", names.join(" ")),
        };
        sandbox.write("log-policy", format!("log {}\n{policy}", sandbox.key_hex("log-key")));
        sandbox.run(&["log", "init", "--data-dir", "log", "--key-file", "log-key"]).ok();
        let mut network = Self { sandbox, log: None, witnesses: daemons };
        network.start_log();
        network
    }

    /// Stops the log, does something, and starts the log where it was.
    pub(crate) fn restart_log_in_place(&mut self, meanwhile: impl FnOnce()) {
        let log = self.log.take().unwrap();
        let address = log.url.strip_prefix("http://").unwrap().to_owned();
        log.stop();
        meanwhile();
        let mut args = LOG_ARGS;
        args[EXTERNAL_ADDRESS] = &address;
        self.log = Some(self.sandbox.daemon(&args));
    }

    /// Starts the log and writes the policy with its URL.
    pub(crate) fn start_log(&mut self) {
        self.start_log_with(&[]);
    }

    /// The same with more arguments.
    pub(crate) fn start_log_with(&mut self, more: &[&str]) {
        let daemon = self.sandbox.daemon(&[LOG_ARGS.as_slice(), more].concat());
        let (hex, url) = (self.sandbox.key_hex("log-key"), &daemon.url);
        let policy = self.sandbox.read("log-policy");
        let rest = policy.split_once('\n').unwrap().1;
        self.sandbox.write("policy", format!("log {hex} {url}\n{rest}"));
        // Without witnesses its first head is a matter of milliseconds, or more on a busy machine.
        let until = Instant::now() + START_LIMIT;
        while self.witnesses.is_empty() && http(url, "GET", "/get-tree-head", b"").0 != 200 {
            assert!(Instant::now() < until, "no head is served");
            std::thread::yield_now();
        }
        self.log = Some(daemon);
    }

    pub(crate) fn log_url(&self) -> &str {
        &self.log.as_ref().unwrap().url
    }
}

/// Where the public endpoint is in [`LOG_ARGS`].
const EXTERNAL_ADDRESS: usize = 9;
/// How the tests start their log.
pub(crate) const LOG_ARGS: [&str; 12] = [
    "log",
    "primary",
    "--data-dir",
    "log",
    "--key-file",
    "log-key",
    "--policy-file",
    "log-policy",
    "--external-endpoint",
    "127.0.0.1:0",
    "--internal-endpoint",
    "127.0.0.1:0",
];

/// Sends one raw HTTP/1.1 request and reads the whole answer.
pub(crate) fn http(url: &str, method: &str, path: &str, body: &[u8]) -> (u16, String) {
    let authority = url.strip_prefix("http://").unwrap();
    let (host, prefix) = authority.split_once('/').unwrap_or((authority, ""));
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    let prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
    let head = format!(
        "{method} {prefix}{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let _ = stream.write_all(body); // the server may refuse before it has read all
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let text = String::from_utf8_lossy(&answer).into_owned();
    let code = text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let body = text.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned());
    (code, body)
}

/// Data from the real world; `None`, said aloud, where this is a user's clone without it.
pub(crate) fn testdata(name: &str) -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/testdata");
    let root = std::env::var_os("SIGSUM_TESTDATA").map_or(default, PathBuf::from);
    let path = root.join(name);
    if !path.exists() {
        say(&format!("skipped: no test data at {}", path.display()));
        return None;
    }
    Some(path)
}

/// Says something in the output of the test.
#[allow(clippy::print_stdout, reason = "this is how a test says that it was skipped")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}
