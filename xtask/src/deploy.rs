//! The Debian package, and a test that installs it on a machine with systemd and runs every command
//! of `docs/debian.md` there.

mod machine;
mod package;
mod walk;

use std::path::{Path, PathBuf};

use crate::measure::target_directory;
use machine::Machine;

/// What the test found.
pub(crate) enum Verdict {
    /// All commands did what they should; so many.
    Passed(usize),
    /// This machine cannot do it.
    Impossible(String),
}

/// The executable that is packed unless another is named.
fn release_program(root: &Path) -> Result<PathBuf, String> {
    let target = target_directory(root).map_err(|error| error.to_string())?;
    Ok(target.join("release").join("sigsum"))
}

/// Builds the package from an executable, the release build unless one is named, and gives its path.
pub(crate) fn package(root: &Path, program: Option<&Path>) -> Result<PathBuf, String> {
    let program = match program {
        Some(program) => program.to_owned(),
        None => release_program(root)?,
    };
    let target = target_directory(root).map_err(|error| error.to_string())?;
    package::build(root, &program, &target.join("deb"))
}

/// Installs the package and walks through the document.
pub(crate) fn test(root: &Path, program: Option<&Path>) -> Result<Verdict, String> {
    let package = package(root, program)?;
    println!("made {}", package.display());
    if let Err(why) = Machine::is_possible() {
        return Ok(Verdict::Impossible(why));
    }
    let machine = Machine::boot(&package)?;
    let commands = walk::commands(root)?;
    for command in &commands {
        machine.run(command)?;
    }
    for check in walk::CHECKS {
        machine.run(check)?;
    }
    Ok(Verdict::Passed(commands.len() + walk::CHECKS.len()))
}
