//! sigsum-log-primary with its ephemeral backend, and our tools as its clients.

use crate::dns::NameServer;
use crate::follower::Follower;
use crate::go_rig::GoRig;
use crate::harness::run_command;
use crate::peers::{peer, peer_command, run_peer};
use crate::submissions::{SUBMIT, both_verifiers_accept, files, reported};
use crate::tap::Tap;

fn rig() -> Option<GoRig> {
    let rig = GoRig::ephemeral(&["--interval", "1s"])?;
    rig.sandbox.key("k");
    Some(rig)
}

#[test]
fn our_submit_logs_a_file_with_quorum_and_both_verifiers_accept() {
    let Some(verifier) = peer("sigsum-verify") else { return };
    let Some(rig) = rig() else { return };
    // From the first leaf on, whose tree has no inclusion proof.
    for name in files(&rig.sandbox, "f", 3) {
        rig.sandbox.run(&[&["submit"], &SUBMIT[..], &[&name]].concat()).ok();
        both_verifiers_accept(&rig.sandbox, &verifier, &name);
        let proof = rig.sandbox.read(&format!("{name}.proof"));
        assert_eq!(proof.matches("\ncosignature=").count(), 2, "{proof}");
    }
}

#[test]
fn our_submit_logs_a_batch_and_both_verifiers_accept() {
    let Some(verifier) = peer("sigsum-verify") else { return };
    let Some(rig) = rig() else { return };
    let names = files(&rig.sandbox, "f", 100);
    let mut args = [&["submit"], &SUBMIT[..]].concat();
    args.extend(names.iter().map(String::as_str));
    rig.sandbox.run(&args).ok();
    for name in &names {
        both_verifiers_accept(&rig.sandbox, &verifier, name);
    }
}

#[test]
fn our_submit_gets_past_a_rate_limit_with_a_token_only() {
    let Some(verifier) = peer("sigsum-verify") else { return };
    let Some(token_tool) = peer("sigsum-token") else { return };
    let options = ["--backend", "ephemeral", "--interval", "1s", "--rate-limit-file", "limits"];
    let Some(mut rig) = GoRig::prepared(&options) else { return };
    let sandbox = &rig.sandbox;
    sandbox.key("k");
    sandbox.key("rate");
    sandbox.key("other");
    sandbox.write("limits", "domain example.org 2\n");
    let Some(names) = NameServer::start(sandbox, "example.org", "rate") else { return };
    let command = names.seen_by(&rig.log_command());
    rig.start_log_with(command);
    let sandbox = &rig.sandbox;
    let tap = Tap::before(&rig.url());
    sandbox.write("policy", sandbox.read("policy").replace(&rig.url(), &tap.url()));
    let submit = |name: &str, token: &[&str]| {
        let limit = ["submit", "-p", "policy", "-k", "k", "-t", "5s"];
        let args = [&limit, token, &[name]].concat();
        run_command(names.seen_by(&sandbox.command(&args)), b"")
    };
    let token = ["-d", "example.org", "-a", "rate"];
    let forged = ["-d", "example.org", "-a", "other"];
    let all = files(sandbox, "f", 3);
    submit(&all[0], &[]).fails_with("rate-limit for unknown domain exceeded");
    submit(&all[0], &forged).fails_with("validating token signature failed");
    for name in &all[..2] {
        submit(name, &token).ok();
        both_verifiers_accept(sandbox, &verifier, name);
    }
    submit(&all[2], &token).fails_with("rate-limit for domain \"example.org\" exceeded");
    let sent = format!("Sigsum-Token: {}\n", tap.fields("sigsum-token").last().unwrap());
    let verify = ["verify", "-d", "example.org", "-k", "rate.pub", "-l", "log-key.pub"];
    let command = names.seen_by(&peer_command(sandbox, &token_tool, &verify));
    run_command(command, sent.as_bytes()).ok();
}

#[test]
fn our_submit_sends_a_request_of_sigsum_submit() {
    let Some(submit) = peer("sigsum-submit") else { return };
    let Some(verifier) = peer("sigsum-verify") else { return };
    let Some(rig) = rig() else { return };
    files(&rig.sandbox, "f", 1);
    run_peer(&rig.sandbox, &submit, &["-k", "k", "f0"], b"").ok();
    rig.sandbox.run(&["submit", "-t", "60s", "-p", "policy", "f0.req"]).ok();
    both_verifiers_accept(&rig.sandbox, &verifier, "f0");
}

#[test]
fn our_monitor_reports_exactly_the_leaves_of_the_key_and_resumes() {
    let Some(rig) = rig() else { return };
    let sandbox = &rig.sandbox;
    sandbox.key("other");
    let args = ["monitor", "-p", "policy", "-i", "100ms", "--state-directory", "state", "k.pub"];
    let follow = || Follower::start(sandbox.command(&args));
    let names = files(sandbox, "f", 6);
    let add = |key, name: &String| {
        sandbox.run(&["submit", "-t", "60s", "-p", "policy", "-k", key, name]).ok();
    };
    let ours = |index: usize| reported(sandbox, index, "k", &names[index]);
    // Begins while the log is empty.
    let follower = follow();
    add("k", &names[0]);
    assert_eq!(follower.leaves_until(1), [ours(0)]);
    add("other", &names[1]);
    add("k", &names[2]);
    assert_eq!(follower.leaves_until(3), [ours(2)]);
    follower.stop();
    add("k", &names[3]);
    add("other", &names[4]);
    let follower = follow();
    assert_eq!(follower.leaves_until(5), [ours(3)]);
    add("k", &names[5]);
    assert_eq!(follower.leaves_until(6), [ours(5)]);
    follower.stop();
}

#[test]
fn our_monitor_and_sigsum_monitor_report_the_same_of_many_batches() {
    let Some(monitor) = peer("sigsum-monitor") else { return };
    let options = ["--interval", "1s", "--max-range", "100"];
    let Some(rig) = GoRig::ephemeral(&options) else { return };
    let sandbox = &rig.sandbox;
    for number in 0..350 {
        rig.add_leaf("tree", number);
    }
    rig.observer.cosigned(350);
    let args = ["-p", "policy", "-i", "5s"];
    let ours = Follower::start(sandbox.command(&[&["monitor"], &args[..]].concat()));
    let theirs = Follower::start(peer_command(sandbox, &monitor, &args));
    let reported = ours.leaves_until(350);
    assert_eq!(reported.len(), 350);
    assert_eq!(theirs.leaves_until(350), reported);
    ours.stop();
    theirs.stop();
}
