//! `sigsum log status`: of a copy, and of what is no log at all.

use crate::copies::{Replicated, until};
use crate::fake::{Fake, Request, answer};
use crate::harness::{Outcome, Sandbox};
use sigsum_keys::Ed25519Signer;
use std::io::Write as _;

fn status(sandbox: &Sandbox, endpoint: &str, dir: &str) -> Outcome {
    sandbox.run(&["log", "status", "--internal-endpoint", endpoint, "--data-dir", dir])
}

#[test]
fn a_copy_that_follows_is_well_and_one_that_cannot_says_why() {
    let mut log = Replicated::start(1, 1);
    log.settle(&Ed25519Signer::generate().unwrap(), 0);
    let internal = log.copies[0].internal_url.clone();
    until("the copy is well", || status(&log.sandbox, &internal, "f0").code == Some(0));
    until("it says all", || {
        let said = status(&log.sandbox, &internal, "f0").stdout;
        ["the log does all that it is for", ": following\n", "leaves held        1\n", "head 1\n"]
            .iter()
            .all(|part| said.contains(part))
    });
    let json = log.sandbox.run(&[
        "log",
        "status",
        "--json",
        "--internal-endpoint",
        &internal,
        "--data-dir",
        "f0",
    ]);
    let json: serde_json::Value = serde_json::from_str(&json.ok().stdout).unwrap();
    assert_eq!(json["log"]["role"], "secondary");
    assert_eq!(json["log"]["key_hash"].as_str().unwrap().len(), 64);
    log.primary.take().unwrap().kill();
    until("it says that the primary is gone", || {
        let said = status(&log.sandbox, &internal, "f0");
        said.code == Some(1) && said.stdout.contains("PROBLEM: copy: nothing can be copied")
    });
    log.copies[0].kill();
    let said = status(&log.sandbox, &internal, "f0");
    assert!(said.stdout.contains("no answer from the internal endpoint"), "{said:?}");
}

#[test]
fn what_is_no_log_is_not_taken_for_one_that_is_well_or_stopped() {
    let sandbox = Sandbox::new();
    for (status_code, body) in [
        (200, "{}"),
        (200, "{\"key_hash\":1,\"waiting\":[]}"),
        (200, "<html>"),
        (404, "no"),
        (503, ""),
    ] {
        let server = Fake::start(move |mut stream| {
            let _ = Request::read(&mut stream);
            let _ = stream.write_all(&answer(status_code, "", body.as_bytes()));
        });
        let said = status(&sandbox, &server.url(), "none");
        said.fails_with("is not the internal endpoint of a log: ");
    }
    for endpoint in ["systemd", "systemd:internal", "localhost", "unix:"] {
        let said = status(&sandbox, endpoint, "none");
        said.fails_with("the internal endpoint is not known: ").fails_with("--internal-endpoint");
    }
}
