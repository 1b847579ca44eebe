//! `submit` with a policy: everything goes to a log, and the proofs are written as they come.

use super::item::{Content, Item, sources};
use super::progress;
use super::writer::{NewProof, write_proofs};
use super::{Level, Options, Product, output_name};
use crate::failure::{Failure, file_failure};
use crate::files::{agent_socket, read_text_file};
use sigsum_client::{
    Event, HttpClient, HttpSettings, SubmitError, SubmitSettings, Submitter, TokenDns, TokenSource,
    log_targets,
};
use sigsum_core::policy::Policy;
use sigsum_core::proof::SigsumProof;
use sigsum_core::token::SubmitToken;
use sigsum_core::verify::{Input, verify_sigsum};
use sigsum_core::wire::log::AddLeafRequest;
use sigsum_core::{PublicKey, Signature};
use sigsum_keys::{LoadedSigner, load_signer};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Time limit where the user gives none or zero.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

/// Submits what has no proof yet, and writes the proofs.
pub(super) async fn run(
    options: &Options,
    signer: Option<&LoadedSigner>,
    policy: Policy,
) -> Result<(), Failure> {
    let items = items_without_proof(options, signer, &policy).await?;
    if items.is_empty() {
        return Ok(());
    }
    let failed = |e: &dyn std::fmt::Display| Failure::new(format!("Submit failed: {e}"));
    let http = HttpClient::new(HttpSettings::new("submit"));
    let token_key = token_key(options).await?;
    let token = match (&options.token_domain, &token_key) {
        (Some(domain), Some(key)) => Some(TokenSource { domain, signer: key.signer.as_ref() }),
        _ => None,
    };
    let targets = log_targets(&policy, &http, token)
        .await
        .map_err(|e| failed(&e).remedy("the policy needs at least one log line with a URL"))?;
    let timeout = match options.timeout.0.is_zero() {
        true => DEFAULT_TIMEOUT,
        false => options.timeout.0,
    };
    let settings = SubmitSettings { timeout, ..SubmitSettings::default() };
    let submitter = Submitter::new(Arc::new(policy), targets, settings);
    let requests: Vec<AddLeafRequest> = items.iter().map(|item| item.request).collect();
    let sink = Arc::new(Sink::new(options, items)?);
    let listener = Arc::clone(&sink);
    let outcomes = submitter.submit(&requests, Arc::new(move |event| listener.hear(event))).await;
    sink.written().await?;
    sink.conclude(outcomes)
}

/// Hands each proof to the writer as soon as it is there.
#[derive(Debug)]
struct Sink {
    level: Level,
    outputs: Vec<Output>,
    proofs: Mutex<Option<mpsc::Sender<NewProof>>>,
    writer: Mutex<Option<JoinHandle<Result<(), Failure>>>>,
}

/// An input and where its proof goes.
#[derive(Debug)]
struct Output {
    input: Option<PathBuf>,
    path: Option<PathBuf>,
}

impl Sink {
    fn new(options: &Options, items: Vec<Item>) -> Result<Self, Failure> {
        let output = |item: Item| {
            Ok(Output { path: item.output(options, Product::Proof)?, input: item.input })
        };
        let outputs = items.into_iter().map(output).collect::<Result<_, Failure>>()?;
        let level = options.diagnostics;
        let (proofs, to_write) = mpsc::channel();
        let writer = tokio::task::spawn_blocking(move || write_proofs(&to_write, level));
        let (proofs, writer) = (Mutex::new(Some(proofs)), Mutex::new(Some(writer)));
        Ok(Self { level, outputs, proofs, writer })
    }

    fn hear(&self, event: &Event) {
        if let Event::Done { leaf, result } = event
            && let (Ok(proof), Some(output)) = (result.as_ref(), self.outputs.get(*leaf))
        {
            let proof = NewProof { text: proof.to_text(), path: output.path.clone() };
            if let Some(proofs) = &*self.proofs.lock().unwrap_or_else(PoisonError::into_inner) {
                let _ = proofs.send(proof); // the writer ends only when nobody can send any more
            }
        }
        progress::tell(self.level, event);
    }

    /// Waits until everything is written.
    async fn written(&self) -> Result<(), Failure> {
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner).take();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(writer) = writer else { return Ok(()) };
        match writer.await {
            Ok(written) => written,
            Err(error) => Err(Failure::new(format!("writing proofs failed: {error}"))),
        }
    }

    /// Success if every input has its proof; else what happened to the first that has none.
    fn conclude(&self, outcomes: Vec<Result<SigsumProof, SubmitError>>) -> Result<(), Failure> {
        let all = outcomes.len();
        let failed: Vec<(usize, SubmitError)> =
            outcomes.into_iter().enumerate().filter_map(|(n, o)| Some((n, o.err()?))).collect();
        let Some((leaf, error)) = failed.first() else { return Ok(()) };
        let of = match self.outputs.get(*leaf).and_then(|output| output.input.as_ref()) {
            Some(path) if all > 1 => format!("{}: ", path.display()),
            _ => String::new(),
        };
        let failure = Failure::new(format!("Submit failed: {of}{error}"));
        if all == 1 {
            return Err(failure);
        }
        Err(failure.remedy(format!(
            "{} of {all} inputs have no proof; the other proofs are written, and the same command \
             run again submits only what is missing",
            failed.len()
        )))
    }
}

/// Reads all inputs; those that have a valid proof already are left out.
async fn items_without_proof(
    options: &Options,
    signer: Option<&LoadedSigner>,
    policy: &Policy,
) -> Result<Vec<Item>, Failure> {
    let mut out = Vec::new();
    for input in sources(options) {
        let content = Content::read(options, input.as_deref())?;
        let output = output_name(options, input.as_deref(), Product::Proof)?;
        if let (Some(_), Some(path)) = (&input, output)
            && has_valid_proof(&path, &content, signer, policy)?
        {
            let said = format!("valid proof already in {}", path.display());
            progress::say_at(options.diagnostics, Level::Info, &said);
            continue;
        }
        let request = content.into_request(signer).await?;
        out.push(Item { input, request });
    }
    Ok(out)
}

/// Whether a valid proof is there. One that is not valid is not overwritten but a failure.
fn has_valid_proof(
    path: &Path,
    content: &Content,
    signer: Option<&LoadedSigner>,
    policy: &Policy,
) -> Result<bool, Failure> {
    match path.try_exists() {
        Ok(false) => return Ok(false),
        Ok(true) => {}
        Err(e) => return Err(file_failure("open", path, &e)),
    }
    let refuse = |what: &str, reason: &dyn std::fmt::Display| {
        let shown = path.display().to_string();
        Failure::new(format!("{what} {shown:?} {reason}"))
            .remedy("remove it to submit anew, if you know where it comes from")
    };
    let text = read_text_file(path)?;
    let proof = SigsumProof::parse(&text)
        .map_err(|e| refuse("Parsing proof file", &format!("failed: {e}")))?;
    let (message, key) = content.message();
    let keys: Vec<PublicKey> =
        key.or_else(|| signer.map(|s| s.signer.public_key())).into_iter().collect();
    let verdict = verify_sigsum(&Input::Message(message), &keys, policy, &proof);
    match verdict.first_failure() {
        None => Ok(true),
        Some(failure) => Err(refuse("Existing proof file", &format!("is not valid: {failure}"))),
    }
}

/// The rate-limit key; warns where the domain does not publish it.
async fn token_key(options: &Options) -> Result<Option<LoadedSigner>, Failure> {
    let Some(domain) = &options.token_domain else { return Ok(None) };
    let path = options.token_signing_key.as_deref().ok_or_else(|| {
        Failure::new("Reading token key file failed: no file given")
            .remedy("-d needs the domain's rate-limit key with -a KEY-FILE")
    })?;
    let key = load_signer(path, agent_socket().as_deref())
        .map_err(|e| Failure::new(format!("Reading token key file failed: {e}")))?;
    if options.diagnostics <= Level::Warning
        && let Err(reason) = check_domain(domain, &key).await
    {
        crate::say(&format!(
            "[WARN] warn: token domain and signer does not match DNS records: {reason}"
        ));
    }
    Ok(Some(key))
}

/// Checks a token for an arbitrary log key against DNS: whether the domain publishes the key.
async fn check_domain(domain: &str, key: &LoadedSigner) -> Result<(), String> {
    let public = key.signer.public_key();
    let bytes = sigsum_core::token::token_signing_bytes(&public);
    let signature: Signature = key.signer.sign(&bytes).await.map_err(|e| e.to_string())?;
    let token = SubmitToken { domain: domain.to_owned(), signature };
    let dns = TokenDns::system().map_err(|e| e.to_string())?;
    dns.check(&token, &public).await.map_err(|e| e.to_string())
}
