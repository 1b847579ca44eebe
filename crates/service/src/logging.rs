//! Log lines: three formats, log-go's levels, and a level that can be changed while running.
//!
//! Everything in this workspace logs through `tracing`; this module decides what is written, how
//! and where. Events of our own crates follow the level; those of libraries are written from
//! warnings on.

mod format;
mod sink;

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::{Registry, reload};

use self::format::{ClockTime, GoLines, PlainLines};
use self::sink::Sink;
use crate::clock::Clock;

/// The target of events that end the process; see [`fatal`].
const FATAL_TARGET: &str = "fatal";

/// The targets of our own crates begin with this.
const OWN_TARGETS: &str = "sigsum";

/// What is written, by its weight. Names are log-go's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything.
    Debug,
    /// What an operator wants to read every day.
    #[default]
    Info,
    /// What needs a look.
    Warning,
    /// What went wrong.
    Error,
    /// Only what ends the process.
    Fatal,
}

/// A word that names no [`Level`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid logging level {0}, must be one of debug, info, warning, error, fatal")]
pub struct LevelError(String);

impl FromStr for Level {
    type Err = LevelError;

    fn from_str(text: &str) -> Result<Self, LevelError> {
        Ok(match text {
            "debug" => Self::Debug,
            "info" => Self::Info,
            "warning" => Self::Warning,
            "error" => Self::Error,
            "fatal" => Self::Fatal,
            other => return Err(LevelError(other.to_owned())),
        })
    }
}

impl Level {
    fn filter(self) -> Targets {
        let own = match self {
            Self::Debug => LevelFilter::DEBUG,
            Self::Info => LevelFilter::INFO,
            Self::Warning => LevelFilter::WARN,
            Self::Error => LevelFilter::ERROR,
            Self::Fatal => LevelFilter::OFF,
        };
        Targets::new()
            .with_target(OWN_TARGETS, own)
            .with_target(FATAL_TARGET, LevelFilter::ERROR)
            .with_default(own.min(LevelFilter::WARN))
    }
}

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `2026-11-22T10:00:00Z INFO text key=value`, in UTC.
    #[default]
    Plain,
    /// `2026/11/22 10:00:00 [INFO] text key=value`, in local time: what the Go tools write.
    Go,
    /// One JSON object a line.
    Json,
}

/// Where log lines go and which are written.
#[derive(Clone, Debug, Default)]
pub struct LogSettings {
    /// How a line looks.
    pub format: LogFormat,
    /// What is written at the start.
    pub level: Level,
    /// Lines are appended to this file, which is made if missing; standard error without one.
    pub file: Option<PathBuf>,
}

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The configured file cannot be opened.
    #[error("open log file failed: {path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// [`init`] has been called before.
    #[error("logging is set up already")]
    Again,
}

/// Changes what is written, and where, while running. Clones are the same.
#[derive(Clone, Debug)]
pub struct LogControl {
    filter: reload::Handle<Targets, Registry>,
    sink: Sink,
}

impl LogControl {
    /// Writes from `level` on, beginning now.
    pub fn set_level(&self, level: Level) {
        // Fails only when the subscriber is gone, and then nothing is written at all.
        let _ = self.filter.reload(level.filter());
    }

    /// Opens the log file anew, which is made if somebody has moved it away.
    ///
    /// # Errors
    /// [`LogError::File`]; lines go where they went before.
    pub fn reopen(&self) -> Result<(), LogError> {
        self.sink.reopen()
    }

    /// Whether lines go to a file.
    #[must_use]
    pub fn has_file(&self) -> bool {
        self.sink.has_file()
    }

    /// Writes to this file from now on, or to standard error. Whether that is a change.
    ///
    /// # Errors
    /// [`LogError::File`]; lines go where they went before.
    pub fn set_file(&self, file: Option<&Path>) -> Result<bool, LogError> {
        self.sink.set_file(file)
    }
}

/// Sets up logging for the process, once.
///
/// # Errors
/// See [`LogError`].
pub fn init(settings: &LogSettings, clock: Arc<dyn Clock>) -> Result<LogControl, LogError> {
    let sink = Sink::open(settings.file.as_deref())?;
    let (subscriber, control) = subscriber(settings, clock, sink);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Again)?;
    Ok(control)
}

/// The subscriber that [`init`] installs.
fn subscriber(
    settings: &LogSettings,
    clock: Arc<dyn Clock>,
    sink: Sink,
) -> (Box<dyn Subscriber + Send + Sync>, LogControl) {
    let (filter, handle) = reload::Layer::new(settings.level.filter());
    let lines = tracing_subscriber::fmt::layer().with_writer(sink.clone()).with_ansi(false);
    let layer = match settings.format {
        LogFormat::Plain => lines.event_format(PlainLines { clock }).boxed(),
        LogFormat::Go => lines.event_format(GoLines { clock }).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_timer(ClockTime(clock)).boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter));
    (Box::new(subscriber), LogControl { filter: handle, sink })
}

/// Logs what ends the process, whatever the level. The caller then returns a failure from `main`.
pub fn fatal(message: &str) {
    tracing::error!(target: FATAL_TARGET, "{message}");
}

#[cfg(test)]
mod tests;
