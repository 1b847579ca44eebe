//! Starting and stopping the parts of a network.

use sigsum_core::PublicKey;
use sigsum_core::policy::{
    Policy, PolicyBuilder, PolicyErrorKind, PolicyLog, PolicyText, PolicyWitness, PolicyWriteError,
    Threshold,
};
use sigsum_keys::{Ed25519Signer, Existing, KeyFileError, RandomError, write_key_pair};
use sigsum_service::clock::Clock;
use sigsum_service::runner::Context;
use sigsum_store::durable;
use sigsum_witness::CosignerKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A new log signs its empty tree at once; slow disks and busy machines included, its witnesses
/// answer well within this.
const FIRST_HEAD_LIMIT: Duration = Duration::from_secs(30);

/// How a network is built.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where keys, policy, the log's tree and the witnesses' states go; must exist.
    pub directory: PathBuf,
    /// How many witnesses.
    pub witnesses: usize,
    /// How many of them must cosign; more than half, so that two quorums share a witness.
    pub quorum: usize,
    /// The log's refresh interval.
    pub interval: Duration,
    /// Time for every part.
    pub clock: Arc<dyn Clock>,
}

impl Settings {
    /// Three witnesses, any two of which make the quorum.
    pub fn new(directory: &Path, clock: Arc<dyn Clock>) -> Self {
        let interval = Duration::from_secs(10);
        Self { directory: directory.to_owned(), witnesses: 3, quorum: 2, interval, clock }
    }
}

/// Why a network could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No random numbers for keys.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// A key file could not be written or read.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// A file could not be written.
    #[error(transparent)]
    File(#[from] durable::FileError),
    /// A directory could not be made.
    #[error("{path}: {error}", path = path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The policy does not hold together.
    #[error(transparent)]
    Policy(#[from] PolicyErrorKind),
    /// The policy cannot be written.
    #[error(transparent)]
    PolicyText(#[from] PolicyWriteError),
    /// A part listens where no URL leads.
    #[error("{0} has no URL")]
    NoUrl(String),
    /// The log published no head: its witnesses did not cosign.
    #[error("the log published no tree head within {} s", FIRST_HEAD_LIMIT.as_secs())]
    NoHead,
    /// The log's directory could not be made.
    #[error(transparent)]
    LogInit(#[from] sigsum_store::StoreError),
    /// The log did not start.
    #[error(transparent)]
    Log(#[from] sigsum_log::StartError),
    /// A witness's directory could not be made.
    #[error(transparent)]
    WitnessInit(#[from] sigsum_witness::admin::AdminError),
    /// A witness did not start.
    #[error(transparent)]
    Witness(#[from] sigsum_witness::StartError),
}

/// A witness of the network.
#[derive(Debug)]
pub struct WitnessNode {
    /// Its name in the policy.
    pub name: String,
    /// Its public key.
    pub key: PublicKey,
    /// Where it listens.
    pub url: String,
    /// Its data directory.
    pub directory: PathBuf,
    /// The running witness.
    pub handle: sigsum_witness::Handle,
}

/// A running network.
#[derive(Debug)]
pub struct Network {
    /// The log's public key.
    pub log_key: PublicKey,
    /// The log's data directory.
    pub log_directory: PathBuf,
    /// Where the log listens.
    pub log_url: String,
    /// The running log.
    pub log: sigsum_log::Handle,
    /// The running witnesses.
    pub witnesses: Vec<WitnessNode>,
    /// The policy for submitters, verifiers and monitors, with URLs.
    pub policy: Arc<Policy>,
    /// Where the policy is written.
    pub policy_file: PathBuf,
}

/// A witness before it runs.
struct Prepared {
    name: String,
    signer: Ed25519Signer,
    directory: PathBuf,
}

impl Network {
    /// Makes keys, directories and policy, and starts every part.
    ///
    /// # Errors
    /// [`BuildError`]; parts that were started stop.
    pub async fn start(settings: &Settings) -> Result<Self, BuildError> {
        let root = &settings.directory;
        let log_signer = new_key(&root.join("log-key"))?;
        let log_key = sigsum_keys::Signer::public_key(&log_signer);
        let mut witnesses = Vec::new();
        for number in 1..=settings.witnesses {
            let prepared = prepare_witness(root, number, &log_key)?;
            witnesses.push(start_witness(prepared, settings).await?);
        }
        let log_directory = root.join("log");
        sigsum_log::init(&log_directory, &log_key)?;
        let for_log = policy(settings, &log_key, None, &witnesses)?;
        let log = start_log(settings, &log_directory, log_signer, for_log).await?;
        let published = log.until(|status| status.published_size.is_some());
        if !matches!(tokio::time::timeout(FIRST_HEAD_LIMIT, published).await, Ok(true)) {
            return Err(BuildError::NoHead);
        }
        let log_url = log.url().ok_or_else(|| BuildError::NoUrl("the log".to_owned()))?;
        let policy = policy(settings, &log_key, Some(&log_url), &witnesses)?;
        let policy_file = root.join("policy");
        durable::write_atomic(&policy_file, &policy.to_sigsum_text()?, durable::PUBLIC_FILE)?;
        let policy = Arc::new(policy);
        Ok(Self { log_key, log_directory, log_url, log, witnesses, policy, policy_file })
    }

    /// Stops every part and waits for it.
    ///
    /// # Errors
    /// [`sigsum_log::RunError`] where the log had stopped by itself; the rest is stopped too.
    pub async fn stop(self) -> Result<(), sigsum_log::RunError> {
        let log = self.log.stop().await;
        for witness in self.witnesses {
            witness.handle.stop().await;
        }
        log
    }
}

fn new_key(path: &Path) -> Result<Ed25519Signer, BuildError> {
    let signer = Ed25519Signer::generate()?;
    write_key_pair(path, &signer, Existing::Refuse)?;
    Ok(signer)
}

fn prepare_witness(root: &Path, number: usize, log: &PublicKey) -> Result<Prepared, BuildError> {
    let name = format!("witness-{number}");
    let signer = new_key(&root.join(format!("{name}-key")))?;
    let directory = root.join(&name);
    let key = sigsum_keys::Signer::public_key(&signer);
    sigsum_witness::admin::init(&directory, &[key])?;
    sigsum_witness::admin::add_log(&directory, &sigsum_witness::LogConfig::sigsum(log))?;
    Ok(Prepared { name, signer, directory })
}

async fn start_witness(prepared: Prepared, settings: &Settings) -> Result<WitnessNode, BuildError> {
    let Prepared { name, signer, directory } = prepared;
    let key = sigsum_keys::Signer::public_key(&signer);
    let config = sigsum_witness::Config { data_dir: Some(directory.clone()), ..Default::default() };
    let keys = vec![CosignerKey::sigsum(Arc::new(signer))];
    let context = Context::new(Arc::clone(&settings.clock));
    let handle = sigsum_witness::start(config, keys, context).await?;
    let url = handle.url().ok_or_else(|| BuildError::NoUrl(name.clone()))?;
    Ok(WitnessNode { name, key, url, directory, handle })
}

async fn start_log(
    settings: &Settings,
    directory: &Path,
    signer: Ed25519Signer,
    policy: Policy,
) -> Result<sigsum_log::Handle, BuildError> {
    let mut config = sigsum_log::Config::new(sigsum_log::Storage::DataDir(directory.to_owned()));
    config.interval = settings.interval;
    config.internal = Some("127.0.0.1:0".to_owned());
    let context = sigsum_log::Context {
        service: Context::new(Arc::clone(&settings.clock)),
        signer: Arc::new(signer),
        policy: Arc::new(policy),
        witnesses: sigsum_log::Witnesses::FromPolicy,
    };
    Ok(sigsum_log::start(config, context).await?)
}

/// The policy: the log (with a URL for everybody but itself), the witnesses, and the quorum.
fn policy(
    settings: &Settings,
    log: &PublicKey,
    log_url: Option<&str>,
    witnesses: &[WitnessNode],
) -> Result<Policy, PolicyErrorKind> {
    let text = |text: &str| PolicyText::new(text.as_bytes());
    let mut builder = PolicyBuilder::new();
    builder.add_log(PolicyLog::sigsum(log, log_url.map(text).transpose()?))?;
    for witness in witnesses {
        let (name, url) = (text(&witness.name)?, text(&witness.url)?);
        builder.add_witness(PolicyWitness::sigsum(name, &witness.key, Some(url)))?;
    }
    let quorum = if witnesses.is_empty() {
        PolicyText::none()
    } else {
        let names = witnesses.iter().map(|w| text(&w.name)).collect::<Result<_, _>>()?;
        let group = text("quorum-rule")?;
        builder.add_group(group.clone(), Threshold::AtLeast(settings.quorum), names)?;
        group
    };
    builder.set_quorum(&quorum)?;
    builder.finish()
}
