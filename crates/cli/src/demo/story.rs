//! The story: network up, file signed, logged, cosigned, proven, verified, reported; then forgeries.

use super::Options;
use super::alter::{alter_line, altered_message};
use super::tell::Teller;
use crate::failure::{Failure, file_failure};
use crate::files::print;
use crate::shell::shell_word;
use crate::testnet::build_failure;
use sigsum_client::{HttpClient, HttpSettings, SubmitSettings, Submitter, log_targets};
use sigsum_core::leaf::leaf_signing_bytes;
use sigsum_core::proof::SigsumProof;
use sigsum_core::verify::{Input, Verdict, verify_sigsum};
use sigsum_core::wire::log::AddLeafRequest;
use sigsum_core::{Message, PublicKey};
use sigsum_keys::{Ed25519Signer, Existing, write_key_pair};
use sigsum_monitor::{Event, Report, WatchList};
use sigsum_service::clock::SystemClock;
use sigsum_service::runner::Context;
use sigsum_store::durable;
use sigsum_testnet::{Network, Settings};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Signatures of other people that are logged first, so that the tree has branches to prove.
const COMPANY: usize = 5;
/// Limit for the monitor's report; it looks every [`MONITOR_INTERVAL`].
const MONITOR_PATIENCE: Duration = Duration::from_secs(20);
/// How often the demo's monitor looks.
const MONITOR_INTERVAL: Duration = Duration::from_millis(200);

/// A file of the story.
struct Exhibit {
    path: PathBuf,
    data: Vec<u8>,
}

/// Events of the monitor, for the story to wait on.
struct Ear(mpsc::UnboundedSender<Event>);

impl Report for Ear {
    fn report(&self, event: &Event) -> std::io::Result<()> {
        let _ = self.0.send(event.clone()); // the story has ended when nobody listens
        Ok(())
    }
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(error.to_string())
}

/// Tells the whole story.
pub(crate) async fn tell_it(options: &Options) -> Result<(), Failure> {
    let temporary = tempfile::Builder::new().prefix("sigsum-demo-").tempdir().map_err(failed)?;
    let root = match &options.keep {
        Some(path) => {
            std::fs::create_dir_all(path).map_err(|e| file_failure("mkdir", path, &e))?;
            path.clone()
        }
        None => temporary.path().to_owned(),
    };
    let exhibits = exhibits(options, &root)?;
    let mut teller = Teller::new();
    print(format!(
        "Everything below happens in this process, on loopback; all bytes are in\n{}\n",
        root.display()
    ))?;
    let network = start_network(&mut teller, &root).await?;
    let outcome = play(&mut teller, &exhibits, &network, &root).await;
    let stopped = network.stop().await;
    outcome?;
    stopped.map_err(failed)?;
    print(format!("\nThat was all of Sigsum in {:.1} s.", teller.elapsed_s()))?;
    print(what_is_left(options, &exhibits))
}

/// Where the bytes are now, and what to do next.
fn what_is_left(options: &Options, exhibits: &[Exhibit]) -> String {
    let next = "To try each part by hand: sigsum testnet\n";
    let Some(kept) = &options.keep else {
        let proofs = match options.files.is_empty() {
            true => "",
            false => "The proofs stay; --keep DIR keeps what they are verified with, too.\n",
        };
        return format!(" Its directory is gone again.\n{proofs}{next}");
    };
    let mut text = format!(" The directory {} stays. To verify again:\n\n", kept.display());
    let (policy, key) = (kept.join("policy"), kept.join("release-key.pub"));
    for exhibit in exhibits {
        text += &format!(
            "  sigsum verify -p {} -k {} {} < {}\n",
            shell_word(&policy),
            shell_word(&key),
            shell_word(&proof_path(exhibit)),
            shell_word(&exhibit.path)
        );
    }
    format!("{text}\n{next}")
}

async fn start_network(teller: &mut Teller, root: &Path) -> Result<Network, Failure> {
    teller.step("A log and three witnesses start.")?;
    let settings = Settings::new(root, Arc::new(SystemClock));
    let network = Network::start(&settings).await.map_err(|e| build_failure(&e))?;
    teller.detail(&format!(
        "log        {}  (its tree: {})",
        network.log_url,
        network.log_directory.display()
    ))?;
    for witness in &network.witnesses {
        let (name, url) = (&witness.name, &witness.url);
        teller.detail(&format!("{name}  {url}  (its state: {})", witness.directory.display()))?;
    }
    teller.detail(&format!("policy     {}", network.policy_file.display()))?;
    teller.detail(
        "The policy trusts this log, and wants cosignatures of any 2 of the 3 witnesses.",
    )?;
    teller.done("All are up.")?;
    Ok(network)
}

async fn play(
    teller: &mut Teller,
    exhibits: &[Exhibit],
    network: &Network,
    root: &Path,
) -> Result<(), Failure> {
    teller.step("You make a key; a monitor starts to watch it.")?;
    let key_file = root.join("release-key");
    let signer = Ed25519Signer::generate().map_err(failed)?;
    write_key_pair(&key_file, &signer, Existing::Replace).map_err(failed)?;
    let key = signer.public_key();
    teller.detail(&format!("private key {0}, public key {0}.pub", key_file.display()))?;
    teller.detail(&format!("key hash {}", key.key_hash()))?;
    let monitor = Monitor::start(network, &key)?;

    let proofs = submit(teller, network, &signer, exhibits).await?;
    verify(teller, network, &key, exhibits, &proofs)?;
    monitor.wait_for(teller, &key, exhibits.len()).await?;
    if let (Some(exhibit), Some(proof)) = (exhibits.first(), proofs.first()) {
        forgeries(teller, network, &key, exhibit, proof)?;
    }
    Ok(())
}

/// The files to sign: the user's, or one made here.
fn exhibits(options: &Options, root: &Path) -> Result<Vec<Exhibit>, Failure> {
    if options.files.is_empty() {
        let path = root.join("release-1.0.txt");
        let data = b"The release that everybody should be able to trust.\n".to_vec();
        durable::write_atomic(&path, &data, durable::PUBLIC_FILE).map_err(failed)?;
        return Ok(vec![Exhibit { path, data }]);
    }
    let read = |path: &PathBuf| {
        let data = std::fs::read(path).map_err(|e| file_failure("open", path, &e))?;
        Ok(Exhibit { path: path.clone(), data })
    };
    options.files.iter().map(read).collect()
}

fn proof_path(exhibit: &Exhibit) -> PathBuf {
    let mut name = exhibit.path.clone().into_os_string();
    name.push(".proof");
    PathBuf::from(name)
}

/// Signs a message as a leaf.
fn request(signer: &Ed25519Signer, message: Message) -> AddLeafRequest {
    let signature = signer.sign_now(&leaf_signing_bytes(&message.checksum()));
    AddLeafRequest { message, signature, public_key: signer.public_key() }
}

async fn submit(
    teller: &mut Teller,
    network: &Network,
    signer: &Ed25519Signer,
    exhibits: &[Exhibit],
) -> Result<Vec<SigsumProof>, Failure> {
    teller.step("Other people log signatures too.")?;
    let stranger = Ed25519Signer::generate().map_err(failed)?;
    let company = (0..COMPANY)
        .map(|n| request(&stranger, Message::of_data(format!("other {n}").as_bytes())))
        .collect();
    collect(network, company).await?;
    teller.done(&format!("{COMPANY} leaves of another key are in the tree."))?;

    teller.step(&match exhibits {
        [one] => format!("You sign {} and submit the signature.", one.path.display()),
        all => format!("You sign {} files and submit the signatures.", all.len()),
    })?;
    let requests = exhibits.iter().map(|e| request(signer, Message::of_data(&e.data))).collect();
    let proofs = collect(network, requests).await?;
    for (exhibit, proof) in exhibits.iter().zip(&proofs) {
        let path = proof_path(exhibit);
        durable::write_atomic(&path, proof.to_text().as_bytes(), durable::PUBLIC_FILE)
            .map_err(failed)?;
        let size = proof.tree_head.signed.tree_head.size;
        let index = proof.inclusion.as_ref().map_or(0, |i| i.leaf_index.0);
        teller.detail(&format!("leaf {index} of a tree of {size}; proof in {}", path.display()))?;
    }
    let cosigners = proofs.first().map_or(0, |proof| proof.tree_head.cosignatures().len());
    teller.detail("The log had each leaf on disk before it answered;")?;
    teller.detail(&format!(
        "{cosigners} witnesses checked that the tree only grew, and cosigned its head."
    ))?;
    teller.done("From signature to proof.")?;
    Ok(proofs)
}

/// Submits and waits for proofs.
async fn collect(
    network: &Network,
    requests: Vec<AddLeafRequest>,
) -> Result<Vec<SigsumProof>, Failure> {
    let http = HttpClient::new(HttpSettings::new("demo"));
    let targets = log_targets(&network.policy, &http, None).await.map_err(failed)?;
    let submitter = Submitter::new(Arc::clone(&network.policy), targets, SubmitSettings::default());
    let outcomes = submitter.submit(&requests, Arc::new(|_| {})).await;
    outcomes.into_iter().map(|outcome| outcome.map_err(failed)).collect()
}

fn verdict(network: &Network, key: &PublicKey, message: Message, proof: &SigsumProof) -> Verdict {
    verify_sigsum(&Input::Message(message), &[*key], &network.policy, proof)
}

fn verify(
    teller: &mut Teller,
    network: &Network,
    key: &PublicKey,
    exhibits: &[Exhibit],
    proofs: &[SigsumProof],
) -> Result<(), Failure> {
    teller.step("Anybody verifies, offline: file, proof, public key and policy are enough.")?;
    for (n, (exhibit, proof)) in exhibits.iter().zip(proofs).enumerate() {
        let verdict = verdict(network, key, Message::of_data(&exhibit.data), proof);
        let text = verdict.to_string();
        teller.detail(&format!("{}:", exhibit.path.display()))?;
        if let Some(failure) = verdict.first_failure() {
            teller.block(&text)?;
            return Err(Failure::new(format!("the proof does not verify: {failure}")));
        }
        // The verdicts differ in little; one in full is enough.
        teller.block(if n == 0 { &text } else { text.lines().next().unwrap_or(&text) })?;
    }
    teller.done("Verified.")
}

/// The demo's monitor.
struct Monitor {
    events: mpsc::UnboundedReceiver<Event>,
    service: Context,
    handle: sigsum_monitor::Handle,
}

impl Monitor {
    fn start(network: &Network, key: &PublicKey) -> Result<Self, Failure> {
        let (sender, events) = mpsc::unbounded_channel();
        let config = sigsum_monitor::Config {
            policy: network.policy.as_ref().clone(),
            watch: WatchList::new(&[*key]),
            interval: MONITOR_INTERVAL,
            state_dir: None,
            max_cosignature_age: Duration::from_secs(3600),
        };
        let logs = crate::monitor::logs(&network.policy)?;
        let service = Context::new(Arc::new(SystemClock));
        let context =
            sigsum_monitor::Context { service: service.clone(), report: Arc::new(Ear(sender)) };
        let handle = sigsum_monitor::start(config, logs, context).map_err(failed)?;
        Ok(Self { events, service, handle })
    }

    /// Waits until all signatures of the key were reported.
    async fn wait_for(
        mut self,
        teller: &mut Teller,
        key: &PublicKey,
        wanted: usize,
    ) -> Result<(), Failure> {
        teller.step("The monitor, which only reads the log, tells the key's owner.")?;
        let mut found = 0;
        let listen = async {
            while found < wanted {
                let Some(event) = self.events.recv().await else { break };
                match &event {
                    Event::NewLeaves { matches, .. } if !matches.is_empty() => {
                        found += matches.len();
                        teller.block(&event.to_string())?;
                    }
                    Event::Alert { .. } => teller.block(&event.to_string())?,
                    _ => {}
                }
            }
            Ok::<_, Failure>(())
        };
        let outcome = tokio::time::timeout(MONITOR_PATIENCE, listen).await;
        self.service.shutdown.trigger();
        self.handle.wait().await;
        outcome.map_err(|_| Failure::new("the monitor did not report the signature"))??;
        if found < wanted {
            return Err(Failure::new("the monitor stopped before it reported the signature"));
        }
        let key_hash = key.key_hash().to_hex();
        let short = key_hash.get(..16).unwrap_or(&key_hash);
        teller.done(&format!("A signature of {short}... that is not yours would show up here too."))
    }
}

/// Alters one byte here and there and shows what the verifier says.
fn forgeries(
    teller: &mut Teller,
    network: &Network,
    key: &PublicKey,
    exhibit: &Exhibit,
    proof: &SigsumProof,
) -> Result<(), Failure> {
    teller.step(
        "Now somebody cheats. One byte of the file is altered; what changes in the verdict:",
    )?;
    let honest = verdict(network, key, Message::of_data(&exhibit.data), proof);
    let forged = verdict(network, key, altered_message(&exhibit.data), proof);
    show_refused(teller, &honest, &forged)?;

    teller.step("One digit of the proof's inclusion path is altered:")?;
    let message = Message::of_data(&exhibit.data);
    let text = proof.to_text();
    let altered = alter_line(&text, "node_hash", 0).ok_or_else(|| failed("no inclusion path"))?;
    show_refused(teller, &honest, &verdict(network, key, message, &parse(&altered)?))?;

    let altered = alter_line(&text, "cosignature", 0).ok_or_else(|| failed("no cosignature"))?;
    let forged = verdict(network, key, message, &parse(&altered)?);
    let is_spared = forged.first_failure().is_none();
    teller.step(match is_spared {
        true => "One digit of one cosignature is altered: it no longer counts, the others suffice.",
        false => {
            "One digit of one cosignature is altered: it no longer counts, and the others are too few."
        }
    })?;
    show_difference(teller, &honest, &forged)?;
    if !is_spared {
        return Ok(());
    }
    teller.step("And one digit of every other cosignature: no quorum, no trust.")?;
    let mut altered = altered;
    for n in 1..proof.tree_head.cosignatures().len() {
        altered = alter_line(&altered, "cosignature", n).ok_or_else(|| failed("no cosignature"))?;
    }
    show_refused(teller, &honest, &verdict(network, key, message, &parse(&altered)?))
}

fn parse(text: &str) -> Result<SigsumProof, Failure> {
    SigsumProof::parse(text.as_bytes()).map_err(failed)
}

/// Shows where a verdict differs from the one over what was not altered.
fn show_difference(teller: &Teller, honest: &Verdict, forged: &Verdict) -> Result<(), Failure> {
    let honest = honest.to_string();
    let known: Vec<&str> = honest.lines().collect();
    let text = forged.to_string();
    let differs = |line: &&str| line.starts_with("Accepted") || !known.contains(line);
    text.lines().filter(differs).try_for_each(|line| teller.block(line))
}

/// Shows a verdict that must be a refusal.
fn show_refused(teller: &Teller, honest: &Verdict, forged: &Verdict) -> Result<(), Failure> {
    show_difference(teller, honest, forged)?;
    match forged.first_failure() {
        Some(_) => Ok(()),
        None => Err(Failure::new("a forgery was accepted")),
    }
}
