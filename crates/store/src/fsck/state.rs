//! The state files of a directory that may be damaged.

use super::tree::TreeFiles;
use super::{Finding, Remedy};
use crate::error::{Damage, StoreError};
use crate::heads::CHECKPOINT;
use crate::place::Place;
use crate::role;
use crate::state::{self, Kind, MAX_STATE_BYTES};
use crate::types::Published;
use sigsum_core::{PublicKey, SignedTreeHead, TreeHead, TreeSize};

/// What could be read, and what is wrong.
#[derive(Debug)]
pub(super) struct StateFiles {
    pub(super) tree: Option<TreeHead>,
    pub(super) head: Option<SignedTreeHead>,
    pub(super) published: Option<Published>,
    pub(super) findings: Vec<Finding>,
}

const NO_HEAD: &str = "the log may have signed more than is published; bring back the newest copy \
                       of this file";
const ROLE: &str = "the log's key, as a follower's: unless the log was closed, `sigsum log promote` makes \
                    it a primary again, after asking whoever may know more";
const UNREADABLE: &str = "it may be whole: find out first why the system cannot read it";
const NO_PROMOTION: &str = "bring back the newest copy of this file; where the log has signed a head \
                            since this node was promoted, it may be removed";

impl StateFiles {
    pub(super) fn read(place: &Place, log_key: &PublicKey) -> Result<Self, StoreError> {
        let mut files = Self { tree: None, head: None, published: None, findings: Vec::new() };
        files.tree = files.take(Kind::Tree, state::load_tree(place))?;
        if files.tree.is_none() && !files.has(Kind::Tree) {
            files.found(Kind::Tree.name(), Damage::Missing, from_tiles());
        }
        files.head = files.take(Kind::Head, state::load_head(place))?;
        files.published = files.take(Kind::Published, state::load_published(place))?;
        if files.head.is_some_and(|head| !head.verify(log_key)) {
            files.head = None;
            files.found(Kind::Head.name(), Damage::Signature, advice(NO_HEAD));
        }
        let forged = |published: &Published| !published.head.signed.verify(log_key);
        if files.published.as_ref().is_some_and(forged) {
            files.published = None;
            files.found(Kind::Published.name(), Damage::Signature, put_published_aside());
        }
        files.read_identity(place, log_key)?;
        match role::load(place, log_key) {
            Err(StoreError::OtherLog { dir, expected, found }) => {
                return Err(StoreError::OtherLog { dir, expected, found });
            }
            other => _ = files.take(Kind::Role, other.map(Some))?,
        }
        files.take(Kind::Promotion, state::load_promotion(place))?;
        Ok(files)
    }

    fn read_identity(&mut self, place: &Place, log_key: &PublicKey) -> Result<(), StoreError> {
        let expected = log_key.key_hash();
        match self.take(Kind::Identity, state::load_identity(place))? {
            Some(found) if found != expected => {
                let dir = place.path().to_owned();
                return Err(StoreError::OtherLog { dir, expected, found });
            }
            Some(_) => (),
            None if self.has(Kind::Identity) => (),
            None => self.found(Kind::Identity.name(), Damage::Missing, self.identity_remedy()),
        }
        // A head that the key signed says whose log it is.
        let remedy = self.identity_remedy();
        let findings = self.findings.iter_mut();
        for finding in findings.filter(|finding| finding.name == Kind::Identity.name()) {
            finding.remedy = remedy.clone();
        }
        Ok(())
    }

    fn identity_remedy(&self) -> Remedy {
        match self.heads().next() {
            Some(_) => Remedy::Derivable { from: "the key that signed the head".into() },
            None => advice("no head says whose log this is; bring back a copy of this file"),
        }
    }

    /// Takes what was read; damage becomes a finding.
    fn take<T>(
        &mut self,
        kind: Kind,
        read: Result<Option<T>, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let damage = match read {
            Ok(value) => return Ok(value),
            Err(StoreError::Damaged { damage, .. }) => damage,
            Err(StoreError::File(error)) => Damage::Unreadable(error.source.to_string()),
            Err(other) => return Err(other),
        };
        let remedy = match kind {
            Kind::Tree => from_tiles(),
            Kind::Head => advice(NO_HEAD),
            Kind::Published | Kind::Role if matches!(damage, Damage::Unreadable(_)) => {
                advice(UNREADABLE)
            }
            Kind::Published => put_published_aside(),
            Kind::Identity => self.identity_remedy(),
            Kind::Role => Remedy::Derivable { from: ROLE.into() },
            Kind::Promotion => advice(NO_PROMOTION),
        };
        self.found(kind.name(), damage, remedy);
        Ok(None)
    }

    fn has(&self, kind: Kind) -> bool {
        self.findings.iter().any(|finding| finding.name == kind.name())
    }

    fn found(&mut self, name: &str, damage: Damage, remedy: Remedy) {
        self.findings.push(Finding { name: name.to_owned(), damage, remedy });
    }

    /// Heads that the log's key signed.
    pub(super) fn heads(&self) -> impl Iterator<Item = TreeHead> {
        let published = self.published.as_ref().map(|published| published.head.signed);
        self.head.into_iter().chain(published).map(|signed| signed.tree_head)
    }

    pub(super) fn largest_signed(&self) -> TreeSize {
        self.heads().map(|head| head.size).max().unwrap_or(TreeSize(0))
    }

    /// Holds the files against the tiles and each other.
    pub(super) fn compare(&mut self, place: &Place, tree: &TreeFiles) -> Result<(), StoreError> {
        let names = [Kind::Head, Kind::Published];
        let published = self.published.as_ref().map(|published| published.head.signed.tree_head);
        let heads = [self.head.map(|head| head.tree_head), published];
        for (kind, head) in names.into_iter().zip(heads) {
            let Some(head) = head else { continue };
            let (named, present) = (head.size, tree.size);
            if named > present {
                let text = "the tiles are older than this file; a copy of the log has the rest";
                self.found(kind.name(), Damage::BeyondData { named, present }, advice(text));
            } else if let Some(computed) = tree.root(named).filter(|it| *it != head.root_hash) {
                let damage = Damage::Root { size: named, computed, recorded: head.root_hash };
                let text = "either this file or the tiles are not those of this log";
                self.found(kind.name(), damage, advice(text));
            }
        }
        if let (Some(recorded), Some(computed)) = (self.tree, tree.head())
            && recorded.root_hash != computed.root_hash
        {
            let (size, computed) = (recorded.size, computed.root_hash);
            let damage = Damage::Root { size, computed, recorded: recorded.root_hash };
            let text = "the tiles contradict it; bring back the newest copies of the files below \
                        tile/ that others here name, or restore from a follower";
            self.found(Kind::Tree.name(), damage, advice(text));
        }
        self.compare_heads(place)?;
        self.compare_checkpoint(place)
    }

    /// Nothing is published that was not signed first.
    fn compare_heads(&mut self, place: &Place) -> Result<(), StoreError> {
        let Some(published) = &self.published else {
            let was_any = self.has(Kind::Published) || place.len(CHECKPOINT)?.is_some();
            if was_any && self.head.is_none() && !self.has(Kind::Head) {
                self.found(Kind::Head.name(), Damage::Missing, advice(NO_HEAD));
            }
            return Ok(());
        };
        let published = published.head.signed.tree_head.size;
        let from_published = match self.tree {
            // Nothing that was signed is smaller than what is published, or larger than the tiles.
            Some(tree) if tree.size == published => Remedy::Derivable { from: "published".into() },
            _ => advice(NO_HEAD),
        };
        match self.head {
            Some(head) if head.tree_head.size < published => {
                let damage = Damage::BehindPublished { head: head.tree_head.size, published };
                self.found(Kind::Head.name(), damage, from_published);
            }
            Some(_) => (),
            None if !self.has(Kind::Head) => {
                self.found(Kind::Head.name(), Damage::Missing, from_published);
            }
            None => {
                let findings = self.findings.iter_mut();
                for finding in findings.filter(|finding| finding.name == Kind::Head.name()) {
                    finding.remedy = from_published.clone();
                }
            }
        }
        Ok(())
    }

    fn compare_checkpoint(&mut self, place: &Place) -> Result<(), StoreError> {
        let Some(published) = &self.published else { return Ok(()) };
        let damage = match place.read(CHECKPOINT, MAX_STATE_BYTES) {
            Ok(Some(bytes)) if bytes == published.checkpoint => return Ok(()),
            Ok(Some(_)) => Damage::Changed,
            Ok(None) => Damage::Missing,
            Err(error) => Damage::Unreadable(error.source.to_string()),
        };
        self.found(CHECKPOINT, damage, Remedy::Derivable { from: Kind::Published.name().into() });
        Ok(())
    }
}

fn from_tiles() -> Remedy {
    Remedy::Derivable { from: "the tiles, as far as a signed head vouches for them".into() }
}

fn put_published_aside() -> Remedy {
    Remedy::PutAside { effect: "the log serves no head until a quorum has cosigned again" }
}

fn advice(advice: &'static str) -> Remedy {
    Remedy::Operator { advice }
}
