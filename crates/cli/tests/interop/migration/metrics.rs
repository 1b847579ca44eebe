//! The metrics of log-go, by the names, kinds, labels and buckets that its users' dashboards know.

use crate::go_rig::GoRig;
use crate::harness::{Daemon, Sandbox};
use crate::heads::{get, request};
use crate::peers::peer_command;
use crate::secondaries::until;
use crate::submissions::{SUBMIT, files};
use std::collections::BTreeSet;

/// What log-go's own metrics begin with; others are Go's.
const OWN: &str = "sigsum_log_go_";
/// Labels whose values are the same wherever the same is asked. Statuses are not among them: a leaf
/// is answered 202 first by log-go, and by ours if it must be.
const FIXED_LABELS: [&str; 2] = ["endpoint", "le"];

/// Lines of a page: kinds, and series without their values.
#[track_caller]
fn shown(internal_url: &str) -> BTreeSet<String> {
    let (status, page) = get(internal_url, "/metrics").unwrap();
    assert_eq!(status, 200);
    let page = String::from_utf8(page).unwrap();
    let kinds = page.lines().filter(|line| line.starts_with(&format!("# TYPE {OWN}")));
    let series = page.lines().filter(|line| line.starts_with(OWN)).map(series);
    kinds.map(str::to_owned).chain(series).collect()
}

/// Name, labels in order, and the values of those that mean the same everywhere.
fn series(line: &str) -> String {
    let line = line.rsplit_once(' ').unwrap().0;
    let (name, labels) = line.split_once('{').unwrap_or((line, ""));
    let pairs = labels.trim_end_matches('}').split(',').filter(|pair| !pair.is_empty());
    let mut labels: Vec<String> = pairs
        .map(|pair| match pair.split_once('=').unwrap() {
            (label, value) if FIXED_LABELS.contains(&label) => format!("{label}={value}"),
            (label, _) => label.to_owned(),
        })
        .collect();
    labels.sort();
    format!("{name} {}", labels.join(" "))
}

/// The same requests to each log: one of each kind that is answered, and one that is not.
#[track_caller]
fn use_log(sandbox: &Sandbox, url: &str) {
    let names = files(sandbox, "f", 2);
    for name in &names {
        sandbox.run(&[&["submit"], &SUBMIT[..], &[name]].concat()).ok();
    }
    let until_size_2 = || get(url, "/get-leaves/0/2").is_some_and(|(status, _)| status == 200);
    until("two leaves are published", until_size_2);
    let (_, body) = get(url, "/get-leaves/0/1").unwrap();
    let leaf = sigsum_core::wire::log::parse_leaves(&body, 1).unwrap()[0];
    let proof = format!("/get-inclusion-proof/2/{}", leaf.hash());
    for path in ["/get-tree-head", "/get-consistency-proof/1/2", &proof] {
        assert_eq!(get(url, path).unwrap().0, 200, "{path}");
    }
    for path in ["/get-leaves/0/9", "/get-consistency-proof/1/9", "/get-inclusion-proof/9/00"] {
        assert_eq!(get(url, path).unwrap().0, 400, "{path}");
    }
    assert_eq!(request(url, "POST", "/add-leaf", b"x").unwrap().0, 400);
}

#[test]
fn under_its_name_our_log_has_the_metrics_of_sigsum_log_primary() {
    let Some(mut rig) = GoRig::ephemeral(&["--interval", "1s"]) else { return };
    rig.sandbox.key("k");
    use_log(&rig.sandbox, &rig.url());
    let theirs = shown(&rig.internal_url());
    assert!(theirs.len() > 50, "{theirs:#?}");
    rig.stop_log();
    drop(rig);
    // Another log, as the witnesses of this one know leaves of it.
    let Some(rig) = GoRig::prepared_in(Sandbox::new(), &[]) else { return };
    rig.sandbox.key("k");
    let sandbox = &rig.sandbox;
    sandbox.run(&["links", "."]).ok();
    let endpoint = rig.url().split_off("http://".len());
    let args = ["--data-dir", "log", "--key-file", "log-key", "--policy-file", "log-policy"];
    let ends = ["--external-endpoint", &endpoint, "--internal-endpoint", "127.0.0.1:0"];
    let more = ["--sth-file", "sth", "--replication", "none", "--interval", "1s"];
    let program = sandbox.path("sigsum-log-primary");
    let mut log =
        Daemon::start(peer_command(sandbox, &program, &[&args[..], &ends, &more].concat()));
    let internal = log.internal_url();
    use_log(sandbox, &rig.url());
    let missing: Vec<_> = theirs.difference(&shown(&internal)).cloned().collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
