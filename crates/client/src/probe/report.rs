//! What a probe found.

use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What a log is there for; each is up or down by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// What is published can be had, and agrees.
    Read,
    /// A new leaf is taken.
    Submit,
    /// It gets into the published tree.
    Merged,
    /// That tree has the policy's quorum.
    Quorum,
}

impl Service {
    /// All of them, in the order of a leaf's life.
    pub const ALL: [Self; 4] = [Self::Read, Self::Submit, Self::Merged, Self::Quorum];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Submit => "submit",
            Self::Merged => "merged",
            Self::Quorum => "quorum",
        }
    }
}

/// One step of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProbeStep {
    /// The served head: its signature and age.
    TreeHead,
    /// It continues the one that was seen last.
    Consistency,
    /// The checkpoint is of the same tree.
    Checkpoint,
    /// The last leaf is the one that the tree has there.
    Leaves,
    /// So are the tiles.
    Tiles,
    /// A fresh leaf is taken.
    AddLeaf,
    /// It is proven to be in a published tree.
    Merged,
    /// The proof satisfies the policy.
    Quorum,
}

impl ProbeStep {
    /// All of them, in order.
    pub const ALL: [Self; 8] = [
        Self::TreeHead,
        Self::Consistency,
        Self::Checkpoint,
        Self::Leaves,
        Self::Tiles,
        Self::AddLeaf,
        Self::Merged,
        Self::Quorum,
    ];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::TreeHead => "get-tree-head",
            Self::Consistency => "get-consistency-proof",
            Self::Checkpoint => "checkpoint",
            Self::Leaves => "get-leaves",
            Self::Tiles => "tile",
            Self::AddLeaf => "add-leaf",
            Self::Merged => "merged",
            Self::Quorum => "quorum",
        }
    }

    /// What it is a part of.
    pub fn service(self) -> Service {
        match self {
            Self::TreeHead | Self::Consistency | Self::Checkpoint | Self::Leaves | Self::Tiles => {
                Service::Read
            }
            Self::AddLeaf => Service::Submit,
            Self::Merged => Service::Merged,
            Self::Quorum => Service::Quorum,
        }
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepOutcome {
    /// As it should.
    Good,
    /// It says nothing about the log, for this reason.
    Skipped(String),
    /// Not as it should.
    Failed(String),
}

/// A step that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepReport {
    /// Which.
    pub step: ProbeStep,
    /// How it ended.
    pub outcome: StepOutcome,
    /// How long it took; for [`ProbeStep::Merged`] and [`ProbeStep::Quorum`] since the leaf was sent.
    pub took: Duration,
}

/// The head that was served when the probe began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadSeen {
    /// Number of its leaves.
    pub size: u64,
    /// Age of its newest cosignature that counts under the policy; `None` where there is none.
    pub age_s: Option<u64>,
    /// The policy's witnesses by name, and whether each cosigned it.
    pub cosigned: Vec<(String, bool)>,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeReport {
    /// The log.
    pub url: Arc<str>,
    /// The steps, in order.
    pub steps: Vec<StepReport>,
    /// The head, where it verified.
    pub head: Option<HeadSeen>,
}

impl ProbeReport {
    /// Whether a service is up: down where one of its steps failed, unknown where none succeeded.
    pub fn is_up(&self, service: Service) -> Option<bool> {
        let mut up = None;
        for step in self.steps.iter().filter(|step| step.step.service() == service) {
            match step.outcome {
                StepOutcome::Failed(_) => return Some(false),
                StepOutcome::Good => up = Some(true),
                StepOutcome::Skipped(_) => {}
            }
        }
        up
    }

    /// Whether nothing failed.
    pub fn is_good(&self) -> bool {
        self.steps.iter().all(|step| !matches!(step.outcome, StepOutcome::Failed(_)))
    }
}

/// Collects steps.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    steps: Vec<StepReport>,
}

impl Recorder {
    pub(super) fn note(&mut self, step: ProbeStep, began: Instant, outcome: StepOutcome) {
        self.note_took(step, began.elapsed(), outcome);
    }

    pub(super) fn note_took(&mut self, step: ProbeStep, took: Duration, outcome: StepOutcome) {
        self.steps.push(StepReport { step, outcome, took });
    }

    pub(super) fn finish(self, url: Arc<str>, head: Option<HeadSeen>) -> ProbeReport {
        ProbeReport { url, steps: self.steps, head }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(steps: &[(ProbeStep, StepOutcome)]) -> ProbeReport {
        let took = Duration::ZERO;
        let step = |(step, outcome): &(ProbeStep, StepOutcome)| StepReport {
            step: *step,
            outcome: outcome.clone(),
            took,
        };
        ProbeReport { url: "u".into(), steps: steps.iter().map(step).collect(), head: None }
    }

    #[test]
    fn a_service_is_down_when_one_of_its_steps_failed_and_unknown_when_none_was_made() {
        let failed = || StepOutcome::Failed("x".into());
        let skipped = || StepOutcome::Skipped("x".into());
        let made = report(&[
            (ProbeStep::TreeHead, StepOutcome::Good),
            (ProbeStep::Checkpoint, failed()),
            (ProbeStep::Tiles, StepOutcome::Good),
            (ProbeStep::AddLeaf, skipped()),
            (ProbeStep::Merged, StepOutcome::Good),
        ]);
        let up: Vec<_> = Service::ALL.into_iter().map(|service| made.is_up(service)).collect();
        assert_eq!(up, [Some(false), None, Some(true), None]);
        assert!(!made.is_good());
        assert!(report(&[(ProbeStep::AddLeaf, skipped())]).is_good());
    }
}
