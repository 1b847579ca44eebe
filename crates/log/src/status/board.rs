//! Gathers the overview from the parts that know.

use super::followers;
use super::growth::Samples;
use super::{Disk, Head, Overview, Quorum, Section, Waiting, Witness};
use crate::config::{Config, Storage};
use crate::engine::cosigned::WitnessId;
use crate::engine::peer::Condition;
use crate::publisher::{HeadStatus, Stage, WitnessStatus};
use crate::reload::ServiceRules;
use crate::replication::Replication;
use crate::served::Served;
use crate::signing::WatchedSigner;
use crate::start::Context;
use arc_swap::ArcSwap;
use sigsum_core::policy::{Policy, PolicyWitness, QuorumOutcome};
use sigsum_service::clock::Clock;
use sigsum_service::health::Health;
use sigsum_service::http::Prefix;
use sigsum_store::LogStore;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Tells a section, anew each time.
#[derive(Clone)]
struct SectionSource {
    is_public: bool,
    tell: Arc<dyn Fn() -> Section + Send + Sync>,
}

/// The parts of a running log that the overview is about.
pub(crate) struct Live {
    pub(crate) store: Arc<dyn LogStore>,
    pub(crate) served: Arc<Served>,
    pub(crate) heads: watch::Receiver<HeadStatus>,
    pub(crate) signer: Arc<WatchedSigner>,
    pub(crate) rules: Arc<ArcSwap<ServiceRules>>,
}

impl Live {
    pub(crate) fn new(
        store: &Arc<dyn LogStore>,
        served: &Arc<Served>,
        heads: &watch::Receiver<HeadStatus>,
        signer: &Arc<WatchedSigner>,
        rules: &Arc<ArcSwap<ServiceRules>>,
    ) -> Self {
        Self {
            store: store.clone(),
            served: served.clone(),
            heads: heads.clone(),
            signer: signer.clone(),
            rules: rules.clone(),
        }
    }
}

/// Where the overview comes from.
pub(crate) struct Board {
    pub(crate) live: Live,
    software_version: String,
    url_prefix: String,
    started_s: u64,
    clock: Arc<dyn Clock>,
    health: Health,
    /// The policy of the start, until the heads' part tells the one in force.
    policy: Arc<Policy>,
    samples: Mutex<Samples>,
    /// The data directory, where it is one.
    directory: Option<PathBuf>,
    /// What parts of the log add that are not always there.
    sections: Mutex<Vec<SectionSource>>,
}

impl Board {
    /// A board of a log that starts now.
    pub(crate) fn new(config: &Config, context: &Context, prefix: &Prefix, live: Live) -> Self {
        let directory = match &config.storage {
            Storage::DataDir(directory) => Some(directory.clone()),
            Storage::Ephemeral | Storage::Place(_) => None,
        };
        let service = &context.service;
        Self {
            live,
            software_version: config.software_version.clone(),
            url_prefix: prefix.to_string(),
            started_s: service.clock.now_s(),
            clock: service.clock.clone(),
            health: service.health.clone(),
            policy: context.policy.clone(),
            samples: Mutex::default(),
            directory,
            sections: Mutex::default(),
        }
    }

    /// Whether the log has nothing more to sign, ever.
    pub(crate) fn is_closed(&self) -> bool {
        self.live.heads.borrow().stage == Stage::Closed
    }

    /// Notes how large the tree is now.
    pub(crate) fn note_size(&self) {
        let size = self.live.store.committed_size().0;
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.note(self.clock.now_s(), size);
    }

    /// Shows how the followers do.
    pub(crate) fn show_followers(&self, replication: Arc<Replication>) {
        self.add_section(false, move || followers::section(&replication.status()));
    }

    /// Adds a section to the pages, that for everybody or the operator's alone; it is told anew each
    /// time somebody looks.
    pub(crate) fn add_section(
        &self,
        is_public: bool,
        tell: impl Fn() -> Section + Send + Sync + 'static,
    ) {
        let source = SectionSource { is_public, tell: Arc::new(tell) };
        self.sections.lock().unwrap_or_else(PoisonError::into_inner).push(source);
    }

    /// How the log does now.
    pub(crate) fn overview(&self) -> Overview {
        Overview { disk: self.disk(), ..self.gather(false) }
    }

    /// The same for everybody. Whoever asks for it again and again costs the log no more than that:
    /// what is not shown is not looked at.
    pub(crate) fn public_overview(&self) -> Overview {
        self.gather(true)
    }

    fn gather(&self, is_public: bool) -> Overview {
        let now_s = self.clock.now_s();
        let heads = self.live.heads.borrow().clone();
        let waiting = self.health.waiting().into_iter();
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let committed_size = self.live.store.committed_size().0;
        let growth = samples.growth(now_s, committed_size);
        drop(samples);
        let sources = self.sections.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Overview {
            software_version: self.software_version.clone(),
            key_hash: self.live.signer.public_key().key_hash().to_hex(),
            url_prefix: self.url_prefix.clone(),
            stage: heads.stage,
            now_s,
            started_s: self.started_s,
            waiting: waiting.map(|(part, reason)| Waiting { part, reason }).collect(),
            head: self.head(),
            committed_size,
            signed_size: heads.signed_size.map(|size| size.0),
            growth,
            signer: self.live.signer.status(),
            quorum: self.quorum(&heads),
            witnesses: self.witnesses(&heads),
            disk: None,
            max_range: self.live.rules.load().max_range,
            sections: told(&sources, is_public),
        }
    }

    fn policy<'a>(&'a self, heads: &'a HeadStatus) -> &'a Policy {
        heads.policy.as_ref().unwrap_or(&self.policy)
    }

    fn head(&self) -> Option<Head> {
        let served = self.live.served.head()?;
        let tree_head = served.cosigned.signed.tree_head;
        Some(Head {
            size: tree_head.size.0,
            root_hash: tree_head.root_hash.to_hex(),
            cosignatures: served.times.len(),
            quorum: served.quorum,
            newest_cosignature_s: served.times.iter().map(|(_, time_s)| *time_s).max(),
        })
    }

    fn quorum(&self, heads: &HeadStatus) -> Quorum {
        let times = self.live.served.head();
        let cosigned = |at: usize| {
            times.as_ref().is_some_and(|head| head.times.iter().any(|(id, _)| id.0 == at))
        };
        let report = self.policy(heads).quorum().evaluate(&cosigned);
        Quorum {
            is_needed: !matches!(report.outcome, QuorumOutcome::NothingAsked),
            missing: heads.quorum_missing,
            last_met_s: heads.quorum_time_s,
            report: report.to_string(),
        }
    }

    fn witnesses(&self, heads: &HeadStatus) -> Vec<Witness> {
        let served = self.live.served.head();
        let cosigned_s = |at: usize| {
            let times = served.as_ref().map(|head| head.times.iter());
            times.into_iter().flatten().find(|(id, _)| *id == WitnessId(at)).map(|(_, s)| *s)
        };
        let describe = |(at, witness): (usize, &PolicyWitness)| {
            let known = heads.witnesses.iter().find(|status| status.id == WitnessId(at));
            Witness {
                name: witness.name().to_string(),
                url: known.map(|status| status.label.clone()),
                state: state(known),
                success_s: known.and_then(|status| status.success_s),
                cosigned_served_s: cosigned_s(at),
                problem: known.and_then(problem),
            }
        };
        self.policy(heads).witnesses().iter().enumerate().map(describe).collect()
    }

    /// Of the file system under the data directory.
    pub(crate) fn disk(&self) -> Option<Disk> {
        Disk::under(self.directory.as_ref()?)
    }
}

/// Tells all sections, or those for everybody.
fn told(sources: &[SectionSource], is_public: bool) -> Vec<Section> {
    let shown = sources.iter().filter(|source| source.is_public || !is_public);
    shown.map(|source| (source.tell)()).collect()
}

/// A witness's condition in a word or two.
fn state(known: Option<&WitnessStatus>) -> &'static str {
    match known.map(|status| status.condition) {
        None => "has no URL",
        Some(Condition::Unknown) => "not asked yet",
        Some(Condition::Good) => "good",
        Some(Condition::Failing) => "failing",
        Some(Condition::Ahead { .. }) => "ahead",
    }
}

/// What is wrong with a witness.
fn problem(status: &WitnessStatus) -> Option<String> {
    match status.condition {
        Condition::Unknown | Condition::Good => None,
        Condition::Failing => status.problem.clone(),
        Condition::Ahead { size } => Some(format!(
            "knows a tree of size {size}, larger than this log signed: the data directory is an \
             old copy, or another log runs with this key"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_for_everybody_is_not_even_looked_at_for_them() {
        let looks = Arc::new(Mutex::new(Vec::new()));
        let source = |is_public, title: &'static str| {
            let looks = looks.clone();
            let tell = move || {
                looks.lock().unwrap().push(title);
                Section { title: title.to_owned(), is_public, rows: Vec::new() }
            };
            SectionSource { is_public, tell: Arc::new(tell) }
        };
        let sources = [source(true, "limits"), source(false, "counters")];
        assert_eq!(told(&sources, true).len(), 1);
        assert_eq!(*looks.lock().unwrap(), ["limits"]);
        assert_eq!(told(&sources, false).len(), 2);
    }
}
