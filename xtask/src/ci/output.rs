//! Where the steps print: to the terminal, or to a file of which the terminal sees only verdicts and
//! what went wrong, so that a reader of ten thousand lines need not look for one.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::excerpt::excerpt;

/// Where the steps print.
pub(super) enum Output {
    /// All of it to standard output, as it comes.
    Terminal,
    /// To a file, which has become standard output and standard error of this process and of those
    /// that it starts.
    File {
        /// What standard output was before.
        terminal: File,
        /// The file.
        path: PathBuf,
    },
}

impl Output {
    /// Standard output, or `log`, which is emptied; its directory is made.
    ///
    /// # Errors
    ///
    /// The file cannot be made.
    pub(super) fn new(log: Option<&Path>) -> io::Result<Self> {
        let Some(path) = log else { return Ok(Self::Terminal) };
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        File::create(path)?;
        // Several processes write to it at once.
        let file = File::options().append(true).open(path)?;
        let terminal = File::from(rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3)?);
        rustix::stdio::dup2_stdout(&file)?;
        rustix::stdio::dup2_stderr(&file)?;
        Ok(Self::File { terminal, path: path.to_owned() })
    }

    /// Prints a text that belongs on the terminal.
    pub(super) fn say(&self, text: &str) {
        println!("{text}");
        if let Self::File { terminal, .. } = self {
            // Nobody may be reading any more; the exit status tells the outcome all the same.
            let _ = writeln!(&*terminal, "{text}");
        }
    }

    /// How much was printed so far, in bytes; nothing where it goes to the terminal.
    pub(super) fn position(&self) -> u64 {
        match self {
            Self::Terminal => 0,
            Self::File { path, .. } => std::fs::metadata(path).map_or(0, |file| file.len()),
        }
    }

    /// Says on the terminal what of the output since `position` tells why a step failed.
    pub(super) fn say_what_failed(&self, position: u64) {
        let Self::File { path, .. } = self else { return };
        let text = match std::fs::read(path) {
            Ok(bytes) => {
                let start = usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
                let (_, since) = bytes.split_at(start);
                excerpt(&String::from_utf8_lossy(since))
            }
            Err(error) => error.to_string(),
        };
        self.say(&format!("{text}\n(all of it: {})", path.display()));
    }
}
