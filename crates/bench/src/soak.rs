//! The soaks: servers are killed at random moments under load, again and again, and everything
//! that they ever said is held against what they say in the end.

pub(crate) mod assault;
pub(crate) mod kill_log;
mod kill_witness;
pub(crate) mod log_clients;
mod rival_heads;
mod start_order;

use crate::failure::Failure;
use clap::{Args, ValueEnum};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Violations that are printed; the rest are counted.
const SHOWN_VIOLATIONS: usize = 20;

/// What can be put under load and killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Everything below.
    All,
    /// `sigsum log primary`, with submitters, readers and three witnesses.
    KillLog,
    /// `sigsum witness run` with many logs, and `sigsum witness single` with one; the logs try to
    /// be cosigned on two branches.
    KillWitness,
    /// `sigsum log primary`, its ssh-agent, DNS server, witnesses, followers and policy, started in
    /// random orders.
    StartOrder,
}

/// Options of `soak`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What to kill (default: all)
    #[arg(value_enum)]
    what: Vec<What>,
    /// How often
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// Determines when and what; the load runs free, so that a run cannot be repeated exactly
    #[arg(long)]
    seed: Option<u64>,
    /// In how many orders the parts of a log are started
    #[arg(long, default_value_t = 100)]
    orders: u32,
    /// Ten kills each (and as many start orders as else)
    #[arg(long, conflicts_with = "kills")]
    short: bool,
    /// Where data directories are made
    #[arg(long)]
    directory: Option<PathBuf>,
}

/// What every soak needs.
#[derive(Debug)]
pub(crate) struct Setting<'a> {
    pub(crate) program: &'a Path,
    pub(crate) data: &'a Path,
    pub(crate) kills: u32,
    pub(crate) seed: u64,
}

/// What a server did that it must never do.
#[derive(Debug, Default)]
pub(crate) struct Violations(Mutex<Vec<String>>);

impl Violations {
    /// Notes one.
    pub(crate) fn add(&self, what: impl Display) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what.to_string());
    }

    /// Takes them all out.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Prints them. True if there are none.
    pub(crate) fn report(&self) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for violation in all.iter().take(SHOWN_VIOLATIONS) {
            println!("  VIOLATION: {violation}");
        }
        println!("  violations: {}", all.len());
        all.is_empty()
    }
}

/// Runs what was asked for. True if no server violated anything.
pub(crate) async fn run(options: &Options, program: &Path, data: &Path) -> Result<bool, Failure> {
    let data = options.directory.as_deref().unwrap_or(data);
    let seed = match options.seed {
        Some(seed) => seed,
        None => sigsum_keys::random_u64().map_err(Failure::preparing("a seed"))?,
    };
    let kills = if options.short { 10 } else { options.kills };
    println!("soak: seed {seed}, {kills} kills each");
    let setting = Setting { program, data, kills, seed };
    let asked = |what| {
        options.what.is_empty() || options.what.iter().any(|it| [what, What::All].contains(it))
    };
    let mut passed = true;
    if asked(What::KillLog) {
        passed &= kill_log::run(&setting).await?.report();
    }
    if asked(What::KillWitness) {
        passed &= kill_witness::run(&setting).await?.report();
    }
    if asked(What::StartOrder) {
        let missing = start_order::missing_programs();
        if missing.is_empty() {
            passed &= start_order::run(&setting, options.orders).await?.report();
        } else {
            println!("\nskipped: start-order needs {}", missing.join(", "));
            passed &= std::env::var_os("CI").is_none();
        }
    }
    Ok(passed)
}
