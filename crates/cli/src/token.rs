//! `sigsum token`: submit tokens for logs that limit rates by domain (flags of sigsum-token).

use crate::failure::{Failure, key_failure};
use crate::files::{agent_socket, read_text, write_output};
use clap::{Args, Subcommand};
use sigsum_client::TokenDns;
use sigsum_core::PublicKey;
use sigsum_core::bytes::Signature;
use sigsum_core::token::{SubmitToken, TOKEN_DNS_LABEL, TOKEN_HEADER, token_signing_bytes};
use sigsum_keys::{load_signer, read_public_key};
use std::path::{Path, PathBuf};

/// What to do with submit tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign a log's public key: the token that goes with submissions to that log
    Create(Create),
    /// Print the DNS record that publishes a rate-limit key
    Record(Record),
    /// Verify a token or header on standard input, against a key or against DNS
    Verify(Verify),
}

/// Options of `token create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Private rate-limit key, or a public key file whose private key an ssh-agent holds
    #[arg(short = 'k', long, value_name = "KEY-FILE")]
    signing_key: PathBuf,
    /// Public key of the log
    #[arg(short, long, value_name = "KEY-FILE")]
    log_key: PathBuf,
    /// Domain that publishes the key; the output is then a whole HTTP header
    #[arg(short, long)]
    domain: Option<String>,
    /// Where to write (default: standard output)
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Options of `token record`.
#[derive(Debug, Args)]
pub(crate) struct Record {
    /// Public rate-limit key
    #[arg(short, long, value_name = "KEY-FILE")]
    key: PathBuf,
    /// Where to write (default: standard output)
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Options of `token verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Public key of the log
    #[arg(short, long, value_name = "KEY-FILE")]
    log_key: PathBuf,
    /// Public rate-limit key to verify with
    #[arg(short, long, value_name = "KEY-FILE")]
    key: Option<PathBuf>,
    /// Domain to look the key up under; must be the header's where there is one
    #[arg(short, long)]
    domain: Option<String>,
    /// Say nothing on standard error
    #[arg(short, long)]
    quiet: bool,
}

/// Octal mode of what is written; a token is no secret of the file system.
const OUTPUT_MODE: u32 = 0o644;

/// Runs the command.
pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Create(args) => create(args),
        Command::Record(args) => {
            let key = public_key(&args.key)?;
            let text = format!("{TOKEN_DNS_LABEL} IN TXT \"{key}\"\n");
            write_output(args.output.as_deref(), text.as_bytes(), OUTPUT_MODE)
        }
        Command::Verify(args) => verify(args),
    }
}

fn public_key(path: &Path) -> Result<PublicKey, Failure> {
    Ok(read_public_key(path).map_err(|e| key_failure("", &e))?.key)
}

fn create(args: &Create) -> Result<(), Failure> {
    let loaded = load_signer(&args.signing_key, agent_socket().as_deref())
        .map_err(|e| key_failure("", &e))?;
    let log_key = public_key(&args.log_key)?;
    let signature = crate::runtime()?
        .block_on(loaded.signer.sign(&token_signing_bytes(&log_key)))
        .map_err(|e| Failure::new(format!("signing failed: {e}")))?;
    let text = match &args.domain {
        Some(domain) => {
            let token = SubmitToken { domain: domain.clone(), signature };
            format!("{}: {}\n", TOKEN_HEADER.to_ascii_lowercase(), token.to_header())
        }
        None => format!("{signature}\n"),
    };
    write_output(args.output.as_deref(), text.as_bytes(), OUTPUT_MODE)
}

/// A token as it stands on standard input: with its header, or the signature alone.
struct Given {
    domain: Option<String>,
    signature: Signature,
}

fn parse_given(text: &str, wanted_domain: Option<&str>) -> Result<Given, Failure> {
    let Some((header, value)) = text.split_once(':') else {
        let signature = Signature::from_hex(text.trim())
            .map_err(|e| Failure::new(format!("invalid token: {e}")))?;
        return Ok(Given { domain: wanted_domain.map(str::to_owned), signature });
    };
    if !header.eq_ignore_ascii_case(TOKEN_HEADER) {
        return Err(Failure::new("Invalid header, expected a Sigsum-Token:-line"));
    }
    let value = value.trim_start_matches([' ', '\t']);
    let value = value.strip_suffix('\n').unwrap_or(value);
    let token = SubmitToken::from_header(value)
        .map_err(|e| Failure::new(format!("Invalid Sigsum-Token value: {value:?}: {e}")))?;
    if wanted_domain.is_some_and(|wanted| !wanted.eq_ignore_ascii_case(&token.domain)) {
        return Err(Failure::new(format!("Unexpected domain: {:?}", token.domain)));
    }
    Ok(Given { domain: Some(token.domain), signature: token.signature })
}

fn verify(args: &Verify) -> Result<(), Failure> {
    let outcome = verify_loudly(args);
    match outcome {
        // The reason stays away, the exit status does not.
        Err(_) if args.quiet => Err(Failure::silent()),
        other => other,
    }
}

fn verify_loudly(args: &Verify) -> Result<(), Failure> {
    let log_key = public_key(&args.log_key)?;
    let key = args.key.as_deref().map(public_key).transpose()?;
    let text =
        String::from_utf8(read_text(None)?).map_err(|_| Failure::new("invalid token: not text"))?;
    let given = parse_given(&text, args.domain.as_deref())?;
    if key.is_none() && given.domain.is_none() {
        return Err(Failure::new("nothing to verify the token with")
            .remedy("give the rate-limit key with -k, or the domain that publishes it with -d"));
    }
    if let Some(domain) = given.domain {
        let token = SubmitToken { domain: domain.clone(), signature: given.signature };
        let failed = |e: &dyn std::fmt::Display| {
            Failure::new(format!("Verifying with domain {domain:?} failed: {e}"))
        };
        crate::runtime()?.block_on(async {
            let dns = TokenDns::system().map_err(|e| failed(&e))?;
            dns.check(&token, &log_key).await.map_err(|e| failed(&e))
        })?;
    }
    if let Some(key) = key
        && !key.verify(&token_signing_bytes(&log_key), &given.signature)
    {
        return Err(Failure::new("Verifying using given key failed: invalid token signature"));
    }
    Ok(())
}
