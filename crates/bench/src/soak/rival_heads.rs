//! A log that tries to have two branches cosigned, against a witness that is killed again and
//! again. Whatever the witness cosigns must lie on one branch, and never go back.

use super::Violations;
use super::assault::Target;
use crate::failure::Failure;
use crate::http::{Answer, Connection, get, post};
use crate::random::Random;
use crate::tree::MemoryTree;
use sigsum_core::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use sigsum_core::cosignature::verify_line_by_key;
use sigsum_core::note::NoteKey;
use sigsum_core::wire::witness::{
    AddCheckpointRequest, endpoint, parse_conflict, parse_signature_lines,
};
use sigsum_core::{Hash, PublicKey, SignedTreeHead, TreeHead, TreeSize};
use sigsum_keys::Ed25519Signer;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Leaves that a branch adds, at most.
const LONGEST_BRANCH: u64 = 12;
/// After so many rounds, one attack that must fail.
const ROUNDS_PER_ATTACK: u64 = 2;
/// Pause of a log that was turned away, and between two tries of one that must know.
const PAUSE: Duration = Duration::from_millis(1);

/// What all logs of a soak share.
#[derive(Debug)]
pub(crate) struct Counts {
    /// Of the witness.
    pub(crate) key: PublicKey,
    pub(crate) cosignatures: AtomicU64,
    /// Rounds in which both branches were sent at once.
    pub(crate) duels: AtomicU64,
    /// Attempts at cosignatures that there must not be.
    pub(crate) attacks: AtomicU64,
    /// Heads that the witness had stored and not yet cosigned when it was killed.
    pub(crate) found_stored: AtomicU64,
    pub(crate) violations: Violations,
}

impl Counts {
    /// Nothing yet.
    pub(crate) fn new(key: PublicKey) -> Self {
        Self {
            key,
            cosignatures: AtomicU64::default(),
            duels: AtomicU64::default(),
            attacks: AtomicU64::default(),
            found_stored: AtomicU64::default(),
            violations: Violations::default(),
        }
    }
}

/// Leaves that may come next, and the head with them.
#[derive(Debug, Clone)]
struct Branch {
    leaves: Vec<Hash>,
    head: TreeHead,
    /// Consistency proof from the tree before.
    proof: Vec<Hash>,
}

/// What the witness said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// A cosignature, which was checked and noted.
    Cosigned,
    /// 409 with the size that it has.
    Has(u64),
    /// 422.
    Refused,
    /// 503, or nothing: it may have stored the head or not.
    Nothing,
}

/// A log that plays foul.
#[derive(Debug)]
pub(crate) struct RivalLog {
    signer: Ed25519Signer,
    origin: Origin,
    random: Random,
    /// The branch that won, so far.
    tree: MemoryTree,
    /// The winner before, and the loser of the last round.
    before: TreeHead,
    loser: Option<Branch>,
    /// Every head with a cosignature that arrived.
    cosigned: Vec<TreeHead>,
    counts: Arc<Counts>,
}

impl RivalLog {
    /// An empty log.
    pub(crate) fn new(signer: Ed25519Signer, random: Random, counts: Arc<Counts>) -> Self {
        let origin = Origin::sigsum(&signer.public_key().key_hash());
        let (tree, before, cosigned) = (MemoryTree::default(), TreeHead::empty(), Vec::new());
        Self { signer, origin, random, tree, before, loser: None, cosigned, counts }
    }

    /// Plays until the end of the load, and looks back then.
    pub(crate) async fn play(mut self, mut target: Target) -> Result<(), Failure> {
        while let (Some(mut one), Some(mut two)) = (target.connect().await, target.connect().await)
        {
            // The connections end with the witness; whoever finds that out connects anew.
            while !target.is_stopped() {
                let (a, b) = (self.branch()?, self.branch()?);
                let settled = self.duel(&mut one, &mut two, &a, &b).await;
                if settled.is_none() && !self.find_out(&mut target, &a, &b).await? {
                    return self.look_back();
                }
                if settled.is_none() {
                    break;
                }
                if self.random.once_in(ROUNDS_PER_ATTACK) && self.attack(&mut one).await.is_none() {
                    break;
                }
            }
            if let Some(mut connection) = target.connect().await {
                self.look_at_published(&mut connection).await?;
            }
        }
        self.look_back()
    }

    fn branch(&mut self) -> Result<Branch, Failure> {
        let (old, count) = (self.tree.size(), 1 + self.random.below(LONGEST_BRANCH));
        let leaves: Vec<Hash> = (0..count).map(|_| Hash::new(self.random.bytes())).collect();
        leaves.iter().for_each(|leaf| self.tree.append(*leaf));
        let head = self.tree.head(old + count)?;
        let proof = self.tree.consistency(old, old + count)?;
        self.tree.truncate(old);
        Ok(Branch { leaves, head, proof })
    }

    fn request(&self, old_size: u64, proof: &[Hash], tree_head: TreeHead) -> Vec<u8> {
        let log = self.signer.public_key();
        let signature = self.signer.sign_now(&tree_head.sigsum_signing_bytes(&log.key_hash()));
        let head = SignedTreeHead { tree_head, signature };
        let checkpoint = SignedCheckpoint::from_sigsum(&head, &log);
        let (old_size, proof) = (TreeSize(old_size), proof.to_vec());
        let body = AddCheckpointRequest { old_size, proof, checkpoint }.to_body();
        post(endpoint::ADD_CHECKPOINT, &body)
    }

    /// Sends both branches at once. None if it is not known how it ended.
    async fn duel(
        &mut self,
        one: &mut Connection,
        two: &mut Connection,
        a: &Branch,
        b: &Branch,
    ) -> Option<()> {
        let old = self.tree.size();
        let requests = (self.request(old, &a.proof, a.head), self.request(old, &b.proof, b.head));
        let answers = tokio::join!(one.exchange(&requests.0), two.exchange(&requests.1));
        let (first, second) = (
            answers.0.map_or(Said::Nothing, |answer| self.said(&answer, a.head)),
            answers.1.map_or(Said::Nothing, |answer| self.said(&answer, b.head)),
        );
        self.counts.duels.fetch_add(1, Ordering::Relaxed);
        match (first, second) {
            (Said::Cosigned, Said::Cosigned) => {
                let what = format!("two branches cosigned, {} and {}", a.head.size, b.head.size);
                self.counts.violations.add(what);
            }
            (Said::Cosigned, _) => self.adopt(a, b),
            (_, Said::Cosigned) => self.adopt(b, a),
            _ => return None,
        }
        Some(())
    }

    /// Reads an answer about a head, and notes a cosignature.
    fn said(&mut self, answer: &Answer<'_>, head: TreeHead) -> Said {
        match answer.status {
            200 => {
                self.note_cosignature(answer.body, head);
                Said::Cosigned
            }
            409 => match parse_conflict(answer.body) {
                Ok(TreeSize(size)) => Said::Has(size),
                Err(error) => {
                    self.counts.violations.add(format!("the body of a 409: {error}"));
                    Said::Nothing
                }
            },
            422 => Said::Refused,
            503 => Said::Nothing,
            _ => {
                let what = answer.describe();
                self.counts.violations.add(format!("add-checkpoint: {what}"));
                Said::Nothing
            }
        }
    }

    fn note_cosignature(&mut self, body: &[u8], head: TreeHead) {
        let checkpoint = Checkpoint::new(self.origin.clone(), head);
        let key = NoteKey::CosignatureEd25519(self.counts.key);
        let lines = parse_signature_lines(body).unwrap_or_default();
        if !lines.iter().any(|line| verify_line_by_key(line, &key, &checkpoint).is_ok()) {
            self.counts.violations.add(format!("no valid cosignature of size {}", head.size));
            return;
        }
        if let Some(last) = self.cosigned.last().filter(|last| last.size > head.size) {
            let what = format!("size {} was cosigned after {}", head.size, last.size);
            self.counts.violations.add(what);
        }
        self.counts.cosignatures.fetch_add(1, Ordering::Relaxed);
        if self.cosigned.last() != Some(&head) {
            self.cosigned.push(head);
        }
    }

    fn adopt(&mut self, winner: &Branch, loser: &Branch) {
        let size = self.tree.size();
        if let Ok(before) = self.tree.head(size) {
            self.before = before;
        }
        winner.leaves.iter().for_each(|leaf| self.tree.append(*leaf));
        self.loser = Some(loser.clone());
    }

    /// Asks until it is known which branch the witness has. False at the end of the load.
    async fn find_out(
        &mut self,
        target: &mut Target,
        a: &Branch,
        b: &Branch,
    ) -> Result<bool, Failure> {
        let old = self.tree.size();
        while let Some(mut connection) = target.connect().await {
            let said = self.ask(&mut connection, old, &a.proof, a.head).await;
            let size = match said {
                Said::Cosigned => {
                    self.adopt(a, b);
                    return Ok(true);
                }
                Said::Has(size) => size,
                Said::Refused => {
                    self.counts.violations.add("a good proof was refused");
                    return Ok(true);
                }
                Said::Nothing => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            if ![a.head.size.0, b.head.size.0].contains(&size) {
                let (a, b) = (a.head.size, b.head.size);
                let what = format!("the witness has size {size}, and not {old}, {a} or {b}");
                self.counts.violations.add(what);
                return Ok(false);
            }
            for (mine, other) in [(a, b), (b, a)] {
                if mine.head.size.0 == size
                    && self.ask(&mut connection, size, &[], mine.head).await == Said::Cosigned
                {
                    self.counts.found_stored.fetch_add(1, Ordering::Relaxed);
                    self.adopt(mine, other);
                    return Ok(true);
                }
            }
            // Killed in between: ask again.
        }
        Ok(false)
    }

    async fn ask(
        &mut self,
        connection: &mut Connection,
        old: u64,
        proof: &[Hash],
        head: TreeHead,
    ) -> Said {
        let request = self.request(old, proof, head);
        match connection.exchange(&request).await {
            Ok(answer) => self.said(&answer, head),
            Err(_) => Said::Nothing,
        }
    }

    /// Asks for a cosignature that must not be given. None if the connection is gone.
    async fn attack(&mut self, connection: &mut Connection) -> Option<()> {
        let Some(loser) = self.loser.clone() else { return Some(()) };
        let (size, before) = (self.tree.size(), self.before);
        let said = match self.random.below(4) {
            // The loser, as if nothing had happened.
            0 => self.ask(connection, before.size.0, &loser.proof, loser.head).await,
            // The loser, as if it had grown out of the winner.
            1 if loser.head.size.0 >= size => {
                self.ask(connection, size, &loser.proof, loser.head).await
            }
            // Another tree of the same size.
            2 => {
                let root_hash = Hash::new(self.random.bytes());
                let head = TreeHead { size: TreeSize(size), root_hash };
                self.ask(connection, size, &[], head).await
            }
            // Back to where it was.
            _ => self.ask(connection, before.size.0, &[], before).await,
        };
        self.counts.attacks.fetch_add(1, Ordering::Relaxed);
        match said {
            Said::Has(has) if has == size => Some(()),
            Said::Refused => Some(()),
            Said::Nothing => None,
            Said::Has(has) => {
                let what = format!("the witness has size {has}, the last it cosigned is {size}");
                self.counts.violations.add(what);
                Some(())
            }
            Said::Cosigned => {
                self.counts.violations.add("a head that contradicts another was cosigned");
                Some(())
            }
        }
    }

    /// What the witness shows to monitors must be on the branch too.
    async fn look_at_published(&mut self, connection: &mut Connection) -> Result<(), Failure> {
        let path = format!("{}/checkpoint", Hash::new(self.origin.hash()));
        let Ok(answer) = connection.exchange(&get(&path)).await else { return Ok(()) };
        if answer.status != 200 {
            return Ok(());
        }
        let published = SignedCheckpoint::parse(answer.body).map(|note| note.checkpoint.tree_head);
        match published {
            Ok(head) if head.size.0 <= self.tree.size() => {
                if self.tree.head(head.size.0)? != head {
                    let what = format!("the published checkpoint of size {} is another", head.size);
                    self.counts.violations.add(what);
                }
            }
            Ok(head) => {
                self.counts.violations.add(format!("published size {} was never sent", head.size));
            }
            Err(error) => self.counts.violations.add(format!("published checkpoint: {error}")),
        }
        Ok(())
    }

    /// Every head that was cosigned must be a head of the tree that won.
    fn look_back(self) -> Result<(), Failure> {
        for head in &self.cosigned {
            let is_ours = head.size.0 <= self.tree.size() && self.tree.head(head.size.0)? == *head;
            if !is_ours {
                let what = format!("{}: size {} is on another branch", self.origin, head.size);
                self.counts.violations.add(what);
            }
        }
        Ok(())
    }
}
