//! `sigsum key`: make, convert and use Ed25519 keys (flags and texts of sigsum-key).

use crate::failure::{Failure, key_failure, public_key_failure};
use crate::files::{agent_socket, read_stdin, read_text, read_text_file, write_output};
use clap::{Args, Subcommand, ValueEnum};
use sigsum_core::bytes::{PublicKey, Signature};
use sigsum_core::note::{KeyName, NoteKey, Vkey, VkeyError};
use sigsum_core::tree_head::sigsum_origin;
use sigsum_keys::{
    Ed25519Signer, Existing, format_public_key, load_signer, parse_public_key, read_public_key,
    write_key_pair,
};
use std::path::{Path, PathBuf};

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a new key pair: FILE (private, OpenSSH format) and FILE.pub
    #[command(visible_alias = "gen")]
    Generate(Generate),
    /// Sign standard input; prints the signature in hex
    Sign(Sign),
    /// Verify a signature over standard input; silent on success
    Verify(Verify),
    /// Print the SHA-256 key hash of a public key in hex
    ToHash(Convert),
    /// Print a public key in hex
    ToHex(Convert),
    /// Turn a public key in hex into OpenSSH format
    FromHex(Convert),
    /// Turn a public key into a verifier key (vkey) of signed notes
    ToVkey(ToVkey),
    /// Turn a verifier key (vkey) into OpenSSH format
    FromVkey(FromVkey),
}

/// Options of `key generate`.
#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// File for the private key; the public key goes to the same name with .pub. Both are replaced
    /// where they exist
    #[arg(short, long, value_name = "KEY-FILE")]
    output: PathBuf,
}

/// Options of `key sign`.
#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// Private key file, or a public key file whose private key an ssh-agent holds
    #[arg(short = 'k', long, value_name = "KEY-FILE")]
    signing_key: PathBuf,
    /// Where to write the signature (default: standard output)
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Namespace: what is signed is NAMESPACE, a NUL octet, and the input
    #[arg(short, long, default_value = "", hide_default_value = true)]
    namespace: String,
}

/// Options of `key verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Public key file
    #[arg(short, long, value_name = "KEY-FILE")]
    key: PathBuf,
    /// File with the signature in hex
    #[arg(short, long, value_name = "FILE")]
    signature: PathBuf,
    /// Namespace that was given when signing
    #[arg(short, long, default_value = "", hide_default_value = true)]
    namespace: String,
}

/// Options of the conversions.
#[derive(Debug, Args)]
pub(crate) struct Convert {
    /// Key file (default: standard input)
    #[arg(short, long, value_name = "KEY-FILE")]
    key: Option<PathBuf>,
    /// Where to write (default: standard output)
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Kinds of verifier keys that an Ed25519 key can become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum VkeyType {
    /// Signs checkpoints as a log (type 0x01)
    Ed25519,
    /// Cosigns checkpoints as a witness (type 0x04)
    #[value(name = "cosignature/v1")]
    CosignatureV1,
}

/// Options of `key to-vkey`.
#[derive(Debug, Args)]
pub(crate) struct ToVkey {
    #[command(flatten)]
    convert: Convert,
    /// Key name (default for ed25519: the origin of the Sigsum log with this key)
    #[arg(short, long, value_name = "KEY-NAME")]
    name: Option<String>,
    /// Signature type
    #[arg(short = 't', long = "type", value_name = "TYPE", value_enum, default_value = "ed25519")]
    kind: VkeyType,
}

/// Options of `key from-vkey`.
#[derive(Debug, Args)]
pub(crate) struct FromVkey {
    #[command(flatten)]
    convert: Convert,
    /// Print name and type on standard error
    #[arg(short, long)]
    verbose: bool,
}

/// Octal mode of converted public keys.
const PUBLIC_FILE_MODE: u32 = 0o644;

/// Runs the command.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Generate(args) => generate(&args.output),
        Command::Sign(args) => sign(&args),
        Command::Verify(args) => verify(&args),
        Command::ToHash(args) => convert(&args, |key| Ok(format!("{}\n", key.key_hash()))),
        Command::ToHex(args) => convert(&args, |key| Ok(format!("{key}\n"))),
        Command::FromHex(args) => from_hex(&args),
        Command::ToVkey(args) => to_vkey(&args),
        Command::FromVkey(args) => from_vkey(&args),
    }
}

fn generate(output: &Path) -> Result<(), Failure> {
    let signer = Ed25519Signer::generate().map_err(|e| Failure::new(e.to_string()))?;
    // The Go tool replaces an existing file without asking, and scripts rely on it.
    write_key_pair(output, &signer, Existing::Replace).map_err(|e| Failure::new(e.to_string()))
}

/// Namespace, NUL and message; the message alone without a namespace.
fn signed_bytes(namespace: &str, mut message: Vec<u8>) -> Vec<u8> {
    if namespace.is_empty() {
        return message;
    }
    let mut out = namespace.as_bytes().to_vec();
    out.push(0);
    out.append(&mut message);
    out
}

fn sign(args: &Sign) -> Result<(), Failure> {
    let loaded = load_signer(&args.signing_key, agent_socket().as_deref())
        .map_err(|e| key_failure("", &e))?;
    let bytes = signed_bytes(&args.namespace, read_stdin()?);
    let signature = crate::runtime()?
        .block_on(loaded.signer.sign(&bytes))
        .map_err(|e| Failure::new(format!("signing failed: {e}")))?;
    write_output(args.output.as_deref(), format!("{signature}\n").as_bytes(), PUBLIC_FILE_MODE)
}

fn verify(args: &Verify) -> Result<(), Failure> {
    let line = read_public_key(&args.key).map_err(|e| key_failure("", &e))?;
    let text = read_text_file(&args.signature)?;
    let signature = std::str::from_utf8(&text)
        .ok()
        .and_then(|t| Signature::from_hex(t.trim()).ok())
        .ok_or_else(|| {
            Failure::new(format!("{} does not hold a signature in hex", args.signature.display()))
                .remedy("the file must hold 128 hex digits, as `sigsum key sign` writes them")
        })?;
    let bytes = signed_bytes(&args.namespace, read_stdin()?);
    if !line.key.verify(&bytes, &signature) {
        return Err(Failure::new("Signature is not valid"));
    }
    Ok(())
}

fn read_key(args: &Convert) -> Result<PublicKey, Failure> {
    let text = read_text(args.key.as_deref())?;
    Ok(parse_public_key(&text).map_err(|e| public_key_failure(&e))?.key)
}

fn convert(
    args: &Convert,
    to_text: impl FnOnce(&PublicKey) -> Result<String, Failure>,
) -> Result<(), Failure> {
    let text = to_text(&read_key(args)?)?;
    write_output(args.output.as_deref(), text.as_bytes(), PUBLIC_FILE_MODE)
}

fn from_hex(args: &Convert) -> Result<(), Failure> {
    let text = read_text(args.key.as_deref())?;
    let key = std::str::from_utf8(&text)
        .map_err(|_| "not text".to_owned())
        .and_then(|t| PublicKey::from_hex(t.trim()).map_err(|e| e.to_string()))
        .map_err(|e| {
            Failure::new(format!("Invalid key: {e}")).remedy("64 hex digits are needed")
        })?;
    write_output(args.output.as_deref(), format_public_key(&key).as_bytes(), PUBLIC_FILE_MODE)
}

fn to_vkey(args: &ToVkey) -> Result<(), Failure> {
    let key = read_key(&args.convert)?;
    let name = match (&args.name, args.kind) {
        (Some(name), _) => name.clone(),
        (None, VkeyType::Ed25519) => sigsum_origin(&key.key_hash()),
        (None, VkeyType::CosignatureV1) => {
            return Err(Failure::new("Key name (-n) option is required for cosignature/v1 keys"));
        }
    };
    let name = KeyName::new(&name).map_err(|e| {
        Failure::new(format!("invalid key name {name:?}: {e}"))
            .remedy("a key name is not empty and has no white space and no '+'")
    })?;
    let key = match args.kind {
        VkeyType::Ed25519 => NoteKey::Ed25519(key),
        VkeyType::CosignatureV1 => NoteKey::CosignatureEd25519(key),
    };
    let text = format!("{}\n", Vkey { name, key });
    write_output(args.convert.output.as_deref(), text.as_bytes(), PUBLIC_FILE_MODE)
}

/// In sigsum-key's words where it has any.
fn vkey_problem(error: &VkeyError) -> String {
    match error {
        VkeyError::KeyIdMismatch { written, computed } => format!(
            "Verifier Key id {written} is inconsistent with name and public key, expected {computed}"
        ),
        other => other.to_string(),
    }
}

fn from_vkey(args: &FromVkey) -> Result<(), Failure> {
    let text = read_text(args.convert.key.as_deref())?;
    let text = std::str::from_utf8(&text).map_err(|_| Failure::new("verifier key is not text"))?;
    let vkey = Vkey::parse(text.trim()).map_err(|e| Failure::new(vkey_problem(&e)))?;
    let (key, kind) = match &vkey.key {
        NoteKey::Ed25519(key) => (key, "0x01 (ed25519)"),
        NoteKey::CosignatureEd25519(key) => (key, "0x04 (cosignature/v1)"),
        NoteKey::CosignatureMlDsa44(_) => {
            return Err(Failure::new("an ML-DSA-44 verifier key has no OpenSSH form")
                .remedy("use the vkey itself, for example in a tlog-policy"));
        }
    };
    if args.verbose {
        crate::say(&format!("Key name {:?}, key type: {kind}", vkey.name.as_str()));
    }
    let text = format_public_key(key);
    write_output(args.convert.output.as_deref(), text.as_bytes(), PUBLIC_FILE_MODE)
}
