//! Followers that lie, primaries that show another tree, and nodes that do not belong together.

use crate::copies::{Copy, Load, Replicated, metric, until};
use crate::fake::{Fake, Request, answer};
use crate::harness::{Daemon, LOG_ARGS, Sandbox};
use crate::wire::try_ask;
use sigsum_core::wire::log::signed_tree_head_body;
use sigsum_core::{Hash, SignedTreeHead, TreeHead, TreeSize};
use sigsum_keys::{Ed25519Signer, read_private_key};
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a follower says that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// None yet: it holds nothing.
    Nothing,
    OtherTree,
    Ahead,
    OtherKey,
    Garbage,
    Failure,
}

/// Answers the primary's questions so.
fn liar(key: Ed25519Signer, lie: Arc<Mutex<Lie>>) -> Fake {
    let stranger = Ed25519Signer::generate().unwrap();
    let signed = move |key: &Ed25519Signer, tree_head: TreeHead| {
        let bytes = tree_head.sigsum_signing_bytes(&key.public_key().key_hash());
        signed_tree_head_body(&SignedTreeHead { tree_head, signature: key.sign_now(&bytes) })
    };
    let tree = |size| TreeHead { size: TreeSize(size), root_hash: Hash::new([7; 32]) };
    Fake::start(move |mut stream| {
        while Request::read(&mut stream).is_some() {
            let lie = *lie.lock().unwrap();
            let body = match lie {
                Lie::Nothing => signed(&key, TreeHead::empty()),
                Lie::OtherTree => signed(&key, tree(1)),
                Lie::Ahead => signed(&key, tree(1 << 40)),
                Lie::OtherKey => signed(&stranger, TreeHead::empty()),
                Lie::Garbage => "size=-1\n".to_owned(),
                Lie::Failure => String::new(),
            };
            let status = if lie == Lie::Failure { 500 } else { 200 };
            if stream.write_all(&answer(status, "", body.as_bytes())).is_err() {
                return;
            }
        }
    })
}

#[test]
fn a_follower_that_lies_counts_for_nothing_and_holds_up_nobody() {
    let mut log = Replicated::make(1, 1);
    log.sandbox.key("liar-key");
    let key = read_private_key(&log.sandbox.path("liar-key")).unwrap();
    let lie = Arc::new(Mutex::new(Lie::Nothing));
    let fake = liar(key, lie.clone());
    log.others.push((fake.url(), "liar-key.pub".to_owned()));
    log.start_primary();
    let Replicated { copies, sandbox, .. } = &mut log;
    copies[0].start(sandbox);
    let signer = Ed25519Signer::generate().unwrap();
    log.warm_up(&signer);
    let (load, url) = (Load::default(), log.url().to_owned());
    let shows = |name: &str| log.of_follower(name, &fake.url()) == Some(1.0);
    load.during(&url, &signer, || {
        for (told, shown) in [
            (Lie::OtherTree, Some("sigsum_log_follower_contradicts")),
            (Lie::Ahead, Some("sigsum_log_follower_ahead")),
            (Lie::OtherKey, None),
            (Lie::Garbage, None),
            (Lie::Failure, None),
        ] {
            *lie.lock().unwrap() = told;
            if let Some(name) = shown {
                until(&format!("{name} is 1"), || shows(name));
            }
            load.more(50);
        }
    });
    load.saw_nothing_but_200();
    assert_eq!(log.of_follower("sigsum_log_follower_size", &fake.url()), Some(0.0));
    load.is_held_by(1, &[log.copies[0].leaves()]);
}

#[test]
fn with_a_liar_required_nothing_is_promised() {
    let mut log = Replicated::make(1, 2);
    log.sandbox.key("liar-key");
    let key = read_private_key(&log.sandbox.path("liar-key")).unwrap();
    let lie = Arc::new(Mutex::new(Lie::Nothing));
    let fake = liar(key, lie.clone());
    log.others.push((fake.url(), "liar-key.pub".to_owned()));
    log.start_primary();
    let Replicated { copies, sandbox, .. } = &mut log;
    copies[0].start(sandbox);
    until("the log takes leaves", || {
        try_ask(&log.internal_url, "GET", "/readyz", b"").is_some_and(|ready| {
            let text = ready.text();
            !text.contains("start guard")
        })
    });
    *lie.lock().unwrap() = Lie::Ahead;
    let signer = Ed25519Signer::generate().unwrap();
    until("the leaf is on the honest follower", || {
        assert_eq!(log.submit(&signer, 0), 202);
        log.copies[0].size() == 1
    });
    assert_eq!(log.submit(&signer, 0), 202);
    assert_eq!(log.published(), 0);
}

/// Another primary of the same log, in this directory, with these leaves more.
fn rival(sandbox: &Sandbox, dir: &str) -> (Daemon, String) {
    let mut args = LOG_ARGS;
    args[3] = dir;
    let mut rival = sandbox.daemon(&args);
    let internal = rival.internal_url();
    (rival, internal)
}

fn submit(url: &str, signer: &Ed25519Signer, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let body = crate::leaf::add_leaf_request(signer, number).to_body();
        until("the leaf is taken", || {
            try_ask(url, "POST", "/add-leaf", &body)
                .is_some_and(|answer| matches!(answer.status, 200 | 202))
        });
    }
}

#[test]
fn a_follower_whose_primary_shows_another_tree_stops_and_keeps_what_it_has() {
    let mut log = Replicated::start(1, 1);
    let signer = Ed25519Signer::generate().unwrap();
    (0..5).for_each(|number| log.settle(&signer, number));
    let held = log.copies[0].leaves();
    assert_eq!(held.len(), 5);
    log.primary.take().unwrap().kill();
    // The log's key in a new directory: a fork, larger than the copy.
    let sandbox = &log.sandbox;
    sandbox.run(&["log", "init", "--data-dir", "fork", "--key-file", "log-key"]).ok();
    let (fork, internal) = rival(sandbox, "fork");
    submit(&fork.url, &signer, 100..110);
    let copy = &mut log.copies[0];
    copy.way_out.lead_to(&internal);
    let stopped = |copy: &Copy| {
        until("the follower notices", || {
            metric(&copy.internal_url, "sigsum_secondary_contradiction") == Some(1.0)
        });
        let ready = try_ask(&copy.internal_url, "GET", "/readyz", b"").unwrap().text();
        assert!(ready.contains("copy: the primary shows another tree"), "{ready}");
        assert_eq!(copy.leaves(), held, "nothing was added or changed");
    };
    stopped(copy);
    let said = copy.daemon.take().unwrap().stop();
    let errors: Vec<&str> = said.lines().filter(|line| line.contains("[ERRO]")).collect();
    assert_eq!(errors.len(), 1, "{said}");
    assert!(errors[0].contains("the primary shows another tree"), "{said}");
    copy.start(sandbox);
    stopped(copy);
}

#[test]
fn a_follower_copies_nothing_from_a_primary_on_an_old_copy() {
    let mut log = Replicated::start(1, 1);
    let signer = Ed25519Signer::generate().unwrap();
    (0..3).for_each(|number| log.settle(&signer, number));
    until("three leaves are published", || log.published() == 3);
    log.primary.take().unwrap().stop();
    let copied = std::process::Command::new("cp")
        .args(["-a", &log.sandbox.arg("log"), &log.sandbox.arg("old")])
        .status();
    assert!(copied.unwrap().success());
    log.start_primary();
    (3..6).for_each(|number| log.settle(&signer, number));
    until("the follower verified six", || {
        metric(&log.copies[0].internal_url, "sigsum_secondary_verified_size") == Some(6.0)
    });
    let held = log.copies[0].leaves();
    log.primary.take().unwrap().kill();
    let (old, internal) = rival(&log.sandbox, "old");
    let copy = &log.copies[0];
    copy.way_out.lead_to(&internal);
    until("the follower notices", || {
        metric(&copy.internal_url, "sigsum_secondary_primary_behind") == Some(1.0)
    });
    assert_eq!(copy.leaves(), held);
    // Once it has grown past the copy its leaves are others, and its head proves it.
    submit(&old.url, &signer, 200..206);
    until("the follower notices", || {
        metric(&copy.internal_url, "sigsum_secondary_contradiction") == Some(1.0)
    });
    assert_eq!(copy.leaves(), held);
}

#[test]
fn nodes_of_different_logs_or_with_wrong_keys_do_not_work_together() {
    let mut log = Replicated::make(1, 1);
    // The follower's directory is made for another log.
    log.sandbox.key("other-log-key");
    std::fs::remove_dir_all(log.sandbox.path("f0")).unwrap();
    let init = ["log", "init", "--follower", "--data-dir", "f0", "--key-file", "other-log-key.pub"];
    log.sandbox.run(&init).ok();
    log.start_primary();
    let Replicated { copies, sandbox, .. } = &mut log;
    copies[0].start(sandbox);
    until("the follower says what is wrong", || {
        metric(&copies[0].internal_url, "sigsum_secondary_copy_failures_total") > Some(1.0)
    });
    let signer = Ed25519Signer::generate().unwrap();
    submit(log.url(), &signer, 0..1);
    assert_eq!(log.copies[0].size(), 0);
    let said = log.copies[0].daemon.take().unwrap().stop();
    assert!(said.contains("not signed with this log's key"), "{said}");

    // The primary has another key for the follower than it signs with.
    let mut log = Replicated::make(1, 1);
    log.sandbox.key("another-key");
    std::fs::copy(log.sandbox.path("another-key.pub"), log.sandbox.path("f0-key.pub")).unwrap();
    log.start_primary();
    let Replicated { copies, sandbox, .. } = &mut log;
    copies[0].start(sandbox);
    until("the primary waits for its follower", || {
        let ready = try_ask(&log.internal_url, "GET", "/readyz", b"");
        ready.is_some_and(|ready| ready.text().contains("followers: too few"))
    });
    let copy = &log.copies[0];
    until("the follower is asked", || {
        let asked = "sigsum_log_go_http_req{endpoint=\"get-secondary-tree-head\"}";
        metric(&copy.internal_url, asked) > Some(2.0)
    });
    assert_eq!(log.submit(&signer, 0), 503, "no leaf before the required followers were heard");
    let said = log.primary.take().unwrap().stop();
    assert!(said.contains("not signed with the configured key"), "{said}");
}

#[test]
fn a_node_does_not_start_in_the_others_role() {
    let log = Replicated::make(1, 1);
    log.sandbox.key("other-key");
    let run = |args: &[&str]| log.sandbox.run(args);
    let follow = ["log", "secondary", "--primary-url", "http://127.0.0.1:1", "--key-file"];
    let with = |more: &[&str]| run(&[&follow[..], more].concat());
    with(&["f0-key", "--data-dir", "log", "--log-key-file", "log-key.pub"])
        .fails_with("make a directory of its own with `sigsum log init --follower`");
    with(&["log-key", "--data-dir", "f0"]).fails_with("a follower needs a key of its own");
    with(&["f0-key", "--data-dir", "none"]).fails_with("name the log's public key");
    with(&["f0-key", "--data-dir", "f0", "--log-key-file", "other-key.pub"])
        .fails_with("they belong to different logs");
    run(&["log", "secondary", "--data-dir", "f0", "--key-file", "f0-key"])
        .fails_with("primary-url is not set");
    run(&["log", "secondary", "--data-dir", "f0", "--primary-url", "http://x"])
        .fails_with("name it with --key-file");
    let mut args = log.args();
    args.extend(["--follower".to_owned(), "http://127.0.0.1:1,log-key.pub".to_owned()]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    run(&args).fails_with("has the log's own key; a follower needs a key of its own");
}

#[test]
fn a_slow_way_to_the_only_follower_makes_200_late_and_not_202() {
    let log = Replicated::start(1, 1);
    let signer = Ed25519Signer::generate().unwrap();
    log.warm_up(&signer);
    let copy = &log.copies[0];
    let delay = Duration::from_millis(50);
    copy.way_in.lead_slowly_to(&copy.internal_url, delay);
    copy.way_out.lead_slowly_to(&log.internal_url, delay);
    for number in 2..12 {
        assert_eq!(log.submit(&signer, number), 200);
    }
}
