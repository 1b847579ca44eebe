//! The way of a fresh leaf: taken, merged, proven under the policy.

use super::report::Recorder;
use super::{ProbeStep, Prober, StepOutcome};
use crate::submit::later;
use sigsum_api::{AddLeafStatus, ApiError, LogApi as _};
use sigsum_core::merkle::InclusionClaim;
use sigsum_core::policy::Policy;
use sigsum_core::proof::{ProofLeaf, ProofVersion, SigsumProof};
use sigsum_core::tree_head::sigsum_origin;
use sigsum_core::verify::{Input, verify_sigsum};
use sigsum_core::wire::log::{AddLeafRequest, GetInclusionProof, InclusionProof};
use sigsum_core::{CosignedTreeHead, Hash, KeyHash, TreeHead};
use std::time::Duration;
use tokio::time::Instant;

/// Time between two looks for a new head: a tenth of what log-go's logs take to publish one, and
/// good enough for a log that takes a tenth of a second to be told from one that takes two.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Time between two submissions of a leaf that was answered 202.
const SUBMIT_AGAIN_EVERY: Duration = Duration::from_secs(2);

impl Prober {
    /// Submits a leaf and follows it; where the log does not want one yet, judges the served head.
    pub(super) async fn follow(
        &mut self,
        recorder: &mut Recorder,
        request: &AddLeafRequest,
        served: Option<&CosignedTreeHead>,
    ) {
        let began = Instant::now();
        if self.not_before.is_some_and(|not_before| began < not_before) {
            let waits = "the log asked not to be sent leaves yet".to_owned();
            recorder.note(ProbeStep::AddLeaf, began, StepOutcome::Skipped(waits));
            return self.judge_served(recorder, served);
        }
        self.not_before = None;
        let token = self.target.token.as_ref();
        let status = match self.target.log.add_leaf(request, token).await {
            Ok(status) => status,
            Err(error @ ApiError::RateLimited { .. }) => {
                let limited = self.limited(&error);
                recorder.note(ProbeStep::AddLeaf, began, limited);
                return self.judge_served(recorder, served);
            }
            Err(error) => {
                let failed = StepOutcome::Failed(error.to_string());
                return recorder.note(ProbeStep::AddLeaf, began, failed);
            }
        };
        recorder.note(ProbeStep::AddLeaf, began, StepOutcome::Good);
        let is_committed = status == AddLeafStatus::Committed;
        let mut way = Way { began, is_committed, merged_after: None, lacks: None };
        let ended = tokio::time::timeout(self.settings.timeout, self.walk(&mut way, request)).await;
        let problem = match ended {
            Ok(Ok(())) => None,
            Ok(Err(problem)) => Some(problem),
            Err(_) => Some(format!("not within {} s", self.settings.timeout.as_secs_f64())),
        };
        judge(recorder, way, problem);
    }

    /// Looks at head after head until one proves the leaf under the policy.
    ///
    /// # Errors
    /// The log's proof is wrong; that cannot become better.
    async fn walk(&self, way: &mut Way, request: &AddLeafRequest) -> Result<(), String> {
        let mut again_at = later(Instant::now(), SUBMIT_AGAIN_EVERY);
        let mut included: Option<(TreeHead, Option<InclusionProof>)> = None;
        loop {
            // What cannot be had now may be had at the next look; the time limit ends it.
            if let Ok(head) = self.target.log.get_tree_head().await
                && head.signed.verify(&self.target.key)
            {
                let tree = head.signed.tree_head;
                if included.as_ref().is_none_or(|(known, _)| *known != tree) {
                    let proof = self.inclusion(request.leaf().hash(), tree).await?;
                    included = proof.map(|proof| (tree, proof));
                }
                if let Some((_, proof)) = &included {
                    way.merged_after.get_or_insert_with(|| way.began.elapsed());
                    way.lacks = self.lacks(request, &head, proof.clone());
                    if way.lacks.is_none() {
                        return Ok(());
                    }
                }
            }
            if !way.is_committed && Instant::now() >= again_at {
                again_at = later(Instant::now(), SUBMIT_AGAIN_EVERY);
                let again = self.target.log.add_leaf(request, self.target.token.as_ref()).await;
                way.is_committed = again == Ok(AddLeafStatus::Committed);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The leaf's proof in this tree, `Some(None)` where it needs none; `None` where it is not there.
    async fn inclusion(
        &self,
        leaf_hash: Hash,
        tree: TreeHead,
    ) -> Result<Option<Option<InclusionProof>>, String> {
        match tree.size.0 {
            0 => return Ok(None),
            1 => return Ok((tree.root_hash == leaf_hash).then_some(None)),
            _ => {}
        }
        let asked = GetInclusionProof { size: tree.size, leaf_hash };
        let Ok(proof) = self.target.log.get_inclusion_proof(asked).await else { return Ok(None) };
        let (leaf_index, path) = (proof.leaf_index, &proof.path);
        let claim = InclusionClaim { leaf_hash, leaf_index, tree, path };
        claim.verify().map_err(|e| format!("its inclusion proof is wrong: {e}"))?;
        Ok(Some(Some(proof)))
    }

    /// What the proof lacks under the policy.
    fn lacks(
        &self,
        request: &AddLeafRequest,
        head: &CosignedTreeHead,
        inclusion: Option<InclusionProof>,
    ) -> Option<String> {
        let proof = SigsumProof {
            version: ProofVersion::V2,
            log: self.target.key.key_hash(),
            leaf: ProofLeaf::from(&request.leaf()),
            tree_head: head.clone(),
            inclusion,
        };
        let input = Input::Message(request.message);
        let verdict = verify_sigsum(&input, &[request.public_key], &self.policy, &proof);
        verdict.first_failure().map(|failure| failure.to_string())
    }

    /// Without a leaf of ours, the quorum of what is served is what can be judged.
    pub(super) fn judge_served(&self, recorder: &mut Recorder, head: Option<&CosignedTreeHead>) {
        let Some(head) = head else { return };
        let lacks = missing_quorum(&self.policy, &self.target.key.key_hash(), head);
        let outcome = lacks.map_or(StepOutcome::Good, StepOutcome::Failed);
        recorder.note(ProbeStep::Quorum, Instant::now(), outcome);
    }
}

/// How far a leaf has come.
struct Way {
    /// When it was sent.
    began: Instant,
    is_committed: bool,
    /// When it was found in a published tree first.
    merged_after: Option<Duration>,
    /// What its proof lacked under the policy at the last look.
    lacks: Option<String>,
}

/// Notes how the way ended.
fn judge(recorder: &mut Recorder, way: Way, problem: Option<String>) {
    let Some(merged_after) = way.merged_after else {
        let problem = problem.unwrap_or_else(|| "not merged".to_owned());
        recorder.note(ProbeStep::Merged, way.began, StepOutcome::Failed(problem));
        // A log that publishes only what has a quorum shows a missing one as a leaf that waits.
        let unproven = StepOutcome::Failed("no published tree has the leaf".to_owned());
        return recorder.note(ProbeStep::Quorum, way.began, unproven);
    };
    recorder.note_took(ProbeStep::Merged, merged_after, StepOutcome::Good);
    let outcome = match (problem, way.lacks) {
        (None, _) => StepOutcome::Good,
        (Some(problem), Some(lacks)) => StepOutcome::Failed(format!("{problem}: {lacks}")),
        (Some(problem), None) => StepOutcome::Failed(problem),
    };
    recorder.note(ProbeStep::Quorum, way.began, outcome);
}

/// What a head lacks of the policy's quorum.
fn missing_quorum(policy: &Policy, log: &KeyHash, head: &CosignedTreeHead) -> Option<String> {
    let text = head.signed.tree_head.checkpoint_text(&sigsum_origin(log));
    let cosigned = |at: usize| {
        let key = policy.witnesses().get(at).and_then(|witness| witness.public_key());
        key.is_some_and(|key| head.cosignatures().iter().any(|c| c.verify(key, &text)))
    };
    let report = policy.quorum().evaluate(&cosigned);
    (!report.is_satisfied()).then(|| report.to_string())
}
