//! `cargo xtask bench` and `cargo xtask soak`: build the executable and the program that puts it
//! under load, and start the latter. It is a crate of its own, `crates/bench`, so that other tasks
//! need not wait until all of Sigsum is compiled.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use crate::cargo;

/// What is left to the caller to build.
const NO_BUILD: &str = "--no-build";

/// Why nothing was measured.
#[derive(Debug)]
pub(crate) struct MeasureError(String);

impl fmt::Display for MeasureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MeasureError {}

/// Runs `sigsum-bench TASK ARGUMENTS`, built with optimisations unless the arguments say
/// `--no-build`. True when it ends well.
pub(crate) fn run(root: &Path, task: &str, arguments: &[OsString]) -> Result<bool, MeasureError> {
    let (build, rest): (Vec<_>, Vec<_>) =
        arguments.iter().partition(|argument| *argument == OsStr::new(NO_BUILD));
    if build.is_empty() {
        let words = ["build", "--release", "--locked", "-p", "sigsum-cli", "-p", "sigsum-bench"];
        if !status(Command::new(cargo()).args(words).current_dir(root))?.success() {
            return Ok(false);
        }
    }
    let program = target_directory(root)?.join("release").join("sigsum-bench");
    Ok(status(Command::new(program).arg(task).args(rest))?.success())
}

/// `soak crash SEED...`: the crashes after every operation of a recorded run that CI tries too, many
/// more of them, in ways that the seeds choose. True when nothing that was promised is lost.
///
/// # Errors
/// No seed, or one that is no number: nothing would be tried that CI does not try.
pub(crate) fn crash(root: &Path, seeds: &[OsString]) -> Result<bool, MeasureError> {
    let is_no_number =
        |seed: &&OsString| seed.to_str().is_none_or(|seed| seed.parse::<u64>().is_err());
    if let Some(seed) = seeds.iter().find(is_no_number) {
        return Err(MeasureError(format!(
            "soak crash: {} is no seed, which is a number",
            seed.display()
        )));
    }
    if seeds.is_empty() {
        return Err(MeasureError("soak crash: a SEED is needed, which is any number".to_owned()));
    }
    let words =
        ["test", "--release", "--locked", "-p", "sigsum-store", "--test", "store", "crash::"];
    for seed in seeds {
        let mut command = Command::new(cargo());
        command.args(words).args(["--", "--nocapture"]).env("SIGSUM_CRASH_SEED", seed);
        if !status(command.current_dir(root))?.success() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn status(command: &mut Command) -> Result<ExitStatus, MeasureError> {
    let program = command.get_program().to_owned();
    let failed = |error| format!("cannot run {}: {error}", Path::new(&program).display());
    command.status().map_err(|error| MeasureError(failed(error)))
}

/// Where cargo puts what it builds; configuration and environment may say where.
pub(crate) fn target_directory(root: &Path) -> Result<PathBuf, MeasureError> {
    let mut command = cargo_metadata::MetadataCommand::new();
    let metadata = command.manifest_path(root.join("Cargo.toml")).no_deps().exec();
    let metadata = metadata.map_err(|error| MeasureError(format!("cargo metadata: {error}")))?;
    Ok(metadata.target_directory.into_std_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_soak_without_a_seed_or_with_one_that_is_no_number_is_a_mistake() {
        for (seeds, text) in [
            (&[][..], "a SEED is needed"),
            (&["1", "x"], "x is no seed"),
            (&["-1"], "-1 is no seed"),
        ] {
            let seeds: Vec<OsString> = seeds.iter().map(OsString::from).collect();
            let refused = crash(Path::new("/nonexistent"), &seeds).unwrap_err().to_string();
            assert!(refused.contains(text), "{refused}");
        }
    }
}
