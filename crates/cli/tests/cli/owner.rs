//! Commands that root runs in the directory of the log's own user.

use crate::harness::{Sandbox, say};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;

/// Whoever it is, it is not root.
const USER: u32 = 65_534;

/// Everything in a directory, itself included.
fn all(path: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![path.to_owned()];
    for entry in path.is_dir().then(|| std::fs::read_dir(path).unwrap()).into_iter().flatten() {
        found.extend(all(&entry.unwrap().path()));
    }
    found
}

#[test]
fn root_leaves_no_file_in_a_directory_that_its_log_could_not_read() {
    if !rustix::process::geteuid().is_root() {
        return say("skipped: only root can be the wrong user everywhere");
    }
    let sandbox = Sandbox::new();
    sandbox.key("k");
    let made = |dir: &str, more: &[&str]| {
        let init = ["log", "init", "--data-dir", dir, "--key-file", "k.pub"];
        sandbox.run(&[&init[..], more].concat()).ok();
    };
    std::fs::create_dir(sandbox.path("theirs")).unwrap();
    made("theirs/log", &[]);
    made("theirs/copy", &["--follower"]);
    // What fsck finds there it mends.
    std::fs::remove_file(sandbox.path("theirs/log/tree")).unwrap();
    for path in all(&sandbox.path("theirs")) {
        chown(path, Some(USER), Some(USER)).unwrap();
    }
    let before = all(&sandbox.path("theirs"));
    for (dir, line) in [
        ("theirs/copy", "log promote --data-dir theirs/copy"),
        ("theirs/log", "log freeze --for-good --key-file k.pub --data-dir theirs/log"),
        ("theirs/log", "log fsck --repair --key-file k.pub --data-dir theirs/log"),
        ("theirs", "log init --key-file k.pub --data-dir theirs/new"),
        ("theirs", "log restore --from http://127.0.0.1:1 --key-file k.pub --data-dir theirs/new"),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let refused = sandbox.run(&words).fails_with(&format!("{dir} belongs to user {USER}"));
        let remedy = format!("runuser -u \"$(stat -c %U {dir})\" -- sigsum {line}\n");
        assert!(refused.stderr.ends_with(&remedy), "{}", refused.stderr);
    }
    assert_eq!(all(&sandbox.path("theirs")), before);
    for path in before {
        assert_eq!(path.metadata().unwrap().uid(), USER, "{}", path.display());
    }
}
