//! `sigsum policy` and sigsum-policy.

use crate::both::Both;

/// The lines that mean something, each with single spaces.
fn meaning(policy: &str) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines = policy.lines().map(words);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

#[test]
fn the_same_names_are_listed() {
    let Some(mut both) = Both::new("policy") else { return };
    both.set("SIGSUM_POLICY_DIR", both.sandbox.arg("none"));
    let listed = both.agree(&["list"], b"");
    assert_eq!(listed.lines().count(), 4, "{listed}");
}

#[test]
fn named_policies_mean_the_same_and_differ_in_comments_only() {
    let Some(mut both) = Both::new("policy") else { return };
    both.set("SIGSUM_POLICY_DIR", both.sandbox.arg("none"));
    for name in both.agree(&["list"], b"").lines() {
        let ours = both.ours(&["show", name], b"").ok().stdout;
        let theirs = both.theirs(&["show", name], b"").ok().stdout;
        let sorted = |policy: &str| {
            let mut lines = meaning(policy);
            lines.sort();
            lines
        };
        assert_eq!(sorted(&ours), sorted(&theirs), "{name}");
    }
}

#[test]
fn installed_policies_are_listed_shown_as_they_are_and_go_before_named_ones() {
    let Some(mut both) = Both::new("policy") else { return };
    let sandbox = &both.sandbox;
    std::fs::create_dir(sandbox.path("p")).unwrap();
    std::fs::create_dir(sandbox.path("p/directory.sigsum-policy")).unwrap();
    for name in [
        "mine",
        "a1",
        "sigsum-test1-2025",
        "0-9",
        "a", // too short
        "-a",
        "Upper",
        "under_score",
        "dot.ted",
    ] {
        sandbox.write(&format!("p/{name}.sigsum-policy"), format!("# {name}\nquorum none"));
    }
    sandbox.write("p/no-suffix", "quorum none\n");
    sandbox.write("elsewhere", "quorum none # not parsed by show\n");
    for (link, target) in [("linked", "../elsewhere"), ("dangling", "nothing")] {
        let link = sandbox.path(&format!("p/{link}.sigsum-policy"));
        std::os::unix::fs::symlink(target, link).unwrap();
    }
    both.set("SIGSUM_POLICY_DIR", both.sandbox.arg("p"));
    let listed = both.agree(&["list"], b"");
    assert_eq!(listed.lines().count(), 4 + 4, "{listed}");
    for name in listed.lines().filter(|name| !name.starts_with("sigsum-")) {
        both.agree(&["show", name], b"");
    }
    let shown = both.agree(&["show", "sigsum-test1-2025"], b"");
    assert_eq!(shown, "# sigsum-test1-2025\nquorum none");
    for name in ["a", "Upper", "dot.ted", ""] {
        both.refuse(&["show", name], b"", "invalid policy name");
    }
    for name in ["unknown", "dangling"] {
        both.refuse(&["show", name], b"", "failed to get named policy for name");
    }
}
