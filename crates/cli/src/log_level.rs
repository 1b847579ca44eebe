//! The diagnostics that daemons and the levelled tools write to standard error.

use crate::failure::Failure;
use sigsum_service::clock::SystemClock;
use sigsum_service::logging::{self, LogControl, LogFormat, LogSettings};
use std::path::Path;
use std::sync::Arc;

/// Starts the program's own log at a level that the user named; `info` where none was. The daemon hands the
/// result to its runner, so that a file is opened anew at SIGHUP.
pub(crate) fn start_logging(
    level: Option<&str>,
    file: Option<&Path>,
) -> Result<LogControl, Failure> {
    let level = level.unwrap_or("info");
    let level = level.parse().map_err(|_| {
        Failure::new(format!("setup logging: invalid logging level {level}"))
            .remedy("use debug, info, warning, error or fatal")
    })?;
    let settings = LogSettings { format: LogFormat::Go, level, file: file.map(Path::to_owned) };
    logging::init(&settings, Arc::new(SystemClock)).map_err(|e| Failure::new(e.to_string()))
}
