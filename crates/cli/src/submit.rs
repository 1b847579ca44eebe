//! `sigsum submit`: sign checksums, submit them, collect proofs (flags and files of sigsum-submit).

mod collect;
mod item;
mod progress;
mod writer;

use crate::failure::{Failure, key_failure};
use crate::files::{agent_socket, write_output};
use crate::policy_choice::PolicyOptions;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{ArgAction, Args};
use item::Item;
use sigsum_client::GoDuration;
use sigsum_keys::{LoadedSigner, load_signer};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Options of `submit`.
#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub(crate) struct Options {
    /// Private key to sign with, or a public key file whose private key an ssh-agent holds;
    /// without it the input is an add-leaf request
    #[arg(short = 'k', long, value_name = "KEY-FILE")]
    signing_key: Option<PathBuf>,
    #[command(flatten)]
    policy: PolicyOptions,
    /// The input is the SHA-256 hash of the data (32 octets, or hex), not the data
    #[arg(long)]
    raw_hash: bool,
    /// Write the leaf hash in hex and do not submit
    #[arg(long)]
    leaf_hash: bool,
    /// Write to this file (for a single input)
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write to this directory (default: beside each input file)
    #[arg(short = 'O', long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// How much to say on standard error: debug, info, warning, error or fatal
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    diagnostics: Level,
    /// Domain whose submit token goes with the request
    #[arg(short = 'd', long, value_name = "DOMAIN")]
    token_domain: Option<String>,
    /// Rate-limit key that the domain publishes in DNS
    #[arg(short = 'a', long, value_name = "KEY-FILE")]
    token_signing_key: Option<PathBuf>,
    /// Time limit for all submissions and proofs
    #[arg(short, long, value_name = "DURATION", default_value = "10m")]
    timeout: GoDuration,
    /// Print version
    #[arg(short = 'v', long, action = ArgAction::Version)]
    version: Option<bool>,
    /// Files to sign, or add-leaf requests (default: standard input)
    #[arg(value_name = "INPUT-FILE", value_parser = any_path())]
    inputs: Vec<PathBuf>,
}

/// Paths, the empty one too: what is wrong with it is ours to say.
fn any_path() -> impl clap::builder::TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// Levels of diagnostics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Level {
    /// Everything
    Debug,
    /// Progress
    Info,
    /// What may need attention
    Warning,
    /// What failed
    Error,
    /// Only what ends the command
    Fatal,
}

/// What the command produces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Product {
    Proof,
    LeafHash,
    Request,
    /// Requests on input are only verified.
    Nothing,
}

impl Product {
    fn suffix(self) -> &'static str {
        match self {
            Self::Proof => ".proof",
            Self::LeafHash => ".hash",
            Self::Request | Self::Nothing => ".req",
        }
    }
}

/// Octal mode of what is written.
const OUTPUT_MODE: u32 = 0o644;

/// Runs the command.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    check(options)?;
    let signer = match &options.signing_key {
        Some(path) => Some(
            load_signer(path, agent_socket().as_deref())
                .map_err(|e| key_failure("Reading key file failed: ", &e))?,
        ),
        None => None,
    };
    let name_in_key = signer.as_ref().and_then(|s: &LoadedSigner| s.policy_name.clone());
    // A leaf hash is asked for explicitly: a policy that the key file happens to name must not turn
    // that into a submission.
    let policy = match options.leaf_hash {
        true => None,
        false => options.policy.select(name_in_key.as_deref())?,
    };
    let product = match (&policy, options.leaf_hash, &signer) {
        (Some(_), _, _) => Product::Proof,
        (None, true, _) => Product::LeafHash,
        (None, false, Some(_)) => Product::Request,
        (None, false, None) => Product::Nothing,
    };
    let runtime = crate::runtime()?;
    match policy {
        Some(policy) => runtime.block_on(collect::run(options, signer.as_ref(), policy)),
        None => runtime.block_on(write_all(options, signer.as_ref(), product)),
    }
}

fn check(options: &Options) -> Result<(), Failure> {
    let refuse = |text: &str, remedy: &str| Err(Failure::new(text).remedy(remedy));
    if options.inputs.len() > 1 && options.output.is_some() {
        return refuse(
            "The -o option is invalid with more than one input file.",
            "use -O DIR, or leave both away to write beside the inputs",
        );
    }
    if options.inputs.is_empty() && options.output_dir.is_some() {
        return refuse(
            "The --output-dir option is invalid when no input files are provided.",
            "name input files, or use -o FILE",
        );
    }
    if options.output.is_some() && options.output_dir.is_some() {
        return refuse(
            "The -o and the --output-dir options are mutually exclusive.",
            "keep one of them",
        );
    }
    let policies = usize::from(options.policy.file.is_some())
        + usize::from(options.policy.name.is_some())
        + usize::from(options.leaf_hash);
    if policies > 1 {
        return refuse(
            "The -P, -p, and --leaf-hash options are mutually exclusive.",
            "keep one of them",
        );
    }
    if options.inputs.iter().any(|path| path.as_os_str().is_empty()) {
        return refuse("Empty string is not a valid input file name.", "check the command line");
    }
    Ok(())
}

/// Writes requests or leaf hashes, without any log.
async fn write_all(
    options: &Options,
    signer: Option<&LoadedSigner>,
    product: Product,
) -> Result<(), Failure> {
    for source in item::sources(options) {
        let item = Item::read(options, signer, source).await?;
        let text = match product {
            Product::LeafHash => format!("{}\n", item.request.leaf().hash()).into_bytes(),
            Product::Request => item.request.to_body(),
            Product::Nothing | Product::Proof => continue,
        };
        let output = item.output(options, product)?;
        write_output(output.as_deref(), &text, OUTPUT_MODE)?;
        if let (Product::Request, Some(path)) = (product, output) {
            let text = format!("no policy, nothing is submitted: request in {}", path.display());
            progress::say_at(options.diagnostics, Level::Info, &text);
        }
    }
    Ok(())
}

/// Where the output for an input goes; `None` for standard output.
fn output_name(
    options: &Options,
    input: Option<&Path>,
    product: Product,
) -> Result<Option<PathBuf>, Failure> {
    if let Some(output) = &options.output {
        return Ok(Some(output.clone()));
    }
    let Some(input) = input else { return Ok(None) };
    let stem = match options.signing_key {
        Some(_) => input.to_owned(),
        None => without_req(input)?,
    };
    let mut name: OsString = match &options.output_dir {
        Some(directory) => {
            directory.join(stem.file_name().unwrap_or(stem.as_os_str())).into_os_string()
        }
        None => stem.into_os_string(),
    };
    name.push(product.suffix());
    Ok(Some(PathBuf::from(name)))
}

/// The name of a request without one trailing `.req`.
fn without_req(input: &Path) -> Result<PathBuf, Failure> {
    let text = input.as_os_str().as_encoded_bytes();
    let Some(stem) = text.strip_suffix(b".req") else { return Ok(input.to_owned()) };
    if stem.is_empty() {
        return Err(Failure::new("Invalid input file name \".req\""));
    }
    use std::os::unix::ffi::OsStrExt as _;
    Ok(PathBuf::from(std::ffi::OsStr::from_bytes(stem)))
}
