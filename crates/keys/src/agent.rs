//! Client of an ssh-agent (`draft-miller-ssh-agent`): lists keys and asks for signatures.
//!
//! The client connects when it is first needed and again whenever the agent went away and came
//! back. Several requests may be under way at once, each on a connection of its own, so that a
//! slow one holds up no other.

mod message;

pub use message::{Identity, parse_identities, parse_signature};

use crate::signer::{SignError, Signer};
use async_trait::async_trait;
use sigsum_core::{PublicKey, Signature, crypto::VerifyingKey};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;

/// Upper bound on a list of keys: OpenSSH's own limit on agent messages (`AGENT_MAX_LEN`).
pub const MAX_AGENT_RESPONSE_BYTES: u32 = 256 * 1024;
/// Upper bound on the answer to a request for a signature, the one the Go tools have; an Ed25519
/// signature takes 88 bytes.
pub const MAX_SIGN_RESPONSE_BYTES: u32 = 1000;
/// Upper bound on what is sent to be signed, so that it fits OpenSSH's limit on messages with key
/// and lengths around it.
pub const MAX_SIGNED_MESSAGE_BYTES: usize = 255 * 1024;
/// Connections at once. A signer in hardware does few at a time; more would only wait there.
const MAX_CONNECTIONS: usize = 8;
/// How long one request may take; a person may have to find and touch a device first.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// What went wrong between us and the agent.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AgentError {
    /// No connection: the agent does not run, or the socket is not ours.
    #[error("cannot connect to the ssh-agent at {}: {}", .socket.display(), crate::load::os_text(.error))]
    Connect {
        /// Path of the agent's socket.
        socket: PathBuf,
        /// What the operating system says.
        error: Arc<std::io::Error>,
    },
    /// The connection broke during a request.
    #[error("connection to the ssh-agent failed: {}", crate::load::os_text(.0))]
    Io(Arc<std::io::Error>),
    /// No answer in time.
    #[error("the ssh-agent did not answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The agent announces an answer that is empty or above the limit.
    #[error("read from agent gave unexpected length: {0}")]
    ResponseLength(u32),
    /// The agent answers with a message that does not belong to the request.
    #[error("unexpected ssh-agent response, type {0}")]
    ResponseType(u8),
    /// The agent's answer is malformed.
    #[error("malformed ssh-agent response")]
    Malformed,
    /// The agent refuses to list its keys.
    #[error("ssh-agent refused to list its keys")]
    ListRefused,
    /// The agent refuses to sign.
    #[error("ssh-agent refused signature request{}", if *.key_is_missing {
        ": it does not hold this key, add it with 'ssh-add'"
    } else {
        ""
    })]
    SignRefused {
        /// Whether the agent's list of keys lacks the key.
        key_is_missing: bool,
    },
    /// The message to sign is above [`MAX_SIGNED_MESSAGE_BYTES`].
    #[error("message of {0} bytes is too long for an ssh-agent")]
    MessageTooLong(usize),
}

/// One agent, by its socket. Clones share the connections.
#[derive(Clone)]
pub struct AgentClient {
    shared: Arc<Shared>,
}

struct Shared {
    socket: PathBuf,
    /// Connections that wait for the next request.
    idle: Mutex<Vec<UnixStream>>,
    permits: Semaphore,
}

impl AgentClient {
    /// Takes the path of the agent's socket (`SSH_AUTH_SOCK`); does not connect yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        let idle = Mutex::new(Vec::new());
        let permits = Semaphore::new(MAX_CONNECTIONS);
        Self { shared: Arc::new(Shared { socket: socket.into(), idle, permits }) }
    }

    /// Path of the agent's socket.
    pub fn socket(&self) -> &Path {
        &self.shared.socket
    }

    /// Lists the agent's keys, those of other types too.
    ///
    /// # Errors
    /// [`AgentError`].
    pub async fn identities(&self) -> Result<Vec<Identity>, AgentError> {
        let request = message::list_request();
        self.request(&request, MAX_AGENT_RESPONSE_BYTES, parse_identities).await
    }

    /// Asks for a signature by this key; the signature is not verified.
    ///
    /// # Errors
    /// [`AgentError`].
    pub async fn sign(&self, key: &PublicKey, message: &[u8]) -> Result<Signature, AgentError> {
        if message.len() > MAX_SIGNED_MESSAGE_BYTES {
            return Err(AgentError::MessageTooLong(message.len()));
        }
        let request = message::sign_request(key, message);
        match self.request(&request, MAX_SIGN_RESPONSE_BYTES, parse_signature).await {
            Err(AgentError::SignRefused { .. }) => {
                let holds = |list: Vec<Identity>| list.iter().any(|i| i.key == Some(*key));
                let key_is_missing = self.identities().await.is_ok_and(|list| !holds(list));
                Err(AgentError::SignRefused { key_is_missing })
            }
            other => other,
        }
    }

    /// Sends a message and reads the answer. A connection that was idle may be dead by now; then
    /// the request goes out once more on a new one, which is harmless, as no request has an effect.
    async fn request<T>(
        &self,
        message: &[u8],
        limit: u32,
        parse: fn(&[u8]) -> Result<T, AgentError>,
    ) -> Result<T, AgentError> {
        let shared = &*self.shared;
        let attempt = async {
            // The semaphore is never closed, so there is nothing to handle if this fails.
            let _permit = shared.permits.acquire().await.ok();
            if let Some(mut stream) = shared.take_idle() {
                match exchange(&mut stream, message, limit).await {
                    Err(AgentError::Io(_)) => shared.forget_idle(),
                    other => return shared.keep(stream, other.and_then(|answer| parse(&answer))),
                }
            }
            let mut stream = UnixStream::connect(&shared.socket).await.map_err(|error| {
                AgentError::Connect { socket: shared.socket.clone(), error: Arc::new(error) }
            })?;
            let answer = exchange(&mut stream, message, limit).await;
            shared.keep(stream, answer.and_then(|answer| parse(&answer)))
        };
        tokio::time::timeout(REQUEST_TIMEOUT, attempt)
            .await
            .unwrap_or(Err(AgentError::Timeout(REQUEST_TIMEOUT)))
    }
}

impl Shared {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<UnixStream>> {
        // A list of streams is whole whatever panicked while it was held.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that is silent, as it has to be between requests. One that has ended is of no
    /// use, and on one with bytes to read every answer would be taken for that of a later request.
    fn take_idle(&self) -> Option<UnixStream> {
        loop {
            let stream = self.idle().pop()?;
            match stream.try_read(&mut [0]) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    return Some(stream);
                }
                _ => {}
            }
        }
    }

    /// Drops all connections: the agent restarted, or is out of step with its requests.
    fn forget_idle(&self) {
        self.idle().clear();
    }

    /// Keeps the stream for the next request only after a whole answer that fits the request.
    fn keep<T>(&self, stream: UnixStream, result: Result<T, AgentError>) -> Result<T, AgentError> {
        use AgentError::{ListRefused, SignRefused};
        if matches!(result, Ok(_) | Err(SignRefused { .. } | ListRefused)) {
            self.idle().push(stream);
        }
        result
    }
}

impl std::fmt::Debug for AgentClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AgentClient({})", self.shared.socket.display())
    }
}

/// One request and its answer; the answer's length is checked before memory is taken for it.
async fn exchange(
    stream: &mut UnixStream,
    message: &[u8],
    limit: u32,
) -> Result<Vec<u8>, AgentError> {
    let io = |error| AgentError::Io(Arc::new(error));
    stream.write_all(message).await.map_err(io)?;
    let length = stream.read_u32().await.map_err(io)?;
    if length == 0 || length > limit {
        return Err(AgentError::ResponseLength(length));
    }
    let mut answer = vec![0u8; usize::try_from(length).unwrap_or_default()];
    stream.read_exact(&mut answer).await.map_err(io)?;
    Ok(answer)
}

/// Signs with a key that an agent holds.
#[derive(Debug, Clone)]
pub struct AgentSigner {
    client: AgentClient,
    key: PublicKey,
    /// `None` where the key is no curve point; then no signature can verify.
    verifying: Option<VerifyingKey>,
}

impl AgentSigner {
    /// A signer for this key; whether the agent holds it shows at the first signature.
    pub fn new(client: AgentClient, key: PublicKey) -> Self {
        let verifying = VerifyingKey::new(&key);
        Self { client, key, verifying }
    }
}

#[async_trait]
impl Signer for AgentSigner {
    fn public_key(&self) -> PublicKey {
        self.key
    }

    async fn sign(&self, message: &[u8]) -> Result<Signature, SignError> {
        let signature = self.client.sign(&self.key, message).await?;
        match &self.verifying {
            Some(key) if key.verify(message, &signature) => Ok(signature),
            _ => {
                self.client.shared.forget_idle(); // it may be the answer to another request
                Err(SignError::Invalid(self.key))
            }
        }
    }
}

#[cfg(test)]
mod tests;
