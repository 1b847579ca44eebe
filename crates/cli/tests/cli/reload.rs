//! Reading the configuration again, by SIGHUP and because a file has changed.

use crate::harness::{Daemon, Network, Sandbox, http};
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What follows a file's change takes seconds; a busy machine gets more.
const LIMIT: Duration = Duration::from_secs(60);

/// A log with three witnesses that takes everything from a configuration file, and where its internal
/// endpoint is.
struct Configured {
    network: Network,
    internal: String,
}

const CONFIG: &str = r#"
data-dir = "log"
key-file = "log-key"
external-endpoint = "127.0.0.1:0"
internal-endpoint = "127.0.0.1:0"
log-level = "info"
interval = "1s"

[primary]
policy-file = "log-policy"
"#;

impl Configured {
    fn start(witnesses: usize, quorum: usize) -> Self {
        let mut network = Network::start(witnesses, quorum);
        network.log.take().unwrap().stop();
        network.sandbox.key("submit-key");
        network.sandbox.write("config.toml", CONFIG);
        let mut log = network.sandbox.daemon(&["log", "primary", "--config", "config.toml"]);
        let internal = log.internal_url();
        network.log = Some(log);
        let this = Self { network, internal };
        this.until("a first head", || http(this.url(), "GET", "/get-tree-head", b"").0 == 200);
        this
    }

    fn url(&self) -> &str {
        self.network.log_url()
    }

    fn log(&mut self) -> &mut Daemon {
        self.network.log.as_mut().unwrap()
    }

    fn sandbox(&self) -> &Sandbox {
        &self.network.sandbox
    }

    /// Puts a file in the place of another, as careful editors do.
    fn replace(&self, name: &str, text: impl AsRef<[u8]>) {
        self.sandbox().write("new", text);
        std::fs::rename(self.sandbox().path("new"), self.sandbox().path(name)).unwrap();
    }

    fn metric(&self, name: &str) -> Option<f64> {
        let (_, page) = http(&self.internal, "GET", "/metrics", b"");
        let rest = page.lines().find_map(|line| line.strip_prefix(name));
        rest.and_then(|value| value.trim().parse().ok())
    }

    #[track_caller]
    fn until(&self, what: &str, reached: impl Fn() -> bool) {
        let until = Instant::now() + LIMIT;
        while !reached() {
            assert!(Instant::now() < until, "not reached: {what}");
            std::thread::yield_now();
        }
    }

    /// Cosignatures of the head that is served.
    fn cosignatures(&self) -> usize {
        let (code, head) = http(self.url(), "GET", "/get-tree-head", b"");
        assert_eq!(code, 200);
        head.lines().filter(|line| line.starts_with("cosignature=")).count()
    }

    /// The policy with these witnesses alone.
    fn policy_of(&self, witnesses: &[usize], quorum: usize) -> String {
        let all = self.sandbox().read("all-witnesses");
        let mut policy: String = witnesses
            .iter()
            .map(|n| {
                let line = all.lines().find(|line| line.starts_with(&format!("witness w{n} ")));
                line.unwrap().to_owned() + "\n"
            })
            .collect();
        let names: Vec<_> = witnesses.iter().map(|n| format!("w{n}")).collect();
        policy += &format!("group g {quorum} {}\nquorum g\n", names.join(" "));
        policy
    }

    fn submit(&self, message: &str) {
        let policy = self.sandbox().read("all-witnesses");
        let rest = policy.split_once('\n').unwrap().1;
        let log = format!("log {} {}\n", self.sandbox().key_hex("log-key"), self.url());
        self.sandbox().write("policy", log + rest);
        let args = ["submit", "-p", "policy", "-k", "submit-key", "-o", "proof"];
        self.sandbox().run_with(&args, message.as_bytes()).ok();
    }
}

fn with_all_witnesses(configured: Configured) -> Configured {
    let policy = configured.sandbox().read("log-policy");
    configured.sandbox().write("all-witnesses", policy);
    configured
}

#[test]
fn witnesses_that_come_move_and_leave_are_taken_up_without_a_restart() {
    let mut log = with_all_witnesses(Configured::start(3, 2));
    let pid = log.log().pid();
    // Two leave: their cosignatures are gone from the next head.
    log.replace("log-policy", log.policy_of(&[0], 1));
    let line = log.log().until_said("configuration read again");
    assert!(line.contains("policy-file") && line.contains("log-policy has changed"), "{line}");
    log.submit_to_one("one leaf");
    log.until("one cosignature", || log.cosignatures() == 1);
    let label = |n: usize| log.network.witnesses[n].url.replace("http://", "");
    let of_witness =
        |n| format!("sigsum_log_witness_success_time_seconds{{witness=\"{}\"}}", label(n));
    assert!(log.metric(&of_witness(0)).is_some());
    assert_eq!(log.metric(&of_witness(2)), None, "nobody is alerted about one that left");
    // They come back, and cosign the head that is served.
    log.replace("log-policy", log.policy_of(&[2, 1, 0], 3));
    log.until("three cosignatures", || log.cosignatures() == 3);
    assert!(log.metric(&of_witness(2)).is_some());
    // One moves.
    log.network.witnesses.remove(1).stop();
    let args = ["witness", "run", "--data-dir", "w1", "-k", "w1-key", "--listen", "127.0.0.1:0"];
    let moved = log.sandbox().daemon(&args);
    let all = log.sandbox().read("all-witnesses");
    let key = log.sandbox().key_hex("w1-key");
    let lines = all.lines().map(|line| match line.starts_with("witness w1 ") {
        true => format!("witness w1 {key} {}\n", moved.url),
        false => format!("{line}\n"),
    });
    log.sandbox().write("all-witnesses", lines.collect::<String>());
    log.replace("log-policy", log.policy_of(&[0, 1, 2], 3));
    log.submit("a leaf for three");
    assert_eq!(log.cosignatures(), 3);
    assert_eq!(log.log().pid(), pid);
}

impl Configured {
    /// Submits under a policy that asks for the first witness alone.
    fn submit_to_one(&self, message: &str) {
        let log = format!("log {} {}\n", self.sandbox().key_hex("log-key"), self.url());
        self.sandbox().write("policy", log + &self.policy_of(&[0], 1));
        let args = ["submit", "-p", "policy", "-k", "submit-key", "-o", "proof"];
        self.sandbox().run_with(&args, message.as_bytes()).ok();
    }
}

#[test]
fn no_request_fails_while_the_configuration_is_read_fifty_times() {
    let mut log = with_all_witnesses(Configured::start(3, 2));
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let policies = [log.policy_of(&[0, 1], 2), log.policy_of(&[2, 1, 0], 2)];
    let url = log.url().to_owned();
    let failed = std::thread::scope(|scope| {
        let load = || {
            let mut failed = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                for path in ["/get-tree-head", "/checkpoint", "/get-leaves/0/1"] {
                    let (code, body) = http(&url, "GET", path, b"");
                    // An empty tree has no leaves, and says so.
                    let is_well = code == 200 || (path.starts_with("/get-leaves") && code == 400);
                    if !is_well {
                        failed.push(format!("{path}: {code} {body}"));
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }
            failed
        };
        let clients = [scope.spawn(load), scope.spawn(load)];
        for round in 0..50 {
            let range = 100 + round;
            log.replace("config.toml", format!("{CONFIG}max-range = {range}\n"));
            log.replace("log-policy", &policies[round % 2]);
            log.log().hang_up();
            log.log().until_said_all(&["read again", "it was asked for"]);
        }
        stop.store(true, Ordering::Relaxed);
        clients.map(|client| client.join().unwrap()).concat()
    });
    assert!(failed.is_empty(), "{failed:?}");
    assert!(answered.load(Ordering::Relaxed) > 100);
    log.submit("a leaf after all that");
    let said = log.network.log.take().unwrap().stop();
    assert!(!said.contains("[ERRO]"), "{said}");
}

#[test]
fn a_bad_file_is_refused_whole_and_the_old_one_stays() {
    let mut log = with_all_witnesses(Configured::start(1, 1));
    let policy = log.sandbox().read("log-policy");
    let key = log.sandbox().key_hex("log-key");
    // Each with a good part that must not be taken up either.
    let changed = CONFIG.replace("interval = \"1s\"", "interval = \"3s\"");
    let config = |rest: &str| format!("{changed}{rest}\n");
    let good_policy = policy.as_str();
    let cases: Vec<(&str, String, String, &str)> = vec![
        ("no TOML", config("max-range = = 3"), policy.clone(), "line 11"),
        ("an unknown key", config("max-rage = 3"), policy.clone(), "primary.max-rage"),
        ("a value of another type", config("max-range = \"x\""), policy.clone(), "max-range"),
        ("a value out of range", config("max-range = 0"), policy.clone(), "max-range must be from"),
        ("no duration", config("min-interval = \"soon\""), policy.clone(), "min-interval"),
        ("a level that is none", changed.replace("info", "loud"), policy.clone(), "loud"),
        (
            "a log file that cannot be opened",
            format!("log-file = \"/nonexistent/log\"\n{changed}"),
            policy.clone(),
            "/nonexistent/log",
        ),
        (
            "a policy that is not there",
            changed.replace("log-policy", "no-policy"),
            policy.clone(),
            "no-policy",
        ),
        ("no policy", changed.clone(), "what?\n".to_owned(), "1: unknown keyword"),
        ("a policy without a quorum", changed.clone(), format!("log {key}\n"), "quorum"),
        (
            "a witness with a URL that is none",
            changed.clone(),
            good_policy.replace("http://", "gopher://"),
            "gopher",
        ),
    ];
    let before = log.metric("sigsum_log_config_reload_success_time_seconds").unwrap();
    for (what, config, policy, reason) in cases {
        // This one first: a look between the two finds one that is bad by itself, or no change.
        log.sandbox().write("log-policy", policy);
        log.sandbox().write("config.toml", config);
        log.log().hang_up();
        let line = log.log().until_said_all(&["refused", reason]);
        assert!(line.contains("[ERRO]"), "{what}: {line}");
        assert_eq!(log.metric("sigsum_log_config_reload_failed"), Some(1.0), "{what}");
        let (ready, page) = http(&log.internal, "GET", "/readyz", b"");
        assert_eq!(ready, 200, "{what}: {page}");
    }
    log.submit("the old configuration is in force");
    log.sandbox().write("config.toml", CONFIG);
    log.sandbox().write("log-policy", &policy);
    log.log().hang_up();
    let line = log.log().until_said("read again");
    assert!(line.contains("nothing has changed"), "nothing of the bad ones was taken up: {line}");
    assert_eq!(log.metric("sigsum_log_config_reload_failed"), Some(0.0));
    assert!(log.metric("sigsum_log_config_reload_success_time_seconds").unwrap() >= before);
}

#[test]
fn a_file_that_vanishes_changes_nothing_and_counts_when_it_is_back() {
    let mut log = with_all_witnesses(Configured::start(1, 1));
    for name in ["config.toml", "log-policy"] {
        let away = format!("{name}.away");
        std::fs::rename(log.sandbox().path(name), log.sandbox().path(&away)).unwrap();
        let line = log.log().until_said("refused");
        assert!(line.contains(name), "{line}");
        std::fs::rename(log.sandbox().path(&away), log.sandbox().path(name)).unwrap();
        log.log().until_said("nothing has changed");
    }
    // A directory in its place cannot be read at all, not even by root.
    std::fs::remove_file(log.sandbox().path("log-policy")).unwrap();
    std::fs::create_dir(log.sandbox().path("log-policy")).unwrap();
    log.log().until_said("refused");
    log.submit("the old configuration is in force");
}

#[test]
fn every_file_that_the_configuration_names_is_watched_also_after_one_was_refused() {
    let mut network = Network::start(0, 0);
    network.log.take().unwrap().stop();
    let sandbox = &network.sandbox;
    sandbox.key("f");
    sandbox.write("limits", "");
    let good = ["f.pub", "log-policy", "limits"].map(|name| (name, sandbox.read(name)));
    let config = CONFIG.to_owned()
        + "rate-limit-file = \"limits\"\nrequired = 1\n\n[[primary.followers]]\n\
           url = \"http://127.0.0.1:1\"\npubkey-file = \"f.pub\"\n";
    sandbox.write("config.toml", config);
    let mut log = sandbox.daemon(&["log", "primary", "--config", "config.toml"]);
    for (name, text) in good {
        sandbox.write(name, "what is this?");
        log.until_said("refused");
        sandbox.write(name, text);
        log.until_said_all(&["nothing has changed", name]);
    }
    log.stop();
}

#[test]
fn what_needs_a_restart_is_named_and_the_rest_is_taken_up() {
    let mut log = with_all_witnesses(Configured::start(1, 1));
    log.sandbox().key("other-key");
    let other = CONFIG
        .replace("data-dir = \"log\"", "data-dir = \"other\"")
        .replace("key-file = \"log-key\"", "key-file = \"other-key\"")
        .replace("interval = \"1s\"", "interval = \"2s\"")
        .replace("external-endpoint = \"127.0.0.1:0\"", "external-endpoint = \":1\"");
    log.replace("config.toml", other);
    let changed = log.log().until_said("read again");
    assert!(changed.contains("changed=\"interval\""), "{changed}");
    let later = log.log().until_said("next start");
    for key in ["data-dir", "external-endpoint", "key-file"] {
        assert!(later.contains("[WARN]") && later.contains(key), "{later}");
    }
    log.submit("it runs where it ran");
}

#[test]
fn lines_of_another_level_go_to_another_file_while_the_log_runs() {
    let log = with_all_witnesses(Configured::start(0, 0));
    let config =
        CONFIG.replace("log-level = \"info\"", "log-level = \"debug\"\nlog-file = \"lines\"");
    log.replace("config.toml", config);
    let lines = || std::fs::read_to_string(log.sandbox().path("lines")).unwrap_or_default();
    log.until("lines in the file", || lines().contains("read again"));
    log.submit("something to write a line about");
    log.until("lines of level debug", || lines().contains("[DEBU]"));
    // As logrotate does without copytruncate.
    std::fs::rename(log.sandbox().path("lines"), log.sandbox().path("lines.1")).unwrap();
    log.network.log.as_ref().unwrap().hang_up();
    log.until("lines in a new file", || lines().contains("read again"));
}

#[test]
fn hanging_up_ends_no_daemon() {
    let mut network = Network::start(1, 1);
    network.log.as_mut().unwrap().hang_up();
    network.log.as_mut().unwrap().until_said("nothing has changed");
    network.witnesses[0].hang_up();
    network.witnesses[0].until_said("nothing has changed");
    let single = [
        "witness",
        "single",
        "-k",
        "w0-key",
        "--log-key",
        "log-key.pub",
        "--state-file",
        "state",
        "127.0.0.1:0",
    ];
    let mut single = network.sandbox.daemon(&single);
    single.hang_up();
    single.until_said("nothing has changed");
    single.stop();
    network.log.take().unwrap().stop();
}

#[test]
fn systemd_hears_when_the_log_is_ready_reloads_and_stops() {
    let mut network = Network::start(0, 0);
    network.log.take().unwrap().stop();
    let socket = UnixDatagram::bind(network.sandbox.path("notify")).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let message = || {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let next = |beginning: &str| loop {
        let message = message();
        if message != "WATCHDOG=1" {
            assert!(message.starts_with(beginning), "{message:?} for {beginning:?}");
            return message;
        }
    };
    let mut command = network.sandbox.command(&crate::harness::LOG_ARGS);
    command.env("NOTIFY_SOCKET", network.sandbox.path("notify")).env("WATCHDOG_USEC", "200000");
    let log = Daemon::start(command);
    next("READY=1");
    while message() != "WATCHDOG=1" {}
    log.hang_up();
    next("RELOADING=1\nMONOTONIC_USEC=");
    assert_eq!(next("READY=1"), "READY=1\nSTATUS=");
    network.sandbox.write("log-policy", "what?\n");
    log.hang_up();
    next("RELOADING=1");
    assert!(next("READY=1").contains("refused"));
    log.stop();
    next("STOPPING=1");
}
