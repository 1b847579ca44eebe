//! sigsum-log-primary on Trillian and MariaDB, as the public logs run it, and our tools and
//! witnesses.

use crate::follower::Follower;
use crate::go_rig::GoRig;
use crate::harness::Sandbox;
use crate::peers::peer;
use crate::submissions::{SUBMIT, both_verifiers_accept, files, reported};
use crate::trillian::Trillian;

/// The log with the key `k` and what runs behind it.
fn rig() -> Option<(GoRig, Trillian)> {
    // Looked for first, as the rest takes long to start.
    peer("sigsum-log-primary")?;
    let sandbox = Sandbox::new();
    let trillian = Trillian::start(&sandbox)?;
    let options = ["--trillian-rpc-server", &trillian.rpc, "--trillian-tree-id-file", "tree-id"];
    let options = [&options, &["--interval", "1s"][..]].concat();
    let rig = GoRig::prepared_in(sandbox, &options)?.started();
    rig.sandbox.key("k");
    Some((rig, trillian))
}

#[test]
fn our_submit_logs_files_and_a_batch_and_both_verifiers_accept() {
    let Some(verifier) = peer("sigsum-verify") else { return };
    let Some((rig, _trillian)) = rig() else { return };
    let mut names = files(&rig.sandbox, "f", 2);
    // From the first leaf on, whose tree has no inclusion proof.
    for name in &names {
        rig.sandbox.run(&[&["submit"], &SUBMIT[..], &[name]].concat()).ok();
    }
    let batch = files(&rig.sandbox, "g", 60);
    let mut args = [&["submit"], &SUBMIT[..]].concat();
    args.extend(batch.iter().map(String::as_str));
    rig.sandbox.run(&args).ok();
    names.extend(batch);
    for name in &names {
        both_verifiers_accept(&rig.sandbox, &verifier, name);
    }
}

#[test]
fn our_monitor_resumes_and_our_witnesses_go_on_when_the_log_restarts_with_its_tree() {
    let Some((mut rig, _trillian)) = rig() else { return };
    for number in 0..40 {
        rig.add_leaf("tree", number);
    }
    let before = rig.observer.cosigned(40);
    let args = ["monitor", "-p", "policy", "-i", "100ms", "--state-directory", "state"];
    let follower = Follower::start(rig.sandbox.command(&args));
    assert_eq!(follower.leaves_until(40).len(), 40);
    follower.stop();
    for is_crash in [false, true] {
        match is_crash {
            true => rig.kill_log(),
            false => rig.stop_log(),
        }
        rig.start_log();
        let head = rig.observer.cosigned(40);
        assert_eq!(head.root, before.root);
        assert!(head.cosigned_s.iter().all(|(name, time_s)| *time_s >= before.cosigned_s[name]));
        rig.wait_until_asked(&["status=\"200\"", "retried=\"true\""], 2);
    }
    let follower = Follower::start(rig.sandbox.command(&args));
    let name = &files(&rig.sandbox, "f", 1)[0];
    rig.sandbox.run(&[&["submit"], &SUBMIT[..], &[name]].concat()).ok();
    assert_eq!(follower.leaves_until(41), [reported(&rig.sandbox, 40, "k", name)]);
    follower.stop();
}
