//! Asking everybody who may know more of the log than a directory holds.

use crate::config::Follower;
use crate::engine::cosigned::WitnessId;
use sigsum_api::{AddCheckpointError, LogApi as _, WitnessApi as _};
use sigsum_client::replica::HttpReplica;
use sigsum_client::{BaseUrl, HttpClient, HttpLog, HttpSettings, HttpWitness};
use sigsum_core::checkpoint::SignedCheckpoint;
use sigsum_core::policy::Policy;
use sigsum_core::wire::witness::AddCheckpointRequest;
use sigsum_core::{PublicKey, SignedTreeHead, TreeHead, TreeSize};
use sigsum_store::{LeafLog as _, Store, TreeReader as _};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Who may know more.
#[derive(Debug, Clone)]
pub struct Others {
    /// The witnesses, the quorum, and the log's public URL where it names one.
    pub policy: Arc<Policy>,
    /// Other followers.
    pub followers: Vec<Follower>,
    /// Time limit of each question.
    pub timeout: Duration,
}

/// What somebody said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It knows, or holds, so many leaves; as far as it can be compared, of our tree.
    Knows(TreeSize),
    /// It knows, or holds, another tree of this size.
    Other(TreeSize),
    /// It does not know the log, of which this directory has nothing either.
    Unknown,
    /// Nothing that tells.
    Nothing(String),
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Knows(size) => write!(f, "knows {size} leaves"),
            Self::Other(size) => write!(f, "knows another tree of {size} leaves"),
            Self::Unknown => f.write_str("does not know this log"),
            Self::Nothing(problem) => write!(f, "did not tell: {problem}"),
        }
    }
}

/// Somebody who was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Kind and URL.
    pub who: String,
    /// Its place in the policy, where it is a witness.
    pub witness: Option<WitnessId>,
    /// Whether it has to answer before this node may take over, unless the operator says otherwise.
    pub is_due: bool,
    /// What it said.
    pub said: Said,
}

impl Asked {
    /// Whether anything was heard from it.
    pub fn is_answer(&self) -> bool {
        !matches!(self.said, Said::Nothing(_))
    }
}

/// What the questions are about.
#[derive(Clone)]
struct Ours {
    store: Arc<Store>,
    log: PublicKey,
    /// The last signed head that reached this directory.
    head: Option<SignedTreeHead>,
    held: TreeSize,
    client: HttpClient,
}

/// Asks everybody at once, witnesses with this head. All leaves must have been taken into the tree
/// before, so that trees can be compared.
pub(super) async fn ask(
    store: &Arc<Store>,
    log: &PublicKey,
    head: Option<SignedTreeHead>,
    others: &Others,
) -> Vec<Asked> {
    let mut settings = HttpSettings::new("log");
    settings.request_timeout = others.timeout;
    let ours = Ours {
        store: store.clone(),
        log: *log,
        head,
        held: store.integrated().size,
        client: HttpClient::new(settings),
    };
    let mut questions = JoinSet::new();
    for (at, witness) in others.policy.witnesses().iter().enumerate() {
        let Some(url) = witness.url() else { continue };
        let (ours, url) = (ours.clone(), url.to_owned());
        questions.spawn(async move {
            let said = ours.witness(&url).await.unwrap_or_else(Said::Nothing);
            let who = format!("witness {url}");
            (at, Asked { who, witness: Some(WitnessId(at)), is_due: true, said })
        });
    }
    let witnesses = others.policy.witnesses().len();
    for (at, follower) in others.followers.iter().cloned().enumerate() {
        let ours = ours.clone();
        questions.spawn(async move {
            let said = ours.follower(&follower).await.unwrap_or_else(Said::Nothing);
            let who = format!("follower {}", follower.url);
            (witnesses + at, Asked { who, witness: None, is_due: true, said })
        });
    }
    let known = others.policy.sigsum_log(&log.key_hash());
    if let Some(url) = known.and_then(|log| log.url()) {
        let (ours, url) = (ours.clone(), url.to_owned());
        questions.spawn(async move {
            let said = ours.public(&url).await.unwrap_or_else(Said::Nothing);
            let who = format!("log {url}");
            // It is down most of the time when this is asked.
            (usize::MAX, Asked { who, witness: None, is_due: false, said })
        });
    }
    let mut answers = questions.join_all().await;
    answers.sort_by_key(|(place, _)| *place);
    answers.into_iter().map(|(_, asked)| asked).collect()
}

fn base(url: &str) -> Result<BaseUrl, String> {
    url.parse().map_err(|e: sigsum_client::BaseUrlError| e.to_string())
}

impl Ours {
    /// Shows the last signed head to a witness, from its own size.
    async fn witness(&self, url: &str) -> Result<Said, String> {
        let Some(head) = &self.head else {
            return Err(
                "it can only be asked with a signed head, and this directory has none".into()
            );
        };
        let api = HttpWitness::new(&self.client, &base(url)?).map_err(|e| e.to_string())?;
        let checkpoint = SignedCheckpoint::from_sigsum(head, &self.log);
        let shown = head.tree_head.size;
        let request = AddCheckpointRequest { old_size: shown, proof: Vec::new(), checkpoint };
        match api.add_checkpoint(&request).await {
            Ok(_) => Ok(Said::Knows(shown)),
            Err(AddCheckpointError::Conflict { size }) => Ok(Said::Knows(size)),
            Err(AddCheckpointError::Unprocessable(_)) => Ok(Said::Other(shown)),
            // The status alone says so, which a proxy in front of the witness may have given.
            Err(AddCheckpointError::UnknownOrigin | AddCheckpointError::Forbidden(_))
                if self.held.0 == 0 =>
            {
                Ok(Said::Unknown)
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Asks another follower what it holds.
    async fn follower(&self, follower: &Follower) -> Result<Said, String> {
        let api = HttpReplica::new(&self.client, &base(&follower.url)?);
        let api = api.map_err(|e| e.to_string())?;
        let head = api.get_secondary_tree_head(TreeSize(0), Duration::ZERO).await;
        let head = head.map_err(|e| e.to_string())?.answer;
        if !head.verify(&follower.key) {
            return Err("its tree head is not signed with its key".into());
        }
        self.compare(&head.tree_head)
    }

    /// Asks whoever answers for the log.
    async fn public(&self, url: &str) -> Result<Said, String> {
        let api = HttpLog::new(&self.client, &base(url)?).map_err(|e| e.to_string())?;
        let head = api.get_tree_head().await.map_err(|e| e.to_string())?.signed;
        if !head.verify(&self.log) {
            return Err("its tree head is not signed with the log's key".into());
        }
        self.compare(&head.tree_head)
    }

    fn compare(&self, theirs: &TreeHead) -> Result<Said, String> {
        if theirs.size > self.held {
            return Ok(Said::Knows(theirs.size));
        }
        let ours = self.store.root_hash(theirs.size).map_err(|e| e.to_string())?;
        let is_same = ours == theirs.root_hash;
        Ok(if is_same { Said::Knows(theirs.size) } else { Said::Other(theirs.size) })
    }
}
