//! `submit` with a policy: everything goes to a log, and the proofs are written as they come.

use super::item::{Content, Item, sources};
use super::{Level, OUTPUT_MODE, Options, Product, output_name};
use crate::failure::{Failure, file_failure};
use crate::files::{agent_socket, read_text_file, write_output};
use sigsum_client::{
    Event, HttpClient, HttpSettings, SubmitSettings, Submitter, TokenDns, TokenSource, log_targets,
};
use sigsum_core::policy::Policy;
use sigsum_core::proof::SigsumProof;
use sigsum_core::token::SubmitToken;
use sigsum_core::verify::{Input, verify_sigsum};
use sigsum_core::{PublicKey, Signature};
use sigsum_keys::{LoadedSigner, load_signer};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

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
    let http = HttpClient::new(HttpSettings::new("submit")).map_err(|e| failed(&e))?;
    let token_key = token_key(options).await?;
    let token = match (&options.token_domain, &token_key) {
        (Some(domain), Some(key)) => {
            Some(TokenSource { domain: domain.clone(), signer: key.signer.as_ref() })
        }
        _ => None,
    };
    let targets = log_targets(&policy, &http, token).await.map_err(|e| {
        failed(&e).remedy("the policy needs at least one log line with a URL")
    })?;
    let timeout = match options.timeout.0.is_zero() {
        true => DEFAULT_TIMEOUT,
        false => options.timeout.0,
    };
    let settings = SubmitSettings { timeout, ..SubmitSettings::default() };
    let submitter = Submitter::new(Arc::new(policy), targets, settings);
    let requests = items.iter().map(|item| item.request).collect();
    let level = options.diagnostics;
    let on_event: Arc<dyn Fn(&Event) + Send + Sync> = Arc::new(move |event| tell(level, event));
    let outcomes = submitter.submit(requests, on_event).await;
    write_proofs(options, &items, outcomes)
}

/// Writes every proof that came; then fails if some did not.
fn write_proofs<E: std::fmt::Display>(
    options: &Options,
    items: &[Item],
    outcomes: Vec<Result<SigsumProof, E>>,
) -> Result<(), Failure> {
    let mut first_error = None;
    let mut failures = 0;
    for (item, outcome) in items.iter().zip(outcomes) {
        match outcome {
            Ok(proof) => {
                let output = item.output(options, Product::Proof)?;
                write_output(output.as_deref(), proof.to_text().as_bytes(), OUTPUT_MODE)?;
            }
            Err(error) => {
                failures += 1;
                let of = match &item.input {
                    Some(path) => format!("{}: {error}", path.display()),
                    None => error.to_string(),
                };
                first_error.get_or_insert(of);
            }
        }
    }
    let Some(error) = first_error else { return Ok(()) };
    let failure = Failure::new(format!("Submit failed: {error}"));
    let all = items.len();
    if all == 1 {
        return Err(failure);
    }
    Err(failure.remedy(format!(
        "{failures} of {all} inputs have no proof; the other proofs are written, and the same \
         command run again submits only what is missing"
    )))
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
        if let (Some(_), Some(path)) =
            (&input, output_name(options, input.as_deref(), Product::Proof)?)
        {
            if has_valid_proof(&path, &content, signer, policy)? {
                continue;
            }
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
        Some(failure) => {
            Err(refuse("Existing proof file", &format!("is not valid: {failure}")))
        }
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
    if options.diagnostics <= Level::Warning {
        if let Err(reason) = check_domain(domain, &key).await {
            crate::say(&format!(
                "[WARN] warn: token domain and signer does not match DNS records: {reason}"
            ));
        }
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

/// Tells what happens, as far as the user wants to hear it.
fn tell(level: Level, event: &Event) {
    let (needed, tag) = match event.severity() {
        sigsum_client::submit::Severity::Debug => (Level::Debug, "DEBU"),
        sigsum_client::submit::Severity::Info => (Level::Info, "INFO"),
        sigsum_client::submit::Severity::Error => (Level::Error, "ERRO"),
    };
    if level <= needed {
        crate::say(&format!("[{tag}] {event}"));
    }
}
