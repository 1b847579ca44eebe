//! Key files by name: whatever stands in the file becomes a signer or a public key.

use crate::agent::{AgentClient, AgentError, AgentSigner};
use crate::private::{PrivateKeyError, parse_private_key};
use crate::public::{
    KeyList, KeyListError, PublicKeyError, PublicKeyLine, parse_key_list, parse_public_key,
};
use crate::seed::RandomError;
use crate::signer::{Ed25519Signer, Signer};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Upper bound on key files. A key takes 400 bytes and a line of a list about 100, so this is a
/// list of some ten thousand keys.
pub const MAX_KEY_FILE_BYTES: u64 = 1 << 20;

/// What is wrong with a key file. The texts begin as those of the Go tools do.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be opened, read or written.
    #[error("{operation} {}: {}", .path.display(), os_text(.error))]
    Io {
        /// The operation, such as `open`.
        operation: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// What the operating system says.
        error: std::io::Error,
    },
    /// The file is above [`MAX_KEY_FILE_BYTES`].
    #[error("{}: too large for a key file", .path.display())]
    TooLarge {
        /// Path of the file.
        path: PathBuf,
    },
    /// A private key file that cannot be used.
    #[error("parsing private key file {path:?} failed: {error}")]
    Private {
        /// Path of the file.
        path: PathBuf,
        /// What is wrong with it.
        error: PrivateKeyError,
    },
    /// A public key file stands for a private one, but no agent can be reached.
    #[error(
        "parsing private key file {path:?} failed: only public key available, and no ssh-agent: {}",
        .error.as_ref().map_or("SSH_AUTH_SOCK is not set".to_owned(), ToString::to_string)
    )]
    NoAgent {
        /// Path of the file.
        path: PathBuf,
        /// Why the agent cannot be reached; `None` where none was named.
        error: Option<AgentError>,
    },
    /// A public key file that cannot be used.
    #[error("parsing public key file {path:?} failed: {error}")]
    Public {
        /// Path of the file.
        path: PathBuf,
        /// What is wrong with it.
        error: PublicKeyError,
    },
    /// A list of public keys that cannot be used.
    #[error("parse {path:?}: {error}")]
    List {
        /// Path of the file.
        path: PathBuf,
        /// What is wrong with it.
        error: KeyListError,
    },
    /// A file is in the way of a new key.
    #[error("{}: file exists", .path.display())]
    Exists {
        /// Path of the file.
        path: PathBuf,
    },
    /// No random numbers for a new key.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// The operating system's reason as the Go tools print it: lowercase and without its number.
pub fn os_text(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error ").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map(|c| c.to_ascii_lowercase()).into_iter().chain(chars).collect()
}

/// Where a signer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignerSource {
    /// An ssh-agent; the file held the public key only.
    Agent,
    /// An OpenSSH private key file.
    PrivateFile,
    /// A file of 64 hex digits (deprecated).
    HexSeed,
}

/// A signer and what its file says besides.
#[derive(Debug, Clone)]
pub struct LoadedSigner {
    /// The signer.
    pub signer: Arc<dyn Signer>,
    /// The policy named beside a public key.
    pub policy_name: Option<String>,
    /// Where it came from.
    pub source: SignerSource,
}

/// Makes a signer of a key file as the Go tools do: a public key stands for the agent at
/// `agent_socket` (`SSH_AUTH_SOCK`), which must be reachable now; else the file holds a private key.
///
/// # Errors
/// [`KeyFileError`].
pub fn load_signer(path: &Path, agent_socket: Option<&Path>) -> Result<LoadedSigner, KeyFileError> {
    let loaded = load_service_signer(path, agent_socket)?;
    if let (SignerSource::Agent, Some(socket)) = (loaded.source, agent_socket) {
        reach_agent(socket, AGENT_CONNECT_LIMIT).map_err(|error| {
            let error = AgentError::Connect { socket: socket.to_owned(), error: Arc::new(error) };
            KeyFileError::NoAgent { path: path.to_owned(), error: Some(error) }
        })?;
    }
    Ok(loaded)
}

/// How long an agent may take to accept a connection. The kernel does it for one that is busy, until
/// as many wait as the agent allows; then connecting blocks, and it blocks for ever where the agent
/// is stuck.
const AGENT_CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Connects to the agent, to see whether it is there.
fn reach_agent(socket: &Path, limit: Duration) -> std::io::Result<()> {
    let (sender, connected) = std::sync::mpsc::channel();
    let socket = socket.to_owned();
    // The thread of an agent that is stuck ends with the process.
    std::thread::spawn(move || {
        let result = std::os::unix::net::UnixStream::connect(socket);
        let _ = sender.send(result.map(drop)); // nobody waits any more after the limit
    });
    let stuck = || std::io::Error::new(std::io::ErrorKind::TimedOut, "it accepts no connection");
    connected.recv_timeout(limit).unwrap_or_else(|_| Err(stuck()))
}

/// As [`load_signer`], for daemons: the agent need not run yet.
///
/// # Errors
/// [`KeyFileError`].
pub fn load_service_signer(
    path: &Path,
    agent_socket: Option<&Path>,
) -> Result<LoadedSigner, KeyFileError> {
    let text = read(path)?;
    if let Ok(line) = parse_public_key(text.trim_ascii()) {
        let Some(socket) = agent_socket else {
            return Err(KeyFileError::NoAgent { path: path.to_owned(), error: None });
        };
        let signer = Arc::new(AgentSigner::new(AgentClient::new(socket), line.key));
        let source = SignerSource::Agent;
        return Ok(LoadedSigner { signer, policy_name: line.policy_name, source });
    }
    let signer = Arc::new(private(path, &text)?);
    let is_pem = text.windows(10).any(|w| w == b"-----BEGIN");
    let source = if is_pem { SignerSource::PrivateFile } else { SignerSource::HexSeed };
    Ok(LoadedSigner { signer, policy_name: None, source })
}

/// Reads a private key file, never a public one.
///
/// # Errors
/// [`KeyFileError`].
pub fn read_private_key(path: &Path) -> Result<Ed25519Signer, KeyFileError> {
    private(path, &read(path)?)
}

fn private(path: &Path, text: &[u8]) -> Result<Ed25519Signer, KeyFileError> {
    parse_private_key(text).map_err(|error| KeyFileError::Private { path: path.to_owned(), error })
}

/// Reads a public key file; of several keys the first.
///
/// # Errors
/// [`KeyFileError`].
pub fn read_public_key(path: &Path) -> Result<PublicKeyLine, KeyFileError> {
    parse_public_key(&read(path)?)
        .map_err(|error| KeyFileError::Public { path: path.to_owned(), error })
}

/// Reads a file with one or more public keys.
///
/// # Errors
/// [`KeyFileError`].
pub fn read_key_list(path: &Path) -> Result<KeyList, KeyFileError> {
    parse_key_list(&read(path)?)
        .map_err(|error| KeyFileError::List { path: path.to_owned(), error })
}

/// Reads a whole file, up to the limit, into memory that is wiped.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let io = |operation| move |error| KeyFileError::Io { operation, path: path.to_owned(), error };
    let file = std::fs::File::open(path).map_err(io("open"))?;
    let mut text = Zeroizing::new(Vec::with_capacity(4096));
    file.take(MAX_KEY_FILE_BYTES.saturating_add(1)).read_to_end(&mut text).map_err(io("read"))?;
    if u64::try_from(text.len()).is_ok_and(|bytes| bytes <= MAX_KEY_FILE_BYTES) {
        Ok(text)
    } else {
        Err(KeyFileError::TooLarge { path: path.to_owned() })
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
