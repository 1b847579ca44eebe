//! A follower that takes over: who is asked, what is refused, and that the log goes on.

use crate::fake::{Fake, answer};
use crate::guard::{copy, grow, published};
use crate::harness::{LOG_ARGS, Network, Outcome, http};
use sigsum_core::wire::log::parse_tree_head;
use sigsum_keys::Ed25519Signer;

const PROMOTE: [&str; 6] = ["log", "promote", "--data-dir", "f", "--policy-file", "log-policy"];

/// A log of so many leaves with two witnesses, both of which are needed, and a follower's directory
/// `f` with a copy of it; both are stopped.
fn stopped(leaves: u64) -> (Network, Ed25519Signer) {
    let mut network = Network::start(2, 2);
    let signer = Ed25519Signer::generate().unwrap();
    (0..leaves).for_each(|number| grow(network.log_url(), &signer, number));
    network.log.take().unwrap().stop();
    follow(&network);
    (network, signer)
}

/// Copies the log's directory into a follower's.
fn follow(network: &Network) {
    let sandbox = &network.sandbox;
    let _ = std::fs::remove_dir_all(sandbox.path("f"));
    let _ = std::fs::remove_dir_all(sandbox.path("empty"));
    let init = ["log", "init", "--follower", "--data-dir", "empty", "--key-file", "log-key.pub"];
    sandbox.run(&init).ok();
    copy(sandbox, "log", "f");
    copy(sandbox, "empty/role", "f/role");
}

/// Starts the log from `f`.
fn start(network: &mut Network) {
    let mut args = LOG_ARGS;
    args[3] = "f";
    network.log = Some(network.sandbox.daemon(&args));
}

fn promote(network: &Network, more: &[&str]) -> Outcome {
    network.sandbox.run(&[&PROMOTE[..], more].concat())
}

#[test]
fn a_promoted_follower_goes_on_and_the_old_primary_is_refused() {
    let (mut network, signer) = stopped(2);
    let mut args = LOG_ARGS;
    args[3] = "f";
    network.sandbox.run(&args).fails_with("sigsum log promote");

    let told = promote(&network, &["--sth-file", "sth"]).ok().stdout;
    let witness = &network.witnesses[0].url;
    assert!(told.contains(&format!("witness {witness} knows 2 leaves\n")), "{told}");
    assert!(told.contains("f is the primary's now: 2 leaves, 2 of them under a signed tree head."));
    assert!(told.contains("Nothing is lost that was answered 200, if"), "{told}");
    assert!(told.contains("1. Make sure that the old primary never starts again"), "{told}");
    assert!(!told.contains("Warning"), "{told}");
    assert!(network.sandbox.read("sth").starts_with("size=2\n"));

    start(&mut network);
    grow(network.log_url(), &signer, 2);
    assert_eq!(published(network.log_url()), 3);
    network.sandbox.run(&LOG_ARGS).fails_with("would fork the log, so nothing was signed");
}

#[test]
fn a_follower_that_holds_less_than_a_witness_knows_is_not_promoted() {
    let (mut network, signer) = stopped(1);
    network.start_log();
    grow(network.log_url(), &signer, 1);
    network.log.take().unwrap().stop();
    let before = network.sandbox.read("f/role");
    let refused = promote(&network, &[]).fails_with("knows 2 leaves; this directory holds 1, and");
    let refused = refused.fails_with("hint: find the newest directory there is");
    promote(&network, &["--accept-unreachable"]).fails_with("this directory holds 1");
    assert!(refused.stderr.contains(&format!("witness {}", network.witnesses[1].url)));
    assert_eq!(network.sandbox.read("f/role"), before);
}

#[test]
fn a_head_that_never_reached_the_follower_is_known_for_its_own() {
    let (mut network, signer) = stopped(1);
    copy(&network.sandbox, "log", "older");
    network.start_log();
    grow(network.log_url(), &signer, 1);
    network.log.take().unwrap().stop();
    follow(&network);
    // The leaves have come, the head has not.
    for name in ["head", "published", "checkpoint"] {
        copy(&network.sandbox, &format!("older/{name}"), &format!("f/{name}"));
    }
    let told = promote(&network, &[]).ok().stdout;
    assert!(told.contains("2 leaves, 2 of them under a signed tree head"), "{told}");
    // Without its witnesses it could only serve the head from before, which clients would take for
    // that of a log that has shrunk.
    let addresses: Vec<_> = network.witnesses.iter().map(|w| w.url.clone()).collect();
    network.witnesses.drain(..).for_each(crate::harness::Daemon::kill);
    start(&mut network);
    assert_eq!(http(network.log_url(), "GET", "/get-tree-head", b"").0, 503);
    for (number, url) in addresses.iter().enumerate() {
        let (dir, key) = (format!("w{number}"), format!("w{number}-key"));
        let address = url.strip_prefix("http://").unwrap();
        let args = ["witness", "run", "--data-dir", &dir, "-k", &key, "--listen", address];
        network.witnesses.push(network.sandbox.daemon(&args));
    }
    grow(network.log_url(), &signer, 2);
    let head = http(network.log_url(), "GET", "/get-tree-head", b"").1;
    let head = parse_tree_head(head.as_bytes()).unwrap();
    assert_eq!((head.signed.tree_head.size.0, head.cosignatures().len()), (3, 2));
}

#[test]
fn without_a_quorum_of_answers_nothing_is_promoted_but_at_the_operators_word() {
    let (mut network, signer) = stopped(1);
    let witness = network.witnesses.remove(1);
    let address = witness.url.strip_prefix("http://").unwrap().to_owned();
    witness.kill();
    let refused = promote(&network, &[]).fails_with("too few answered to know");
    let refused = refused.fails_with("hint: try again when they can be reached.");
    let silent = format!("witness http://{address} did not tell: ");
    assert!(refused.stderr.contains(&silent), "{}", refused.stderr);
    let told = promote(&network, &["--accept-unreachable"]).ok().stdout;
    assert!(told.contains("Warning: too few answered to be sure"), "{told}");
    // Once they can be reached, it can be done properly still.
    let args = ["witness", "run", "--data-dir", "w1", "-k", "w1-key", "--listen", &address];
    network.witnesses.push(network.sandbox.daemon(&args));
    promote(&network, &[]).ok();
    start(&mut network);
    grow(network.log_url(), &signer, 1);
    network.log.take().unwrap().stop();
    promote(&network, &[]).fails_with("this directory is a primary's already");
}

#[test]
fn where_nobody_is_asked_nothing_is_promoted_but_at_the_operators_word() {
    let (network, _) = stopped(1);
    network.sandbox.write("no-quorum", "quorum none\n");
    // As without a policy file, where the configuration names none either.
    let none = ["log", "promote", "--data-dir", "f", "--policy-file", "no-quorum"];
    for args in [&none[..], &none[..4]] {
        network.sandbox.run(args).fails_with("nobody was asked: name the policy with the log's");
        let args = [args, &["--follower", "http://127.0.0.1:1,w0-key.pub"]].concat();
        network.sandbox.run(&args).fails_with("follower http://127.0.0.1:1 did not tell: ");
    }
    assert!(network.sandbox.read("f/role").contains("follower"));
    let told = network.sandbox.run(&[&none[..], &["--accept-unreachable"]].concat()).ok().stdout;
    assert!(told.contains("Warning: too few answered to be sure"), "{told}");
    assert!(told.contains("were compared; it was 1."), "{told}");
}

#[test]
fn a_silent_witness_that_could_be_the_only_one_to_know_more_must_answer() {
    let (mut network, _) = stopped(1);
    network.witnesses.remove(1).kill();
    let policy = network.sandbox.read("log-policy");
    network.sandbox.write("weak", policy.replace("group g 2", "group g 1"));
    let weak = ["log", "promote", "--data-dir", "f", "--policy-file", "weak"];
    network.sandbox.run(&weak).fails_with("too few answered to know");
    network.sandbox.write("none", policy.replace("quorum g", "quorum none"));
    let none = ["log", "promote", "--data-dir", "f", "--policy-file", "none"];
    network.sandbox.run(&none).fails_with("too few answered to know");
    // One that no log can ask has cosigned no head of it.
    let line = policy.lines().find(|line| line.starts_with("witness w1 ")).unwrap();
    let without_url = line.rsplit_once(' ').unwrap().0;
    let policy = policy.replace(line, without_url);
    network.sandbox.write("weak", policy.replace("group g 2", "group g 1"));
    network.sandbox.run(&weak).ok();
}

#[test]
fn a_proxy_that_answers_404_for_a_witness_is_no_answer_of_it() {
    let (network, _) = stopped(1);
    let proxy = Fake::http(|_| answer(404, "", b"404 page not found\n"));
    let policy = network.sandbox.read("log-policy");
    network.sandbox.write("log-policy", policy.replace(&network.witnesses[1].url, &proxy.url()));
    let refused = promote(&network, &[]).fails_with("too few answered to know");
    let silent = format!("witness {} did not tell: ", proxy.url());
    assert!(refused.stderr.contains(&silent), "{}", refused.stderr);
}

#[test]
fn a_promotion_that_asked_too_few_changes_nothing_and_can_be_made_again() {
    let (mut network, signer) = stopped(1);
    network.start_log();
    grow(network.log_url(), &signer, 1);
    let head = http(network.log_url(), "GET", "/get-tree-head", b"").1;
    let signed = head.lines().take(3).map(|line| format!("{line}\n")).collect::<String>();
    network.log.take().unwrap().stop();
    // The last leaf has come, and its head only in log-go's file.
    copy(&network.sandbox, "f", "older");
    follow(&network);
    for name in ["head", "published", "checkpoint"] {
        copy(&network.sandbox, &format!("older/{name}"), &format!("f/{name}"));
    }
    network.sandbox.write("sth", signed);
    let addresses: Vec<_> = network.witnesses.iter().map(|w| w.url.clone()).collect();
    network.witnesses.drain(..).for_each(crate::harness::Daemon::kill);
    promote(&network, &["--accept-unreachable"]).ok();
    let before = network.sandbox.read("f/head");
    for _ in 0..2 {
        promote(&network, &["--sth-file", "sth"]).fails_with("too few answered to know");
        assert_eq!(network.sandbox.read("f/head"), before);
    }
    for (number, url) in addresses.iter().enumerate() {
        let (dir, key) = (format!("w{number}"), format!("w{number}-key"));
        let address = url.strip_prefix("http://").unwrap();
        let args = ["witness", "run", "--data-dir", &dir, "-k", &key, "--listen", address];
        network.witnesses.push(network.sandbox.daemon(&args));
    }
    let told = promote(&network, &["--sth-file", "sth"]).ok().stdout;
    assert!(told.contains("2 leaves, 2 of them under a signed tree head"), "{told}");
    assert!(network.sandbox.read("f/head").contains("size=2\n"));
    start(&mut network);
    grow(network.log_url(), &signer, 2);
}

#[test]
fn only_a_followers_directory_is_promoted_and_never_while_it_is_used() {
    let (mut network, _) = stopped(1);
    let args = ["log", "promote", "--data-dir", "log", "--policy-file", "log-policy"];
    network.sandbox.run(&args).fails_with("log is not a follower's directory");
    let keyed = [&args[..], &["--key-file", "log-key.pub"]].concat();
    network.sandbox.run(&keyed).fails_with("this directory is a primary's already");
    network.start_log();
    network.sandbox.run(&keyed).fails_with("is in use by another process");
    network.sandbox.key("other");
    let other = [&PROMOTE[..], &["--key-file", "other.pub"]].concat();
    network.sandbox.run(&other).fails_with("belongs to the log with key hash");
    let missing = ["log", "promote", "--data-dir", "nowhere", "--key-file", "log-key.pub"];
    network.sandbox.run(&missing).fails_with("nowhere holds no log");
}

#[test]
fn a_log_that_was_closed_after_its_promotion_is_not_promoted_again() {
    let (network, _) = stopped(1);
    promote(&network, &[]).ok();
    let freeze = ["log", "freeze", "--data-dir", "f", "--key-file", "log-key.pub", "--for-good"];
    network.sandbox.run(&freeze).ok();
    let role = network.sandbox.read("f/role");
    promote(&network, &[]).fails_with("this log is closed for good");
    assert_eq!(network.sandbox.read("f/role"), role);
}

#[test]
fn a_log_that_still_answers_is_named_and_compared() {
    let (mut network, signer) = stopped(1);
    network.start_log();
    let with_url = ["log", "promote", "--data-dir", "f", "--policy-file", "policy"];
    let told = network.sandbox.run(&with_url).ok().stdout;
    let warning = format!("Warning: log {} still answers.", network.log_url());
    assert!(told.contains(&warning), "{told}");
    follow_again(&network);
    grow(network.log_url(), &signer, 1);
    network.sandbox.run(&with_url).fails_with(&format!("log {} knows 2", network.log_url()));
}

/// A follower's directory again, from the one that was promoted.
fn follow_again(network: &Network) {
    copy(&network.sandbox, "empty/role", "f/role");
}
