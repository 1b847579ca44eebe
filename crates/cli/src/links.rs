//! `sigsum links DIR`: makes the other names of this program.

use crate::failure::{Failure, file_failure};
use crate::files::print;
use crate::names::LINKS;
use clap::Args;
use std::path::PathBuf;

/// Options of `links`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Directory to make the links in
    directory: PathBuf,
    /// Replace links and files that exist
    #[arg(long)]
    force: bool,
}

/// Makes one symbolic link a name, pointing at this executable.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let program = std::env::current_exe()
        .and_then(|p| p.canonicalize())
        .map_err(|e| Failure::new(format!("this program's own path is unknown: {e}")))?;
    let directory = options
        .directory
        .canonicalize()
        .map_err(|e| file_failure("open", &options.directory, &e))?;
    // Beside the program a relative link survives moving the directory.
    let target = match program.parent() == Some(directory.as_path()) {
        true => program.file_name().map(PathBuf::from).unwrap_or(program),
        false => program,
    };
    for (name, stands_for) in LINKS {
        let link = directory.join(name);
        if options.force && link.symlink_metadata().is_ok() {
            std::fs::remove_file(&link).map_err(|e| file_failure("remove", &link, &e))?;
        }
        std::os::unix::fs::symlink(&target, &link).map_err(|e| {
            file_failure("link", &link, &e).remedy("use --force to replace what is there")
        })?;
        print(format!("{} -> sigsum {}\n", link.display(), stands_for.join(" ")))?;
    }
    Ok(())
}
