//! What the user reads when a command fails: the cause, and where there is one, the remedy.

use sigsum_keys::{KeyFileError, KeyListError, PublicKeyError};
use std::fmt;
use std::io;
use std::path::Path;

/// A failed command. Exit status 1, as all failures of the Go tools.
#[derive(Debug)]
pub(crate) struct Failure {
    cause: String,
    remedy: Option<String>,
    /// Standard output was closed by its reader: no failure at all.
    broken_pipe: bool,
}

impl Failure {
    /// A failure that says what went wrong.
    pub(crate) fn new(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), remedy: None, broken_pipe: false }
    }

    /// Adds what the user can do about it.
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// A failure that the user asked not to hear about.
    pub(crate) fn silent() -> Self {
        Self::new("")
    }

    /// Whether there is nothing to say.
    pub(crate) fn is_silent(&self) -> bool {
        self.cause.is_empty()
    }

    /// Whether the reader of standard output went away, which ends a command without complaint.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.broken_pipe
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\nhint: {remedy}"),
            None => Ok(()),
        }
    }
}

/// An error of writing to standard output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let broken_pipe = error.kind() == io::ErrorKind::BrokenPipe;
        Self { broken_pipe, ..Self::new(format!("writing output failed: {error}")) }
    }
}

/// An I/O error with the file's name, worded as the Go tools word it (`open X: no such file or
/// directory`), because scripts look for it.
pub(crate) fn file_failure(verb: &str, path: &Path, error: &io::Error) -> Failure {
    let reason = match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::AlreadyExists => "file exists".to_owned(),
        io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        _ => error.to_string(),
    };
    Failure::new(format!("{verb} {}: {reason}", path.display()))
}

/// A key file that cannot be used: what is wrong, behind words of the command, and what to do about
/// the mistakes that are made most.
pub(crate) fn key_failure(prefix: &str, error: &KeyFileError) -> Failure {
    let failure = Failure::new(format!("{prefix}{error}"));
    match error {
        KeyFileError::Public { error, .. }
        | KeyFileError::List { error: KeyListError::Line { error, .. }, .. }
            if is_private(error) =>
        {
            failure.remedy(PRIVATE_FOR_PUBLIC)
        }
        KeyFileError::NoAgent { .. } => failure.remedy(
            "a public key file stands for a key in a running ssh-agent; else name the private key file",
        ),
        _ => failure,
    }
}

/// A public key that cannot be read from a text.
pub(crate) fn public_key_failure(error: &PublicKeyError) -> Failure {
    let failure = Failure::new(error.to_string());
    if is_private(error) { failure.remedy(PRIVATE_FOR_PUBLIC) } else { failure }
}

/// What to do where a private key stands for a public one.
const PRIVATE_FOR_PUBLIC: &str =
    "this is a private key; its public key is in the file of the same name with .pub";

/// Whether what was read as a public key begins as a private one does.
fn is_private(error: &PublicKeyError) -> bool {
    matches!(error, PublicKeyError::KeyType(found) if found.starts_with("-----BEGIN"))
}
