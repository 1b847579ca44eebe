//! add-leaf requests of `sigsum submit` and sigsum-submit without a policy.

use crate::both::Both;

fn with_key() -> Option<Both> {
    let both = Both::new("submit")?;
    both.sandbox.key("k");
    both.sandbox.write("f", b"data");
    Some(both)
}

/// SHA-256 of `data`.
const DATA_HASH: &str = "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7";

#[test]
fn requests_are_the_same_from_files_and_from_standard_input() {
    let Some(both) = with_key() else { return };
    let request = both.agree(&["-k", "k"], b"data");
    for output in ["ours.req", "theirs.req"] {
        let run = if output == "ours.req" { Both::ours } else { Both::theirs };
        run(&both, &["-k", "k", "-o", output, "f"], b"").ok();
        assert_eq!(both.sandbox.read(output), request);
    }
    assert_eq!(both.agree(&["-k", "k", "--raw-hash"], DATA_HASH.as_bytes()), request);
}

#[test]
fn each_accepts_a_request_of_the_other_and_gives_it_the_same_leaf_hash() {
    let Some(both) = with_key() else { return };
    let from_data = both.agree(&["-k", "k", "--leaf-hash"], b"data");
    let request = both.agree(&["-k", "k"], b"data");
    assert_eq!(both.agree(&["--leaf-hash"], request.as_bytes()), from_data);
    both.theirs(&["-k", "k", "f"], b"").ok();
    assert_eq!(both.sandbox.read("f.req"), request);
    both.ours(&["f.req"], b"").ok();
    both.theirs(&["f.req"], b"").ok();
}

#[test]
fn requests_that_do_not_verify_or_parse_are_refused_by_both() {
    let Some(both) = with_key() else { return };
    let request = both.agree(&["-k", "k"], b"data");
    let other = both.agree(&["-k", "k"], b"other");
    let line = |text: &str, n: usize| text.lines().nth(n).unwrap().to_owned() + "\n";
    let [message, signature, key] = [0, 1, 2].map(|n| line(&request, n));
    for malformed in [
        format!("{message}{}{key}", line(&other, 1)),
        format!("{message}{key}{signature}"),
        format!("{message}{signature}"),
        request.trim_end().to_owned(),
        format!("{request}\n"),
        request.replacen("message=", "checksum=", 1),
    ] {
        both.refuse(&[], malformed.as_bytes(), "Leaf request on stdin not valid");
    }
}

#[test]
fn upper_case_hex_in_a_request_is_accepted_by_both() {
    let Some(both) = with_key() else { return };
    let request = both.agree(&["-k", "k"], b"data");
    let upper = |line: &str| {
        let (name, value) = line.split_once('=').unwrap();
        format!("{name}={}\n", value.to_uppercase())
    };
    let loud: String = request.lines().map(upper).collect();
    let hash = both.agree(&["--leaf-hash"], request.as_bytes());
    assert_eq!(both.agree(&["--leaf-hash"], loud.as_bytes()), hash);
}
