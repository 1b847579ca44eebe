//! `sigsum policy`: list and show named policies.

use crate::failure::Failure;
use crate::files::print;
use crate::policy_choice::named_policies;
use clap::{Args, Subcommand};

/// What to do with named policies.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the names of built-in and installed policies
    List,
    /// Print a policy file as it is
    Show(Show),
}

/// Options of `policy show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Name of the policy
    name: String,
}

/// Runs the command.
pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::List => {
            let names = named_policies().list();
            print(names.iter().map(|n| format!("{n}\n")).collect::<String>())
        }
        Command::Show(show) => {
            let found = named_policies().read(&show.name).map_err(|e| {
                Failure::new(e.to_string())
                    .remedy("`sigsum policy list` shows the names that are known here")
            })?;
            print(found.text)
        }
    }
}
