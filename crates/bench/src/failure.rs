//! Why a benchmark or a soak could not be carried out. What a soak finds is not a failure of this
//! kind but a violation, which it counts.

use std::path::{Path, PathBuf};

/// What went wrong, by who is at fault.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// This machine: a file, a directory, a process.
    #[error("{what} {}: {source}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program that did not do what it was started for.
    #[error("{program}: {what}\n{said}")]
    Program {
        /// Its arguments.
        program: String,
        /// What it did instead.
        what: String,
        /// What it had said on standard error.
        said: String,
    },
    /// A server whose answers are not those that the benchmark is about.
    #[error("{server}: {what}")]
    Server {
        /// Which one, or which endpoint.
        server: String,
        /// What was wrong with its answer.
        what: String,
    },
    /// The preparation inside this process: keys, stores, trees.
    #[error("{what}: {reason}")]
    Preparation {
        /// What was to be made.
        what: &'static str,
        /// Why it could not.
        reason: String,
    },
}

impl Failure {
    /// For `map_err` on file operations.
    pub(crate) fn file(
        what: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::File { what, path, source }
    }

    /// For `map_err` on preparations.
    pub(crate) fn preparing<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Preparation { what, reason: error.to_string() }
    }

    /// An answer that is not the one that was due.
    pub(crate) fn server(server: impl Into<String>, what: impl std::fmt::Display) -> Self {
        Self::Server { server: server.into(), what: what.to_string() }
    }
}
