//! A primary that shows its followers leaves and no tree heads, as log-go's does.

use crate::copies::{metric, until};
use crate::fake::{Fake, answer, pass};
use crate::harness::{Daemon, Network};

/// A log of one leaf; what followers ask of it goes through a server that hides what ours add to
/// log-go's internal API.
struct Mute {
    network: Network,
    fake: Fake,
}

impl Mute {
    fn start() -> Self {
        let mut network = Network::start(1, 1);
        let sandbox = &network.sandbox;
        ["k", "copy-key"].into_iter().for_each(|key| sandbox.key(key));
        let submit = ["submit", "-p", "policy", "-k", "k", "-o", "p"];
        sandbox.run_with(&submit, b"data").ok();
        let init = ["log", "init", "--follower", "--data-dir", "f", "--key-file", "log-key.pub"];
        sandbox.run(&init).ok();
        let internal = network.log.as_mut().unwrap().internal_url();
        let fake = Fake::http(move |request| match request.path.starts_with("/get-leaves/") {
            true => pass(&internal, request),
            false => answer(404, "", b"404 page not found\n"),
        });
        Self { network, fake }
    }

    fn follow(&self, more: &[&str]) -> Daemon {
        let url = self.fake.url();
        let args = ["log", "secondary", "--data-dir", "f", "--key-file", "copy-key"];
        let ways = ["--primary-url", &url, "--external-endpoint", "127.0.0.1:0"];
        let rest = ["--internal-endpoint", "127.0.0.1:0", "--interval", "50ms"];
        self.network.sandbox.daemon(&[&args[..], &ways, &rest, more].concat())
    }
}

#[test]
fn a_copy_that_is_compared_with_no_tree_head_is_warned_of() {
    let log = Mute::start();
    let mut follower = log.follow(&[]);
    let said = follower.until_said("nothing that is copied is compared with the log's tree heads");
    assert!(said.contains("[WARN]") && said.contains("primary-external-url"), "{said}");
    // Said once; from the copy alone nobody can tell that it is right.
    assert!(!follower.stop().contains("nothing that is copied"));
    let promote = ["log", "promote", "--data-dir", "f", "--policy-file", "log-policy"];
    let refused = log.network.sandbox.run(&promote).fails_with("too few answered to know");
    assert!(refused.stderr.contains("this directory has none"), "{}", refused.stderr);
}

#[test]
fn a_copy_is_compared_with_what_the_public_is_shown() {
    let log = Mute::start();
    let mut follower = log.follow(&["--primary-external-url", log.network.log_url()]);
    let internal = follower.internal_url();
    until("the head is compared", || {
        metric(&internal, "sigsum_secondary_verified_size") == Some(1.0)
    });
    let said = follower.stop();
    assert!(!said.contains("[WARN]"), "{said}");
    let promote = ["log", "promote", "--data-dir", "f", "--policy-file", "log-policy"];
    let told = log.network.sandbox.run(&promote).ok().stdout;
    assert!(told.contains("1 leaves, 1 of them under a signed tree head"), "{told}");
}
