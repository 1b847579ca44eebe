//! `sigsum probe`: looks at logs from outside, once or again and again, and tells people and
//! Prometheus what it found.

mod numbers;
mod old_file;
mod tell;

use crate::failure::{Failure, key_failure};
use crate::files::{agent_socket, read_text_file, write_output};
use crate::log_level::start_logging;
use crate::policy_choice::PolicyOptions;
use clap::Args;
use numbers::Numbers;
use sigsum_client::probe::{ProbeReport, ProbeSettings, ProbeTarget, Prober, probe_targets};
use sigsum_client::{BaseUrl, GoDuration, HttpClient, HttpSettings, TokenSource};
use sigsum_core::Message;
use sigsum_core::leaf::leaf_signing_bytes;
use sigsum_core::policy::Policy;
use sigsum_core::wire::log::AddLeafRequest;
use sigsum_keys::{Ed25519Signer, Signer, SigningSeed, load_signer};
use sigsum_service::clock::{Clock, SystemClock};
use sigsum_service::http::finish;
use sigsum_service::listen::Endpoint;
use sigsum_service::metrics::{self, Registry};
use sigsum_service::runner::{self, Program};
use sigsum_service::serve::{Limits, spawn};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Options of `probe`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    policy: PolicyOptions,
    /// Look only at the policy's log with this URL
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Key that signs the fresh leaves (default: a new key at each start)
    #[arg(short = 'k', long, value_name = "KEY-FILE")]
    signing_key: Option<PathBuf>,
    /// Domain whose submit token goes with the leaves
    #[arg(short = 'd', long, value_name = "DOMAIN", requires = "token_signing_key")]
    token_domain: Option<String>,
    /// Rate-limit key that the domain publishes in DNS
    #[arg(short = 'a', long, value_name = "KEY-FILE", requires = "token_domain")]
    token_signing_key: Option<PathBuf>,
    /// Submit nothing; only read and compare
    #[arg(long)]
    read_only: bool,
    /// Time limit from a leaf's submission to its proof
    #[arg(short, long, value_name = "DURATION", default_value = "1m")]
    timeout: GoDuration,
    /// Oldest that the newest cosignature of a served head may be
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    max_age: GoDuration,
    /// Look again after this time, until stopped
    #[arg(long, value_name = "DURATION")]
    interval: Option<GoDuration>,
    /// Serve the results as Prometheus metrics
    #[arg(long, value_name = "HOST:PORT", requires = "interval")]
    listen: Option<String>,
    /// Write the results as Prometheus text, as the node exporter's textfile collector reads it
    #[arg(long, value_name = "FILE")]
    metrics_file: Option<PathBuf>,
    /// Print the results as JSON, one line a log
    #[arg(long)]
    json: bool,
    /// debug, info, warning, error or fatal
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    diagnostics: String,
}

/// Shortest time between two looks: each leaves a leaf in the log for ever.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
/// Octal mode of the file of metrics: the node exporter runs as another user.
const METRICS_MODE: u32 = 0o644;

/// Runs the command.
pub(crate) fn run(options: Options) -> Result<(), Failure> {
    options.policy.check()?;
    check(&options)?;
    let policy = options.policy.select(None)?.ok_or_else(|| {
        Failure::new("A policy must be specified, using -p or -P")
            .remedy("it names the logs to look at, and says what makes a proof good")
    })?;
    let signer: Arc<dyn Signer> = match &options.signing_key {
        Some(path) => {
            load_signer(path, agent_socket().as_deref())
                .map_err(|e| key_failure("Reading key file failed: ", &e))?
                .signer
        }
        None => Arc::new(Ed25519Signer::generate().map_err(|e| Failure::new(e.to_string()))?),
    };
    match options.interval {
        None => crate::runtime()?.block_on(once(&options, policy, signer)),
        Some(_) => daemon(options, policy, signer),
    }
}

fn check(options: &Options) -> Result<(), Failure> {
    if options.interval.is_some_and(|interval| interval.0 < SHORTEST_INTERVAL) {
        return Err(Failure::new("--interval must be at least 1s")
            .remedy("each look adds a leaf to the log; a minute is often enough"));
    }
    if options.timeout.0.is_zero() {
        return Err(Failure::new("--timeout must not be zero"));
    }
    Ok(())
}

/// The probers of all logs, and what they submit.
struct Probers {
    probers: Vec<Prober>,
    signer: Arc<dyn Signer>,
    read_only: bool,
    clock: Arc<dyn Clock>,
}

impl Probers {
    async fn new(
        options: &Options,
        policy: Policy,
        signer: Arc<dyn Signer>,
    ) -> Result<Self, Failure> {
        let targets = targets(options, &policy).await?;
        let settings = ProbeSettings { timeout: options.timeout.0, max_age: options.max_age.0 };
        let policy = Arc::new(policy);
        let prober = |target| Prober::new(Arc::clone(&policy), target, settings.clone());
        let probers = targets.into_iter().map(prober).collect();
        Ok(Self { probers, signer, read_only: options.read_only, clock: Arc::new(SystemClock) })
    }

    /// A fresh leaf for each log, or none for any.
    async fn leaves(&self) -> Result<Vec<Option<AddLeafRequest>>, Failure> {
        let mut leaves = Vec::new();
        for _ in &self.probers {
            leaves.push(match self.read_only {
                true => None,
                false => Some(fresh_leaf(&*self.signer).await?),
            });
        }
        Ok(leaves)
    }

    /// Looks at all logs at once, with a leaf for each of the first; the reports are in the policy's
    /// order.
    async fn probe(&mut self, leaves: Vec<Option<AddLeafRequest>>) -> Vec<ProbeReport> {
        let mut looks = JoinSet::new();
        let leaves = leaves.into_iter().chain(std::iter::repeat(None));
        let probers = std::mem::take(&mut self.probers);
        for (at, (mut prober, request)) in probers.into_iter().zip(leaves).enumerate() {
            let clock = Arc::clone(&self.clock);
            looks.spawn(async move {
                let report = prober.probe(request.as_ref(), &|| clock.now_s()).await;
                (at, prober, report)
            });
        }
        let mut done = looks.join_all().await;
        done.sort_by_key(|(at, _, _)| *at);
        let mut reports = Vec::new();
        for (_, prober, report) in done {
            self.probers.push(prober);
            reports.push(report);
        }
        reports
    }
}

/// The logs to look at.
async fn targets(options: &Options, policy: &Policy) -> Result<Vec<ProbeTarget>, Failure> {
    let url = options.url.as_deref().map(BaseUrl::parse).transpose();
    let url = url.map_err(|e| Failure::new(format!("--url: {e}")))?;
    let key = match &options.token_signing_key {
        Some(path) => Some(
            load_signer(path, agent_socket().as_deref())
                .map_err(|e| key_failure("Reading token key file failed: ", &e))?,
        ),
        None => None,
    };
    let token = match (&options.token_domain, &key) {
        (Some(domain), Some(key)) => Some(TokenSource { domain, signer: key.signer.as_ref() }),
        _ => None,
    };
    let mut http = HttpSettings::new("probe");
    http.request_timeout = http.request_timeout.min(options.timeout.0);
    let http = HttpClient::new(http);
    probe_targets(policy, &http, url.as_ref(), token).await.map_err(|e| {
        Failure::new(e.to_string()).remedy(match url {
            Some(_) => "the policy needs a log line with exactly this URL",
            None => "the policy needs at least one log line with a URL",
        })
    })
}

/// A leaf that nobody has submitted before.
async fn fresh_leaf(signer: &dyn Signer) -> Result<AddLeafRequest, Failure> {
    // Random bytes, of the generator that makes keys.
    let random = SigningSeed::generate().map_err(|e| Failure::new(e.to_string()))?;
    let message = Message::of_data(random.expose());
    let signature = signer.sign(&leaf_signing_bytes(&message.checksum())).await;
    let signature = signature.map_err(|e| Failure::new(format!("Signing failed: {e}")))?;
    Ok(AddLeafRequest { message, signature, public_key: signer.public_key() })
}

/// One look, its results on standard output, and the exit status.
async fn once(options: &Options, policy: Policy, signer: Arc<dyn Signer>) -> Result<(), Failure> {
    let registry = Registry::new();
    let numbers = Numbers::register(&registry).map_err(|e| Failure::new(e.to_string()))?;
    let witnesses = policy.witnesses().iter().map(|witness| witness.name().to_string());
    let witnesses: Vec<_> = witnesses.collect();
    let mut probers = Probers::new(options, policy, signer).await?;
    if let Some(path) = &options.metrics_file {
        let logs = probers.probers.iter().map(|prober| numbers::label(&prober.target().url));
        // The first look finds no file.
        let old = read_text_file(path).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        numbers.restore(&old.unwrap_or_default(), &logs.collect::<Vec<_>>(), &witnesses);
    }
    let leaves = probers.leaves().await?;
    let reports = probers.probe(leaves).await;
    numbers.show(&reports, probers.clock.now_s());
    if let Some(path) = &options.metrics_file {
        write_output(Some(path), registry.encode().as_bytes(), METRICS_MODE)?;
    }
    tell::print_reports(&reports, options.json)?;
    match reports.iter().filter(|report| !report.is_good()).count() {
        0 => Ok(()),
        count => Err(Failure::new(format!("{count} of {} logs failed", reports.len()))),
    }
}

/// One look of a daemon. While the key cannot be used, as when its agent is gone, nothing is submitted.
async fn look(probers: &mut Probers, cannot_sign: &mut bool) -> Vec<ProbeReport> {
    let leaves = match probers.leaves().await {
        Ok(leaves) => {
            if std::mem::take(cannot_sign) {
                tracing::info!("leaves are signed and submitted again");
            }
            leaves
        }
        Err(error) => {
            if !std::mem::replace(cannot_sign, true) {
                tracing::error!("no leaf is submitted until one can be signed: {error}");
            }
            Vec::new()
        }
    };
    probers.probe(leaves).await
}

/// Looks until it is told to stop.
fn daemon(options: Options, policy: Policy, signer: Arc<dyn Signer>) -> Result<(), Failure> {
    let logging = start_logging(Some(&options.diagnostics), None)?;
    let version = env!("CARGO_PKG_VERSION");
    let program = Program { name: "sigsum probe", version, logging: Some(logging), reloads: false };
    let failed = |e: &dyn std::fmt::Display| Failure::new(e.to_string());
    let run = runner::run(program, |service| async move {
        let numbers = Numbers::register(&service.metrics).map_err(|e| failed(&e))?;
        let mut probers = Probers::new(&options, policy, signer).await?;
        let server = match &options.listen {
            None => None,
            Some(address) => {
                let endpoint = address.parse::<Endpoint>().map_err(|e| failed(&e))?;
                let listener = endpoint.bind().await.map_err(|e| failed(&e))?;
                let router = finish(metrics::routes(service.metrics.clone()));
                let server = spawn(listener, router, &service.shutdown, Limits::default());
                crate::say(&format!("listening on http://{}", server.address()));
                Some(server)
            }
        };
        let interval = options.interval.map_or(SHORTEST_INTERVAL, |interval| interval.0);
        service.notify.ready("");
        let (mut teller, mut cannot_sign) = (tell::Teller::default(), false);
        while !service.shutdown.is_triggered() {
            let next = tokio::time::sleep(interval);
            let reports = tokio::select! {
                () = service.shutdown.triggered() => break,
                reports = look(&mut probers, &mut cannot_sign) => reports,
            };
            numbers.show(&reports, service.clock.now_s());
            teller.tell(&reports);
            if let Some(path) = &options.metrics_file
                && let Err(error) =
                    write_output(Some(path), service.metrics.encode().as_bytes(), METRICS_MODE)
            {
                tracing::warn!("the metrics are not written: {error}");
            }
            tokio::select! {
                () = service.shutdown.triggered() => {}
                () = next => {}
            }
        }
        if let Some(server) = server {
            server.wait().await;
        }
        Ok(())
    });
    run.map_err(|e: runner::RunError<Failure>| match e {
        runner::RunError::Role(failure) => failure,
        other => Failure::new(other.to_string()),
    })
}
