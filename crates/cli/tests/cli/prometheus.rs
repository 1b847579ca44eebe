//! What `deploy/prometheus` has, held to the programs: rules, their tests, the dashboard, and a real
//! Prometheus that watches a log whose dependencies are broken in turn.

use crate::copies::Replicated;
use crate::documents::{document, repository};
use crate::full_disk::SmallDisk;
use crate::harness::{Daemon, Network, Sandbox, http, say};
use crate::leaf::add_leaf_request;
use crate::metrics::documented_everywhere;
use crate::probe::until;
use crate::rate_limits::{add_leaf, token_for};
use crate::resolver::Resolver;
use sigsum_keys::Ed25519Signer;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Whether a program is here; said aloud where it is not.
fn is_installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        say(&format!("skipped: {program} is not installed (Debian's package prometheus)"));
    }
    found
}

fn deployed(name: &str) -> PathBuf {
    repository().join("deploy/prometheus").join(name)
}

#[track_caller]
fn promtool(args: &[&str], file: &str) {
    let output = Command::new("promtool").args(args).arg(deployed(file)).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_rules_are_valid_and_pass_their_tests() {
    if is_installed("promtool") {
        promtool(&["check", "rules"], "sigsum.rules.yml");
        promtool(&["check", "config"], "prometheus.yml");
        promtool(&["test", "rules"], "sigsum.rules.test.yml");
    }
}

/// Every word of a text that looks like one of our metrics.
fn metric_names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    let ours = |word: &&str| {
        word.starts_with("sigsum_") || word.starts_with("process_") || word.starts_with("sigsum:")
    };
    words.filter(ours).map(str::to_owned).collect()
}

#[test]
fn rules_and_dashboard_ask_only_for_metrics_that_exist() {
    let known = documented_everywhere();
    let rules = document("deploy/prometheus/sigsum.rules.yml");
    let recorded: BTreeSet<String> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- record: "))
        .map(str::to_owned)
        .collect();
    for file in ["sigsum.rules.yml", "sigsum.rules.test.yml", "grafana-sigsum.json"] {
        let text = document(&format!("deploy/prometheus/{file}"));
        let names = metric_names(&text);
        assert!(names.len() > 10, "{file}: {names:?}");
        for name in names {
            let base = name.trim_end_matches("_bucket");
            let is_known =
                known.contains(&name) || known.contains(base) || recorded.contains(&name);
            assert!(is_known, "{file}: {name}");
        }
    }
    serde_json::from_str::<serde_json::Value>(&document("deploy/prometheus/grafana-sigsum.json"))
        .unwrap();
}

#[test]
fn what_the_documents_say_to_alert_on_has_a_rule() {
    let text = document("docs/metrics.md");
    let table = text.split("## What to alert on").nth(1).unwrap().split("\n## ").next().unwrap();
    let conditions = table.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let named: BTreeSet<String> = conditions.flat_map(metric_names).collect();
    assert!(named.len() > 20, "{named:?}");
    let asked = metric_names(&document("deploy/prometheus/sigsum.rules.yml"));
    let missing: Vec<_> = named.difference(&asked).collect();
    assert!(missing.is_empty(), "no rule asks for {missing:?}");
}

#[test]
fn every_alert_says_how_bad_it_is_and_what_to_do() {
    let rules = document("deploy/prometheus/sigsum.rules.yml");
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(alerts.len() >= 20);
    for alert in alerts {
        let alert = alert.split("\n      - ").next().unwrap();
        for part in ["expr: ", "labels: {severity: ", "summary: \"", "action: \""] {
            assert!(alert.contains(part), "{part} in {alert}");
        }
    }
}

/// A Prometheus that looks every second.
struct Prometheus {
    child: Child,
    url: String,
    /// Whether the log has a disk of its own, and not that of this machine, which may be full.
    watches_disk: bool,
}

impl Prometheus {
    fn start(sandbox: &Sandbox, log: &str, probe: &str, watches_disk: bool) -> Self {
        // As deployed, but that nobody has to wait half a minute for each state to have lasted.
        let rules = document("deploy/prometheus/sigsum.rules.yml");
        let patient = rules.matches("        for: ").count();
        let rules: Vec<String> = rules
            .lines()
            .map(|line| {
                if line.starts_with("        for: ") {
                    "        for: 1s".into()
                } else {
                    line.to_owned()
                }
            })
            .collect();
        let rules = rules.join("\n") + "\n";
        assert_eq!(rules.matches("        for: 1s\n").count(), patient);
        sandbox.write("sigsum.rules.yml", rules);
        let target = |url: &str| url.strip_prefix("http://").unwrap().to_owned();
        let config = document("deploy/prometheus/prometheus.yml")
            .replace("15s", "1s")
            .replace("localhost:6967", &target(log))
            .replace("localhost:6969", &target(probe));
        // There is no witness with an internal endpoint in this network.
        let witness = config.find("  - job_name: sigsum-witness").unwrap();
        let prober = config.find("  - job_name: sigsum-probe").unwrap();
        let config = config[..witness].to_owned() + &config[prober..];
        sandbox.write("prometheus.yml", config);
        let mut child = Command::new("prometheus")
            .current_dir(sandbox.path(""))
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb"])
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut said = String::new();
        let address = lines.by_ref().find_map(|line| {
            said += &format!("{line}\n");
            let listens = line.contains("Listening on");
            let address = line.split("address=").nth(1).filter(|_| listens)?;
            Some(address.split_whitespace().next().unwrap().to_owned())
        });
        let address = address.unwrap_or_else(|| panic!("it does not listen: {said}"));
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url: format!("http://{address}"), watches_disk }
    }

    /// The alerts that fire, by name.
    fn firing(&self) -> BTreeSet<String> {
        let query = "/api/v1/query?query=ALERTS%7Balertstate%3D%22firing%22%7D";
        let names = self
            .results(query)
            .into_iter()
            .map(|result| result["metric"]["alertname"].as_str().unwrap().to_owned());
        names.filter(|name| self.watches_disk || name != "SigsumLogDiskFilling").collect()
    }

    fn results(&self, query: &str) -> Vec<serde_json::Value> {
        let (code, body) = http(&self.url, "GET", query, b"");
        if code != 200 {
            return Vec::new(); // it has just started
        }
        // Behind a chunk's length, where there is one.
        let json = body.find('{').map_or("", |at| &body[at..]);
        let json = json.rsplit_once('}').map_or(String::new(), |(json, _)| format!("{json}}}"));
        let answer: serde_json::Value = serde_json::from_str(&json).unwrap();
        answer["data"]["result"].as_array().unwrap().clone()
    }

    /// Whether both targets were read, and the rules over them evaluated, this often.
    fn has_looked(&self, times: usize) -> bool {
        let count = "/api/v1/query?query=count_over_time(sigsum_log_published_size%5B10m%5D)";
        let up = "/api/v1/query?query=sum(up)";
        let number = |query| {
            let results = self.results(query);
            let text = results.first().and_then(|r| r["value"][1].as_str().map(str::to_owned));
            text.map_or(0.0, |text| text.parse::<f64>().unwrap())
        };
        number(count) >= times as f64 && number(up) >= 2.0
    }

    #[track_caller]
    fn until_firing(&self, alert: &str) {
        until(|| self.firing().contains(alert));
    }

    #[track_caller]
    fn until_quiet(&self, alerts: &[&str]) {
        until(|| self.firing().iter().all(|name| !alerts.contains(&name.as_str())));
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An agent of OpenSSH with the log's key; `None`, said aloud, where there is none.
pub(crate) struct Agent {
    child: Child,
    pub(crate) socket: String,
}

impl Agent {
    pub(crate) fn start(sandbox: &Sandbox) -> Option<Self> {
        if Command::new("ssh-agent").arg("-h").output().is_err() {
            say("skipped: ssh-agent is not installed (Debian's package openssh-client)");
            return None;
        }
        let socket = sandbox.arg("agent");
        let _ = std::fs::remove_file(&socket); // that of one before
        let child = Command::new("ssh-agent")
            .args(["-D", "-a", &socket])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let agent = Self { child, socket };
        until(|| {
            let mut add = Command::new("ssh-add");
            add.arg("-q").arg(sandbox.path("log-key")).env("SSH_AUTH_SOCK", &agent.socket);
            add.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
        });
        Some(agent)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a witness again where it was.
fn restart_witness(network: &Network, n: usize, url: &str) -> Daemon {
    let (key, dir) = (format!("w{n}-key"), format!("w{n}"));
    let address = url.strip_prefix("http://").unwrap();
    network.sandbox.daemon(&["witness", "run", "--data-dir", &dir, "-k", &key, "--listen", address])
}

#[test]
fn each_dependency_that_breaks_fires_its_rule_and_a_healthy_log_none() {
    if !is_installed("prometheus") {
        return;
    }
    let sandbox = Sandbox::new();
    let disk = SmallDisk::mount(&sandbox.path("log"), "16m");
    let mut network = Network::start_in(sandbox, 2, 1);
    let Some(agent) = Agent::start(&network.sandbox) else { return };
    network.log.take().unwrap().stop();
    let mut args: Vec<&str> = crate::harness::LOG_ARGS.to_vec();
    args[5] = "log-key.pub";
    args.extend(["--interval", "3s"]);
    let mut command = network.sandbox.command(&args);
    command.env("SSH_AUTH_SOCK", &agent.socket);
    let mut log = Daemon::start(command);
    let internal = log.internal_url();
    let policy = network.sandbox.read("log-policy");
    let rest = policy.split_once('\n').unwrap().1;
    let line = format!("log {} {}\n", network.sandbox.key_hex("log-key"), log.url);
    network.sandbox.write("policy", line + rest);
    let probe =
        ["probe", "-p", "policy", "-t", "5s", "--interval", "1s", "--listen", "127.0.0.1:0"];
    let probe = network.sandbox.daemon(&probe);
    until(|| http(&probe.url, "GET", "/metrics", b"").1.contains("service=\"quorum\"} 1"));
    let prometheus = Prometheus::start(&network.sandbox, &internal, &probe.url, disk.is_some());

    // Healthy: all is read and judged some times, and nothing fires, or not for long: a second is too
    // short for some rules on a busy machine.
    until(|| prometheus.has_looked(5) && prometheus.firing().is_empty());

    // One witness of two is gone, and one is enough.
    let urls: Vec<String> = network.witnesses.iter().map(|witness| witness.url.clone()).collect();
    network.witnesses.remove(1).kill();
    let alone = BTreeSet::from(["SigsumLogWitnessFailing".to_owned()]);
    until(|| prometheus.firing() == alone);

    // Both are: no quorum, which is seen from outside too.
    network.witnesses.remove(0).kill();
    prometheus.until_firing("SigsumLogQuorumMissing");
    prometheus.until_firing("SigsumProbeFailing");
    network.witnesses = (0..2).map(|n| restart_witness(&network, n, &urls[n])).collect();
    let of_witnesses = ["SigsumLogWitnessFailing", "SigsumLogQuorumMissing", "SigsumProbeFailing"];
    prometheus.until_quiet(&of_witnesses);

    // The key is gone.
    drop(agent);
    prometheus.until_firing("SigsumLogSignerFailing");
    let _agent = Agent::start(&network.sandbox).unwrap();
    prometheus.until_quiet(&["SigsumLogSignerFailing", "SigsumProbeFailing"]);

    // The disk is full: leaves are still durable, as the journal has room, and no head is made.
    if let Some(disk) = &disk {
        disk.fill();
        prometheus.until_firing("SigsumLogDiskFilling");
        prometheus.until_firing("SigsumLogHeadFailing");
        prometheus.until_firing("SigsumProbeFailing");
        disk.free();
        prometheus.until_quiet(&["SigsumLogDiskFilling", "SigsumProbeFailing"]);
    }

    // The log itself is gone.
    log.kill();
    prometheus.until_firing("SigsumLogDown");
    prometheus.until_firing("SigsumProbeFailing");

    // And so is who looks at it.
    probe.stop();
    prometheus.until_firing("SigsumProbeDown");
}

#[test]
fn a_follower_and_a_resolver_that_break_fire_their_rules() {
    if !is_installed("prometheus") {
        return;
    }
    let mut log = Replicated::make(1, 1);
    let signer = Ed25519Signer::generate().unwrap();
    let record = ("_sigsum_v1.a.test", &*signer.public_key().to_hex());
    let Some(dns) = Resolver::start(&log.sandbox, 60, &[record]) else { return };
    let (args, resolver) = (log.args(), dns.address.to_string());
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    args.extend(["--dns-resolver", &resolver]);
    let mut primary = log.sandbox.daemon(&args);
    log.internal_url = primary.internal_url();
    let url = primary.url.clone();
    log.primary = Some(primary);
    log.copies[0].way_out.lead_to(&log.internal_url);
    log.copies[0].start(&log.sandbox);
    log.warm_up(&signer);
    let add = |domain: &str, number| {
        let token = token_for(&log.sandbox, &signer, domain);
        add_leaf(&url, &add_leaf_request(&signer, number), Some(&token)).status
    };
    assert_eq!(add("a.test", 2), 200);
    // The follower's page stands where a prober's would.
    let follower = log.copies[0].internal_url.clone();
    let prometheus = Prometheus::start(&log.sandbox, &log.internal_url, &follower, false);
    until(|| prometheus.has_looked(5) && prometheus.firing().is_empty());

    // The resolver is gone, and each submission is of another domain.
    drop(dns);
    let mut number = 3;
    until(|| {
        number += 1;
        assert_eq!(add(&format!("d{number}.test"), number), 503);
        prometheus.firing().contains("SigsumLogDnsFailing")
    });

    log.copies[0].kill();
    prometheus.until_firing("SigsumLogFollowersMissing");
}
