//! Disks that are full: reads go on, nothing is signed or acknowledged that is not durable, and
//! work goes on by itself when there is space.

use crate::harness::{LOG_ARGS, Network, Sandbox, http, say};
use crate::leaf::add_leaf_request;
use crate::signed_log::SignedLog;
use crate::wire::{Answer, ask, connect, read_answer};
use sigsum_keys::Ed25519Signer;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A small file system of its own in a directory of the sandbox; gone when dropped.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`, said aloud, where this process may not mount.
    pub(crate) fn mount(directory: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir(directory).unwrap();
        let options = format!("size={size}");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "sigsum-test"])
            .arg(directory)
            .output();
        match mount {
            Ok(output) if output.status.success() => Some(Self(directory.to_owned())),
            other => {
                say(&format!("SKIPPED: no small file system can be mounted here: {other:?}"));
                None
            }
        }
    }

    /// Writes a file until there is no byte left.
    pub(crate) fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        while file.write_all(&[0; 1]).is_ok() {}
    }

    pub(crate) fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status(); // nothing else can be done
    }
}

/// add-leaf of something new; its status.
fn add(network: &Network, number: u32) -> u16 {
    let data = number.to_be_bytes();
    let request = network.sandbox.run_with(&["submit", "-k", "k"], &data).ok().stdout;
    http(network.log_url(), "POST", "/add-leaf", request.as_bytes()).0
}

/// Has two leaves published: until then, add-leaf is 202 for all but the first.
fn publish_two(network: &Network) {
    let sandbox = &network.sandbox;
    sandbox.key("k");
    sandbox.write("e", "first");
    sandbox.write("f", "second");
    sandbox.run(&["submit", "-p", "policy", "-k", "k", "e", "f"]).ok();
}

fn size(network: &Network) -> u64 {
    let (_, head) = http(network.log_url(), "GET", "/get-tree-head", b"");
    let line = head.lines().next().unwrap_or_default();
    line.strip_prefix("size=").map_or(0, |size| size.parse().unwrap())
}

fn head(network: &Network) -> String {
    let (status, head) = http(network.log_url(), "GET", "/get-tree-head", b"");
    assert_eq!(status, 200, "{head}");
    head
}

#[test]
fn a_log_on_a_full_disk_reads_on_and_goes_on_when_there_is_space() {
    let sandbox = Sandbox::new();
    let Some(disk) = SmallDisk::mount(&sandbox.path("log"), "4m") else { return };
    let mut network = Network::start_in(sandbox, 1, 1);
    publish_two(&network);
    let before = head(&network);

    disk.fill();
    // The journal has room set aside: leaves are still durable, only no head can be made of them.
    assert_eq!(add(&network, 1), 200);
    assert_eq!(head(&network).lines().next(), before.lines().next());
    assert_eq!(http(network.log_url(), "GET", "/get-leaves/0/1", b"").0, 200);
    // A restart on the full disk finds all that was acknowledged, and reads on.
    network.log.take().unwrap().kill();
    network.start_log();
    assert_eq!(head(&network).lines().next(), before.lines().next());
    assert_eq!(add(&network, 1), 200);
    network.log.take().unwrap().stop();
    network.start_log();

    disk.free();
    network.sandbox.write("g", "fourth");
    let submit = ["submit", "-t", "50s", "-p", "policy", "-k", "k", "g"];
    network.sandbox.run(&submit).ok();
    assert!(head(&network).starts_with("size=4\n"), "{}", head(&network));
    network.log.take().unwrap().kill();
    network.start_log();
    assert!(head(&network).starts_with("size=4\n"), "{}", head(&network));
}

/// Adds leaves until one is not answered 200; gives the number of those that were, and the answer.
fn add_until_refused(url: &str) -> (u64, Answer) {
    let signer = Ed25519Signer::generate().unwrap();
    let (next, added) = (AtomicU64::new(0), AtomicU64::new(0));
    let refused = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut stream = connect(url);
                while refused.lock().unwrap().is_none() {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    let body = add_leaf_request(&signer, number).to_body();
                    let length = body.len();
                    let head = format!(
                        "POST /add-leaf HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
                    );
                    stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
                    let answer = read_answer(&mut stream);
                    match answer.status {
                        200 => _ = added.fetch_add(1, Ordering::SeqCst),
                        _ => *refused.lock().unwrap() = Some(answer),
                    }
                }
            });
        }
    });
    (added.into_inner(), refused.into_inner().unwrap().unwrap())
}

#[test]
fn a_log_whose_journal_has_no_room_left_answers_503_and_loses_nothing() {
    let sandbox = Sandbox::new();
    let Some(disk) = SmallDisk::mount(&sandbox.path("log"), "16m") else { return };
    let mut network = Network::start_in(sandbox, 0, 0);
    publish_two(&network);
    disk.fill();
    let (added, answer) = add_until_refused(network.log_url());
    let added = added + 2;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.field("retry-after").is_some(), "{}", answer.head);
    assert!(!answer.text().contains(network.sandbox.path("").to_str().unwrap()));

    network.log.take().unwrap().kill();
    network.start_log();
    disk.free();
    // What was refused may be there all the same; what was added is.
    let mut tries = 0;
    while size(&network) < added {
        tries += 1;
        assert!(tries < 600, "{} of {added} leaves are published", size(&network));
        std::thread::park_timeout(Duration::from_millis(50));
    }
    assert!(size(&network) <= added + 4, "{}", size(&network));
    let more = add_leaf_request(&Ed25519Signer::generate().unwrap(), 0).to_body();
    assert_eq!(ask(network.log_url(), "POST", "/add-leaf", &more).status, 200);
}

#[test]
fn a_log_cannot_be_made_on_a_full_disk_and_can_when_there_is_space() {
    let sandbox = Sandbox::new();
    let Some(disk) = SmallDisk::mount(&sandbox.path("log"), "2m") else { return };
    sandbox.key("log-key");
    sandbox.write("log-policy", "quorum none\n");
    let init = ["log", "init", "--data-dir", "log", "--key-file", "log-key"];
    disk.fill();
    let failed = sandbox.run(&init).fails_with("No space left on device");
    assert!(!failed.stderr.contains("made once"), "{}", failed.stderr);
    disk.free();
    sandbox.run(&init).ok();
    sandbox.daemon(&LOG_ARGS).stop();
}

#[test]
fn a_witness_on_a_full_disk_signs_nothing_and_goes_on_when_there_is_space() {
    let sandbox = Sandbox::new();
    let Some(disk) = SmallDisk::mount(&sandbox.path("state"), "2m") else { return };
    let log = SignedLog::new(1, "true", 300);
    sandbox.key("w");
    sandbox.run(&["witness", "init", "--data-dir", "state", "-k", "w"]).ok();
    let key = log.key_hex();
    sandbox.run(&["witness", "add-log", "--data-dir", "state", "--sigsum-key", &key]).ok();
    let args = ["witness", "run", "--data-dir", "state", "-k", "w", "--listen", "127.0.0.1:0"];
    let witness = sandbox.daemon(&args);
    let post =
        |old, new| ask(&witness.url, "POST", "/add-checkpoint", &log.request(old, new).to_body());
    assert_eq!(post(0, 5).status, 200);

    disk.fill();
    // The write-ahead log may have a few pages of room, but not for ever.
    let mut size = 5;
    let refused = loop {
        let answer = post(size, size + 1);
        if answer.status != 200 {
            break answer;
        }
        size += 1;
    };
    assert_eq!((refused.status, refused.text().as_str()), (500, "Internal Server Error\n"));

    disk.free();
    let mut tries = 0;
    while post(size, size + 1).status != 200 {
        tries += 1;
        assert!(tries < 100, "it does not go on");
        std::thread::park_timeout(Duration::from_millis(100));
    }
    assert_eq!(post(size, size + 2).status, 409);
    witness.kill();
    let witness = sandbox.daemon(&args);
    let behind = ask(&witness.url, "POST", "/add-checkpoint", &log.request(0, 1).to_body());
    assert_eq!((behind.status, behind.text()), (409, format!("{}\n", size + 1)));
}
