//! `sigsum submit` without a log: requests, leaf hashes, refused calls.

use crate::harness::Sandbox;

#[test]
fn a_request_is_written_beside_its_input_and_accepted_as_input() {
    let sandbox = Sandbox::new();
    sandbox.key("k");
    sandbox.write("f", b"data");
    let said = sandbox.run(&["submit", "-k", "k", "f"]).ok().stderr;
    assert_eq!(said, "[INFO] no policy, nothing is submitted: request in f.req\n");
    let request = sandbox.read("f.req");
    assert!(request.starts_with("message="), "{request}");
    sandbox.run(&["submit", "f.req"]).ok();
    let from_data = sandbox.run_with(&["submit", "-k", "k", "--leaf-hash"], b"data").ok().stdout;
    sandbox.run(&["submit", "--leaf-hash", "f.req"]).ok();
    assert_eq!(sandbox.read("f.hash"), from_data);
    assert_eq!(from_data.len(), 65);
}

#[test]
fn a_leaf_hash_is_no_submission_even_where_the_key_names_a_policy() {
    let sandbox = Sandbox::new();
    sandbox.key("k");
    let args = ["submit", "-k", "k", "--leaf-hash", "-P", "sigsum-test1-2025"];
    sandbox.run_with(&args, b"data").fails_with("mutually exclusive");
}

#[test]
fn a_request_with_a_forged_signature_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.key("k");
    let request = sandbox.run_with(&["submit", "-k", "k"], b"data").ok().stdout;
    let other = sandbox.run_with(&["submit", "-k", "k"], b"other").ok().stdout;
    let line = |text: &str, n: usize| text.lines().nth(n).unwrap().to_owned() + "\n";
    let forged = line(&request, 0) + &line(&other, 1) + &line(&request, 2);
    sandbox.write("f.req", &forged);
    sandbox
        .run(&["submit", "f.req"])
        .fails_with("Leaf request \"f.req\" not valid: invalid leaf signature");
    sandbox
        .run_with(&["submit"], forged.as_bytes())
        .fails_with("Leaf request on stdin not valid: invalid leaf signature");
}

#[test]
fn outputs_go_where_they_are_told() {
    let sandbox = Sandbox::new();
    sandbox.key("k");
    std::fs::create_dir(sandbox.path("in")).unwrap();
    std::fs::create_dir(sandbox.path("out")).unwrap();
    sandbox.write("in/f", b"data");
    sandbox.run(&["submit", "-k", "k", "-O", "out", "in/f"]).ok();
    assert!(sandbox.path("out/f.req").exists());
    sandbox.run(&["submit", "-k", "k", "-o", "r", "in/f"]).ok();
    assert_eq!(sandbox.read("r"), sandbox.read("out/f.req"));
}

#[test]
fn calls_that_contradict_themselves_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.key("k");
    let refused = |args: &[&str], text: &str| {
        sandbox.run(&[&["submit", "-k", "k"], args].concat()).fails_with(text);
    };
    refused(&["-o", "x", "a", "b"], "The -o option is invalid with more than one input file.");
    refused(&["-O", "x"], "--output-dir option is invalid when no input files are provided.");
    refused(
        &["-o", "x", "-O", "y", "a"],
        "-o and the --output-dir options are mutually exclusive.",
    );
    refused(
        &["-p", "x", "-P", "y", "a"],
        "-P, -p, and --leaf-hash options are mutually exclusive.",
    );
    refused(&[""], "Empty string is not a valid input file name.");
    refused(&["--leaf-hash", "-p", "x", "a"], "mutually exclusive");
    refused(&["none"], "open none: no such file or directory");
    sandbox.write(".req", b"");
}

#[test]
fn a_policy_without_a_log_to_submit_to_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.key("k");
    sandbox.write("policy", "quorum none\n");
    sandbox
        .run_with(&["submit", "-k", "k", "-p", "policy"], b"data")
        .fails_with("no logs defined in policy");
}

#[test]
fn a_policy_with_an_error_is_refused_with_its_line() {
    let sandbox = Sandbox::new();
    sandbox.key("k");
    sandbox.write("policy", "# a comment\nfoo\n");
    sandbox
        .run_with(&["submit", "-k", "k", "-p", "policy"], b"data")
        .fails_with("failed to parse policy file \"policy\": 2: unknown keyword: \"foo\"");
}
