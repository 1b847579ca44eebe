//! A log whose parts come up in random order, vanish and come back: the ssh-agent with its key,
//! the witnesses and followers (one of each with its key in the agent too), the DNS server of the
//! submitters' domain, the policy file, and the log itself, which is started again whenever it ends,
//! as a supervisor does. However it went, once all are up a leaf must be in a published head within
//! ten seconds.

mod parts;

use self::parts::{PARTS, Parts, script};
use super::{Setting, Violations};
use crate::failure::Failure;
use crate::http::{get, once, post_with};
use crate::network::Sandbox;
use crate::random::Random;
use sigsum_core::leaf::leaf_signing_bytes;
use sigsum_core::token::TOKEN_HEADER;
use sigsum_core::tree_head::sigsum_origin;
use sigsum_core::wire::log::{AddLeafRequest, endpoint, parse_tree_head};
use sigsum_core::{CosignedTreeHead, Message};
use sigsum_keys::Ed25519Signer;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

pub(super) use self::parts::missing_programs;

/// Networks at once.
const AT_ONCE: u32 = 8;
/// What operators are promised.
const PROMISE: Duration = Duration::from_secs(10);
/// A log that has not signed by then is given up.
const LIMIT: Duration = Duration::from_secs(60);
/// Pause of the supervisor, and between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Runs the soak and prints its counts.
pub(crate) async fn run(setting: &Setting<'_>, rounds: u32) -> Result<Violations, Failure> {
    println!("\nstart-order, {AT_ONCE} networks at once");
    let began = Instant::now();
    let mut networks = JoinSet::new();
    for number in 0..AT_ONCE {
        let sandbox = Sandbox::new(setting.data, setting.program)?;
        let random = Random::stream(setting.seed, 5000 + u64::from(number));
        let rounds = rounds / AT_ONCE + u32::from(number < rounds % AT_ONCE);
        networks.spawn(async move { Network::new(sandbox, number)?.play(random, rounds).await });
    }
    let all = Violations::default();
    let mut times = Vec::new();
    while let Some(ended) = networks.join_next().await {
        let (took, violations) = ended.map_err(|e| Failure::server("a network", e))??;
        times.extend(took);
        violations.into_iter().for_each(|violation| all.add(violation));
    }
    times.sort();
    let at = |part: usize| times.get((times.len() * part / 100).min(times.len() - 1));
    println!("  start orders: {} in {:.0?}", times.len(), began.elapsed());
    println!(
        "  from the last part to a published leaf: median {:.1?}, p90 {:.1?}, longest {:.1?}",
        at(50).copied().unwrap_or_default(),
        at(90).copied().unwrap_or_default(),
        times.last().copied().unwrap_or_default()
    );
    Ok(all)
}

/// One log, and who submits to it.
struct Network {
    parts: Parts,
    submitter: Ed25519Signer,
    leaves: u64,
}

impl Network {
    fn new(sandbox: Sandbox, number: u32) -> Result<Self, Failure> {
        let submitter = Ed25519Signer::generate().map_err(Failure::preparing("a key"))?;
        Ok(Self { parts: Parts::new(sandbox, number)?, submitter, leaves: 0 })
    }

    /// Plays rounds, each from everything down. Gives the times from the last part's coming to a
    /// published leaf, and what took too long.
    async fn play(
        mut self,
        mut random: Random,
        rounds: u32,
    ) -> Result<(Vec<Duration>, Vec<String>), Failure> {
        let (mut times, mut violations) = (Vec::new(), Vec::new());
        for round in 1..=rounds {
            let script = script(&mut random);
            let began = Instant::now();
            for (at, part, up) in &script {
                while began.elapsed() < *at {
                    self.parts.supervise()?;
                    tokio::time::sleep(PAUSE).await;
                }
                if *up { self.parts.raise(*part)? } else { self.parts.fell(*part)? }
            }
            let told: Vec<String> = script
                .iter()
                .map(|(_, part, up)| format!("{}{part:?}", if *up { "+" } else { "-" }))
                .collect();
            let told = told.join(" ");
            match self.until_published().await {
                Some(took) if took <= PROMISE => times.push(took),
                Some(took) => {
                    violations.push(format!("{took:.1?} until a leaf was published, after {told}"));
                    times.push(took);
                }
                // Whether its leaf came into the tree is not known, so that later rounds of this network
                // would tell nothing.
                None => {
                    let left_out = rounds - round;
                    let said = self.parts.said();
                    violations.push(format!(
                        "no leaf was published in {LIMIT:?}, after {told}\n\
                         ({left_out} more rounds of this network are left out)\n{said}"
                    ));
                    break;
                }
            }
            for part in PARTS {
                self.parts.fell(part)?;
            }
        }
        Ok((times, violations))
    }

    /// Waits until every part is up, and then until a new leaf is published.
    async fn until_published(&mut self) -> Option<Duration> {
        let began = Instant::now();
        let address = loop {
            self.parts.supervise().ok()?;
            if let Some(address) = self.parts.all_up() {
                break address;
            }
            if began.elapsed() > LIMIT {
                return None;
            }
            tokio::time::sleep(PAUSE).await;
        };
        let up = Instant::now();
        self.leaves += 1;
        let message = Message::of_data(&self.leaves.to_be_bytes());
        let signature = self.submitter.sign_now(&leaf_signing_bytes(&message.checksum()));
        let request =
            AddLeafRequest { message, signature, public_key: self.submitter.public_key() };
        let token = format!("{TOKEN_HEADER}: {}\r\n", self.parts.token.to_header());
        let add = post_with(endpoint::ADD_LEAF, &token, &request.to_body());
        let head = get(endpoint::GET_TREE_HEAD);
        let mut is_added = false;
        while up.elapsed() <= LIMIT {
            if !is_added {
                is_added = matches!(once(address, &add).await, Ok((200, _)));
            }
            if let (true, Ok((200, body))) = (is_added, once(address, &head).await) {
                let head = parse_tree_head(&body).ok();
                if head.is_some_and(|head| self.is_good(&head)) {
                    return Some(up.elapsed());
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        None
    }

    /// Whether a head holds all leaves, signed and cosigned.
    fn is_good(&self, head: &CosignedTreeHead) -> bool {
        let text =
            head.signed.tree_head.checkpoint_text(&sigsum_origin(&self.parts.log_key.key_hash()));
        let cosigned = |index: usize| {
            let key = self.parts.policy.witnesses().get(index).and_then(|w| w.public_key());
            key.is_some_and(|key| head.cosignatures().iter().any(|c| c.verify(key, &text)))
        };
        head.signed.tree_head.size.0 == self.leaves
            && head.signed.verify(&self.parts.log_key)
            && self.parts.policy.quorum().is_satisfied(&cosigned)
    }
}
