//! What a log publishes, looked at by nobody's client: tree heads, verified with the policy.

use crate::harness::Sandbox;
use sigsum_core::policy::Policy;
use sigsum_core::tree_head::sigsum_origin;
use sigsum_core::wire::log::parse_tree_head;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// What has not happened after so long will not.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a log.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// A tree head whose log signature and cosignatures are all valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) size: u64,
    pub(crate) root: String,
    /// Seconds since the Unix epoch, by the witness's name in the policy.
    pub(crate) cosigned_s: BTreeMap<String, u64>,
}

/// Looks at the log of a sandbox's `policy`.
pub(crate) struct Observer {
    policy: Policy,
}

impl Observer {
    pub(crate) fn new(sandbox: &Sandbox) -> Self {
        Self { policy: Policy::parse_sigsum(sandbox.read("policy").as_bytes()).unwrap() }
    }

    /// The published head; `None` where the log does not answer.
    #[track_caller]
    pub(crate) fn head(&self) -> Option<Head> {
        let log = &self.policy.logs()[0];
        let (status, body) = get(log.url().unwrap(), "/get-tree-head")?;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        let head = parse_tree_head(&body).unwrap();
        assert!(head.signed.verify(log.public_key().unwrap()), "the log's signature is invalid");
        let tree_head = head.signed.tree_head;
        let text = tree_head.checkpoint_text(&sigsum_origin(&log.key_hash()));
        let cosigned_s = head.cosignatures().iter().map(|cosignature| {
            let (_, witness) = self.policy.witness_by_key_hash(&cosignature.key_hash).unwrap();
            let name = witness.name().as_str().unwrap().to_owned();
            let is_valid = cosignature.verify(witness.public_key().unwrap(), &text);
            assert!(is_valid, "the cosignature of {name} is invalid");
            (name, cosignature.timestamp_s)
        });
        let root = tree_head.root_hash.to_hex();
        Some(Head { size: tree_head.size.0, root, cosigned_s: cosigned_s.collect() })
    }

    /// Waits for a head.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, is_it: impl Fn(&Head) -> bool) -> Head {
        let until = Instant::now() + PATIENCE;
        loop {
            let head = self.head();
            if let Some(head) = head.as_ref().filter(|head| is_it(head)) {
                return head.clone();
            }
            assert!(Instant::now() < until, "no {what}; the last head: {head:?}");
            std::thread::park_timeout(LOOK_INTERVAL);
        }
    }

    /// Waits for a head of this size or more that all witnesses of the policy have cosigned.
    #[track_caller]
    pub(crate) fn cosigned(&self, size: u64) -> Head {
        let all = self.policy.witnesses().len();
        let is_it = |head: &Head| head.size >= size && head.cosigned_s.len() == all;
        self.wait_for(&format!("head of size {size} with {all} cosignatures"), is_it)
    }
}

/// Status and body of an answer; `None` where nobody listens or the answer is cut off.
pub(crate) fn request(url: &str, method: &str, path: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
    let authority = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(authority).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {authority}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let status = String::from_utf8_lossy(&answer[..end]).split(' ').nth(1)?.parse().ok()?;
    Some((status, answer[end + 4..].to_vec()))
}

/// The same for a request without a body.
pub(crate) fn get(url: &str, path: &str) -> Option<(u16, Vec<u8>)> {
    request(url, "GET", path, b"")
}
