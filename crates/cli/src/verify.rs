//! `sigsum verify`: check a proof offline (flags, order of checks and texts of sigsum-verify).

use crate::failure::{Failure, key_failure};
use crate::files::{print, read_text_file};
use crate::input::message_of_stdin;
use crate::policy_choice::PolicyOptions;
use clap::{ArgAction, Args};
use sigsum_core::proof::SigsumProof;
use sigsum_core::verify::{Input, Verdict, verify_sigsum};
use sigsum_keys::read_key_list;
use std::path::{Path, PathBuf};

/// Options of `verify`.
#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub(crate) struct Options {
    /// File with one or more public keys of submitters, in OpenSSH format
    #[arg(short, long, value_name = "KEY-FILE")]
    key: PathBuf,
    #[command(flatten)]
    policy: PolicyOptions,
    /// Standard input is the SHA-256 hash of the data (32 octets, or hex), not the data
    #[arg(long)]
    raw_hash: bool,
    /// Say what was checked and found, also on success
    #[arg(long)]
    explain: bool,
    /// Say it as one JSON object
    #[arg(long, conflicts_with = "explain")]
    json: bool,
    /// Print version
    #[arg(short = 'v', long, action = ArgAction::Version)]
    version: Option<bool>,
    /// Proof file; the data comes on standard input
    #[arg(value_name = "PROOF-FILE")]
    proof: Vec<PathBuf>,
}

/// Runs the command: silent on success, unless told to explain.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    options.policy.check()?;
    let [proof_file] = options.proof.as_slice() else {
        return Err(Failure::new("No proof given on command line")
            .remedy("usage: sigsum verify -k KEY-FILE -p POLICY-FILE PROOF-FILE < DATA"));
    };
    let list = read_key_list(&options.key).map_err(|e| key_failure("", &e))?;
    let name = match options.policy.is_given() {
        true => None,
        false => list.policy_name().map_err(|e| {
            let file = options.key.display().to_string();
            Failure::new(format!("parse {file:?}: {e}")).remedy("choose the policy with -p or -P")
        })?,
    };
    let message = message_of_stdin(options.raw_hash)?;
    let proof = read_proof(proof_file)?;
    let policy = options.policy.select(name)?.ok_or_else(|| {
        Failure::new("A policy must be specified, either in pubkey file or using -p or -P")
            .remedy("for example -P sigsum-generic-2025-1, or see `sigsum policy list`")
    })?;
    let keys: Vec<_> = list.keys().copied().collect();
    let verdict = verify_sigsum(&Input::Message(message), &keys, &policy, &proof);
    tell(options, &verdict)
}

fn read_proof(path: &Path) -> Result<SigsumProof, Failure> {
    let text = read_text_file(path).map_err(|e| {
        Failure::new(format!("Opening file {:?} failed: {e}", path.display().to_string()))
    })?;
    SigsumProof::parse(&text).map_err(|e| {
        Failure::new(format!("Invalid proof: {e}"))
            .remedy("a proof is the .proof file that `sigsum submit` wrote beside the data")
    })
}

fn tell(options: &Options, verdict: &Verdict) -> Result<(), Failure> {
    if options.json {
        print(format!("{}\n", crate::verdict_json::to_json(verdict)))?;
    } else if options.explain {
        print(format!("{verdict}"))?;
    }
    match verdict.first_failure() {
        None => Ok(()),
        Some(failure) => {
            let mut out = Failure::new(format!("Sigsum proof failed to verify: {failure}"));
            if !options.explain && !options.json {
                out = out.remedy("--explain shows every check and its outcome");
            }
            Err(out)
        }
    }
}
