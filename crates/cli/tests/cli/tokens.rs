//! `sigsum token`, without DNS.

use crate::harness::Sandbox;

#[test]
fn a_token_verifies_with_its_key_and_log_only() {
    let sandbox = Sandbox::new();
    for name in ["rate", "log", "other"] {
        sandbox.key(name);
    }
    let token = sandbox.run(&["token", "create", "-k", "rate", "-l", "log.pub"]).ok().stdout;
    assert_eq!(token.len(), 129, "{token}");
    let verify = |key: &str, log: &str| {
        sandbox.run_with(&["token", "verify", "-k", key, "-l", log], token.as_bytes())
    };
    verify("rate.pub", "log.pub").ok();
    verify("other.pub", "log.pub").fails_with("Verifying using given key failed");
    verify("rate.pub", "other.pub").fails_with("Verifying using given key failed");
}

#[test]
fn a_header_carries_the_domain() {
    let sandbox = Sandbox::new();
    sandbox.key("rate");
    sandbox.key("log");
    let args = ["token", "create", "-k", "rate", "-l", "log.pub", "-d", "example.org"];
    let header = sandbox.run(&args).ok().stdout;
    assert!(header.starts_with("sigsum-token: example.org "), "{header}");
    let args = ["token", "verify", "-l", "log.pub", "-d", "example.com"];
    sandbox.run_with(&args, header.as_bytes()).fails_with("Unexpected domain: \"example.org\"");
    let args = ["token", "verify", "-l", "log.pub"];
    sandbox
        .run_with(&args, b"Cookie: example.org 00\n")
        .fails_with("Invalid header, expected a Sigsum-Token:-line");
}

#[test]
fn a_token_with_nothing_to_verify_it_with_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.key("rate");
    sandbox.key("log");
    let token = sandbox.run(&["token", "create", "-k", "rate", "-l", "log.pub"]).ok().stdout;
    let args = ["token", "verify", "-l", "log.pub"];
    sandbox.run_with(&args, token.as_bytes()).fails_with("nothing to verify the token with");
    let quiet = sandbox.run_with(&[&args[..], &["-q"]].concat(), token.as_bytes());
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(1), ""));
}

#[test]
fn a_record_is_what_dns_needs() {
    let sandbox = Sandbox::new();
    sandbox.key("rate");
    let record = sandbox.run(&["token", "record", "-k", "rate.pub"]).ok().stdout;
    assert_eq!(record, format!("_sigsum_v1 IN TXT \"{}\"\n", sandbox.key_hex("rate")));
}
