//! The witnesses that the log can reach, and one request to one of them.

use crate::engine::cosigned::{self, AnswerError, WitnessId};
use crate::engine::head::{Answer, Request};
use sigsum_api::{AddCheckpointError, WitnessApi};
use sigsum_client::{BaseUrl, BaseUrlError, HttpClient, HttpSettings, HttpWitness};
use sigsum_core::PublicKey;
use sigsum_core::checkpoint::SignedCheckpoint;
use sigsum_core::merkle::SizePair;
use sigsum_core::note::NoteKey;
use sigsum_core::policy::Policy;
use sigsum_core::wire::witness::AddCheckpointRequest;
use sigsum_store::{LogStore, StoreError};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A witness that can be asked.
#[derive(Clone)]
pub struct WitnessPeer {
    /// Its key; one of the policy's.
    pub key: NoteKey,
    /// What metrics and the operator's log call it: its URL without the scheme, as log-go does.
    pub label: String,
    /// Where it is reached, as it stands in the policy; whether a witness has moved is told by it.
    pub url: String,
    /// How it is reached.
    pub api: Arc<dyn WitnessApi>,
}

impl fmt::Debug for WitnessPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WitnessPeer").field("label", &self.label).finish_non_exhaustive()
    }
}

/// Which witnesses the log asks.
#[derive(Debug, Clone, Default)]
pub enum Witnesses {
    /// All of the policy that have a URL, over HTTP.
    #[default]
    FromPolicy,
    /// These, however they are reached. Those that the policy does not name are refused at start.
    Given(Vec<WitnessPeer>),
}

/// A peer with its place in the policy.
#[derive(Debug, Clone)]
pub(crate) struct KnownPeer {
    pub(crate) id: WitnessId,
    pub(crate) peer: WitnessPeer,
}

/// Why the witnesses cannot be asked; the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum WitnessSetupError {
    /// A given witness is not in the policy, so that its cosignatures would be worth nothing.
    #[error("witness {0} is not in the policy")]
    NotInPolicy(String),
    /// A URL of the policy cannot be used.
    #[error("witness {name}: {problem}")]
    Url {
        /// The witness's name in the policy.
        name: String,
        /// What is wrong with its URL.
        problem: String,
    },
}

/// Pairs the witnesses with their places in the policy.
pub(crate) fn resolve(
    witnesses: Witnesses,
    policy: &Policy,
) -> Result<Vec<KnownPeer>, WitnessSetupError> {
    let peers = match witnesses {
        Witnesses::FromPolicy => return from_policy(policy),
        Witnesses::Given(peers) => peers,
    };
    let place = |peer: WitnessPeer| {
        let at = policy.witnesses().iter().position(|w| *w.key() == peer.key);
        match at {
            Some(at) => Ok(KnownPeer { id: WitnessId(at), peer }),
            None => Err(WitnessSetupError::NotInPolicy(peer.label)),
        }
    };
    peers.into_iter().map(place).collect()
}

/// How a request ended, for the engine and for those who watch.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) answer: Answer,
    /// Label of the request metric: an HTTP status, or `other`.
    pub(crate) status: String,
    pub(crate) took: Duration,
    /// What went wrong, for the operator.
    pub(crate) problem: Option<Problem>,
}

/// Why a witness gave no cosignature.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    #[error("{0}")]
    Refused(#[from] AddCheckpointError),
    #[error("its answer holds no cosignature that counts: {0}")]
    Cosignature(#[from] AnswerError),
    #[error("no consistency proof from size {old} to {new}: {error}")]
    Proof { old: u64, new: u64, error: StoreError },
}

impl Problem {
    fn answer(&self) -> Answer {
        match self {
            Self::Refused(AddCheckpointError::UnknownOrigin | AddCheckpointError::Forbidden(_)) => {
                Answer::Unknown
            }
            Self::Refused(AddCheckpointError::Unprocessable(_)) => Answer::OtherTree,
            Self::Refused(error) => match error.retry_after_s() {
                Some(seconds) => Answer::Busy(Duration::from_secs(seconds)),
                None => Answer::Failed,
            },
            Self::Timeout(_) | Self::Cosignature(_) | Self::Proof { .. } => Answer::Failed,
        }
    }
}

/// What every request needs.
#[derive(Clone)]
pub(crate) struct Asker {
    pub(crate) store: Arc<dyn LogStore>,
    pub(crate) log: PublicKey,
    pub(crate) timeout: Duration,
}

impl Asker {
    /// Sends one request and verifies the answer.
    pub(crate) async fn ask(&self, peer: &KnownPeer, request: &Request) -> Outcome {
        let started = Instant::now();
        let mut status = "other".to_owned();
        let result = self.exchange(peer, request, &mut status).await;
        let took = started.elapsed();
        let (answer, problem) = match result {
            Ok(answer) => (answer, None),
            Err(Problem::Refused(AddCheckpointError::Conflict { size })) => {
                let conflict = AddCheckpointError::Conflict { size };
                (Answer::Conflict(size), Some(Problem::Refused(conflict)))
            }
            Err(problem) => (problem.answer(), Some(problem)),
        };
        Outcome { answer, status, took, problem }
    }

    async fn exchange(
        &self,
        peer: &KnownPeer,
        request: &Request,
        status: &mut String,
    ) -> Result<Answer, Problem> {
        let body = self.request_body(request)?;
        let answer = tokio::time::timeout(self.timeout, peer.peer.api.add_checkpoint(&body)).await;
        let answer = answer.map_err(|_| Problem::Timeout(self.timeout))?;
        let lines = answer.inspect_err(|error| *status = status_label(error))?;
        "200".clone_into(status);
        let checkpoint = &body.checkpoint.checkpoint;
        let verified = cosigned::find_cosignature(&lines, peer.id, &peer.peer.key, checkpoint)?;
        Ok(Answer::Cosigned(verified))
    }

    fn request_body(&self, request: &Request) -> Result<AddCheckpointRequest, Problem> {
        let (old, new) = (request.old_size, request.head.tree_head.size);
        let proof = if old.0 == 0 || old == new {
            Vec::new()
        } else {
            let proof = self.store.consistency_proof(SizePair { old, new });
            proof.map_err(|error| Problem::Proof { old: old.0, new: new.0, error })?
        };
        let checkpoint = SignedCheckpoint::from_sigsum(&request.head, &self.log);
        Ok(AddCheckpointRequest { old_size: old, proof, checkpoint })
    }
}

/// log-go's label: the status where there is one.
fn status_label(error: &AddCheckpointError) -> String {
    match error {
        AddCheckpointError::Transport(_) => "other".into(),
        AddCheckpointError::Peer { status, .. } => status.to_string(),
        other => other.status().code().to_string(),
    }
}

/// All witnesses of the policy that have a URL, over one HTTP client with kept connections.
fn from_policy(policy: &Policy) -> Result<Vec<KnownPeer>, WitnessSetupError> {
    let mut peers = Vec::new();
    let client = HttpClient::new(HttpSettings::new("log"));
    for (at, witness) in policy.witnesses().iter().enumerate() {
        let Some(url) = witness.url() else { continue };
        let failed =
            |problem: String| WitnessSetupError::Url { name: witness.name().to_string(), problem };
        let base: BaseUrl = url.parse().map_err(|e: BaseUrlError| failed(e.to_string()))?;
        let api = HttpWitness::new(&client, &base).map_err(|e| failed(e.to_string()))?;
        let label = url.split_once("://").map_or(url, |(_, rest)| rest).to_owned();
        let (key, url) = (witness.key().clone(), url.to_owned());
        let peer = WitnessPeer { key, label, url, api: Arc::new(api) };
        peers.push(KnownPeer { id: WitnessId(at), peer });
    }
    Ok(peers)
}
