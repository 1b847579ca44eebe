//! Where log lines go: standard error, or a file that can be opened anew.

use super::LogError;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// A place for lines. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Sink {
    target: Arc<Mutex<Target>>,
}

#[derive(Debug)]
pub(super) enum Target {
    Stderr,
    File { path: PathBuf, file: File },
}

impl Target {
    fn open(path: Option<&Path>) -> Result<Self, LogError> {
        let Some(path) = path else { return Ok(Self::Stderr) };
        let failed = |source| LogError::File { path: path.to_owned(), source };
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(failed)?;
        Ok(Self::File { path: path.to_owned(), file })
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Self::Stderr => None,
            Self::File { path, .. } => Some(path),
        }
    }
}

impl Sink {
    pub(super) fn open(path: Option<&Path>) -> Result<Self, LogError> {
        Ok(Self { target: Arc::new(Mutex::new(Target::open(path)?)) })
    }

    fn lock(&self) -> MutexGuard<'_, Target> {
        // A line is one write: a panic cannot leave half a change.
        self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_file(&self) -> bool {
        self.lock().path().is_some()
    }

    pub(super) fn reopen(&self) -> Result<(), LogError> {
        let path = self.lock().path().map(Path::to_owned);
        *self.lock() = Target::open(path.as_deref())?;
        Ok(())
    }

    pub(super) fn set_file(&self, path: Option<&Path>) -> Result<bool, LogError> {
        if self.lock().path() == path {
            return Ok(false);
        }
        let target = Target::open(path)?;
        *self.lock() = target;
        Ok(true)
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self.lock())
    }
}

/// The place, for one line.
#[derive(Debug)]
pub(super) struct Line<'a>(MutexGuard<'a, Target>);

impl io::Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *self.0 {
            Target::Stderr => io::stderr().write(bytes),
            Target::File { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut *self.0 {
            Target::Stderr => io::stderr().flush(),
            Target::File { file, .. } => file.flush(),
        }
    }
}
